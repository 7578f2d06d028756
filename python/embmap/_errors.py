"""What embmap raises and warns of besides `OSError`, `KeyError`, `IndexError`, `TypeError` and `ValueError`."""

from __future__ import annotations

from typing import Literal

_Unit = Literal["line", "word", "row", "byte", "file"]


class EmbmapError(Exception):
    """The root of embmap's own errors.

    Examples
    --------
    >>> for name in ("vectors.embmap", "vectors.txt"):
    ...     try:
    ...         print(len(embmap.open(name)), "words")
    ...     except embmap.EmbmapError as error:
    ...         print(type(error).__name__)
    6 words
    FormatError
    """


class ParseError(EmbmapError, ValueError):
    r"""A source is not what it should be.

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

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("short.txt").write_text("king 0.9 0.8\nqueen 0.9\n")
    >>> try:
    ...     embmap.convert("short.txt")
    ... except embmap.ParseError as error:
    ...     print(error.unit, error.line, error.byte_offset)
    ...     print(error.reason)
    line 2 13
    expected a word and 2 numbers, found a word and 1; on_bad_row="skip" passes over such rows
    """

    def __init__(
        self,
        path: str,
        line: int,
        byte_offset: int,
        reason: str,
        unit: _Unit = "line",
    ) -> None:
        super().__init__(path, line, byte_offset, reason, unit)
        self.path = path
        self.line = line
        self.byte_offset = byte_offset
        self.reason = reason
        self.unit: _Unit = unit

    def __str__(self) -> str:
        if self.unit == "file":
            return f"{self.path}: {self.reason}"
        if self.unit == "row":
            return f"{self.path}, row {self.line}: {self.reason}"
        if self.unit == "byte":
            return f"{self.path}, byte {self.byte_offset}: {self.reason}"
        return f"{self.path}, {self.unit} {self.line} (byte {self.byte_offset}): {self.reason}"


class FormatError(EmbmapError, ValueError):
    """A file is no store, or is truncated, corrupt, changed or written by a later version.

    Examples
    --------
    >>> try:
    ...     embmap.open("vectors.txt")
    ... except embmap.FormatError as error:
    ...     print(str(error).partition(": ")[2])
    not an embmap store: its first bytes are not those of one; make one with embmap.convert()
    """


class ConversionWarning(UserWarning):
    r"""A conversion left rows out or changed words, as it was told to; `load` gives the counts.

    Examples
    --------
    >>> import warnings
    >>> from pathlib import Path
    >>> _ = Path("short.txt").write_text("king 0.9 0.8\nqueen 0.9\n")
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", embmap.ConversionWarning)
    ...     store = embmap.load("short.txt", on_bad_row="skip")
    >>> store.metadata["conversion"]["rejected"]
    1
    """


class NetworkFileWarning(UserWarning):
    """A store is mapped from a network file system, where its file can change or go without this machine being told.

    Examples
    --------
    A place that is safe all the same, because nobody replaces its files while they are used:

    >>> import warnings
    >>> warnings.simplefilter("ignore", embmap.NetworkFileWarning)
    """
