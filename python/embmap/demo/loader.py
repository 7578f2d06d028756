"""The tutorials' way, to compare with: a dict filled line by line, a matrix filled word by word."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def load_glove(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read GloVe text into a dict, as the tutorials do."""
    vectors = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            values = line.split()
            vectors[values[0]] = np.asarray(values[1:], dtype="float32")
    return vectors


def fill_matrix(vectors: dict[str, NDArray[np.float32]], words: Iterable[str], dim: int) -> NDArray[np.float32]:
    """Fill the weights of a task's words, missing ones drawn from N(0, 0.6), as the tutorials do."""
    words = list(words)
    rng = np.random.default_rng(0)
    matrix = np.zeros((len(words), dim), dtype="float32")
    for i, word in enumerate(words):
        try:
            matrix[i] = vectors[word]
        except KeyError:
            matrix[i] = rng.normal(scale=0.6, size=dim)
    return matrix
