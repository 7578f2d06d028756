"""`load`: convert once, open from then on."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time as clock
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

from .._atomic_file import not_of_a_stranger
from .._core.manifest import NAME as MANIFEST
from .._dtype import dtype_name
from .._embmap import FORMAT_VERSION, MAGIC, model_files, strings
from .._errors import FormatError
from .._open import opened
from .._paths import explained, local
from .._store import Store
from . import hub as _hub
from . import losses as _losses
from .convert import convert
from .keep import words_to_keep
from .lock import locked
from .names import SUFFIXES

# What changes how a conversion runs but not what it writes.
_UNREMEMBERED = ("threads", "progress")
# What file systems round the time of a file down to, in nanoseconds.
_A_DAY = 86_400
_GRAINS = (1, 100, 10**3, 10**6, 10**9)
# What decides how a source is read by other than the extension.
_OF_READERS = ("words", "format", "member", "word_column", "vector_column", "encoding", "dim")
_WAY_OUT = (
    "the place of embmap's cache, where load() keeps what it has converted; "
    "name another folder with load(..., cache_dir=) or in the environment's EMBMAP_CACHE_DIR"
)


def load(
    source: str | os.PathLike[str],
    *,
    file: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Store:
    """Open vectors from their source, converting it into the cache the first time.

    Parameters
    ----------
    source : path, or str ``"org/name"``
        What `convert` reads from a file or folder; or a store, which is opened as it is. Or, where there is no such file,
        the name of a model on the Hugging Face hub, with ``@revision`` for another than the newest: of it, the vocabulary
        and the one file that holds the token embeddings are downloaded, by ``huggingface_hub``, into that package's own
        cache; of a repository without such a model, its one file of vectors. Each call asks the hub for news, unless the
        environment's ``HF_HUB_OFFLINE`` is 1. ``hf://org/name@revision/file`` and the page of a file of the hub mean that
        file.
    file : str, optional
        The file of ``org/name`` that has the vectors, by its path there: GloVe's text or archive, fastText's ``model.bin``,
        word2vec's. Only it is downloaded.
    cache_dir : path, optional
        Where stores are kept; by default the environment's ``EMBMAP_CACHE_DIR``, else the user's cache folder. One that
        cannot be written will do where it has the store. What another user has put into one that everyone may write to is
        refused.
    **options
        As for `convert`. Other options, or a source that has changed, make a new store: its size or time is another, or
        that of a file in a model's folder. A file of which the time alone is another, as after a copy, is first compared
        with what was converted, by its checksum.

    Returns
    -------
    Store
        The same options, file name and bytes give the same store on every machine, with the same `Store.identity`.

    Raises
    ------
    ParseError, OSError
        As `convert` does. The message says where it is the cache that cannot be written.

    Warns
    -----
    ConversionWarning
        Rows were passed over (``on_bad_row="skip"``), or left out because their word came before, or words were mended
        (`errors`), with the counts; once for each store in a process. `Store.metadata` has the counts as ``conversion``.

    Examples
    --------
    >>> store = embmap.load("vectors.txt")
    >>> len(store)
    6
    """
    name = None
    if (found := _hub.named(source, file)) is not None:
        source, model = _hub.download(found, options.get("member"))
        name = found.repo.partition("/")[2] if source.is_dir() else source.stem
        options["metadata"] = {"huggingface": model, **(options.get("metadata") or {})}
    source = local(source)
    if not source.exists() and not source.suffix and source.name == str(source):
        what = "No such file or folder; a model of the Hugging Face hub is named org/name"
        raise FileNotFoundError(errno.ENOENT, what, str(source))
    if source.exists() and not (source.is_file() or source.is_dir()):
        raise ValueError(f"{source} cannot be read again, as load() must: convert() reads it once")
    if (source / MANIFEST).is_file() or (not source.is_dir() and is_store(source)):
        if options.keys() - set(_UNREMEMBERED):
            raise ValueError(f"{source} is a store already: {', '.join(options)} cannot change it")
        return opened(source)
    if "shards" in options:
        raise ValueError("load() keeps one file for a source: convert(..., shards=) makes a folder, which open() takes")
    if (keep := options.get("keep")) is not None:
        options["keep"] = sorted(set(strings(words_to_keep(keep))))
    if "dtype" in options:
        options["dtype"] = dtype_name(options["dtype"])
    if isinstance(words := options.get("words"), (str, os.PathLike)):
        options["words"] = os.fspath(local(words).absolute())
    elif words is not None:
        raise TypeError(
            "load() keeps what it has converted, and so needs the words in a file: convert() takes them as they are"
        )
    import hashlib
    import inspect

    from .readers.choose import reader_of  # Imported by whoever converts: most only open.

    asked = {name: options[name] for name in _OF_READERS if name in options}
    reader = reader_of(source, given=asked.pop("words", None), **asked) if source.exists() else None
    try:
        stamp = _stamp_of(reader.files) if reader is not None else _stamp(source, options.get("member"))
    except IsADirectoryError as error:
        raise explained(error, source, SUFFIXES) from None
    defaults = {name: parameter.default for name, parameter in inspect.signature(convert).parameters.items()}
    chosen = {k: v for k, v in options.items() if k not in _UNREMEMBERED and v != defaults.get(k)}
    remembered = json.dumps([FORMAT_VERSION, chosen], sort_keys=True, default=str)
    key = hashlib.sha256(f"{source.resolve()}\0{remembered}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    name = name or (source.resolve().name if source.is_dir() else source.stem)
    folder = cache_folder(cache_dir)
    target = folder / f"{name}-{key}.embmap"
    with _explained(folder, source):
        store = _fresh(target, source, stamp)
        if store is None:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(target.with_suffix(".lock")):
                # Another process may have converted it while this one waited.
                store = _fresh(target, source, stamp)
                if store is None:
                    metadata = {**(options.pop("metadata", None) or {}), "cached": stamp.sizes}
                    convert(source, target, metadata=metadata, **options)
                    _date(target, stamp.time)
                    store = Store(target)
    _losses.warn_once(store, source, stacklevel=3)
    return store


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Give the folder that was asked for, or where stores are kept by default."""
    if cache_dir is not None:
        return local(cache_dir)
    if configured := os.environ.get("EMBMAP_CACHE_DIR"):
        return local(configured)
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("embmap"))
    if not folder.is_absolute():
        # Of a user without a home.
        raise FileNotFoundError(errno.ENOENT, f"There is no such folder: {_WAY_OUT}", str(folder))
    return folder


@contextlib.contextmanager
def _explained(folder: Path, source: Path) -> Generator[None]:
    """Say of an error with the files of the cache that it is about the cache, and how to name another."""
    try:
        yield
    except OSError as error:
        if error.filename is None or not _concerns(Path(error.filename), folder.absolute(), source.absolute()):
            raise
        # Of the same type, which follows from the number.
        raise OSError(error.errno, f"{error.strerror}: {_WAY_OUT}", error.filename) from error


def _concerns(path: Path, folder: Path, source: Path) -> bool:
    """Tell whether `path` is in the cache, or above it, and not the source, which may be there too."""
    path = path.absolute()
    return (path.is_relative_to(folder) or folder.is_relative_to(path)) and not path.is_relative_to(source)


def is_store(source: Path) -> bool:
    """Tell whether a file begins as a store does."""
    with source.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


class _Stamp(NamedTuple):
    """What changes when the source does.

    The sizes are kept in the store's metadata. The time is not: the same source has another on each machine. It is kept as
    that of the store's file.
    """

    sizes: dict[str, int]
    time: int


def _stamp(source: Path, member: str | None) -> _Stamp:
    """Look at the source, or at those files of a model that are read."""
    if not source.is_dir():
        status = source.stat()
        return _Stamp({"bytes": status.st_size}, status.st_mtime_ns)
    found = {path.relative_to(source).as_posix(): path.stat() for path in model_files(source, member)}
    times = [status.st_mtime_ns for status in found.values()]
    return _Stamp({file: status.st_size for file, status in found.items()}, _time_of(times))


def _stamp_of(files: tuple[Path, ...]) -> _Stamp:
    """Look at all files of a source that has several."""
    found = [path.stat() for path in files]
    if len(files) == 1:
        return _Stamp({"bytes": found[0].st_size}, found[0].st_mtime_ns)
    sizes = {path.name: status.st_size for path, status in zip(files, found, strict=True)}
    return _Stamp(sizes, _time_of([status.st_mtime_ns for status in found]))


def _time_of(times: list[int]) -> int:
    """Give one time for all: the newest to the second, and behind it what changes with any of them."""
    return max(times, default=0) // 10**9 * 10**9 + zlib.crc32(repr(times).encode()) % 10**9


def _fresh(target: Path, source: Path, stamp: _Stamp) -> Store | None:
    """Open the cached store, if it is there, whole, and made from the source as it is now."""
    not_of_a_stranger(target)
    try:
        time = target.stat().st_mtime_ns
        store = Store(target)
        if store.metadata.get("cached") == stamp.sizes:
            if any(time == stamp.time // grain * grain for grain in _GRAINS):
                if clock.time() - target.stat().st_atime > _A_DAY:
                    # Not every file system notes that it is read, by which the cache tells what nobody uses.
                    with contextlib.suppress(OSError):
                        os.utime(target, ns=(clock.time_ns(), time))
                return store
            if _has_checksum(source, store.metadata.get("source")):
                _date(target, stamp.time)
                return store
        store.close()
    except (FileNotFoundError, NotADirectoryError, FormatError):
        pass
    return None


def _has_checksum(source: Path, converted: Any) -> bool:
    """Tell whether a file has the bytes that were converted; of what was unpacked, or not read to its end, nobody knows."""
    if source.is_dir() or not isinstance(converted, dict) or converted.get("bytes") != source.stat().st_size:
        return False
    checksum = 0
    with source.open("rb") as file:
        while block := file.read(1 << 22):
            checksum = zlib.crc32(block, checksum)
    return f"{checksum:08x}" == converted.get("crc32")


def _date(target: Path, time: int) -> None:
    # Without its time, as in a cache that is only read, a store is compared with its source each time.
    with contextlib.suppress(OSError):
        os.utime(target, ns=(clock.time_ns(), time))
