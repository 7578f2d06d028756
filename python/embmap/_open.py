"""Opening what `convert` wrote: one file, or a folder of several."""

from __future__ import annotations

import os
from pathlib import Path

from ._core.manifest import NAME
from ._paths import explained, local
from ._relocate import reopen_store
from ._sharded import ShardedStore
from ._store import Store


def open(path: str | os.PathLike[str], *, preload: bool = False) -> Store:
    """Open a store; the time it takes does not depend on its size, unless it is preloaded.

    Parameters
    ----------
    path : path
        A file that `convert` wrote, or a folder that it wrote with ``shards=``; ``~`` and ``file://`` are understood, other
        URLs are refused.
    preload : bool
        Bring all of it into memory, as `Store.preload` does: worth it where the file is on a slow disk and most of it will
        be used. Without it, the system reads what is touched.

    Returns
    -------
    Store
        Of a folder, a `ShardedStore`.

    Raises
    ------
    FormatError
        The file is no store, or is truncated, corrupt or written by a later version.
    OSError
        It cannot be read.

    Examples
    --------
    >>> store = embmap.open("vectors.embmap")
    >>> store["king"][:2]
    array([0.9, 0.8], dtype=float32)
    """
    store = opened(local(path))
    if preload:
        store.preload()
    return store


def opened(place: Path) -> Store:
    """Open the store, or the folder of stores, at a path of this machine."""
    try:
        return Store(place)
    except (IsADirectoryError, PermissionError) as error:
        # Windows says of a folder that it may not be read.
        if not place.is_dir():
            raise
        if (place / NAME).exists():
            return ShardedStore(place)
        raise explained(error, place, (".embmap",)) from None


# What this process opened for objects that know a store by its path, the least recently opened first.
_kept: dict[tuple[str, bytes], Store] = {}
_MOST_KEPT = 8


def kept_open(path: str, identity: bytes | None) -> Store:
    """Open what was pickled, where it is now, once for all who ask; without an identity, whatever lies there now."""
    found = None if identity is None else _kept.get((path, identity))
    if found is None or found.closed:
        found = reopen_store(path, identity, opened)
        known = _kept.get((path, found.identity))
        if known is not None and not known.closed:
            found.close()
            return known
        _kept[path, found.identity] = found
        if len(_kept) > _MOST_KEPT:
            _kept.pop(next(iter(_kept)))
    return found
