"""The file of an approximate index: usearch's bytes, and a footer that names the store; written whole or not at all.

The footer is JSON, its length and CRC-32, and a magic. usearch reads from the front and passes over it, so that one file is
enough, which cannot lose its other half.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Any

from .._errors import FormatError

VECTOR_BYTES = {"bf16": 2, "f32": 4, "f16": 2, "i8": 1}

# Searches keep as many: a file may not ask for more memory than that takes.
MOST_CANDIDATES = 1 << 16

_FOOTER = struct.Struct("<II8s")
_MAGIC = b"\x89EMBANN\n"
_VERSION = 1


def write(graph: Any, file: Path, target: Path, made: dict[str, Any]) -> None:
    """Write usearch's index and the footer, with what it was `made` of, into a new file; `target` is for errors."""
    length = graph.serialized_length
    try:
        graph.save(file)
        # usearch does not look at what closing the file says.
        if (there := file.stat().st_size) != length:
            raise RuntimeError(f"{there} of {length} bytes are there")
        with file.open("r+b") as whole:
            with mmap.mmap(whole.fileno(), 0, access=mmap.ACCESS_READ) as written:
                crc32 = checksum(memoryview(written))
            text = json.dumps({"version": _VERSION, **made, "bytes": length, "crc32": crc32}).encode()
            whole.seek(0, os.SEEK_END)
            whole.write(text + _FOOTER.pack(len(text), zlib.crc32(text), _MAGIC))
    except RuntimeError as error:
        raise OSError(f"{target}: the index could not be written, perhaps the disk is full: {error}") from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def map_file(path: Path) -> tuple[mmap.mmap, dict[str, Any]]:
    """Map an index, of which nothing but the footer has been checked, and give that."""
    with path.open("rb") as file:
        if (length := os.fstat(file.fileno()).st_size) < _FOOTER.size:
            raise FormatError(f"{path}: no index of embmap's: it has {length} bytes")
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return data, _read_footer(data, path)


def _read_footer(data: mmap.mmap, path: Path) -> dict[str, Any]:
    length, crc32, magic = _FOOTER.unpack_from(data, len(data) - _FOOTER.size)
    end = len(data) - _FOOTER.size
    if magic != _MAGIC:
        raise FormatError(f"{path}: no index of embmap's, or one that was cut short: build it anew")
    text = data[max(end - length, 0) : end]
    made: Any = None
    try:
        made = json.loads(text) if zlib.crc32(text) == crc32 else {}
        known = made["version"] == _VERSION and made["dtype"] in VECTOR_BYTES and type(made["crc32"]) is int
        candidates = made["expansion_search"]
        sound = type(candidates) is int and 1 <= candidates <= MOST_CANDIDATES and made["bytes"] == end - length
    except (ValueError, TypeError, KeyError, RecursionError):
        known = sound = False
    if not (known and sound and "store" in made):
        raise FormatError(f"{path}: corrupt, or written by a later version: build it anew")
    return dict(made)


def checksum(data: memoryview) -> int:
    """CRC-32 of bytes, by pieces, between which Ctrl-C is answered."""
    crc32 = 0
    with data:
        for start in range(0, len(data), 1 << 24):
            crc32 = zlib.crc32(data[start : start + (1 << 24)], crc32)
    return crc32
