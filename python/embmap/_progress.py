"""A progress bar on one line of standard error, in a terminal or a notebook."""

from __future__ import annotations

import sys
import time

_WIDTH = 30


class Bar:
    """Call it with bytes done and bytes in all; close it at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.monotonic()
        self._drawn = 0

    def __call__(self, done: int, total: int) -> None:
        """Draw the bar."""
        seconds = time.monotonic() - self._started
        share = done / total if total else 1.0
        rate = done / max(seconds, 1e-9)
        left = f"{(total - done) / rate:3.0f} s left" if done else ""
        filled = int(share * _WIDTH)
        line = f"{self._name} [{'#' * filled}{'.' * (_WIDTH - filled)}] {share:4.0%} {rate / 1e6:,.0f} MB/s {left}"
        sys.stderr.write("\r" + line.ljust(self._drawn))
        sys.stderr.flush()
        self._drawn = len(line)

    def close(self) -> None:
        """Go to the next line."""
        if self._drawn:
            sys.stderr.write("\n")
            sys.stderr.flush()
