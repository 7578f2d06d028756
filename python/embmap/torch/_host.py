"""A layer whose table stays in the file: only the rows that are asked for travel."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from operator import index as as_int
from typing import Any, cast
from weakref import WeakValueDictionary

import numpy as np
import torch

from .._core.store import check_open
from .._embmap import distinct
from .._export.in_place import shown_on
from .._export.tensors import check_floating, tensor
from .._export.to_device import natural_dtype, rows_on, stored_dtype
from .._open import kept_open
from .._store import Store
from ._layers import padding_row

# Ids from which it is worth telling which are the same, where rows travel.
_WORTH_UNIQUE = 1024


class HostEmbedding(torch.nn.Module):
    """An embedding whose table stays in the file, mapped on the host; only the rows that are asked for travel.

    For tables that are larger than the device's memory, or than they are worth there: each call looks its rows up on the
    host and copies them to the device, each row once, on a CUDA device through pinned memory and on a stream of its own,
    beside what the device is doing. Ids that lie on a CUDA device must come to the host first, which waits for them: keep
    them on the CPU where you can, or pass `zero_copy`.

    The layer has no parameters and its `state_dict` is empty, unless it learns. Pickled, as `torch.save` of a whole model
    does, it refers to the store's path, and a changed file is an error when it is read back. `Module.to` moves where the
    rows go and which floating-point type they have.

    `torch.compile`, `torch.export` and `torch.jit.trace` meet one operator, ``embmap::host_rows``, which they leave as it
    is: a program that was exported opens the store by its path, after ``import embmap.torch``. ONNX has no such operator;
    export a model with `embmap.torch.embedding` there.

    Parameters
    ----------
    store : Store
    device : torch.device or str, optional
        Where the rows go; the CPU by default.
    padding_idx : int, optional
        Rows of this id are zeros. As in `embedding` of the whole table: ``len(store)``, one more row than the store has, or
        the row of a padding token; a ValueError for the row of any other word.
    dtype : torch.dtype, optional
        Floating-point type of the rows. By default the store's, which for int8 is float32.
    hot : int
        So many of the first rows are kept on the device: published files are sorted by frequency, and a few thousand words
        are most of any text.
    zero_copy : bool
        Where the rows go to a CUDA device, it reads them from the mapped file itself, over its bus: the host does nothing,
        ids may lie on the device, and the whole table stays in the host's memory as long as the layer is there. A
        RuntimeError where the driver does not map files for the device, and for a store in several files; on other devices
        it changes nothing. Ids on the device are checked there, as those of `nn.Embedding` are.
    learn : bool
        Fine-tune: `weight` is a parameter over the whole table, on the host, whose gradients are sparse. Rows that an
        optimizer writes become this process's own pages, the others stay the file's; of a store of int8 all are a copy.
        `state_dict` holds the rows that were asked for in training, ``learned_ids`` and ``learned_rows``, and no others.
        Take an optimizer that knows sparse gradients and writes no other rows: `torch.optim.SGD` without momentum,
        `SparseAdam`, `Adagrad`.

    Examples
    --------
    >>> layer = embmap.torch.HostEmbedding(store, padding_idx=len(store))
    >>> layer
    HostEmbedding(7, 4, padding_idx=6)
    >>> ids = store.indices_padded([["king", "queen"], ["unheard-of"]], padding=len(store), missing=len(store))
    >>> layer(torch.from_numpy(ids)).any(-1)
    tensor([[ True,  True],
            [False, False]])
    """

    _hot: torch.Tensor
    weight: torch.nn.Parameter | None

    def __init__(
        self,
        store: Store,
        *,
        device: torch.device | str | None = None,
        padding_idx: int | None = None,
        dtype: torch.dtype | None = None,
        hot: int = 0,
        zero_copy: bool = False,
        learn: bool = False,
    ) -> None:
        super().__init__()
        check_open(store)
        padding_idx, hot = padding_row(store, padding_idx), as_int(hot)
        check_floating(dtype)
        dtype = dtype or natural_dtype(store)
        if hot < 0:
            raise ValueError("hot must not be negative")
        if learn and (hot or zero_copy):
            raise ValueError("a layer that learns keeps no rows on the device, and shows it none: they may change")
        self.store = store
        self.num_embeddings, self.embedding_dim = len(store) + (padding_idx == len(store)), store.dim
        self.padding_idx = padding_idx
        self.hot = min(hot, len(store))
        self.zero_copy = zero_copy
        # Module.to, half, cuda and their kin find this, and so say where the rows go and what they become.
        self.register_buffer("_hot", torch.empty(0, store.dim, device=device, dtype=dtype), persistent=False)
        self._settle()
        self.weight = None
        self._begin()
        if learn:
            # The row behind the words is never read: its ids are masked.
            self.weight = torch.nn.Parameter(tensor(store))
            self._asked = torch.zeros(len(store), dtype=torch.bool, device="cpu")

    def _begin(self) -> None:
        # What only this process has: the batch that is fetched ahead, and the operator's way to the store.
        self._key = f"{self.store.identity.hex()} {self.store.path}"
        self._ahead: tuple[int, torch.Tensor, torch.Tensor, Future[_Fetched]] | None = None
        self._thread: tuple[int, ThreadPoolExecutor] | None = None
        self._side: torch.cuda.Stream | None = None
        _layers[self._key] = self

    def _settle(self) -> None:
        """Bring to the device what is there between calls."""
        ids = np.arange(self.hot, dtype=np.int64)
        device = self._hot.device
        self._hot = rows_on(self.store, ids, device, self._hot.dtype)
        self._shown = _Shown.of(self.store, device) if self.zero_copy and device.type == "cuda" else None
        if device.type == "cuda":
            # They are read on more streams than this one, without a word to it.
            torch.cuda.current_stream(device).synchronize()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        r"""Copy the rows of `ids`.

        Parameters
        ----------
        ids : Tensor of int, any shape, on any device

        Returns
        -------
        Tensor, shape (\*ids.shape, dim)
            On the layer's device, of its type; it needs no gradient, unless the layer learns.

        Raises
        ------
        IndexError
            There is no such row.

        Examples
        --------
        >>> layer = embmap.torch.HostEmbedding(store)
        >>> layer(torch.tensor([[1, 0]]))
        tensor([[[0.9000, 0.1000, 0.8000, 0.0000],
                 [0.9000, 0.8000, 0.1000, 0.0000]]])
        """
        if not isinstance(ids, torch.Tensor):
            raise TypeError(f"ids must be a tensor, not {type(ids).__name__}")
        if ids.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
            raise TypeError(f"ids must be of an integer type, not {ids.dtype}")
        if self.weight is not None:
            return self._learning(self.weight, ids)
        if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
            rows: torch.Tensor = torch.ops.embmap.host_rows(ids, self._hot, self._key, self.padding_idx)
            return rows
        # The first call of an operator of Python's takes PyTorch a second.
        if self._shown is not None:
            return self._shown.rows(self.store, ids, self._hot, self.padding_idx)
        flat = _checked(ids, len(self.store), self.padding_idx)
        found = self._fetched(flat)
        if found is None:
            found = _copied(self.store, flat, self._hot)
        return found.reshape(*ids.shape, self.embedding_dim)

    def _fetched(self, flat: torch.Tensor) -> torch.Tensor | None:
        """Give the rows that `prefetch` has copied, if they are those of these ids."""
        ahead, self._ahead = self._ahead, None
        # A fork has the batch and not the thread.
        if ahead is None or ahead[0] != os.getpid() or ahead[2] is not self._hot or not torch.equal(ahead[1], flat):
            return None
        rows, arrived = ahead[3].result()
        if arrived is not None:
            current = torch.cuda.current_stream(rows.device)
            current.wait_event(arrived)
            rows.record_stream(current)
        return rows

    def _learning(self, weight: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        flat = _checked(ids, len(self.store), self.padding_idx)
        # Padding has no row, and so no gradient, which an optimizer with momentum would take for one of zeros.
        places = (flat >= 0).nonzero()[:, 0]
        known = flat[places]
        if torch.is_grad_enabled():
            self._asked[known] = True
        rows = torch.nn.functional.embedding(known, weight, sparse=True)
        if len(known) < len(flat):
            rows = rows.new_zeros(len(flat), self.embedding_dim).index_copy(0, places, rows)
        return rows.to(self._hot.device, self._hot.dtype).reshape(*ids.shape, self.embedding_dim)

    def prefetch(self, ids: torch.Tensor) -> None:
        """Begin to copy the rows of the next batch, in a thread of its own; the next call with these ids has them.

        A layer with `zero_copy` on a CUDA device has nothing to do ahead, and does nothing.

        Parameters
        ----------
        ids : Tensor of int, any shape
            On the CPU. What is not asked for next is dropped.

        Raises
        ------
        ValueError
            The layer learns: its rows may change before they are asked for.

        Examples
        --------
        >>> layer, ids = embmap.torch.HostEmbedding(store), torch.tensor([0, 1])
        >>> layer.prefetch(ids)
        >>> layer(ids)
        tensor([[0.9000, 0.8000, 0.1000, 0.0000],
                [0.9000, 0.1000, 0.8000, 0.0000]])
        """
        if self.weight is not None:
            raise ValueError("the rows of a layer that learns cannot be fetched ahead: they may change")
        if self._shown is not None:
            return
        # A copy: the caller may fill the same tensor with the ids of another batch.
        flat, process = _checked(ids, len(self.store), self.padding_idx).clone(), os.getpid()
        if self._thread is None or self._thread[0] != process:
            self._thread = (process, ThreadPoolExecutor(1, "embmap-prefetch"))
        if self._hot.is_cuda and (self._side is None or self._side.device != self._hot.device):
            self._side = torch.cuda.Stream(self._hot.device)  # type: ignore[no-untyped-call]
        side = self._side if self._hot.is_cuda else None
        self._ahead = (process, flat, self._hot, self._thread[1].submit(_fetch, self.store, flat, self._hot, side))

    def _apply(self, fn: Any, recurse: bool = True) -> HostEmbedding:
        # The table stays on the host, of the store's type, whatever becomes of the model. Rows on the device are copied from
        # the store again: they are in no checkpoint, and may have been rounded before.
        weight, before = self._parameters.pop("weight", None), self._buffers.pop("_hot")
        assert before is not None
        try:
            super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
            none = torch.empty(
                0, self.embedding_dim, dtype=before.dtype, device="cpu" if before.is_meta else before.device
            )
            after = fn(none)
        finally:
            self._buffers["_hot"] = before
            if weight is not None:
                self._parameters["weight"] = weight
        if (after.device, after.dtype) != (before.device, before.dtype) or before.is_meta:
            self._buffers["_hot"] = after
            self._settle()
        return self

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.weight is not None:
            destination.pop(prefix + "weight")
            ids = self._asked.nonzero()[:, 0]
            destination[prefix + "learned_ids"] = ids
            destination[prefix + "learned_rows"] = self.weight.detach()[ids]

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        if self.weight is None:
            super()._load_from_state_dict(
                state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
            )
            return
        names = [prefix + "learned_ids", prefix + "learned_rows"]
        if absent := [name for name in names if name not in state_dict]:
            missing_keys.extend(absent if strict else [])
            return
        ids, rows = (state_dict[name].cpu() for name in names)
        known = not len(ids) or 0 <= int(ids.min()) <= int(ids.max()) < len(self.store)
        if rows.shape != (len(ids), self.embedding_dim) or not known:
            error_msgs.append(
                f"{prefix}learned_rows, {list(rows.shape)}, are no rows of a table of {list(self.weight.shape)}"
            )
            return
        with torch.no_grad():
            old = self._asked.nonzero()[:, 0]
            self.weight[old] = rows_on(self.store, old.numpy(), None, self.weight.dtype)
            self.weight[ids] = rows.to(self.weight.dtype)
        self._asked.zero_()
        self._asked[ids] = True

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__ | {"_buffers": self._buffers | {"_hot": self._hot[:0].clone()}}
        for name in ("_key", "_ahead", "_thread", "_side", "_shown"):
            del state[name]
        if self.weight is not None:
            ids = self._asked.nonzero()[:, 0]
            state["_parameters"] = {name: value for name, value in self._parameters.items() if name != "weight"}
            state["_asked"] = (ids, self.weight.detach()[ids], self.weight.requires_grad)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._begin()
        self._settle()
        if learned := self.__dict__.get("_asked"):
            ids, rows, requires_grad = learned
            self.weight = torch.nn.Parameter(tensor(self.store), requires_grad=requires_grad)
            self._asked = torch.zeros(len(self.store), dtype=torch.bool, device="cpu")
            self._asked[ids] = True
            with torch.no_grad():
                self.weight[ids] = rows

    def extra_repr(self) -> str:
        """Say what `repr` shows."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        hot = f", hot={self.hot}" if self.hot else ""
        ways = ", zero_copy=True" * self.zero_copy + ", learn=True" * (self.weight is not None)
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{hot}{ways}"


def _checked(ids: torch.Tensor, rows: int, padding_idx: int | None) -> torch.Tensor:
    """Give ids on the host, in a row, -1 for the padding; IndexError where one is none."""
    flat = ids.detach().reshape(-1).to("cpu", torch.int64).contiguous()
    if len(flat) and int(flat.min()) < 0:
        raise IndexError(f"id {int(flat.min())} is not a row: there are {rows}")
    if padding_idx is not None:
        flat = flat.masked_fill(flat == padding_idx, -1)
    if len(flat) and int(flat.max()) >= rows:
        raise IndexError(f"id {int(flat.max())} is not a row: there are {rows}")
    return flat


# Rows on a device, and when they are there, where the caller must wait for it.
_Fetched = tuple[torch.Tensor, "torch.cuda.Event | None"]


def _fetch(store: Store, flat: torch.Tensor, hot: torch.Tensor, side: torch.cuda.Stream | None) -> _Fetched:
    """Copy rows beside what the caller's streams do."""
    if side is None:
        return _copied(store, flat, hot), None
    hot.record_stream(side)
    with torch.cuda.stream(side):
        return _copied(store, flat, hot), cast("torch.cuda.Event", side.record_event())


def _copied(store: Store, flat: torch.Tensor, hot: torch.Tensor) -> torch.Tensor:
    """Give the rows of ids that are checked, where `hot`, the first rows, lies, and of its type."""
    if hot.device.type in ("cpu", "meta") or (not len(hot) and len(flat) < _WORTH_UNIQUE):
        return rows_on(store, flat.numpy(), hot.device, hot.dtype)
    once, places = distinct(flat.numpy(), len(hot))
    cold = rows_on(store, once, hot.device, hot.dtype)
    return torch.nn.functional.embedding(_sent(torch.from_numpy(places), hot), torch.cat([hot, cold]))


def _sent(ids: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Send ids where `like` is, without waiting for what that device is doing."""
    return ids.pin_memory().to(like.device, non_blocking=True) if like.is_cuda else ids.to(like.device)


class _Shown:
    """A table in the host's memory that a device reads where it lies."""

    def __init__(self, table: torch.Tensor, scales: torch.Tensor | None) -> None:
        self._table = table
        self._scales = scales

    @classmethod
    def of(cls, store: Store, device: torch.device) -> _Shown:
        matrix = store._vectors_in_place()
        table = None if matrix is None else shown_on(device, matrix, stored_dtype(store))
        if table is None:
            what = "this driver shows a device no mapped file" if matrix is not None else "a store in several files"
            raise RuntimeError(f"{store.path}: {what}: leave zero_copy out, and rows are copied")
        scales = None
        if store.dtype == np.int8:
            scales = torch.from_numpy(store._scales(np.arange(len(store), dtype=np.int64))).to(device)
        return cls(table, scales)

    def rows(self, store: Store, ids: torch.Tensor, hot: torch.Tensor, padding_idx: int | None) -> torch.Tensor:
        """Give the rows of ids, which are checked here if they lie on the host, and else when the device reads them."""
        if store.closed:
            raise ValueError(f"{store.path}: the store is closed")
        on_host = ids.device.type == "cpu"
        known = (
            _sent(_checked(ids, len(store), padding_idx).reshape(ids.shape), hot) if on_host else ids.to(torch.int64)
        )
        padding = None
        if padding_idx is not None:
            padding = known.eq(-1 if on_host else padding_idx)
            known = known.masked_fill(padding, 0)
        if not len(hot):
            rows = self._decoded(known, hot.dtype)
        else:
            is_hot = known.lt(len(hot))
            # The same row again and again, which the device keeps.
            rows = self._decoded(known.masked_fill(is_hot, 0), hot.dtype)
            rows = torch.where(
                is_hot[..., None], torch.nn.functional.embedding(known.clamp(max=len(hot) - 1), hot), rows
            )
        return rows if padding is None else rows.masked_fill_(padding[..., None], 0)

    def _decoded(self, ids: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        rows = torch.nn.functional.embedding(ids, self._table)
        if self._scales is not None:
            rows = rows.to(torch.float32) * self._scales[ids][..., None]
        return rows.to(dtype)


# The layers of this process, whose stores the operator takes, by identity and path. Programs that were exported have none.
_layers: WeakValueDictionary[str, HostEmbedding] = WeakValueDictionary()


@torch.library.custom_op("embmap::host_rows", mutates_args=())
def _host_rows(ids: torch.Tensor, hot: torch.Tensor, store: str, padding_idx: int | None) -> torch.Tensor:
    layer = _layers.get(store)
    if layer is not None and not layer.store.closed:
        found, shown = layer.store, layer._shown
    else:
        identity, _, path = store.partition(" ")
        found, shown = kept_open(path, bytes.fromhex(identity)), None
    if shown is not None and layer is not None and layer._hot.device == hot.device:
        return shown.rows(found, ids, hot, padding_idx)
    return _copied(found, _checked(ids, len(found), padding_idx), hot).reshape(*ids.shape, found.dim)


@_host_rows.register_fake
def _(ids: torch.Tensor, hot: torch.Tensor, store: str, padding_idx: int | None) -> torch.Tensor:
    return hot.new_empty(*ids.shape, hot.shape[-1])
