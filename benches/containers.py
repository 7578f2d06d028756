"""Compressed and packed text to vectors, beside decompressing alone.

    python benches/containers.py [--rows 100000] [--dim 300] [--vocabulary FOLDER] [--runs 3]
                                 [--only gz bz2 xz zst zip tar.gz] [--level N] [--json OUT]

One text is packed in each way; `embmap.convert` reads it to a store, and Python's decompressor and the command of that
format, where it is installed, read it to nowhere. So the second column of ratios is what converting adds to a reading that
cannot be avoided. The matrix, the words and their order must be those of the plain text. Each run is a process of its own,
warm page cache.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import importlib
import importlib.util
import json
import lzma
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import machine
import numpy as np
from make_text import write

PART = 1 << 20
KINDS = ("gz", "bz2", "xz", "zst", "zip", "tar.gz")
# What people use to decompress to nowhere. unzip and tar give the text alone, as the others do.
COMMANDS = {
    "gz": ("gunzip", "-c"),
    "bz2": ("bzip2", "-dc"),
    "xz": ("xz", "-dc"),
    "zst": ("zstd", "-dcq"),
    "zip": ("unzip", "-p"),
    "tar.gz": ("tar", "-xzOf"),
}


def pack(text: Path, kind: str, level: int | None) -> Path:
    """Pack a text, with the format's own level where none is given; keep what is there already."""
    target = text.with_name(f"{text.name}.{kind}")
    if target.exists():
        return target
    half = target.with_name(f"{target.name}.part")
    options = {} if level is None else {"compresslevel": level}
    if kind == "zip":
        with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED, **options) as archive:
            archive.write(text, text.name)
    elif kind == "tar.gz":
        with tarfile.open(half, "w:gz", **options) as archive:
            archive.add(text, text.name)
    elif kind == "zst":
        subprocess.run(["zstd", "-qf", f"-{level or 3}", str(text), "-o", str(half)], check=True)
    else:
        makers = {"gz": gzip.GzipFile, "bz2": bz2.BZ2File, "xz": lzma.LZMAFile}
        options = options if kind != "xz" else {"preset": level}
        with text.open("rb") as source, makers[kind](half, "wb", **options) as out:
            shutil.copyfileobj(source, out, PART)
    half.replace(target)
    return target


def parts(path: Path, kind: str) -> Iterator[bytes]:
    """Decompress with the fastest that Python has."""
    if kind == "zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
            while part := file.read(PART):
                yield part
    elif kind == "tar.gz":
        with tarfile.open(path, "r|gz", bufsize=PART) as archive:
            file = archive.extractfile(archive.next())
            while part := file.read(PART):
                yield part
    elif kind == "zst":
        with _zstd(path) as file:
            while part := file.read(PART):
                yield part
    else:
        # zlib's own object is faster than gzip.open, which keeps a checksum and a buffer in Python.
        decompressor = {"gz": lambda: zlib.decompressobj(31), "bz2": bz2.BZ2Decompressor, "xz": lzma.LZMADecompressor}
        one = decompressor[kind]()
        with path.open("rb") as file:
            while part := file.read(PART):
                yield one.decompress(part)


def has_zstd() -> str | None:
    """Give the module that reads zstd, if there is one."""
    return next((name for name in ("compression.zstd", "zstandard") if _exists(name)), None)


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _zstd(path: Path) -> object:
    module = importlib.import_module(has_zstd())
    return module.open(path, "rb")


def convert(path: Path, kind: str, folder: Path) -> dict[str, object]:
    """Convert; give seconds and what tells whether the store is right."""
    import embmap

    base = machine.peak_mb()
    start = time.perf_counter()
    report = embmap.convert(path, folder / "vectors.embmap")
    seconds = time.perf_counter() - start
    peak = machine.peak_mb() - base
    with embmap.open(report.path) as store:
        crc = zlib.crc32(np.ascontiguousarray(store.vectors))
        words = zlib.crc32("\n".join(store.words).encode())
    sync = getattr(report, "sync_seconds", None)
    found = {"seconds": seconds, "peak_mb": peak, "vectors": crc, "words": words}
    return found if sync is None else {**found, "sync_seconds": sync}


def decompress(path: Path, kind: str, folder: Path) -> dict[str, object]:
    """Read the container to nowhere, in Python."""
    start = time.perf_counter()
    bytes_ = sum(len(part) for part in parts(path, kind))
    return {"seconds": time.perf_counter() - start, "bytes": bytes_}


def command(path: Path, kind: str, folder: Path) -> dict[str, object]:
    """Read the container to nowhere, with the command."""
    start = time.perf_counter()
    subprocess.run([*COMMANDS[kind], str(path)], stdout=subprocess.DEVNULL, check=True)
    return {"seconds": time.perf_counter() - start}


JOBS = {"convert": convert, "python": decompress, "command": command}


def run(job: str, path: Path, kind: str) -> dict[str, object] | str:
    """Run a job in a process of its own; give what it found, or why there is nothing."""
    if job == "command" and shutil.which(COMMANDS[kind][0]) is None:
        return f"no {COMMANDS[kind][0]}"
    if job == "python" and kind == "zst" and has_zstd() is None:
        return "this Python reads no zstd: pip install zstandard"
    done = subprocess.run(
        [sys.executable, __file__, "--one", job, str(path), kind], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return json.loads(done.stdout.splitlines()[-1])


def measure(path: Path, kind: str, runs: int) -> dict[str, list[dict[str, object]] | str]:
    """Run each job `runs` times, in turn, after a reading that is not timed."""
    path.read_bytes()
    found: dict[str, list[dict[str, object]] | str] = {job: [] for job in JOBS}
    for _ in range(runs):
        for job, done in found.items():
            if isinstance(done, list):
                outcome = run(job, path, kind)
                if isinstance(outcome, str):
                    found[job] = outcome
                else:
                    done.append(outcome)
    return found


def seconds_of(done: list[dict[str, object]] | str) -> float | None:
    """Give the median."""
    return None if isinstance(done, str) else statistics.median(run["seconds"] for run in done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--level", type=int, help="of compression; by default the format's own")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        job, path, kind = arguments.one
        # Beside the source, not in the system's temporary folder, which may be memory.
        with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
            print(json.dumps(JOBS[job](Path(path), kind, Path(folder))))
        return

    folder = arguments.folder / "containers"
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / f"{arguments.rows}x{arguments.dim}{'' if arguments.level is None else f'-{arguments.level}'}.txt"
    if not text.exists():
        write(text, arguments.rows, arguments.dim, arguments.vocabulary)
    described = machine.describe(("zstandard",))
    size = text.stat().st_size
    print(machine.headline(described))
    print(f"{arguments.rows:,} x {arguments.dim}: {size:,} bytes of text; median of {arguments.runs} runs, seconds\n")
    head = f"{'':<8}{'MB':>8}{'embmap':>9}{'text MB/s':>11}{'python':>9}{'embmap/python':>15}"
    print(head + f"{'command':>9}{'embmap/command':>16}{'peak MB':>9}", flush=True)

    text.read_bytes()
    plain = [run("convert", text, "txt") for _ in range(arguments.runs)]
    if failed := next((outcome for outcome in plain if isinstance(outcome, str)), None):
        sys.exit(failed)
    found: dict[str, object] = {"txt": {"convert": plain}}
    print(row("txt", size, size, {"convert": plain}), flush=True)
    notes = []
    for kind in arguments.only:
        try:
            path = pack(text, kind, arguments.level)
        except FileNotFoundError as error:
            notes.append(f"left out: {kind} (no {error.filename})")
            continue
        done = measure(path, kind, arguments.runs)
        found[kind] = {"bytes": path.stat().st_size, **done}
        print(row(kind, path.stat().st_size, size, done), flush=True)
        notes += [f"{kind}: {job}: {outcome}" for job, outcome in done.items() if isinstance(outcome, str)]
        for outcome in done["convert"] if isinstance(done["convert"], list) else ():
            if any(outcome[what] != plain[0][what] for what in ("vectors", "words")):
                sys.exit(f"{kind}: the store is not that of the plain text")
        for outcome in done["python"] if isinstance(done["python"], list) else ():
            if outcome["bytes"] != size:
                sys.exit(f"{kind}: Python read {outcome['bytes']:,} bytes, not {size:,}")
    print("\n".join(["", *notes]))
    if arguments.json:
        about = {"machine": described, "command": machine.command(), "rows": arguments.rows, "dim": arguments.dim}
        arguments.json.write_text(json.dumps({**about, "bytes": size, "kinds": found}, indent=1) + "\n")
    if failed := [kind for kind, done in found.items() if isinstance(done["convert"], str)]:
        sys.exit(f"not converted: {', '.join(failed)}")


def row(kind: str, bytes_: int, size: int, done: dict[str, list[dict[str, object]] | str]) -> str:
    """Give a line of the table."""
    ours, python, command = (seconds_of(done.get(job, "none")) for job in ("convert", "python", "command"))
    ratios = [f"{ours / other:.2f}" if ours and other else "-" for other in (python, command)]
    times = [f"{value:.2f}" if value is not None else "-" for value in (ours, python, command)]
    rate = f"{size / 1e6 / ours:,.0f}" if ours else "-"
    converted = done["convert"]
    peak = f"{max(run['peak_mb'] for run in converted):,.0f}" if isinstance(converted, list) else "-"
    line = f"{kind:<8}{bytes_ / 1e6:>8,.1f}{times[0]:>9}{rate:>11}{times[1]:>9}{ratios[0]:>15}"
    return line + f"{times[2]:>9}{ratios[1]:>16}{peak:>9}"


if __name__ == "__main__":
    main()
