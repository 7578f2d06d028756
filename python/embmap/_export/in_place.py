"""Memory of the host that a CUDA device reads where it lies: its pages are pinned, and no buffer is filled.

The calls are the driver's own: those of the runtime leave an error behind, which the next call of PyTorch's would raise.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import threading
import weakref
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

# CU_MEMHOSTREGISTER_PORTABLE, _DEVICEMAP and _READ_ONLY: for all devices, at the same address there, and never written.
_PORTABLE, _MAPPED, _READ_ONLY = 1, 2, 8
# What a device calls the bits of a type: PyTorch computes with all of these, and with no unsigned ones.
_SHOWN_AS = {"float32": "<f4", "float16": "<f2", "uint16": "<i2", "int8": "|i1"}
_ALREADY_PINNED = 712

pinning = threading.Lock()
"""Held while the pieces of a matrix are pinned and travel: a page is pinned once, in whatever piece."""

# What is shown to a device now, by its address there and here.
_tables: weakref.WeakValueDictionary[tuple[int, torch.device], torch.Tensor] = weakref.WeakValueDictionary()


def _after_fork() -> None:
    # It may have been held by a thread that the child does not have.
    global pinning
    pinning = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _driver() -> ctypes.CDLL | None:
    # Elsewhere than on Linux no driver takes a mapped file.
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    driver.cuMemHostRegister_v2.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint]
    driver.cuMemHostUnregister.argtypes = [ctypes.c_void_p]
    return driver


def _leave() -> None:
    pass


def pin(address: int, nbytes: int, device: torch.device, *, read_only: bool) -> Callable[[], None] | None:
    """Pin memory where it is; returns what ends that, nothing where it is pinned already, or None where the driver does not.

    Memory that is `read_only` must be a shared mapping of a file, of which nothing else can become memory of this process:
    given a private one, the driver copies every page, or does not return.
    """
    driver = _driver()
    if driver is None or device.type != "cuda":
        return None
    # Whole pages: two pieces of one map that meet in a page cannot be pinned both.
    start = address & -mmap.PAGESIZE
    stop = (address + nbytes + mmap.PAGESIZE - 1) & -mmap.PAGESIZE
    flags = _PORTABLE | _MAPPED | (_READ_ONLY if read_only else 0)
    with torch.cuda.device(device):
        failed = driver.cuMemHostRegister_v2(start, stop - start, flags)
    if failed:
        return _leave if failed == _ALREADY_PINNED else None

    def unpin() -> None:
        with torch.cuda.device(device):
            driver.cuMemHostUnregister(start)

    return unpin


class _Interface:
    """What PyTorch makes a tensor of; the tensor keeps it, and it keeps the memory pinned."""

    def __init__(self, matrix: NDArray[np.generic]) -> None:
        self.__cuda_array_interface__ = {
            "shape": matrix.shape,
            "typestr": _SHOWN_AS[matrix.dtype.name],
            # PyTorch has no tensors that cannot be written; the device refuses to.
            "data": (matrix.ctypes.data, False),
            "version": 3,
        }


def shown_on(device: torch.device, matrix: NDArray[np.generic], dtype: torch.dtype) -> torch.Tensor | None:
    """Show a device, which has its number, a matrix of `dtype` that lies in a read-only map; None where it reads no such.

    The tensor is on the device for whatever uses it, and its rows travel when they are read. It must not be written.
    """
    address = matrix.ctypes.data
    with pinning:
        table = _tables.get((address, device))
        if table is not None:
            return table
        unpin = pin(address, matrix.nbytes, device, read_only=True)
        if unpin is None or unpin is _leave:
            return None
        interface = _Interface(matrix)

        def end(matrix: NDArray[np.generic]) -> None:
            # What was begun may still read it.
            torch.cuda.synchronize(device)
            unpin()

        # The matrix is an argument so that its map outlives the pins. When the process ends, the driver lets go of all.
        weakref.finalize(interface, end, matrix).atexit = False
        with torch.cuda.device(device):
            table = torch.as_tensor(interface, device=device).view(dtype)
        if table.data_ptr() != address:
            return None
        _tables[address, device] = table
        return table
