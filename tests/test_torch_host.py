"""`HostEmbedding`: the table stays in the file, rows travel."""

import copy
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import SMALL, forks, store_of

import embmap
from embmap.torch import HostEmbedding

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "int8": torch.float32}


@pytest.mark.parametrize("stored", TYPES)
@pytest.mark.parametrize("dtype", [None, torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_rows_are_those_of_the_whole_table(tmp_path, stored, dtype):
    store = store_of(tmp_path, SMALL, dtype=stored)
    layer = HostEmbedding(store, dtype=dtype)
    ids = torch.tensor([[5, 0, 0], [1, 2, 5]])
    rows = layer(ids)
    assert rows.dtype == (dtype or TYPES[stored])
    assert torch.equal(rows, embmap.torch.tensor(store, dtype=dtype)[ids])
    assert not rows.requires_grad


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 1)])
@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.uint8])
def test_ids_have_any_shape_and_integer_type(store, shape, kind):
    ids = torch.ones(shape, dtype=kind)
    rows = HostEmbedding(store)(ids)
    assert rows.shape == (*shape, 4)
    assert torch.equal(rows, torch.from_numpy(store["queen"].copy()).expand(*shape, 4))


def test_ids_may_lie_in_memory_in_any_order(store):
    ids = torch.arange(6).reshape(2, 3).T
    assert torch.equal(HostEmbedding(store)(ids), embmap.torch.tensor(store)[ids])


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
def test_padding(tmp_path, stored):
    store = store_of(tmp_path, SMALL, dtype=stored)
    layer = HostEmbedding(store, padding_idx=6)
    assert (layer.padding_idx, repr(layer)) == (6, "HostEmbedding(7, 4, padding_idx=6)")
    assert layer(torch.tensor([6, 0, 6])).any(1).tolist() == [False, True, False]
    assert layer(torch.tensor([[6]])).tolist() == [[[0] * 4]]


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
def test_what_is_no_row_is_an_error(tmp_path, stored):
    layer = HostEmbedding(store_of(tmp_path, SMALL, dtype=stored))
    for wrong in (6, -1):
        with pytest.raises(IndexError):
            layer(torch.tensor([0, wrong]))
    with pytest.raises(TypeError, match="integer type"):
        layer(torch.tensor([0.0]))
    with pytest.raises(ValueError, match="floating point"):
        HostEmbedding(layer.store, dtype=torch.int32)


def test_there_is_nothing_to_train_or_save(store):
    layer = HostEmbedding(store)
    assert list(layer.parameters()) == []
    assert layer.state_dict() == {}
    layer.load_state_dict({})


def test_a_saved_model_refers_to_the_store(tmp_path):
    store = store_of(tmp_path, "".join(f"w{i} {i} 1 2 3\n" for i in range(2000)))
    model = torch.nn.Sequential(HostEmbedding(store, dtype=torch.float16), torch.nn.Linear(4, 2))
    saved = io.BytesIO()
    torch.save(model, saved)
    assert len(saved.getvalue()) < 10_000 < store.nbytes
    saved.seek(0)
    again = torch.load(saved, weights_only=False)
    ids = torch.tensor([1, 1999])
    assert torch.equal(again[0](ids), model[0](ids))
    assert copy.deepcopy(model)[0].store is store
    saved.seek(0)
    # Windows replaces no store that is open.
    for opened in (store, again[0].store):
        opened.close()
    store_of(tmp_path, "other 1 2 3 4\n")
    with pytest.raises(embmap.FormatError, match="has changed"):
        torch.load(saved, weights_only=False)


def test_moving_the_layer_changes_its_rows(store):
    layer = HostEmbedding(store).half()
    assert layer(torch.tensor([0])).dtype == torch.float16
    assert layer.to("meta")(torch.tensor([0])).device.type == "meta"


def test_rows_kept_on_the_device_and_rows_fetched_ahead_are_the_same_rows(tmp_path):
    store = store_of(tmp_path, "".join(f"w{i} {i} {i}.5 1 -{i}e-3\n" for i in range(500)))
    whole = torch.cat([embmap.torch.tensor(store), torch.zeros(1, 4)])
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randint(0, 501, (7, 300), generator=generator) for _ in range(4)]
    for hot in (0, 1, 100, 10_000):
        layer = HostEmbedding(store, padding_idx=500, hot=hot)
        assert layer.hot == min(hot, 500)
        for i, ids in enumerate(batches):
            assert torch.equal(layer(ids), whole[ids])
            layer.prefetch(batches[(i + 1) % 4])
        # What is fetched ahead and not asked for is dropped.
        assert torch.equal(layer(batches[2]), whole[batches[2]])
        assert torch.equal(layer(batches[0]), whole[batches[0]])
    assert torch.equal(layer.half().float()(batches[0]), whole[batches[0]])
    assert repr(layer) == "HostEmbedding(501, 4, padding_idx=500, hot=500)"
    saved = io.BytesIO()
    torch.save(layer, saved)
    saved.seek(0)
    assert len(saved.getvalue()) < 4_000
    assert torch.equal(torch.load(saved, weights_only=False)(batches[0]), whole[batches[0]])
    with pytest.raises(IndexError):
        layer.prefetch(torch.tensor([501]))
    with pytest.raises(ValueError, match="negative"):
        HostEmbedding(store, hot=-1)


def run(code, *arguments):
    """Run Python in a process of its own; what it prints is JSON.

    PyTorch's compilers make names with C++'s streams, which other libraries of these tests leave unable to write a number.
    """
    found = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(found.stdout)


MODEL = """
import json, sys
import torch
import embmap

class Model(torch.nn.Module):
    def __init__(self, store):
        super().__init__()
        self.rows = embmap.torch.HostEmbedding(store, padding_idx=len(store))

    def forward(self, ids):
        return self.rows(ids).sum(1)

model = Model(embmap.open(sys.argv[1]))
ids = torch.tensor([[1, 2, 6], [0, 5, 3]])
"""


def expected(store, *batches):
    whole = torch.cat([embmap.torch.tensor(store), torch.zeros(1, 4)])
    return [whole[torch.tensor(ids)].sum(1).tolist() for ids in batches]


def test_compilers_meet_one_operator(store, tmp_path):
    code = """
compiled = torch.compile(model, backend="aot_eager", fullgraph=True)(ids)
exported = torch.export.export(model, (ids,), dynamic_shapes=({0: torch.export.Dim("batch")},))
torch.export.save(exported, sys.argv[2])
print(json.dumps([compiled.tolist(), exported.module()(ids[:1]).tolist()]))
"""
    found = run(MODEL + code, store.path, tmp_path / "model.pt2")
    assert found == expected(store, [[1, 2, 6], [0, 5, 3]], [[1, 2, 6]])
    # In another process there is no store but the one that the program names.
    code = """
import sys, torch, embmap.torch
model = torch.export.load(sys.argv[1]).module()
found = model(torch.tensor([[1, 2, 6], [4, 4, 4]])).tolist()
try:
    model(torch.tensor([[7, 7, 7], [1, 1, 1]]))
except IndexError:
    print(found)
"""
    assert run(code, tmp_path / "model.pt2") == expected(store, [[1, 2, 6], [4, 4, 4]])[0]


def test_what_is_traced_looks_its_rows_up(store):
    code = """
traced = torch.jit.trace(model, torch.tensor([[1, 2]]))
print(json.dumps([traced(torch.tensor(ids)).tolist() for ids in ([[1, 2]], [[5, 6, 0], [3, 3, 3]])]))
"""
    assert run(MODEL + code, store.path) == expected(store, [[1, 2]], [[5, 6, 0], [3, 3, 3]])


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.SparseAdam, torch.optim.Adagrad])
def test_what_it_learns_is_what_an_embedding_learns(store, optimizer):
    before = store.path.read_bytes()
    table = torch.cat([embmap.torch.tensor(store), torch.zeros(1, 4)])
    plain = torch.nn.Embedding.from_pretrained(table.clone(), freeze=False, sparse=True, padding_idx=6)
    layer = HostEmbedding(store, padding_idx=6, learn=True)
    batches = [torch.tensor([[1, 2, 6], [2, 2, 5]]), torch.tensor([[5, 1, 6]])]
    for module in (plain, layer):
        learning = optimizer(module.parameters(), lr=0.1)
        for ids in batches:
            learning.zero_grad()
            (module(ids).sum(1) ** 2).sum().backward()
            learning.step()
    every = torch.arange(7)
    with torch.no_grad():
        assert torch.equal(layer(every), plain(every))
        assert torch.equal(layer(every)[0], table[0])
    state = layer.state_dict()
    assert state["learned_ids"].tolist() == [1, 2, 5]
    assert torch.equal(state["learned_rows"], plain.weight.detach()[[1, 2, 5]])

    other = HostEmbedding(store, padding_idx=6, learn=True)
    assert not torch.equal(other(every), plain(every))
    other.load_state_dict(state)
    assert torch.equal(other(every), plain(every))
    # A state that knows fewer rows takes the others back.
    other.load_state_dict({"learned_ids": state["learned_ids"][:1], "learned_rows": state["learned_rows"][:1]})
    assert torch.equal(other(every)[2:], table[2:])
    saved = io.BytesIO()
    torch.save(layer, saved)
    saved.seek(0)
    assert torch.equal(torch.load(saved, weights_only=False)(every), plain(every))
    assert store.path.read_bytes() == before


def test_the_table_of_a_layer_that_learns_stays_on_the_host(store):
    layer = HostEmbedding(store, learn=True).to(torch.float16)
    assert layer.weight.dtype == torch.float32
    rows = layer(torch.tensor([1]))
    assert (rows.dtype, rows.requires_grad) == (torch.float16, True)
    assert layer.to("meta").weight.device.type == "cpu"
    with pytest.raises(ValueError, match="learns"):
        layer.prefetch(torch.tensor([1]))
    with pytest.raises(ValueError, match="learns"):
        HostEmbedding(store, learn=True, hot=2)
    with pytest.raises(RuntimeError, match="Missing key"):
        layer.load_state_dict({})
    with pytest.raises(RuntimeError, match="no rows of a table"):
        layer.load_state_dict({"learned_ids": torch.tensor([6]), "learned_rows": torch.zeros(1, 4)})
    with torch.no_grad():
        layer(torch.tensor([4]))
    assert layer.state_dict()["learned_ids"].tolist() == [1]


@pytest.mark.parametrize("stored", TYPES)
@pytest.mark.parametrize("hot", [0, 3])
@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_rows_that_are_read_in_place_are_the_same_rows(tmp_path, stored, hot, dtype):
    from embmap.torch._host import _Shown

    store = store_of(tmp_path, SMALL, dtype=stored)
    layer = HostEmbedding(store, padding_idx=6, hot=hot, dtype=dtype, zero_copy=True)
    assert layer._shown is None, "the CPU has no bus to read over"
    ids = torch.tensor([[5, 6, 0], [2, 2, 6]])
    expected = layer(ids)
    table = embmap.torch.tensor(store)
    scales = None
    if stored == "int8":
        table = torch.from_numpy(store._vectors_in_place().copy())
        scales = torch.from_numpy(store._scales(np.arange(6)))
    layer._shown = _Shown(table, scales)
    layer.prefetch(ids)
    for kind in (torch.int64, torch.int32, torch.uint8):
        assert torch.equal(layer(ids.to(kind)), expected)
    with pytest.raises(IndexError):
        layer(torch.tensor([7]))
    store.close()
    with pytest.raises(ValueError, match="closed"):
        layer(ids)


def test_what_cannot_be_read_in_place_says_so(tmp_path, store):
    from embmap.torch._host import _Shown

    with pytest.raises(RuntimeError, match="this driver shows a device no mapped file: leave zero_copy out"):
        _Shown.of(store, torch.device("cpu"))
    (tmp_path / "v.txt").write_text(SMALL)
    embmap.convert(tmp_path / "v.txt", tmp_path / "two", shards=2)
    with pytest.raises(RuntimeError, match="a store in several files: leave zero_copy out"):
        _Shown.of(embmap.open(tmp_path / "two"), torch.device("cpu"))
    with pytest.raises(ValueError, match="learns"):
        HostEmbedding(store, learn=True, zero_copy=True)


def test_ids_may_be_strided_or_repeated(store):
    layer, table = HostEmbedding(store), embmap.torch.tensor(store)
    pairs = torch.tensor([[1, 9], [2, 9], [5, 9]])
    for ids in (pairs[:, 0], torch.arange(6)[::2], torch.tensor(3).expand(5)):
        assert torch.equal(layer(ids), table[ids])


def test_what_is_fetched_ahead_is_what_was_asked_for_then(store):
    layer, table, ids = HostEmbedding(store), embmap.torch.tensor(store), torch.tensor([1, 2, 3])
    layer.prefetch(ids)
    ids.copy_(torch.tensor([5, 5, 0]))
    assert torch.equal(layer(ids), table[ids])
    # Two layers of one store fetch each its own.
    other, wanted = HostEmbedding(store), torch.tensor([4])
    layer.prefetch(ids)
    other.prefetch(wanted)
    assert torch.equal(layer(ids), table[ids])
    assert torch.equal(other(wanted), table[wanted])


def test_a_layer_outlives_another_one_and_its_store(store):
    first, second = embmap.open(store.path), embmap.open(store.path)
    one, two = HostEmbedding(first), HostEmbedding(second)
    first.close()
    assert two(torch.tensor([1])).any()
    with pytest.raises(ValueError, match="closed"):
        one(torch.tensor([1]))


def test_rows_on_the_device_are_copied_again_where_a_model_is_made_empty(store):
    layer = HostEmbedding(store, hot=3)
    layer.to("meta").to_empty(device="cpu")
    assert torch.equal(layer(torch.arange(6)), embmap.torch.tensor(store))
    assert torch.equal(HostEmbedding(store, hot=3).to("meta").to("cpu")(torch.arange(6)), embmap.torch.tensor(store))


def test_a_default_device_changes_nothing_on_the_host(store):
    with torch.device("meta"):
        layer = HostEmbedding(store, device="cpu", hot=2, dtype=torch.float64, learn=False)
        learning = HostEmbedding(store, device="cpu", learn=True)
    assert torch.equal(layer(torch.arange(6)), embmap.torch.tensor(store).double())
    assert learning._asked.device.type == "cpu"


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_wait_for_the_parents_batch(store):
    layer, ids = HostEmbedding(store), torch.tensor([1, 2])
    layer.prefetch(ids)
    child = os.fork()
    if child == 0:
        os._exit(0 if torch.equal(layer(ids), embmap.torch.tensor(store)[ids]) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
