"""A store's numbers in files that have no room for words, which go into a file beside them."""

from __future__ import annotations

import io
import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .._atomic_file import new_file

if TYPE_CHECKING:
    from .._core.store import CoreStore
    from .._progress import Progress

MatrixFormat = Literal["npy", "fvecs", "fbin", "tensorboard"]
# Numbers that are gathered at a time: 16 MiB.
_BLOCK = 1 << 22


def words_beside(path: Path, format: MatrixFormat) -> Path:
    """Name the file that has the words of an exported matrix: TensorBoard's metadata, or a JSON list."""
    return path.with_name("metadata.tsv") if format == "tensorboard" else path.with_suffix(".words.json")


def export_matrix(
    store: CoreStore,
    path: Path,
    format: MatrixFormat,
    first: int,
    ids: NDArray[np.int64] | None,
    tick: Progress | None,
) -> dict[str, Any]:
    """Write the rows, as float32, and the words beside them."""
    started = time.perf_counter()
    rows = first if ids is None else len(ids)
    beside = words_beside(path, format)
    if beside == path:
        raise ValueError(f"{path} is where the words go: name the numbers otherwise, as vectors.tsv")
    order = np.arange(first, dtype=np.int64) if ids is None else ids
    write = _WRITERS[format]
    with new_file(beside) as words, new_file(path) as numbers:
        words.write_text(_words(store, order, format), encoding="utf-8", newline="\n")
        with numbers.open("r+b") as file:
            file.write(_HEADS[format](rows, store.dim))
            step = max(_BLOCK // store.dim, 1)
            for start in range(0, rows, step):
                write(file, store.take(order[start : start + step]))
                if tick is not None:
                    tick(min(start + step, rows), rows)
            written = file.tell()
        syncing = time.perf_counter()
    return report_of(rows, written, started, syncing)


def report_of(rows: int, written: int, started: float, syncing: float) -> dict[str, Any]:
    """Give what the report of an export has of a file that is on the disk since now."""
    now = time.perf_counter()
    return {"rows": rows, "bytes_written": written, "seconds": now - started, "sync_seconds": now - syncing}


def _words(store: CoreStore, ids: NDArray[np.int64], format: MatrixFormat) -> str:
    words = [store.word(i) for i in ids.tolist()]
    if format != "tensorboard":
        return json.dumps(words, ensure_ascii=False)
    for word in words:
        if "\n" in word or "\r" in word or "\t" in word:
            raise ValueError(f"{word!r} has a line end or a tab, and so no line of its own in metadata.tsv")
    return "".join(f"{word}\n" for word in words)


def _npy_head(rows: int, dim: int) -> bytes:
    head = io.BytesIO()
    npy.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)})
    return head.getvalue()


def _plain(file: BinaryIO, rows: NDArray[np.float32]) -> None:
    file.write(rows.astype("<f4", copy=False).tobytes())


def _records(file: BinaryIO, rows: NDArray[np.float32]) -> None:
    records = np.empty(len(rows), np.dtype([("dim", "<i4"), ("row", "<f4", (rows.shape[1],))]))
    records["dim"], records["row"] = rows.shape[1], rows
    file.write(records.tobytes())


def _lines(file: BinaryIO, rows: NDArray[np.float32]) -> None:
    # The shortest text that is this float32 again.
    file.write("".join("\t".join(map(str, row)) + "\n" for row in rows).encode())


def _no_head(rows: int, dim: int) -> bytes:
    return b""


def _two_numbers(rows: int, dim: int) -> bytes:
    return struct.pack("<II", rows, dim)


_HEADS: dict[str, Callable[[int, int], bytes]] = {
    "npy": _npy_head,
    "fbin": _two_numbers,
    "fvecs": _no_head,
    "tensorboard": _no_head,
}
_WRITERS: dict[str, Callable[[BinaryIO, NDArray[np.float32]], None]] = {
    "npy": _plain,
    "fbin": _plain,
    "fvecs": _records,
    "tensorboard": _lines,
}
