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

# Numbers that become an array together.
_NUMBERS = 1 << 18


class _Entry(NamedTuple):
    """A value where a row may be: the name of its table, its word, the row where it is one."""

    table: str
    word: str | None
    row: list[float] | None


@dataclass
class _Columns:
    """What objects in a list call the word and the vector: what the first one says, if the caller does not."""

    word: str | None
    vector: str | None

    def of(self, entry: dict[str, Any]) -> tuple[str | None, Any]:
        if self.word is None:
            self.word = next((key for key in WORDS if isinstance(entry.get(key), str)), None)
        if self.vector is None:
            self.vector = next((key for key in VECTORS if _row(entry.get(key)) is not None), None)
        word = None if self.word is None else entry.get(self.word)
        return word if isinstance(word, str) else None, None if self.vector is None else entry.get(self.vector)


@dataclass
class _Table:
    entries: int = 0
    rows: int = 0
    dim: int = 0
    words: int = 0
    # The first entry that is no row: its word, or its number.
    other: str | None = None


def of_json(
    path: Path,
    member: str | None,
    columns: tuple[str | None, str | None],
    named: Callable[[int], tuple[list[str], str]] | None,
) -> Rows:
    """Give the rows of an object word -> row, of one in an object, or of objects in a list; or of a matrix.

    `named` gives the words of so many rows, and the place that has them, where the caller has any.
    """
    tables: dict[str, _Table] = {}
    for name, word, row in _entries(path, _Columns(*columns)):
        table = tables.setdefault(name, _Table())
        table.entries += 1
        if row is not None:
            table.rows, table.dim = table.rows + 1, table.dim or len(row)
            table.words += word is not None
        elif table.other is None:
            table.other = f"row {table.rows + 1}" if word is None else repr(word)
    shapes: dict[str, tuple[int, ...]] = {name: (t.rows, t.dim) for name, t in tables.items() if t.rows}
    if not shapes:
        what = "this is JSON without rows of numbers"
        raise refusal(path, f"{what}; tokenizer.json and the like are read with their model's folder")
    chosen = chosen_of(path, shapes, member, "table")
    table = tables[chosen]
    twin = next(
        (name for name, other in tables.items() if name and not other.rows and other.entries == table.rows), None
    )
    if twin is not None and chosen and table.words and member is None:
        what = f"{chosen!r} and {twin!r} have as many entries, as where pandas writes a frame column by column"
        raise refusal(
            path, f'{what}: to_json(orient="records") writes it row by row, and member={chosen!r} takes keys for words'
        )
    if table.other is not None:
        raise refusal(path, f"expected a row of numbers for {table.other}, as the others have")
    if table.words not in (0, table.rows):
        raise refusal(path, f"{table.rows - table.words:,} of {table.rows:,} rows have no word")
    if bool(table.words) == (named is not None):
        if table.words:
            raise refusal(path, "words= names the words of numbers that have none, and these have: leave it out")
        what = f"this is a JSON file, numbers without their words, of shape {shapes[chosen]}"
        raise refusal(path, f"{what}: words= is a list of them, or names a file with one word a line")
    words: list[str] | None = None
    if named is not None:
        words, where = named(table.rows)
        check_count(path, (table.rows, table.dim), words, where)
    rows = (entry for entry in _entries(path, _Columns(*columns)) if entry.table == chosen)
    return Rows(dim=table.dim, total=table.rows, blocks=_blocks(path, rows, table.dim, words))


def _blocks(path: Path, rows: Iterator[_Entry], dim: int, words: Sequence[str] | None) -> Iterator[Block]:
    done = 0
    while block := list(islice(rows, max(_NUMBERS // dim, 1))):
        for i, (_, _, row) in enumerate(block, done + 1):
            if row is None or len(row) != dim:
                raise refusal(path, f"row {i} has {len(row or ())} numbers, the first has {dim}")
        named = [str(word) for _, word, _ in block] if words is None else words[done : done + len(block)]
        try:
            numbers = np.array([row for _, _, row in block], np.float64)
        except OverflowError:
            raise refusal(path, f"a number of the rows from {done + 1} on is too large for float64") from None
        yield named, numbers
        done += len(block)


def _row(value: Any) -> list[float] | None:
    """Give a value that is a row of numbers, which a bool or None is none of."""
    return value if isinstance(value, list) and value and {*map(type, value)} <= {int, float} else None


def _entries(path: Path, columns: _Columns) -> Iterator[_Entry]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = JsonText(path, file)
            if text.peek() == "[":
                yield from _of_list(text, "", columns)
            else:
                for name in text.keys():  # noqa: SIM118
                    yield from _of_member(text, name, columns)
            if text.peek():
                raise text.refuse("expected the end; a file with an object on each line is named .jsonl")
    except UnicodeDecodeError as error:
        raise refusal(path, f"this is no JSON: it is not UTF-8 ({error.reason})") from None


def _of_member(text: JsonText, name: str, columns: _Columns) -> Iterator[_Entry]:
    if text.peek() == "{":
        for word in text.keys():  # noqa: SIM118
            yield _Entry(name, word, _row(text.value()))
        yield _Entry("", name, None)
    elif text.peek() == "[" and text.peek(1) in ("[", "{"):
        yield from _of_list(text, name, columns)
        yield _Entry("", name, None)
    else:
        yield _Entry("", name, _row(text.value()))


def _of_list(text: JsonText, name: str, columns: _Columns) -> Iterator[_Entry]:
    for _ in text.items("[", "]"):
        value = text.value()
        word, row = columns.of(value) if isinstance(value, dict) else (None, value)
        yield _Entry(name, word, _row(row))
