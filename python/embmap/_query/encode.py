"""Texts to vectors, one each: a tokenizer cuts them, the store has a row for each token."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._optional import need
from .._paths import local
from .texts import pooled

if TYPE_CHECKING:
    from tokenizers import Tokenizer as _Tokenizer

    from .._core.store import CoreStore

    Tokenizer: TypeAlias = _Tokenizer | str | os.PathLike[str] | Callable[[str], Iterable[str]]

# What was asked for last: a tokenizer's rows of a store, by what both are. Each is kept alive by being here.
_LATEST = 4
_known: dict[tuple[int, int], tuple[Any, Any, NDArray[np.int64]]] = {}
_files: dict[tuple[str, int], Any] = {}
_keeping = threading.Lock()


def encode(
    store: CoreStore,
    texts: str | Iterable[str],
    tokenizer: Tokenizer | None,
    max_length: int | None,
    normalize: bool,
    unknown: str,
) -> NDArray[np.float32]:
    """Do what `Store.encode` says."""
    if unknown not in ("skip", "count"):
        raise ValueError(f"unknown must be 'skip' or 'count', not {unknown!r}")
    if max_length is not None and max_length < 1:
        raise ValueError(f"max_length must be positive, not {max_length}")
    many = [texts] if isinstance(texts, str) else list(texts)
    cut = _own(store) if tokenizer is None else tokenizer
    if isinstance(cut, (str, os.PathLike)):
        cut = _read(local(cut))
    # What transformers wraps around a tokenizer of that package.
    cut = getattr(cut, "backend_tokenizer", cut)
    if hasattr(cut, "encode_batch_fast"):
        vectors = _of_tokens(store, cut, many, max_length, unknown)
    elif callable(cut):
        vectors = pooled(store, [_words(cut, text)[:max_length] for text in many], "mean", None)
    else:
        expected = "one of the tokenizers package, its file, or a function"
        raise TypeError(f"tokenizer must be {expected}, not {type(cut).__name__}")
    if normalize:
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors[0] if isinstance(texts, str) else vectors


def _words(cut: Callable[[str], Iterable[str]], text: str) -> list[str]:
    found = cut(text)
    # A dict of ids, as transformers' tokenizers give, would be read as the words that are its keys.
    if isinstance(found, (str, Mapping)):
        raise TypeError(f"tokenizer must give a text's words, as a list of str, not a {type(found).__name__}")
    return list(found)


def _of_tokens(
    store: CoreStore, tokenizer: Any, texts: list[str], max_length: int | None, unknown: str
) -> NDArray[np.float32]:
    tokens = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    if max_length is not None:
        tokens = [ids[:max_length] for ids in tokens]
    lengths = np.fromiter(map(len, tokens), np.uintp, len(tokens))
    flat = np.fromiter(chain.from_iterable(tokens), np.int64, int(lengths.sum()))
    rows = _rows_of(store, tokenizer)[flat]
    if unknown == "skip":
        token = getattr(tokenizer.model, "unk_token", None)
        left_out = None if token is None else tokenizer.token_to_id(token)
        if left_out is not None:
            rows[flat == left_out] = -1
    return store._pool(rows, lengths, None, True)


def _rows_of(store: CoreStore, tokenizer: Any) -> NDArray[np.int64]:
    """Give the row of each of a tokenizer's tokens, -1 for those that the store does not have."""
    key = (id(store), id(tokenizer))
    found = _known.get(key)
    if found is None:
        size = tokenizer.get_vocab_size(with_added_tokens=True)
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        rows = np.full(max(size, max(vocabulary.values(), default=-1) + 1), -1, np.int64)
        rows[np.fromiter(vocabulary.values(), np.int64, len(vocabulary))] = store.indices(list(vocabulary))
        found = (store, tokenizer, rows)
        _keep(_known, key, found)
    return found[2]


def _read(path: Path) -> Any:
    """Read a ``tokenizer.json``, or the one of a folder."""
    file = path / "tokenizer.json" if path.is_dir() else path
    key = (str(file.absolute()), file.stat().st_mtime_ns)
    found = _files.get(key)
    if found is None:
        tokenizers = need("tokenizers", "encode()", "tokenizers")
        found = tokenizers.Tokenizer.from_file(str(file))
        found.no_truncation()
        found.no_padding()
        _keep(_files, key, found)
    return found


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    with _keeping:
        while len(kept) >= _LATEST:
            del kept[next(iter(kept))]
        kept[key] = value


def _own(store: CoreStore) -> Path:
    """Find the tokenizer of the model of the hub that a store was made from."""
    model = store.metadata.get("huggingface")
    if isinstance(model, str) and "@" in model:
        import huggingface_hub

        repo, _, revision = model.partition("@")
        for file in ("tokenizer.json", "0_StaticEmbedding/tokenizer.json"):
            found = huggingface_hub.try_to_load_from_cache(repo, file, revision=revision)
            if isinstance(found, str):
                return Path(found)
    raise ValueError(
        f"{store.path} does not say how texts are cut: tokenizer= names a tokenizer.json, or is a tokenizer or a function, "
        "as str.split is"
    )
