"""Pickled files that have moved: where they are looked for, and what tells that it is they."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from ._embmap import Store
from ._errors import FormatError
from ._paths import local

_T = TypeVar("_T")
_S = TypeVar("_S", bound=Store)

_folders: ContextVar[tuple[Path, ...]] = ContextVar("embmap_relocated", default=())


@contextmanager
def relocated(folder: str | os.PathLike[str]) -> Generator[None]:
    """Look for pickled stores in a folder too, for as long as the ``with`` statement runs.

    A store pickles by path. Where its file is not at that path, or is another one, it is looked for by its name, first in
    the folders of these statements, from the innermost out, then in those of the environment's ``EMBMAP_PATH``, which are
    separated as in ``PATH`` and reach worker processes as well. A file is taken only if it has the content that was
    pickled, which its identity proves. The statement holds for the thread or task that runs it.

    Parameters
    ----------
    folder : path
        A folder, or a file in it: the pickle that lies beside the store will do.

    Raises
    ------
    FileNotFoundError
        There is no such folder or file.

    Examples
    --------
    A model that was saved together with its vectors, and moved with them:

    >>> import pathlib, pickle, shutil
    >>> saved = pickle.dumps(store)
    >>> folder = pathlib.Path("served")
    >>> folder.mkdir()
    >>> served = shutil.move(store.path, folder)
    >>> with embmap.relocated("served"):
    ...     again = pickle.loads(saved)
    >>> again.path.parent.name, again.index("queen")
    ('served', 1)
    """
    found = local(folder).absolute()
    found = found if found.is_dir() else found.parent if found.exists() else found.resolve(strict=True)
    before = _folders.set((found, *_folders.get()))
    try:
        yield
    finally:
        _folders.reset(before)


def reopen(path: Path, opened: Callable[[Path], _T | None], what: str) -> _T:
    """Open a pickled file where it is now.

    Parameters
    ----------
    path : Path
        Where it was.
    opened : callable
        Opens a file; None, or a FormatError, where it is not the one that was pickled.
    what : str
        What was pickled, for the message.

    Raises
    ------
    FormatError
        There are other files of that name only.
    OSError
        There is none that can be read.
    """
    absent: OSError | None = None
    other: tuple[Path, FormatError | None] | None = None
    for place in _places(path):
        try:
            found = opened(place)
        except OSError as error:
            # Without the frames, which would keep what is opened next.
            absent = absent or error.with_traceback(None)
        except FormatError as error:
            other = other or (place, error.with_traceback(None))
        else:
            if found is not None:
                return found
            other = other or (place, None)
    sought = f"{path.name} was looked for in {_described()}"
    if other is not None:
        changed = f"{path}: the file has changed since the {what} was pickled"
        message = changed if other[0] == path else f"{other[0]}: not the {what} that was pickled as {path}"
        raise FormatError(f"{message}; {sought}") from other[1]
    assert absent is not None
    # Of the same type, which follows from the number.
    raise OSError(absent.errno, f"{absent.strerror}, and {sought}", str(path)) from absent


def _places(path: Path) -> Iterator[Path]:
    folders = [*_folders.get(), *_path_of_environment()]
    return iter(dict.fromkeys([path, *(folder / path.name for folder in folders)]))


def _path_of_environment() -> list[Path]:
    given = os.environ.get("EMBMAP_PATH", "")
    return [local(folder) for folder in given.split(os.pathsep) if folder]


def _described() -> str:
    """Say which folders are looked in besides, and so how to name one."""
    ours = ", ".join(map(str, _folders.get())) or "none given"
    theirs = ", ".join(map(str, _path_of_environment())) or "not set"
    return f"the folders of embmap.relocated() ({ours}) and of the environment's EMBMAP_PATH ({theirs})"


def reopen_store(path: str | Path, identity: bytes | None, open_at: Callable[[Path], _S]) -> _S:
    """Open a pickled store where it is now, as `reopen` does; without an identity, whatever store lies there."""

    def same(place: Path) -> _S | None:
        store = open_at(place)
        if identity in (None, store.identity):
            return store
        store.close()
        return None

    return reopen(Path(path), same, "store")
