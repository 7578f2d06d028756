"""A table to vectors: CSV as pandas writes it, a tenth of its words in quotes, beside readers of CSV.

    python benches/tables.py [--rows 200000] [--dim 100] [--vocabulary FOLDER] [--runs 5]

embmap ends with a finished store on the disk, synced; the others with words and a float32 matrix in memory. Runs in turn,
warm page cache, medians; words and numbers must be the same, bit for bit.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import machine
import numpy as np
from make_text import vocabulary

import embmap

Loaded = tuple[list[str], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    print(machine.headline(machine.describe()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.csv"
        words = written(path, arguments.rows, arguments.dim, arguments.vocabulary)
        loaders: dict[str, Callable[[Path], Loaded]] = {
            "embmap": by_embmap,
            "polars": by_polars,
            "pandas": by_pandas,
            "csv and a loop": by_csv,
        }
        seconds: dict[str, list[float]] = {name: [] for name in loaders}
        for _ in range(arguments.runs):
            expected: np.ndarray | None = None
            for name, load in loaders.items():
                start = time.perf_counter()
                found, matrix = load(path)
                seconds[name].append(time.perf_counter() - start)
                expected = matrix if expected is None else expected
                assert found == words, name
                np.testing.assert_array_equal(matrix, expected)
        size = path.stat().st_size
    print(f"{arguments.rows:,} x {arguments.dim}, {size / 1e6:.0f} MB of CSV")
    ours = statistics.median(seconds["embmap"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name:16} {median:7.3f} s ({min(taken):.3f}-{max(taken):.3f})  {median / ours:5.1f} x")


def written(path: Path, rows: int, dim: int, folder: Path | None) -> list[str]:
    """Write the table, and give its words."""
    numbers = np.random.default_rng(0).normal(0, 0.4, (1000, dim))
    block = [[f"{number:.5g}" for number in row] for row in numbers.tolist()]
    words = [f"{word}, too" if i % 10 == 0 else word for i, word in enumerate(vocabulary(folder, rows))]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["word", *(f"d{i}" for i in range(dim))])
        writer.writerows([word, *block[i % len(block)]] for i, word in enumerate(words))
    return words


def by_embmap(path: Path) -> Loaded:
    store = embmap.open(embmap.convert(path, path.with_suffix(".embmap")).path)
    return list(store), store.vectors


def by_polars(path: Path) -> Loaded:
    import polars

    frame = polars.read_csv(path, schema_overrides={"word": polars.String}, infer_schema_length=1000)
    # Numbers become float64 and then float32, as what is read as float32 is not the nearest.
    return frame["word"].to_list(), frame.drop("word").to_numpy().astype(np.float32)


def by_pandas(path: Path) -> Loaded:
    import pandas

    frame = pandas.read_csv(path, keep_default_na=False, dtype={"word": str})
    return frame.pop("word").tolist(), frame.to_numpy(np.float32)


def by_csv(path: Path) -> Loaded:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        words, vectors = [], []
        for word, *numbers in rows:
            words.append(word)
            vectors.append(np.array(numbers, np.float32))
    return words, np.stack(vectors)


if __name__ == "__main__":
    main()
