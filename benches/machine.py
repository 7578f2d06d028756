"""What a benchmark runs on, and what this process has used: shared by the scripts of this folder."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import sys
from pathlib import Path


def describe(packages: tuple[str, ...] = ()) -> dict[str, object]:
    """Give processor, cores, memory, and the versions of Python and of packages that are installed."""
    import embmap

    found = {"embmap": embmap.__version__}
    for name in ("numpy", *packages):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _line("/proc/cpuinfo", "model name") or platform.machine(),
        "flags": [
            flag
            for flag in ("avx2", "avx512bw", "avx512_vnni", "amx_int8")
            if flag in _line("/proc/cpuinfo", "flags").split()
        ],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_line("/proc/meminfo", "MemTotal").split()[0]) * 1024 / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": found,
    }


def command() -> str:
    """Give the command that runs, with the names alone of what lies elsewhere."""
    words = [Path(word).name if word.startswith("/") else word for word in sys.argv[1:]]
    return f"python benches/{Path(sys.argv[0]).name} {shlex.join(words)}".strip()


def save(path: Path | None, packages: tuple[str, ...], **found: object) -> None:
    """Write what was found as JSON, with the machine and the command, where there is a path."""
    if path:
        about = {"machine": describe(packages), "command": command(), **found}
        path.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def headline(machine: dict[str, object]) -> str:
    """Say the machine in a line."""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB; "
        f"Python {machine['python']}, NumPy {machine['versions']['numpy']}"
    )


def peak_mb() -> float:
    """Give the most memory that this process has held, which starts anew with each program."""
    return int(_line("/proc/self/status", "VmHWM").split()[0]) / 1024


def available_bytes() -> int:
    """Give the memory that programs and the page cache may still take."""
    return int(_line("/proc/meminfo", "MemAvailable").split()[0]) * 1024


def _line(path: str, key: str) -> str:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")
