"""`embmap bench`: each loader timed on one file, its answer compared with embmap's."""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import ConversionReport, Store, __version__, convert
from .chart import draw
from .compare import Comparison, compare
from .loaders import Loader, Vectors, available
from .result import Benchmark, Timing, counted
from .sample import Sample, cut, is_text

_PILOT_ROWS = 1000
_OPENINGS = 20
# What the loaders raise where they cannot read a row, or where a header counts wrongly.
_UNREADABLE = (ValueError, IndexError, EOFError)


def run(
    file: Path,
    folder: Path,
    say: Callable[[str], None],
    *,
    runs: int = 3,
    seconds: float | None = 10.0,
    **options: Any,
) -> Benchmark:
    """Time embmap and the usual loaders on `file`, and compare their answers.

    Parameters
    ----------
    file : Path
        Text vectors, or whatever `convert` reads.
    folder : Path
        Gets ``bench.json`` and the chart ``bench.png``. Stores and samples are made in a temporary folder inside, which
        is gone at the end.
    say : callable
        Is told what happens next.
    runs : int
        Conversions by embmap.
    seconds : float or None
        How long one of the other loaders may read, about; None for as long as it takes.
    **options
        Those of `convert` that say how the text is read: `member`, `header`, `errors`, `on_bad_row`.

    Returns
    -------
    Benchmark

    Raises
    ------
    ParseError, OSError
        As `convert` does.

    Examples
    --------
    >>> found = run(Path("vectors.txt"), Path("bench"), print)  # doctest: +ELLIPSIS
    Reading vectors.txt ...
    ...
    >>> found.rows, found.disagreeing, sorted(path.name for path in Path("bench").iterdir())
    (6, [], ['bench.json', 'bench.png'])
    """
    options = {"header": "auto", **options}
    if file == Path("-"):
        raise ValueError("every loader reads the file, so that it cannot be the standard input")
    with tempfile.TemporaryDirectory() as temporary:
        # A wrong file is told from at once, and leaves nothing behind.
        convert(file, Path(temporary) / "vectors.embmap", limit=1, **options)
    folder.mkdir(parents=True, exist_ok=True)
    # Not in the system's temporary folder: that is often memory, where a sync costs nothing.
    with tempfile.TemporaryDirectory(prefix="temporary-", dir=folder) as temporary:
        room = Path(temporary)
        size = _read_once(file, say)
        report, ours = _time_embmap(file, room, runs, say, options)
        notes: list[str] = []
        with Store(report.path) as store:
            opening = _time_opening(report.path, store.word(len(store) // 2)) if len(store) else 0.0
            timings = [ours]
            if is_text(file, report.dim, report.header_rows is not None):
                loaders, notes = available()
                for loader in loaders:
                    timings.append(_time_loader(loader, file, room, report, store, runs, seconds, say, options))
            else:
                notes.append("this is not plain text, which the other loaders need: embmap alone was timed")
    for timing in timings:
        if timing.seconds is not None and ours.seconds:
            timing.times_embmap = timing.seconds / ours.seconds
    found = Benchmark(file, size, ours.rows, report.dim, opening, timings, notes, _machine())
    (folder / "bench.json").write_text(
        json.dumps(found.as_json(), indent=1, ensure_ascii=False), encoding="utf-8", newline="\n"
    )
    (folder / "bench.png").unlink(missing_ok=True)  # One of an earlier file would be taken for this one's.
    if not draw(folder / "bench.png", file.name, [(t.title, t.seconds, t.is_scaled) for t in timings if t.seconds]):
        notes.append("the chart needs matplotlib: pip install matplotlib")
    return found


def _read_once(file: Path, say: Callable[[str], None]) -> int:
    """Bring the file into the page cache, for all alike; give its size."""
    say(f"Reading {file.name} ...")
    files = [file] if file.is_file() else [path for path in file.rglob("*") if path.is_file()]
    buffer = bytearray(1 << 20)
    for path in files:
        with path.open("rb", buffering=0) as source:
            while source.readinto(buffer):
                pass
    return sum(path.stat().st_size for path in files)


def _time_embmap(
    file: Path, room: Path, runs: int, say: Callable[[str], None], options: dict[str, Any]
) -> tuple[ConversionReport, Timing]:
    say(f"Timing embmap.convert, {runs} runs ...")
    target = room / "vectors.embmap"
    times, reports = [], []
    for _ in range(runs):
        target.unlink(missing_ok=True)
        start = time.perf_counter()
        reports.append(convert(file, target, **options))
        times.append(time.perf_counter() - start)
    report = reports[-1]
    rows = report.rows + report.duplicates + report.rejected
    return report, Timing("embmap", f"embmap {__version__}", statistics.median(times), times, rows, rows)


def _time_opening(path: Path, word: str) -> float:
    times = []
    for _ in range(_OPENINGS):
        start = time.perf_counter()
        with Store(path) as store:
            store[word]
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def _time_loader(
    loader: Loader,
    file: Path,
    room: Path,
    report: ConversionReport,
    store: Store,
    runs: int,
    seconds: float | None,
    say: Callable[[str], None],
    options: dict[str, Any],
) -> Timing:
    header = report.header_rows is not None
    in_file = report.rows + report.duplicates + report.rejected
    text = room / "sample.txt"
    timing = Timing(loader.name, loader.title, None, [], in_file, in_file)

    def sample(rows: int, readable: bool) -> Sample:
        return cut(file, text, rows, dim=report.dim, header=header, reads=loader.reads if readable else None)

    whole = Sample(file, in_file)
    if seconds is not None and in_file > _PILOT_ROWS:
        pilot = sample(_PILOT_ROWS, readable=True)
        if pilot.rows:
            once, _ = _timed(loader, pilot.path, header)
            affordable = int(seconds / once * pilot.rows)
            if affordable < in_file * 0.9:
                whole = sample(max(affordable, _PILOT_ROWS), readable=False)
    say(f"Timing {loader.title}{f' on {whole.rows:,} of {in_file:,} rows' if whole.rows < in_file else ''} ...")
    try:
        once, vectors = _timed(loader, whole.path, header)
    except _UNREADABLE as error:
        timing.notes.append(f"stops with {type(error).__name__}: {_short(str(error))}")
        whole = sample(whole.rows, readable=True)
        if not whole.rows:
            timing.notes.append("it can read no row")
            return timing
        once, vectors = _timed(loader, whole.path, header)
        without = f"without the {counted(whole.left_out, 'row')} that it cannot read"
        timing.notes.append(f"timed {without if whole.left_out else 'with a header that counts the rows right'}")
    timing.times.append(once)
    timing.rows = whole.rows + whole.left_out
    timing.agreement = _agreement(vectors, loader, whole, room, report, store, header, options)
    timing.notes += _remarks(timing.agreement, report.dim)
    del vectors
    if not timing.agreement.equal and not timing.agreement.different and report.rows:
        return timing  # It took something, but not the vectors.
    # A short run says little by itself; a long one need not be repeated.
    while len(timing.times) < runs and sum(timing.times) < (seconds or 10.0) / 2:
        timing.times.append(_timed(loader, whole.path, header)[0])
    timing.seconds = statistics.median(timing.times) * in_file / timing.rows
    return timing


def _timed(loader: Loader, path: Path, header: bool) -> tuple[float, Vectors]:
    start = time.perf_counter()
    vectors = loader.load(path, header)
    return time.perf_counter() - start, vectors


def _agreement(
    vectors: Vectors,
    loader: Loader,
    sample: Sample,
    room: Path,
    report: ConversionReport,
    store: Store,
    header: bool,
    options: dict[str, Any],
) -> Comparison:
    if sample.path == report.source and not report.duplicates:
        return compare(vectors, store, store)
    again: dict[str, Any] = {**options, "header": header, "dim": report.dim, "duplicates": loader.duplicates}
    with Store(convert(sample.path, room / "sample.embmap", **again).path) as reference:
        return compare(vectors, store, reference)


def _remarks(found: Comparison, dim: int) -> list[str]:
    counts = [
        (found.different, "with other numbers than embmap gives"),
        (found.cut, f"with more or fewer numbers than {dim}: a header, or a word cut at a space inside"),
        (found.unknown, "not as in the file"),
        (found.absent, "of the file missing"),
    ]
    return [f"{counted(count, 'word')} {what}" for count, what in counts if count]


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _machine() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = Path("/proc/cpuinfo")
    lines = names.read_text(encoding="utf-8").splitlines() if names.exists() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), None)
    return {
        "cores": cores,
        "processor": name or platform.processor() or platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "embmap": __version__,
    }
