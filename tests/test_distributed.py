"""A table over several processes: DTensor shards, checkpoints, and one copy of the pages under DistributedDataParallel."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint as dcp
from conftest import reads_proc
from torch.distributed.checkpoint.api import CheckpointException

import embmap

# What each rank runs before what a test adds; whatever is in `told` is printed by rank 0, a list of the ranks' answers.
RANK = """
import json, os, sys
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard
import embmap

rank, world, folder, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
dist.init_process_group("gloo", rank=rank, world_size=world, store=dist.FileStore(folder + "/meeting", world))
store, told = embmap.open(path), {}
mesh = init_device_mesh("cpu", (world,))


def mapped(kind):
    \"\"\"Kilobytes of the store's maps that this process has looked at (Rss), or made its own (Anonymous).\"\"\"
    total, here = 0, False
    for line in open("/proc/self/smaps"):
        if "-" in line.split()[0] and not line.startswith(("VmFlags", "THPeligible")):
            here = line.rstrip().endswith(path)
        elif here and line.startswith(kind + ":"):
            total += int(line.split()[1])
    return total
"""
TELL = """
answers = [None] * world
dist.all_gather_object(answers, told)
if rank == 0:
    print(json.dumps(answers), flush=True)
dist.destroy_process_group()
# A thread of gloo's may still be there, at which the end of a process is now and then std::terminate.
os._exit(0)
"""


def ranks(world, folder, path, code):
    program = RANK + code + TELL
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program, str(rank), str(world), str(folder), str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    out = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * world, out
    return json.loads(out[0][0].splitlines()[-1])


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A matrix of 12 MB, whose rows are no multiple of 2 or 4."""
    path = tmp_path_factory.mktemp("wide") / "wide.embmap"
    rows = np.random.default_rng(0).normal(size=(10_007, 300)).astype("f4")
    embmap.write(path, [f"w{i}" for i in range(len(rows))], rows)
    return embmap.open(path)


@pytest.mark.parametrize("world", [2, 4])
def test_a_sharded_layer_gives_what_a_whole_one_gives(tmp_path, wide, world):
    code = """
ids = torch.tensor([[0, 10_006, 10_007], [5_003, 5_004, 2_501]])
whole = embmap.torch.embedding(store, padding_idx=len(store), freeze=False)
whole(ids).square().sum().backward()
for dim in (0, 1):
    layer = embmap.torch.sharded_embedding(store, mesh, dim, padding_idx=len(store), freeze=dim == 0)
    rows = layer(ids)
    told[f"local {dim}"] = list(layer.weight.to_local().shape)
    told[f"same {dim}"] = torch.equal(rows.detach(), whole(ids).detach())
rows.square().sum().backward()
gradient = layer.weight.grad
told["gradient"] = torch.equal(gradient.full_tensor(), whole.weight.grad), list(gradient.to_local().shape)
"""
    answers = ranks(world, tmp_path, wide.path, code)
    for dim, size in enumerate((10_008, 300)):
        step = -(-size // world)
        assert [answer[f"local {dim}"][dim] for answer in answers] == [min(step, size - i * step) for i in range(world)]
        assert all(answer[f"same {dim}"] for answer in answers)
    assert [answer["gradient"] for answer in answers] == [[True, answer["local 1"]] for answer in answers]


@reads_proc
def test_a_rank_reads_its_own_rows_and_no_others(tmp_path, wide):
    code = """
layer = embmap.torch.sharded_embedding(store, mesh)
layer.weight.to_local().sum()
told["read"], told["own"] = mapped("Rss"), mapped("Anonymous")
"""
    size = wide.vectors.nbytes / 1024
    for answer in ranks(4, tmp_path, wide.path, code):
        # The system maps 64 KiB around a page that is looked at, at both ends.
        assert answer["read"] <= size * (1 / 4 + 0.01) + 128
        assert answer["own"] == 0


@reads_proc
def test_a_checkpoint_is_loaded_by_parts(tmp_path, wide):
    code = """
import torch.distributed.checkpoint as dcp
from torch.distributed.tensor import zeros
from embmap.torch import StoreReader
for dim in (0, 1):
    state = {"words.weight": zeros(len(store), store.dim, device_mesh=mesh, placements=[Shard(dim)])}
    dcp.load(state, storage_reader=StoreReader(store, "words.weight"))
    told[f"read {dim}"] = mapped("Rss")
    told[f"same {dim}"] = torch.equal(
        state["words.weight"].full_tensor(), embmap.torch.tensor(embmap.open(path), mode="readonly")
    )
"""
    size = wide.vectors.nbytes / 1024
    for answer in ranks(2, tmp_path, wide.path, code):
        assert answer["same 0"]
        assert answer["same 1"]
        assert answer["read 0"] <= size * (1 / 2 + 0.01) + 128


def test_a_layer_that_fsdp2_has_spread_is_loaded_by_parts_and_learns(tmp_path, wide):
    code = """
import torch.distributed.checkpoint as dcp
from torch.distributed.fsdp import fully_shard
from embmap.torch import StoreReader
ids = torch.tensor([[0, 10_006], [5_003, 5_004]])
layer = fully_shard(torch.nn.Embedding(len(store), store.dim), mesh=mesh)
dcp.load({"words.weight": layer.state_dict()["weight"]}, storage_reader=StoreReader(store, "words.weight"))
told["local"] = list(layer.weight.to_local().shape)
whole = embmap.torch.embedding(store, freeze=False)
learning = [torch.optim.SGD(module.parameters(), lr=0.5) for module in (layer, whole)]
rows = [module(ids) for module in (layer, whole)]
told["same"] = torch.equal(*rows)
for found, optimizer in zip(rows, learning):
    found.square().sum().backward()
    optimizer.step()
told["learned"] = torch.allclose(layer.weight.full_tensor(), whole.weight)
"""
    for rank, answer in enumerate(ranks(2, tmp_path, wide.path, code)):
        assert answer == {"local": [5_004 - rank, 300], "same": True, "learned": True}


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")
def test_a_checkpoint_of_one_process_has_the_types_that_are_asked_for(wide):
    state = {"a": torch.zeros(len(wide), 300, dtype=torch.float16)}
    dcp.load(state, storage_reader=embmap.torch.StoreReader(wide, "a"), no_dist=True)
    assert torch.equal(state["a"], embmap.torch.tensor(wide, dtype=torch.float16))
    with pytest.raises(CheckpointException, match="Size mismatch"):
        dcp.load({"a": torch.zeros(3, 300)}, storage_reader=embmap.torch.StoreReader(wide, "a"), no_dist=True)


@reads_proc
def test_a_table_that_is_kept_out_of_the_first_sync_stays_the_files(tmp_path, wide):
    code = """
from torch.nn.parallel import DistributedDataParallel
for name, layer in {"table": embmap.torch.embedding(store), "host": embmap.torch.HostEmbedding(store)}.items():
    model = torch.nn.Sequential(layer, torch.nn.Linear(store.dim, 2))
    if name == "table":
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, ["0.weight"])
    DistributedDataParallel(model)(torch.arange(10)).sum().backward()
    told[name] = mapped("Anonymous")
"""
    assert ranks(2, tmp_path, wide.path, code) == [{"table": 0, "host": 0}] * 2


def test_every_type_is_sharded_and_what_cannot_be_says_so(tmp_path):
    rows = np.random.default_rng(0).normal(size=(7, 5)).astype("f4")
    for dtype in ("float32", "float16", "bfloat16", "int8"):
        embmap.write(tmp_path / f"{dtype}.embmap", [f"w{i}" for i in range(7)], rows, dtype=dtype)
    code = """
for dtype in ("float16", "bfloat16", "int8"):
    other = embmap.open(path.replace("float32", dtype))
    ids = torch.arange(len(other) + 1)
    whole = embmap.torch.embedding(other, padding_idx=len(other))(ids)
    parts = [embmap.torch.sharded_embedding(other, mesh, dim, padding_idx=len(other))(ids) for dim in (0, 1)]
    told[dtype] = [torch.equal(part, whole) for part in parts]

def error(**options):
    try:
        embmap.torch.sharded_embedding(store, **options)
    except ValueError as error:
        return str(error)

square = init_device_mesh("cpu", (1, 2))
told["errors"] = [error(mesh=mesh, dim=2), error(mesh=mesh, padding_idx=0), error(mesh=square)]
"""
    for answer in ranks(2, tmp_path, tmp_path / "float32.embmap", code):
        dim, padding, mesh = answer.pop("errors")
        assert answer == {dtype: [True, True] for dtype in ("float16", "bfloat16", "int8")}
        assert dim.startswith("dim must be 0")
        assert "would become zeros" in padding
        assert "one dimension" in mesh
