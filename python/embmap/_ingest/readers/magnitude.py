"""Magnitude's files: an SQLite table with a row for each word, its numbers as integers, and its length."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .rows import BLOCK, Block, Rows, refusal, text_of

if TYPE_CHECKING:
    import sqlite3

MAGIC = b"SQLite format 3\0"
_TABLES = ("magnitude", "magnitude_format")
_NUMBER = re.compile(r"dim_([0-9]{1,5})")
# A word, or a number: nothing of a table of vectors is longer.
_LONGEST = 1 << 20


def of_magnitude(path: Path) -> Rows:
    """Give the words with their rows as long as they were before Magnitude made them of length 1."""
    with _opened(path) as database:
        columns, has_lengths = _columns(path, database)
        scale, total = _scale(path, database)
    return Rows(dim=len(columns), total=total, blocks=_blocks(path, columns, has_lengths, scale))


@contextmanager
def _opened(path: Path) -> Generator[sqlite3.Connection]:
    """Open a database that nothing can be written to, and of which the tables of vectors alone can be read."""
    # Some Pythons are built without it.
    import sqlite3

    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise refusal(path, f"a part of this database is still in {log.name}: let who writes it close it first")

    def allow(action: int, table: str | None, *_: Any) -> int:
        is_read = action == sqlite3.SQLITE_READ and table in (*_TABLES, "sqlite_master")
        return sqlite3.SQLITE_OK if is_read or action == sqlite3.SQLITE_SELECT else sqlite3.SQLITE_DENY

    try:
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as database:
            database.text_factory = bytes
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            database.execute("PRAGMA trusted_schema = OFF")
            database.set_authorizer(allow)
            yield database
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        # The last of names of columns, and of what SQLite says itself.
        raise refusal(path, f"this is an SQLite database, and no .magnitude file, or it is damaged: {error}") from None


def _columns(path: Path, database: sqlite3.Connection) -> tuple[list[str], bool]:
    """Name the columns of numbers, in order, and tell whether rows have their lengths."""
    made = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    for table in _TABLES:
        # A virtual table would run code of its own.
        if not re.match(rb"\s*CREATE\s+TABLE\b", made.get(table.encode()) or b"", re.IGNORECASE):
            raise refusal(path, f"this is an SQLite database without a table {table!r}, which a .magnitude file has")
    names = [column[0] for column in database.execute("SELECT * FROM magnitude LIMIT 0").description]
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    if names[:1] != ["key"] or not numbers or numbers != [f"dim_{i}" for i in range(len(numbers))]:
        raise refusal(path, f"expected columns key, dim_0, dim_1, ..., found {', '.join(names[:5])}")
    return numbers, "magnitude" in names


def _scale(path: Path, database: sqlite3.Connection) -> tuple[float, int]:
    """Give what integers are divided by, and how many rows are announced."""
    found = dict(database.execute("SELECT key, value FROM magnitude_format"))
    if found.get(b"elmo"):
        raise refusal(path, "this is an ELMo model, which gives a word another vector in each text")
    precision, size = found.get(b"precision"), found.get(b"size")
    if not isinstance(precision, int) or not 0 <= precision <= 18:
        raise refusal(path, f"a precision of {precision!r} digits cannot be: the .magnitude file is damaged")
    return float(10**precision), size if isinstance(size, int) and 0 <= size < 1 << 48 else 0


def _blocks(path: Path, columns: list[str], has_lengths: bool, scale: float) -> Iterator[Block]:
    chosen = ", ".join(["key", *columns, *(["magnitude"] if has_lengths else [])])
    step = max(BLOCK // len(columns) // 16, 1)
    with _opened(path) as database:
        # Tables are read in the order in which they were written.
        cursor = database.execute(f"SELECT {chosen} FROM magnitude ORDER BY rowid")
        while rows := cursor.fetchmany(step):
            yield [_word(path, row[0]) for row in rows], _numbers(path, [row[1:] for row in rows], has_lengths, scale)


def _word(path: Path, key: Any) -> str:
    if not isinstance(key, bytes):
        raise refusal(path, f"the word of a row is {key!r}: the .magnitude file is damaged")
    return text_of(path, key)


def _numbers(path: Path, rows: list[tuple[Any, ...]], has_lengths: bool, scale: float) -> NDArray[np.float64]:
    try:
        found = np.array(rows, np.float64)
    except (TypeError, ValueError):
        raise refusal(path, "a row has something else than numbers: the .magnitude file is damaged") from None
    if not has_lengths:
        return found / scale
    return found[:, :-1] * (found[:, -1:] / scale)
