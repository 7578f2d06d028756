"""Files of numbers without words: NumPy's, safetensors, HDF5, plain float32, text, those of nearest-neighbour libraries."""

from __future__ import annotations

import json
import math
import struct
import warnings
import zipfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..._optional import need
from .rows import Matrix, refusal, text_of

# What bytes call blank.
_SPACES = " \t\n\r\x0b\x0c"
_SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "|i1", "U8": "|u1"}
# A record of each row: how many numbers, the numbers.
RECORDS = {".fvecs": "<f4", ".bvecs": "|u1", ".ivecs": "<i4"}
# How many rows and numbers a row, and then all numbers.
BLOCKS = {".fbin": "<f4", ".u8bin": "|u1", ".i8bin": "|i1", ".ibin": "<i4"}


class Bfloat16:
    """A matrix of bfloat16, which NumPy does not have, given out as float32."""

    def __init__(self, bits: NDArray[np.uint16]) -> None:
        self._bits = bits
        self.shape = bits.shape

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        return (self._bits[rows].astype(np.uint32) << 16).view(np.float32)


@contextmanager
def _quiet() -> Generator[None]:
    """Leave out what NumPy says of headers that Python 2 wrote, which are read, and of lines without numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def of_npy(path: Path, start: int = 0) -> NDArray[Any]:
    """Map the array of a file of NumPy's, or of a member that lies in an archive as it is."""
    with path.open("rb") as file:
        file.seek(start)
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            with _quiet():
                shape, fortran, dtype = read(file)
        except Exception as error:
            # Whatever Python's own parser raises of a damaged header.
            raise refusal(path, f"this is no array of NumPy's, or it is damaged: {error}") from None
        offset = file.tell()
    if dtype.hasobject:
        raise refusal(path, "this is an array of Python objects, a pickle, which is never read")
    if dtype.names:
        raise refusal(path, f"expected a matrix of numbers, found records of {', '.join(dtype.names)}")
    if any(type(length) is not int or length < 0 for length in shape):
        raise refusal(path, f"an array of shape {shape} cannot be")
    count = math.prod(shape)
    if count == 0:
        raise refusal(path, f"the array has no numbers: its shape is {shape}")
    if offset + count * dtype.itemsize > path.stat().st_size:
        raise refusal(path, "the array ends behind the end of the file, which was cut short")
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


def of_npz(path: Path, member: str | None, with_words: bool) -> tuple[Matrix, Sequence[str] | None]:
    """Give the matrix of an archive of NumPy's, and its words where an array of strings has as many.

    Members that are packed are read into memory, one at a time.
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        with _quiet(), np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                found[name] = archive[name]
    except Exception as error:
        # Those of zipfile, of zlib, and of Python's own parser.
        raise refusal(path, f"an array of this archive of NumPy arrays cannot be read: {error}") from None
    matrices = {name: array for name, array in found.items() if array.ndim == 2 and array.dtype.kind in "fiu"}
    chosen = chosen_of(path, {name: array.shape for name, array in matrices.items()}, member, "array")
    matrix = matrices[chosen]
    if with_words:
        return matrix, None
    texts = [array for array in found.values() if array.dtype.kind in "US" and array.shape == matrix.shape[:1]]
    if len(texts) != 1:
        return matrix, None
    words = [text_of(path, word) for word in texts[0].tolist()]
    return matrix, _unless_labels(words)


def of_safetensors(path: Path, member: str | None) -> tuple[Matrix, Sequence[str] | None]:
    """Map a tensor, and give the words that the metadata have, as a store that is exported writes them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size - 8, 100_000_000):
            raise refusal(path, "this is no safetensors file, or it was cut short: its header ends behind its end")
        try:
            header = json.loads(file.read(length))
            assert isinstance(header, dict)
        except (ValueError, RecursionError, AssertionError):
            raise refusal(path, "this is no safetensors file: its header is no JSON object") from None
    metadata = header.pop("__metadata__", None)
    shapes = {}
    for name, entry in header.items():
        try:
            dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            described = [*shape, start, end]
        except (TypeError, KeyError, ValueError):
            raise refusal(path, f"the tensor {name!r} is not described as safetensors does") from None
        if not all(isinstance(number, int) and number >= 0 for number in described):
            raise refusal(path, f"the tensor {name!r} is not described as safetensors does")
        if len(shape) == 2 and dtype in _SAFETENSORS:
            shapes[name] = tuple(shape)
    chosen = chosen_of(path, shapes, member, "tensor")
    entry = header[chosen]
    numbers = np.dtype(_SAFETENSORS[entry["dtype"]])
    rows, dim = shapes[chosen]
    start, end = entry["data_offsets"]
    if end - start != rows * dim * numbers.itemsize or 8 + length + end > size:
        raise refusal(path, f"the tensor {chosen!r} ends behind the end of the file, which was cut short")
    words = None
    if isinstance(metadata, dict) and isinstance(text := metadata.get("words"), str):
        try:
            words = json.loads(text)
        except (ValueError, RecursionError):
            raise refusal(path, "the words in the metadata are no JSON") from None
        if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
            raise refusal(path, "the words in the metadata are no list of words")
    if rows * dim == 0:
        raise refusal(path, f"the tensor {chosen!r} has no numbers: its shape is {(rows, dim)}")
    tensor = np.memmap(path, numbers, "r", 8 + length + start, (rows, dim))
    return (Bfloat16(tensor) if entry["dtype"] == "BF16" else tensor), words


def of_hdf5(path: Path, member: str | None) -> tuple[Matrix, Sequence[str] | None]:
    """Read a dataset into memory, and the words of one with as many, as pandas writes a frame."""
    h5py = need("h5py", "an HDF5 file", "h5py")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise refusal(path, f"this is an HDF5 file, of Keras perhaps, that is damaged: {error}") from None
    with file:
        found: dict[str, Any] = {}
        file.visititems(lambda name, item: found.__setitem__(name, item) if isinstance(item, h5py.Dataset) else None)
        matrices = {name: item for name, item in found.items() if item.ndim == 2 and item.dtype.kind in "fiu"}
        chosen = chosen_of(path, {name: item.shape for name, item in matrices.items()}, member, "dataset")
        matrix = matrices[chosen]
        beside = chosen.rpartition("/")[0]
        texts = {
            name: item
            for name, item in found.items()
            if item.shape == matrix.shape[:1] and h5py.check_string_dtype(item.dtype) and not name.endswith("items")
        }
        near = {name: item for name, item in texts.items() if name.rpartition("/")[0] == beside} or texts
        words = None
        if len(near) == 1:
            words = _unless_labels([text_of(path, word) for word in next(iter(near.values()))[:].tolist()])
        return matrix[:], words


def _unless_labels(words: list[str]) -> list[str] | None:
    """Give words, unless most are there several times, as what rows are of is."""
    return words if 2 * len(set(words)) > len(words) else None


def of_raw(path: Path, dim: int | None) -> Matrix:
    """Map numbers of float32 that have nothing around them."""
    if dim is None:
        raise refusal(path, "plain numbers do not say how many are a row: dim= does")
    size = path.stat().st_size
    if size % (4 * dim) or not size:
        raise refusal(path, f"{size:,} bytes are no rows of {dim} float32 numbers, 4 bytes each")
    return np.memmap(path, "<f4", "r", 0, (size // (4 * dim), dim))


def of_records(path: Path) -> Matrix:
    """Map rows that each say how many numbers they have."""
    kind = np.dtype(RECORDS[path.suffix.lower()])
    size = path.stat().st_size
    with path.open("rb") as file:
        dim = int.from_bytes(file.read(4), "little")
    record = 4 + dim * kind.itemsize
    if not 0 < dim < 1 << 24 or size % record:
        raise refusal(path, f"{size:,} bytes are no records of {dim:,} numbers, as the first announces")
    whole = np.memmap(path, np.dtype([("dim", "<i4"), ("row", kind, (dim,))]), "r")
    return _Records(path, whole, dim)


class _Records:
    def __init__(self, path: Path, records: Any, dim: int) -> None:
        self._path, self._records = path, records
        self.shape = (len(records), dim)

    def __getitem__(self, rows: slice) -> Any:
        block = self._records[rows]
        if (other := np.flatnonzero(block["dim"] != self.shape[1])).size:
            row = rows.start + int(other[0])
            raise refusal(
                self._path, f"row {row + 1} announces {block['dim'][other[0]]} numbers, the first {self.shape[1]}"
            )
        return block["row"]


def of_blocks(path: Path) -> Matrix:
    """Map a matrix behind its two numbers."""
    kind = np.dtype(BLOCKS[path.suffix.lower()])
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
    rows, dim = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
    if size != 8 + rows * dim * kind.itemsize or not rows * dim:
        raise refusal(path, f"{size:,} bytes are no {rows:,} rows of {dim:,} numbers, as the file announces")
    return np.memmap(path, kind, "r", 8, (rows, dim))


def of_text(path: Path) -> Matrix:
    """Read rows of numbers alone, with blanks, tabs or commas between them."""
    with path.open("rb") as file:
        first = file.readline(1 << 24)
        rows = bool(first.strip()) + sum(bool(line.strip()) for line in file)
    if not rows:
        raise refusal(path, "expected rows of numbers, found an empty file")
    return _Lines(path, rows, "," if b"," in first else None)


def _nonempty(path: Path) -> Iterator[str]:
    # Lines as they were counted, in bytes.
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
        yield from (line for line in file if line.strip(_SPACES))


class _Lines:
    """Rows of a text, which are cut out one block after the other, from the first on."""

    def __init__(self, path: Path, rows: int, separator: str | None) -> None:
        self._path, self._separator = path, separator
        self._lines = _nonempty(path)
        self._first = self._parsed(1, 0)
        self.shape = (rows, self._first.shape[1])

    def _parsed(self, count: int, start: int) -> NDArray[np.float32]:
        lines = islice(self._lines, count)
        try:
            with _quiet():
                block = np.loadtxt(lines, np.float32, delimiter=self._separator, ndmin=2, comments=None)
            if len(block) != count:
                raise ValueError("a line has no number")
            return block
        except ValueError as error:
            reason = str(error).partition(";")[0]
            what = f"expected rows of numbers, whose words are elsewhere: behind row {start}, {reason}"
            raise refusal(self._path, what) from None

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        count = min(rows.stop, self.shape[0]) - rows.start
        if rows.start:
            block = self._parsed(count, rows.start)
        else:
            block = np.concatenate([self._first, self._parsed(count - 1, 1)]) if count > 1 else self._first
        if block.shape[1] != self.shape[1]:
            raise refusal(self._path, f"row {rows.start + 1} has {block.shape[1]} numbers, the first {self.shape[1]}")
        return block


def chosen_of(path: Path, shapes: dict[str, tuple[int, ...]], member: str | None, what: str) -> str:
    """Tell which of several matrices is meant."""
    if member is not None:
        if member in shapes:
            return member
        raise refusal(path, f"no {what} {member!r} with rows of numbers: {_listed(shapes, what)}")
    if len(shapes) == 1:
        return next(iter(shapes))
    embeddings = [name for name in shapes if name.endswith("embedding.weight") or name in ("embeddings", "vectors")]
    if len(embeddings) == 1:
        return embeddings[0]
    raise refusal(path, f"{_listed(shapes, what)}{'' if not shapes else ': member= says which is meant'}")


def _listed(shapes: dict[str, tuple[int, ...]], what: str) -> str:
    if not shapes:
        return f"there is no {what} with rows of numbers"
    listed = [f"{name} ({' x '.join(map(str, shape))})" for name, shape in shapes.items()]
    return f"there are {', '.join(listed[:10])}" + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")


class Numbered(Sequence[str]):
    """The numbers of rows as words, for what has no others."""

    def __init__(self, rows: int, start: int = 0) -> None:
        self._range = range(start, start + rows)

    def __len__(self) -> int:
        return len(self._range)

    def __getitem__(self, i: Any) -> Any:
        return [str(row) for row in self._range[i]] if isinstance(i, slice) else str(self._range[i])


def member_start(path: Path, info: zipfile.ZipInfo) -> int | None:
    """Tell where the bytes of a member of a zip archive begin, if they lie there as they are."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        return None
    with path.open("rb") as file:
        file.seek(info.header_offset)
        head = file.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        return None
    name, extra = struct.unpack_from("<HH", head, 26)
    start: int = info.header_offset + 30 + name + extra
    return start if start + info.file_size <= path.stat().st_size else None
