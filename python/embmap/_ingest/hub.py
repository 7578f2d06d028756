"""Models by name: what a conversion needs of them is downloaded by ``huggingface_hub``, where that is installed."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from .._embmap import model_files
from .convert import SUFFIXES

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[^@\s]+)?", re.ASCII)
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


def is_model_name(source: str) -> bool:
    """Tell whether `source` is ``org/name`` or ``org/name@revision``, and neither a file nor the name of one."""
    return _NAME.fullmatch(source) is not None and not source.lower().endswith(SUFFIXES) and not Path(source).exists()


def download(name: str, member: str | None) -> tuple[Path, str]:
    """Bring what a conversion reads of a model into huggingface_hub's cache.

    Returns
    -------
    (Path, str)
        The folder, and ``org/name@commit``.

    Raises
    ------
    FileNotFoundError
        There is no such model, or no safetensors weights in it, or huggingface_hub is not installed.
    """
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        what = "No such file; where it is a model on the Hugging Face hub: pip install 'embmap[huggingface]'"
        raise FileNotFoundError(errno.ENOENT, what, name) from error
    repo, _, revision = name.partition("@")

    def snapshot(revision: str | None, files: list[str]) -> Path:
        return Path(huggingface_hub.snapshot_download(repo, revision=revision, allow_patterns=files))

    try:
        folder = snapshot(revision or None, [*_SMALL, *(f"0_*/{file}" for file in _SMALL)])
        model = f"{repo}@{folder.name}"
        missing = _missing(folder, member)
        if missing:
            snapshot(folder.name, missing)
            missing = _missing(folder, member)
    except (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.LocalEntryNotFoundError,
        errors.HFValidationError,
    ) as error:
        what = f"No such file, and as a model on the Hugging Face hub: {str(error).strip()}"
        raise FileNotFoundError(errno.ENOENT, what, name) from error
    if missing:
        what = f"The model has no {', '.join(missing)}, or it is not in the cache (only safetensors weights are read)"
        raise FileNotFoundError(errno.ENOENT, what, model)
    return folder, model


def _missing(folder: Path, member: str | None) -> list[str]:
    files = model_files(folder, member)
    return [file.relative_to(folder).as_posix() for file in files if not file.exists()]
