"""Vectors by name: ``huggingface_hub``, where it is installed, brings what a conversion needs from the Hugging Face hub."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import re
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._embmap import model_files
from .._open import opened
from .._optional import need
from .._paths import local
from .names import SUFFIXES

if TYPE_CHECKING:
    from .._store import Store

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[^@\s]+)?", re.ASCII)
_URL = re.compile(r"hf:/+([\w.-]+/[\w.-]+)(?:@([^/@\s]+))?(?:/(.+))?", re.ASCII)
_PAGE = re.compile(r"https?:/+huggingface\.co/([\w.-]+/[\w.-]+)/(?:resolve|blob)/([^/]+)/([^?]+)(?:\?.*)?", re.ASCII)
# The files from which the name of the one that holds the embeddings is known; sentence-transformers puts the first module of
# a model into a folder whose name begins with its number.
_SMALL = (
    "config.json",
    "modules.json",
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "added_tokens.json",
    "model.safetensors.index.json",
)
# Names that end as vectors do and are none.
_NO_VECTORS = (
    "vocab.txt",
    "merges.txt",
    "requirements.txt",
    "license.txt",
    "training_args.bin",
    "*.npy",
    "spiece.model",
)
_SHOWN = 20


class Named(NamedTuple):
    """What of the hub is meant: a repository, perhaps at a revision, perhaps one file of it."""

    repo: str
    revision: str | None
    file: str | None


def is_model_name(source: str) -> bool:
    """Tell whether `source` is ``org/name`` or ``org/name@revision``, and neither a file nor the name of one."""
    return _NAME.fullmatch(source) is not None and not source.lower().endswith(SUFFIXES) and not Path(source).exists()


def of_url(source: str | os.PathLike[str]) -> Named | None:
    """Tell what of the hub ``hf://org/name@revision/file``, or the page of a file, means; None for anything else."""
    text = os.fspath(source)
    found = (_URL.fullmatch(text) or _PAGE.fullmatch(text)) if isinstance(text, str) else None
    return None if found is None or Path(text).exists() else Named(found[1], found[2], found[3])


def named(source: str | os.PathLike[str], file: str | None = None) -> Named | None:
    """Tell what of the hub a name or a URL means; None for a path of this machine.

    Raises
    ------
    ValueError
        A file is named, and no repository that may have it.
    """
    url = of_url(source)
    if url is not None:
        return url._replace(file=file or url.file)
    text = os.fspath(source)
    if file is not None and _NAME.fullmatch(text) is None:
        raise ValueError(f"file= names a file of the Hugging Face hub's org/name, and {text} is none")
    if isinstance(source, str) and (file is not None or is_model_name(source)):
        repo, _, revision = source.partition("@")
        return Named(repo, revision or None, file)
    return None


def download(name: Named, member: str | None) -> tuple[Path, str]:
    """Bring what a conversion reads into huggingface_hub's cache: one file, or of a model its vocabulary and embeddings.

    Returns
    -------
    (Path, str)
        The file or folder, and ``org/name@commit``.

    Raises
    ------
    FileNotFoundError
        There is no such model or file, or several may be meant, or huggingface_hub is not installed.
    """
    hub = _hub(name.repo)
    if name.file is not None:
        return _file(hub, name, name.file)
    folder = _snapshot(hub, name, [*_SMALL, *(f"0_*/{file}" for file in _SMALL)])
    model = name._replace(revision=folder.name)
    missing = _missing(folder, member)
    if missing:
        _snapshot(hub, model, missing)
        missing = _missing(folder, member)
    if not missing:
        return folder, f"{name.repo}@{folder.name}"
    found = _vectors_of(_files(hub, model, folder))
    if len(found) == 1:
        return _file(hub, model, found[0])
    if found:
        what = f"several files may be meant, and file= says which is: {_listed(found)}"
    else:
        what = f"The model has no {', '.join(missing)}, nor a file of vectors, or they are not in the cache"
    raise FileNotFoundError(errno.ENOENT, what, f"{name.repo}@{folder.name}")


def pull(repo: str, file: str | None = None, *, revision: str | None = None) -> Store:
    """Open a store of the Hugging Face hub, which is downloaded once, into the cache of ``huggingface_hub``.

    Parameters
    ----------
    repo : str
        ``org/name``, with ``@revision`` for another than the newest.
    file : str, optional
        The store, by its path in the repository; needed only where there are several, which the error then lists. A folder
        of several stores is named by the folder.
    revision : str, optional
        A branch, tag or commit.

    Returns
    -------
    Store

    Raises
    ------
    FileNotFoundError
        There is no such repository or store, or huggingface_hub is not installed.
    FormatError
        The file is no store.

    See Also
    --------
    load : for what is not a store yet.
    """
    name = named(repo)
    if name is None:
        raise FileNotFoundError(errno.ENOENT, "expected the Hugging Face hub's org/name", repo)
    return opened(fetch(name._replace(revision=revision or name.revision, file=file or name.file)))


def fetch(name: Named) -> Path:
    """Bring a store into huggingface_hub's cache, once for all processes of a host; give its path there."""
    hub = _hub(name.repo)
    wanted = name.file
    if wanted is None:
        folder = _snapshot(hub, name, ["README.md"])
        name = name._replace(revision=folder.name)
        files = _files(hub, name, folder)
        # A store of several files is a folder.
        stores = sorted({path.rpartition("/")[0] or path for path in files if path.endswith(".embmap")})
        if len(stores) != 1:
            many = f"several stores, and file= says which is meant: {_listed(stores)}"
            what = many if stores else "no store of embmap in it"
            raise FileNotFoundError(errno.ENOENT, what, f"{name.repo}@{name.revision}")
        wanted = stores[0]
    patterns = [wanted] if wanted.endswith(".embmap") else [f"{wanted}/*"]
    path = _snapshot(hub, name, patterns) / wanted
    if not path.exists():
        raise FileNotFoundError(
            errno.ENOENT, "There is no such store, or it is not in the cache", f"{name.repo}/{wanted}"
        )
    return path


def push(
    store: Store | str | os.PathLike[str],
    repo: str,
    *,
    file: str | None = None,
    license: str | None = None,
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
    token: str | bool | None = None,
) -> str:
    """Put a store into a repository of the Hugging Face hub, which is made if it is not there.

    A repository without a ``README.md`` gets one that says what is in it: words, dimension, number type, source, checksum,
    and how it is opened.

    Parameters
    ----------
    store : Store or path
        Proven by its checksums before anything is sent.
    repo : str
        ``org/name``.
    file : str, optional
        Its path in the repository; by default the file's own name.
    license : str, optional
        The vectors' licence, as the hub names it, such as ``"pddl"``.
    private : bool, optional
        Whether only you see a repository that is made.
    revision : str, optional
        The branch; by default the main one.
    message : str, optional
        What the commit says.
    token : str or bool, optional
        As in ``huggingface_hub``.

    Returns
    -------
    str
        The commit's address.

    Raises
    ------
    FormatError
        This is no store, or it is damaged.
    OSError
        It could not be sent.
    ValueError
        `repo` is no ``org/name``, or `file` does not end in ``.embmap``.
    ImportError
        huggingface_hub is not installed (``pip install 'embmap[huggingface]'``).
    """
    if named(repo) is None:
        raise ValueError(f"repo must be org/name, as the Hugging Face hub has it, not {repo!r}")
    hub: Any = need("huggingface_hub", "push()", "'embmap[huggingface]'")
    found = opened(local(store)) if isinstance(store, (str, os.PathLike)) else store
    found.verify()
    path = found.path
    target = file or path.name
    if not path.is_dir() and not target.endswith(".embmap"):
        raise ValueError(f"file must end in .embmap, so that pull() finds it, not {target!r}")
    parts = [path] if not path.is_dir() else sorted(part for part in path.iterdir() if part.is_file())
    names = [target] if not path.is_dir() else [f"{target}/{part.name}" for part in parts]
    operations = [
        hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(part))
        for name, part in zip(names, parts, strict=True)
    ]
    api = hub.HfApi(token=token)
    with _reported(repo):
        api.create_repo(repo, private=private, exist_ok=True)
        if not api.file_exists(repo, "README.md", revision=revision):
            card = _card(found, repo, target, license).encode()
            operations.append(hub.CommitOperationAdd(path_in_repo="README.md", path_or_fileobj=card))
        done = api.create_commit(repo, operations, commit_message=message or f"Add {target}", revision=revision)
    return str(done.commit_url)


@contextlib.contextmanager
def _reported(repo: str) -> Generator[None]:
    """Make an OSError of what the hub's client raises where it has no network."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith("http"):
            raise
        raise OSError(errno.EHOSTUNREACH, f"the Hugging Face hub does not answer: {error}", repo) from error


def _card(store: Store, repo: str, file: str, license: str | None) -> str:
    """Describe a store as the hub's pages do."""
    source = store.metadata.get("source")
    came = source if isinstance(source, dict) else {}
    about = [f"- {len(store):,} words of {store.dim} {store._dtype_name} numbers, {store.nbytes:,} bytes"]
    if "name" in came:
        about.append(f"- from `{came['name']}`, {came.get('bytes', 0):,} bytes, CRC-32 `{came.get('crc32', '')}`")
    about.append(f"- identity `{store.identity.hex()}`")
    named = [f"license: {license}"] if license else []
    head = ["---", *named, "library_name: embmap", "tags:", "- embmap", "- word-embeddings", "---"]
    body = [f"# {repo.partition('/')[2]}", "", "Word vectors in one memory-mapped file, for `embmap`.", "", *about, ""]
    code = [
        "```python",
        "import embmap",
        "",
        f'store = embmap.pull("{repo}", "{file}")',
        f'store["{_first(store)}"]',
        "```",
    ]
    return "\n".join([*head, "", *body, *code, ""])


def _first(store: Store) -> str:
    words = [word for word in store.words[:1000] if word.isalpha()]
    return words[0] if words else "king"


def _hub(repo: str) -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        what = "No such file; where it is a model on the Hugging Face hub: pip install 'embmap[huggingface]'"
        raise FileNotFoundError(errno.ENOENT, what, repo) from error
    return huggingface_hub


def _snapshot(hub: Any, name: Named, files: list[str]) -> Path:
    from huggingface_hub import errors

    try:
        return Path(hub.snapshot_download(name.repo, revision=name.revision, allow_patterns=files))
    except (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.LocalEntryNotFoundError,
        errors.HFValidationError,
    ) as error:
        what = f"No such file, and as a model on the Hugging Face hub: {str(error).strip()}"
        full = f"{name.repo}@{name.revision}" if name.revision else name.repo
        raise FileNotFoundError(errno.ENOENT, what, full) from error


def _file(hub: Any, name: Named, file: str) -> tuple[Path, str]:
    """Bring one file, and the arrays that a model of gensim's has beside it."""
    folder = _snapshot(hub, name, [file, f"{file}.*.npy"])
    path = folder / file
    if not path.is_file():
        others = _vectors_of(_files(hub, name._replace(revision=folder.name), folder))
        what = "There is no such file, or it is not in the cache" + (f": there are {_listed(others)}" if others else "")
        raise FileNotFoundError(errno.ENOENT, what, f"{name.repo}@{folder.name}/{file}")
    return path, f"{name.repo}@{folder.name}"


def _files(hub: Any, name: Named, folder: Path) -> list[str]:
    """Name the files of a repository; without a network, those that are in the cache."""
    from huggingface_hub import errors

    try:
        found: Iterable[str] = hub.HfApi().list_repo_files(name.repo, revision=name.revision)
    except (errors.OfflineModeIsEnabled, OSError):
        found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(found)


def _vectors_of(files: list[str]) -> list[str]:
    def may_be(path: str) -> bool:
        name = path.rpartition("/")[2].lower()
        return name.endswith(SUFFIXES) and not any(fnmatch.fnmatch(name, pattern) for pattern in _NO_VECTORS)

    return [path for path in files if may_be(path)]


def _listed(files: list[str]) -> str:
    return ", ".join(files[:_SHOWN]) + (f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else "")


def _missing(folder: Path, member: str | None) -> list[str]:
    try:
        files = model_files(folder, member)
    except OSError:
        # Of a folder that is no model's, or has none of the small files.
        return ["model.safetensors"]
    return [file.relative_to(folder).as_posix() for file in files if not file.exists()]
