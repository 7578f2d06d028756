"""`HostEmbedding`: the table stays in the file, rows travel."""

import copy
import io

import pytest
import torch
from conftest import SMALL, store_of

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
    store_of(tmp_path, "other 1 2 3 4\n")
    with pytest.raises(embmap.FormatError, match="has changed"):
        torch.load(saved, weights_only=False)


def test_moving_the_layer_changes_its_rows(store):
    layer = HostEmbedding(store).half()
    assert layer(torch.tensor([0])).dtype == torch.float16
    assert layer.to("meta")(torch.tensor([0])).device.type == "meta"


def test_it_is_part_of_a_compiled_model(store):
    model = torch.nn.Sequential(HostEmbedding(store), torch.nn.Linear(4, 2))
    ids = torch.tensor([[1, 2]])
    assert torch.equal(torch.compile(model, backend="eager")(ids), model(ids))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("stored", TYPES)
def test_gpu(tmp_path, stored):
    store = store_of(tmp_path, SMALL, dtype=stored)
    layer = HostEmbedding(store, device="cuda", padding_idx=6)
    whole = embmap.torch.embedding(store, device="cuda", padding_idx=6)
    assert whole.weight.is_cuda
    table = torch.cat([embmap.torch.tensor(store, device="cuda"), torch.zeros(1, 4, device="cuda")])
    assert torch.equal(whole.weight, table)
    for ids in (torch.tensor([[5, 6], [1, 2]]), torch.tensor([[5, 6], [1, 2]], device="cuda")):
        rows = layer(ids)
        assert rows.is_cuda
        assert torch.equal(rows, table[ids.cuda()])
    # Rows that are still on their way are not overwritten by the next ones.
    wanted = [torch.randint(0, 6, (1000,)) for _ in range(50)]
    rows = [layer(ids) for ids in wanted]
    assert all(torch.equal(found, table[ids.cuda()]) for found, ids in zip(rows, wanted, strict=True))
    assert HostEmbedding(store).cuda()(torch.tensor([1])).is_cuda
