"""Draw the chart of the README from what `benches/convert.py --json` wrote.

    python benches/chart.py JSON [--out docs/images/convert.svg] [--sizes 400000x300 ...] [--leave-out NAME ...]

One panel for each size; seconds on a log scale, the median of the runs, and how many times as long as embmap each takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import matplotlib
from machine import headline

TITLES = {
    "embmap": "embmap",
    "embmap-avx2": "embmap, AVX2 kernel",
    "embmap-scalar": "embmap, portable kernel",
    "tutorial": "the Keras tutorial's loop",
    "tutorial-float64": "the PyTorch tutorial's loop",
    "careful": "a careful Python loader",
    "floor": "read once, write once",
}
OURS, OTHERS, FLOOR = "#2f6fde", "#8d949e", "#c9ced6"


def title(name: str, versions: dict[str, str]) -> str:
    """Give what a reader knows a loader as."""
    return TITLES.get(name, f"{name} {versions.get(name, '')}".strip())


def panel(axes: object, size: dict[str, object], versions: dict[str, str], left_out: list[str]) -> None:
    """Draw one size, the fastest first."""
    runs = size["runs"]
    medians = {name: statistics.median(run["seconds"] for run in done) for name, done in runs.items()}
    ours = medians["embmap"]
    rows = sorted(
        ((seconds, name) for name, seconds in medians.items() if name not in left_out), key=lambda row: row[0]
    )
    seconds = [row[0] for row in rows]
    colors = [FLOOR if name == "floor" else OURS if name.startswith("embmap") else OTHERS for _, name in rows]
    # On a log axis a length means nothing: dots, which only have a place.
    axes.scatter(seconds, range(len(rows)), s=64, color=colors, zorder=3)
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
    labels = [
        f"{shown(value)} s" + ("" if name == "embmap" else f", {shown(value / ours)} × embmap") for value, name in rows
    ]
    for place, (value, label) in enumerate(zip(seconds, labels, strict=True)):
        axes.annotate(label, (value, place), xytext=(9, 0), textcoords="offset points", va="center", fontsize=9)
    low, high = min(seconds) / 1.5, max(seconds)
    # The last dot leaves room for its label.
    axes.set(xscale="log", xlim=(low, high * (high / low) ** 0.45))
    axes.set(yticks=range(len(rows)), yticklabels=[title(name, versions) for _, name in rows])
    axes.set(xlabel="seconds, log scale: further left is better")
    shape = f"{size['rows']:,} × {size['dim']}"
    what = shape if "x" in size["name"] else f"{size['name']}, {shape}"
    axes.set_title(f"{what}, {size['bytes'] / 1e9:.2f} GB of text", loc="left")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def shown(number: float) -> str:
    """Give two or three digits."""
    return f"{number:,.0f}" if number >= 99.5 else f"{number:.1f}" if number >= 9.95 else f"{number:.2f}"


def draw(found: dict[str, object], out: Path, sizes: list[str] | None, left_out: list[str]) -> None:
    """Write the chart."""
    chosen = [size for size in found["sizes"] if sizes is None or size["name"] in sizes]
    if not chosen:
        raise SystemExit(f"no such size: {', '.join(sizes or [])}")
    matplotlib.use("Agg")
    # The same numbers give the same file.
    matplotlib.rcParams["svg.hashsalt"] = "embmap"
    from matplotlib import pyplot

    counts = [len(size["runs"].keys() - set(left_out)) for size in chosen]
    figure, panels = pyplot.subplots(
        len(chosen),
        figsize=(9, sum(1.0 + 0.32 * count for count in counts) + 0.4),
        height_ratios=[count + 3 for count in counts],
        layout="constrained",
        squeeze=False,
    )
    for axes, size in zip(panels[:, 0], chosen, strict=True):
        panel(axes, size, found["machine"]["versions"], left_out)
    figure.supxlabel(f"{headline(found['machine'])}; median of {found['runs']} runs", fontsize=8, color="#666666")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, facecolor="white", metadata={"Date": None} if out.suffix == ".svg" else None, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "images" / "convert.svg")
    parser.add_argument("--sizes", nargs="+", metavar="ROWSxDIM")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="NAME")
    arguments = parser.parse_args()
    draw(json.loads(arguments.json.read_text()), arguments.out, arguments.sizes, arguments.leave_out)


if __name__ == "__main__":
    main()
