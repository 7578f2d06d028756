"""Analogies and word similarities of a store, counted and returned as gensim does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

import numpy as np

from .._optional import need
from .._query.evaluate import nearest_to_questions, rows_by_key
from .._query.similarity import unit
from .._store import Store

Four: TypeAlias = tuple[str, ...]


class Answers(TypedDict):
    """A section of analogies: its name, and its questions by how they were answered."""

    section: str
    correct: list[Four]
    incorrect: list[Four]


def analogies(
    store: Store, path: str | os.PathLike[str], restrict_vocab: int, case_insensitive: bool, dummy4unknown: bool
) -> tuple[float, list[Answers]]:
    """Do what `KeyedVectors.evaluate_word_analogies` says."""
    change, words, known = _known(store, restrict_vocab, case_insensitive)
    sections: list[Answers] = []
    asked: list[tuple[Answers, Four, bool]] = []
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith(": "):
                sections.append({"section": line.lstrip(": ").strip(), "correct": [], "incorrect": []})
                continue
            if not sections:
                raise ValueError(f"{path}, line {number}: expected a section, a line that starts with ': '")
            if len(four := tuple(map(change, line.split()))) != 4:
                continue
            answerable = all(word in known for word in four)
            if answerable or dummy4unknown:
                asked.append((sections[-1], four, answerable))
    asked_with = [[known[word] for word in four[:3]] for _, four, answerable in asked if answerable]
    found = nearest_to_questions(store, np.array(asked_with, np.int64).reshape(-1, 3), len(words))
    for section, four, answerable in asked:
        right = answerable and _prediction((change(words[row]) for row in next(found)), four) == four[3]
        section["correct" if right else "incorrect"].append(four)
    correct, incorrect = ([four for section in sections for four in section[kind]] for kind in ("correct", "incorrect"))
    sections.append({"section": "Total accuracy", "correct": correct, "incorrect": incorrect})
    return len(correct) / (len(correct) + len(incorrect) or 1), sections


def pairs(
    store: Store,
    path: str | os.PathLike[str],
    delimiter: str,
    encoding: str,
    restrict_vocab: int,
    case_insensitive: bool,
    dummy4unknown: bool,
) -> tuple[Any, Any, float]:
    """Do what `KeyedVectors.evaluate_word_pairs` says."""
    stats = need("scipy.stats", "evaluate_word_pairs()", "scipy")
    change, _, known = _known(store, restrict_vocab, case_insensitive)
    judged: list[float] = []
    rows: list[tuple[int, int]] = []
    unknown = 0
    with Path(path).open(encoding=encoding) as file:
        for line in file:
            try:
                first, second, judgement = line.split(delimiter)
                value = float(judgement)
            except ValueError:
                continue  # A line of names above the columns, or one without three fields.
            if line.startswith("#"):
                continue  # A pair that is commented out.
            keys = change(first), change(second)
            known_pair = all(key in known for key in keys)
            unknown += not known_pair
            if known_pair or dummy4unknown:
                judged.append(value)
                rows.append((known[keys[0]], known[keys[1]]) if known_pair else (-1, -1))
    if not judged:
        raise ValueError(f"{path}: no line of two known words and a number, with {delimiter!r} between them")
    # A row of -1 is of zeros, and so is its cosine.
    first_rows, second_rows = (unit(store._rows(column.copy(), None)) for column in np.array(rows).T)
    cosines = (first_rows * second_rows).sum(axis=1)
    lines = len(judged) if dummy4unknown else len(judged) + unknown
    return stats.pearsonr(judged, cosines), stats.spearmanr(judged, cosines), unknown / lines * 100


def _known(
    store: Store, restrict_vocab: int, case_insensitive: bool
) -> tuple[Callable[[str], str], list[str], dict[str, int]]:
    """Give how words are changed, the words that count, and the rows of the changed ones: of equal ones the first."""
    change: Callable[[str], str] = str.upper if case_insensitive else str
    words = store.words[:restrict_vocab]
    return change, words, rows_by_key([change(word) for word in words])


def _prediction(found: Iterator[str], four: Four) -> str | None:
    """Give the first word that is no other form of one of the question; the last one looked at where all are."""
    word = None
    for word in found:
        if word not in four[:3]:
            break
    return word
