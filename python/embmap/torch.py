"""Tensors and layers for PyTorch.

The whole table becomes a tensor without a copy: its memory is the file's, mapped copy-on-write, shared by all processes
until someone writes. What is written stays in the writing tensor's own pages; it never reaches the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from ._matrix import Fallback, Vocab
from ._oov import OOV
from ._store import Store

__all__ = ["embedding", "tensor"]


def tensor(
    store: Store,
    *,
    mode: Literal["cow", "readonly", "copy"] = "cow",
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Make the whole table a tensor.

    Parameters
    ----------
    store : Store
    mode : {"cow", "readonly", "copy"}
        ``"cow"``: a mapping of its own, without a copy; what is written stays in this tensor. ``"readonly"``: one mapping
        shared by all tensors of this mode, without a copy, for tensors that nobody writes; PyTorch cannot forbid
        writing, but a write shows in those tensors alone and neither crashes nor reaches the store or the file.
        ``"copy"``: ordinary memory.
    device, dtype : optional
        Where the tensor goes and what it becomes, as in `torch.Tensor.to`; a change of either makes a copy. Without `dtype`
        it has the store's type; a store of int8, whose numbers mean something with their scales only, gives float32,
        which is a copy in every mode.

    Returns
    -------
    torch.Tensor, shape (rows, dim)

    Examples
    --------
    >>> table = embmap.torch.tensor(store)
    >>> table.shape, table.dtype
    (torch.Size([6, 4]), torch.float32)
    """
    if mode not in ("cow", "readonly", "copy"):
        raise ValueError(f"mode must be 'cow', 'readonly' or 'copy', not {mode!r}")
    if store.dtype == np.int8:
        table = torch.from_numpy(store.take(np.arange(len(store))))
    else:
        table = torch.from_numpy(store._vectors_shared() if mode == "readonly" else store._vectors_cow())
        if store.dtype == "bfloat16":
            table = table.view(torch.bfloat16)
        if mode == "copy":
            table = table.clone()
    return table.to(device=device, dtype=dtype)


def embedding(
    store: Store,
    vocab: Vocab | None = None,
    *,
    padding_idx: int | None = None,
    freeze: bool = True,
    start: int = 0,
    oov: OOV = "normal",
    scale: float = 0.6,
    seed: int = 0,
    fallback: Fallback | tuple[Fallback, ...] = (),
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> torch.nn.Embedding:
    """Make an `nn.Embedding` of the whole table, without a copy, or of a task's rows.

    Parameters
    ----------
    store : Store
    vocab : iterable of str, or mapping of str to int, optional
        The task's words, as in `Store.matrix`; without it, row ``i`` of the layer is row ``i`` of the store.
    padding_idx : int, optional
        This row is zeros and gets no gradient.
    freeze : bool
        ``False`` to fine-tune: the weights change in memory, never in the file.
    start, oov, scale, seed, fallback
        As in `Store.matrix`; only with `vocab`.
    device, dtype : optional
        Where the weights go and what they become.
    **options
        `max_norm`, `norm_type`, `scale_grad_by_freq`, `sparse`, as in `nn.Embedding`.

    Returns
    -------
    torch.nn.Embedding

    Examples
    --------
    >>> layer = embmap.torch.embedding(store, ["<pad>", "king", "queen"], padding_idx=0, freeze=False)
    >>> layer
    Embedding(3, 4, padding_idx=0)
    """
    if vocab is None:
        weight = tensor(store, device=device, dtype=dtype)
        if padding_idx is not None:
            if not -len(weight) <= padding_idx < len(weight):
                raise ValueError(f"padding_idx {padding_idx} is not one of the {len(weight)} rows")
            weight[padding_idx] = 0
    else:
        matrix = store.matrix(
            vocab, start=start, padding_idx=padding_idx, oov=oov, scale=scale, seed=seed, fallback=fallback
        )
        weight = torch.from_numpy(matrix.array).to(device=device, dtype=dtype)
    make: Callable[..., torch.nn.Embedding] = torch.nn.Embedding.from_pretrained
    return make(weight, freeze=freeze, padding_idx=padding_idx, **options)
