"""Damages small sources of each kind at random, and converts them: nothing but embmap's own errors may come of it.

python tests/fuzz_readers.py [--runs 1000000] [--kinds npy pt ...] [--seed 0]
"""

import argparse
import shutil
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from reader_samples import NUMBERS, WORDS, samples

import embmap

# Those of which the bytes are read here, not by a library of another project.
FUZZED = [
    *("npy", "npz", "safetensors", "fvecs", "fbin", "dict.pkl", "polyglot.pkl", "kv", "fasttext.kv", "pt", "spacy"),
    *("json", "matrix.json", "floret", "floret.spacy", "fifu", "magnitude"),
]


def mutated(source: Path, kind: str, folder: Path, random: np.random.Generator) -> bool:
    """Convert a damaged copy of a source; tell whether it was accepted. Any error but embmap's own and OSError goes on."""
    target = folder / source.name
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
        files = sorted(path for path in target.rglob("*") if path.is_file())
        damaged = files[random.integers(len(files))]
        damaged.write_bytes(_damaged(damaged.read_bytes(), random))
    elif kind == "pt":
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
            for info in old.infolist():
                content = old.read(info)
                new.writestr(
                    info.filename, _damaged(content, random) if info.filename.endswith("data.pkl") else content
                )
    else:
        target.write_bytes(_damaged(source.read_bytes(), random))
    try:
        embmap.convert(target, folder / "out.embmap", words=WORDS if kind in NUMBERS else None)
    except (embmap.EmbmapError, OSError):
        return False
    return True


def _damaged(content: bytes, random: np.random.Generator) -> bytes:
    data = bytearray(content)
    for _ in range(random.integers(1, 4)):
        how = random.integers(6)
        at = int(random.integers(len(data) + 1)) if data else 0
        if how == 0 and data:
            data[at % len(data)] = random.integers(256)
        elif how == 1 and data:
            data[at % len(data)] ^= 1 << random.integers(8)
        elif how == 2:
            del data[at:]
        elif how == 3:
            del data[at : at + int(random.integers(1, 9))]
        elif how == 4:
            data[at:at] = random.bytes(int(random.integers(1, 9)))
        else:
            start = int(random.integers(len(data) + 1))
            data[at:at] = data[start : start + int(random.integers(1, 40))]
    return bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--kinds", nargs="+", choices=FUZZED, default=FUZZED)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "samples").mkdir()
        (folder / "fuzzed").mkdir()
        made = samples(folder / "samples")
        for kind in arguments.kinds:
            started, accepted = time.perf_counter(), 0
            for run in range(arguments.runs):
                random = np.random.default_rng([arguments.seed, run])
                try:
                    accepted += mutated(made[kind], kind, folder / "fuzzed", random)
                except BaseException:
                    print(f"{kind}: run {run} of seed {arguments.seed}", flush=True)
                    raise
            seconds = time.perf_counter() - started
            print(f"{kind:<14}{arguments.runs:>10,} runs, {accepted:,} accepted, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
