"""Paths as people write them: ``~`` and ``file://`` are understood, what lies on another machine is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

# A `Path` of a URL has one slash where the URL has two. One letter is a drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/", re.ASCII)
_SHOWN = 10
_HUB = re.compile(r"(?:hf:/+|https?:/+huggingface\.co/)([\w.-]+/[\w.-]+)", re.ASCII)


def local(path: str | os.PathLike[str]) -> Path:
    """Give the path of this machine that is meant; ValueError for a URL of elsewhere."""
    found = Path(path)
    text = os.fspath(path)
    # Most paths are just that, and opening a store takes microseconds.
    if ":" not in text and not text.startswith("~"):
        return found
    url = _URL.match(text)
    if url is not None and not found.exists():
        if url[1].lower() != "file":
            raise ValueError(_elsewhere(text, url[1]))
        found = _of_file_url(text)
    return Path(os.path.expanduser(found))  # noqa: PTH111 - pathlib's fails for ~name where there is no such user.


def check_apart(target: Path, *sources: Path) -> None:
    """Refuse a target that is one of the files that are read."""
    for source in sources:
        if target.exists() and source.exists() and target.samefile(source):
            raise ValueError(f"source and target are the same file: {source}")


def explained(error: OSError, folder: Path, suffixes: tuple[str, ...]) -> OSError:
    """Give the error for a folder where a file is expected: what in it could be meant."""
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    names = [name for name in files if name.lower().endswith(suffixes)]
    what = (
        f"a folder; the files in it that could be meant are {_listed(names)}"
        if names
        else "a folder, with no file that could be meant"
    )
    others = [name for name in files if name not in names]
    if others and len(suffixes) > 1:
        what += f"; those of other names are left out: {_listed(others)}"
    return type(error)(error.errno, f"This is {what}", str(folder))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _of_file_url(url: str) -> Path:
    rest = url.partition(":")[2]
    host = ""
    if rest.startswith("//"):
        host, _, rest = rest[2:].partition("/")
        rest = f"/{rest}"
    if host not in ("", "localhost"):
        raise ValueError(f"{url} is a file of the machine {host}: write three slashes for one of this machine")
    from urllib.request import url2pathname  # Slow to import, and seldom needed.

    return Path(url2pathname(rest))


def _elsewhere(url: str, scheme: str) -> str:
    hub = _HUB.match(url)
    model = f"embmap.load({hub[1] if hub else 'org/name'!r})"
    what = f"expected a path of this machine, found the {scheme}:// URL {url}"
    if hub:
        return f"{what}: a model of the Hugging Face hub is {model}"
    return f"{what}: download it first; a model of the Hugging Face hub is {model}"
