"""A table that is spread over the ranks of a mesh: each has its own rows, or its own columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from .._core.store import check_open
from .._export.to_device import natural_dtype, rows_on
from .._store import Store
from ._layers import padding_row

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor


def sharded_embedding(
    store: Store,
    mesh: DeviceMesh,
    dim: Literal[0, 1] = 0,
    *,
    padding_idx: int | None = None,
    freeze: bool = True,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> torch.nn.Embedding:
    """Make an `nn.Embedding` of the whole table whose weight is a `DTensor` over the ranks of a mesh.

    Each rank opens the store and takes its own part: nothing is sent, and no rank reads another's rows. On the CPU the rows
    of a rank are the file's pages, without a copy. The layer takes the same ids on all ranks and gives the same rows on all.

    Parameters
    ----------
    store : Store
        The same file on every rank.
    mesh : torch.distributed.device_mesh.DeviceMesh
        Of one dimension; its device type says where the parts go.
    dim : {0, 1}
        0: each rank has some of the rows. It is what serves: the rows that a rank has not are zeros, and summed up. In
        training, each rank has a gradient for all of its rows, whatever the batch.
        1: each rank has some of the columns, of all rows. It trains well: each rank has the gradient of its own columns. The
        part is a copy, and all pages of the file are read for it, as a row's numbers lie side by side.
    padding_idx : int, optional
        As in `embedding` of the whole table.
    freeze : bool
    dtype : torch.dtype, optional
        Type of the weights; the store's by default.
    **options
        As in `nn.Embedding`.

    Returns
    -------
    torch.nn.Embedding

    Raises
    ------
    ValueError
        `dim` is neither 0 nor 1, the mesh has several dimensions, or `padding_idx` is the row of a word.
    """
    from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_module

    check_open(store)
    if dim not in (0, 1):
        raise ValueError(f"dim must be 0, rows, or 1, columns, not {dim!r}")
    if mesh.ndim != 1:
        raise ValueError(f"the mesh must have one dimension, not {mesh.ndim}: pass one of them, mesh['name']")
    padding_idx = padding_row(store, padding_idx)
    size = len(store) + (padding_idx == len(store)), store.dim
    step = -(-size[dim] // mesh.size())
    start = min(mesh.get_local_rank() * step, size[dim])
    stop = min(start + step, size[dim])
    device = torch.device(mesh.device_type)
    local = (
        _rows(store, start, stop, device, dtype) if dim == 0 else _columns(store, size[0], start, stop, device, dtype)
    )
    if padding_idx is not None and padding_idx < len(store):
        if dim == 1:
            local[padding_idx] = 0
        elif start <= padding_idx < stop:
            local[padding_idx - start] = 0
    weight = DTensor.from_local(local, mesh, [Shard(dim)], shape=torch.Size(size), stride=(size[1], 1))
    layer = torch.nn.Embedding(*size, padding_idx=padding_idx, device="meta", dtype=local.dtype, **options)
    layer.weight = torch.nn.Parameter(weight, requires_grad=not freeze)

    def everywhere(_: Any, inputs: Any, mesh: DeviceMesh) -> Any:
        ids = inputs[0]
        if isinstance(ids, DTensor):
            return ids
        return DTensor.from_local(ids.to(device), mesh, [Replicate()])

    def whole(_: Any, rows: DTensor, mesh: DeviceMesh) -> torch.Tensor:
        return rows.redistribute(placements=[Replicate()]).to_local()

    return distribute_module(layer, mesh, None, everywhere, whole)  # type: ignore[arg-type,return-value]


def _rows(store: Store, start: int, stop: int, device: torch.device, dtype: torch.dtype | None) -> torch.Tensor:
    """Give some rows: the file's pages where nothing has to change; rows behind the words are zeros."""
    behind = max(0, stop - max(start, len(store)))
    stored = natural_dtype(store)
    if device.type == "cpu" and dtype in (None, stored) and store.dtype != np.int8:
        array = store._vectors_cow_padded() if behind else store._vectors_cow()
        if array is not None:
            part = torch.from_numpy(array[start:stop])
            return part.view(torch.bfloat16) if stored == torch.bfloat16 else part
    ids = np.arange(start, max(start, stop - behind), dtype=np.int64)
    return rows_on(store, ids, device, dtype, spare=behind)


def _columns(
    store: Store, rows: int, start: int, stop: int, device: torch.device, dtype: torch.dtype | None
) -> torch.Tensor:
    """Copy some columns of all rows, in pieces of the rows."""
    part = torch.zeros(rows, stop - start, dtype=dtype or natural_dtype(store), device=device)
    step = max(1, (16 << 20) // (4 * store.dim))
    for first in range(0, len(store), step):
        ids = np.arange(first, min(first + step, len(store)), dtype=np.int64)
        part[first : first + len(ids)] = rows_on(store, ids, "cpu", part.dtype)[:, start:stop]
    return part
