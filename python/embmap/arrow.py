"""Look-ups over Arrow record batches: one picklable object for every engine that hands batches to Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ._ingest.hub import fetch, of_url
from ._open import kept_open
from ._paths import local
from ._query.texts import Pool
from ._store import Store

__all__ = ["Lookup"]

_Batch = TypeVar("_Batch", pa.RecordBatch, pa.Table)


class Lookup:
    """Add a column of vectors to record batches: of the words of a column, or one for each text.

    It pickles as a path and a few options. The store is opened when the first batch comes, once in each process: workers of
    one host share one copy of its pages. Where the file lies elsewhere on a host, ``EMBMAP_PATH`` there says so. A store of
    the Hugging Face hub is downloaded once on each host.

    Parameters
    ----------
    store : path, str ``"hf://org/name/file"``, or Store
        The file; of the hub, ``hf://org/name`` will do where there is one store, and ``@revision`` keeps to one. Where a
        `Store` is given, or the object was used before it was pickled, workers check that theirs is the
        same.
    column : str
        The words: text of any Arrow type, dictionaries too. With `pool`, lists of words, or text that `tokenizer` cuts.
    out : str
        The new column; one of this name is replaced.
    missing : {"null", "zeros", "error"}
        What a word without a row becomes. A null stays null; a text of no known word is zeros.
    pool : {"mean", "sum"}, optional
        One vector for each text, as in `Store.lookup`.
    tokenizer : callable, optional
        Gives the words of a text; `str.split` by default. Engines pickle it.
    fixed : bool
        ``False`` for engines that have no lists of a fixed size, as Spark: the column is a plain list.

    Examples
    --------
    >>> lookup = embmap.arrow.Lookup(store.path, "word", "vector")
    >>> batch = pa.record_batch({"word": ["king", "nobody", None]})
    >>> lookup(batch).column("vector").is_valid().to_pylist()
    [True, False, False]
    >>> lookup(batch).schema.field("vector").type
    FixedSizeListType(fixed_size_list<item: float>[4])
    """

    def __init__(
        self,
        store: Store | str | os.PathLike[str],
        column: str,
        out: str = "vector",
        *,
        missing: Literal["null", "zeros", "error"] = "null",
        pool: Pool | None = None,
        tokenizer: Callable[[str], Sequence[str]] | None = None,
        fixed: bool = True,
    ) -> None:
        if missing not in ("null", "zeros", "error"):
            raise ValueError(f"missing must be 'null', 'zeros' or 'error', not {missing!r}")
        if pool not in (None, "mean", "sum"):
            raise ValueError(f"pool must be 'mean' or 'sum', not {pool!r}: other weights need all texts")
        self.column, self.out, self.missing = column, out, missing
        self.pool: Literal["mean", "sum"] | None = pool
        if pool is None and tokenizer is not None:
            raise ValueError("tokenizer is for pool: without it a text is one word")
        if pool is not None and missing == "error":
            raise ValueError("with pool, missing words are passed over: missing='error' is for words")
        self.tokenizer, self.fixed = tokenizer or str.split, fixed
        self._named = None if isinstance(store, Store) else of_url(store)
        if isinstance(store, Store):
            self.path: Path | None = store.path
        else:
            # Of the hub, known once it is there.
            self.path = None if self._named else Path.cwd() / local(store)
        self._identity = store.identity if isinstance(store, Store) else None

    @property
    def store(self) -> Store:
        """The store, which this process opens once."""
        if self.path is None and self._named is not None:
            self.path = fetch(self._named)
        store = kept_open(str(self.path), self._identity)
        self._identity = store.identity
        return store

    def __call__(self, batch: _Batch) -> _Batch:
        """Give the batch with the column of vectors.

        Parameters
        ----------
        batch : pyarrow.RecordBatch or pyarrow.Table

        Returns
        -------
        pyarrow.RecordBatch or pyarrow.Table
            With `out`, lists of float32, behind the other columns, or in place of the one of that name.

        Raises
        ------
        KeyError
            There is no such column, or several; with ``missing="error"``, a word has no row.
        TypeError
            The column holds neither text nor, with `pool`, lists of it.

        Examples
        --------
        >>> lookup = embmap.arrow.Lookup(store, "text", pool="sum")
        >>> table = lookup(pa.table({"id": [7, 8], "text": ["king man", "queen"]}))
        >>> table.column_names
        ['id', 'text', 'vector']
        >>> np.stack(table["vector"].to_numpy())
        array([[1.3, 1.7, 0.2, 0.2],
               [0.9, 0.1, 0.8, 0. ]], dtype=float32)
        """
        if not isinstance(batch, (pa.RecordBatch, pa.Table)):
            raise TypeError(f"expected a pyarrow.RecordBatch or pyarrow.Table, found {type(batch).__name__}")
        at, place = (batch.schema.get_all_field_indices(name) for name in (self.column, self.out))
        if not at:
            raise KeyError(f"no column {self.column!r} among {batch.schema.names}")
        for name, found in ((self.column, at), (self.out, place)):
            if len(found) > 1:
                raise KeyError(f"several columns {name!r} among {batch.schema.names}: rename them")
        vectors = self.vectors(batch.column(at[0]))
        return batch.set_column(place[0], self.out, vectors) if place else batch.append_column(self.out, vectors)

    def vectors(self, words: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Give the vectors of a column: what a user-defined function over Arrow arrays returns.

        Parameters
        ----------
        words : pyarrow.Array or pyarrow.ChunkedArray
            As `column` says.

        Returns
        -------
        pyarrow.FixedSizeListArray, or pyarrow.ListArray
            As long as `words`.

        Examples
        --------
        >>> lookup = embmap.arrow.Lookup(store, "word", missing="zeros")
        >>> np.stack(lookup.vectors(pa.array(["queen", "nobody"])).to_numpy(zero_copy_only=False))
        array([[0.9, 0.1, 0.8, 0. ],
               [0. , 0. , 0. , 0. ]], dtype=float32)
        """
        if not isinstance(words, (pa.Array, pa.ChunkedArray)):
            raise TypeError(f"expected an array of pyarrow, found {type(words).__name__}")
        if isinstance(words, pa.ChunkedArray):
            words = words.combine_chunks()
        return self._of_texts(words, self.pool) if self.pool else self._of_words(words)

    def type(self) -> pa.DataType:
        """Give the type of the new column, for engines that want to know it before.

        Examples
        --------
        >>> embmap.arrow.Lookup(store, "word").type()
        FixedSizeListType(fixed_size_list<item: float>[4])
        """
        return pa.list_(pa.float32(), self.store.dim) if self.fixed else pa.list_(pa.float32())

    def _of_words(self, words: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(words.type) and words.dictionary.null_count:
            words = words.dictionary_decode()
        store, null = self.store, words.is_null().to_numpy(zero_copy_only=False)
        if pa.types.is_null(words.type):
            words = words.cast(pa.string())
        if null.any():
            # Arrow itself cannot take the nulls out of views.
            words = words.cast(pa.large_string()) if pa.types.is_string_view(words.type) else words
            ids = np.full(len(words), -1, np.int64)
            ids[~null] = store.indices(words.drop_null())
        else:
            ids = store.indices(words)
        absent = ids < 0
        if self.missing == "error" and (absent & ~null).any():
            raise KeyError(words[int((absent & ~null).argmax())].as_py())
        rows = np.empty((len(ids), store.dim), np.float32)
        store._gather(ids, rows)
        return self._column(rows, absent if self.missing == "null" else null)

    def _of_texts(self, texts: pa.Array, pool: Pool) -> pa.Array:
        given = texts.to_pylist()
        tokens = [text if isinstance(text, list) else self.tokenizer(text) if text else () for text in given]
        return self._column(self.store.lookup(tokens, pool=pool), texts.is_null().to_numpy(zero_copy_only=False))

    def _column(self, rows: NDArray[np.float32], null: NDArray[np.bool_]) -> pa.Array:
        values, mask = pa.array(rows.reshape(-1)), pa.array(null) if null.any() else None
        if self.fixed:
            return pa.FixedSizeListArray.from_arrays(values, self.store.dim, mask=mask)
        offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int64) * self.store.dim).cast(pa.int32())
        return pa.ListArray.from_arrays(offsets, values, mask=mask)

    def __getstate__(self) -> dict[str, Any]:
        # A `Path` of one system cannot be made on another.
        # Of the hub, another host has it elsewhere.
        return self.__dict__ | {"path": None if self._named else str(self.path)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, path=None if state["path"] is None else Path(state["path"]))

    def __repr__(self) -> str:
        place = (
            self.path if self._named is None else f"hf://{'/'.join(filter(None, (self._named.repo, self._named.file)))}"
        )
        return f"Lookup({str(place)!r}, {self.column!r}, {self.out!r})"
