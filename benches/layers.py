"""The whole table as a frozen layer: the time until it answers, and the memory that this process has then.

    python benches/layers.py [--rows 400000] [--dim 300] [--runs 7] [--folder FOLDER] [--json OUT]

Each way runs in a process of its own, which has imported what it needs, makes an `nn.Embedding` from a file in the page
cache, and takes the rows of one batch of 64 texts of 32 words; the rows are compared. Memory is what the process has more
than before: its own (RssAnon), and pages of files (RssFile). Linux only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import machine

WAYS = {
    "embmap.torch.embedding": (
        "import embmap.torch",
        "layer = embmap.torch.embedding(embmap.open(folder + '/table.embmap'))",
    ),
    "embmap.torch.HostEmbedding": (
        "import embmap.torch",
        "layer = embmap.torch.HostEmbedding(embmap.open(folder + '/table.embmap'))",
    ),
    "safetensors.torch.load_file": (
        "from safetensors.torch import load_file; from torch.nn import Embedding",
        "layer = Embedding.from_pretrained(load_file(folder + '/table.safetensors')['embedding.weight'])",
    ),
    "torch.load": (
        "from torch.nn import Embedding",
        "layer = Embedding.from_pretrained(torch.load(folder + '/table.pt'))",
    ),
    "torch.load(mmap=True)": (
        "from torch.nn import Embedding",
        "layer = Embedding.from_pretrained(torch.load(folder + '/table.pt', mmap=True))",
    ),
    "gensim load(mmap='r') and a copy": (
        "from gensim.models import KeyedVectors; from torch.nn import Embedding",
        "kv = KeyedVectors.load(folder + '/table.kv', mmap='r')\n"
        "layer = Embedding.from_pretrained(torch.from_numpy(kv.vectors.copy()))",
    ),
}
CHILD = """
import hashlib, json, sys, time, warnings
import numpy as np, torch
warnings.simplefilter("ignore")
{imports}
folder, rows = sys.argv[1], int(sys.argv[2])
ids = torch.from_numpy(np.random.default_rng(0).zipf(1.2, (64, 32)) % rows)
torch.nn.Embedding(10, 10)(ids % 10)

def memory():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return [int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")]

before, start = memory(), time.perf_counter()
{make}
made = time.perf_counter() - start
found = layer(ids)
seconds = time.perf_counter() - start
after = memory()
digest = hashlib.sha256(found.numpy().tobytes()).hexdigest()
print(json.dumps([made, seconds, after[0] - before[0], after[1] - before[1], digest]))
"""


def prepare(folder: Path, rows: int, dim: int) -> None:
    """Write the same table in every form, once."""
    import numpy as np
    import torch

    import embmap

    if (folder / "table.kv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(1).normal(size=(rows, dim)).astype(np.float32)
    embmap.write(folder / "table.embmap", [f"w{i}" for i in range(rows)], values)
    store = embmap.open(folder / "table.embmap")
    store.export(folder / "table.safetensors")
    torch.save(torch.from_numpy(values), folder / "table.pt")
    store.to_gensim().save(str(folder / "table.kv"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench" / "layers")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    prepare(arguments.folder, arguments.rows, arguments.dim)
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    digests = set()
    for run in range(arguments.runs + 1):
        for way, (imports, make) in WAYS.items():
            code = CHILD.format(imports=imports, make=make)
            command = [sys.executable, "-c", code, str(arguments.folder), str(arguments.rows)]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            *numbers, digest = json.loads(out.stdout)
            digests.add(digest)
            # The first run brings the files into memory.
            if run:
                found[way].append(numbers)
    assert len(digests) == 1, "the rows differ"
    head = f"{'way':<34}{'layer, ms (min-max)':>24}{'and a batch, ms':>24}"
    print(head + f"{'own memory, MB':>16}{'file pages, MB':>16}")
    result = {}
    for way, runs in found.items():
        made, seconds, own, pages = zip(*runs, strict=True)
        own, pages = statistics.median(own), statistics.median(pages)
        result[way] = {
            "layer_s": statistics.median(made),
            "batch_s": statistics.median(seconds),
            "own_mb": own,
            "file_mb": pages,
        }
        spread = [f"{statistics.median(t) * 1e3:.1f} ({min(t) * 1e3:.1f}-{max(t) * 1e3:.1f})" for t in (made, seconds)]
        print(f"{way:<34}{spread[0]:>24}{spread[1]:>24}{own:>16.1f}{pages:>16.1f}")
    machine.save(arguments.json, ("torch", "safetensors", "gensim"), ways=result)


if __name__ == "__main__":
    main()
