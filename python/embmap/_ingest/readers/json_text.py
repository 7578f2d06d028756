"""A JSON text that is read value by value, of which a piece is in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from .rows import refusal

# Characters that are read at a time, at least, and that one value may have.
_PIECE = 1 << 20
_LONGEST = 1 << 26
_ENDS = (",", "]", "}", ":", " ", "\t", "\r", "\n")
_BLANKS = re.compile(r"[ \t\r\n]*")


class JsonText:
    """Stands before a value, a comma or a bracket; each call goes over what it names."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path, self._file = path, file
        self._decoder = json.JSONDecoder()
        self._buffer, self._at, self._before = "", 0, 0

    def _more(self) -> bool:
        # As much again as there is: what has to be looked at anew grows no faster than what is read.
        piece = self._file.read(max(_PIECE, len(self._buffer) - self._at))
        if piece:
            self._before += self._at
            self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return bool(piece)

    def refuse(self, reason: str) -> Exception:
        """Give the error for what is next."""
        return refusal(self._path, f"this is no JSON at character {self._before + self._at + 1:,}: {reason}")

    def peek(self, behind: int = 0) -> str:
        """Give the next character that is no blank, or that behind it; nothing at the end."""
        while True:
            self._at = at = self._over_blanks(self._at)
            for _ in range(behind):
                at = self._over_blanks(at + 1)
            if at < len(self._buffer):
                return self._buffer[at]
            if not self._more():
                return ""

    def _over_blanks(self, at: int) -> int:
        found = _BLANKS.match(self._buffer, at)
        return found.end() if found else at

    def skip(self, wanted: str) -> None:
        """Go over a character."""
        if (found := self.peek()) != wanted:
            raise self.refuse(f"expected {wanted!r}, found {repr(found) if found else 'the end'}")
        self._at += 1

    def value(self) -> Any:
        """Give the next value, all of it."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._over_blanks(self._at))
            except RecursionError:
                raise self.refuse("values are nested too deep") from None
            except json.JSONDecodeError as error:
                if len(self._buffer) - self._at > _LONGEST:
                    raise self.refuse(f"a value is longer than {_LONGEST:,} characters") from None
                if not self._more():
                    self._at = min(error.pos, len(self._buffer))
                    raise self.refuse(error.msg[:1].lower() + error.msg[1:]) from None
                continue
            except ValueError as error:
                # A whole number of more digits than Python reads.
                raise self.refuse(str(error)) from None
            # A number that does not end in one of these may go on: the decoder takes 1 of "1.", where more is to come.
            if self._buffer[end : end + 1] in _ENDS or not self._more():
                self._at = end
                return value

    def items(self, begin: str, end: str) -> Iterator[None]:
        """Stand before each of the values between two brackets."""
        self.skip(begin)
        if self.peek() != end:
            yield
            while self.peek() != end:
                self.skip(",")
                yield
        self.skip(end)

    def keys(self) -> Iterator[str]:
        """Give each name in an object, and stand before its value."""
        for _ in self.items("{", "}"):
            if (found := self.peek()) != '"':
                raise self.refuse(f"expected a name in quotes, found {repr(found) if found else 'the end'}")
            name: str = self.value()
            self.skip(":")
            yield name
