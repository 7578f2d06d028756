"""The first rows of a text file, as a file of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Room for a header: it says how many rows follow, which is known at the end.
_HEADER = 60


@dataclass(frozen=True)
class Sample:
    """A file that a loader reads.

    Attributes
    ----------
    path : Path
        The file; the source itself where all of it is read as it is.
    rows : int
        Rows in it, those of words that come again included.
    left_out : int
        Rows that were passed over, because the loader cannot read them.
    """

    path: Path
    rows: int
    left_out: int = 0


def cut(
    source: Path,
    target: Path,
    rows: int,
    *,
    dim: int,
    header: bool,
    reads: Callable[[bytes, int], bool] | None = None,
) -> Sample:
    """Copy the first `rows` rows to `target`; only those that a loader `reads`, where that is given.

    A header is written anew, with the number of rows that follow it.
    """
    kept = left_out = 0
    with source.open("rb") as text, target.open("wb") as out:
        if header:
            text.readline()
            out.write(b"\n".rjust(_HEADER))
        for line in itertools.islice(text, rows):
            if not (body := line.rstrip(b"\r\n")):
                continue
            if reads is None or reads(body, dim):
                out.write(line if line.endswith(b"\n") else line + b"\n")
                kept += 1
            else:
                left_out += 1
        if header:
            out.seek(0)
            out.write(f"{kept} {dim}".encode())
    return Sample(target, kept, left_out)


def is_text(path: Path, dim: int, header: bool) -> bool:
    """Say whether a file that embmap reads is plain text, and not compressed, packed or binary."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if header:
            file.readline(_HEADER)
        line = file.readline(1 << 24)
    if b"\0" in line or line.startswith(b"PK"):
        return False  # An archive whose first file is not compressed.
    fields = line.split()[-dim:]
    try:
        return len([float(field) for field in fields]) == dim
    except ValueError:
        return False
