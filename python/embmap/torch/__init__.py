"""Tensors and layers for PyTorch.

The whole table becomes a tensor without a copy: its memory is the file's, mapped copy-on-write, shared by all processes
until someone writes. What is written stays in the writing tensor's own pages; it never reaches the file. What goes to a
device is copied from the file itself, by way of pinned memory where the device is CUDA's.
"""

from typing import TYPE_CHECKING, Any

from .._optional import need

need("torch", "embmap.torch")

from .._export.tensors import tensor
from ._collate import Collate
from ._host import HostEmbedding
from ._layers import embedding, embedding_bag
from ._sharded import sharded_embedding

if TYPE_CHECKING:
    from ._checkpoint import StoreReader as StoreReader

__all__ = ["Collate", "HostEmbedding", "embedding", "embedding_bag", "sharded_embedding", "tensor"]


def __getattr__(name: str) -> Any:
    # Distributed checkpoints take long to import, and few ask for them.
    if name == "StoreReader":
        from ._checkpoint import StoreReader

        return StoreReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
