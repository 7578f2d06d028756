"""Files and folders that appear whole, or not at all, for what Python writes; stores have the same in Rust."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a new file beside `path`; then sync it and rename it to `path`, unless there was an error."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise OSError(f"{target}: neither a file nor a place for one")
    temporary = target.with_name(f".embmap-{secrets.token_hex(8)}.tmp")
    temporary.touch(exist_ok=False)
    try:
        if target.exists():
            shutil.copymode(target, temporary)
        yield temporary
        _sync(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        _sync(target.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a new folder beside `path`, for files; then sync it and rename it to `path`, unless there was an error.

    FileExistsError where `path` is anything but an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(errno.EEXIST, "Expected a new or empty folder", str(path))
    temporary = path.with_name(f".embmap-{secrets.token_hex(8)}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.iterdir():
            _sync(file)
        if os.name == "posix":
            _sync(temporary)
        if path.exists():
            path.rmdir()
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if os.name == "posix":
        _sync(path.parent)


def _sync(path: Path) -> None:
    # Some systems sync only what is open for writing, and open no folder for that.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
