"""Stores as static models: sentence-transformers' `StaticEmbedding`, and model2vec's folders."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._atomic_file import new_folder
from .._choices import TensorMode
from .._paths import local
from .safetensors_head import WIDTHS, Number, head_of_one

if TYPE_CHECKING:
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers.pre_tokenizers import PreTokenizer

    from .._core.store import CoreStore

# Rows that are written at a time.
_ROWS = 1 << 14


def to_static_embedding(
    store: CoreStore,
    *,
    mode: TensorMode = "cow",
    lowercase: bool = False,
    pre_tokenizer: PreTokenizer | None = None,
) -> StaticEmbedding:
    """Make a sentence-transformers module of `store`; see `Store.to_static_embedding`."""
    try:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

        static_embedding = _static_embedding()
    except ImportError as error:
        what = f"to_static_embedding needs {error.name}: pip install 'embmap[sentence-transformers]'"
        raise ImportError(what, name=error.name) from error
    from .tensors import tensor

    # The words' ids are their rows. A WordLevel model would need a row for the unknown words, which would count in means.
    # This one leaves them out: without merges it knows whole words alone, and what it does not know is nothing. The mark
    # before each word keeps single letters from being found in unknown words, and so does the prefix of letters within. It
    # stands for blanks too, and is not put before what begins with it: where words have it, what is no character does.
    words = list(store.words)
    mark = "\u2581" if not any("\u2581" in word for word in words) else "\ufdd0"
    vocab = {mark + word.replace(" ", mark): row for row, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab, [], ignore_merges=True, continuing_subword_prefix="\0"))
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    split = pre_tokenizer or pre_tokenizers.Whitespace()
    marked = pre_tokenizers.Metaspace(replacement=mark, prepend_scheme="always", split=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, marked])
    module: StaticEmbedding = static_embedding(tokenizer, embedding_weights=tensor(store, mode=mode))
    return module


def _static_embedding() -> Any:
    try:
        modules = importlib.import_module("sentence_transformers.sentence_transformer.modules")
    except ImportError:
        # Where it was before sentence-transformers 6.
        modules = importlib.import_module("sentence_transformers.models")
    return modules.StaticEmbedding


def save_model2vec(store: CoreStore, folder: str | os.PathLike[str], *, lowercase: bool = False) -> Path:
    """Do what `Store.save_model2vec` says."""
    folder = local(folder).absolute()
    half = store.dtype == np.float16
    config: dict[str, Any] = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "hidden_dim": store.dim,
        "normalize": False,
        "embedding_dtype": "float16" if half else "float32",
    }
    modules = [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]
    with new_folder(folder) as made:
        _write_weights(store, made / "model.safetensors", "F16" if half else "F32")
        _write_text(made / "tokenizer.json", _tokenizer(store, lowercase))
        _write_text(made / "config.json", [json.dumps(config, indent=2)])
        _write_text(made / "modules.json", [json.dumps(modules, indent=2)])
    return folder


def _write_weights(store: CoreStore, path: Path, number: Number) -> None:
    # The last row is that of unknown words.
    with path.open("wb") as file:
        file.write(head_of_one("embeddings", number, (len(store) + 1, store.dim)))
        for start in range(0, len(store), _ROWS):
            file.write(store._block(start, min(start + _ROWS, len(store))).data)
        file.write(bytes(store.dim * WIDTHS[number]))


def _tokenizer(store: CoreStore, lowercase: bool) -> Iterator[str]:
    unknown = "[UNK]"
    while unknown in store:
        unknown = f"[{unknown}]"
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"} if lowercase else None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "unk_token": unknown},
    }
    # The vocabulary may have millions of words: it goes last, and is not made in memory first.
    yield json.dumps(tokenizer).removesuffix("}}") + ', "vocab": {\n'
    for row, word in enumerate(store.words):
        yield f"{json.dumps(word, ensure_ascii=False)}: {row},\n"
    yield f"{json.dumps(unknown)}: {len(store)}}}}}}}"


def _write_text(path: Path, parts: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)
        file.write("\n")
