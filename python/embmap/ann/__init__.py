"""An approximate index of a store's rows, through usearch: nearly the exact neighbours, from a few of the rows.

The index is one file beside the store, mapped as the store is: usearch's own (a graph, and the vectors in a small type),
with a few bytes behind that say which store it belongs to. usearch, an optional extra, opens the file too, and passes over
them.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from operator import index as as_int
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._atomic_file import new_file
from .._core.store import check_open
from .._errors import FormatError
from .._paths import check_apart, local
from .._progress import Progress, shown
from .._query import queries as _queries
from .._query import similarity as _similarity
from .._relocate import reopen
from .._store import Store
from . import _file as _annfile
from . import _hnsw as _graph
from ._file import MOST_CANDIDATES, VECTOR_BYTES
from ._usearch import usearch as _usearch

if TYPE_CHECKING:
    from .._query.queries import Keys, WeightedKeys

__all__ = ["ApproximateIndex", "build", "open"]

# A block is what Ctrl-C and progress wait for, and all that is held beside the index.
_ROWS_AT_ONCE = 1024


def build(
    store: Store,
    path: str | os.PathLike[str] | None = None,
    *,
    dtype: Literal["bf16", "f32", "f16", "i8"] = "bf16",
    connectivity: int = 16,
    expansion_add: int = 128,
    expansion_search: int = 64,
    threads: int = 0,
    progress: bool | Progress | None = None,
) -> ApproximateIndex:
    """Index a store's rows and map the index.

    The file appears whole at the end, or is not touched at all. Until then the index is in memory: a vector of `dtype` and
    about ``10 * connectivity`` bytes a row. On several threads the graph depends on how they take turns; on one it is the
    same each time.

    Parameters
    ----------
    store : Store
    path : path, optional
        Where the index goes; by default beside the store, ``vectors.embmap.usearch``.
    dtype : {"bf16", "f32", "f16", "i8"}
        Type of the vectors in the index. The store's own decide in the end (`ApproximateIndex.neighbors`), so that a small
        one costs little.
    connectivity : int
        Links of a row (HNSW's M): more find more, and take longer to build and more room.
    expansion_add : int
        Candidates kept while the links of a row are chosen (HNSW's efConstruction).
    expansion_search : int
        Candidates kept in a search (HNSW's ef), unless `ApproximateIndex.expansion_search` is set later.
    threads : int
        How many build; 0 for all cores.
    progress : bool or callable, optional
        ``True`` for a bar, or a callable ``(done_rows, total_rows)``.

    Returns
    -------
    ApproximateIndex

    Raises
    ------
    ValueError
        A number that is out of range.
    OSError
        The file cannot be written; nothing is left behind.

    Examples
    --------
    >>> index = embmap.ann.build(store)
    >>> index.path.name
    'vectors.embmap.usearch'
    """
    check_open(store)
    if dtype not in VECTOR_BYTES:
        raise ValueError(f"dtype must be one of {', '.join(VECTOR_BYTES)}, not {dtype!r}")
    for name, number, least in (
        ("connectivity", connectivity, 2),
        ("expansion_add", expansion_add, 1),
        ("expansion_search", expansion_search, 1),
        ("threads", threads, 0),
    ):
        if not least <= number <= MOST_CANDIDATES:
            raise ValueError(f"{name} must be from {least} to {MOST_CANDIDATES}, not {number}")
    path = _beside(store) if path is None else local(path)
    check_apart(path, *store._files())
    with new_file(path) as temporary:
        graph = _usearch.Index(
            ndim=store.dim,
            metric="cos",
            dtype=dtype,
            connectivity=connectivity,
            expansion_add=expansion_add,
            expansion_search=expansion_search,
            enable_key_lookups=False,
        )
        with shown(progress, path.name, " rows") as tick:
            for start in range(0, len(store), _ROWS_AT_ONCE):
                ids = np.arange(start, min(start + _ROWS_AT_ONCE, len(store)))
                _call(graph.add, ids.astype(np.uint64), _encode(store.take(ids), dtype), threads=threads)
                if tick:
                    tick(start + len(ids), len(store))
        made = {"store": store.identity.hex(), "dtype": dtype, "expansion_search": expansion_search}
        _annfile.write(graph, temporary, path, made)
        # What cannot be opened is not published. Windows renames nothing that is mapped, so it is let go first.
        ApproximateIndex(store, temporary)
    return ApproximateIndex(store, path)


def open(store: Store, path: str | os.PathLike[str] | None = None) -> ApproximateIndex:
    """Map the index of a store.

    Every link of the graph is checked, so that no file can crash the process: less than a microsecond a row. One that is
    written to in place while it is open can, as what was checked is then another; `build` replaces files whole. The vectors,
    most of the file, are not read.

    Parameters
    ----------
    store : Store
        The one that it was built from; the same content at another place will do.
    path : path, optional
        By default beside the store, as `build` has it.

    Returns
    -------
    ApproximateIndex

    Raises
    ------
    FormatError
        The file is no index that `build` wrote, is truncated or corrupt, or is that of another store.
    OSError
        It cannot be read.

    Examples
    --------
    >>> index = embmap.ann.build(store)
    >>> index = embmap.ann.open(store)
    >>> len(index), index.dtype, index.expansion_search
    (6, 'bf16', 64)
    """
    check_open(store)
    path = _beside(store) if path is None else local(path)
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, "No such index: embmap.ann.build(store) makes it", str(path))
    return ApproximateIndex(store, path)


class ApproximateIndex:
    """The mapped index of a store: finds nearly the rows that `Store.neighbors` finds, reading few of them.

    Threads can share it; they search one after the other, each several queries on all cores. It pickles by path, and is
    found where it has moved, as the store is; if the file has changed, unpickling raises FormatError.

    Examples
    --------
    >>> index = embmap.ann.build(store)
    >>> ids, cosines = index.neighbors("king", k=2)
    >>> [store.word(i) for i in ids]
    ['king', 'man']
    """

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path
        self._rows = len(store)
        # Two searches at once would share what each of usearch's threads works with.
        self._lock = threading.Lock()
        self._map, made = _annfile.map_file(path)
        if made["store"] != store.identity.hex():
            raise FormatError(f"{path}: the index of another store than {store.path}, or it has changed: build it anew")
        self._dtype: str = made["dtype"]
        self._checksum: int = made["crc32"]
        self._bytes: int = made["bytes"]
        data = np.frombuffer(self._map, np.uint8, self._bytes)
        try:
            _graph.check(data, self._rows, store.dim * VECTOR_BYTES[self._dtype])
            kinds = _usearch.Index.metadata(data)
            graph = _usearch.Index(
                ndim=store.dim,
                metric="cos",
                dtype=self._dtype,
                expansion_search=made["expansion_search"],
                enable_key_lookups=False,
            )
            if (kinds["dimensions"], kinds["kind_metric"], kinds["kind_scalar"]) != (
                store.dim,
                graph.metric_kind,
                graph.dtype,
            ):
                raise FormatError("its vectors are of another kind than it says")
            graph.view(data)
        except (RuntimeError, ValueError) as error:
            raise FormatError(f"{path}: corrupt, or of another version of usearch ({error}): build it anew") from error
        self._graph = graph

    @property
    def store(self) -> Store:
        """The store whose rows are found."""
        return self._store

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def dtype(self) -> str:
        """Type of the vectors in the index."""
        return self._dtype

    @property
    def nbytes(self) -> int:
        """Length of the file."""
        return len(self._map)

    @property
    def expansion_search(self) -> int:
        """Candidates kept in a search: more find more of the right rows, and take longer. Can be set.

        Examples
        --------
        >>> index = embmap.ann.build(store)
        >>> index.expansion_search = 128
        >>> index.expansion_search
        128
        """
        return int(self._graph.expansion_search)

    @expansion_search.setter
    def expansion_search(self, candidates: int) -> None:
        if not 1 <= candidates <= MOST_CANDIDATES:
            raise ValueError(f"expansion_search must be from 1 to {MOST_CANDIDATES}, not {candidates}")
        self._graph.expansion_search = candidates

    def __len__(self) -> int:
        return self._rows

    def neighbors(
        self, queries: Keys, k: int = 10, *, exact_scores: bool = True
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the rows nearest to words or vectors by cosine, nearly always the right ones; several queries on all cores.

        Parameters
        ----------
        queries : str, iterable of str, or array_like of float, shape (dim,) or (n, dim)
            As in `Store.neighbors`.
        k : int
            How many.
        exact_scores : bool
            Compare all candidates of the search with the query anew, in float64, by the store's rows: cosines and their
            order are those of `Store.neighbors`, and only rows that were no candidates can be missed. ``False`` takes what
            the index has: its order, and cosines as good as its type.

        Returns
        -------
        ids, cosines : ndarray, shape (k,) for one query, (n, k) for several
            int64 and float32, best first; in a tie, lower ids first. Fewer than `k` where there are fewer rows. A query for
            which the graph has fewer is answered by `Store.neighbors`.

        Raises
        ------
        KeyError
            A word is missing.

        Examples
        --------
        >>> index = embmap.ann.build(store)
        >>> ids, cosines = index.neighbors(["king", "pear"], k=2)
        >>> ids
        array([[0, 2],
               [5, 4]])
        """
        k = as_int(k)
        if k < 0:
            raise ValueError(f"k must not be negative, not {k}")
        vectors, single = _queries.queries_of(self._store, queries)
        if not np.isfinite(vectors).all():
            raise ValueError("a query has a number that is not finite")
        k = min(k, self._rows)
        ids, cosines = np.empty((len(vectors), k), np.int64), np.empty((len(vectors), k), np.float32)
        if ids.size:
            wanted = max(k, self.expansion_search) if exact_scores else k
            rows, distances = self._search(vectors, min(wanted, self._rows))
            few = (rows >= 0).sum(axis=1) < k
            if few.any():
                ids[few], cosines[few] = self._store._nearest(vectors[few], k, self._rows, None)
            many = ~few
            if exact_scores and many.any():
                ids[many], cosines[many] = self._store._nearest_among(vectors[many], rows[many], k)
            elif many.any():
                order = np.lexsort((rows, distances), axis=1)[:, :k]
                nearest = np.take_along_axis(rows, order, 1), 1 - np.take_along_axis(distances, order, 1)
                ids[many], cosines[many] = nearest[0][many], nearest[1][many]
                # usearch takes zeros for near to zeros.
                cosines[many & ~vectors.any(axis=1)] = 0
        return (ids[0], cosines[0]) if single else (ids, cosines)

    def most_similar(
        self,
        positive: WeightedKeys = (),
        negative: WeightedKeys = (),
        topn: int = 10,
    ) -> list[tuple[str, float]]:
        """Find the words nearest to a mean, as `Store.most_similar` does, among the candidates of a search.

        Examples
        --------
        >>> index = embmap.ann.build(store)
        >>> index.most_similar(positive=["king", "woman"], negative=["man"], topn=1)[0][0]
        'queen'
        """
        topn = as_int(topn)
        if topn < 1:
            return []
        query, own = _similarity.mean_of(self._store, positive, negative)
        ids, cosines = self.neighbors(query, topn + len(set(own)))
        found = [(i, cosine) for i, cosine in zip(ids.tolist(), cosines.tolist(), strict=True) if i not in own]
        return [(self._store.word(i), cosine) for i, cosine in found[:topn]]

    def recall(self, k: int = 10, sample: int = 1000, seed: int = 0) -> float:
        """Measure the share of the `k` nearest rows that the index finds, of rows drawn at random, themselves left out.

        A row that is as near as the last of the right ones counts. `Store.neighbors` says what is right, which is most of
        the time that this takes.

        Examples
        --------
        >>> embmap.ann.build(store).recall(k=2)
        1.0
        """
        if k < 1 or sample < 1:
            raise ValueError(f"k and sample must be positive, not {k} and {sample}")
        rows = np.random.default_rng(seed).permutation(self._rows)[:sample]
        queries = self._store.take(rows)
        truth, found = (
            _without(rows, *neighbors(queries, k + 1)) for neighbors in (self._store.neighbors, self.neighbors)
        )
        return float((found >= truth[:, -1:]).mean()) if truth.size else 1.0

    def verify(self) -> None:
        """Read the whole file and compare it with its checksum; FormatError where they differ.

        Examples
        --------
        >>> embmap.ann.build(store).verify()
        """
        if _annfile.checksum(memoryview(self._map)[: self._bytes]) != self._checksum:
            raise FormatError(f"{self._path}: corrupt: the checksum is another: build it anew")

    def _search(self, vectors: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Give rows and distances, ``[n, count]``; where the graph has fewer, -1 and infinity."""
        with self._lock:
            threads = 1 if len(vectors) == 1 else 0
            found = _call(self._graph.search, _encode(vectors, self._dtype), count, threads=threads)
        keys, distances = (np.atleast_2d(part) for part in (found.keys, found.distances))
        counts = np.atleast_1d(found.counts) if len(vectors) > 1 else np.array([keys.shape[1]])
        rows = np.full((len(vectors), count), -1, np.int64)
        away = np.full((len(vectors), count), np.inf, np.float32)
        filled = np.arange(keys.shape[1]) < counts[:, None]
        rows[:, : keys.shape[1]][filled], away[:, : keys.shape[1]][filled] = keys[filled], distances[filled]
        return rows, away

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._store, self._path, self._checksum)

    def __repr__(self) -> str:
        return f"<ApproximateIndex {str(self._path)!r}: {len(self):,} rows, {self._dtype}>"


def _reopen(store: Store, path: Path, checksum: int) -> ApproximateIndex:
    def opened(place: Path) -> ApproximateIndex | None:
        index = ApproximateIndex(store, place)
        return index if index._checksum == checksum else None

    return reopen(path, opened, "index")


def _beside(store: Store) -> Path:
    return Path(f"{store.path}.usearch")


def _encode(rows: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Scale each row so that its largest number is 1, which fits every type. Cosines do not change."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = rows / np.where(largest == 0, np.float32(1), largest)
    # usearch's own int8 gives 127 to a number as long as the row, where this gives it to the largest.
    return np.rint(scaled * 127).astype(np.int8) if dtype == "i8" else scaled


def _call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    # usearch asks Python for Ctrl-C, and raises an error of its own in the place of the handler's.
    try:
        return function(*arguments, **options)
    except RuntimeError as error:
        if "terminated" in str(error):
            raise KeyboardInterrupt from None
        raise


def _without(rows: NDArray[np.int64], ids: NDArray[np.int64], cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the cosines of all neighbours but the row itself, or, where it was not found, but the last."""
    return _similarity.without(ids == rows[:, None], ids.shape[1] - 1, ids, cosines)[1]
