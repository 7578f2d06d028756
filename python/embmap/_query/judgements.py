"""Which columns of a table hold two words, and which holds people's judgement of how similar they are."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

# Names of the column that is asked for. A mean is a judgement too, and better than those of single judges.
_SIMILARITY = re.compile(r"simlex|simverb|similarity|relatedness", re.IGNORECASE)
_JUDGEMENT = re.compile(r"sim|score|rating|gold|human", re.IGNORECASE)
_MEAN = re.compile(r"mean(?!ing)|average|\bavg", re.IGNORECASE)
# How far judges disagree is no judgement: SimLex-999 has SD(SimLex).
_DEVIATION = re.compile(r"\b(sd|std|stdev|stddev|var|variance|deviation)\b", re.IGNORECASE)
_WORD = re.compile(r"(?:word|w|term)[ _-]?([12])", re.IGNORECASE)
_PART_OF_SPEECH = re.compile(
    r"n|v|a|r|j|s|adj|adv|noun|verb|adjective|adverb|nnp?s?|vb[dgnpz]?|jj[rs]?|rb[rs]?", re.IGNORECASE
)
# A judgement that is not there is no name of a column.
_MISSING = re.compile(r"\W*|na|n/a|nan|null|none", re.IGNORECASE)
# What MEN's lemma form has behind each word.
_TAGGED = re.compile(r".+-[nvjar]")


class Columns(NamedTuple):
    """Where a table has two words and the judgement."""

    first: int
    second: int
    judgement: int


class Pair(NamedTuple):
    """Two words, and how similar people say they are."""

    first: str
    second: str
    judgement: float


def find_columns(rows: Sequence[Sequence[str]]) -> tuple[Columns, bool] | None:
    """Give the columns, and whether the first row has their names; None where the rows are no table of judgements."""
    head, body = rows[0], rows[1:] or rows
    named = _named(head, body)
    if named is not None:
        return named, True
    first, second = _words_of(rows)
    judgement = next((i for i in range(second + 1, max(map(len, rows))) if _is_numeric(rows, i)), None)
    # Another word between the two and the judgement: then it is not known which are meant.
    if judgement is None or not all(_is_part_of_speech(rows, i) for i in _between(first, second, judgement)):
        return None
    name = _field(head, judgement)
    return Columns(first, second, judgement), number(name) is None and not _MISSING.fullmatch(name)


def pair(fields: Sequence[str], columns: Columns) -> Pair | None:
    """Give what a row says, or None where it lacks a word or the judgement."""
    first, second = (_field(fields, i) for i in columns[:2])
    judgement = number(_field(fields, columns.judgement))
    return None if not first or not second or judgement is None else Pair(first, second, judgement)


def without_tags(pairs: Sequence[Pair]) -> list[Pair] | None:
    """Give ``sun-n`` as ``sun`` and ``run-v`` as ``run``, where each word of a file has such a tag; None where not."""
    if not all(_TAGGED.fullmatch(word) for one in pairs for word in one[:2]):
        return None
    return [Pair(one.first[:-2], one.second[:-2], one.judgement) for one in pairs]


def number(text: str) -> float | None:
    """Read a finite number, or None."""
    try:
        found = float(text)
    except ValueError:
        return None
    # Python takes 1_000 for a number; "nan" and "inf" are words.
    return found if math.isfinite(found) and "_" not in text else None


def _named(head: Sequence[str], body: Sequence[Sequence[str]]) -> Columns | None:
    """Give the columns by their names, where `head` names the judgement."""
    if len(head) != len(body[0]):
        return None
    words = {match[1]: i for i, name in enumerate(head) if (match := _WORD.fullmatch(name.strip()))}
    first, second = (words["1"], words["2"]) if len(words) == 2 else (0, 1)
    similarities, judgements, means = (
        [
            i
            for i, name in enumerate(head)
            if wanted.search(name)
            and not _DEVIATION.search(name)
            and i not in (first, second)
            and number(name) is None
            and _is_numeric(body, i)
        ]
        for wanted in (_SIMILARITY, _JUDGEMENT, _MEAN)
    )
    found = similarities or (judgements if len(judgements) == 1 else means or judgements)
    return Columns(first, second, found[0]) if found else None


def _words_of(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Give the columns of the words in a table without names."""
    if _most(rows, lambda row: _field(row, 0).isdigit() and "<b>" in _field(row, 5)):
        return 1, 3  # SCWS: a number, each word and its part of speech, both contexts, the mean.
    if _most(rows, lambda row: len(_field(row, 0)) == 1 and number(_field(row, 3)) is not None) and not (
        _is_numeric(rows, 2) or _is_part_of_speech(rows, 2)
    ):
        return 1, 2  # WordSim-353 as agreed upon: the kind of relation first.
    return 0, 1


def _between(first: int, second: int, judgement: int) -> list[int]:
    contexts = (5, 6) if (first, second) == (1, 3) else ()
    return [i for i in range(first + 1, judgement) if i != second and i not in contexts]


def _field(fields: Sequence[str], i: int) -> str:
    return fields[i].strip() if i < len(fields) else ""


def _is_numeric(rows: Sequence[Sequence[str]], i: int) -> bool:
    return _most(rows, lambda row: number(_field(row, i)) is not None)


def _is_part_of_speech(rows: Sequence[Sequence[str]], i: int) -> bool:
    return _most(rows, lambda row: _PART_OF_SPEECH.fullmatch(_field(row, i)) is not None)


def _most(rows: Sequence[Sequence[str]], test: Callable[[Sequence[str]], bool]) -> bool:
    """Tell whether half or more pass: names above, or a row that cannot be read, do not change what the others are."""
    return 2 * sum(map(test, rows)) >= len(rows)
