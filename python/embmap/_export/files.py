"""A store to the formats that other programs read."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .._atomic_file import new_file
from .._notebook import Readable
from .._optional import need
from .._paths import check_apart, local
from .._progress import Progress, shown
from .._query.similarity import check_order
from .matrices import export_matrix, report_of

if TYPE_CHECKING:
    from .._core.store import CoreStore
    from .._words_like import WordsLike

ExportFormat = Literal[
    "glove", "word2vec", "word2vec-binary", "fasttext-vec", "safetensors", "parquet", "arrow",
    "npy", "fvecs", "fbin", "tensorboard",
]  # fmt: skip

FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
_BY_SUFFIX: dict[str, ExportFormat] = {
    ".vec": "fasttext-vec",
    ".bin": "word2vec-binary",
    ".safetensors": "safetensors",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".npy": "npy",
    ".fvecs": "fvecs",
    ".fbin": "fbin",
}


@dataclass(frozen=True, kw_only=True)
class ExportReport(Readable):
    """What an export did. `str(report)` reads well.

    Attributes
    ----------
    source, path : Path
        The store and the file that was written.
    format : str
        What it was written as.
    rows, dim : int
        Shape of the matrix.
    bytes_written : int
        Size of the file.
    seconds, sync_seconds : float
        Wall-clock time, and the part of it, at the end, in which the disk was waited for.
    words_with_blanks : int
        Words with a space inside, in text. `embmap.convert` reads them back; many other readers do not.

    Examples
    --------
    >>> report = store.export("glove.txt", "glove", limit=2)
    >>> report.path.name, report.format, report.rows, report.dim, report.words_with_blanks
    ('glove.txt', 'glove', 2, 4, 0)
    """

    source: Path
    path: Path
    format: ExportFormat
    rows: int
    dim: int
    bytes_written: int
    seconds: float
    sync_seconds: float
    words_with_blanks: int = 0

    def __str__(self) -> str:
        rate = self.bytes_written / 1e6 / max(self.seconds, 1e-9)
        lines = [
            f"{self.source} -> {self.path}",
            f"  {self.rows:,} words of {self.dim} as {self.format} in {self.seconds:.2f} s ({rate:,.0f} MB/s)",
            f"  {self.bytes_written:,} bytes written",
        ]
        if self.words_with_blanks:
            lines.append(
                f"  {self.words_with_blanks:,} words with a space inside: embmap reads them back, many other readers do not"
            )
        return "\n".join(lines)


def export(
    store: CoreStore,
    path: str | os.PathLike[str],
    format: ExportFormat | None,
    words: WordsLike | None,
    limit: int | None,
    threads: int | None,
    progress: bool | Progress | None,
) -> ExportReport:
    """Write a store, or some of its rows; see `Store.export`."""
    path = local(path)
    format = _format_of(path) if format is None else format
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, FORMATS))}, not {format!r}")
    for name, number, least in (("limit", limit, 0), ("threads", threads, 1)):
        if number is not None and number < least:
            raise ValueError(f"{name} must be {least} or more, not {number}")
    if limit is not None and words is None:
        check_order(store, limit, "limit")
    check_apart(path, *store._files())
    ids = None if words is None else _ids_of(store, words)
    if ids is not None and limit is not None:
        ids = ids[:limit]
    first = len(store) if limit is None else min(limit, len(store))
    with shown(progress, path.name, " rows") as tick:
        if format in ("parquet", "arrow"):
            found = _export_arrow(store, path, format, first, ids, tick)
        elif format in ("npy", "fvecs", "fbin", "tensorboard"):
            found = export_matrix(store, path, format, first, ids, tick)
        else:
            found = store._export(path, format, first, ids, threads, tick)
    return ExportReport(source=store.path, path=path, format=format, dim=store.dim, **found)


def _format_of(path: Path) -> ExportFormat:
    try:
        return _BY_SUFFIX[path.suffix.lower()]
    except KeyError:
        known = ", ".join(f"{suffix} ({format})" for suffix, format in _BY_SUFFIX.items())
        message = f"the suffix {path.suffix!r} does not tell the format, as {known} do: say format=, one of"
        raise ValueError(f"{path}: {message} {', '.join(FORMATS)}") from None


def _ids_of(store: CoreStore, words: WordsLike) -> NDArray[np.int64]:
    ids, missing = store._find(words)
    if missing:
        raise KeyError(missing[0])
    _, first_places = np.unique(ids, return_index=True)
    return ids[np.sort(first_places)]


@dataclass(frozen=True)
class _Rows:
    """Some rows of a store, for what reads Arrow streams."""

    store: CoreStore
    first: int
    only: NDArray[np.int64] | None

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.store._arrow_stream(self.first, self.only)


def _export_arrow(
    store: CoreStore,
    path: Path,
    format: Literal["parquet", "arrow"],
    first: int,
    ids: NDArray[np.int64] | None,
    tick: Progress | None,
) -> dict[str, Any]:
    started = time.perf_counter()
    pa = need("pyarrow", format)
    writers = need("pyarrow.parquet" if format == "parquet" else "pyarrow.ipc", format)
    batches = pa.RecordBatchReader.from_stream(_Rows(store, first, ids))
    total, done = first if ids is None else len(ids), 0
    with new_file(path) as temporary, temporary.open("r+b") as file:
        if format == "parquet":
            # No word and hardly a number comes twice. Each batch is a row group, so that no more than one is held.
            writer = writers.ParquetWriter(file, batches.schema, use_dictionary=False)
        else:
            writer = writers.new_file(file, batches.schema)
        with writer:
            for batch in batches:
                writer.write_batch(batch)
                done += batch.num_rows
                if tick is not None:
                    tick(done, total)
        file.flush()
        written = file.tell()
        syncing = time.perf_counter()
    return report_of(done, written, started, syncing)
