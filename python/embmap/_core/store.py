"""`CoreStore`: what a store is, without what can be asked of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _notebook
from .._embmap import Store as _Store
from .._embmap import TokenModel
from .._errors import FormatError
from .words import Words

if TYPE_CHECKING:
    from .._embmap import Writer


class CoreStore(_Store):
    """The extension's store with its words, its types and its rows: what every function that takes a store needs."""

    __slots__ = ()
    # Whether the first rows are the source's first, which published files sort by frequency.
    _in_source_order = True
    # A store is itself, not its contents: comparing those would read two files.
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    @property
    def words(self) -> Words:
        """The words in row order: a sequence that decodes what is asked for.

        Examples
        --------
        >>> store.words
        <6 words: 'king', 'queen', 'man', ...>
        >>> store.words[1:3], store.words[-1]
        (['queen', 'man'], 'pear')
        """
        return Words(self)

    @property
    def dtype(self) -> np.dtype[Any] | str:
        """Type of the stored numbers; for bfloat16, which NumPy does not have, its name."""
        return self._dtype_name if self._dtype_name == "bfloat16" else np.dtype(self._dtype_name)

    @property
    def metadata(self) -> dict[str, Any]:
        """Where the vectors came from, and what `convert` was given.

        Examples
        --------
        >>> store.metadata["source"]["name"], store.metadata["source"]["bytes"]
        ('vectors.txt', 120)
        """
        text = self._metadata_json()
        try:
            found = json.loads(text) if text else {}
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{self.path}: corrupt: the metadata is not JSON") from error
        if not isinstance(found, dict):
            raise FormatError(f"{self.path}: corrupt: the metadata is not a JSON object")
        return found

    def take(self, ids: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Copy rows by id, as float32 whatever the store's type.

        Parameters
        ----------
        ids : array_like of int, shape (n,)
            Rows, from 0.
        out : ndarray of float32 or float16, shape (n, dim), C-contiguous, optional
            Filled and returned; a new array otherwise.

        Returns
        -------
        ndarray, shape (n, dim)

        Raises
        ------
        IndexError
            There is no such row.

        Examples
        --------
        >>> store.take([1, 0]).shape
        (2, 4)
        """
        array = _as_ids(ids)
        if array.size and array.min() < 0:
            position = int(np.argmax(array < 0))
            raise IndexError(f"id {array[position]} at position {position} is not a row: there are {len(self)}")
        return self._rows(array, out)

    def _rows(self, ids: NDArray[np.int64], out: NDArray[Any] | None) -> NDArray[Any]:
        if out is None:
            out = np.empty((len(ids), self.dim), np.float32)
        elif not isinstance(out, np.ndarray):
            raise TypeError(f"out must be an ndarray, not {type(out).__name__}")
        elif out.dtype not in (np.float32, np.float16) or not (out.flags.c_contiguous and out.flags.behaved):
            raise ValueError("out must be a C-contiguous, aligned, writable float32 or float16 array")
        elif out.shape != (len(ids), self.dim):
            raise ValueError(f"out has shape {list(out.shape)}, these rows need {[len(ids), self.dim]}")
        self._gather(ids, out)
        check_half(out)
        return out

    def _check_open(self) -> None:
        """Raise ValueError where the store is closed."""
        len(self)

    def _of_file(self, path: str | os.PathLike[str]) -> Self:
        """Open a store that was made of this one."""
        return type(self)(path)

    def _files(self) -> tuple[Path, ...]:
        """Name what is mapped."""
        return (self.path,)

    def _copy_into(self, writer: Writer, ids: NDArray[np.int64]) -> None:
        """Append rows by id to a store that is being written."""
        writer.copy(self, ids)

    def _token_model(self, file: Path) -> tuple[TokenModel, str] | None:
        """Read a ``tokenizer.json``, where it numbers its tokens as the store does its rows."""
        return TokenModel.read(self, file)

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        if self.closed:
            return f"<Store {str(self.path)!r}, closed>"
        return f"<Store {str(self.path)!r}: {len(self):,} words of {self.dim} {self._dtype_name}>"

    def _repr_html_(self) -> str:
        """Show the store in a notebook: its shape, and its first rows."""
        if self.closed:
            return _notebook.facts_html(f"{type(self).__name__}, closed", [("path", self.path)])
        facts = [
            ("path", self.path),
            ("words", f"{len(self):,}"),
            ("dim", self.dim),
            ("dtype", self._dtype_name),
            ("size", _notebook.size(self.nbytes)),
        ]
        shown = range(min(len(self), _notebook.SHOWN_ROWS))
        rows = _notebook.rows_html([self.word(i) for i in shown], self.take(shown).tolist(), len(self) - len(shown))
        return _notebook.facts_html(type(self).__name__, facts, rows)


def check_open(store: object) -> None:
    """Raise TypeError for what is no store, such as the path of one."""
    if isinstance(store, (str, os.PathLike)):
        raise TypeError(f"expected a store, found a path: embmap.load({os.fspath(store)!r}) opens it")
    if not isinstance(store, CoreStore):
        what = type(store).__name__
        way = "embmap.from_gensim() makes one of it" if what == "KeyedVectors" else "embmap.load() makes one of a file"
        raise TypeError(f"expected a store, found {what}: {way}")


def check_half(rows: NDArray[Any]) -> None:
    """Raise ValueError where a number was too large for float16, and became infinite."""
    if rows.dtype == np.float16 and (large := (rows.view(np.uint16) & 0x7FFF) == 0x7C00).any():
        row = int(np.argwhere(large)[0][0])
        raise ValueError(f"row {row} of the result has a number that is too large for float16")


def _as_ids(ids: ArrayLike) -> NDArray[np.int64]:
    if np.ma.is_masked(ids):
        raise ValueError("ids are masked: compressed() has those that are not")
    array = np.asarray(ids)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim == 1 and array.dtype.kind in "uO":
        # Numbers that no int64 can hold.
        for i, number in enumerate(array.tolist()):
            if isinstance(number, int) and number >= 1 << 63:
                raise IndexError(f"id {number} at position {i} is not a row")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"ids must be a one-dimensional array of int, not {array.dtype} of shape {array.shape}")
    return np.ascontiguousarray(array, np.int64)
