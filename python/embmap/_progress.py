"""A progress bar: one line of standard error that is drawn over, or an output of a notebook that is updated in place."""

from __future__ import annotations

import html
import importlib
import os
import shutil
import sys
import time
import unicodedata
from typing import Any, Protocol

_WIDTH = 30
_NARROWEST = 5
# Columns of what stands beside the bar: 100% 1.04 GB / 1.04 GB, 1.50 GB/s, 1:02:03 left.
_NUMBERS = 46
# A notebook's updates are messages to a browser; lines of a log are kept for ever.
_SECONDS_BETWEEN = {"terminal": 0.0, "notebook": 0.2, "log": 10.0}


class Bar:
    """Call it with bytes done and bytes in all, 0 where that is not known; close it at the end."""

    def __init__(self, name: str) -> None:
        self._name = "".join(letter if letter.isprintable() else "?" for letter in name)
        self._started = time.monotonic()
        self._last = (0, 0)
        self._place: _Place | None = None
        self._draw_at = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Draw the bar, or pass over it where it was drawn just now."""
        self._last = (done, total)
        now = time.monotonic()
        if self._place is None:
            self._place = _place()
        if now >= self._draw_at:
            self._draw_at = now + _SECONDS_BETWEEN[self._place.kind]
            self._place.draw(self._name, _Amount(done, total, now - self._started, ended=False))

    def close(self) -> None:
        """Draw the bar as it stands, with the time that it took, and go to the next line."""
        if self._place is not None:
            self._place.draw(self._name, _Amount(*self._last, time.monotonic() - self._started, ended=True))
            self._place.close()
            self._place = None


class _Amount:
    """How much is done, and what is known from that."""

    def __init__(self, done: int, total: int, seconds: float, *, ended: bool) -> None:
        self.done, self.total = done, total
        self.share = min(done / total, 1.0) if total else None
        rate = done / seconds if seconds > 0 else 0.0
        bytes_ = f"{show_bytes(done)} / {show_bytes(total)}" if total else show_bytes(done)
        if ended:
            # One that failed on the way stays where it stopped.
            last = f"in {show_seconds(seconds)}"
        elif self.share == 1.0:
            last = "finishing"
        elif total and done:
            last = f"{show_seconds((total - done) / rate if rate else 0.0)} left"
        else:
            last = ""
        self.percent = "" if self.share is None else f"{int(self.share * 100):3d}%"
        self.details = ", ".join(part for part in (bytes_, f"{show_bytes(int(rate))}/s", last) if part)


class _Place(Protocol):
    """Where a bar is drawn."""

    kind: str

    def draw(self, name: str, amount: _Amount) -> None: ...
    def close(self) -> None: ...


def _place() -> _Place:
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is not None:
        return _Notebook()
    # A program without a console has no standard error at all.
    if sys.stderr is not None and sys.stderr.isatty():
        return _Terminal()
    return _Log()


class _Terminal:
    kind = "terminal"

    def __init__(self) -> None:
        self._drawn = 0

    def draw(self, name: str, amount: _Amount) -> None:
        columns = _columns() - 1  # A line that fills the last column would wrap.
        line = fitted(name, amount, columns)
        # What an earlier, longer line left is drawn over.
        blanks = max(min(self._drawn, columns) - _columns_of(line), 0)
        _write(f"\r{line}{' ' * blanks}")
        self._drawn = _columns_of(line)

    def close(self) -> None:
        _write("\n")


class _Log:
    """Standard error goes to a file or a pipe: now and then a line."""

    kind = "log"

    def draw(self, name: str, amount: _Amount) -> None:
        _write(" ".join(part for part in (name, amount.percent.strip(), amount.details) if part) + "\n")

    def close(self) -> None:
        pass


class _Notebook:
    """An output with an id of its own, which a kernel updates wherever it stands."""

    kind = "notebook"

    def __init__(self) -> None:
        self._handle: Any = None

    def draw(self, name: str, amount: _Amount) -> None:
        # Without a share the browser shows that something moves, until the end.
        full = f' max="{amount.total}" value="{amount.done}"' if amount.total else ""
        text = html.escape(f"{amount.percent} {amount.details}".strip())
        bundle = {
            "text/plain": fitted(name, amount, 79),
            "text/html": f'{html.escape(name)} <progress{full} style="width: 20em"></progress> {text}',
        }
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def close(self) -> None:
        pass


def _write(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _columns() -> int:
    """Give the width of the terminal; standard output may be a pipe."""
    if not os.environ.get("COLUMNS"):
        try:
            if columns := os.get_terminal_size(sys.stderr.fileno()).columns:
                return columns
        except (OSError, ValueError):
            pass
    return shutil.get_terminal_size().columns


def fitted(name: str, amount: _Amount, columns: int) -> str:
    """Give the line that fits in so many columns: bar and name give way first, then the end of what it says."""
    rest = f"{amount.percent} {amount.details}" if amount.percent else amount.details
    name = _shortened(name, max(columns // 4, 16))
    # The bar keeps its width while the numbers beside it change theirs.
    bar = min(_WIDTH, columns - _columns_of(name) - max(_columns_of(rest), _NUMBERS) - len(" [] "))
    if amount.share is None or bar < _NARROWEST:
        parts = [_shortened(name, columns - _columns_of(rest) - 1), rest]
    else:
        filled = int(amount.share * bar)
        parts = [name, f"[{'#' * filled}{'.' * (bar - filled)}]", rest]
    line = " ".join(part for part in parts if part)
    while _columns_of(line) > columns:
        line = line[:-1]
    return line


def _shortened(name: str, columns: int) -> str:
    """Take the middle out of a name that is too long: both its ends tell files apart."""
    if _columns_of(name) <= columns:
        return name
    if columns < len("a...b"):
        return ""
    head, tail = "", ""
    while True:
        side = name[len(head)] if len(head) <= len(tail) else name[-len(tail) - 1]
        if _columns_of(f"{head}{tail}{side}...") > columns:
            return f"{head}...{tail}"
        if len(head) <= len(tail):
            head += side
        else:
            tail = side + tail


def _columns_of(text: str) -> int:
    """Count columns: Chinese, Japanese and Korean letters and emoji take two, accents that combine none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def show_bytes(count: int) -> str:
    """Give an amount of bytes with three digits.

    Examples
    --------
    >>> show_bytes(999), show_bytes(4_123), show_bytes(412_000_000), show_bytes(1_037_248_023)
    ('999 B', '4.12 kB', '412 MB', '1.04 GB')
    """
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            break
    digits = 2 if amount < 9.995 else 1 if amount < 99.95 else 0
    return f"{amount:.{digits}f} {unit}"


def show_seconds(seconds: float) -> str:
    """Give a time as one reads it.

    Examples
    --------
    >>> show_seconds(0.642), show_seconds(42), show_seconds(185), show_seconds(7384)
    ('0.6 s', '42 s', '3:05', '2:03:04')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
