"""Open a store and look one word up: the time must not depend on the size of the file.

python benches/open.py [--rows 10000 400000 3000000] [--dim 300] [--vocabulary FOLDER] [--runs 200]
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from make_text import vocabulary, write

import embmap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 10_000, 400_000, 3_000_000])
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    head = f"{'rows':>10}{'text GB':>9}{'convert s':>11}{'peak MB':>9}{'store GB':>10}{'x matrix':>10}"
    print(head + f"{'open + look-up, µs (median, 5-95 %)':>38}", flush=True)
    for rows in arguments.rows:
        if not (text := text_of(rows, arguments)).exists():
            write(text, rows, arguments.dim, arguments.vocabulary)
        # A process of its own, for its peak memory.
        child = multiprocessing.get_context("spawn").Process(target=measure, args=(rows, arguments))
        child.start()
        child.join()


def text_of(rows: int, arguments: argparse.Namespace) -> Path:
    return arguments.folder / f"{rows}x{arguments.dim}-.5g.txt"


def peak_mb() -> float:
    """Give the most memory that this process has held, which starts anew with each program."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def measure(rows: int, arguments: argparse.Namespace) -> None:
    """Convert, then open again and again; print one line."""
    text = text_of(rows, arguments)
    base = peak_mb()
    report = embmap.convert(text)
    peak = peak_mb() - base
    word = next(itertools.islice(vocabulary(arguments.vocabulary, rows), rows // 2, None))
    with text.open("rb") as file:
        first = next(itertools.islice(file, rows // 2, None)).split(b" ")[1]
    times = []
    for _ in range(arguments.runs):
        start = time.perf_counter()
        value = embmap.open(report.path)[word][0]
        times.append((time.perf_counter() - start) * 1e6)
        assert value == np.float32(first)
    cuts = statistics.quantiles(times, n=20)
    ratio = report.bytes_written / (rows * arguments.dim * 4)
    spread = f"{statistics.median(times):.0f} ({cuts[0]:.0f}-{cuts[-1]:.0f})"
    print(
        f"{rows:>10,}{text.stat().st_size / 1e9:>9.2f}{report.seconds:>11.4f}{peak:>9.0f}"
        f"{report.bytes_written / 1e9:>10.2f}{ratio:>10.4f}{spread:>38}"
    )


if __name__ == "__main__":
    main()
