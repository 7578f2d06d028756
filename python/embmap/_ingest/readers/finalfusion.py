"""finalfusion's files: chunks, one after the other, of words, of numbers, plain or quantized, and of the rows' lengths."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .rows import Matrix, Ngrams, Rows, paired, refusal

MAGIC = b"FiFu\0\0\0\0"
"""The name, and the version, of which there is one."""
# What a chunk has, by its number.
_WORDS, _NUMBERS, _WORDS_BUCKETS, _QUANTIZED, _METADATA, _NORMS, _WORDS_FASTTEXT, _WORDS_NGRAMS = range(1, 9)
_WORD_CHUNKS = (_WORDS, _WORDS_BUCKETS, _WORDS_FASTTEXT, _WORDS_NGRAMS)
_FLOAT32, _UINT8 = 10, 1


def of_finalfusion(path: Path) -> Rows:
    """Give the words with their rows as long as they were before finalfusion made them of length 1.

    Where unseen words have vectors by fastText's n-grams, those too; of finalfusion's own n-grams, the words alone.
    """
    with path.open("rb") as file:
        words, scheme, numbers, norms = _chunks(_File(path, file))
    if words is None or numbers is None:
        raise refusal(path, f"this finalfusion file has no {'words' if words is None else 'numbers'}")
    rows, dim = numbers.shape
    if len(words) > rows:
        raise refusal(path, f"{rows:,} rows of {dim}, but {len(words):,} words: the file is damaged")
    if norms is not None and len(norms) != len(words):
        raise refusal(path, f"{len(norms):,} lengths of rows, but {len(words):,} words: the file is damaged")
    ngrams = None
    if scheme is not None:
        minn, maxn, buckets = scheme
        if len(words) + buckets != rows:
            raise refusal(path, f"{rows:,} rows, but {len(words):,} words and {buckets:,} n-grams: the file is damaged")
        ngrams = Ngrams(rows=_Part(numbers, len(words), buckets, None), minn=minn, maxn=maxn)
    return paired(path, _Part(numbers, 0, len(words), norms), words, path.name, ngrams)


class _File:
    """A file that is read forward, and refused where it ends too early."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self._size = path.stat().st_size
        self.place = 0

    def fields(self, form: str) -> tuple[Any, ...]:
        form = "<" + form
        return struct.unpack(form, self.read(struct.calcsize(form)))

    def kinds(self) -> tuple[int, ...]:
        """Tell which chunks there are, from the beginning of the file."""
        self.read(len(MAGIC))
        kinds: tuple[int, ...] = self.fields(f"{self.fields('I')[0]}I")
        return kinds

    def read(self, count: int) -> bytes:
        self._need(count)
        read = self._file.read(count)
        if len(read) != count:
            raise self.cut_short()
        self.place += count
        return read

    def array(self, dtype: str, *shape: int) -> NDArray[Any]:
        """Map numbers."""
        count = math.prod(shape) * np.dtype(dtype).itemsize
        self._need(count)
        start = self.place
        self.skip(count)
        # What has no bytes cannot be mapped.
        return np.memmap(self.path, dtype, "r", start, shape) if count else np.empty(shape, dtype)

    def align(self) -> None:
        """Pass over what is put before numbers: never nothing."""
        self.skip(4 - self.place % 4)

    def skip(self, count: int) -> None:
        self._need(count)
        self.place += count
        self._file.seek(self.place)

    def _need(self, count: int) -> None:
        if count > self._size - self.place:
            raise self.cut_short()

    def cut_short(self) -> Exception:
        return refusal(self.path, "this is a finalfusion file that was cut short, or is damaged")


_Found = tuple[list[str] | None, tuple[int, int, int] | None, Matrix | None, NDArray[np.float32] | None]


def _chunks(file: _File) -> _Found:
    """Give the words, how fastText's n-grams are cut, the numbers and the lengths, as far as they are there."""
    words: list[str] | None = None
    scheme: tuple[int, int, int] | None = None
    numbers: Matrix | None = None
    norms: NDArray[np.float32] | None = None
    for kind in file.kinds():
        found, length = file.fields("IQ")
        if found != kind:
            raise refusal(file.path, f"a chunk of kind {found}, expected {kind}: the finalfusion file is damaged")
        if kind in _WORD_CHUNKS and words is None:
            words, scheme = _words(file, kind)
        elif kind == _NUMBERS and numbers is None:
            numbers = _plain(file)
        elif kind == _QUANTIZED and numbers is None:
            numbers = _quantized(file)
        elif kind == _NORMS and norms is None:
            count, number = file.fields("QI")
            _check_type(file, number, _FLOAT32)
            file.align()
            norms = file.array("<f4", count)
        elif kind == _METADATA:
            file.skip(length)
        else:
            raise refusal(
                file.path, f"a chunk of kind {kind} is not known, or comes twice: the finalfusion file is damaged"
            )
    return words, scheme, numbers, norms


def _words(file: _File, kind: int) -> tuple[list[str], tuple[int, int, int] | None]:
    count = file.fields("Q")[0]
    ngrams, scheme = 0, None
    if kind == _WORDS_NGRAMS:
        ngrams, _, _ = file.fields("QII")
    elif kind != _WORDS:
        scheme = file.fields("III")
    words = [_word(file) for _ in range(count)]
    for _ in range(ngrams):
        file.skip(file.fields("I")[0] + 8)
    return words, scheme if kind == _WORDS_FASTTEXT else None


def _word(file: _File) -> str:
    word = file.read(file.fields("I")[0])
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise refusal(file.path, f"the word {word!r} is not UTF-8") from None


def _plain(file: _File) -> Matrix:
    rows, dim, number = file.fields("QII")
    _check_type(file, number, _FLOAT32)
    if not dim:
        raise refusal(file.path, "rows without numbers are no vectors")
    file.align()
    matrix: NDArray[np.float32] = file.array("<f4", rows, dim)
    return matrix


def _quantized(file: _File) -> Matrix:
    is_projected, has_norms, parts, dim, centroids, rows, code, number = file.fields("IIIIIQII")
    _check_type(file, code, _UINT8)
    _check_type(file, number, _FLOAT32)
    if not parts or dim % parts or not 0 < centroids <= 256:
        raise refusal(
            file.path, f"{dim} numbers in {parts} parts of {centroids} centroids cannot be: the file is damaged"
        )
    file.align()
    projection = np.array(file.array("<f4", dim, dim)) if is_projected else None
    table = np.array(file.array("<f4", parts, centroids, dim // parts))
    norms = file.array("<f4", rows) if has_norms else None
    return _Quantized(file.path, file.array("|u1", rows, parts), table, projection, norms)


def _check_type(file: _File, number: int, expected: int) -> None:
    if number != expected:
        raise refusal(file.path, f"numbers of type {number}, expected {expected}: finalfusion has no others")


class _Quantized:
    """Rows whose parts are each one of a few, turned back where they were turned."""

    def __init__(
        self,
        path: Path,
        codes: NDArray[np.uint8],
        table: NDArray[np.float32],
        projection: NDArray[np.float32] | None,
        norms: NDArray[np.float32] | None,
    ) -> None:
        self._path, self._codes, self._table, self._projection, self._norms = path, codes, table, projection, norms
        self.shape = (len(codes), table.shape[0] * table.shape[2])

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        codes = self._codes[rows]
        if codes.max(initial=0) >= self._table.shape[1]:
            raise refusal(self._path, "a row has a part that does not exist: the file is damaged")
        found = self._table[np.arange(self._table.shape[0]), codes].reshape(len(codes), self.shape[1])
        # What is no number is said of its row.
        with np.errstate(over="ignore", invalid="ignore"):
            if self._projection is not None:
                found = found @ self._projection.T
            return found if self._norms is None else found * self._norms[rows, None]


class _Part:
    """Some of the rows of a matrix, as long as `norms` says."""

    def __init__(self, matrix: Matrix, start: int, rows: int, norms: NDArray[np.float32] | None) -> None:
        self._matrix, self._start, self._norms = matrix, start, norms
        self.shape = (rows, matrix.shape[1])

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        first, last, _ = rows.indices(self.shape[0])
        found: NDArray[np.float32] = self._matrix[self._start + first : self._start + last]
        with np.errstate(over="ignore", invalid="ignore"):
            return found if self._norms is None else found * self._norms[rows, None]
