"""A set of vectors that is split over several stores, by the hash of each word."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, pairwise
from operator import index as as_int
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from ._core.manifest import Manifest
from ._embmap import find_in_shards, shard_of, strings
from ._errors import FormatError
from ._optional import need
from ._query.forms import Fallback
from ._relocate import reopen_store
from ._store import Store
from ._words_like import WordsLike

if TYPE_CHECKING:
    from ._embmap import Writer

# Rows that are looked at together where all are.
_ROWS = 1 << 16
_BATCH_BYTES = 64 << 20


class ShardedStore(Store):
    """A read-only mapping word -> vector over the stores of one folder, which `convert` with ``shards=`` makes.

    It does what a `Store` does, and lifts the limits of one file: 2³² rows, 4 GiB of words. Rows are counted through, those
    of each store behind those of the stores before it; in a store they are in the source's order. Stores are opened when
    they are first needed. It pickles by the folder's path.

    What needs one matrix in one piece, `vectors` and tensors without a copy, is a ValueError: `take`, `matrix` and
    ``embmap.torch.tensor(store, mode="copy")`` copy rows, and each of `shards` has a matrix of its own. The n-grams of a
    fastText model are in the first.

    Examples
    --------
    >>> report = embmap.convert("vectors.txt", "vectors-in-two", shards=2)
    >>> with embmap.open("vectors-in-two") as store:
    ...     len(store), len(store.shards), "queen" in store
    (6, 2, True)
    """

    # As the extension sees it, it is its first store: whatever a file alone answers for, its own words and rows, is asked of
    # all here. A test holds the list of those questions against the extension's.
    __slots__ = ("_copy", "_folder", "_manifest", "_opened", "_starts")

    _in_source_order = False
    _folder: Path
    _manifest: Manifest
    _copy: bool
    _opened: list[Store | None]
    _starts: list[int]

    def __new__(cls, folder: str | os.PathLike[str], *, copy: bool = False) -> Self:
        place = Path.cwd() / Path(folder)
        manifest = Manifest.read(place)
        first = Store(place / manifest.shards[0].file, copy=copy)
        # Of this one nothing but whether it is closed is asked.
        self = super().__new__(cls, first.path, shared=first)
        self._folder, self._manifest, self._copy = place, manifest, copy
        self._opened = [None] * len(manifest.shards)
        self._starts = list(accumulate((shard.rows for shard in manifest.shards), initial=0))
        self._shard(0, first)
        return self

    def _shard(self, i: int, opened: Store | None = None) -> Store:
        found = self._opened[i]
        if found is None:
            self._check_open()
            expected = self._manifest.shards[i]
            found = Store(self._folder / expected.file, copy=self._copy) if opened is None else opened
            if found.identity != expected.identity or len(found) != expected.rows:
                raise FormatError(
                    f"{found.path}: not the store that {self._folder.name} was made with; copy the folder again"
                )
            if i and (found.dim, found._dtype_name) != (self._shard(0).dim, self._shard(0)._dtype_name):
                raise FormatError(f"{found.path}: rows of another dimension or type than those of the first store")
            self._opened[i] = found
        return found

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(f"{self._folder}: the store is closed")

    @property
    def shards(self) -> tuple[Store, ...]:
        """The stores, in the order of their rows.

        Examples
        --------
        >>> [len(store) for store in sharded.shards]
        [4, 2]
        """
        return tuple(self._shard(i) for i in range(len(self._opened)))

    def _of(self, word: object) -> tuple[Store, int]:
        """Give the store that has `word`, if any has, and its first row."""
        i = max(shard_of(word, len(self._opened)), 0)
        return self._shard(i), self._starts[i]

    def _parts(self, start: int, stop: int) -> Iterator[tuple[Store, int, int]]:
        """Give the stores that have the rows from `start` to `stop`, and which of their own those are."""
        for i, (first, end) in enumerate(pairwise(self._starts)):
            if max(start, first) < min(stop, end):
                yield self._shard(i), max(start, first) - first, min(stop, end) - first

    def __len__(self) -> int:
        self._check_open()
        return self._starts[-1]

    def __contains__(self, word: object, /) -> bool:
        return word in self._of(word)[0]

    def __getitem__(self, word: object, /) -> NDArray[Any]:
        return self._of(word)[0][word]

    def get(self, word: object, default: Any = None) -> Any:
        """Give a word's vector, or `default` where it is missing.

        Examples
        --------
        >>> sharded.get("king")
        array([0.9, 0.8, 0.1, 0. ], dtype=float32)
        >>> sharded.get("unheard-of", "missing")
        'missing'
        """
        return self._of(word)[0].get(word, default)

    def index(self, word: object) -> int:
        """Give a word's row; KeyError where it is missing.

        Examples
        --------
        >>> sharded.index("man"), list(sharded)
        (4, ['king', 'queen', 'apple', 'pear', 'man', 'woman'])
        """
        store, start = self._of(word)
        return start + store.index(word)

    def word(self, i: int) -> str:
        """Give the word of row `i`, counted from the end where negative; IndexError where there is none.

        Examples
        --------
        >>> sharded.word(4), sharded.word(-1)
        ('man', 'woman')
        """
        rows, i = len(self), as_int(i)
        if not -rows <= i < rows:
            raise IndexError(f"{i} is not a row: there are {rows}")
        store, start, _ = next(self._parts(i % rows, i % rows + 1))
        return store.word(start)

    def indices(
        self, words: WordsLike, missing: int = -1, *, fallback: Fallback | Iterable[Fallback] = ()
    ) -> NDArray[np.int64]:
        """Find the rows of words, `missing` for those that are not there; as `Store.indices`.

        Examples
        --------
        >>> sharded.indices(["man", "King", "unheard-of"], fallback="lower")
        array([ 4,  0, -1])
        """
        if fallback:
            return super().indices(words, missing, fallback=fallback)
        return find_in_shards(list(self.shards), words, missing)

    def _find(self, words: WordsLike) -> tuple[NDArray[np.int64], list[str]]:
        named = words if isinstance(words, (list, tuple)) else strings(words)
        ids = self.indices(named)
        return ids, [named[i] for i in np.flatnonzero(ids < 0)]

    def _gather(self, ids: NDArray[np.int64], out: NDArray[Any]) -> None:
        def copy(store: Store, ids: NDArray[np.int64], places: NDArray[np.int64]) -> None:
            rows = np.empty((len(ids), self.dim), out.dtype)
            store._gather(ids, rows)
            out[places] = rows

        self._each(ids, copy)
        out[ids == -1] = 0

    def _scales(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        scales = np.zeros(len(ids), np.float32)

        def copy(store: Store, ids: NDArray[np.int64], places: NDArray[np.int64]) -> None:
            scales[places] = store._scales(ids)

        self._each(ids, copy)
        return scales

    def _each(
        self, ids: NDArray[np.int64], work: Callable[[Store, NDArray[np.int64], NDArray[np.int64]], None]
    ) -> None:
        """Call `work` with each store that has rows of `ids`, which of its own they are, and where they stand."""
        rows = len(self)
        if len(ids) and not -1 <= ids.min() <= ids.max() < rows:
            position = int(np.argmax((ids < -1) | (ids >= rows)))
            raise IndexError(f"id {ids[position]} at position {position} is not a row: there are {rows}")
        owners = self._owners(ids)
        for i in np.unique(owners[ids >= 0]).tolist():
            places = np.flatnonzero(owners == i)
            work(self._shard(i), ids[places] - self._starts[i], places)

    def _pool(
        self, ids: NDArray[np.int64], lengths: NDArray[np.uintp], weights: NDArray[np.float32] | None, mean: bool
    ) -> NDArray[np.float32]:
        sums = np.zeros((len(lengths), self.dim), np.float32)
        ends = np.cumsum(lengths.astype(np.int64))
        first = 0
        while first < len(lengths):
            # So many texts as have few rows, and one at least.
            start = int(ends[first] - lengths[first])
            stop = max(first + 1, int(np.searchsorted(ends, start + _ROWS, side="right")))
            here = slice(start, int(ends[stop - 1]))
            rows = np.empty((here.stop - here.start, self.dim), np.float32)
            self._gather(ids[here], rows)
            weighed = np.where(ids[here] < 0, 0, 1 if weights is None else weights[here]).astype(np.float32)
            rows *= weighed[:, None]
            filled = np.flatnonzero(lengths[first:stop]) + first
            if len(filled):
                begins = ends[filled] - lengths[filled].astype(np.int64) - start
                sums[filled] = np.add.reduceat(rows, begins, axis=0)
                if mean:
                    total = np.add.reduceat(weighed, begins)
                    sums[filled] /= np.where(total == 0, 1, total)[:, None]
            first = stop
        return sums

    def _nearest(
        self, queries: NDArray[np.float32], k: int, first: int, only: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return self._merged(lambda shard, *rows: shard._nearest(queries, k, *rows), len(queries), k, first, only)

    def _nearest_among(
        self, queries: NDArray[np.float32], candidates: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        found = [
            self._nearest(query[None], k, 0, np.unique(some[some >= 0]))
            for query, some in zip(queries, candidates, strict=True)
        ]
        ids, cosines = zip(*found, strict=True)
        return np.concatenate(ids), np.concatenate(cosines)

    def _nearest_quotients(
        self, questions: NDArray[np.float32], toward: int, k: int, first: int, only: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        def search(
            shard: Store, first: int, only: NDArray[np.int64] | None
        ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
            return shard._nearest_quotients(questions, toward, k, first, only)

        return self._merged(search, len(questions), k, first, only)

    def _merged(
        self,
        search: Callable[[Store, int, NDArray[np.int64] | None], tuple[NDArray[np.int64], NDArray[np.float64]]],
        queries: int,
        k: int,
        first: int,
        only: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Give the best of what a search finds in each store, rows counted through all."""
        found: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        for i, (start, end) in enumerate(pairwise(self._starts)):
            some = None if only is None else _between(only, start, end)
            count = min(max(first - start, 0), end - start)
            if count if some is None else len(some):
                ids, cosines = search(self._shard(i), count, some)
                found.append((ids + start, cosines))
        if not found:
            return np.empty((queries, 0), np.int64), np.empty((queries, 0))
        ids, cosines = (np.concatenate(part, axis=1) for part in zip(*found, strict=True))
        # Best first; in a tie, lower rows first, as in one store.
        best = np.lexsort((ids, -cosines), axis=1)[:, :k]
        return np.take_along_axis(ids, best, 1), np.take_along_axis(cosines, best, 1)

    def _inverse_norms(self, start: int, stop: int) -> NDArray[np.float32]:
        return _joined([s._inverse_norms(a, b) for s, a, b in self._parts(start, stop)], np.empty(0, np.float32))

    def _block(self, start: int, stop: int) -> NDArray[Any]:
        return _joined([s._block(a, b) for s, a, b in self._parts(start, stop)], np.empty((0, self.dim), np.float32))

    def statistics(self) -> NDArray[np.float64]:
        """Give mean and standard deviation of each dimension, `[2, dim]`.

        Examples
        --------
        >>> sharded.statistics().round(2)
        array([[0.45, 0.37, 0.32, 0.37],
               [0.35, 0.34, 0.34, 0.39]])
        """
        parts = [(len(store), *store.statistics()) for store in self.shards if len(store)]
        rows = max(sum(count for count, _, _ in parts), 1)
        mean = sum((count * mean for count, mean, _ in parts), np.zeros(self.dim)) / rows
        spread = (count * (deviation**2 + (mean_ - mean) ** 2) for count, mean_, deviation in parts)
        return np.stack([mean, np.sqrt(sum(spread, np.zeros(self.dim)) / rows)])

    def _metadata_json(self) -> str:
        self._check_open()
        return json.dumps(self._manifest.metadata)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._arrow_stream(len(self), None)

    def _arrow_stream(self, first: int, only: NDArray[np.int64] | None) -> object:
        pyarrow = need("pyarrow", "the Arrow form of several files")
        # Of no rows, for their types.
        none = pyarrow.RecordBatchReader._import_from_c_capsule(self._shard(0)._arrow_stream(0, None))

        def whole() -> Iterator[Any]:
            for store, _, stop in self._parts(0, first):
                yield from pyarrow.RecordBatchReader._import_from_c_capsule(store._arrow_stream(stop, None))

        def some(ids: NDArray[np.int64]) -> Iterator[Any]:
            kind = np.float16 if self._dtype_name == "float16" else np.float32
            step = max(1, min(_ROWS, _BATCH_BYTES // (self.dim * kind().itemsize)))
            for start in range(0, len(ids), step):
                rows = np.empty((len(ids[start : start + step]), self.dim), kind)
                self._gather(ids[start : start + step], rows)
                words = pyarrow.array([self.word(int(i)) for i in ids[start : start + step]], pyarrow.string())
                vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.reshape(-1)), self.dim)
                yield pyarrow.record_batch([words, vectors], schema=none.schema)

        batches = whole() if only is None else some(only)
        return pyarrow.RecordBatchReader.from_batches(none.schema, batches).__arrow_c_stream__()

    def _export(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError(
            f"{self._folder}: split over {len(self._opened)} stores: export each of `shards`, or to Parquet or Arrow"
        )

    def _files(self) -> tuple[Path, ...]:
        return tuple(self._folder / shard.file for shard in self._manifest.shards)

    def _token_model(self, file: Path) -> None:
        """Find no model: each store has its own part of the words."""

    def _copy_into(self, writer: Writer, ids: NDArray[np.int64]) -> None:
        for store, some in self._runs(ids):
            store._copy_into(writer, some)

    def _of_file(self, path: str | os.PathLike[str]) -> Any:
        return Store(path)

    def _runs(self, ids: NDArray[np.int64]) -> Iterator[tuple[Store, NDArray[np.int64]]]:
        """Give rows in their order: a store, and which of its own come next."""
        owners = self._owners(ids)
        firsts = np.flatnonzero(np.diff(owners, prepend=-1))
        for i, some in zip(owners[firsts].tolist(), np.split(ids, firsts[1:]), strict=False):
            yield self._shard(i), some - self._starts[i]

    def _owners(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the number of the store that has each row, -1 for -1."""
        return np.searchsorted(self._starts, ids, side="right") - 1

    def verify(self) -> None:
        """Prove each store whole, and that each of its words belongs to it; FormatError where something is wrong.

        Examples
        --------
        >>> sharded.verify()  # Nothing is said of files that are whole.
        """
        for i, store in enumerate(self.shards):
            store.verify()
            wrong = next((word for word in store if shard_of(word, len(self._opened)) != i), None)
            if wrong is not None:
                raise FormatError(f"{store.path}: corrupt: the word {wrong!r} belongs to another store of the folder")

    def preload(self) -> None:
        """Bring all files into memory, one after the other."""
        for store in self.shards:
            store.preload()

    def advise(self, access: str) -> None:
        """Tell the system how the files will be read, as `Store.advise` does."""
        for store in self.shards:
            store.advise(access)

    def close(self) -> None:
        """Let go of the files. Arrays that were handed out stay valid."""
        for store in self._opened:
            if store is not None:
                store.close()
        super().close()

    def _one_matrix(self) -> NoReturn:
        raise ValueError(
            f"{self._folder}: split over {len(self._opened)} stores, and so no matrix in one piece: copy rows with take() "
            "or matrix(), all of them with embmap.torch.tensor(store, mode='copy'), or take each of `shards`"
        )

    @property
    def vectors(self) -> NDArray[Any]:
        """Raise ValueError: there is no matrix in one piece."""
        self._one_matrix()

    def _vectors_cow(self) -> NDArray[Any]:
        self._one_matrix()

    def _vectors_cow_padded(self) -> NDArray[Any] | None:
        self._one_matrix()

    def _vectors_shared(self) -> NDArray[Any]:
        self._one_matrix()

    def _vectors_in_place(self) -> None:
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(store.nbytes for store in self.shards)

    @property
    def identity(self) -> bytes:
        """Sixteen bytes that tell sets of files with other contents apart."""
        self._check_open()
        return self._manifest.identity

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        return self._folder

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (str(self._folder), self.identity)

    def __repr__(self) -> str:
        if self.closed:
            return f"<ShardedStore {str(self._folder)!r}, closed>"
        size = f"{len(self):,} words of {self.dim} {self._dtype_name} in {len(self._opened)} stores"
        return f"<ShardedStore {str(self._folder)!r}: {size}>"


def _between(rows: NDArray[np.int64], start: int, end: int) -> NDArray[np.int64]:
    """Give those of rows, which rise, that lie between, counted from the first."""
    return rows[np.searchsorted(rows, start) : np.searchsorted(rows, end)] - start


def _reopen(path: str | Path, identity: bytes) -> ShardedStore:
    return reopen_store(path, identity, ShardedStore)


def _joined(parts: list[NDArray[Any]], none: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else none
