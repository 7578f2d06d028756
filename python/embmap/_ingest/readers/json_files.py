"""JSON: words and their rows, or matrices whose words are elsewhere, as OpenKE writes them; read row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .json_text import JsonText
from .matrices import chosen_of
from .rows import Block, Rows, check_count, refusal
from .tables import VECTORS, WORDS

# Rows that become an array together.
_ROWS = 1 << 12


class _Entry(NamedTuple):
    """A value where a row may be: the name of its table, its word."""

    table: str
    word: str | None
    value: Any


@dataclass
class _Table:
    rows: int = 0
    dim: int = 0
    worded: bool = False


def of_json(path: Path, member: str | None, named: Callable[[int], tuple[list[str], str]] | None) -> Rows:
    """Give the rows of an object word -> row, of one in an object, or of objects in a list; or of a matrix.

    `named` gives the words of so many rows, and the place that has them, where the caller has any.
    """
    tables: dict[str, _Table] = {}
    others: dict[str, str] = {}
    for name, word, value in _entries(path):
        if _is_row(value):
            tables.setdefault(name, _Table(dim=len(value), worded=word is not None)).rows += 1
        elif word is not None:
            others.setdefault(name, word)
    if len(tables) > 1:
        # Numbers beside what has rows: OpenKE's constants.
        tables.pop("", None)
    shapes: dict[str, tuple[int, ...]] = {name: (table.rows, table.dim) for name, table in tables.items()}
    chosen = chosen_of(path, shapes, member, "table")
    table = tables[chosen]
    if chosen in others:
        raise refusal(path, f"expected a row of numbers for {others[chosen]!r}, as the others have")
    if table.worded == (named is not None):
        if table.worded:
            raise refusal(path, "words= names the words of numbers that have none, and these have: leave it out")
        what = f"this is a JSON file, numbers without their words, of shape {shapes[chosen]}"
        raise refusal(path, f"{what}: words= is a list of them, or names a file with one word a line")
    words: list[str] | None = None
    if named is not None:
        words, where = named(table.rows)
        check_count(path, (table.rows, table.dim), words, where)
    return Rows(dim=table.dim, total=table.rows, blocks=_blocks(path, chosen, table.dim, words))


def _blocks(path: Path, chosen: str, dim: int, words: Sequence[str] | None) -> Iterator[Block]:
    rows = ((word, value) for table, word, value in _entries(path) if table == chosen and _is_row(value))
    done = 0
    while block := list(islice(rows, _ROWS)):
        for i, (_, row) in enumerate(block, done + 1):
            if len(row) != dim:
                raise refusal(path, f"row {i} has {len(row)} numbers, the first has {dim}")
        named = [str(word) for word, _ in block] if words is None else words[done : done + len(block)]
        try:
            yield named, np.array([row for _, row in block], np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise refusal(path, f"expected rows of numbers from row {done + 1} on: {error}") from None
        done += len(block)


def _is_row(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], (int, float))


def _entries(path: Path) -> Iterator[_Entry]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = JsonText(path, file)
            if text.peek() == "[":
                yield from _of_list(text, "")
            else:
                for name in text.keys():  # noqa: SIM118
                    yield from _of_member(text, name)
            if text.peek():
                raise text.refuse("expected the end")
    except UnicodeDecodeError as error:
        raise refusal(path, f"this is no JSON: it is not UTF-8 ({error.reason})") from None


def _of_member(text: JsonText, name: str) -> Iterator[_Entry]:
    if text.peek() == "{":
        for word in text.keys():  # noqa: SIM118
            yield _Entry(name, word, text.value())
    elif text.peek() == "[" and text.peek(1) in ("[", "{"):
        yield from _of_list(text, name)
    else:
        yield _Entry("", name, text.value())


def _of_list(text: JsonText, name: str) -> Iterator[_Entry]:
    for _ in text.items("[", "]"):
        value = text.value()
        if isinstance(value, dict):
            word = next((value[key] for key in WORDS if isinstance(value.get(key), str)), None)
            row = next((value[key] for key in VECTORS if _is_row(value.get(key))), None)
            yield _Entry(name, word, row)
        else:
            yield _Entry(name, None, value)
