"""Stores that are replaced while threads, forks and other processes read them: every answer is one file's, whole."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

import numpy as np

import embmap

GOOD = ("replacements", "answers", "forks")


def pieces() -> list[str]:
    return ["under eight threads", "under forks"]


def _write(path: Path, value: float) -> None:
    embmap.write(path, [f"w{i}" for i in range(2000)], np.full((2000, 16), value, np.float32))


def run(piece: str, folder: Path, short: bool) -> dict[str, int]:
    path, counts = folder / "v.embmap", Counter[str]()
    _write(path, 0)
    if piece == "under forks":
        store = embmap.open(path)
        for i in range(20 if short else 200):
            child = os.fork()
            if child == 0:
                whole = bool((store.take(range(2000)) == 0).all()) and store.indices(["w7", "x"]).tolist() == [7, -1]
                os._exit(0 if whole else 3)
            _write(path, float(i))
            counts["forks"] += 1
            if os.waitpid(child, 0)[1]:
                counts["wrong answers"] += 1
        return dict(counts)
    done = threading.Event()
    answers = [0] * 8
    wrong: list[str] = []

    def read(i: int) -> None:
        words = [f"w{j}" for j in range(0, 2000, 3)]
        while not done.is_set():
            with embmap.open(path) as store:
                rows = store.lookup(words)
                if not (rows == rows[0, 0]).all() or store.neighbors(rows[0], k=1)[0].shape != (1,):
                    wrong.append("mixed")
            answers[i] += 1

    threads = [threading.Thread(target=read, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for i in range(50 if short else 500):
        _write(path, float(i + 1))
        counts["replacements"] += 1
    done.set()
    for thread in threads:
        thread.join()
    counts["answers"], counts["wrong answers"] = sum(answers), len(wrong)
    return dict(counts)
