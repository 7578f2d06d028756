"""Importing embmap beside NumPy and the packages that do parts of what it does: seconds in a fresh process, and size.

    python benches/imports.py [--runs 15] [--json OUT]

Each import runs in a process of its own, all in turn; the start of Python is taken off. Sizes are of the files that a
package itself installs, without what it depends on and without bytecode; embmap's are those of the environment's own build,
to which the published wheel's extension (`maturin build --profile dist`) is some 10 % smaller.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import statistics
import subprocess
import sys
import time
from pathlib import Path

import machine

NOTHING = "nothing"
WAYS = {
    NOTHING: "pass",
    "numpy": "import numpy",
    "embmap": "import embmap",
    "safetensors": "import safetensors.numpy",
    "polars": "import polars",
    "pandas": "import pandas",
    "gensim": "from gensim.models import KeyedVectors",
}


def size(package: str) -> int:
    """Give the bytes of a package's files."""
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    files = [path for path in Path(found.origin).parent.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    # Libraries that a wheel brings along lie beside the package, and those of polars in a package of their own.
    beside = [
        path
        for name in (package, f"{package}-runtime-32")
        if name in {found.metadata["Name"] for found in importlib.metadata.distributions()}
        for path in (Path(str(file.locate())) for file in importlib.metadata.files(name) or [])
        if path.suffix != ".pyc" and path.is_file()
    ]
    return sum(path.stat().st_size for path in {path.resolve() for path in (*files, *beside)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for run in range(arguments.runs + 1):
        for way, code in WAYS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            # The first run brings the files into memory, and makes their bytecode.
            if run:
                seconds[way].append(time.perf_counter() - start)
    empty = statistics.median(seconds.pop(NOTHING))
    net = {way: statistics.median(each) - empty for way, each in seconds.items()}
    print(f"{'':<14}{'ms (min-max)':>22}{'of numpy':>12}{'MB':>10}")
    sizes = {way: size(way) for way in net}
    for way, each in seconds.items():
        shown = f"{net[way] * 1e3:.0f} ({(min(each) - empty) * 1e3:.0f}-{(max(each) - empty) * 1e3:.0f})"
        print(f"{way:<14}{shown:>22}{net[way] / net['numpy']:>10.2f} x{sizes[way] / 1e6:>10.1f}")
    packages = tuple(way for way in net if way not in ("embmap", "numpy"))
    machine.save(arguments.json, packages, start_s=empty, import_s=seconds, bytes=sizes)


if __name__ == "__main__":
    main()
