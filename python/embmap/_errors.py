"""What embmap raises besides `OSError`, `KeyError`, `IndexError`, `TypeError` and `ValueError`."""

from __future__ import annotations


class EmbmapError(Exception):
    """The root of embmap's own errors."""


class ParseError(EmbmapError, ValueError):
    """A source is not what it should be.

    Attributes
    ----------
    path : str
        The source.
    line : int
        The line that cannot be accepted, or the record of a binary file, counted from 1.
    byte_offset : int
        The byte at which it starts, counted from 0.
    reason : str
        What was expected, what was found, what to do.
    """

    def __init__(self, path: str, line: int, byte_offset: int, reason: str) -> None:
        super().__init__(path, line, byte_offset, reason)
        self.path = path
        self.line = line
        self.byte_offset = byte_offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}, line {self.line} (byte {self.byte_offset}): {self.reason}"


class FormatError(EmbmapError, ValueError):
    """A file is no store, or is truncated, corrupt, changed or written by a later version."""
