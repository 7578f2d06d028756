"""What a reader gives, and how it becomes a store."""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..._dtype import Dtype
from ..._embmap import Writer, shards_of, strings
from ..._errors import ParseError
from ..._progress import Progress

# Numbers that are read at a time: 16 MiB of float32.
BLOCK = 1 << 22
_REJECTED_SHOWN = 10
# Where rounding to a type makes a number infinite.
_TOO_LARGE = {"float16": 65520.0, "bfloat16": float.fromhex("0x1.ffp127")}

# By what is wrong with them, as the extension counts rows that are passed over.
_FAULTS = ("field_count", "empty_word", "not_a_number", "not_finite", "not_utf8")

Block = tuple[Sequence[str], NDArray[Any]]


class Matrix(Protocol):
    """What has a shape and gives rows that are cut out: an array, mapped or not, or a dataset of HDF5."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Ngrams:
    """Rows that parts of words share, and how words are cut.

    Attributes
    ----------
    rows : Matrix
        One for each bucket.
    minn, maxn : int
        Characters of the shortest and of the longest part.
    hashes, seed : int
        Of floret's scheme; 0 for fastText's.
    """

    rows: Matrix
    minn: int
    maxn: int
    hashes: int = 0
    seed: int = 0

    def table(self) -> tuple[int, int, int, bool, int, int]:
        """Describe it as the extension takes it; the end of a line is a word like any other."""
        return self.rows.shape[0], self.minn, self.maxn, True, self.hashes, self.seed


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
    ngrams : Ngrams, optional
        What words that are not there have vectors by.
    """

    dim: int
    total: int
    blocks: Iterator[Block]
    ngrams: Ngrams | None = None


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
        Gives its `Rows`; what it must put on the disk meanwhile goes to the folder that it is given.
    """

    kind: str
    files: tuple[Path, ...]
    open: Callable[[Path], Rows]


def refusal(path: Path, reason: str) -> ParseError:
    """Give the error for a file as a whole."""
    return ParseError(str(path), 1, 0, reason, "file")


def text_of(path: Path, word: Any) -> str:
    """Give a word that may be bytes as a str."""
    if word is None:
        raise refusal(path, "a row has no word")
    try:
        return word.decode() if isinstance(word, bytes) else str(word)
    except UnicodeDecodeError:
        raise refusal(path, f"the word {word!r} is not UTF-8") from None


def paired(source: Path, matrix: Matrix, words: Sequence[str], where: str, ngrams: Ngrams | None = None) -> Rows:
    """Give the rows of a matrix with the words that `where` has for them."""
    if len(matrix.shape) != 2:
        raise refusal(source, f"expected a matrix, found numbers of shape {tuple(matrix.shape)}")
    rows, dim = matrix.shape
    if dim == 0:
        raise refusal(source, "rows without numbers are no vectors")
    check_count(source, (rows, dim), words, where)
    step = max(BLOCK // dim, 1)
    blocks = ((words[i : i + step], np.asarray(matrix[i : i + step])) for i in range(0, rows, step))
    return Rows(dim=dim, total=rows, blocks=blocks, ngrams=ngrams)


def as_float32(source: Path, numbers: Any, first: int) -> NDArray[np.float32]:
    """Give real numbers as float32; `first` is the number of the first row."""
    if numbers.dtype.kind not in "fiub":
        raise refusal(source, f"expected real numbers, found {numbers.dtype} from row {first + 1} on")
    with np.errstate(over="ignore"):
        return np.require(numbers, np.float32, ["C", "ALIGNED"])


def check_count(source: Path, shape: tuple[int, int], words: Sequence[str], where: str) -> None:
    """Refuse words that are not as many as the rows."""
    if shape[0] != len(words):
        what = f"{shape[0]:,} rows of {shape[1]}, but {len(words):,} words in {where}"
        raise refusal(source, f"{what}: they belong to another file")


class _Tally:
    """What a conversion has met so far."""

    def __init__(
        self,
        source: Path,
        dtype: Dtype,
        keep: Any,
        shard: tuple[int, int] | None,
        on_bad_row: str,
        normalize: bool,
    ) -> None:
        self.source, self.dtype, self.shard, self.on_bad_row = source, dtype, shard, on_bad_row
        # A row of length 1 fits every type.
        self.most = np.inf if normalize else _TOO_LARGE.get(dtype, np.inf)
        self.wanted = None if keep is None else set(strings(keep))
        self.found = False
        self.rejected_by: dict[str, int] = dict.fromkeys(_FAULTS, 0)
        self.rejected_rows: list[tuple[int, int, str]] = []
        self.padded = self.blank = 0

    def rows_to_write(
        self, words: list[str], numbers: NDArray[Any], first: int
    ) -> tuple[list[str], NDArray[np.float32]]:
        """Leave out what is not wanted, and what cannot be stored or is an error; `first` is the number of the first row."""
        chosen = np.ones(len(words), bool)
        if self.shard is not None:
            index, count = self.shard
            chosen = shards_of(words, count) == index
        if self.wanted is not None:
            chosen &= np.fromiter((word in self.wanted for word in words), bool, len(words))
            self.found |= bool(chosen.any())
        values = as_float32(self.source, numbers, first)
        for i, kind, reason in self._bad_rows(words, numbers, values, chosen):
            if self.on_bad_row == "error":
                raise ParseError(str(self.source), first + i + 1, 0, reason, "row")
            chosen[i] = False
            self.rejected_by[kind] += 1
            if len(self.rejected_rows) < _REJECTED_SHOWN:
                self.rejected_rows.append((first + i + 1, 0, reason))
        if not chosen.all():
            words, values = [words[i] for i in np.flatnonzero(chosen)], values[chosen]
        self.padded += sum(word != word.strip(" ") for word in words)
        self.blank += sum(" " in word for word in words)
        return words, values

    def _bad_rows(
        self, words: list[str], numbers: NDArray[Any], values: NDArray[np.float32], chosen: NDArray[np.bool_]
    ) -> Iterator[tuple[int, str, str]]:
        """Tell which rows cannot be stored, of those that are chosen: where, what is wrong, what to say."""
        fits = (np.abs(values) < self.most).all(1)
        for i in np.flatnonzero(chosen & ~fits).tolist():
            j = int(np.flatnonzero(~(np.abs(values[i]) < self.most))[0])
            number = numbers[i][j]
            large = f", which is too large for {'float32' if np.isinf(values[i][j]) else self.dtype}"
            what = f"expected a finite number, found {number!s} as number {j + 1}"
            yield i, "not_finite", what + (large if np.isfinite(number) else "")
        for i, word in enumerate(words):
            if chosen[i] and not word:
                yield i, "empty_word", "the word is empty"

    def without_row(self, rows: int) -> int | None:
        """Count the words that were wanted and are not among the rows that were written."""
        return None if self.wanted is None else len(self.wanted) - rows


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
    shard: tuple[int, int] | None,
    normalize: bool,
    screen: bool,
    metadata: str,
    tick: Progress | None,
) -> dict[str, Any]:
    """Write what a reader gives, or the i-th of n parts of it; the report, as the extension gives it of other kinds."""
    started = time.perf_counter()
    rows, tally = reader.open(target.parent), _Tally(source, dtype, keep, shard, on_bad_row, normalize)
    if dim is not None and rows.dim != dim:
        raise refusal(source, f"expected {dim} numbers a row, found {rows.dim}")
    options: dict[str, Any] = {"dtype": dtype, "duplicates": duplicates, "normalize": normalize, "screen": screen}
    # Of several stores the first has the n-grams.
    ngrams = rows.ngrams if shard is None or shard[0] == 0 else None
    try:
        table = None if ngrams is None else ngrams.table()
        writer = Writer(target, rows.dim, metadata=metadata, table=table, **options)
    except (ValueError, OverflowError) as error:
        if ngrams is None:
            raise
        raise refusal(source, f"its n-grams cannot be: {error}") from None
    try:
        if ngrams is not None:
            _write_buckets(writer, source, ngrams)
        done = 0
        for named, numbers in rows.blocks:
            most = len(named) if limit is None else limit - done
            words, values = tally.rows_to_write(list(named[:most]), numbers[:most], done)
            try:
                writer.write(words, values)
            except ValueError as error:
                # The writer counts rows that it was given, from 0, which may be others.
                raise refusal(source, re.sub(r"^row [0-9]+, ", "the word ", str(error))) from error
            done += min(len(named), most)
            if tick is not None:
                tick(done, rows.total)
            if limit is not None and done >= limit:
                break
        if tally.wanted is not None and not tally.found and limit is None and shard is None and done:
            raise refusal(source, "none of the words to keep is in the source: most often their case is another")
        size, checksum = _checksum(reader.files)
        changed = {
            "rejected": sum(tally.rejected_by.values()),
            "duplicates": writer.duplicates,
            "words_with_padding": tally.padded,
        }
        noted: dict[str, Any] = {"source": {"name": source.resolve().name, "bytes": size, "crc32": checksum}}
        if any(changed.values()):
            noted["conversion"] = {name: number for name, number in changed.items() if number}
        report = writer.finish(json.dumps(noted))
    finally:
        writer.abandon()
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
        "rejected_by": tally.rejected_by,
        "rejected_rows": tally.rejected_rows,
        "invalid_utf8": 0,
        "collisions": 0,
        "words_with_padding": tally.padded,
        "words_with_blanks": tally.blank,
        "rows_without_word": 0,
        "words_without_row": 0,
        "ngrams": 0 if ngrams is None else ngrams.rows.shape[0],
        "header_rows": None,
        "words_not_found": None if limit is not None else tally.without_row(report["rows"]),
        "separator": None,
        "unit": "row",
    }


def _write_buckets(writer: Writer, source: Path, ngrams: Ngrams) -> None:
    count, dim = ngrams.rows.shape
    step = max(BLOCK // dim, 1)
    for start in range(0, count, step):
        try:
            writer.write_buckets(as_float32(source, np.asarray(ngrams.rows[start : start + step]), start))
        except ValueError as error:
            raise refusal(source, str(error)) from error


def _checksum(files: Sequence[Path]) -> tuple[int, str]:
    """Give the bytes of the files, one behind the other: how many, and their CRC-32."""
    size = checksum = 0
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                size += len(block)
                checksum = zlib.crc32(block, checksum)
    return size, f"{checksum:08x}"
