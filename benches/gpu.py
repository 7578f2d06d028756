"""The table, a task's rows and a batch's rows on a CUDA device: the time until they are there, ours beside the usual ways.

    python benches/gpu.py [--rows 400000] [--dim 300] [--runs 7] [--only PART ...] [--folder FOLDER] [--json OUT]

Each way of the whole table runs in processes of its own, which have imported what they need and have used the device once;
the files are in the page cache. `first` is the first call of a process, from the path to numbers that are there, `again`
another one. What arrives is compared, bit for bit. The ceilings stand above: the fastest copy from pinned memory to the
device, and of the file's pages to pinned memory by all cores. Then batches for a layer whose table stays on the host, alone
and beside the work of a model, whose answers are compared with those of an `nn.Embedding` on the device.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

# What each way imports, and how it makes `table`, on the device; the first of each group is ours, and all of a group agree.
UPLOADS = {
    "float32 as it is": {
        "embmap.torch.tensor": (
            "import embmap.torch",
            "table = embmap.torch.tensor(embmap.open(folder + '/float32.embmap'), device='cuda')",
        ),
        "safetensors.torch.load_file": (
            "from safetensors.torch import load_file",
            "table = load_file(folder + '/float32.safetensors', device='cuda')['embedding.weight']",
        ),
        "torch.load(mmap=True)": ("", "table = torch.load(folder + '/float32.pt', mmap=True, map_location='cuda')"),
        "torch.load": ("", "table = torch.load(folder + '/float32.pt', map_location='cuda')"),
        "numpy.load(mmap_mode='c').cuda()": (
            "",
            "table = torch.from_numpy(np.load(folder + '/float32.npy', mmap_mode='c')).cuda()",
        ),
        "pin_memory, then .cuda()": (
            "",
            "table = torch.from_numpy(np.load(folder + '/float32.npy', mmap_mode='c')).pin_memory().cuda()",
        ),
    },
    "float32 to float16": {
        "embmap.torch.tensor": (
            "import embmap.torch",
            "table = embmap.torch.tensor(embmap.open(folder + '/float32.embmap'), device='cuda', dtype=torch.float16)",
        ),
        "safetensors, then .half()": (
            "from safetensors.torch import load_file",
            "table = load_file(folder + '/float32.safetensors', device='cuda')['embedding.weight'].half()",
        ),
    },
    "float16 to float32": {
        "embmap.torch.tensor": (
            "import embmap.torch",
            "table = embmap.torch.tensor(embmap.open(folder + '/float16.embmap'), device='cuda', dtype=torch.float32)",
        ),
        "safetensors, then .float()": (
            "from safetensors.torch import load_file",
            "table = load_file(folder + '/float16.safetensors', device='cuda')['embedding.weight'].float()",
        ),
    },
    "int8 to float32": {
        "embmap.torch.tensor": (
            "import embmap.torch",
            "table = embmap.torch.tensor(embmap.open(folder + '/int8.embmap'), device='cuda')",
        ),
        "store.take, then .cuda()": (
            "import embmap.torch",
            "store = embmap.open(folder + '/int8.embmap')\n"
            "    table = torch.from_numpy(store.take(np.arange(len(store)))).cuda()",
        ),
    },
    "50,000 words of a task": {
        "embmap.torch.embedding": (
            "import embmap.torch",
            "table = embmap.torch.embedding(embmap.open(folder + '/float32.embmap'), task, device='cuda').weight",
        ),
        "store.matrix, then .cuda()": (
            "import embmap.torch",
            "table = torch.from_numpy(embmap.open(folder + '/float32.embmap').matrix(task).array).cuda()",
        ),
        "a dict and a loop": (
            "from safetensors.numpy import load_file; import embmap\n"
            "rows = load_file(sys.argv[1] + '/float32.safetensors')['embedding.weight']\n"
            "vectors = dict(zip(list(embmap.open(sys.argv[1] + '/float32.embmap')), rows))",
            "matrix = np.zeros((len(task), rows.shape[1]), np.float32)\n"
            "    for i, word in enumerate(task):\n"
            "        matrix[i] = vectors[word]\n"
            "    table = torch.from_numpy(matrix).cuda()",
        ),
    },
}
CHILD = """
import hashlib, json, sys, time, warnings
import numpy as np, torch
warnings.simplefilter("ignore")
{imports}
folder = sys.argv[1]
task = [f"w{{i}}" for i in np.random.default_rng(0).choice(int(sys.argv[2]), min(50_000, int(sys.argv[2])), replace=False)]
torch.zeros(1, device="cuda").add_(1).cpu()

def once():
    {make}
    torch.cuda.synchronize()
    return table

seconds = []
for _ in range(4):
    start = time.perf_counter()
    table = once()
    seconds.append(time.perf_counter() - start)
digest = hashlib.sha256(table.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()
nbytes = table.nbytes
print(json.dumps([seconds[0], min(seconds[1:]), nbytes, digest]))
"""


def prepare(folder: Path, rows: int, dim: int) -> None:
    """Write the same table in every form, once."""
    import numpy as np
    import torch

    import embmap

    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(1).normal(size=(rows, dim)).astype(np.float32)
    words = [f"w{i}" for i in range(rows)]
    for dtype in ("float32", "float16", "int8"):
        embmap.write(folder / f"{dtype}.embmap", words, values, dtype=dtype)
        if dtype != "int8":
            embmap.open(folder / f"{dtype}.embmap").export(folder / f"{dtype}.safetensors")
    torch.save(torch.from_numpy(values), folder / "float32.pt")
    np.save(folder / "float32.npy", values)
    (folder / "done").touch()


def ceilings(folder: Path) -> dict[str, float]:
    """Measure the two ways that a table cannot be faster than, in bytes a second."""
    import torch

    import embmap

    store = embmap.open(folder / "float32.embmap")
    source = torch.from_numpy(store.vectors.copy())
    pinned = torch.empty_like(source, pin_memory=True)
    device = torch.empty_like(source, device="cuda")
    found = {}
    for name, target, origin in (("host copy", pinned, source), ("pinned to device", device, pinned)):
        seconds = []
        for _ in range(7):
            torch.cuda.synchronize()
            start = time.perf_counter()
            target.copy_(origin, non_blocking=True)
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        found[name] = source.nbytes / min(seconds)
    return found


def uploads(
    folder: Path, chosen: dict[str, dict[str, tuple[str, str]]], rows: int, runs: int
) -> dict[str, dict[str, dict[str, object]]]:
    """Time each way in processes of its own, in turn."""
    result = {}
    for group, ways in chosen.items():
        found: dict[str, list[list[float]]] = {way: [] for way in ways}
        digests = set()
        for run in range(runs + 1):
            for way, (imports, make) in ways.items():
                command = [sys.executable, "-c", CHILD.format(imports=imports, make=make), str(folder), str(rows)]
                out = subprocess.run(command, capture_output=True, text=True)
                if out.returncode:
                    sys.exit(f"{way}: {out.stderr}")
                *numbers, digest = json.loads(out.stdout)
                digests.add(digest)
                # The first run brings the files into memory.
                if run:
                    found[way].append(numbers)
        assert len(digests) == 1, f"what arrives differs: {group}"
        title = f"{group}, {numbers[2] / 1e6:.0f} MB"
        print(f"\n{title:<38}{'first, ms (min-max)':>24}{'again, ms':>12}{'GB/s':>8}")
        result[group] = {}
        base = None
        for way, times in found.items():
            first, again, nbytes = zip(*times, strict=True)
            medians = statistics.median(first), statistics.median(again)
            base = base or medians
            spread = f"{medians[0] * 1e3:.1f} ({min(first) * 1e3:.1f}-{max(first) * 1e3:.1f})"
            ratio = f"{medians[0] / base[0]:>7.1f} x{medians[1] / base[1]:>7.1f} x"
            print(f"{way:<38}{spread:>24}{medians[1] * 1e3:>12.1f}{nbytes[0] / medians[1] / 1e9:>8.1f}{ratio}")
            result[group][way] = {"first_s": first, "again_s": again, "bytes": nbytes[0]}
    return result


def batches(folder: Path, rows: int) -> dict[str, dict[str, float]]:
    """Time the rows of batches, alone and in turn with a model's work, and compare them."""
    import numpy as np
    import torch

    import embmap.torch

    store = embmap.open(folder / "float32.embmap")
    whole = embmap.torch.embedding(store, device="cuda")
    host = embmap.torch.tensor(store, mode="copy")
    rng = np.random.default_rng(0)
    # Words as texts have them: the n-th is asked for 1/n of the time.
    shares = 1 / np.arange(1, rows + 1)
    ids = [torch.from_numpy(rng.choice(rows, (256, 128), p=shares / shares.sum())) for _ in range(20)]
    model = torch.nn.Sequential(*(torch.nn.Linear(store.dim, store.dim) for _ in range(12))).cuda()
    layers = {
        "nn.Embedding on the device": whole,
        "HostEmbedding": embmap.torch.HostEmbedding(store, device="cuda"),
        "HostEmbedding, hot=20000": embmap.torch.HostEmbedding(store, device="cuda", hot=20_000),
        "HostEmbedding, prefetch": embmap.torch.HostEmbedding(store, device="cuda"),
        "HostEmbedding, hot=20000, prefetch": embmap.torch.HostEmbedding(store, device="cuda", hot=20_000),
        "HostEmbedding, zero_copy": embmap.torch.HostEmbedding(store, device="cuda", zero_copy=True),
        "HostEmbedding, zero_copy, hot=20000": embmap.torch.HostEmbedding(
            store, device="cuda", zero_copy=True, hot=20_000
        ),
        "HostEmbedding, zero_copy, ids there": embmap.torch.HostEmbedding(store, device="cuda", zero_copy=True),
        "rows on the CPU, then .cuda()": lambda batch: torch.nn.functional.embedding(batch, host).cuda(),
    }
    expected = [whole(batch.cuda()) for batch in ids]
    result = {}
    print(f"\n{'256 texts of 128 words, ms a batch':<38}{'alone':>10}{'and a model':>14}{'the model alone':>18}")
    there = [batch.cuda() for batch in ids]
    for way, layer in layers.items():
        ahead = "prefetch" in way
        given = there if layer is whole or "ids there" in way else ids
        for batch, wanted in zip(given, expected, strict=True):
            assert torch.equal(layer(batch), wanted), way

        def rows_of(i: int, layer=layer, ahead: bool = ahead, given=given):
            found = layer(given[i])
            if ahead:
                layer.prefetch(ids[(i + 1) % len(ids)])
            return found

        works = {
            "alone": rows_of,
            "with": lambda i: model(rows_of(i)),
            "model": lambda i: model(expected[i]),
        }
        result[way] = {}
        for name, work in works.items():
            seconds = []
            for _ in range(7):
                torch.cuda.synchronize()
                start = time.perf_counter()
                for i in range(len(ids)):
                    work(i)
                torch.cuda.synchronize()
                seconds.append((time.perf_counter() - start) / len(ids))
            result[way][name] = statistics.median(seconds)
        shown = [result[way][name] * 1e3 for name in works]
        print(f"{way:<38}{shown[0]:>10.2f}{shown[1]:>14.2f}{shown[2]:>18.2f}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument(
        "--only", nargs="*", choices=[*UPLOADS, "batches"], default=[*UPLOADS, "batches"], metavar="PART"
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench" / "gpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        sys.exit("there is no CUDA device")
    prepare(arguments.folder, arguments.rows, arguments.dim)
    most = ceilings(arguments.folder)
    print(torch.cuda.get_device_name(), "; ".join(f"{name} {rate / 1e9:.1f} GB/s" for name, rate in most.items()))
    chosen = {group: ways for group, ways in UPLOADS.items() if group in arguments.only}
    sent = uploads(arguments.folder, chosen, arguments.rows, arguments.runs)
    asked = batches(arguments.folder, arguments.rows) if "batches" in arguments.only else {}
    machine.save(
        arguments.json,
        ("torch", "safetensors"),
        device=torch.cuda.get_device_name(),
        ceilings=most,
        uploads=sent,
        batches=asked,
    )


if __name__ == "__main__":
    main()
