"""What `load` keeps: the stores in its cache, and taking those away that nobody uses."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from .load import cache_folder


class Entry(NamedTuple):
    """A store in the cache; it is not opened, as that would count as use.

    Parameters
    ----------
    path : Path
        Its file.
    nbytes : int
        What it takes on the disk.
    days : float
        Since it was last opened, as far as the file system notes that.
    """

    path: Path
    nbytes: int
    days: float


def entries(cache_dir: str | os.PathLike[str] | None = None) -> list[Entry]:
    """Give the stores in a cache, by default that of `load`, the one that was not opened for longest first."""
    found = [(path, path.stat()) for path in cache_folder(cache_dir).glob("*.embmap")]
    now = time.time()
    kept = [Entry(path, status.st_size, (now - status.st_atime) / 86_400) for path, status in found]
    return sorted(kept, key=lambda entry: -entry.days)


def prune(cache_dir: str | os.PathLike[str] | None = None, *, days: float = 0.0) -> list[Entry]:
    """Take the stores away that were not opened for so many days, and give them; who has one open keeps it."""
    gone = []
    for entry in entries(cache_dir):
        if entry.days < days:
            continue
        try:
            entry.path.unlink(missing_ok=True)
        except PermissionError:
            # Windows keeps a file that is mapped.
            continue
        with contextlib.suppress(OSError):
            entry.path.with_suffix(".lock").unlink(missing_ok=True)
        gone.append(entry)
    return gone
