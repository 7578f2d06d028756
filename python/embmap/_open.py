"""Opening what `convert` wrote: one file, or a folder of several."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Literal

from ._errors import NetworkFileWarning
from ._paths import explained, local
from ._relocate import reopen_store
from ._store import Store


def open(path: str | os.PathLike[str], *, preload: bool = False, mode: Literal["map", "copy"] = "map") -> Store:
    """Open a store; the time it takes does not depend on its size, unless it is preloaded or copied.

    Parameters
    ----------
    path : path
        A file that `convert` wrote, or a folder that it wrote with ``shards=``; ``~`` and ``file://`` are understood, other
        URLs are refused.
    preload : bool
        Bring all of it into memory, as `Store.preload` does: worth it where the file is on a slow disk and most of it will
        be used. Without it, the system reads what is touched.
    mode : {"map", "copy"}
        With ``"copy"`` the file is copied first, to memory that this process alone has (on other systems than Linux to a
        temporary file without a name), and proved whole, as by `Store.verify`. Nothing that becomes of the file then
        matters: for files that others may cut short or overwrite, and for network file systems. Processes share a map,
        but not copies, and what is pickled opens as a map.

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

    Warns
    -----
    NetworkFileWarning
        It is mapped from a network file system (Linux).

    Examples
    --------
    >>> store = embmap.open("vectors.embmap")
    >>> store["king"][:2]
    array([0.9, 0.8], dtype=float32)
    """
    if mode not in ("map", "copy"):
        raise ValueError(f"mode must be 'map' or 'copy', not {mode!r}")
    store = opened(local(path), copy=mode == "copy")
    if mode == "copy":
        store.verify()
    elif (network := store._network()) is not None:
        what = f"{store.path} lies on a network file system ({network}), whose files can go while they are mapped"
        how = "that ends the process; mode='copy' is safe from it"
        warnings.warn(f"{what}, and {how}", NetworkFileWarning, stacklevel=2)
    if preload:
        store.preload()
    return store


def opened(place: Path, copy: bool = False) -> Store:
    """Open the store, or the folder of stores, at a path of this machine."""
    try:
        return Store(place, copy=copy)
    except (IsADirectoryError, PermissionError) as error:
        # Windows says of a folder that it may not be read.
        if not place.is_dir():
            raise
        # Slow to import, and seldom needed.
        from ._core.manifest import NAME
        from ._sharded import ShardedStore

        if (place / NAME).exists():
            return ShardedStore(place, copy=copy)
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
