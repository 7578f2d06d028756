"""Write a text file of vectors as GloVe writes them, for benchmarks: `%.5g` numbers, one row a word.

    python benches/make_text.py OUT --rows 400000 --dim 300 [--vocabulary FOLDER] [--format %.5g]

The words are those of the files ``vocabulary_*.txt`` in FOLDER, one a line, then pairs of them joined; without a folder
they are made up. The numbers are N(0, 0.4), as GloVe's are about. Rows repeat a block of numbers with their words anew:
what a parser does depends on the digits, not on their order.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def vocabulary(folder: Path | None, rows: int) -> Iterator[str]:
    """Yield `rows` distinct words, real ones first."""
    real: list[str] = []
    for path in sorted(folder.glob("vocabulary_*.txt")) if folder else ():
        real += [word for word in path.read_text(encoding="utf-8").split("\n") if word and " " not in word]
    real = list(dict.fromkeys(real)) or [f"w{i:x}" for i in range(200_000)]
    seen = set(real)
    yield from itertools.islice(real, rows)
    left = rows - len(real)
    stride = 1
    while left > 0:
        for first, second in zip(real, itertools.islice(itertools.cycle(real), stride, None), strict=False):
            if left <= 0:
                return
            if (word := first + second) not in seen:
                seen.add(word)
                yield word
                left -= 1
        stride += 1


def write(out: Path, rows: int, dim: int, folder: Path | None, number: str = "%.5g", seed: int = 0) -> None:
    """Write the file."""
    rng = np.random.default_rng(seed)
    block = [
        " ".join(number % x for x in row)
        for row in rng.normal(0, 0.4, (min(rows, 4000), dim)).astype(np.float32).tolist()
    ]
    with out.open("w", encoding="utf-8", newline="\n", buffering=1 << 20) as file:
        file.writelines(
            f"{word} {numbers}\n"
            for word, numbers in zip(vocabulary(folder, rows), itertools.cycle(block), strict=False)
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--format", default="%.5g")
    arguments = parser.parse_args()
    write(arguments.out, arguments.rows, arguments.dim, arguments.vocabulary, arguments.format)
