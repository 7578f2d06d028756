"""Word2vec's binary form to a store, beside copying the file durably and beside gensim.

    python benches/word2vec.py [--rows 400000] [--dim 300] [--vocabulary FOLDER] [--newlines] [--runs 5] [--threads N]
                               [--only embmap copy gensim] [--json OUT]

`copy` reads the file with as many threads as embmap has, a piece of it each in turn, writes the pieces where they belong and
syncs: what moving these bytes costs, whatever is done with them on the way. Its pieces are as large as embmap's. gensim ends
with the vectors in memory and syncs nothing. Matrix and words must be those of the file. Every run is a process of its own,
warm page cache, the three in turn; the table gives the median, the fastest and the slowest run, and embmap's speed as a
share of the copy's.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import machine
import numpy as np
from make_text import vocabulary

NAMES = ("embmap", "copy", "gensim")
PIECE = 1 << 20
PART = 20_000

Run = dict[str, float | int]


def write(path: Path, rows: int, dim: int, words: Path | None, newlines: bool) -> None:
    """Write random vectors, normally distributed."""
    rng = np.random.default_rng(0)
    end = b"\n" if newlines else b""
    names = vocabulary(words, rows)
    half = path.with_name(f"{path.name}.part")
    with half.open("wb") as file:
        file.write(b"%d %d\n" % (rows, dim))
        for start in range(0, rows, PART):
            numbers = rng.standard_normal((min(PART, rows - start), dim), np.float32) * np.float32(0.3)
            file.writelines(next(names).encode() + b" " + row.tobytes() + end for row in numbers)
    half.replace(path)


def expected(path: Path) -> tuple[int, int]:
    """Give the CRC-32 of the matrix and of the words, read record by record."""
    matrix = words = 0
    with path.open("rb") as file:
        rows, dim = map(int, file.readline().split())
        data = file.read()
    at = 0
    for _ in range(rows):
        at += data[at : at + 1] == b"\n"
        space = data.index(b" ", at)
        words = zlib.crc32(data[at : space + 1], words)
        at = space + 1 + 4 * dim
        matrix = zlib.crc32(data[space + 1 : at], matrix)
    return matrix, words


def copy(source: Path, target: Path, threads: int) -> tuple[float, float]:
    """Copy a file durably; give the seconds, and those of them in which the disk was waited for."""
    start = time.perf_counter()
    size = source.stat().st_size
    with source.open("rb") as read, target.open("wb") as written:
        places = iter(range(0, size, PIECE))
        lock = threading.Lock()

        def work() -> None:
            buffer = bytearray(PIECE)
            while True:
                with lock:
                    at = next(places, None)
                if at is None:
                    return
                n = os.preadv(read.fileno(), [buffer], at)
                os.pwrite(written.fileno(), memoryview(buffer)[:n], at)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        syncing = time.perf_counter()
        os.fsync(written.fileno())
        folder = os.open(target.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    end = time.perf_counter()
    return end - start, end - syncing


def one(name: str, source: Path, threads: int) -> Run:
    """Run once; give seconds, peak memory and what tells whether the answer is right."""
    import embmap

    if name == "gensim":
        importlib.import_module("gensim.models")
    target = source.with_name(f"{source.stem}.{name}")
    target.unlink(missing_ok=True)
    base = machine.peak_mb()
    start = time.perf_counter()
    run: Run = {}
    if name == "copy":
        run["seconds"], run["sync_seconds"] = copy(source, target, threads)
        run["peak_mb"] = machine.peak_mb() - base
        assert target.stat().st_size == source.stat().st_size
    elif name == "embmap":
        report = embmap.convert(source, target, threads=threads)
        run = {"seconds": time.perf_counter() - start, "sync_seconds": report.sync_seconds}
        run["peak_mb"] = machine.peak_mb() - base
        with embmap.open(target) as store:
            run["matrix"] = zlib.crc32(store.vectors)
            run["words"] = zlib.crc32("".join(f"{word} " for word in store).encode())
    else:
        from gensim.models import KeyedVectors

        keyed = KeyedVectors.load_word2vec_format(str(source), binary=True)
        run = {"seconds": time.perf_counter() - start, "peak_mb": machine.peak_mb() - base}
        run["matrix"] = zlib.crc32(keyed.vectors)
        run["words"] = zlib.crc32("".join(f"{word} " for word in keyed.index_to_key).encode())
    target.unlink(missing_ok=True)
    return run


def measure(source: Path, names: list[str], runs: int, threads: int) -> dict[str, list[Run]]:
    """Run in turn, once for the page cache and then `runs` times."""
    found: dict[str, list[Run]] = {name: [] for name in names}
    for turn in range(runs + 1):
        for name in names:
            if turn == 0 and name == "gensim":
                continue
            command = [sys.executable, "-W", "ignore", __file__, "--one", name, str(source), "--threads", str(threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            if turn:
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def table(runs: dict[str, list[Run]], size: int) -> str:
    """Give the table."""
    lines = [f"{'':<10}{'median s':>10}{'min':>9}{'max':>9}{'GB/s':>8}{'sync s':>9}{'peak MB':>10}"]
    middle = {name: statistics.median(run["seconds"] for run in done) for name, done in runs.items()}
    for name, done in runs.items():
        seconds = [run["seconds"] for run in done]
        sync = f"{statistics.median(run['sync_seconds'] for run in done):.2f}" if "sync_seconds" in done[0] else ""
        line = (
            f"{name:<10}{middle[name]:>10.2f}{min(seconds):>9.2f}{max(seconds):>9.2f}{size / middle[name] / 1e9:>8.2f}"
        )
        lines.append(f"{line}{sync:>9}{max(run['peak_mb'] for run in done):>10,.0f}")
    if "copy" in middle:
        lines.append(f"\nembmap converts at {middle['copy'] / middle['embmap']:.2f} x the speed of the copy")
    if "gensim" in middle:
        lines.append(f"gensim takes {middle['gensim'] / middle['embmap']:.1f} x as long as embmap")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--newlines", action="store_true", help="behind each record, as the C tool writes them")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], Path(arguments.one[1]), arguments.threads)))
        return
    if "embmap" not in arguments.only:
        parser.error("embmap is what the others are compared with: it cannot be left out")
    described = machine.describe(("gensim",))
    print(machine.headline(described))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    source = arguments.folder / f"{arguments.rows}x{arguments.dim}{'-newlines' * arguments.newlines}.bin"
    if not source.exists():
        write(source, arguments.rows, arguments.dim, arguments.vocabulary, arguments.newlines)
    size = source.stat().st_size
    print(
        f"\n{arguments.rows:,} x {arguments.dim}: {size:,} bytes; {arguments.threads} threads, {arguments.runs} runs\n",
        flush=True,
    )
    runs = measure(source, arguments.only, arguments.runs, arguments.threads)
    right = expected(source)
    for name, done in runs.items():
        if name != "copy" and any((run["matrix"], run["words"]) != right for run in done):
            sys.exit(f"{name} gave other vectors or words than the file has")
    print(table(runs, size))
    if arguments.json:
        found = {"machine": described, "command": machine.command(), "rows": arguments.rows, "dim": arguments.dim}
        found |= {"bytes": size, "threads": arguments.threads, "runs": runs}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
