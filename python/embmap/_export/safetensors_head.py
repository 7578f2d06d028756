"""The head of a safetensors file of one tensor, for what Python writes; stores have the same in Rust."""

from __future__ import annotations

import json
from typing import Literal

Number = Literal["F16", "F32"]
WIDTHS: dict[Number, int] = {"F16": 2, "F32": 4}
"""Bytes of a number."""

# Where the tensor may begin, for readers that map the file.
_ALIGN = 64
# The longest that safetensors' own reader accepts.
_LONGEST = 100_000_000


def head_of_one(name: str, number: Number, shape: tuple[int, int], metadata: dict[str, str] | None = None) -> bytes:
    """Give the bytes before the numbers of the tensor `name`, which follow them and end the file."""
    rows, dim = shape
    tensor = {"dtype": number, "shape": [rows, dim], "data_offsets": [0, rows * dim * WIDTHS[number]]}
    text = json.dumps({"__metadata__": {"format": "pt", **(metadata or {})}, name: tensor}, ensure_ascii=False)
    header = text.encode()
    header += b" " * (-(len(header) + 8) % _ALIGN)
    if len(header) > _LONGEST:
        raise ValueError(f"the words make a header of {len(header)} bytes, safetensors allows {_LONGEST}: write .npy")
    return len(header).to_bytes(8, "little") + header
