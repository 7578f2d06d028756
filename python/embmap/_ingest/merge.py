"""`merge`: several stores to one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from .._core.writer import Writer
from .._dtype import DtypeName, dtype_name
from .._open import opened as opened_at
from .._paths import local
from .._progress import Progress, shown
from .._query.similarity import unit
from .._store import Store

# Values that are joined at a time.
_BLOCK = 1 << 22


def merge(
    stores: Iterable[Store | str | os.PathLike[str]],
    target: str | os.PathLike[str] | None = None,
    how: Literal["first", "concat", "mean"] = "first",
    *,
    words: Literal["union", "intersection"] = "union",
    normalize: bool = False,
    dtype: DtypeName | None = None,
    metadata: dict[str, Any] | None = None,
    progress: bool | Progress | None = None,
) -> Store:
    """Make one store of several.

    Words are those of the first store, in its order, then those that only the second has, and so on. Rows are read and
    written block by block: memory holds the words of the new store, never a matrix. The n-grams of a fastText
    model go along with ``how="first"`` where all stores come of it, as selections do, and keep its numbers.

    Parameters
    ----------
    stores : iterable of Store or path
        In order of precedence.
    target : path
        Where the new store goes; it may be the file of one of the stores.
    how : {"first", "concat", "mean"}
        What a word's row becomes: ``"first"``, that of the first store that has the word; ``"concat"``, its rows in all
        stores end to end, zeros for a store that does not have it; ``"mean"``, the mean over the stores that have it. For
        ``"first"`` and ``"mean"`` the dimensions must agree.
    words : {"union", "intersection"}
        The words of any store, or those of all.
    normalize : bool
        Scale each store's rows to length 1 before they are joined, so that no store outweighs another by its scale, as is
        usual in work on meta-embeddings. The joined rows keep the length that this gives them.
    dtype : {"float32", "float16", "bfloat16", "int8"}, optional
        Type of the new store's numbers; by default the stores' own where they agree, else float32. With
        ``how="first"`` and without `normalize`, rows of a store of that type are copied bit for bit.
    metadata : dict, optional
        Kept in the new store, beside ``merged``, which names the stores, and ``embmap``.
    progress : bool or callable, optional
        ``True`` for a bar, or a callable ``(done_rows, total_rows)`` that counts rows of the stores.

    Returns
    -------
    Store
        The new store, open.

    Raises
    ------
    ValueError
        There is no store or no target, or the dimensions do not agree.
    FormatError, OSError
        A store is corrupt, a file cannot be read or written; nothing is left behind.

    Notes
    -----
    With one dimension for all, ``"mean"`` of normalized rows is the averaging of Coates and Bollegala, "Frustratingly Easy
    Meta-Embedding" (2018), and ``"concat"`` the concatenation that they compare it with, zeros for missing words included.

    Examples
    --------
    >>> report = embmap.write("ours.embmap", ["king", "kumquat"], np.eye(2, 4))
    >>> merged = embmap.merge(["ours.embmap", store], "merged.embmap", how="first")
    >>> len(merged), merged["king"]
    (7, array([1., 0., 0., 0.], dtype=float32))
    >>> embmap.merge([store, "ours.embmap"], "both.embmap", how="concat", words="intersection")["king"]
    array([0.9, 0.8, 0.1, 0. , 1. , 0. , 0. , 0. ], dtype=float32)
    """
    if isinstance(stores, (Store, str, os.PathLike)):
        raise TypeError("expected several stores, found one; pass [first, second]")
    if target is None:
        raise ValueError("the merged store needs a place: merge(stores, target)")
    for name, value, choices in (
        ("how", how, ("first", "concat", "mean")),
        ("words", words, ("union", "intersection")),
    ):
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    if "merged" in (metadata or {}):
        raise ValueError("metadata may not have the key 'merged': merge writes it")
    opened = [given if isinstance(given, Store) else opened_at(local(given)) for given in stores]
    if not opened:
        raise ValueError("there is no store to merge")
    dims = [store.dim for store in opened]
    if how != "concat" and len(set(dims)) > 1:
        listed = ", ".join(f"{store.path.name} {store.dim}" for store in opened)
        raise ValueError(f"how={how!r} needs stores of one dimension, found {listed}; how='concat' takes any")
    dtypes = {store._dtype_name for store in opened}
    if dtype is None:
        dtype = cast("DtypeName", next(iter(dtypes))) if len(dtypes) == 1 else "float32"
    dtype = dtype_name(dtype)
    described = [
        {
            "name": store.path.name,
            "rows": len(store),
            "dim": store.dim,
            "identity": store.identity.hex(),
            **({"source": source} if (source := store.metadata.get("source")) else {}),
        }
        for store in opened
    ]
    note = {"how": how, "words": words, "normalize": normalize, "stores": described}
    dim = sum(dims) if how == "concat" else dims[0]
    made: dict[str, Any] = {"dtype": dtype, "metadata": {**(metadata or {}), "merged": note}}
    writer = Writer(target, dim, **made)
    copied = how == "first" and not normalize and dtypes == {dtype}
    # Of stores that come of one model, its n-grams stay what they are.
    if copied and len({store._ngrams() for store in opened}) == 1:
        writer._model = opened[0]
    with shown(progress, str(target), " rows") as tick, writer:
        for owner, ids in _placed(opened, words, max(_BLOCK // sum(dims), 1), tick):
            if how == "first" and not normalize and opened[owner]._dtype_name == dtype:
                writer._copy(opened[owner], ids[owner])
            else:
                named = [opened[owner].word(int(i)) for i in ids[owner]]
                writer.write(named, _joined(opened, ids, how, owner, normalize))
    return Store(writer.path)


def _placed(
    stores: list[Store], words: str, step: int, progress: Progress | None
) -> Iterator[tuple[int, list[NDArray[np.int64]]]]:
    """Give where the new store's words are, a block at a time: the number of their first store, and their ids in each store.

    An id of -1 stands for a store without the word.
    """
    done, total = 0, sum(map(len, stores if words == "union" else stores[:1]))
    for owner, store in enumerate(stores if words == "union" else stores[:1]):
        for start in range(0, len(store), step):
            stop = min(start + step, len(store))
            named = store.words[start:stop]
            own = np.arange(start, stop)
            ids = [own if other is store else other.indices(named) for other in stores]
            keep = np.full(len(own), True)
            for i, rows in enumerate(ids):
                if words == "intersection":
                    keep &= rows >= 0
                elif i < owner:
                    keep &= rows < 0
            if keep.any():
                yield owner, [rows[keep] for rows in ids]
            done += stop - start
            if progress:
                progress(done, total)


def _joined(
    stores: list[Store], ids: list[NDArray[np.int64]], how: str, owner: int, normalize: bool
) -> NDArray[np.floating[Any]]:
    """Give the new rows of words."""

    def rows_of(i: int) -> NDArray[np.float32]:
        rows = np.empty((len(ids[i]), stores[i].dim), np.float32)
        stores[i]._gather(ids[i], rows)
        return unit(rows).astype(np.float32) if normalize else rows

    if how == "first":
        return rows_of(owner)
    if how == "concat":
        return np.concatenate([rows_of(i) for i in range(len(stores))], axis=1)
    total, count = np.zeros((len(ids[0]), stores[0].dim)), np.zeros((len(ids[0]), 1))
    for i, found in enumerate(ids):
        total += rows_of(i)
        count += (found >= 0)[:, None]
    return total / count
