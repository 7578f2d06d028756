"""How well vectors answer the questions that embeddings are compared by: analogies and word similarities."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .._choices import OnBadRow
from .._core.store import check_open
from .._notebook import Readable
from .._progress import Progress, shown
from . import judgements as _judgements
from . import question_files as _question_files
from . import similarity as _similarity
from .judgements import Pair
from .question_files import Judged, Question, Questions

if TYPE_CHECKING:
    from .._core.store import CoreStore

# Questions answered in one pass over the rows.
_PASS = 4096
# gensim looks at five rows behind the three of the question.
_LOOKED_AT = 5


@dataclass(frozen=True)
class Section(Readable):
    r"""Answers to the questions of one section, or to all.

    Attributes
    ----------
    name : str
    correct, total : int
        Questions answered rightly, and questions whose four words are all known.
    skipped : int
        Questions with a word that is not, or without a known answer where several are right.

    Examples
    --------
    >>> _ = Path("questions.txt").write_text(": family\nman king woman queen\nman king uncle aunt\n")
    >>> family = embmap.evaluate(store, "questions.txt").sections[0]
    >>> family.name, family.accuracy, family.total, family.skipped
    ('family', 1.0, 1, 1)
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
    r"""Answers to all analogies of a file. `str()` reads well.

    Attributes
    ----------
    sections : tuple of Section
        Answers by section, in the file's order.
    rejected : int
        Lines that could not be read.

    Examples
    --------
    >>> _ = Path("questions.txt").write_text(": family\nman king woman queen\n: fruit\napple pear king queen\n")
    >>> answers = embmap.evaluate(store, "questions.txt")
    >>> answers.accuracy, [section.name for section in answers.sections]
    (0.5, ['family', 'fruit'])
    >>> print(answers)
    family: 100.0% (1 of 1)
    fruit: 0.0% (0 of 1)
    all: 50.0% (1 of 2)
    """

    sections: tuple[Section, ...]
    rejected: int = 0

    def __str__(self) -> str:
        return "\n".join([*map(str, self.sections), super().__str__() + _told(self.rejected)])


@dataclass(frozen=True)
class Similarities(Readable):
    r"""How cosines agree with people's judgements of how similar words are.

    Attributes
    ----------
    spearman, pearson : float
        Correlation of ranks, and of values; NaN where all judgements or all cosines are the same.
    pairs, skipped : int
        Pairs of known words, and those with a word that is not.
    rejected : int
        Lines that could not be read.

    Examples
    --------
    >>> _ = Path("pairs.txt").write_text("king\tqueen\t8\nking\tpear\t1\nman\twoman\t9\nking\tuncle\t7\n")
    >>> agreement = embmap.evaluate(store, "pairs.txt")
    >>> round(agreement.spearman, 3), agreement.pairs, agreement.skipped
    (0.5, 3, 1)
    >>> print(agreement)
    Spearman 0.5000, Pearson 0.8925 (3 pairs, 1 skipped)
    """

    spearman: float
    pearson: float
    pairs: int
    skipped: int
    rejected: int = 0

    def __str__(self) -> str:
        skipped = f", {self.skipped:,} skipped" if self.skipped else ""
        counts = f"({self.pairs:,} pairs{skipped})"
        return f"Spearman {self.spearman:.4f}, Pearson {self.pearson:.4f} {counts}{_told(self.rejected)}"


def _told(rejected: int) -> str:
    return f"; {rejected:,} line{'s' * (rejected > 1)} could not be read" if rejected else ""


# What gensim looks at, and the authors of the analogies did.
_RESTRICT = 300_000


def evaluate(
    store: CoreStore,
    questions: str | os.PathLike[str],
    *,
    method: Literal["3cosadd", "3cosmul"] = "3cosadd",
    restrict: int = _RESTRICT,
    case_insensitive: bool = True,
    encoding: str = "utf-8",
    on_bad_row: OnBadRow = "error",
    progress: bool = False,
) -> Analogies | Similarities:
    r"""Answer a file of analogies, or compare cosines with a file of similarities.

    Files are read as they are published. Analogies: lines of four words, ``man king woman queen``, in sections that start
    with ``: name`` (Google's ``questions-words.txt``) or without any; MSR's ``word_relationship.questions``, whose answers
    are in ``word_relationship.answers`` beside it; the folder of BATS, or one of its files. Similarities: lines of two words
    and a number, separated by tabs, commas, semicolons or spaces (WordSim-353, SimLex-999, SimVerb-3500, MEN, RW, MTurk,
    RG-65, MC-30, YP-130, VERB-143, and SCWS, whose contexts are not used).

    As gensim's `evaluate_word_analogies` and `evaluate_word_pairs`, with the same answers.

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
    encoding : str
        Of the file; some lists in other languages than English are in ``"cp1252"`` or ``"latin-1"``.
    on_bad_row : {"error", "skip"}
        Whether a line that cannot be read ends the evaluation, or is counted and passed over.
    progress : bool
        Show a bar while analogies are answered.

    Returns
    -------
    Analogies or Similarities

    Raises
    ------
    ParseError
        A line cannot be read, with its number; or the file has another encoding.
    ValueError
        The file is neither, or none of its words is known; a store in several files has words that differ in case alone,
        and `case_insensitive` is true.

    Notes
    -----
    Blank lines and lines that start with ``#`` are comments. The judgement is the column that a first line names, with
    ``similarity``, ``relatedness``, ``simlex``, ``score``, ``rating``, ``gold``, ``human`` or ``mean`` in the name; a mean
    comes before the ratings that it is of. Where no name tells, it is the first column of numbers behind the two words, and
    only parts of speech may be between. Where each word has such a tag, as ``sun-n`` in MEN's lemma form, all are taken
    away, unless more words are known with them.

    BATS asks for each pair of a file with each other one. Of several right answers each counts, and the first one is asked
    with. Its files are the sections, as the relations of MSR are.

    Examples
    --------
    >>> _ = Path("questions.txt").write_text(": family\nman king woman queen\n")
    >>> print(embmap.evaluate(store, "questions.txt"))
    family: 100.0% (1 of 1)
    all: 100.0% (1 of 1)
    >>> _ = Path("pairs.txt").write_text("word1\tword2\tPOS\tscore\nking\tqueen\tN\t8\nking\tpear\tN\t1\n")
    >>> embmap.evaluate(store, "pairs.txt").pairs
    2
    """
    check_open(store)
    if method not in ("3cosadd", "3cosmul"):
        raise ValueError(f"method must be '3cosadd' or '3cosmul', not {method!r}")
    if restrict < 1:
        raise ValueError(f"restrict must be positive, not {restrict}")
    if on_bad_row not in ("error", "skip"):
        raise ValueError(f"on_bad_row must be 'error' or 'skip', not {on_bad_row!r}")
    if restrict != _RESTRICT:
        _similarity.check_order(store, restrict)
    elif not store._in_source_order:
        # The default is about frequent words, which nobody can tell here.
        restrict = len(store)
    path = Path(questions)
    found = _question_files.read(path, encoding, on_bad_row)
    change: Callable[[str], str] = str.upper if case_insensitive else str
    keys = [change(word) for word in store.words[:restrict]]
    known = rows_by_key(keys)
    if not store._in_source_order and len(known) < len(keys):
        raise ValueError(
            f"{store.path}: the first of words that differ in case alone counts, and the rows of a store in several files "
            "are not in the source's order: pass case_insensitive=False"
        )
    if isinstance(found, Judged):
        return _similarities(store, path, found, known, change)
    with shown(bool(progress), path.name, " questions") as tick:
        return _analogies(store, path, found, known, keys, change, method, tick)


def _analogies(
    store: CoreStore,
    path: Path,
    questions: Questions,
    known: dict[str, int],
    keys: list[str],
    change: Callable[[str], str],
    method: str,
    tick: Progress | None,
) -> Analogies:
    names = questions.sections
    asked: list[Question] = []
    skipped = [0] * len(names)
    for section, three, answers in questions.questions:
        question = Question(section, tuple(map(change, three)), tuple(map(change, answers)))
        if all(key in known for key in question.asked) and any(key in known for key in question.answers):
            asked.append(question)
        else:
            skipped[section] += 1
    if not asked and not any(change(word) in known for _, three, _ in questions.questions for word in three):
        raise ValueError(f"{path}: none of its words is known")
    correct, total = [0] * len(names), [0] * len(names)
    rows = np.array([[known[key] for key in question.asked] for question in asked], np.int64).reshape(-1, 3)
    found = nearest_to_questions(store, rows, len(keys), method, tick)
    for question, best in zip(asked, found, strict=True):
        total[question.section] += 1
        correct[question.section] += _answer(best, question, keys) in question.answers
    sections = tuple(Section(*counts) for counts in zip(names, correct, total, skipped, strict=True))
    return Analogies("all", sum(correct), sum(total), sum(skipped), sections, questions.rejected)


def _answer(rows: Iterable[int], question: Question, keys: list[str]) -> str | None:
    """Give the first answer that is no other form of a word of the question, as gensim does."""
    return next((keys[row] for row in rows if keys[row] not in question.asked), None)


def nearest_to_questions(
    store: CoreStore, rows: NDArray[np.int64], first: int, method: str = "3cosadd", tick: Progress | None = None
) -> Iterator[list[int]]:
    """Give the rows that gensim looks at for each question ``a b c``, ``[n, 3]``, among the `first`: not its own."""
    k = min(_LOOKED_AT + 3, first)
    for start in range(0, len(rows), _PASS):
        some = rows[start : start + _PASS]
        a, b, c = (_similarity.unit(store.take(column)) for column in some.T)
        if method == "3cosadd":
            ids, _ = store._nearest((b - a + c).astype(np.float32), k, first, None)
        else:
            ids, _ = store._nearest_quotients(np.stack([b, c, a], axis=1).astype(np.float32), 2, k, first, None)
        for own, found in zip(some.tolist(), ids.tolist(), strict=True):
            yield [row for row in found if row not in own][:_LOOKED_AT]
        if tick:
            tick(start + len(some), len(rows))


def rows_by_key(keys: list[str]) -> dict[str, int]:
    """Give the row of each key: of equal ones the first."""
    return dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))


def _similarities(
    store: CoreStore, path: Path, judged: Judged, known: dict[str, int], change: Callable[[str], str]
) -> Similarities:
    forms = [judged.pairs, _judgements.without_tags(judged.pairs) or []]
    # The form of the words of which more are known; in a tie, as they are.
    found = max((_known_pairs(pairs, known, change) for pairs in forms), key=len)
    if not found:
        raise ValueError(f"{path}: none of its words is known")
    first, second, judgements = (np.array(column) for column in zip(*found, strict=True))
    first_rows, second_rows = (_similarity.unit(store.take(rows)) for rows in (first, second))
    cosines = (first_rows * second_rows).sum(axis=1)
    spearman = _correlation(_ranks(judgements), _ranks(cosines))
    skipped = len(judged.pairs) - len(found)
    return Similarities(spearman, _correlation(judgements, cosines), len(found), skipped, judged.rejected)


def _known_pairs(
    pairs: Iterable[Pair], known: dict[str, int], change: Callable[[str], str]
) -> list[tuple[int, int, float]]:
    """Give the rows of pairs of which both words are known, and their judgements."""
    changed = ((change(pair.first), change(pair.second), pair.judgement) for pair in pairs)
    return [(known[a], known[b], judgement) for a, b, judgement in changed if a in known and b in known]


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give ranks from 1; values that are equal share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    # Of numbers that are all the same there is none.
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else float("nan")
