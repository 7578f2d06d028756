"""What a conversion uses, counted: peak memory, bytes read and written, CPU time of each thread.

    python benches/memory.py [--gigabytes 1 10] [--dim 300] [--vocabulary FOLDER] [--threads N] [--json OUT]

Each text is converted in a process of its own. Memory is the peak above what the process held before, beside the parts of
the store that grow with the words. Reading and writing are the bytes that went through system calls (/proc/self/io), so
that 1.00 means that everything was read, or written, once. The CPU time is that of the threads that were seen, a hundred
times a second; a thread that lives for less is in the process's total alone. Linux only. The texts are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import machine
from make_text import write

INTERVAL = 0.01


class Threads:
    """Watches the threads of this process; use it with `with`."""

    def __init__(self) -> None:
        self.seconds: dict[int, float] = {}
        self.names: dict[int, str] = {}
        self.bytes_read = 0
        self._start: dict[int, float] = {}
        self._end = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> Threads:
        self._look()
        self._start = dict(self.seconds)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._end.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - a hundred times a second
            try:
                ran = self._read(f"/proc/self/task/{task}/schedstat")
                name = self._read(f"/proc/self/task/{task}/comm")
            except (FileNotFoundError, ProcessLookupError):
                continue
            self.seconds[int(task)] = int(ran.split()[0]) / 1e9
            self.names[int(task)] = name.decode().strip()

    def _read(self, path: str) -> bytes:
        file = os.open(path, os.O_RDONLY)
        try:
            found = os.read(file, 256)
        finally:
            os.close(file)
        self.bytes_read += len(found)
        return found

    def used(self) -> list[dict[str, object]]:
        """Give the threads that did something, the busiest first, without the one that watches."""
        found = [
            {"thread": self._name(task), "seconds": seconds - self._start.get(task, 0.0)}
            for task, seconds in self.seconds.items()
            if task != self._watcher.native_id
        ]
        return sorted((row for row in found if row["seconds"] >= 0.001), key=lambda row: -row["seconds"])

    def _name(self, task: int) -> str:
        """Threads without a name of their own have the program's."""
        if task == os.getpid():
            return "the caller"
        return self.names[task] if self.names[task] != self.names[os.getpid()] else f"thread {task - os.getpid()}"

    def watching(self) -> float:
        """Give the CPU time of the watching itself."""
        return self.seconds.get(self._watcher.native_id, 0.0)


def io() -> dict[str, int]:
    """Give the bytes that went through system calls so far."""
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return {key: int(value) for key, value in (line.split(": ") for line in lines)}


def sections(store: Path) -> dict[str, int]:
    """Give the length of each section of a store."""
    from embmap import _reference as layout

    with store.open("rb") as file:
        head = file.read(layout.HEADER_LENGTH)
    names = {getattr(layout, name): name.lower() for name in ("MATRIX", "INVERSE_NORMS", "PILOTS", "SLOTS", "WORDS")}
    names |= {layout.OFFSETS: "offsets", layout.METADATA: "metadata", layout.STATISTICS: "statistics"}
    (count,) = struct.unpack_from("<I", head, 64)
    entries = [struct.unpack_from("<IIQQ", head, layout.TABLE + i * layout.ENTRY) for i in range(count)]
    return {names.get(kind, str(kind)): size for kind, _, _, size in entries}


def one(text: Path, threads: int | None) -> dict[str, object]:
    """Convert a text; give what it took."""
    import embmap

    with tempfile.TemporaryDirectory(dir=text.parent) as folder:
        target = Path(folder) / "vectors.embmap"
        watch = Threads()
        base, before, cpu = machine.peak_mb(), io(), cpu_seconds()
        start = time.perf_counter()
        with watch:
            report = embmap.convert(text, target, threads=threads)
        seconds = time.perf_counter() - start
        after, cpu, peak = io(), cpu_seconds() - cpu, machine.peak_mb() - base
        return {
            "rows": report.rows,
            "dim": report.dim,
            "text_bytes": text.stat().st_size,
            "store_bytes": report.bytes_written,
            "sections": sections(target),
            "seconds": seconds,
            "peak_mb": peak,
            # The watching reads too.
            "read_bytes": after["rchar"] - before["rchar"] - watch.bytes_read,
            "written_bytes": after["wchar"] - before["wchar"],
            "read_calls": after["syscr"] - before["syscr"],
            "write_calls": after["syscw"] - before["syscw"],
            "cpu_seconds": cpu - watch.watching(),
            "threads": watch.used(),
        }


def cpu_seconds() -> float:
    """Give the CPU time of this process, all of its threads together, those that are gone too."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def table(found: list[dict[str, object]]) -> str:
    """Give the tables."""
    head = f"{'rows':>11}{'text GB':>9}{'seconds':>9}{'peak MB':>9}{'words MB':>10}{'index MB':>10}{'a row, B':>10}"
    lines = [f"{head}{'read x text':>13}{'written x store':>17}"]
    for run in found:
        parts = run["sections"]
        index = parts["pilots"] + parts["slots"]
        line = f"{run['rows']:>11,}{run['text_bytes'] / 1e9:>9.2f}{run['seconds']:>9.2f}{run['peak_mb']:>9,.0f}"
        line += f"{parts['words'] / 1e6:>10.1f}{index / 1e6:>10.1f}{run['peak_mb'] * 2**20 / run['rows']:>10.1f}"
        line += f"{run['read_bytes'] / run['text_bytes']:>13.4f}{run['written_bytes'] / run['store_bytes']:>17.4f}"
        lines.append(line)
    for run in found:
        lines.append(
            f"\nCPU seconds of the conversion of {run['text_bytes'] / 1e9:.2f} GB, {run['seconds']:.2f} s long:"
        )
        for thread in run["threads"]:
            share = thread["seconds"] / run["seconds"]
            lines.append(f"  {thread['thread']:<18}{thread['seconds']:>9.2f}{share:>7.0%} of the time")
        seen = sum(thread["seconds"] for thread in run["threads"])
        lines.append(f"  {'the process':<18}{run['cpu_seconds']:>9.2f}   of which {seen:.2f} in the threads above")
    return "\n".join(lines)


def rows_for(gigabytes: float, dim: int, folder: Path, vocabulary: Path | None) -> int:
    """Give how many rows make a text so large, from a small text of the same kind."""
    with tempfile.TemporaryDirectory(dir=folder) as room:
        small = Path(room) / "small.txt"
        write(small, 4000, dim, vocabulary)
        return max(round(gigabytes * 1e9 / small.stat().st_size * 4000), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--vocabulary", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.threads)))
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    described = machine.describe()
    print(machine.headline(described) + "\n", flush=True)
    found = []
    for gigabytes in arguments.gigabytes:
        text = arguments.folder / f"{gigabytes:g}gb-{arguments.dim}.txt"
        if not text.exists():
            rows = rows_for(gigabytes, arguments.dim, arguments.folder, arguments.vocabulary)
            write(text, rows, arguments.dim, arguments.vocabulary)
        command = [sys.executable, __file__, "--one", str(text)]
        command += ["--threads", str(arguments.threads)] if arguments.threads else []
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    print(table(found))
    if arguments.json:
        about = {"machine": described, "command": machine.command()}
        arguments.json.write_text(json.dumps({**about, "sizes": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
