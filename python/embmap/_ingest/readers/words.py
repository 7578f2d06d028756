"""Words that belong to the rows of a matrix: one a line, a column of a table, JSON, the vocabulary of a tokenizer."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..._choices import name_to_read
from ..._core.vocabulary import contents
from ..._embmap import strings
from ..._paths import local
from ..keep import words_of_lines
from .rows import refusal
from .tables import WORDS, word_column

_COUNTED = re.compile(r"(?P<word>\S+)[ \t][0-9]+")
_NUMBERED = re.compile(r"([0-9]+) (?P<word>.*\S.*)")


def words_of(words: Any, rows: int, *, column: str | None, encoding: str) -> tuple[list[str], str]:
    """Give the words of `rows` rows, and what to call the place that has them.

    Raises
    ------
    ParseError
        The file is no list of words.
    """
    if not isinstance(words, (str, os.PathLike)):
        return _given(contents(words), rows), "words="
    path = local(words)
    if path.suffix.lower() in (".parquet", ".arrow", ".feather"):
        return word_column(path, column), path.name
    data = path.read_bytes()
    try:
        text = data.decode(name_to_read(encoding))
    except UnicodeDecodeError as error:
        raise refusal(
            path, f"the words are not {encoding} at byte {error.start}: encoding= says what they are"
        ) from None
    if path.suffix.lower() == ".json" or (text[:1] in "{[" and _is_json(text)):
        return _of_json(path, text, rows), path.name
    return _of_lines(path, text, rows, column), path.name


def _given(named: Any, rows: int) -> list[str]:
    if isinstance(named, (Set, bytes)):
        raise TypeError(
            f"words= must be in the order of the rows, which a {type(named).__name__} cannot be: pass a list of str"
        )
    if isinstance(named, Mapping):
        for word, row in named.items():
            if not isinstance(word, str) or isinstance(row, bool) or not isinstance(row, (int, np.integer)):
                raise TypeError(f"words= must be words or a mapping word -> row: {word!r} -> {row!r} is none")
        return _by_row(Path("words"), named, rows)
    if isinstance(named, io.TextIOBase):
        return words_of_lines(named)
    words = list(strings(named))
    for position, word in enumerate(words):
        if not isinstance(word, str):
            raise TypeError(f"words= must be words: expected str, found {type(word).__name__} at position {position}")
    return words


def files_of(words: Any) -> tuple[Path, ...]:
    """Give the file that holds the words, where there is one."""
    return (local(words),) if isinstance(words, (str, os.PathLike)) else ()


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def _of_json(path: Path, text: str, rows: int) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refusal(path, f"the words are no JSON: {error}") from None
    if isinstance(found, dict) and isinstance(model := found.get("model"), dict) and "vocab" in model:
        try:
            found = _of_tokenizer(model["vocab"], found.get("added_tokens") or [])
        except (TypeError, ValueError):
            raise refusal(
                path, "this tokenizer.json has something else than tokens and their ids: it is damaged"
            ) from None
    if isinstance(found, list) and all(isinstance(word, str) for word in found):
        return found
    if isinstance(found, dict):
        if found and all(isinstance(word, str) for word in found.values()):
            # Row -> word, whose keys JSON makes strings.
            with contextlib.suppress(ValueError):
                found = {word: int(row) for row, word in found.items()}
        numbers = cast("dict[str, int]", found)
        if all(isinstance(row, int) and not isinstance(row, bool) for row in numbers.values()):
            return _by_row(path, numbers, rows)
    raise refusal(path, "expected a JSON list of words, an object word -> row, or a tokenizer.json")


def _of_tokenizer(vocabulary: Any, added: Any) -> dict[str, int]:
    if isinstance(vocabulary, list):
        # Of a Unigram model: tokens with their scores.
        vocabulary = {entry[0]: i for i, entry in enumerate(vocabulary) if isinstance(entry, list) and entry}
    tokens = [token for token in added if isinstance(token, dict) and {"content", "id"} <= token.keys()]
    return dict(vocabulary) | {token["content"]: token["id"] for token in tokens}


def _by_row(path: Path, mapping: Mapping[str, int], rows: int) -> list[str]:
    """Order words by the rows that they name; each of the rows must have one."""
    words: list[str | None] = [None] * len(mapping)
    for word, row in mapping.items():
        if not 0 <= row < len(words):
            raise refusal(path, f"{word!r} has row {row}, but there are {len(mapping):,} words for {rows:,} rows")
        if words[row] is not None:
            raise refusal(path, f"row {row} has two words, {words[row]!r} and {word!r}")
        words[row] = word
    return [word for word in words if word is not None]


def _of_lines(path: Path, text: str, rows: int, column: str | None) -> list[str]:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if any(line.endswith("\r") for line in lines):
        lines = [line.removesuffix("\r") for line in lines]
    if path.suffix.lower() == ".csv":
        try:
            return _of_table(path, [*csv.reader(io.StringIO("\n".join(lines), newline=""), strict=True)], rows, column)
        except csv.Error as error:
            raise refusal(path, f"the words are no CSV: {error}") from None
    if column is None and not any("\t" in line for line in lines[:100]):
        for form in (_COUNTED, _NUMBERED):
            found = [form.fullmatch(line) for line in lines]
            words = [match["word"] for match in found if match]
            # "topic 1", "topic 2" are words as they are.
            if lines and len(words) == len(lines) and len(set(words)) == len(set(lines)):
                order = range(len(lines)) if form is _COUNTED else _permutation([match[1] for match in found if match])
                if order is not None:
                    return [words[i] for i in order]
        return lines
    return _of_table(path, [line.split("\t") for line in lines], rows, column)


def _of_table(path: Path, table: list[list[str]], rows: int, column: str | None) -> list[str]:
    # TensorBoard's metadata name their columns where there are several; lists of ids and names do not.
    has_names = len(table) == rows + 1
    names, table = (table[0], table[1:]) if has_names else ([], table)
    if column is not None:
        if column in names:
            wanted = names.index(column)
        elif column.isdecimal() and all(int(column) < len(row) for row in table):
            wanted = int(column)
        else:
            known = (
                f"there are {', '.join(map(repr, names))}"
                if names
                else "its columns have no names: word_column=1 is the second"
            )
            raise refusal(path, f"no column {column!r}: {known}")
        return [row[wanted] if wanted < len(row) else "" for row in table]
    by_name = [i for like in WORDS for i, name in enumerate(names) if name.lower() == like]
    if by_name:
        return [row[by_name[0]] if by_name[0] < len(row) else "" for row in table]
    if all(len(row) == 2 for row in table):
        first, second = zip(*table, strict=True) if table else ((), ())
        for numbers, words in ((first, second), (second, first)):
            # Numbers from 1 on may be counts, or ids of rows with labels.
            is_named = words is second and len(set(words)) == len(words) and not any(map(str.isdecimal, words))
            order = _permutation(numbers, 1 if is_named else 0)
            if order is not None:
                return [words[i] for i in order]
    return [row[0] if row else "" for row in table]


def _permutation(numbers: Sequence[str], least: int = 1) -> list[int] | None:
    """Tell where each row is named, if these are the numbers of all rows, counted from 0 or from up to `least`."""
    longest = len(str(len(numbers)))
    if not all(number.isascii() and number.isdecimal() and len(number.lstrip("0")) <= longest for number in numbers):
        return None
    found = np.array([int(number) for number in numbers], np.int64)
    order = np.argsort(found, kind="stable")
    counted = np.arange(len(found))
    if not any(np.array_equal(found[order], first + counted) for first in range(least + 1)):
        return None
    return [int(i) for i in order]
