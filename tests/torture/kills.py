"""A kill, a full disk and a failing one at every system call that writes: the target is old or new, and whole."""

from __future__ import annotations

import gzip
import itertools
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import embmap

MOMENT = "names left behind between link and rename"
GOOD = ("kills", "failures", "old", "new", MOMENT, "left out without strace")
CALLS = "pwrite64,pwritev,write,fsync,fdatasync,ftruncate,fallocate,linkat,rename,renameat,renameat2,unlink,unlinkat"
# What is done, to the target of each; the import is over before the first call that counts.
OPERATIONS = {
    "convert": ("v.embmap", "embmap.convert('new.txt', 'v.embmap')"),
    "convert, screen": ("v.embmap", "embmap.convert('new.txt', 'v.embmap', screen=True)"),
    "convert, gzip": ("v.embmap", "embmap.convert('new.txt.gz', 'v.embmap')"),
    "write": ("v.embmap", "embmap.write('v.embmap', ['new'], [[3.0, 4.0]])"),
    "select": ("v.embmap", "embmap.open('from.embmap').select(['new'], 'v.embmap')"),
    "export": ("v.vec", "embmap.open('from.embmap').export('v.vec')"),
    "export, npy": ("v.npy", "embmap.open('from.embmap').export('v.npy')"),
    "export, parquet": ("v.parquet", "embmap.open('from.embmap').export('v.parquet')"),
}


def pieces() -> list[str]:
    return [*OPERATIONS, "at random"]


def _prepare(folder: Path) -> None:
    (folder / "old.txt").write_text("old 1 2\n")
    (folder / "new.txt").write_text("new 3 4\n")
    (folder / "new.txt.gz").write_bytes(gzip.compress(b"new 3 4\n"))
    embmap.convert(folder / "new.txt", folder / "from.embmap")
    embmap.convert(folder / "old.txt", folder / "old.embmap")
    for name in ("v.vec", "v.npy", "v.parquet"):
        embmap.open(folder / "old.embmap").export(folder / f"old-{name}")
        embmap.open(folder / "from.embmap").export(folder / f"new-{name}")


def _reset(folder: Path, target: str) -> None:
    shutil.copy(folder / ("old.embmap" if target == "v.embmap" else f"old-{target}"), folder / target)


def _state(folder: Path, target: str) -> str:
    """Tell what the target is now."""
    if target != "v.embmap":
        content = (folder / target).read_bytes()
        return next((age for age in ("old", "new") if (folder / f"{age}-{target}").read_bytes() == content), "lost")
    try:
        with embmap.open(folder / target) as store:
            store.verify()
            return store.word(0)
    except (embmap.FormatError, OSError):
        return "lost"


def run(piece: str, folder: Path, short: bool) -> dict[str, int]:
    _prepare(folder)
    if piece == "at random":
        return _at_random(folder, 10 if short else 200)
    if shutil.which("strace") is None:
        return {"left out without strace": 1}
    target, code = OPERATIONS[piece]
    counts, step = Counter[str](), 5 if short else 1
    # An error that is told by Python may itself be cut off: its number says enough.
    program = f"import embmap, numpy, os\ntry:\n    {code}\nexcept OSError:\n    os._exit(7)"
    calls = 0
    for fault in ("signal=KILL", "error=ENOSPC", "error=EIO"):
        # As many calls as there were before the first run that was not killed.
        for when in itertools.count(1, step):
            if calls and when > calls:
                break
            _reset(folder, target)
            inject = [f"trace={CALLS}", f"inject={CALLS}:{fault}:when={when}"]
            command = [
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                inject[0],
                "-e",
                inject[1],
                sys.executable,
                "-c",
                program,
            ]
            done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
            counts[_state(folder, target)] += 1
            _leftovers(folder, counts)
            if fault == "signal=KILL" and done.returncode == 0:
                calls = when
                break
            counts["kills" if fault == "signal=KILL" else "failures"] += 1
            if fault != "signal=KILL" and done.returncode not in (0, 7):
                counts["failures that are no OSError"] += 1
    return dict(counts)


def _leftovers(folder: Path, counts: Counter[str]) -> None:
    for path in folder.glob(".embmap*"):
        # On Linux a file has no name but in the moment between its link and the renaming over the old one.
        counts[MOMENT] += 1
        path.unlink()


def _at_random(folder: Path, times: int) -> dict[str, int]:
    """Kill conversions of 20,000 rows at any moment."""
    rows = "".join(f"w{i} {i}.5 {i}.25\n" for i in range(200_000))
    (folder / "many.txt").write_text("new 3 4\n" + rows)
    counts, rng = Counter[str](), random.Random(0)
    for _ in range(times):
        _reset(folder, "v.embmap")
        code = "import embmap; print(flush=True); embmap.convert('many.txt', 'v.embmap')"
        process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.random() * 0.15)
        process.kill()
        process.wait()
        counts["kills"] += 1
        counts[_state(folder, "v.embmap")] += 1
        _leftovers(folder, counts)
    return dict(counts)
