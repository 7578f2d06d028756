"""Opens, looks at, closes and forgets stores in any order: what was handed out stays what it was, whatever is gone by then.

python tests/fuzz_lifetimes.py [--runs 10000] [--seed 0]

Under AddressSanitizer, which tells of memory that is read after it was given back: CONTRIBUTING.md.
"""

import argparse
import gc
import pickle
import random
import tempfile
import threading
from pathlib import Path

import numpy as np

import embmap

WORDS = [f"w{i}" for i in range(50)]
ROWS = np.random.default_rng(0).normal(size=(len(WORDS), 8)).astype(np.float32)


def handed_out(store, rng):
    """Give something that the store hands out, and what it must be for ever."""
    ids = [rng.randrange(len(WORDS)) for _ in range(rng.randrange(1, 9))]
    words = [WORDS[i] for i in ids]
    kind = rng.randrange(7)
    if kind == 0:
        return store.vectors, ROWS
    if kind == 1:
        return store[words[0]], ROWS[ids[0]]
    if kind == 2:
        return store.lookup(words), ROWS[ids]
    if kind == 3:
        return np.asarray(memoryview(store.vectors)[ids[0] : ids[0] + 1]), ROWS[ids[0] : ids[0] + 1]
    if kind == 4:
        return store.vectors[::2].T, ROWS[::2].T
    if kind == 5:
        return store.indices(words), np.array(ids)
    return store.matrix(words[:1]).array, ROWS[ids[:1]]


def lived(path, rng):
    """Live one life of a few stores."""
    stores, kept = [], []
    for _ in range(rng.randrange(5, 25)):
        step = rng.randrange(10)
        if step < 3 or not stores:
            stores.append(embmap.open(path, mode=rng.choice(["map", "map", "copy"])))
        elif step < 6:
            store = rng.choice(stores)
            if not store.closed:
                kept.append(handed_out(store, rng))
        elif step == 6:
            rng.choice(stores).close()
        elif step == 7:
            stores.pop(rng.randrange(len(stores)))
        elif step == 8:
            store = rng.choice(stores)
            if not store.closed:
                stores.append(pickle.loads(pickle.dumps(store)))
                # Replaced, as a conversion does; who has it open keeps it.
                embmap.write(path, WORDS, ROWS)
                stores.pop()
        elif kept:
            kept.pop(rng.randrange(len(kept)))
            gc.collect(0)
    stores.clear()
    for found, expected in kept:
        assert np.array_equal(found, expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        failed = []

        def some(thread):
            path = Path(folder) / f"{thread}.embmap"
            embmap.write(path, WORDS, ROWS)
            try:
                for run in range(thread, arguments.runs, 2):
                    lived(path, random.Random(arguments.seed << 32 | run))
            except BaseException:
                failed.append(run)
                raise

        threads = [threading.Thread(target=some, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise SystemExit(f"runs {failed} of seed {arguments.seed}")
    print(f"{arguments.runs:,} lives")


if __name__ == "__main__":
    main()
