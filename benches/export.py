"""A store to text and binary: `store.export` beside gensim's `save_word2vec_format` and what writes CSV.

    python benches/export.py STORE [--rows 100000] [--runs 3] [--only NAME ...]

All write the same rows, which they hold in memory and embmap in its mapped file. Runs in turn, medians; every text and every
word2vec file is converted back and must have the store's words and the store's bits. embmap's time ends with the file on the
disk; the others sync nothing, and are compared with the rest of its time too. What is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np

import embmap


@dataclass(frozen=True)
class Table:
    """What is written."""

    store: embmap.Store
    words: list[str]
    vectors: np.ndarray


Prepared = Callable[[Path], object]


def ours(format: str) -> Callable[[Table], Prepared]:
    return lambda table: lambda path: table.store.export(path, format, limit=len(table.words))


def one_thread(table: Table) -> Prepared:
    return lambda path: table.store.export(path, "word2vec", limit=len(table.words), threads=1)


def gensim(binary: bool) -> Callable[[Table], Prepared]:
    def prepare(table: Table) -> Prepared:
        from gensim.models import KeyedVectors

        logging.getLogger("gensim").setLevel(logging.ERROR)
        vectors = KeyedVectors(table.vectors.shape[1])
        vectors.add_vectors(table.words, table.vectors)
        return lambda path: vectors.save_word2vec_format(path, binary=binary)

    return prepare


def loop(table: Table) -> Prepared:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"{len(table.words)} {table.vectors.shape[1]}\n")
            for word, row in zip(table.words, table.vectors, strict=True):
                file.write(f"{word} {' '.join(map(str, row))}\n")

    return write


def polars(table: Table) -> Prepared:
    import polars as pl

    columns = {"word": table.words, **{str(i): column for i, column in enumerate(table.vectors.T.copy())}}
    frame = pl.DataFrame(columns)
    return lambda path: frame.write_csv(path, include_header=False, separator=" ", quote_style="never")


def pandas(table: Table) -> Prepared:
    import pandas as pd

    frame = pd.DataFrame(table.vectors, index=table.words)
    # It must quote, or escape, a word with a space or a quote inside: such rows fail the check.
    return lambda path: frame.to_csv(path, sep=" ", header=False, quoting=3, escapechar="\\")


def safetensors(table: Table) -> Prepared:
    from safetensors.numpy import save_file

    tensors = {"embedding.weight": np.ascontiguousarray(table.vectors)}
    return lambda path: save_file(tensors, path)


TEXT: dict[str, tuple[str | None, Callable[[Table], Prepared]]] = {
    "embmap": (None, ours("word2vec")),
    "embmap, 1 thread": (None, one_thread),
    "gensim": ("gensim", gensim(binary=False)),
    "loop": (None, loop),
    "polars": ("polars", polars),
    "pandas": ("pandas", pandas),
}
BINARY: dict[str, tuple[str | None, Callable[[Table], Prepared]]] = {
    "embmap, word2vec-binary": (None, ours("word2vec-binary")),
    "gensim, binary": ("gensim", gensim(binary=True)),
    "embmap, safetensors": (None, ours("safetensors")),
    "safetensors": ("safetensors", safetensors),
}


def check_text(table: Table, path: Path) -> None:
    """Convert a text back and compare words and bits."""
    with path.open("rb") as file:
        header = file.readline().count(b" ") == 1
    back = embmap.open(embmap.convert(path, path.with_suffix(".back"), header=header).path)
    assert list(back) == table.words
    assert np.array_equal(back.vectors.view(np.uint32), table.vectors.view(np.uint32))


def check_binary(table: Table, path: Path) -> None:
    """Compare the numbers of the last row, with which these files end."""
    assert path.read_bytes().endswith(table.vectors[-1].tobytes())


def measure(
    table: Table,
    writers: dict[str, tuple[str | None, Callable[[Table], Prepared]]],
    check: Callable[[Table, Path], None],
    runs: int,
    folder: Path,
) -> None:
    """Run the writers in turn; print a line for each."""
    prepared: dict[str, Prepared] = {}
    for name, (package, prepare) in writers.items():
        if package is None or importlib.util.find_spec(package) is not None:
            prepared[name] = prepare(table)
        else:
            print(f"left out: {name} ({package} is not installed)")
    seconds: dict[str, list[float]] = {name: [] for name in prepared}
    synced: dict[str, list[float]] = {name: [] for name in prepared}
    sizes: dict[str, int] = {}
    for turn in range(runs):
        for name, write in prepared.items():
            path = folder / "out"
            path.unlink(missing_ok=True)
            start = time.perf_counter()
            report: Any = write(path)
            seconds[name].append(time.perf_counter() - start)
            synced[name].append(report.sync_seconds if isinstance(report, embmap.ExportReport) else 0.0)
            sizes[name] = path.stat().st_size
            if turn == 0:
                check(table, path)
    base = next(iter(prepared))
    unsynced = {name: [a - b for a, b in zip(seconds[name], synced[name], strict=True)] for name in prepared}
    print(f"{'':<26}{'median s':>10}{'min':>9}{'max':>9}{'MB':>9}{'x embmap':>10}{'x without its sync':>20}")
    for name, found in seconds.items():
        middle = statistics.median(found)
        line = f"{name:<26}{middle:>10.3f}{min(found):>9.3f}{max(found):>9.3f}{sizes[name] / 1e6:>9,.0f}"
        ratio = middle / statistics.median(seconds[base])
        without = statistics.median(unsynced[name]) / statistics.median(unsynced[base])
        print(f"{line}{ratio:>10.1f}{without:>20.1f}", flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[*TEXT, *BINARY], default=[*TEXT, *BINARY])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench")
    arguments = parser.parse_args()
    store = embmap.open(arguments.store, preload=True)
    rows = min(arguments.rows, len(store))
    table = Table(store, store.words[:rows], store.take(np.arange(rows)))
    print(machine.headline(machine.describe(("gensim", "polars", "pandas"))))
    print(f"{rows:,} x {store.dim} {store.dtype}, {arguments.runs} runs\n")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for writers, check in ((TEXT, check_text), (BINARY, check_binary)):
            chosen = {name: writer for name, writer in writers.items() if name in arguments.only}
            if chosen:
                measure(table, chosen, check, arguments.runs, Path(folder))


if __name__ == "__main__":
    main()
