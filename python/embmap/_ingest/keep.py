"""Lists of words to keep, as people have them: with line ends, with padding, with counts."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .._paths import local
from .._words_like import WordsLike

# A word, and how often it was counted: what GloVe's vocab_count writes, and most lists of frequencies.
_COUNTED = re.compile(r"(\S+)[ \t]+[0-9]+(?:\.[0-9]+)?")
_COUNTED_BY_TAB = re.compile(r"(.*\S)[ \t]*\t[0-9]+")


def words_to_keep(keep: Any) -> WordsLike:
    """Give the words of a list, or of a text file; a list's words stay as they are, and lose their padding besides."""
    if isinstance(keep, str):
        raise TypeError("keep must be words, not one str")
    if isinstance(keep, os.PathLike):
        with local(keep).open(encoding="utf-8-sig") as file:
            return words_of_lines(file)
    if isinstance(keep, io.TextIOBase):
        return words_of_lines(keep)
    if isinstance(keep, np.ndarray) or hasattr(keep, "__arrow_c_stream__") or hasattr(keep, "__arrow_c_array__"):
        words: WordsLike = keep
        return words
    return list(_with_trimmed(keep))


def words_of_lines(lines: Iterable[str]) -> list[str]:
    """Give the words of a word list: one a line, without padding, and without counts where every line has one."""
    words = [word for line in lines if (word := line.strip(" \t\r\n"))]
    counted = [_COUNTED.fullmatch(word) for word in words]
    if words and all(counted):
        return [found[1] for found in counted if found]
    return words


def rows_of_lines(lines: Iterable[str]) -> list[str]:
    """Give what stands in each line, for its row: empty lines are rows too, but at the end; counts behind tabs are none."""
    words = [line.strip(" \t\r\n") for line in lines]
    while words and not words[-1]:
        words.pop()
    counted = [_COUNTED_BY_TAB.fullmatch(word) for word in words]
    if all(found or not word for found, word in zip(counted, words, strict=True)):
        return [found[1] if found else "" for found in counted]
    return words


def _with_trimmed(words: Iterable[str]) -> Iterator[str]:
    # A word may end with a space, but that of a line that was read ends with what ended the line.
    for word in words:
        yield word
        if isinstance(word, str) and (trimmed := word.strip(" \t\r\n")) != word and trimmed:
            yield trimmed
