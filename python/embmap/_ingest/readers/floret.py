"""floret's tables: rows that parts of words share, and no words; every word has a vector by them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..._core.store import CoreStore
from ..._embmap import convert
from .rows import LONGEST, Matrix, Ngrams, Rows, refusal

# Buckets, dim, minn, maxn, hashes, seed, and what stands before and behind a word.
_FIRST = re.compile(rb"([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+) ([1-4]) ([0-9]+) (\S+) (\S+)\s*")
# Of floret's other names for the ends of a word nothing is known.
_MARKS = ("<", ">")


def is_table(head: bytes) -> bool:
    """Tell whether a text begins as a table of floret's does."""
    return _FIRST.fullmatch(head.partition(b"\n")[0]) is not None


def of_text(path: Path, scratch: Path) -> Rows:
    """Give the rows of a table that is a text, by way of a store in the folder `scratch`, which is gone once it is open."""
    with path.open("rb") as file:
        found = _FIRST.fullmatch(file.readline(1 << 10))
    if found is None:
        what = 'expected the first line of a table of floret\'s, "buckets dim minn maxn hashes seed < >"'
        raise refusal(path, f"{what}; one that is packed must be unpacked first")
    _buckets, dim, *numbers = (int(number) for number in found.groups()[:6])
    marks = [mark.decode(errors="replace") for mark in found.groups()[6:]]
    made = scratch / f".embmap-{os.urandom(8).hex()}.tmp"
    try:
        convert(
            path,
            made,
            format="text",
            member=None,
            max_expansion=100.0,
            header=True,
            separator=" ",
            encoding="utf-8",
            dim=dim,
            duplicates="error",
            errors="strict",
            on_bad_row="error",
            on_wrong_count="error",
            limit=None,
            keep=None,
            shard=None,
            dtype="float32",
            normalize=False,
            screen=False,
            threads=None,
            progress=None,
            metadata="{}",
        )
        table = CoreStore(made)
    finally:
        made.unlink(missing_ok=True)
    if (other := next((i for i, word in enumerate(table) if word != str(i)), None)) is not None:
        raise refusal(path, f"row {other + 1} is named {table.word(other)!r}, expected {other}")
    return of_table(path, table.vectors, numbers, marks)


def of_table(path: Path, rows: Matrix, numbers: Sequence[int], marks: Sequence[str]) -> Rows:
    """Give no words, and the rows of their parts; `numbers` are minn, maxn, hashes and seed."""
    if len(rows.shape) != 2 or 0 in rows.shape:
        raise refusal(path, f"expected a table with a row for each bucket, found numbers of shape {tuple(rows.shape)}")
    minn, maxn, hashes, seed = numbers
    if tuple(marks) != _MARKS:
        raise refusal(path, f"words are put between {' and '.join(map(repr, marks))}; embmap knows '<' and '>'")
    if not (0 <= minn <= LONGEST and 0 <= maxn <= LONGEST and 1 <= hashes <= 4 and 0 <= seed < 1 << 32):
        raise refusal(
            path, f"n-grams of {minn} to {maxn} characters in {hashes} buckets each, by the seed {seed}, cannot be"
        )
    ngrams = Ngrams(rows=rows, minn=minn, maxn=maxn, hashes=hashes, seed=seed)
    return Rows(dim=rows.shape[1], total=0, blocks=iter(()), ngrams=ngrams)
