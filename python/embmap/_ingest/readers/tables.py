"""Tables of words and vectors: Parquet, Arrow, Feather, JSON lines; a file or a folder of them.

Vectors are a column of lists, or a column for each of their numbers, as a data frame has them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._optional import need
from .rows import Block, Rows, refusal

WORDS = ("word", "token", "key", "text", "term", "name", "entity", "label", "id", "title")
VECTORS = ("vector", "embedding", "embeddings", "vectors", "vec", "emb", "values", "value", "features")
# What pandas calls an index without a name.
_INDEX = re.compile(r"__index_level_[0-9]+__")
# A column of one number of each vector: d0, dim_1, V2, 3.
_NUMBERED = re.compile(r"(.*?)([0-9]+)")
# Rows that are looked at together.
_ROWS = 1 << 14
PARQUET, ARROW, LINES = (".parquet",), (".arrow", ".feather", ".ipc"), (".jsonl", ".ndjson")


def of_table(path: Path, files: tuple[Path, ...], word: str | None, vector: str | None) -> Rows:
    """Give the rows of files that have the same columns."""
    pa = need("pyarrow", "a table")
    readers = [_opened(pa, file) for file in files]
    schema, _total, _ = readers[0]
    _check_names(path, schema)
    word = _chosen(path, schema, word, WORDS, lambda kind: _is_text(pa, kind), "word", "text")
    others = pa.schema([field for field in schema if field.name != word])
    vectors = _columns(pa, path, schema, others, vector)
    blocks = _blocks(pa, path, [batches for _, _, batches in readers], word, vectors)
    first = next(blocks, None)
    if first is None:
        raise refusal(path, f"this is {_name(path)} without rows")
    return Rows(dim=first[1].shape[1], total=sum(count for _, count, _ in readers), blocks=_after(first, blocks))


def word_column(path: Path, column: str | None) -> list[str]:
    """Give the words of a table, which are a matrix's."""
    pa = need("pyarrow", "words in a table")
    schema, _, batches = _opened(pa, path)
    _check_names(path, schema)
    column = _chosen(path, schema, column, WORDS, lambda kind: _is_text(pa, kind), "word", "text")
    words: list[str] = []
    for batch in batches:
        words += _texts(pa, path, batch.column(column), len(words))
    return words


def _check_names(path: Path, schema: Any) -> None:
    if twice := [name for name in schema.names if schema.names.count(name) > 1]:
        raise refusal(path, f"this is {_name(path)} with several columns {twice[0]!r}: rename them")


def _after(first: Block, rest: Iterator[Block]) -> Iterator[Block]:
    yield first
    yield from rest


def _name(path: Path) -> str:
    if path.is_dir():
        return "a folder of Parquet files"
    suffix = path.suffix.lower()
    if suffix in LINES:
        return "a file of JSON lines"
    is_arrow = suffix in ARROW or (path.is_file() and _starts(path, b"ARROW1"))
    return "an Arrow IPC (Feather) file" if is_arrow else "a Parquet file"


def _opened(pa: Any, path: Path) -> tuple[Any, int, Iterator[Any]]:
    """Give the columns, how many rows, and the batches."""
    suffix = path.suffix.lower()
    try:
        if suffix in LINES:
            return _opened_lines(pa, path)
        if suffix in ARROW or _starts(path, b"ARROW1"):
            ipc = need("pyarrow.ipc", "a table")
            source = pa.memory_map(str(path))
            if _starts(path, b"ARROW1"):
                file = ipc.open_file(source)
                batches = (file.get_batch(i) for i in range(file.num_record_batches))
                return file.schema, 0, _checked(pa, path, batches)
            stream = ipc.open_stream(source)
            return stream.schema, 0, _checked(pa, path, stream)
        parquet = need("pyarrow.parquet", "a table").ParquetFile(path)
        return parquet.schema_arrow, parquet.metadata.num_rows, _checked(pa, path, parquet.iter_batches(_ROWS))
    except pa.ArrowException as error:
        raise refusal(path, f"this is {_name(path)} that is damaged: {error}") from None


def _opened_lines(pa: Any, path: Path) -> tuple[Any, int, Iterator[Any]]:
    lines = need("pyarrow.json", "a table")
    # The first block says what the others are: whole numbers in it may be followed by others.
    fields = [
        field.with_type(pa.list_(pa.float64())) if field.type == pa.list_(pa.int64()) else field
        for field in lines.open_json(path).schema
    ]
    known = lines.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore")
    reader = lines.open_json(path, parse_options=known)
    return reader.schema, 0, _checked(pa, path, reader)


def _checked(pa: Any, path: Path, batches: Any) -> Iterator[Any]:
    try:
        for batch in batches:
            # Offsets of a stranger may lead anywhere.
            batch.validate(full=True)
            yield batch
    except (pa.ArrowException, OSError) as error:
        raise refusal(path, f"this is {_name(path)} that is damaged: {error}") from None


def _starts(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _is_text(pa: Any, kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_vector(pa: Any, kind: Any) -> bool:
    kind = getattr(kind, "storage_type", kind)
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return bool(pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))
    return False


def _chosen(
    path: Path,
    schema: Any,
    named: str | None,
    known: tuple[str, ...],
    fits: Any,
    option: str,
    what: str,
    whole: Any = None,
) -> str:
    names = list(schema.names)
    listed = ", ".join(f"{field.name} ({field.type})" for field in whole or schema) or "none"
    if named is not None:
        if named not in names:
            raise refusal(path, f"no column {named!r}: this is {_name(path)} with the columns {listed}")
        return named
    fitting = [field.name for field in schema if fits(field.type)]
    by_name = [
        name for like in known for name in names if name.lower() == like and (name in fitting or option == "vector")
    ]
    if by_name:
        return str(by_name[0])
    # One that has the name, and another type, may be meant.
    if len(fitting) == 1 and not any(name.lower() in known for name in names):
        return str(fitting[0])
    how = f"{option}_column= names it; the columns are {listed}"
    raise refusal(path, f"this is {_name(path)} without one column of {what}: {how}")


def _columns(pa: Any, path: Path, whole: Any, schema: Any, named: str | None) -> list[str]:
    """Choose the column of vectors, or those that have a number of each and say so in their names."""
    numbers = [field for field in schema if not _INDEX.fullmatch(field.name)]
    places = [_NUMBERED.fullmatch(field.name) for field in numbers]
    found = [(place[1], int(place[2])) for place in places if place and len(place[2]) < 8]
    is_wide = (
        len(found) == len(numbers) > 1
        and all(pa.types.is_floating(field.type) for field in numbers)
        and found in ([(found[0][0], first + i) for i in range(len(found))] for first in (0, 1))
    )
    if named is None and is_wide:
        return [field.name for field in numbers]
    what = "lists of numbers, or floats in all columns but that of the words, which are counted, as d0, d1, ..."
    return [_chosen(path, schema, named, VECTORS, lambda kind: _is_vector(pa, kind), "vector", what, whole)]


def _blocks(pa: Any, path: Path, readers: list[Iterator[Any]], word: str, vectors: list[str]) -> Iterator[Block]:
    done, dim = 0, None
    for batches in readers:
        for batch in batches:
            if not {word, *vectors} <= set(batch.schema.names):
                raise refusal(path, f"from row {done + 1} on the columns are {', '.join(batch.schema.names)}")
            for start in range(0, batch.num_rows, _ROWS):
                words = _texts(pa, path, batch.column(word).slice(start, _ROWS), done)
                columns = [batch.column(name).slice(start, _ROWS) for name in vectors]
                if len(columns) == 1:
                    matrix = _matrix(pa, path, columns[0], done, dim)
                else:
                    matrix = _side_by_side(path, columns, done)
                dim = matrix.shape[1]
                yield words, matrix
                done += len(words)


def _texts(pa: Any, path: Path, column: Any, start: int) -> list[str]:
    if column.null_count:
        row = start + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise refusal(path, f"row {row + 1} has no word")
    if not _is_text(pa, column.type):
        try:
            column = column.cast(pa.string())
        except pa.ArrowException:
            raise refusal(path, f"the column of words is one of {column.type}: word_column= names another") from None
    words: list[str] = column.to_pylist()
    return words


def _matrix(pa: Any, path: Path, column: Any, start: int, dim: int | None) -> NDArray[Any]:
    """Give vectors as rows; of lists without a copy."""
    column = getattr(column, "storage", column)
    if column.null_count:
        row = start + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise refusal(path, f"row {row + 1} has no vector")
    if _is_text(pa, column.type):
        return _decoded(path, column.to_pylist(), start, dim)
    if not _is_vector(pa, column.type):
        raise refusal(
            path, f"the column of vectors is of {column.type}: expected lists of numbers, or float32 numbers in base64"
        )
    numbers = column.flatten()
    if numbers.null_count:
        raise refusal(path, f"a number is missing in one of the rows from {start + 1} on")
    if pa.types.is_fixed_size_list(column.type):
        dim = column.type.list_size
    else:
        lengths = np.diff(column.offsets.to_numpy())
        dim = int(lengths[0]) if dim is None else dim
        if (other := np.flatnonzero(lengths != dim)).size:
            row = start + int(other[0])
            raise refusal(path, f"row {row + 1} has {lengths[other[0]]} numbers, the first has {dim}")
    if not dim:
        raise refusal(path, "rows without numbers are no vectors")
    return np.asarray(numbers.to_numpy(zero_copy_only=False)).reshape(-1, dim)


def _side_by_side(path: Path, columns: list[Any], start: int) -> NDArray[Any]:
    """Give vectors whose numbers have a column each."""
    for column in columns:
        if column.null_count:
            row = start + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise refusal(path, f"row {row + 1} lacks a number")
    return np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])


def _decoded(path: Path, texts: list[str], start: int, dim: int | None) -> NDArray[np.float32]:
    rows = []
    for i, text in enumerate(texts, start + 1):
        try:
            row = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
        except (binascii.Error, ValueError):
            raise refusal(path, f"row {i}: expected float32 numbers in base64, found {text[:20]!r}") from None
        dim = len(row) if dim is None else dim
        if len(row) != dim or not dim:
            raise refusal(path, f"row {i} has {len(row)} numbers, the first has {dim}")
        rows.append(row)
    return np.stack(rows) if rows else np.empty((0, dim or 1), np.float32)
