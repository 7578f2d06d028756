"""The whole table of a store as a tensor of PyTorch."""

from __future__ import annotations

import numpy as np
import torch

from .._choices import TensorMode
from .._core.store import CoreStore, check_open
from .to_device import natural_dtype, rows_on


def check_floating(dtype: torch.dtype | None) -> None:
    """Raise for a type that no row can have."""
    if dtype is None:
        return
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"dtype must be a torch.dtype, as torch.float16, not {dtype!r}")
    if not dtype.is_floating_point:
        raise ValueError(f"dtype must be of floating point, not {dtype}")


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
        Where the tensor goes and what it becomes, as in `torch.Tensor.to`; a change of either makes a copy, of the file
        itself: no page of a mapping that is handed out is read for it. Without `dtype` it has the store's type; a store of
        int8, whose numbers mean something with their scales only, gives float32, which is a copy in every mode.

    Returns
    -------
    torch.Tensor, shape (rows, dim)

    Examples
    --------
    >>> table = embmap.torch.tensor(store)
    >>> table.shape, table.dtype
    (torch.Size([6, 4]), torch.float32)
    """
    check_open(store)
    if mode not in ("cow", "readonly", "copy"):
        raise ValueError(f"mode must be 'cow', 'readonly' or 'copy', not {mode!r}")
    check_floating(dtype)
    stored = None if store.dtype == np.int8 else natural_dtype(store)
    if mode == "copy" or torch.device(device or "cpu").type != "cpu" or (dtype or stored) != stored or stored is None:
        return rows_on(store, None, device, dtype)
    table = torch.from_numpy(store._vectors_shared() if mode == "readonly" else store._vectors_cow())
    return table.view(torch.bfloat16) if stored == torch.bfloat16 else table
