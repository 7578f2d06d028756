"""Words that belong to the rows of a matrix: one a line, a column of a table, JSON, the vocabulary of a tokenizer."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..._core.vocabulary import contents
from ..._embmap import strings
from ..._paths import local
from .rows import refusal

_COUNTED = re.compile(r"(\S+)[ \t][0-9]+")


def words_of(words: Any, rows: int, *, column: str | None, encoding: str) -> tuple[list[str], str]:
    """Give the words of `rows` rows, and what to call the place that has them.

    Raises
    ------
    ParseError
        The file is no list of words.
    """
    if not isinstance(words, (str, os.PathLike)):
        named = contents(words)
        if isinstance(named, Mapping):
            return _by_row(Path("words"), named, rows), "words="
        return list(strings(named)), "words="
    path = local(words)
    if path.suffix.lower() in (".parquet", ".arrow", ".feather"):
        from .tables import word_column

        return word_column(path, column), path.name
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except LookupError:
        raise ValueError(f"the encoding {encoding!r} is not one that Python knows") from None
    except UnicodeDecodeError as error:
        raise refusal(
            path, f"the words are not {encoding} at byte {error.start}: encoding= says what they are"
        ) from None
    if path.suffix.lower() == ".json" or (text[:1] in "{[" and _is_json(text)):
        return _of_json(path, text, rows), path.name
    return _of_lines(path, text, rows, column), path.name


def files_of(words: Any) -> tuple[Path, ...]:
    """Give the file that holds the words, where there is one."""
    return (local(words),) if isinstance(words, (str, os.PathLike)) else ()


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


def _of_json(path: Path, text: str, rows: int) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refusal(path, f"the words are no JSON: {error}") from None
    if isinstance(found, dict) and isinstance(model := found.get("model"), dict) and "vocab" in model:
        vocabulary = model["vocab"]
        if isinstance(vocabulary, list):
            # Of a Unigram model: tokens with their scores.
            vocabulary = {entry[0]: i for i, entry in enumerate(vocabulary) if isinstance(entry, list) and entry}
        added = found.get("added_tokens") or []
        found = dict(vocabulary) | {
            token["content"]: token["id"]
            for token in added
            if isinstance(token, dict) and {"content", "id"} <= token.keys()
        }
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
    if column is None and not any("\t" in line for line in lines[:100]):
        counted = [_COUNTED.fullmatch(line) for line in lines]
        if lines and all(counted):
            return [found[1] for found in counted if found]
        return lines
    return _of_table(
        path, list(csv.reader(io.StringIO("\n".join(lines)), delimiter="\t", quoting=csv.QUOTE_NONE)), rows, column
    )


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
    if all(len(row) == 2 for row in table):
        first, second = zip(*table, strict=True) if table else ((), ())
        for numbers, words in ((first, second), (second, first)):
            order = _permutation(numbers)
            if order is not None:
                return [words[i] for i in order]
    return [row[0] if row else "" for row in table]


def _permutation(numbers: Sequence[str]) -> list[int] | None:
    """Tell where each row is named, if these are the numbers of all rows."""
    if not all(number.isascii() and number.isdecimal() for number in numbers):
        return None
    found = np.array([int(number) for number in numbers], dtype=object)
    if sorted(found) != list(range(len(found))):
        return None
    return [int(i) for i in np.argsort(found.astype(np.int64))]
