"""A lock between processes: a file that is there while someone holds it, or waits."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Generator
from pathlib import Path

from .._atomic_file import is_at, not_of_a_stranger

if sys.platform == "win32":
    import msvcrt

    @contextlib.contextmanager
    def locked(path: Path) -> Generator[None]:
        """Let one process go on at a time; where files cannot be locked, all do."""
        with path.open("a+b") as file:
            while True:
                try:
                    # Tried for ten seconds.
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                except OSError as error:
                    if error.errno == errno.EDEADLK:
                        continue
                break
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    file.seek(0)
                    msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    @contextlib.contextmanager
    def locked(path: Path) -> Generator[None]:
        """Let one process go on at a time; where files cannot be locked, all do."""
        while True:
            not_of_a_stranger(path)
            # A pipe or a link in its place is an error, and nothing that is waited for.
            how = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW
            with os.fdopen(os.open(path, how, 0o666), "w") as file:
                with contextlib.suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX)
                # Who held it before has removed the file: others may hold one of that name by now.
                if not is_at(file.fileno(), path):
                    continue
                try:
                    yield
                finally:
                    # Under the lock, so that whoever waits for it sees that it is gone.
                    with contextlib.suppress(OSError):
                        path.unlink()
                return
