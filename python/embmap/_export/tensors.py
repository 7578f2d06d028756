"""The whole table of a store as a tensor of PyTorch."""

from __future__ import annotations

import numpy as np
import torch

from .._choices import TensorMode
from .._core.store import CoreStore


def tensor(
    store: CoreStore,
    *,
    mode: TensorMode = "cow",
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
