"""Arrow tables to a store, batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._choices import Duplicates
from .._core.writer import Writer
from .._dtype import DtypeName
from .._optional import need
from .._progress import shown
from .._store import Store

if TYPE_CHECKING:
    from .._progress import Progress

# Rows taken out of a batch at a time: polars gives a whole frame as one batch.
_ROWS = 1 << 14
# What comes behind the last of them.
_END: Any = (0, None, None)


def from_arrow(
    table: Any,
    path: str | os.PathLike[str],
    *,
    word: str = "word",
    vector: str = "vector",
    dtype: DtypeName = "float32",
    normalize: bool = False,
    screen: bool = False,
    metadata: dict[str, Any] | None = None,
    duplicates: Duplicates = "error",
    progress: bool | Progress | None = None,
) -> Store:
    """Write a column of words and a column of vectors to a store.

    The rows are read batch by batch and never held as a whole; what is between them and Arrow is pyarrow.

    Parameters
    ----------
    table : object with ``__arrow_c_stream__``
        A table, frame or reader of pyarrow, polars, pandas or duckdb, or a store. For a Parquet file,
        ``pyarrow.dataset.dataset("vectors.parquet").scanner().to_reader()`` reads it in pieces.
    path : path
        Where the store goes; a file that is there is replaced.
    word : str
        The column of words: strings of any Arrow type, or a dictionary of them.
    vector : str
        The column of vectors: lists of equal length, fixed or not, of numbers.
    dtype, normalize, screen, metadata, duplicates
        As in `write`.
    progress : bool or callable, optional
        ``True`` for a bar, or a callable ``(done_rows, total_rows)``; the total of a reader is 0.

    Returns
    -------
    Store
        The new store, open.

    Raises
    ------
    ValueError
        There is no such column, a word, vector or number is null, or a vector is longer or shorter than the first, with the
        row, counted from 0; or as `write` does.
    TypeError
        `table` is no Arrow stream, or a column is of another type.
    OSError
        The file cannot be written; nothing is left behind.
    ImportError
        pyarrow is not installed (``pip install 'embmap[pyarrow]'``).

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"word": ["king", "queen"], "vector": [[1.0, 0.5], [1.0, -0.5]]})
    >>> embmap.from_arrow(table, "small.embmap")["queen"]
    array([ 1. , -0.5], dtype=float32)
    """
    pa = need("pyarrow", "from_arrow()")
    if not hasattr(table, "__arrow_c_stream__"):
        raise TypeError(f"expected an Arrow table or reader, found {type(table).__name__}")
    reader = pa.RecordBatchReader.from_stream(table)
    if missing := {word, vector} - set(reader.schema.names):
        raise ValueError(f"no column {missing.pop()!r}: there are {', '.join(map(repr, reader.schema.names))}")
    total = len(table) if isinstance(table, Sized) else 0
    pieces = _pieces(reader, word, vector)
    dim, start, words, vectors = _first(pieces, pa, reader.schema.field(vector).type)
    writer = Writer(
        path, dim, dtype=dtype, normalize=normalize, screen=screen, metadata=metadata, duplicates=duplicates
    )
    with shown(progress, writer.path.name, " rows") as tick, writer:
        while words is not None:
            _no_nulls(words, start, "word")
            writer.write(words, _matrix(pa, vectors, dim, start))
            if tick is not None:
                tick(start + len(words), total)
            start, words, vectors = next(pieces, _END)
    return Store(writer.path)


def _pieces(reader: Any, word: str, vector: str) -> Iterator[tuple[int, Any, Any]]:
    """Give some rows after the other: the number of the first, the words, the vectors."""
    done = 0
    for batch in reader:
        words, vectors = batch.column(word), batch.column(vector)
        for start in range(0, batch.num_rows, _ROWS):
            # An extension, as of tensors of a fixed shape, is made of plain lists.
            piece = vectors.slice(start, _ROWS)
            yield done + start, words.slice(start, _ROWS), getattr(piece, "storage", piece)
        done += batch.num_rows


def _first(pieces: Iterator[tuple[int, Any, Any]], pa: Any, type: Any) -> tuple[int, int, Any, Any]:
    """Give the dimension and the first rows, which a list of any length tells it by."""
    type = getattr(type, "storage_type", type)
    is_fixed = pa.types.is_fixed_size_list(type)
    if not (is_fixed or pa.types.is_list(type) or pa.types.is_large_list(type)):
        raise TypeError(f"expected a column of lists of numbers, found {type}")
    if not (pa.types.is_floating(type.value_type) or pa.types.is_integer(type.value_type)):
        raise TypeError(f"expected vectors of numbers, found {type}")
    start, words, vectors = next(pieces, _END)
    if is_fixed:
        return type.list_size, start, words, vectors
    if words is None:
        raise ValueError(
            "there are no rows, and so no dimension; a column of lists of a fixed size has one without rows"
        )
    _no_nulls(vectors, start, "vector")
    return len(vectors[0]), start, words, vectors


def _matrix(pa: Any, vectors: Any, dim: int, start: int) -> NDArray[Any]:
    """Give lists as rows, without a copy."""
    _no_nulls(vectors, start, "vector")
    if not pa.types.is_fixed_size_list(vectors.type):
        lengths = np.diff(vectors.offsets.to_numpy())
        if (other := np.flatnonzero(lengths != dim)).size:
            found = lengths[other[0]]
            raise ValueError(f"row {start + other[0]}: expected {dim} numbers as in the first row, found {found}")
    numbers = vectors.flatten()
    _no_nulls(numbers, start, "number", dim)
    matrix: NDArray[Any] = numbers.to_numpy(zero_copy_only=True).reshape(-1, dim)
    return matrix


def _no_nulls(column: Any, start: int, what: str, width: int = 1) -> None:
    if column.null_count:
        first = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(f"row {start + first // width}: the {what} is null")
