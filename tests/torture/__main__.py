"""Attacks on embmap, counted: `make torture`, or `python tests/torture [--short] [--only PART ...]`.

Each part runs in processes of its own, so that a crash is counted and not the end. The last line is what the README
promises: no crash, no hang, no answer that is not the file's, no target lost. Kills and failures need strace, and are left
out without it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kills
import limits
import sources
import stores
import swaps

PARTS = {"stores": stores, "sources": sources, "kills": kills, "swaps": swaps, "limits": limits}
# No piece of a part takes as long.
TIMEOUT = 1200


def child(part: str, piece: str, short: bool) -> dict[str, int]:
    """Run a piece of a part in a process of its own; give its counts, or what became of it."""
    command = [sys.executable, __file__, "--child", part, piece, *(["--short"] if short else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return {"hangs": 1}
    if done.returncode < 0:
        return {"crashes": 1}
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return {"failures of the attack itself": 1}
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a sample of everything, in one minute")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        part, piece = arguments.child
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(PARTS[part].run(piece, Path(folder), arguments.short)))
        return 0
    bad = 0
    for part in arguments.only:
        for piece in PARTS[part].pieces():
            start = time.perf_counter()
            counts = child(part, piece, arguments.short)
            shown = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
            print(f"{part:<8} {piece:<28} {time.perf_counter() - start:>6.1f} s  {shown}", flush=True)
            good = PARTS[part].GOOD
            bad += sum(count for what, count in counts.items() if what not in good)
    print(f"{bad} crashes, hangs, wrong answers or lost files")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
