"""A store as a checkpoint of `torch.distributed.checkpoint`: each rank reads the rows of its own part."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner
from torch.distributed.checkpoint.storage import StorageReader
from torch.futures import Future

from .._export.to_device import natural_dtype, rows_on
from .._store import Store

# Rows are read in pieces of so many bytes.
_PIECE_BYTES = 16 << 20


class StoreReader(StorageReader):
    """Load a store's table into a model that `torch.distributed` has spread: DTensor, FSDP2, tensor parallel.

    Each rank opens the store and reads the rows of its own part, and no others.

    Parameters
    ----------
    store : Store
        The same file on every rank.
    name : str
        The table's name in the model's `state_dict`.

    Examples
    --------
    In each process of a group whose `mesh` is known::

        state = {"words.weight": torch.distributed.tensor.zeros(
            len(store), store.dim, device_mesh=mesh, placements=[Shard(0)])}
        torch.distributed.checkpoint.load(state, storage_reader=embmap.torch.StoreReader(store, "words.weight"))
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Say that there is one tensor, in one piece."""
        size = torch.Size([len(self.store), self.store.dim])
        chunk = ChunkStorageMetadata(offsets=torch.Size([0, 0]), sizes=size)
        properties = TensorProperties(dtype=natural_dtype(self.store))
        return Metadata({self.name: TensorStorageMetadata(properties=properties, size=size, chunks=[chunk])})

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the store is open."""

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """Take the plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """Take the plans as they are."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Read what this rank's part of the plan asks for."""
        for item in plan.items:
            (first, left), (rows, columns) = item.storage_offsets, item.lengths
            target = planner.resolve_tensor(item).detach()
            step = max(1, _PIECE_BYTES // (4 * self.store.dim))
            for start in range(0, rows, step):
                ids = np.arange(first + start, first + min(start + step, rows), dtype=np.int64)
                piece = target[start : start + len(ids)]
                piece.copy_(rows_on(self.store, ids, piece.device, piece.dtype)[:, left : left + columns])
            planner.commit_tensor(item, target)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Do nothing: nothing is kept between two loads."""

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Tell that a store is not found by an id: it is given."""
        return False
