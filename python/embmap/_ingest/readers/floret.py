"""floret's tables: rows that parts of words share, and no words; every word has a vector by them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..._atomic_file import scratch_folder
from ..._core.store import CoreStore
from ..._embmap import convert
from ..._errors import ParseError
from .rows import Matrix, Ngrams, Rows, refusal

# Buckets, dim, minn, maxn, hashes, seed, and what stands before and behind a word.
_FIRST = re.compile(rb"([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+) ([1-4]) ([0-9]+) (\S+) (\S+)\s*")
_NUMBER = re.compile(rb"[-+.0-9]\S*")
# Of floret's other names for the ends of a word nothing is known.
_MARKS = ("<", ">")


def is_table(head: bytes) -> bool:
    """Tell whether a text begins as a table of floret's does, and not with a word and numbers."""
    return _first(head) is not None


def _first(head: bytes) -> re.Match[bytes] | None:
    found = _FIRST.fullmatch(head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0])
    return None if found is None or any(_NUMBER.match(mark) for mark in found.groups()[6:]) else found


def of_text(path: Path, scratch: Path) -> Rows:
    """Give the rows of a table that is a text, by way of a store in the folder `scratch`, which is gone once it is open."""
    with path.open("rb") as file:
        found = _first(file.readline(1 << 10))
    if found is None:
        what = 'expected the first line of a table of floret\'s, "buckets dim minn maxn hashes seed < >"'
        raise refusal(path, f"{what}, in a plain file of UTF-8: unpack it first")
    numbers = [int(number) for number in found.groups()[2:6]]
    marks = [mark.decode(errors="replace") for mark in found.groups()[6:]]
    if not scratch.is_dir():
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(scratch))
    with scratch_folder(scratch) as folder:
        try:
            convert(
                path,
                folder / "rows",
                format="text",
                member=None,
                max_expansion=100.0,
                header=True,
                separator=" ",
                encoding="utf-8",
                dim=None,
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
        except ParseError as error:
            # No row of a table can be passed over.
            reason = error.reason.partition("; on_bad_row=")[0]
            raise ParseError(error.path, error.line, error.byte_offset, reason, error.unit) from None
        # Windows deletes no file that is mapped.
        table = CoreStore(folder / "rows", copy=os.name == "nt")
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
    if not hashes:
        raise refusal(path, "expected 1 to 4 hashes, found 0")
    ngrams = Ngrams(rows=rows, minn=minn, maxn=maxn, hashes=hashes, seed=seed)
    return Rows(dim=rows.shape[1], total=0, blocks=iter(()), ngrams=ngrams)
