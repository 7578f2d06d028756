"""What was measured, as text."""

from __future__ import annotations

from .chart import show_seconds, show_times
from .result import Benchmark, Timing, counted


def table(found: Benchmark) -> str:
    """Give the table, and below it what a reader should know."""
    machine = found.machine
    head = [
        f"{found.file.name}: {counted(found.rows, 'row')} of {counted(found.dim, 'number')}, {_bytes(found.bytes)}",
        f"{machine['processor']}, {machine['cores']} cores; Python {machine['python']}, NumPy {machine['numpy']}",
        "",
    ]
    rows = [("text to vectors", "time", "× embmap", "measured", "agrees")]
    rows += [_row(timing) for timing in found.timings]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d:<{widths[3]}}  {e}".rstrip()
        for a, b, c, d, e in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    tail = [f"opening the store and looking a word up: {show_seconds(found.open_seconds)}"]
    tail += [f"{timing.title}: {note}" for timing in found.timings for note in timing.notes]
    tail += found.notes
    return "\n".join([*head, *lines, "", *tail])


def _row(timing: Timing) -> tuple[str, str, str, str, str]:
    if timing.seconds is None:
        return timing.title, "-", "-", "cannot read this file", "-"
    return (
        timing.title,
        show_seconds(timing.seconds),
        show_times(timing.times_embmap) if timing.times_embmap is not None else "-",
        _measured(timing),
        _agrees(timing),
    )


def _measured(timing: Timing) -> str:
    if timing.is_scaled:
        return f"scaled from {timing.rows:,} of {timing.rows_in_file:,} rows"
    if len(timing.times) == 1:
        return "one run"
    low, high = show_seconds(min(timing.times)), show_seconds(max(timing.times))
    return f"median of {len(timing.times)}, {low} to {high}"


def _agrees(timing: Timing) -> str:
    if (found := timing.agreement) is None:
        return ""
    if found.different:
        return f"NO: {counted(found.different, 'vector')} with other numbers"
    return f"{counted(found.equal, 'vector')}, bit for bit" + (", see below" if timing.notes else "")


def _bytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count:,} bytes"
