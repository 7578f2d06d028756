"""Files and folders that appear whole, or not at all, for what Python writes; stores have the same in Rust."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The disk is full or fails, or the file may be no larger.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a new file beside `path`; then sync it and rename it to `path`, unless there was an error."""
    not_of_a_stranger(path)
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise OSError(f"{target}: neither a file nor a place for one")
    temporary = target.with_name(f".embmap-{os.urandom(8).hex()}.tmp")
    temporary.touch(exist_ok=False)
    process = os.getpid()
    try:
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        with _naming(target):
            yield temporary
        _check_ours(process, target)
        _sync(temporary)
        temporary.replace(target)
    finally:
        # A forked child that ends takes nothing from its parent.
        if os.getpid() == process:
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
    temporary = path.with_name(f".embmap-{os.urandom(8).hex()}.tmp")
    temporary.mkdir()
    process = os.getpid()
    try:
        with _naming(path):
            yield temporary
        _check_ours(process, path)
        for file in temporary.iterdir():
            _sync(file)
        if os.name == "posix":
            _sync(temporary)
        if path.exists():
            path.rmdir()
        temporary.rename(path)
    finally:
        if os.getpid() == process:
            import shutil  # Slow to import, and seldom needed.

            shutil.rmtree(temporary, ignore_errors=True)
    if os.name == "posix":
        _sync(path.parent)


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Say of an error of writing, where the library that wrote does not, which file it is about."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in _OF_WRITING:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error


def not_of_a_stranger(path: Path) -> None:
    """Refuse what another user has put at `path`, a link above all, where the folder is one in which everyone may.

    PermissionError then. The kernel guards links there for those who open them, not for those who look where they lead.
    """
    if os.name != "posix":
        return
    try:
        found = path.lstat()
    except OSError:
        return
    if found.st_uid in (os.geteuid(), 0) or not path.parent.stat().st_mode & stat.S_IWOTH:
        return
    what = "a link" if stat.S_ISLNK(found.st_mode) else "a file"
    reason = f"{what} of another user, in a folder that everyone may write to: take it away, or name another place"
    raise PermissionError(errno.EACCES, reason, str(path))


def _check_ours(process: int, target: Path) -> None:
    if os.getpid() != process:
        raise OSError(f"{target}: begun by the process that this one was forked from, which alone publishes it")


def _sync(path: Path) -> None:
    # Some systems sync only what is open for writing, and open no folder for that.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
