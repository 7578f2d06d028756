"""Limits of the system: little memory, few open files, small files. An error or an answer, and never the end."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

import embmap

GOOD = ("done", "refused")
CALLS = {
    "convert": "embmap.convert('v.txt', 'new.embmap')",
    "convert, screen": "embmap.convert('v.txt', 'new.embmap', screen=True)",
    "lookup": "store.lookup(words * 20)",
    "matrix": "store.matrix(words + ['x' + w for w in words], oov='fitted')",
    "neighbors": "store.neighbors(store.take(range(256)), k=100)",
    "export": "store.export('out.vec')",
    "select": "store.select(words, 'new.embmap')",
    "knn_graph": "store.knn_graph('g.npz', 5, restrict=2000)",
}
LIMITS = {
    # With less than that, small allocations fail, which end a process of Rust's: SIGABRT, and the target as it was.
    "memory": [("RLIMIT_AS", extra << 20) for extra in (16, 24, 32, 48, 64, 96, 128, 256)],
    "open files": [("RLIMIT_NOFILE", more) for more in range(1, 9)],
    "file size": [("RLIMIT_FSIZE", size) for size in (0, 1, 4096, 100_000, 1_000_000)],
}
PROGRAM = """
import resource, signal, sys
import numpy as np
import embmap, embmap._export.exports, embmap._ingest.readers.choose, embmap._ingest.readers.rows, tempfile, zipfile, shutil
store = embmap.open("v.embmap")
words = list(store)
store.lookup(words[:3]), store.neighbors(words[0], k=1)
name, amount, code = sys.argv[1], int(sys.argv[2]), sys.argv[3]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if name == "RLIMIT_AS":
    amount += int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
if name == "RLIMIT_NOFILE":
    amount += len(__import__("os").listdir("/proc/self/fd"))
resource.setrlimit(getattr(resource, name), (amount, amount))
try:
    exec(code)
except (MemoryError, OSError) as error:
    print("refused")
else:
    print("done")
"""


def pieces() -> list[str]:
    return list(LIMITS)


def run(piece: str, folder: Path, short: bool) -> dict[str, int]:
    counts = Counter[str]()
    words = [f"w{i}" for i in range(10_000)]
    rows = np.random.default_rng(0).normal(size=(10_000, 50)).astype(np.float32)
    embmap.write(folder / "v.embmap", words, rows)
    embmap.open(folder / "v.embmap").export(folder / "v.txt", "glove")
    for name, amount in LIMITS[piece][:: 3 if short else 1]:
        for code in CALLS.values():
            command = [sys.executable, "-c", PROGRAM, name, str(amount), code]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
            except subprocess.TimeoutExpired:
                counts["hangs"] += 1
                continue
            if done.returncode < 0:
                counts["crashes"] += 1
            elif done.stdout.strip() in GOOD:
                counts[done.stdout.strip()] += 1
            else:
                last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
                counts[f"end in {last.split(':')[0]}"] += 1
            with embmap.open(folder / "v.embmap") as store:
                store.verify()
    return dict(counts)
