"""The main job on an embedded sample, from text vectors to a trained classifier.

The sample is the first 8,000 rows of GloVe vectors (100 numbers each, to three decimals) trained on English novels published
before 1931, and 240 sentences about the sea, home, war and love, written for this demo.
"""

from __future__ import annotations

import bz2
from importlib import resources
from pathlib import Path

__all__ = ["sample", "sentences"]

_VECTORS = "glove.novels.100d.8k.txt"


def sample(folder: Path) -> Path:
    """Unpack the sample's vectors, GloVe text, into `folder`; give the file."""
    path = folder / _VECTORS
    vectors = bz2.decompress((resources.files(__name__) / f"{_VECTORS}.bz2").read_bytes())
    # A file that is there already stays, with its time, so that what was made from it stays fresh.
    if not path.exists() or path.read_bytes() != vectors:
        path.write_bytes(vectors)
    return path


def sentences() -> tuple[list[list[str]], list[int], list[str]]:
    """Give the sample's sentences as words, the label of each as a number, and the names of the labels."""
    lines = (resources.files(__name__) / "sentences.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines]
    names = sorted({label for label, _ in pairs})
    return [text.split() for _, text in pairs], [names.index(label) for label, _ in pairs], names
