"""Texts to vectors, one each: a tokenizer cuts them, the store has a row for each token."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._paths import local
from .similarity import unit
from .texts import pooled, python_text
from .tokens import Cutter, RowCutter

if TYPE_CHECKING:
    from tokenizers import Tokenizer as _Tokenizer

    from .._core.store import CoreStore

    Tokenizer: TypeAlias = _Tokenizer | str | os.PathLike[str] | Callable[[str], Iterable[str]]

# What was used last: tokenizers by their files, and by the store where its rows are their tokens, and rows by the store and
# what was read from a file, each kept alive by being here.
_LATEST = 4
_files: dict[tuple[str, int, int | None], Cutter | RowCutter] = {}
_rows: dict[tuple[int, int], TokenRows] = {}
_keeping = threading.Lock()
# Texts whose pieces occur again often enough to pay, where none is known yet.
_MANY = 256
# The row of a token that the store was not asked for.
_UNASKED = -2


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
    if isinstance(texts, Mapping) or len(getattr(texts, "shape", ())) > 1:
        # Iterating over these gives the names of columns.
        raise TypeError(f"expected an iterable of texts, found a {type(texts).__name__}")
    many = [texts] if isinstance(texts, str) else list(texts)
    if many and python_text(many[0]) is not many[0]:
        many = [python_text(text) for text in many]
    cut = _own(store) if tokenizer is None else tokenizer
    if isinstance(cut, (str, os.PathLike)):
        cut = local(cut)
    # What transformers wraps around a tokenizer of that package.
    cut = getattr(cut, "backend_tokenizer", cut)
    if isinstance(cut, Path):
        cutter = _read(cut, store)
        rows = None if isinstance(cutter, RowCutter) else _rows_of(store, cutter)
        vectors = _of_tokens(store, cutter, rows, many, max_length, unknown)
    elif hasattr(cut, "encode_batch_fast"):
        # Whoever holds it may change it before the next call, so that nothing of it is kept.
        cutter = Cutter(cut, by_pieces=len(many) >= _MANY)
        vectors = _of_tokens(store, cutter, TokenRows(store, cutter.tokenizer), many, max_length, unknown)
    elif callable(cut):
        vectors = pooled(store, [_words(cut, text)[:max_length] for text in many], "mean", None)
    else:
        expected = "one of the tokenizers package, its file, or a function"
        raise TypeError(f"tokenizer must be {expected}, not {type(cut).__name__}")
    if normalize:
        vectors = unit(vectors).astype(np.float32)
    return vectors[0] if isinstance(texts, str) else vectors


def _words(cut: Callable[[str], Any], text: str) -> list[str]:
    found = cut(text)
    # A dict of ids, as transformers' tokenizers give, would be read as the words that are its keys.
    if isinstance(found, (str, Mapping)):
        raise TypeError(f"tokenizer must give a text's words, as a list of str, not a {type(found).__name__}")
    return list(found)


def _of_tokens(
    store: CoreStore,
    cutter: Cutter | RowCutter,
    rows_of: TokenRows | None,
    texts: list[str],
    max_length: int | None,
    unknown: str,
) -> NDArray[np.float32]:
    tokens, lengths = cutter.tokens(texts, max_length)
    rows = tokens if rows_of is None else rows_of.of(tokens)
    left_out = cutter.unknown if unknown == "skip" else None
    if left_out is not None:
        rows[tokens == left_out] = -1
    return store._pool(rows, lengths, None, True)


class TokenRows:
    """The rows that a store has for a tokenizer's tokens, asked for when a token is met."""

    def __init__(self, store: CoreStore, tokenizer: Any) -> None:
        self._store = store
        self._tokenizer = tokenizer
        self._rows = np.full(tokenizer.get_vocab_size(with_added_tokens=True), _UNASKED)

    def of(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give a row for each token, -1 where the store has none."""
        # There may be numbers without a token, and so more of them than tokens.
        missing = int(tokens.max(initial=-1)) + 1 - len(self._rows)
        if missing > 0:
            self._rows = np.append(self._rows, np.full(missing, _UNASKED))
        known = self._rows
        rows = known[tokens]
        if (unasked := rows == _UNASKED).any():
            # Marking them takes a tenth of the time that sorting them does.
            is_new = np.zeros(len(known), bool)
            is_new[tokens[unasked]] = True
            new = np.flatnonzero(is_new)
            known[new] = self._store.indices([self._tokenizer.id_to_token(token) for token in new.tolist()])
            rows = known[tokens]
        return rows


def _rows_of(store: CoreStore, cutter: Cutter) -> TokenRows:
    key = (id(store), id(cutter.tokenizer))
    found = _rows.get(key)
    if found is None:
        found = TokenRows(store, cutter.tokenizer)
        _keep(_rows, key, found)
    return found


def _read(path: Path, store: CoreStore) -> Cutter | RowCutter:
    """Read a ``tokenizer.json``, or the one of a folder."""
    file = (path / "tokenizer.json" if path.is_dir() else path).absolute()
    version = (str(file), file.stat().st_mtime_ns)
    found = _files.get((*version, id(store))) or _files.get((*version, None))
    if found is None:
        found = RowCutter.of_file(file, store)
        owner = None if found is None else id(store)
        found = found or Cutter.of_file(file)
        _keep(_files, (*version, owner), found)
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
