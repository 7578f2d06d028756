"""The nearest rows of every row, streamed to disk: a k-nearest-neighbours graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import index as as_int
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._atomic_file import new_file
from .._notebook import Readable
from .._optional import need
from .._paths import check_apart
from .._progress import Progress, shown
from .similarity import first_rows, without

if TYPE_CHECKING:
    from zipfile import ZipFile

    from .._core.store import CoreStore

# Rows asked with at a time: what one pass over the rows answers.
_ROWS = 1024

_Write = Callable[[int, NDArray[np.int64], NDArray[np.float32]], None]


@dataclass(frozen=True)
class GraphReport(Readable):
    """What `Store.knn_graph` wrote. `str()` reads well.

    Attributes
    ----------
    path : Path
    rows, k : int
        Rows, and neighbours of each.
    bytes_written : int
    seconds : float

    Examples
    --------
    >>> report = store.knn_graph("graph.npz", k=2)
    >>> report.path.name, report.rows, report.k
    ('graph.npz', 6, 2)
    """

    path: Path
    rows: int
    k: int
    bytes_written: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.path}\n  {self.k:,} neighbours of each of {self.rows:,} rows in {self.seconds:.2f} s, "
            f"{self.bytes_written:,} bytes"
        )


def knn_graph(
    store: CoreStore, path: Path, k: int, restrict: int | None, progress: bool | Progress | None
) -> GraphReport:
    """Do what `Store.knn_graph` says."""
    started, k = time.perf_counter(), as_int(k)
    if k < 1:
        raise ValueError(f"k must be positive, not {k}")
    rows = len(store) if restrict is None else first_rows(store, restrict)
    writers: dict[str, Callable[[Path, int, int, Callable[[_Write], None]], None]]
    writers = {".npz": partial(_write_npz, path.parent), ".parquet": _write_parquet}
    if path.suffix not in writers:
        raise ValueError(f"{path}: expected the suffix {' or '.join(writers)}, found {path.suffix!r}")
    check_apart(path, *store._files())
    k = min(k, max(rows - 1, 0))

    def fill(write: _Write) -> None:
        with shown(progress, path.name, " rows") as tick:
            for start, ids, cosines in neighbors_of_all(store, rows, k):
                write(start, ids, cosines)
                if tick:
                    tick(start + len(ids), rows)

    with new_file(path) as temporary:
        writers[path.suffix](temporary, rows, k, fill)
    return GraphReport(path, rows, k, path.stat().st_size, time.perf_counter() - started)


def neighbors_of_all(
    store: CoreStore, rows: int, k: int
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Give the first of some rows, and the `k` nearest of each among the first `rows`, itself left out, block by block."""
    for start in range(0, rows, _ROWS):
        own = np.arange(start, min(start + _ROWS, rows), dtype=np.int64)
        ids, cosines = store._nearest(store._rows(own, None), min(k + 1, rows), rows, None)
        # Where others are as near, a row may not be among its own nearest: then the last one goes.
        ids, cosines = without(ids == own[:, None], k, ids, cosines)
        yield start, ids, cosines.astype(np.float32)


def _write_npz(scratch: Path, path: Path, rows: int, k: int, fill: Callable[[_Write], None]) -> None:
    """Write what `scipy.sparse.load_npz` reads; whatever comes row by row goes through files of its own in `scratch`."""
    import tempfile  # Slow to import, and seldom needed.
    import zipfile

    whole = np.int32 if rows * max(k, 1) < 2**31 else np.int64
    with tempfile.TemporaryFile(dir=scratch) as targets, tempfile.TemporaryFile(dir=scratch) as data:

        def write(_: int, ids: NDArray[np.int64], cosines: NDArray[np.float32]) -> None:
            targets.write(ids.astype(whole).tobytes())
            data.write(cosines.tobytes())

        fill(write)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            _add_array(archive, "indices", np.dtype(whole), rows * k, targets)
            _add_array(archive, "data", np.dtype(np.float32), rows * k, data)
            arrays = {"indptr": (np.arange(rows + 1) * k).astype(whole), "shape": np.array([rows, rows])}
            for name, array in {**arrays, "format": np.array(b"csr")}.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)


def _add_array(archive: ZipFile, name: str, dtype: np.dtype[Any], length: int, numbers: IO[bytes]) -> None:
    import shutil

    numbers.seek(0)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        shutil.copyfileobj(numbers, member, 1 << 20)


def _write_parquet(path: Path, _: int, k: int, fill: Callable[[_Write], None]) -> None:
    pyarrow = need("pyarrow", "a graph in Parquet")
    parquet = need("pyarrow.parquet", "a graph in Parquet", "pyarrow")
    fields = [("source", pyarrow.int64()), ("target", pyarrow.int64()), ("cosine", pyarrow.float32())]
    schema = pyarrow.schema(fields)
    with parquet.ParquetWriter(path, schema) as writer:

        def write(start: int, ids: NDArray[np.int64], cosines: NDArray[np.float32]) -> None:
            sources = np.repeat(np.arange(start, start + len(ids), dtype=np.int64), k)
            writer.write_table(pyarrow.table([sources, ids.ravel(), cosines.ravel()], schema=schema))

        fill(write)
