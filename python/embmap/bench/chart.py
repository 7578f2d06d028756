"""The chart of `embmap bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def draw(path: Path, title: str, rows: Sequence[tuple[str, float, bool]]) -> bool:
    """Draw how long each loader takes, embmap first; say whether matplotlib was there to do so.

    `rows` holds a name, seconds, and whether these are scaled from a part of the file.
    """
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 1.4 + 0.5 * len(rows)), layout="constrained")
    names = [f"{name} (scaled)" if scaled else name for name, _, scaled in rows]
    times = [seconds for _, seconds, _ in rows]
    bars = axes.barh(range(len(rows)), times, 0.6, color=["#2f6fde", *["#b9bec7"] * (len(rows) - 1)])
    ratios = ["", *[f", {show_times(seconds / times[0])} × embmap" for seconds in times[1:]]]
    labels = [show_seconds(seconds) + ratio for seconds, ratio in zip(times, ratios, strict=True)]
    axes.bar_label(bars, labels, padding=5)
    # The longest bar leaves room for its label.
    axes.set(xscale="log", xlim=(min(times) / 5, max(times) * (max(times) / min(times)) ** 0.35 * 4))
    axes.set(yticks=range(len(rows)), yticklabels=names, xlabel="seconds, log scale", title=f"{title}: text to vectors")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return True


def show_seconds(seconds: float) -> str:
    """Give a time in the unit that suits it, three digits of it at most.

    Examples
    --------
    >>> show_seconds(0.0000213), show_seconds(0.642), show_seconds(14.23), show_seconds(132.4)
    ('21.3 µs', '642 ms', '14.2 s', '132 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds / 1e-6)} µs"


def show_times(ratio: float) -> str:
    """Give how many times as long, three digits of it at most.

    Examples
    --------
    >>> show_times(0.04), show_times(1), show_times(21.94), show_times(1080.2)
    ('0.04', '1.0', '21.9', '1,080')
    """
    return f"{ratio:.2g}" if ratio < 0.095 else _three_digits(ratio)


def _three_digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 99.95 else f"{number:.1f}"
