"""What embmap raises and warns of besides `OSError`, `KeyError`, `IndexError`, `TypeError` and `ValueError`."""

from __future__ import annotations

from typing import Literal


class EmbmapError(Exception):
    """The root of embmap's own errors."""


class ParseError(EmbmapError, ValueError):
    """A source is not what it should be.

    Attributes
    ----------
    path : str
        The source.
    line : int
        The line that cannot be accepted, or the word of a binary file, counted from 1.
    byte_offset : int
        The byte at which it starts, counted from 0.
    reason : str
        What was expected, what was found, what to do.
    unit : {"line", "word", "row", "byte", "file"}
        What the place is counted in: lines; the words of a binary file or a vocabulary; the rows of a table or a matrix;
        bytes alone; or it is the file as a whole that is not accepted.
    """

    def __init__(
        self,
        path: str,
        line: int,
        byte_offset: int,
        reason: str,
        unit: Literal["line", "word", "row", "byte", "file"] = "line",
    ) -> None:
        super().__init__(path, line, byte_offset, reason, unit)
        self.path = path
        self.line = line
        self.byte_offset = byte_offset
        self.reason = reason
        self.unit = unit

    def __str__(self) -> str:
        if self.unit == "file":
            return f"{self.path}: {self.reason}"
        if self.unit == "row":
            return f"{self.path}, row {self.line}: {self.reason}"
        if self.unit == "byte":
            return f"{self.path}, byte {self.byte_offset}: {self.reason}"
        return f"{self.path}, {self.unit} {self.line} (byte {self.byte_offset}): {self.reason}"


class FormatError(EmbmapError, ValueError):
    """A file is no store, or is truncated, corrupt, changed or written by a later version."""


class ConversionWarning(UserWarning):
    """A conversion left rows out or changed words, as it was told to; `load` gives the counts."""
