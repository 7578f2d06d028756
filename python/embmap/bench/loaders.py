"""The loaders that people use: how each is called, and which lines it can read."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..demo.loader import load_glove


@dataclass(frozen=True)
class Vectors:
    """What a loader gave: words and, in the same order, their rows."""

    words: Sequence[str]
    rows: Sequence[NDArray[np.float32]] | NDArray[np.float32]


@dataclass(frozen=True)
class Loader:
    """A way from text to vectors.

    Attributes
    ----------
    name : str
        For a program.
    title : str
        For a reader.
    duplicates : {"first", "last"}
        Which row of a word that comes again it keeps.
    load : callable
        From a text file, and whether it has a header, to vectors.
    reads : callable
        Whether it can read a line, without its end, of so many numbers.
    """

    name: str
    title: str
    duplicates: Literal["first", "last"]
    load: Callable[[Path, bool], Vectors]
    reads: Callable[[bytes, int], bool]


def available() -> tuple[list[Loader], list[str]]:
    """Give the loaders that can run here, and a line for each that cannot.

    Examples
    --------
    >>> available()[0][0].title
    "the tutorials' loop"
    """
    loaders, absent = [TUTORIALS], []
    try:
        loaders.append(_gensim())
    except (ImportError, ValueError) as error:  # A build for another NumPy is a ValueError.
        why = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be imported ({error})"
        absent.append(f"gensim {why}; with it, its load_word2vec_format is timed too")
    return loaders, absent


def _load_tutorials(path: Path, header: bool) -> Vectors:
    vectors = load_glove(path)
    return Vectors(list(vectors), list(vectors.values()))


def _tutorials_read(line: bytes, dim: int) -> bool:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return False
    # `split()` also cuts at no-break spaces and the like; text mode also ends a line at a carriage return.
    return len(text.split()) == dim + 1 and "\r" not in text


TUTORIALS = Loader("tutorials", "the tutorials' loop", "last", _load_tutorials, _tutorials_read)


def _gensim() -> Loader:
    gensim: Any = importlib.import_module("gensim")
    vectors: Any = importlib.import_module("gensim.models").KeyedVectors

    def load(path: Path, header: bool) -> Vectors:
        logger = logging.getLogger("gensim")
        level = logger.level
        logger.setLevel(logging.ERROR)  # It logs a warning for each duplicate.
        try:
            with warnings.catch_warnings():
                # It leaves the file open where there is no header.
                warnings.simplefilter("ignore", ResourceWarning)
                found = vectors.load_word2vec_format(path, binary=False, no_header=not header)
        finally:
            logger.setLevel(level)
        # Words that came again leave room at the end.
        words = [word for word in found.index_to_key if word is not None]
        return Vectors(words, found.vectors[: len(words)])

    def reads(line: bytes, dim: int) -> bool:
        try:
            return len(line.rstrip().decode().split(" ")) == dim + 1
        except UnicodeDecodeError:
            return False

    return Loader("gensim", f"gensim {gensim.__version__}", "first", load, reads)
