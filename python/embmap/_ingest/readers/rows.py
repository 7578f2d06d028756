"""What a reader gives, and how it becomes a store."""

from __future__ import annotations

import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..._dtype import Dtype
from ..._embmap import Writer, strings
from ..._errors import ParseError
from ..._progress import Progress

# Numbers that are read at a time: 16 MiB of float32.
_BLOCK = 1 << 22
_REJECTED_SHOWN = 10

Block = tuple[Sequence[str], NDArray[Any]]


class Matrix(Protocol):
    """What has a shape and gives rows that are cut out: an array, mapped or not, or a dataset of HDF5."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Words and their numbers, a block after the other.

    Attributes
    ----------
    dim : int
        Numbers a row.
    total : int
        Rows, for the progress; 0 where nobody knows.
    blocks : iterator of (sequence of str, ndarray of shape (n, dim))
        Real numbers of any type.
    """

    dim: int
    total: int
    blocks: Iterator[Block]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A source whose kind is known.

    Attributes
    ----------
    kind : str
        As `format` names it.
    files : tuple of Path
        All that is read, the source itself first.
    open : callable
        Gives its `Rows`.
    """

    kind: str
    files: tuple[Path, ...]
    open: Callable[[], Rows]


def refusal(path: Path, reason: str) -> ParseError:
    """Give the error for a file as a whole."""
    return ParseError(str(path), 1, 0, reason, "file")


def paired(source: Path, matrix: Matrix, words: Sequence[str], where: str) -> Rows:
    """Give the rows of a matrix with the words that `where` has for them."""
    if len(matrix.shape) != 2:
        raise refusal(source, f"expected a matrix, found numbers of shape {tuple(matrix.shape)}")
    rows, dim = matrix.shape
    if dim == 0:
        raise refusal(source, "rows without numbers are no vectors")
    if rows != len(words):
        raise refusal(
            source, f"{rows:,} rows of {dim}, but {len(words):,} words in {where}: they belong to another file"
        )
    step = max(_BLOCK // dim, 1)
    blocks = ((words[i : i + step], np.asarray(matrix[i : i + step])) for i in range(0, rows, step))
    return Rows(dim=dim, total=rows, blocks=blocks)


def write_rows(
    reader: Reader,
    source: Path,
    target: Path,
    *,
    dim: int | None,
    dtype: Dtype,
    duplicates: str,
    on_bad_row: str,
    limit: int | None,
    keep: Any,
    normalize: bool,
    screen: bool,
    metadata: dict[str, Any],
    tick: Progress | None,
) -> dict[str, Any]:
    """Write what a reader gives; the report of the conversion, as the extension gives it of other kinds."""
    started = time.perf_counter()
    rows = reader.open()
    if dim is not None and rows.dim != dim:
        raise refusal(source, f"expected {dim} numbers a row, found {rows.dim}")
    kept = None if keep is None else set(strings(keep))
    found, counts = set[str](), Counter[str]()
    rejected: list[tuple[int, int, str]] = []
    writer = Writer(
        target,
        rows.dim,
        dtype=dtype,
        duplicates=duplicates,
        normalize=normalize,
        screen=screen,
        metadata=json.dumps(metadata),
    )
    try:
        done = 0
        for words, numbers in rows.blocks:
            words = list(words)
            if limit is not None:
                words, numbers = words[: limit - done], numbers[: limit - done]
            first, done = done, done + len(words)
            chosen = np.ones(len(words), bool)
            if kept is not None:
                chosen = np.fromiter((word in kept for word in words), bool, len(words))
                found.update(word for word, wanted in zip(words, chosen, strict=True) if wanted)
            values = _values(source, numbers, first)
            for i, kind, reason in _bad_rows(words, numbers, values, chosen):
                if on_bad_row == "error":
                    raise ParseError(str(source), first + i + 1, 0, reason, "row")
                chosen[i] = False
                counts[kind] += 1
                if len(rejected) < _REJECTED_SHOWN:
                    rejected.append((first + i + 1, 0, reason))
            if not chosen.all():
                words, values = [words[i] for i in np.flatnonzero(chosen)], values[chosen]
            counts["padded"] += sum(word != word.strip(" ") for word in words)
            counts["blank"] += sum(" " in word for word in words)
            try:
                writer.write(words, values)
            except ValueError as error:
                raise refusal(source, str(error)) from error
            if tick is not None:
                tick(done, rows.total)
            if limit is not None and done >= limit:
                break
        if kept is not None and not found and limit is None and done:
            raise refusal(source, "none of the words to keep is in the source: most often their case is another")
        size, checksum = _checksum(reader.files)
        changed = {
            "rejected": sum(row for kind, row in counts.items() if kind not in ("padded", "blank")),
            "duplicates": writer.duplicates,
            "words_with_padding": counts["padded"],
        }
        noted: dict[str, Any] = {"source": {"name": source.resolve().name, "bytes": size, "crc32": checksum}}
        if any(changed.values()):
            noted["conversion"] = {name: number for name, number in changed.items() if number}
        report = writer.finish(json.dumps(noted))
    finally:
        writer.abandon()
    rejected_by = {kind: number for kind, number in counts.items() if kind not in ("padded", "blank")}
    return {
        "source": source,
        "rows": report["rows"],
        "dim": rows.dim,
        "bytes_read": size,
        "bytes_written": report["bytes_written"],
        "seconds": time.perf_counter() - started,
        "sync_seconds": report["sync_seconds"],
        "checksum": f"crc32:{checksum}",
        "duplicates": report["duplicates"],
        "rejected_by": dict.fromkeys(("field_count", "empty_word", "not_a_number", "not_finite", "not_utf8"), 0)
        | rejected_by,
        "rejected_rows": rejected,
        "invalid_utf8": 0,
        "collisions": 0,
        "words_with_padding": counts["padded"],
        "words_with_blanks": counts["blank"],
        "rows_without_word": 0,
        "words_without_row": 0,
        "header_rows": None,
        "words_not_found": None if kept is None or limit is not None else len(kept - found),
        "separator": None,
        "unit": "row",
    }


def _values(source: Path, numbers: NDArray[Any], first: int) -> NDArray[np.float32]:
    if numbers.dtype.kind not in "fiub" and numbers.dtype.name != "bfloat16":
        raise refusal(source, f"expected real numbers, found {numbers.dtype} from row {first + 1} on")
    with np.errstate(over="ignore"):
        return np.require(numbers, np.float32, ["C", "ALIGNED"])


def _bad_rows(
    words: Sequence[str], numbers: NDArray[Any], values: NDArray[np.float32], chosen: NDArray[np.bool_]
) -> Iterator[tuple[int, str, str]]:
    """Tell which rows of a block cannot be stored, of those that are chosen: where, what is wrong, what to say."""
    finite = np.isfinite(values).all(1)
    for i in np.flatnonzero(chosen & ~finite).tolist():
        j = int(np.flatnonzero(~np.isfinite(values[i]))[0])
        number = numbers[i][j]
        large = ", which is too large for float32" if np.isfinite(number) else ""
        yield i, "not_finite", f"expected a finite number, found {number!s} as number {j + 1}{large}"
    for i, word in zip(count(), words, strict=False):
        if chosen[i] and not word:
            yield i, "empty_word", "the word is empty"


def _checksum(files: Sequence[Path]) -> tuple[int, str]:
    """Give the bytes of the files, one behind the other: how many, and their CRC-32."""
    size = checksum = 0
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                size += len(block)
                checksum = zlib.crc32(block, checksum)
    return size, f"{checksum:08x}"
