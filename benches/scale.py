"""How time and memory grow from a million rows to a hundred million: conversion, opening, look-ups; in one file and in four.

    python benches/scale.py [--rows 1000000 10000000 100000000] [--dim 8] [--shards 4] [--words 1000000] [--json OUT]

The rows are those of a knowledge graph in shape: words `<Q123>`, few numbers. Each conversion runs in a process of its own,
whose memory of its own (RssAnon) is watched; look-ups are of words drawn evenly, of which a hundredth are in no store, as
one list of `str`. The text is made anew and taken away.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

import machine
import numpy as np

import embmap

BLOCK = 100_000


def write(path: Path, rows: int, dim: int) -> None:
    """Write a text of so many rows, the numbers of which come again every 100,000."""
    values = np.random.default_rng(0).normal(size=(BLOCK, dim))
    tails = [f"> {' '.join(f'{x:.4f}' for x in row)}\n" for row in values.tolist()]
    with path.open("w", buffering=1 << 22) as file:
        for start in range(0, rows, BLOCK):
            file.write("".join([f"<Q{i}{tail}" for i, tail in zip(range(start, start + BLOCK), tails, strict=True)]))


def own_memory() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) / 1024


def converted(source: Path, target: Path, shards: int | None) -> tuple[float, float]:
    """Give the seconds and the megabytes of memory that a conversion takes."""
    before, peak, ended = own_memory(), [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            peak[0] = max(peak[0], own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    embmap.convert(source, target, shards=shards)
    seconds = time.perf_counter() - start
    ended.set()
    watcher.join()
    return seconds, peak[0] - before


def measured(target: Path, rows: int, words: int) -> tuple[float, float, float]:
    """Give the microseconds to open, and the nanoseconds a word: the median, and the best of several passes."""
    opened = []
    for _ in range(50):
        start = time.perf_counter()
        embmap.open(target)
        opened.append(time.perf_counter() - start)
    store = embmap.open(target)
    store.preload()
    drawn = np.random.default_rng(1).integers(0, rows + rows // 100, words)
    asked = [f"<Q{i}>" for i in drawn.tolist()]
    taken = []
    for _ in range(8):
        start = time.perf_counter()
        ids = store.indices(asked)
        taken.append((time.perf_counter() - start) / words)
    assert ((ids >= 0) == (drawn < rows)).all(), "a word that is there was not found"
    some = np.flatnonzero(ids >= 0)[:1000]
    assert [store.word(int(ids[i])) for i in some] == [asked[i] for i in some]
    return statistics.median(opened) * 1e6, statistics.median(taken[1:]) * 1e9, min(taken) * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    parser.add_argument("--dim", type=int, default=8)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--words", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench" / "scale")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    head = f"{'rows':>12}{'files':>7}{'text GB':>9}{'convert s':>11}{'memory MB':>11}{'store GB':>10}"
    print(head + f"{'open µs':>9}{'ns a word (best)':>18}", flush=True)
    result = []
    for rows in arguments.rows:
        text = arguments.folder / "v.txt"
        write(text, rows, arguments.dim)
        for shards in (None, arguments.shards):
            target = arguments.folder / ("many" if shards else "one.embmap")
            with context.Pool(1) as pool:
                seconds, memory = pool.apply(converted, (text, target, shards))
            with context.Pool(1) as pool:
                opened, typical, best = pool.apply(measured, (target, rows, arguments.words))
            files = sorted(target.glob("*.embmap")) if shards else [target]
            size = sum(file.stat().st_size for file in files)
            result.append({
                "rows": rows, "files": len(files), "text_gb": text.stat().st_size / 1e9, "convert_s": seconds,
                "memory_mb": memory, "store_gb": size / 1e9, "open_us": opened, "word_ns": typical, "best_ns": best,
            })  # fmt: skip
            line = f"{rows:>12,}{len(files):>7}{text.stat().st_size / 1e9:>9.2f}{seconds:>11.2f}{memory:>11.0f}"
            print(line + f"{size / 1e9:>10.2f}{opened:>9.0f}{typical:>10.0f} ({best:.0f})", flush=True)
            shutil.rmtree(target) if shards else target.unlink()
        text.unlink()
    machine.save(arguments.json, (), rows=result)


if __name__ == "__main__":
    main()
