"""`load`: convert once, open from then on."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import _embmap, _hub
from ._convert import convert
from ._errors import FormatError
from ._store import Store

# What changes how a conversion runs but not what it writes.
_UNREMEMBERED = ("threads", "progress")


def load(source: str | os.PathLike[str], *, cache_dir: str | os.PathLike[str] | None = None, **options: Any) -> Store:
    """Open vectors from their source, converting it into the cache the first time.

    Parameters
    ----------
    source : path, or str ``"org/name"``
        What `convert` reads from a file or folder; or a store, which is opened as it is. Or, where there is no such file,
        the name of a model on the Hugging Face hub, with ``@revision`` for another than the newest: of it, the vocabulary
        and the one file that holds the token embeddings are downloaded, by ``huggingface_hub``, into that package's own
        cache. Each call asks the hub for news, unless the environment's ``HF_HUB_OFFLINE`` is 1.
    cache_dir : path, optional
        Where stores are kept; by default the environment's ``EMBMAP_CACHE_DIR``, else the user's cache folder.
    **options
        As for `convert`. Other options, or a source whose size or time has changed, or that of a file in a model's folder,
        make a new store.

    Returns
    -------
    Store

    Raises
    ------
    ParseError, OSError
        As `convert` does.

    Examples
    --------
    >>> store = embmap.load("vectors.txt")
    >>> len(store)
    6
    """
    name = None
    if isinstance(source, str) and _hub.is_model_name(source):
        name = source.partition("@")[0].partition("/")[2]
        source, model = _hub.download(source, options.get("member"))
        options["metadata"] = {"huggingface": model, **(options.get("metadata") or {})}
    source = Path(source)
    if source.exists() and not (source.is_file() or source.is_dir()):
        raise ValueError(f"{source} cannot be read again, as load() must: convert() reads it once")
    if not source.is_dir() and _is_store(source):
        if options.keys() - set(_UNREMEMBERED):
            raise ValueError(f"{source} is a store already: {', '.join(options)} cannot change it")
        return Store(source)
    if (keep := options.get("keep")) is not None:
        if isinstance(keep, str):
            raise TypeError("keep must be words, not one str")
        options["keep"] = sorted(set(keep))
    stamp = _stamp(source, options.get("member"))
    defaults = {name: parameter.default for name, parameter in inspect.signature(convert).parameters.items()}
    chosen = {k: v for k, v in options.items() if k not in _UNREMEMBERED and v != defaults.get(k)}
    remembered = json.dumps([_embmap.FORMAT_VERSION, chosen], sort_keys=True, default=str)
    key = hashlib.sha256(f"{source.resolve()}\0{remembered}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    name = name or (source.resolve().name if source.is_dir() else source.stem)
    folder = _folder(cache_dir)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}-{key}.embmap"
    store = _fresh(target, stamp)
    if store is None:
        with _locked(target.with_suffix(".lock")):
            # Another process may have converted it while this one waited.
            store = _fresh(target, stamp)
            if store is None:
                metadata = {**(options.pop("metadata", None) or {}), "cached": stamp}
                convert(source, target, metadata=metadata, **options)
                store = Store(target)
    return store


def _folder(cache_dir: str | os.PathLike[str] | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir)
    if configured := os.environ.get("EMBMAP_CACHE_DIR"):
        return Path(configured).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("embmap"))


def _is_store(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(len(_embmap.MAGIC)) == _embmap.MAGIC


def _stamp(source: Path, member: str | None) -> dict[str, Any]:
    """Say what changes when the source does: sizes and times of it, or of those files of a model that are read."""
    if source.is_dir():
        files = [path.relative_to(source) for path in _embmap.model_files(source, member)]
        return {file.as_posix(): list(_stamp(source / file, None).values()) for file in files}
    status = source.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _fresh(target: Path, stamp: dict[str, Any]) -> Store | None:
    """Open the cached store, if it is there, whole, and made from the source as it is now."""
    try:
        store = Store(target)
        if store.metadata.get("cached") == stamp:
            return store
        store.close()
    except (FileNotFoundError, FormatError):
        pass
    return None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process convert at a time; where files cannot be locked, all do, and the last one's store stays."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("a") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
