"""PyTorch's checkpoints: the tensors that lie in the archive, without PyTorch and without unpickling."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .matrices import Bfloat16, chosen_of, member_start
from .pickles import Named, Record, read_pickle
from .rows import Matrix, refusal

_STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2", "CharStorage": "|i1",
    "ByteStorage": "|u1", "IntStorage": "<i4", "LongStorage": "<i8", "ShortStorage": "<i2", "BoolStorage": "|u1",
}  # fmt: skip


class _Storage(NamedTuple):
    kind: str
    key: str
    length: int


class Tensor(NamedTuple):
    """A tensor that is described and not read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def rebuilt(cls, arguments: tuple[Any, ...]) -> Tensor:
        """Make what ``torch._utils._rebuild_tensor_v2`` would make of."""
        storage, offset, shape, strides = arguments[:4]
        numbers = [offset, *shape, *strides]
        if not isinstance(storage, _Storage) or not all(isinstance(number, int) and number >= 0 for number in numbers):
            raise ValueError("a tensor of nothing")
        return cls(storage, offset, tuple(shape), tuple(strides))


_CALLED = {
    "torch._utils._rebuild_tensor_v2": Tensor.rebuilt,
    "torch._utils._rebuild_parameter": lambda arguments: arguments[0],
}


def of_torch(path: Path, member: str | None) -> Matrix:
    """Map a tensor of a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        places = {info.filename: info for info in archive.infolist()}
        data = next(name for name in places if name.rpartition("/")[2] == "data.pkl")
        folder = data.removesuffix("data.pkl")
        order = folder + "byteorder"
        if order in places and archive.read(order).strip() != b"little":
            raise refusal(path, "this is a PyTorch file of another kind of machine, big-endian")
        with archive.open(data) as file:
            found = read_pickle(path, file, _outside, _CALLED)  # type: ignore[arg-type]
    tensors = dict(_tensors("", found))
    matrices = {name or "tensor": tensor for name, tensor in tensors.items() if len(tensor.shape) == 2}
    chosen = matrices[chosen_of(path, {name: tensor.shape for name, tensor in matrices.items()}, member, "tensor")]
    kind = _STORAGES.get(chosen.storage.kind)
    if kind is None:
        raise refusal(path, f"numbers of torch.{chosen.storage.kind} are not read")
    rows, dim = chosen.shape
    if rows * dim and chosen.strides != (dim, 1):
        raise refusal(path, f"the tensor is a view with the strides {chosen.strides}: save tensor.contiguous()")
    info = places.get(f"{folder}data/{chosen.storage.key}")
    start = None if info is None else member_start(path, info)
    size = np.dtype(kind).itemsize
    if info is None or start is None or (chosen.offset + rows * dim) * size > info.file_size:
        raise refusal(path, "the numbers of the tensor are not in the file, which is damaged")
    if rows * dim == 0:
        raise refusal(path, f"the tensor has no numbers: its shape is {(rows, dim)}")
    numbers = np.memmap(path, kind, "r", start + chosen.offset * size, (rows, dim))
    return Bfloat16(numbers) if chosen.storage.kind == "BFloat16Storage" else numbers


def _outside(value: Any) -> _Storage:
    what, kind, key, _device, count = value
    if what != "storage" or not isinstance(kind, Named) or not isinstance(key, str):
        raise ValueError("something outside of the file that is no storage")
    return _Storage(kind.name, key, int(count))


def _tensors(name: str, value: Any, depth: int = 0) -> Any:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict) and depth < 8:
        for key, inner in value.items():
            yield from _tensors(f"{name}.{key}" if name else str(key), inner, depth + 1)
    elif isinstance(value, Record) and depth < 8:
        yield from _tensors(name, value.state, depth + 1)
