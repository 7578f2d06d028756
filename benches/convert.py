"""Text to vectors: embmap beside the loaders that people use, on one file, with the answers checked.

    python benches/convert.py [--rows 400000] [--dim 300] [--vocabulary FOLDER] [--runs 5] [--only NAME ...] [--json OUT]

Every run is a process of its own, warm page cache, the peers in turn; the table gives the median, the fastest and the
slowest run, and how many times as long as embmap each takes. The loaders end with the vectors in memory; embmap ends with
the finished file on the disk, synced, index and checksums included. The CRC-32 of every answer must be embmap's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from make_text import write


def embmap_convert(path: Path) -> np.ndarray:
    import embmap

    target = path.with_suffix(".embmap")
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    embmap.convert(path, target)
    embmap_convert.seconds = time.perf_counter() - start
    return embmap.open(target).vectors


def tutorial(path: Path) -> np.ndarray:
    """The loop of the Keras tutorial: split, np.asarray(values, dtype="float32")."""
    from embmap.demo.loader import load_glove

    return load_glove(path)


def tutorial_float64(path: Path) -> np.ndarray:
    """The loop of the PyTorch tutorial: split, np.array(values).astype(float)."""
    vectors = {}
    with path.open("rb") as file:
        for line in file:
            values = line.decode().split()
            vectors[values[0]] = np.array(values[1:]).astype(float)
    return vectors


def careful(path: Path) -> np.ndarray:
    """A careful Python loader: partition, np.fromstring."""
    vectors = {}
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            word, _, numbers = line.partition(" ")
            vectors[word] = np.fromstring(numbers, np.float32, sep=" ")
    return vectors


def gensim(path: Path) -> np.ndarray:
    from gensim.models import KeyedVectors

    return KeyedVectors.load_word2vec_format(path, binary=False, no_header=True).vectors


def pandas(path: Path) -> np.ndarray:
    import pandas

    frame = pandas.read_csv(
        path, sep=" ", header=None, index_col=0, quoting=3, keep_default_na=False, dtype=_dtypes(path)
    )
    return frame.to_numpy(np.float32)


def _dtypes(path: Path) -> dict[int, object]:
    with path.open(encoding="utf-8") as file:
        return {0: str, **dict.fromkeys(range(1, len(file.readline().split(" "))), np.float32)}


def polars(path: Path) -> np.ndarray:
    import polars

    schema = {f"c{i}": polars.Float32 if i else polars.String for i in _dtypes(path)}
    frame = polars.read_csv(path, separator=" ", has_header=False, quote_char=None, schema=schema)
    return frame.drop("c0").to_numpy()


def pyarrow(path: Path) -> np.ndarray:
    import pyarrow
    from pyarrow import csv

    names = [f"c{i}" for i in _dtypes(path)]
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=names, block_size=1 << 24),
        parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
        convert_options=csv.ConvertOptions(
            column_types={name: pyarrow.float32() if name != "c0" else pyarrow.string() for name in names},
            strings_can_be_null=False,
        ),
    )
    return np.column_stack([column.to_numpy() for column in table.columns[1:]])


def duckdb(path: Path) -> np.ndarray:
    import duckdb

    columns = {f"c{i}": "FLOAT" if i else "VARCHAR" for i in _dtypes(path)}
    found = duckdb.read_csv(
        str(path),
        sep=" ",
        header=False,
        quotechar="",
        escapechar="",
        columns=columns,
        auto_detect=False,
        max_line_size=1 << 20,
    ).fetchnumpy()
    return np.column_stack([found[name] for name in columns if name != "c0"])


def floor(path: Path) -> None:
    """Read the text once, write as many bytes as the matrix has once, on one thread; no sync."""
    with path.open("rb", buffering=0) as source, tempfile.TemporaryFile(dir=path.parent) as target:
        rows = sum(1 for _ in path.with_suffix(".words").open("rb"))
        written = memoryview(bytes(1 << 20))
        left = rows * (len(_dtypes(path)) - 1) * 4
        buffer = bytearray(1 << 20)
        start = time.perf_counter()
        while source.readinto(buffer):
            pass
        while left:
            left -= os.write(target.fileno(), written[: min(left, 1 << 20)])
        floor.seconds = time.perf_counter() - start


LOADERS: dict[str, Callable[[Path], object]] = {
    "embmap": embmap_convert,
    "tutorial": tutorial,
    "tutorial-float64": tutorial_float64,
    "careful": careful,
    "gensim": gensim,
    "pandas": pandas,
    "polars": polars,
    "pyarrow": pyarrow,
    "duckdb": duckdb,
    "floor": floor,
}


def one(name: str, path: Path) -> dict[str, object]:
    """Run one loader once; give seconds, peak memory and what tells whether the answer is right."""
    loader = LOADERS[name]
    if name in ("gensim", "pandas", "polars", "pyarrow", "duckdb"):
        __import__(name)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = loader(path)
    seconds = getattr(loader, "seconds", time.perf_counter() - start)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
    if isinstance(found, dict):
        found = np.array(list(found.values()), np.float32)
    crc = None if found is None else zlib.crc32(np.ascontiguousarray(found, np.float32))
    return {"seconds": seconds, "peak_mb": peak, "crc": crc}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--format", default="%.5g")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=LOADERS, default=list(LOADERS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], Path(arguments.one[1]))))
        return

    arguments.folder.mkdir(parents=True, exist_ok=True)
    path = arguments.folder / f"{arguments.rows}x{arguments.dim}{arguments.format.replace('%', '-')}.txt"
    if not path.exists():
        write(path, arguments.rows, arguments.dim, arguments.vocabulary, arguments.format)
    path.with_suffix(".words").write_bytes(b"\n" * arguments.rows)

    runs: dict[str, list[dict[str, object]]] = {name: [] for name in arguments.only}
    for turn in range(arguments.runs + 1):
        for name in runs:
            if turn == 0 and name not in ("embmap", "floor", "polars", "pyarrow", "duckdb"):
                continue  # The slow ones need no warm-up.
            command = [sys.executable, "-W", "ignore", __file__, "--one", name, str(path)]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "0"}
            )
            if turn:
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
    report(runs, path, arguments)


def report(runs: dict[str, list[dict[str, object]]], path: Path, arguments: argparse.Namespace) -> None:
    """Print the table, write the JSON; fail where an answer is wrong."""
    right = runs["embmap"][0]["crc"]
    ours = statistics.median(run["seconds"] for run in runs["embmap"])
    print(
        f"{path.name}: {path.stat().st_size:,} bytes; {os.cpu_count()} cores, {platform.machine()}; {arguments.runs} runs\n"
    )
    print(f"{'':<18}{'median s':>10}{'min':>8}{'max':>8}{'x embmap':>10}{'peak MB':>10}")
    for name, found in runs.items():
        seconds = [run["seconds"] for run in found]
        if any(run["crc"] not in (None, right) for run in found):
            sys.exit(f"{name}: the answer differs from embmap's")
        middle = statistics.median(seconds)
        peak = max(run["peak_mb"] for run in found)
        print(f"{name:<18}{middle:>10.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}{middle / ours:>10.1f}{peak:>10,.0f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"file": path.name, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
