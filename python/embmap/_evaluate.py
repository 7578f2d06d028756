"""How well vectors answer the questions that embeddings are compared by: analogies and word similarities."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _similarity
from ._progress import Progress, shown

if TYPE_CHECKING:
    from ._store import Store

# Questions answered in one pass over the rows.
_PASS = 256
# gensim looks at five rows behind the three of the question.
_LOOKED_AT = 5
# What keeps 3CosMul from dividing by zero: Levy and Goldberg, 2014.
_EPSILON = 1e-6


@dataclass(frozen=True)
class Section:
    """Answers to the questions of one section, or to all.

    Attributes
    ----------
    name : str
    correct, total : int
        Questions answered rightly, and questions whose four words are all known.
    skipped : int
        Questions with a word that is not.
    """

    name: str
    correct: int
    total: int
    skipped: int

    @property
    def accuracy(self) -> float:
        """The share of right answers, 0.0 where there was nothing to answer."""
        return self.correct / self.total if self.total else 0.0

    def __str__(self) -> str:
        skipped = f", {self.skipped:,} skipped" if self.skipped else ""
        return f"{self.name}: {self.accuracy:.1%} ({self.correct:,} of {self.total:,}{skipped})"


@dataclass(frozen=True)
class Analogies(Section):
    """Answers to all analogies of a file; `sections` has them by section, in the file's order. `str()` reads well."""

    sections: tuple[Section, ...]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.sections), super().__str__()])


@dataclass(frozen=True)
class Similarities:
    """How cosines agree with people's judgements of how similar words are.

    Attributes
    ----------
    spearman, pearson : float
        Correlation of ranks, and of values.
    pairs, skipped : int
        Pairs of known words, and those with a word that is not.
    """

    spearman: float
    pearson: float
    pairs: int
    skipped: int

    def __str__(self) -> str:
        skipped = f", {self.skipped:,} skipped" if self.skipped else ""
        return f"Spearman {self.spearman:.4f}, Pearson {self.pearson:.4f} ({self.pairs:,} pairs{skipped})"


class _Question(NamedTuple):
    section: int
    keys: tuple[str, ...]


def evaluate(
    store: Store,
    questions: str | os.PathLike[str],
    *,
    method: Literal["3cosadd", "3cosmul"] = "3cosadd",
    restrict: int = 300_000,
    case_insensitive: bool = True,
    progress: bool = False,
) -> Analogies | Similarities:
    r"""Answer a file of analogies, or compare cosines with a file of similarities.

    An analogy file has lines of four words, ``man king woman queen``, in sections that start with ``: name``, as Google's
    ``questions-words.txt`` has; a similarity file has two words and a number a line, as WordSim-353 and SimLex-999 have. As
    gensim's `evaluate_word_analogies` and `evaluate_word_pairs`, with the same answers.

    Parameters
    ----------
    store : Store
    questions : path
        The file; which kind it is follows from its content.
    method : {"3cosadd", "3cosmul"}
        For analogies: nearest to ``b - a + c``, or the largest product of cosines (Levy and Goldberg, 2014).
    restrict : int
        Only the first so many words count as known and as answers.
    case_insensitive : bool
        Compare words in upper case; of words that differ in case alone the first row counts.
    progress : bool
        Show a bar while analogies are answered.

    Returns
    -------
    Analogies or Similarities

    Raises
    ------
    ValueError
        The file is neither, or none of its words is known.

    Examples
    --------
    >>> _ = Path("questions.txt").write_text(": family\nman king woman queen\n")
    >>> print(embmap.evaluate(store, "questions.txt"))
    family: 100.0% (1 of 1)
    all: 100.0% (1 of 1)
    """
    if method not in ("3cosadd", "3cosmul"):
        raise ValueError(f"method must be '3cosadd' or '3cosmul', not {method!r}")
    if restrict < 1:
        raise ValueError(f"restrict must be positive, not {restrict}")
    path = Path(questions)
    lines = [
        line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip() and not line.startswith("#")
    ]
    change: Callable[[str], str] = str.upper if case_insensitive else str
    words = store.words[:restrict]
    # The first row of a word wins.
    known = {change(word): row for row, word in zip(range(len(words) - 1, -1, -1), reversed(words), strict=True)}
    if lines and lines[0].startswith(":"):
        with shown(bool(progress), path.name, " questions") as tick:
            return _analogies(store, lines, known, [change(word) for word in words], change, method, tick)
    return _similarities(store, path, lines, known, change)


def _analogies(
    store: Store,
    lines: Iterable[str],
    known: dict[str, int],
    keys: list[str],
    change: Callable[[str], str],
    method: str,
    tick: Progress | None,
) -> Analogies:
    names: list[str] = []
    asked: list[_Question] = []
    skipped: list[int] = []
    for line in lines:
        if line.startswith(":"):
            names.append(line[1:].strip())
            skipped.append(0)
            continue
        four = tuple(map(change, line.split()))
        if len(four) != 4:
            continue
        if all(key in known for key in four):
            asked.append(_Question(len(names) - 1, four))
        else:
            skipped[-1] += 1
    correct, total = [0] * len(names), [0] * len(names)
    for start in range(0, len(asked), _PASS):
        some = asked[start : start + _PASS]
        rows = np.array([[known[key] for key in question.keys] for question in some])
        for question, answers in zip(some, _answers(store, rows[:, :3], len(keys), method), strict=True):
            total[question.section] += 1
            correct[question.section] += _answer(answers, question, known, keys) == question.keys[3]
        if tick:
            tick(start + len(some), len(asked))
    sections = tuple(Section(*counts) for counts in zip(names, correct, total, skipped, strict=True))
    return Analogies("all", sum(correct), sum(total), sum(skipped), sections)


def _answer(rows: Iterable[int], question: _Question, known: dict[str, int], keys: list[str]) -> str | None:
    """Give the first answer that is no other form of a word of the question, as gensim does."""
    ignored = question.keys[:3]
    own = {known[key] for key in ignored}
    others = [keys[row] for row in rows if row not in own][:_LOOKED_AT]
    return next((key for key in others if key not in ignored), None)


def _answers(store: Store, rows: NDArray[np.int64], first: int, method: str) -> Iterator[list[int]]:
    """Give the best rows for each question, rows of its own words included."""
    a, b, c = (_similarity.unit(store.take(column)) for column in rows.T)
    k = _LOOKED_AT + 3
    if method == "3cosadd":
        ids, _ = _similarity.neighbors(store, (b - a + c).astype(np.float32), k, first)
        yield from ids.tolist()
        return
    units = [unit.astype(np.float32) for unit in (a, b, c)]
    step = max((1 << 22) // len(rows), 1)
    best = np.empty((len(rows), 0), np.float32)
    best_rows = np.empty((len(rows), 0), np.int64)
    for start in range(0, first, step):
        stop = min(start + step, first)
        block = store._block(start, stop).T.astype(np.float32, copy=False)
        norms = store._inverse_norms(start, stop)
        # Cosines moved to 0..1, so that products are of what is not negative.
        away, toward, other = ((1 + unit @ block * norms) / 2 for unit in units)
        here = np.broadcast_to(np.arange(start, stop), (len(rows), stop - start))
        scores: NDArray[np.float32] = np.hstack((best, toward * other / (away + np.float32(_EPSILON))))
        places: NDArray[np.int64] = np.hstack((best_rows, here))
        if scores.shape[1] > k:
            top = np.argpartition(scores, -k, axis=1)[:, -k:]
            scores, places = np.take_along_axis(scores, top, 1), np.take_along_axis(places, top, 1)
        order = np.lexsort((places, -scores), axis=1)
        best, best_rows = np.take_along_axis(scores, order, 1), np.take_along_axis(places, order, 1)
    yield from best_rows.tolist()


def _similarities(
    store: Store, path: Path, lines: Iterable[str], known: dict[str, int], change: Callable[[str], str]
) -> Similarities:
    pairs: list[tuple[int, int]] = []
    judged: list[float] = []
    skipped = valid = 0
    for line in lines:
        fields = line.split("\t") if "\t" in line else line.split("," if "," in line else None)
        try:
            first, second, judgement = fields[0].strip(), fields[1].strip(), float(fields[2])
        except (IndexError, ValueError):
            continue  # A line of names above the columns.
        valid += 1
        keys = [change(first), change(second)]
        if all(key in known for key in keys):
            pairs.append((known[keys[0]], known[keys[1]]))
            judged.append(judgement)
        else:
            skipped += 1
    if not valid:
        raise ValueError(f"{path}: expected lines of four words in sections, or of two words and a number")
    if not pairs:
        raise ValueError(f"{path}: none of its words is known")
    first_rows, second_rows = (_similarity.unit(store.take(rows)) for rows in np.array(pairs).T)
    cosines = (first_rows * second_rows).sum(axis=1)
    judgements = np.array(judged)
    spearman = _correlation(_ranks(judgements), _ranks(cosines))
    return Similarities(spearman, _correlation(judgements, cosines), len(pairs), skipped)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give ranks from 1; values that are equal share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 else float("nan")
