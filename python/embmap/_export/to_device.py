"""The way of rows to a device: pieces of them are gathered into a ring of host buffers and copied on from there.

Rows are read from the map that answers look-ups, which is read-only. A map that is handed out is copy-on-write, and the
slowest source a device can have: where a driver asks for its pages as if to write them, each becomes memory of this process.

What travels has the store's type or the wanted one, whichever is smaller; the rest of the conversion is done at the other
end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from .._core.store import CoreStore

# Bytes of a buffer, and how many there are: one is filled, one travels, and two are between.
SLOT_BYTES = 16 << 20
SLOTS = 4

_STORED = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "int8": torch.int8}
# What rows of any store can be gathered as.
_GATHERED = (torch.float32, torch.float16, torch.bfloat16)


class Link(Protocol):
    """What a ring needs of a device."""

    asynchronous: bool
    """Whether a copy may go on after it was begun."""

    def buffer(self, nbytes: int) -> torch.Tensor:
        """Make a buffer of bytes on the host, from which copies are fast."""

    def begin(self) -> None:
        """Have the copies to come wait for what the caller has asked of the device so far."""

    def copy(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do or begin `work`, a copy from a buffer; returns what waits until that buffer may be filled again."""

    def end(self) -> None:
        """Have what the caller asks of the device from now on wait for the copies."""


class _Waiting:
    """A device whose copies end before they return."""

    asynchronous = False

    def buffer(self, nbytes: int) -> torch.Tensor:
        return torch.empty(nbytes, dtype=torch.uint8, device="cpu")

    def begin(self) -> None:
        pass

    def copy(self, work: Callable[[], None]) -> Callable[[], None]:
        work()
        return lambda: None

    def end(self) -> None:
        pass


class _Cuda:
    """A CUDA device: pinned buffers, and a stream of its own, so that the host fills one buffer while another travels.

    The caller's stream waits for the copies, and they for what it was asked before: beside its own work they run only where
    the caller prefetches on another stream.
    """

    asynchronous = True

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def buffer(self, nbytes: int) -> torch.Tensor:
        return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=True)

    def begin(self) -> None:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))

    def copy(self, work: Callable[[], None]) -> Callable[[], None]:
        with torch.cuda.stream(self._stream):
            work()
            event: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self._stream)
        return event.synchronize

    def end(self) -> None:
        torch.cuda.current_stream(self._device).wait_stream(self._stream)


class Ring:
    """Buffers on the host that are filled and copied to one device in turn."""

    def __init__(self, link: Link, *, slots: int = SLOTS, slot_bytes: int = SLOT_BYTES) -> None:
        self._link = link
        self._slot_bytes = slot_bytes
        self._buffers: list[torch.Tensor | None] = [None] * slots
        self._free: list[Callable[[], None]] = [lambda: None] * slots
        self._next = 0
        self._lock = threading.Lock()

    def send(
        self,
        target: torch.Tensor,
        dtype: torch.dtype,
        fill: Callable[[int, torch.Tensor], None],
        arrived: Callable[[int, torch.Tensor], torch.Tensor] = lambda start, rows: rows,
    ) -> None:
        """Fill `target`, a matrix on the device.

        `fill(start, rows)` writes the rows from `start` on to a buffer of `dtype`; `arrived(start, rows)` makes of them, on
        the device, what goes into `target`.
        """
        with self._lock:
            self._link.begin()
            try:
                self._pieces(target, dtype, fill, arrived)
            finally:
                # After an error too: what travels still writes to the target, which the caller lets go of.
                self._link.end()

    def _pieces(
        self,
        target: torch.Tensor,
        dtype: torch.dtype,
        fill: Callable[[int, torch.Tensor], None],
        arrived: Callable[[int, torch.Tensor], torch.Tensor],
    ) -> None:
        width = target.shape[1] * dtype.itemsize
        step = max(1, self._slot_bytes // width)
        for start in range(0, len(target), step):
            part = target[start : start + step]
            slot, self._next = self._next, (self._next + 1) % len(self._buffers)
            self._free[slot]()
            buffer = self._buffers[slot]
            if buffer is None or len(buffer) < part.shape[0] * width:
                # To a power of two: batches differ by little, and pinned memory takes long to make.
                room = 1 << (part.shape[0] * width - 1).bit_length()
                buffer = self._buffers[slot] = self._link.buffer(room)
            rows = buffer[: part.shape[0] * width].view(dtype).reshape(part.shape)
            fill(start, rows)

            def work(start: int = start, part: torch.Tensor = part, rows: torch.Tensor = rows) -> None:
                if dtype == part.dtype:
                    part.copy_(rows, non_blocking=self._link.asynchronous)
                else:
                    part.copy_(arrived(start, rows.to(part.device, non_blocking=self._link.asynchronous)))

            self._free[slot] = self._link.copy(work)


_rings: dict[torch.device, Ring] = {}
_making = threading.Lock()


def ring_of(device: torch.device) -> Ring:
    """Give the one ring of a device in this process."""
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    with _making:
        if device not in _rings:
            _rings[device] = Ring(_Cuda(device)) if device.type == "cuda" else Ring(_Waiting(), slots=1)
        return _rings[device]


def _after_fork() -> None:
    # A ring may have been in use by a thread that the child does not have.
    global _making
    _rings.clear()
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def natural_dtype(store: CoreStore) -> torch.dtype:
    """Give the type of a store's numbers, of int8 the float32 that they mean."""
    return torch.float32 if store._dtype_name == "int8" else _STORED[store._dtype_name]


def rows_on(
    store: CoreStore,
    ids: NDArray[np.int64] | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
    *,
    spare: int = 0,
) -> torch.Tensor:
    """Copy rows to a device: those of `ids`, -1 for zeros, or all; and so many rows of zeros behind them.

    Raises
    ------
    IndexError
        An id is less than -1 or there is no such row.
    """
    device, dtype = torch.device(device or "cpu"), dtype or natural_dtype(store)
    count = len(store) if ids is None else len(ids)
    whole = torch.empty(count + spare, store.dim, dtype=dtype, device=device)
    if device.type == "meta":
        return whole
    whole[count:] = 0
    target = whole[:count]

    def wanted(start: int, stop: int) -> NDArray[np.int64]:
        return np.arange(start, stop, dtype=np.int64) if ids is None else ids[start:stop]

    def fill(start: int, rows: torch.Tensor) -> None:
        store._gather(wanted(start, start + len(rows)), _as_array(rows))

    if _in_place(device, dtype):
        fill(0, target)
        return whole
    stored = _STORED[store._dtype_name]
    narrow = stored.itemsize <= dtype.itemsize and dtype != torch.int8
    travelling = stored if narrow else (dtype if dtype in _GATHERED else torch.float32)

    def arrived(start: int, rows: torch.Tensor) -> torch.Tensor:
        if travelling != torch.int8:
            return rows
        scales = store._scales(wanted(start, start + len(rows)))
        return rows.to(torch.float32) * torch.from_numpy(scales).to(rows.device)[:, None]

    ring_of(device).send(target, travelling, fill, arrived)
    return whole


def _in_place(device: torch.device, dtype: torch.dtype) -> bool:
    """Tell whether rows can be gathered where they go."""
    return device.type == "cpu" and dtype in _GATHERED


def array_on(array: NDArray[np.float32], device: torch.device | str | None, dtype: torch.dtype | None) -> torch.Tensor:
    """Give a matrix as a tensor; without a copy where it stays on the host as it is."""
    device, matrix = torch.device(device or "cpu"), torch.from_numpy(array)
    if device.type != "cuda":
        return matrix.to(device=device, dtype=dtype)
    moved = torch.empty(matrix.shape, dtype=dtype or matrix.dtype, device=device)
    # Narrower numbers are made on the host, wider ones on the device.
    travelling = moved.dtype if moved.dtype.itemsize <= matrix.dtype.itemsize else matrix.dtype
    ring_of(device).send(moved, travelling, lambda start, rows: _copy(matrix[start : start + len(rows)], rows))
    return moved


def _copy(source: torch.Tensor, target: torch.Tensor) -> None:
    target.copy_(source)


def _as_array(rows: torch.Tensor) -> NDArray[np.generic]:
    """Give a tensor's memory as the array that `_gather` takes; bfloat16, which NumPy has not, as the bits it is."""
    return rows.view(torch.int16).numpy().view(np.uint16) if rows.dtype == torch.bfloat16 else rows.numpy()
