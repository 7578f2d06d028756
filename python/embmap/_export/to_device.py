"""The way of rows to a device.

A matrix that lies on the host in one piece is pinned where it is, a piece at a time, and copied on from there. Rows that are
asked for by id are gathered into a ring of host buffers. So is what becomes narrower on the way, as the narrower type
travels, and a whole table where the driver pins no mapped file.

Rows are read from the map that answers look-ups, which is read-only. A map that is handed out is copy-on-write, and the
slowest source a device can have: where a driver asks for its pages as if to write them, each becomes memory of this process.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from .._core.store import CoreStore
from . import in_place

# Bytes that are pinned at a time: the next are pinned while these travel.
PINNED_BYTES = 32 << 20
# A matrix of fewer bytes is copied to a buffer sooner than it is pinned.
WORTH_PINNING = 4 << 20
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
        ...

    def pin(self, memory: torch.Tensor, *, read_only: bool) -> Callable[[], None] | None:
        """Have the device read memory of the host where it is; returns what ends that, or None where it does not."""

    def matrix(self, rows: int, columns: int, dtype: torch.dtype) -> torch.Tensor:
        """Make a matrix on the device, which copies may fill whatever the device is doing for the caller."""
        ...

    def copy(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do or begin `work`, a copy from a buffer; returns what waits until that buffer may be filled again."""
        ...

    def end(self, matrix: torch.Tensor) -> None:
        """Have what the caller asks of the device from now on wait for the copies into `matrix`."""


class _Waiting:
    """A device whose copies end before they return."""

    asynchronous = False

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def buffer(self, nbytes: int) -> torch.Tensor:
        return torch.empty(nbytes, dtype=torch.uint8, device="cpu")

    def pin(self, memory: torch.Tensor, *, read_only: bool) -> None:
        return None

    def matrix(self, rows: int, columns: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.empty(rows, columns, dtype=dtype, device=self._device)

    def copy(self, work: Callable[[], None]) -> Callable[[], None]:
        work()
        return lambda: None

    def end(self, matrix: torch.Tensor) -> None:
        pass


class _Cuda:
    """A CUDA device: pinned buffers, and a stream of its own, so that the host fills one buffer while another travels.

    What is copied to belongs to that stream, and so need not wait for the caller's, where memory that was let go of may
    still be in use: rows travel beside the work that the caller has asked for before.
    """

    asynchronous = True

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def buffer(self, nbytes: int) -> torch.Tensor:
        return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=True)

    def pin(self, memory: torch.Tensor, *, read_only: bool) -> Callable[[], None] | None:
        return in_place.pin(memory.data_ptr(), memory.nbytes, self._device, read_only=read_only)

    def matrix(self, rows: int, columns: int, dtype: torch.dtype) -> torch.Tensor:
        with torch.cuda.stream(self._stream):
            return torch.empty(rows, columns, dtype=dtype, device=self._device)

    def copy(self, work: Callable[[], None]) -> Callable[[], None]:
        with torch.cuda.stream(self._stream):
            work()
            event: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self._stream)
        return event.synchronize

    def end(self, matrix: torch.Tensor) -> None:
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        matrix.record_stream(current)


# Makes rows that have arrived, from the one counted, what goes into the matrix.
Arrived = Callable[[int, torch.Tensor], torch.Tensor]


class Ring:
    """Buffers on the host that are filled and copied to one device in turn, and the way without them."""

    def __init__(self, link: Link, *, slots: int = SLOTS, slot_bytes: int = SLOT_BYTES) -> None:
        self._link = link
        self._slot_bytes = slot_bytes
        self._buffers: list[torch.Tensor | None] = [None] * slots
        self._free: list[Callable[[], None]] = [lambda: None] * slots
        self._next = 0
        self._lock = threading.Lock()

    def send(
        self,
        rows: int,
        columns: int,
        dtype: torch.dtype,
        travelling: torch.dtype,
        fill: Callable[[int, torch.Tensor], None],
        arrived: Arrived | None = None,
        *,
        spare: int = 0,
    ) -> torch.Tensor:
        """Make a matrix on the device, and so many rows of zeros behind it.

        `fill(start, rows)` writes the rows from `start` on to a buffer of the type that is `travelling`.
        """
        with self._lock:
            whole = self._link.matrix(rows + spare, columns, dtype)
            try:
                self._pieces(whole[:rows], travelling, fill, arrived)
            finally:
                # After an error too: what travels still writes to the matrix, which the caller lets go of.
                self._link.end(whole)
        whole[rows:] = 0
        return whole

    def _pieces(
        self,
        target: torch.Tensor,
        dtype: torch.dtype,
        fill: Callable[[int, torch.Tensor], None],
        arrived: Arrived | None,
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
            self._free[slot] = self._copy(start, rows, part, arrived)

    def _copy(self, start: int, rows: torch.Tensor, part: torch.Tensor, arrived: Arrived | None) -> Callable[[], None]:
        late = self._link.asynchronous

        def work() -> None:
            if rows.dtype == part.dtype and arrived is None:
                part.copy_(rows, non_blocking=late)
            else:
                there = rows.to(part.device, non_blocking=late)
                part.copy_(there if arrived is None else arrived(start, there))

        return self._link.copy(work)

    def send_in_place(
        self,
        source: torch.Tensor,
        dtype: torch.dtype,
        arrived: Arrived | None = None,
        *,
        read_only: bool,
        spare: int = 0,
    ) -> torch.Tensor | None:
        """Make the same of a matrix that lies on the host in one piece, without a buffer; None where it cannot be pinned."""
        width = source.shape[1] * source.itemsize
        step = len(source)
        if source.data_ptr() % mmap.PAGESIZE == 0:
            # Whole pages, so that two pieces never meet in one.
            least = mmap.PAGESIZE // math.gcd(mmap.PAGESIZE, width)
            step = max(1, PINNED_BYTES // (least * width)) * least
        with self._lock, in_place.pinning, ExitStack() as pins:
            unpin = self._link.pin(source[:step], read_only=read_only)
            if unpin is None:
                return None
            whole = self._link.matrix(len(source) + spare, source.shape[1], dtype)

            def wait() -> None:
                pass

            try:
                for start in range(0, len(source), step):
                    piece = source[start : start + step]
                    if start:
                        unpin = self._link.pin(piece, read_only=read_only)
                    # What cannot be pinned is copied all the same, as memory that is not.
                    if unpin is not None:
                        pins.callback(unpin)
                    wait = self._copy(start, piece, whole[start : start + len(piece)], arrived)
            finally:
                self._link.end(whole)
                wait()
        whole[len(source) :] = 0
        return whole


_rings: dict[torch.device, Ring] = {}
_making = threading.Lock()


def ring_of(device: torch.device) -> Ring:
    """Give the one ring of a device in this process."""
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    with _making:
        if device not in _rings:
            _rings[device] = Ring(_Cuda(device)) if device.type == "cuda" else Ring(_Waiting(device), slots=1)
        return _rings[device]


def _after_fork() -> None:
    # A ring may have been in use by a thread that the child does not have.
    global _making
    _rings.clear()
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def stored_dtype(store: CoreStore) -> torch.dtype:
    """Give the type of a store's numbers in its file."""
    return _STORED[store._dtype_name]


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
    if device.type == "meta":
        return torch.empty(count + spare, store.dim, dtype=dtype, device=device)

    def wanted(start: int, stop: int) -> NDArray[np.int64]:
        return np.arange(start, stop, dtype=np.int64) if ids is None else ids[start:stop]

    def fill(start: int, rows: torch.Tensor) -> None:
        store._gather(wanted(start, start + len(rows)), _as_array(rows))

    if _stays(device, dtype):
        whole = torch.empty(count + spare, store.dim, dtype=dtype, device=device)
        fill(0, whole[:count])
        whole[count:] = 0
        return whole
    stored = stored_dtype(store)

    def scaled(start: int, rows: torch.Tensor) -> torch.Tensor:
        scales = store._scales(wanted(start, start + len(rows)))
        return rows.to(torch.float32) * torch.from_numpy(scales).to(rows.device)[:, None]

    # The narrower type travels, but int8, whose numbers mean nothing without their scales, only to become wider.
    as_stored = stored.itemsize <= dtype.itemsize and dtype != torch.int8
    travelling = stored if as_stored else (dtype if dtype in _GATHERED else torch.float32)
    arrived = scaled if travelling == torch.int8 else None
    ring = ring_of(device)
    matrix = store._vectors_in_place() if ids is None and as_stored else None
    if matrix is not None and matrix.nbytes >= WORTH_PINNING:
        there = ring.send_in_place(_memory_of(matrix, stored), dtype, arrived, read_only=True, spare=spare)
        if there is not None:
            return there
    return ring.send(count, store.dim, dtype, travelling, fill, arrived, spare=spare)


def _stays(device: torch.device, dtype: torch.dtype) -> bool:
    """Tell whether rows can be gathered where they go."""
    return device.type == "cpu" and dtype in _GATHERED


def array_on(array: NDArray[np.float32], device: torch.device | str | None, dtype: torch.dtype | None) -> torch.Tensor:
    """Give a matrix as a tensor; without a copy where it stays on the host as it is."""
    device, matrix = torch.device(device or "cpu"), torch.from_numpy(array)
    if device.type != "cuda":
        return matrix.to(device=device, dtype=dtype)
    wanted = dtype or matrix.dtype
    # Narrower numbers are made on the host, wider ones on the device.
    travelling = min(wanted, matrix.dtype, key=lambda kind: kind.itemsize)
    ring = ring_of(device)
    own = array.flags.owndata and array.flags.writeable
    if own and array.nbytes >= WORTH_PINNING and travelling == matrix.dtype:
        there = ring.send_in_place(matrix, wanted, read_only=False)
        if there is not None:
            return there
    rows, columns = matrix.shape

    def fill(start: int, piece: torch.Tensor) -> None:
        piece.copy_(matrix[start : start + len(piece)])

    return ring.send(rows, columns, wanted, travelling, fill)


def _memory_of(matrix: NDArray[np.generic], dtype: torch.dtype) -> torch.Tensor:
    """Give the memory of an array as a tensor, without PyTorch's warning that it must not be written; it keeps no array."""
    memory = (ctypes.c_uint8 * matrix.nbytes).from_address(matrix.ctypes.data)
    return torch.frombuffer(memory, dtype=dtype).view(matrix.shape)


def _as_array(rows: torch.Tensor) -> NDArray[np.generic]:
    """Give a tensor's memory as the array that `_gather` takes; bfloat16, which NumPy has not, as the bits it is."""
    return rows.view(torch.int16).numpy().view(np.uint16) if rows.dtype == torch.bfloat16 else rows.numpy()
