"""Pretrained word vectors in one memory-mapped file.

>>> import embmap
>>> report = embmap.convert("vectors.txt", "vectors.embmap")
>>> store = embmap.open("vectors.embmap")
>>> store["king"].shape, len(store), "queen" in store
((4,), 6, True)

`convert` and `load` take what GloVe, word2vec, fastText and Hugging Face publish, and tables; `write` and `Writer` take
arrays and dicts; `Store` is a read-only mapping from word to vector; `Store.matrix` builds the embedding matrix of a task;
`embmap.torch` and `embmap.keras` make layers of it, `embmap.jax` arrays, `embmap.sklearn` a transformer; `embmap.arrow`
looks words up in the batches of any engine; `embmap.gensim` and `embmap.torchtext` have those libraries' names.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._core.writer import Writer, WriteReport, write
from ._embmap import __version__
from ._errors import ConversionWarning, EmbmapError, FormatError, NetworkFileWarning, ParseError
from ._export.files import ExportReport
from ._open import open
from ._query.matrix import Matrix
from ._relocate import relocated
from ._store import Store

if TYPE_CHECKING:
    from . import ann as ann
    from . import arrow as arrow
    from . import gensim as gensim
    from . import jax as jax
    from . import keras as keras
    from . import sklearn as sklearn
    from . import torch as torch
    from . import torchtext as torchtext
    from ._ingest.convert import ConversionReport, RejectedRow, convert
    from ._ingest.from_arrow import from_arrow
    from ._ingest.from_gensim import from_gensim
    from ._ingest.hub import pull, push
    from ._ingest.load import load
    from ._ingest.merge import merge
    from ._query.evaluate import Analogies, Section, Similarities, evaluate
    from ._query.knn_graph import GraphReport
    from ._sharded import ShardedStore

__all__ = [
    "Analogies",
    "ConversionReport",
    "ConversionWarning",
    "EmbmapError",
    "ExportReport",
    "FormatError",
    "GraphReport",
    "Matrix",
    "NetworkFileWarning",
    "ParseError",
    "RejectedRow",
    "Section",
    "ShardedStore",
    "Similarities",
    "Store",
    "WriteReport",
    "Writer",
    "__version__",
    "convert",
    "evaluate",
    "from_arrow",
    "from_gensim",
    "load",
    "merge",
    "open",
    "pull",
    "push",
    "relocated",
    "write",
]


if not TYPE_CHECKING:
    # Slow to import, and not needed by everyone, where it is there at all: it loads when it is first used. Type checkers are
    # told of it above, so that a name that does not exist is an error there.
    _PARTS = ("ann", "arrow", "gensim", "jax", "keras", "sklearn", "torch", "torchtext")
    _LATER = {
        **dict.fromkeys(("ConversionReport", "RejectedRow", "convert"), "._ingest.convert"),
        "from_arrow": "._ingest.from_arrow",
        "from_gensim": "._ingest.from_gensim",
        **dict.fromkeys(("pull", "push"), "._ingest.hub"),
        "load": "._ingest.load",
        "merge": "._ingest.merge",
        **dict.fromkeys(("Analogies", "Section", "Similarities", "evaluate"), "._query.evaluate"),
        "GraphReport": "._query.knn_graph",
        "ShardedStore": "._sharded",
    }

    def __getattr__(name: str) -> Any:
        if name in _PARTS:
            return importlib.import_module(f".{name}", __name__)
        if name in _LATER:
            found = getattr(importlib.import_module(_LATER[name], __name__), name)
            globals()[name] = found
            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_PARTS, *_LATER})
