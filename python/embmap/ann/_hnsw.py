"""The form of usearch's files, checked before one is mapped: usearch follows the numbers that it finds there.

A file is the vectors, a head of 64 bytes, and a graph of several levels, in which each node links to others of its level:

    u32 rows, u32 bytes of a vector, the vectors
    64 bytes: magic, versions, kinds
    u64 rows, u64 links of a node, u64 links of a node at level 0, u64 highest level, u64 node where searches start
    i16 the highest level of each node
    the nodes: u64 key, i16 highest level, then for each level u32 links that it has and u32 × links that it may have
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from .._errors import FormatError

_SHAPE = struct.Struct("<II")
_HEAD = 64
_GRAPH = struct.Struct("<5Q")
_NODES_AT_ONCE = 1 << 13


def check(data: NDArray[np.uint8], rows: int, vector_bytes: int) -> None:
    """Raise FormatError unless `data` is a graph of `rows` vectors in which every link leads to a node of its level."""
    graph = _SHAPE.size + rows * vector_bytes + _HEAD
    nodes = graph + _GRAPH.size + 2 * rows
    _require(len(data) >= nodes, "it is too short for its rows")
    _require(
        _SHAPE.unpack(data[: _SHAPE.size].tobytes()) == (rows, vector_bytes),
        "its vectors are not as many or as long as the store's",
    )
    size, links, base_links, highest, entry = _GRAPH.unpack(data[graph : graph + _GRAPH.size].tobytes())
    _require(size == rows, "its graph has another number of rows")
    if rows == 0:
        _require(len(data) == nodes, "its length is not that of its nodes")
        return
    # Before numbers from the file are multiplied with each other.
    _require(2 <= links <= base_links <= (len(data) - nodes) // (4 * rows), "it is too short for its links")
    levels = data[nodes - 2 * rows : nodes].view("<i2")
    _require(entry < rows and levels[entry] == highest == levels.max() and levels.min() >= 0, "its levels are wrong")
    base, upper = _node(base_links), _links(links)
    sizes = base.itemsize + upper.itemsize * levels.astype(np.int64)
    offsets = nodes + np.cumsum(sizes) - sizes
    _require(offsets[-1] + sizes[-1] == len(data), "its length is not that of its nodes")
    seen = np.zeros(rows, np.bool_)
    for first in range(0, rows, _NODES_AT_ONCE):
        at, own = offsets[first : first + _NODES_AT_ONCE], levels[first : first + _NODES_AT_ONCE]
        found = _records(data, at, base)
        _require((found["level"] == own).all() and (found["key"] < rows).all(), "a node is wrong")
        seen[found["key"].astype(np.int64)] = True
        _check_links(found, levels, 0)
        for level in range(1, int(own.max()) + 1):
            there = at[own >= level] + base.itemsize + (level - 1) * upper.itemsize
            _check_links(_records(data, there, upper), levels, level)
    _require(bool(seen.all()), "not every row is in it")


def _links(most: int) -> np.dtype[np.void]:
    return np.dtype([("count", "<u4"), ("links", "<u4", (most,))])


def _node(most: int) -> np.dtype[np.void]:
    return np.dtype([("key", "<u8"), ("level", "<i2"), *_links(most).descr])


def _records(data: NDArray[np.uint8], offsets: NDArray[np.int64], form: np.dtype[np.void]) -> NDArray[np.void]:
    """Copy the records at those offsets, all of which the data has."""
    windows = np.lib.stride_tricks.sliding_window_view(data, form.itemsize)
    return windows[offsets].view(form)[:, 0]


def _check_links(nodes: NDArray[np.void], levels: NDArray[np.int16], level: int) -> None:
    most = nodes["links"].shape[1]
    _require(bool((nodes["count"] <= most).all()), "a node has too many links")
    targets = nodes["links"][np.arange(most) < nodes["count"][:, None]]
    _require(bool((targets < len(levels)).all() and (levels[targets] >= level).all()), "a link leads nowhere")


def _require(condition: object, reason: str) -> None:
    if not condition:
        raise FormatError(reason)
