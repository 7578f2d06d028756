"""The types that a store's numbers may have, by whatever name they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import DTypeLike

if TYPE_CHECKING:
    import torch

Dtype = Literal["float32", "float16", "bfloat16", "int8"]
DtypeName: TypeAlias = "Dtype | DTypeLike | torch.dtype"
"""One of the four names, or what NumPy or PyTorch call that type: ``np.float16``, ``"f2"``, ``torch.bfloat16``."""


def dtype_name(dtype: DtypeName) -> Dtype:
    """Give the name of a store's type; ValueError for a type that no store has."""
    name = _name(dtype)
    if name not in get_args(Dtype):
        listed = ", ".join(f'"{known}"' for known in get_args(Dtype))
        raise ValueError(
            f"dtype must be one of {listed}, not " + (f'"{dtype}"' if isinstance(dtype, str) else repr(dtype))
        )
    return cast("Dtype", name)


def _name(dtype: Any) -> str | None:
    # NumPy takes None for float64, and does not know bfloat16 by name.
    if dtype is None:
        return None
    if isinstance(dtype, str) and dtype == "bfloat16":
        return "bfloat16"
    if type(dtype).__module__ == "torch":
        return str(dtype).removeprefix("torch.")
    try:
        return str(np.dtype(dtype).name)
    except (TypeError, ValueError):
        return None
