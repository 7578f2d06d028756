"""Files and folders that appear whole, or not at all, for what Python writes; stores have the same in Rust."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

# What is written is called by, where it has a name before it is whole.
_PREFIX, _SUFFIX = ".embmap-", ".tmp"
# The disk is full or fails, or the file may be no larger.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def new_file(path: Path) -> Generator[Path]:
    """Give a new file to write to; then sync it and put it at `path`, unless there was an error.

    On Linux it has no name until then, so that a process that is killed leaves nothing.
    """
    not_of_a_stranger(path)
    target = path.resolve()
    old = target.stat() if target.exists() else None
    if old is not None and not stat.S_ISREG(old.st_mode):
        raise OSError(f"{target}: neither a file nor a place for one")
    process = os.getpid()
    descriptor = _nameless(target.parent)
    named = _new_name(target.parent)
    temporary = named if descriptor is None else _open_as(descriptor)
    if descriptor is None:
        with _naming(target, named):
            named.touch(exist_ok=False)
    try:
        with _naming(target, temporary):
            yield temporary
        _check_ours(process, target)
        _sync(temporary)
        if old is not None:
            # Not before: it may be read-only.
            temporary.chmod(stat.S_IMODE(old.st_mode))
        if descriptor is not None:
            _link(temporary, named)
        named.replace(target)
    finally:
        if descriptor is not None:
            os.close(descriptor)
        # A forked child that ends takes nothing from its parent.
        if os.getpid() == process:
            named.unlink(missing_ok=True)
    if os.name == "posix":
        _sync(target.parent)


@contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """Give a new folder beside `path`, for files; then sync it and rename it to `path`, unless there was an error.

    FileExistsError where `path` is anything but an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(errno.EEXIST, "Expected a new or empty folder", str(path))
    process = os.getpid()
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    with scratch_folder(path.parent) as temporary:
        with _naming(path, temporary):
            yield temporary
        _check_ours(process, path)
        for file in temporary.iterdir():
            _sync(file)
        if os.name == "posix":
            _sync(temporary)
        if path.exists():
            path.rmdir()
        temporary.rename(path)
    if os.name == "posix":
        _sync(path.parent)


@contextmanager
def scratch_folder(parent: Path) -> Generator[Path]:
    """Make a folder that goes when it is done with, and with it those beside it of processes that were killed."""
    process = os.getpid()
    while True:
        folder = _new_name(parent)
        folder.mkdir()
        # Another process may have taken it for one that was left behind.
        try:
            lock = _lock(folder)
        except (BlockingIOError, FileNotFoundError):
            continue
        except OSError:
            folder.rmdir()
            raise
        if lock is None or is_at(lock, folder):
            break
        os.close(lock)
    try:
        _sweep(parent)
        yield folder
    finally:
        if lock is not None:
            os.close(lock)
        if os.getpid() == process:
            _remove(folder)


def _new_name(folder: Path) -> Path:
    return folder / f"{_PREFIX}{_machine()}{os.urandom(8).hex()}{_SUFFIX}"


def _machine() -> str:
    import zlib  # Slow to import, and seldom needed.

    # Folders are locked within a machine only, where others share the file system: each sweeps its own.
    return f"{zlib.crc32(os.uname().nodename.encode()):08x}-" if os.name == "posix" else ""


def _nameless(folder: Path) -> int | None:
    """Open a new file that has no name, None where the system or the file system makes no such."""
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except (AttributeError, OSError):
        return None
    # By which it is written to, and given a name at the end.
    if not _open_as(descriptor).exists():
        os.close(descriptor)
        return None
    return descriptor


def _open_as(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}")


def _link(file: Path, name: Path) -> None:
    """Give a name to what has none; the link of `/proc` is followed where a folder is told by its descriptor alone."""
    folder = os.open(name.parent, os.O_RDONLY)
    try:
        os.link(file, name.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _lock(folder: Path) -> int | None:
    """Show other processes that this one lives; None where folders cannot be locked, BlockingIOError where another has."""
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


def is_at(descriptor: int, path: Path) -> bool:
    """Tell whether what is open is what is at `path` still."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sweep(parent: Path) -> None:
    """Remove the folders that killed processes of this machine have left."""
    for folder in parent.glob(f"{_PREFIX}{_machine()}*{_SUFFIX}"):
        with suppress(OSError):
            lock = _lock(folder)
            if lock is not None:
                _remove(folder)
                os.close(lock)


def _remove(folder: Path) -> None:
    import shutil  # Slow to import, and seldom needed.

    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _naming(target: Path, temporary: Path) -> Generator[None]:
    """Say of an error of writing, where the library that wrote does not, which file it is about."""
    try:
        yield
    except OSError as error:
        unnamed = error.filename is None and error.errno in _OF_WRITING
        if not unnamed and error.filename != os.fspath(temporary):
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
        if sys.platform == "darwin":
            import fcntl

            # There fsync leaves the data in the drive's cache; some network file systems have nothing else.
            with suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
                return
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
