"""Words and vectors that the caller has, in arrays or in batches, to a store."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Set, Sized
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._choices import Duplicates, OnMissing
from .._dtype import Dtype, DtypeName, dtype_name
from .._embmap import Writer as _Writer
from .._embmap import strings
from .._notebook import Readable
from .._paths import local
from .._progress import Progress, shown
from .._words_like import WordsLike
from .metadata import as_json
from .vocabulary import Vocab, Vocabulary, contents

if TYPE_CHECKING:
    from .store import CoreStore

Vectors: TypeAlias = ArrayLike | Iterable[ArrayLike]
VectorOf: TypeAlias = Mapping[str, ArrayLike]

# Values that are taken out of an array at a time: 16 MiB of float32, whatever the array has.
_BLOCK = 1 << 22


@dataclass(frozen=True, kw_only=True)
class WriteReport(Readable):
    """What was written. `str(report)` reads well.

    Attributes
    ----------
    path : Path
        The store, absolute.
    rows, dim : int
        Shape of the matrix.
    dtype : str
        Type of its numbers.
    bytes_written : int
        Bytes of the store.
    seconds, sync_seconds : float
        Wall-clock time, and the part of it, at the end, in which the disk was waited for.
    duplicates : int
        Rows whose word was there before.

    Examples
    --------
    >>> report = embmap.write("small.embmap", ["king", "queen", "king"], np.eye(3), duplicates="first")
    >>> report.path.name, report.rows, report.dim, report.dtype, report.duplicates
    ('small.embmap', 2, 3, 'float32', 1)
    """

    path: Path
    rows: int
    dim: int
    dtype: str
    bytes_written: int
    seconds: float
    sync_seconds: float
    duplicates: int

    def __str__(self) -> str:
        lines = [
            f"{self.path}",
            f"  {self.rows:,} words of {self.dim} {self.dtype} in {self.seconds:.2f} s, {self.bytes_written:,} bytes",
        ]
        if self.duplicates:
            lines.append(f"  {self.duplicates:,} duplicate words")
        return "\n".join(lines)


class Writer:
    """Writes a store from rows that come in batches.

    Use it in a ``with`` statement. Where that ends well, the store appears, whole; where it ends with an exception, or the
    process is killed, nothing does, and a file that was there before stays. Memory holds the words and one block of rows,
    never the matrix.

    Parameters
    ----------
    path : path
        Where the store goes; a file that is there is replaced at the end.
    dim : int
        Numbers a row.
    dtype : {"float32", "float16", "bfloat16", "int8"}
        Type of the store's numbers, each as close as `convert` says.
    normalize : bool
        Scale each row to length 1; rows of zeros stay.
    screen : bool
        Keep a byte for each number besides, from which neighbours are found faster, as `convert` says.
    metadata : dict, optional
        Kept in the store, as JSON; `Store.metadata` gives it back, beside ``embmap``.
    duplicates : {"error", "first", "last"}
        Which row of a word that comes again is kept; by default a ValueError, because rows that go missing are seldom meant
        where a program made them.

    Attributes
    ----------
    report : WriteReport or None
        What was written, once the ``with`` statement has ended well.

    Examples
    --------
    >>> with embmap.Writer("small.embmap", dim=2) as writer:
    ...     writer.write(["king", "queen"], [[1.0, 0.5], [1.0, -0.5]])
    ...     writer.write(["man"], [[0.0, 0.5]])
    >>> writer.report.rows
    3
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        dim: int,
        *,
        dtype: DtypeName = "float32",
        normalize: bool = False,
        screen: bool = False,
        metadata: dict[str, Any] | None = None,
        duplicates: Duplicates = "error",
    ) -> None:
        if dim < 1:
            raise ValueError(f"dim must be positive, not {dim}")
        self.path = local(path)
        self.dim = dim
        self.dtype: Dtype = dtype_name(dtype)
        self.report: WriteReport | None = None
        self._options: Any = {
            "dtype": self.dtype,
            "duplicates": duplicates,
            "normalize": normalize,
            "screen": screen,
            "metadata": as_json(metadata, ("embmap",)),
        }
        self._writer: _Writer | None = None
        # The store whose n-grams go along.
        self._model: CoreStore | None = None
        self._rows = 0
        self._used = False
        self._whole = True

    def __enter__(self) -> Self:
        if self._used:
            raise ValueError(f"{self.path}: a writer writes one store; make another")
        self._used = True
        self._writer = _Writer(self.path, self.dim, ngrams=self._model, **self._options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        writer, self._writer = self._open(), None
        try:
            if kind is not None:
                return
            if not self._whole:
                raise ValueError(f"{self.path} is not written: an earlier batch was not written whole")
            self.report = WriteReport(**writer.finish(), dtype=self.dtype)
        finally:
            writer.abandon()

    def write(self, words: Vocab | VectorOf, vectors: Vectors | None = None) -> None:
        """Append rows.

        Where it raises after rows have been taken, the store cannot be published any more, because some rows may be there
        and some not.

        Parameters
        ----------
        words : iterable of str, array of strings, Arrow column, or mapping
            Kept byte for byte. As in `write`, a mapping is word -> row of `vectors`, or word -> vector without them.
        vectors : array_like of real numbers, shape (len(words), dim), or iterable of rows
            Rounded to float32, block by block, and then to the store's type. A tensor of PyTorch may be on a GPU, and may
            require a gradient.

        Raises
        ------
        ValueError
            The shape is another; a number is not finite or too large for the type; a word is empty, or was there before
            (``duplicates="error"``). The message names the row, counted from 0 over all batches.
        TypeError
            A word is no `str`, the numbers are not real, or `vectors` is missing.
        OSError
            The file cannot be written.

        Examples
        --------
        >>> with embmap.Writer("small.embmap", dim=2) as writer:
        ...     writer.write({"king": [1.0, 0.5], "queen": [1.0, -0.5]})
        ...     writer.write({"man": 1, "woman": 0}, np.array([[0.0, -0.5], [0.0, 0.5]]))
        >>> list(embmap.open("small.embmap"))
        ['king', 'queen', 'woman', 'man']
        """
        writer = self._open()
        if _is_nothing(words) and (vectors is None or _is_nothing(vectors)):
            return
        named, matrix = _paired(words, vectors)
        if matrix.shape[1] != self.dim:
            raise ValueError(f"vectors have {matrix.shape[1]} numbers a row, the store has {self.dim}")
        _write_blocks(self, writer, named, matrix, None)

    def _copy(self, store: CoreStore, ids: NDArray[np.int64]) -> None:
        """Append rows of a store of the same type, bit for bit, with their words."""
        writer, self._whole = self._open(), False
        step = max(_BLOCK // self.dim, 1)
        for start in range(0, len(ids), step):
            store._copy_into(writer, ids[start : start + step])
        self._whole = True

    def _open(self) -> _Writer:
        if self._writer is None:
            raise ValueError(f"{self.path}: nothing is written outside of a with statement")
        return self._writer


def write(
    path: str | os.PathLike[str],
    words: Vocab | VectorOf,
    vectors: Vectors | None = None,
    metadata: dict[str, Any] | None = None,
    *,
    dtype: DtypeName = "float32",
    normalize: bool = False,
    screen: bool = False,
    duplicates: Duplicates = "error",
    progress: bool | Progress | None = None,
) -> WriteReport:
    """Write words and their vectors to a store.

    The store is what `convert` makes of a text with the same words and numbers. It appears whole at the end, or not at all.
    The vectors are read block by block: an array that is mapped from a file, or of another type, is never copied as a whole.

    Parameters
    ----------
    path : path
        Where the store goes; a file that is there is replaced.
    words : iterable of str, array of strings, Arrow column, mapping, or tokenizer
        As for `Store.indices`: word ``i`` has row ``i``. Kept byte for byte, spaces and line ends included. A mapping of int
        is word -> row of `vectors`, as a ``stoi`` or what a tokenizer's ``get_vocab()`` gives: each row must have one word.
        A mapping of vectors, without `vectors`, is both.
    vectors : array_like of real numbers, shape (len(words), dim), or iterable of rows
        Anything that NumPy takes for an array, or that has rows to be sliced, as a tensor or an HDF5 dataset has; or rows
        one after the other, as a generator or the ``values()`` of a dict gives. Rounded to float32. Left out where `words`
        has them.
    metadata : dict, optional
        Kept in the store, as JSON; `Store.metadata` gives it back, beside ``embmap``.
    dtype : {"float32", "float16", "bfloat16", "int8"}
        Type of the store's numbers, each as close as `convert` says.
    normalize : bool
        Scale each row to length 1; rows of zeros stay.
    screen : bool
        Keep a byte for each number besides, from which neighbours are found faster, as `convert` says.
    duplicates : {"error", "first", "last"}
        Which row of a word that comes again is kept; by default a ValueError, because rows that go missing are seldom meant
        where a program made them.
    progress : bool or callable, optional
        ``True`` for a bar, or a callable ``(done_rows, total_rows)``.

    Returns
    -------
    WriteReport
        Rows, bytes, seconds, duplicates. Open the store with `open`.

    Raises
    ------
    ValueError, TypeError, OSError
        As `Writer.write` does; nothing is left behind.

    See Also
    --------
    Writer : for rows that come in batches.

    Examples
    --------
    >>> report = embmap.write("small.embmap", ["king", "queen"], np.array([[1.0, 0.5], [1.0, -0.5]]))
    >>> report.rows, report.dim
    (2, 2)
    >>> embmap.open("small.embmap")["queen"]
    array([ 1. , -0.5], dtype=float32)
    >>> embmap.write("small.embmap", {"king": [1.0, 0.5], "queen": [1.0, -0.5]}).rows
    2
    """
    named, matrix = _paired(words, vectors)
    writer = Writer(
        path,
        matrix.shape[1],
        dtype=dtype,
        normalize=normalize,
        screen=screen,
        metadata=metadata,
        duplicates=duplicates,
    )
    with shown(progress, writer.path.name, " rows") as tick, writer:
        _write_blocks(writer, writer._open(), named, matrix, tick)
    return cast("WriteReport", writer.report)


def select(
    store: CoreStore, words: WordsLike, path: str | os.PathLike[str], missing: OnMissing, ngrams: bool
) -> WriteReport:
    """Do what `Store.select` says."""
    if missing not in ("error", "skip"):
        raise ValueError(f"missing must be 'error' or 'skip', not {missing!r}")
    named = _as_sequence(words)
    ids = store.indices(named)
    found = ids[ids >= 0]
    if missing == "error" and len(found) < len(ids):
        first = int(np.argmax(ids < 0))
        raise KeyError(strings(named[first : first + 1])[0])
    metadata = {key: value for key, value in store.metadata.items() if key != "embmap"}
    note = {"rows": len(found), "of": len(store), "identity": store.identity.hex()}
    earlier = metadata.get("selected")
    metadata["selected"] = [*(earlier if isinstance(earlier, list) else []), note]
    writer = Writer(path, store.dim, dtype=store._dtype_name, metadata=metadata)
    writer._model = store if ngrams else None
    with writer:
        writer._copy(store, found)
    return cast("WriteReport", writer.report)


def _write_blocks(whole: Writer, writer: _Writer, words: Any, vectors: Any, progress: Progress | None) -> None:
    rows, dim = vectors.shape
    if len(words) != rows:
        raise ValueError(f"{len(words)} words, but vectors for {rows}")
    whole._whole = False
    before, step = whole._rows, max(_BLOCK // dim, 1)
    for start in range(0, rows, step):
        block = _block(vectors, start, start + step, before)
        try:
            writer.write(words[start : start + step], block)
        except TypeError:
            # The extension has counted from the start of the block.
            for position, word in enumerate(words if isinstance(words, (list, tuple)) else ()):
                if not isinstance(word, str):
                    found = type(word).__name__
                    raise TypeError(f"expected str, found {found} at position {position}") from None
            raise
        if progress:
            progress(min(start + step, rows), rows)
    whole._rows += rows
    whole._whole = True


def _paired(words: Any, vectors: Any) -> tuple[Any, Any]:
    """Give words that can be cut into blocks, and as many rows that can be."""
    named = contents(words)
    if vectors is None:
        if not isinstance(named, Mapping) or any(np.ndim(row) == 0 for row in islice(named.values(), 1)):
            raise TypeError("vectors are missing: pass words and vectors, or a mapping word -> vector")
        return list(named), _as_matrix(named.values(), len(named))
    # dict.fromkeys(words) has no rows: it only drops repeats.
    if isinstance(named, Mapping) and any(row is not None for row in named.values()):
        return _in_row_order(named, vectors)
    named = _as_sequence(named)
    return named, _as_matrix(vectors, len(named))


def _in_row_order(mapping: Mapping[str, int], vectors: Any) -> tuple[list[str], Any]:
    """Give the words in the order of the rows that they have in a matrix."""
    vocabulary = Vocabulary.of_mapping(mapping)
    vocabulary.check_dense()
    matrix = _as_matrix(vectors, vocabulary.end)
    if (rows := matrix.shape[0]) > vocabulary.end:
        raise ValueError(f"row {vocabulary.end} of vectors, which have {rows}, has no word in the mapping")
    if rows < vocabulary.end:
        raise ValueError(f"{vocabulary.words[rows]!r} has row {rows}, which is not one of the {rows} of vectors")
    return vocabulary.words, matrix


def _as_sequence(words: WordsLike) -> Any:
    """Give words as something that can be cut into blocks which the extension takes."""
    fits = isinstance(words, (list, tuple)) or (isinstance(words, np.ndarray) and words.dtype.kind in "US")
    return words if fits else strings(words)


def _as_matrix(vectors: Any, words: int) -> Any:
    """Give vectors of so many words as something of two dimensions whose rows can be taken a block at a time."""
    if isinstance(vectors, Mapping):
        raise TypeError("vectors is a mapping: one of word -> vector takes the place of the words, too")
    if _comes_row_by_row(vectors):
        return _Rows(vectors, words)
    if not all(hasattr(vectors, name) for name in ("shape", "dtype", "__getitem__")):
        vectors = _as_array(vectors)
    if len(vectors.shape) != 2:
        raise ValueError(f"vectors must have the shape (rows, dim), found {tuple(vectors.shape)}")
    if vectors.shape[1] < 1:
        raise ValueError("vectors must have at least one number a row")
    return vectors


def _is_nothing(given: Any) -> bool:
    """Tell whether there are no words, or no rows: the last batch of a stream may have none."""
    return isinstance(given, Sized) and not isinstance(given, str) and len(given) == 0


def _comes_row_by_row(vectors: Any) -> bool:
    """Tell generators and the views of dicts from arrays. The rows of a set have no order."""
    is_array = any(hasattr(vectors, name) for name in ("__getitem__", "__array__", "__array_interface__"))
    return isinstance(vectors, Iterable) and not is_array and not isinstance(vectors, Set)


class _Rows:
    """Rows that come one after the other, for a reader that takes blocks of them in turn."""

    def __init__(self, rows: Iterable[Any], words: int) -> None:
        coming = iter(rows)
        first = [_as_array(row) for row in islice(coming, 1)]
        # As an array of that shape would be refused.
        self.shape = (words, *_as_matrix(np.array(first), words).shape[1:])
        if not words or (isinstance(rows, Sized) and len(rows) != words):
            raise ValueError(f"{words} words, but vectors for {len(rows) if isinstance(rows, Sized) else 'more'}")
        self._words = words
        self._coming = chain(first, coming)

    def __getitem__(self, block: slice) -> NDArray[Any]:
        wanted = min(block.stop, self._words) - block.start
        rows = [_as_array(row) for row in islice(self._coming, wanted)]
        for i, row in enumerate(rows, block.start):
            if row.shape != self.shape[1:]:
                raise ValueError(f"row {i} of vectors has the shape {row.shape}, the first has {self.shape[1:]}")
        if len(rows) < wanted:
            raise ValueError(f"{self._words} words, but vectors for {block.start + len(rows)}")
        if block.stop >= self._words and any(True for _ in self._coming):
            raise ValueError(f"{self._words} words, but vectors for more")
        return np.stack(rows)


def _as_array(values: Any) -> NDArray[Any]:
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        values = values.float() if values.dtype == torch.bfloat16 else values
    elif torch is not None and isinstance(values, list) and any(isinstance(row, torch.Tensor) for row in values):
        values = [_as_array(row) for row in values]
    if np.ma.is_masked(values):
        raise ValueError("vectors have masked numbers: filled() says what stands in their places")
    return np.asarray(values)


def _block(vectors: Any, start: int, stop: int, before: int) -> NDArray[np.float32]:
    """Give some of the rows as float32; there were so many `before` these vectors."""
    block = _as_array(vectors[start:stop])
    if block.dtype.kind not in "fiub" and block.dtype.name != "bfloat16":
        raise TypeError(f"vectors must be real numbers, found {block.dtype}; astype('float32') may make them so")
    try:
        with np.errstate(over="raise"):
            return np.require(block, np.float32, ["C", "ALIGNED"])
    except FloatingPointError:
        with np.errstate(over="ignore"):
            row, i = np.argwhere(np.isfinite(block) & np.isinf(block.astype(np.float32)))[0]
        raise ValueError(
            f"row {before + start + row}: number {i + 1} of {block.shape[1]}, {block[row, i]!s}, is too large for float32"
        ) from None
