"""Tensors and layers for PyTorch. Warnings are errors here, so that none is given."""

import gc

import numpy as np
import pytest
import torch

import embmap


@pytest.mark.parametrize("mode", ["cow", "readonly", "copy"])
def test_the_whole_table_as_a_tensor(store, mode):
    tensor = embmap.torch.tensor(store, mode=mode)
    assert tensor.dtype == torch.float32
    assert np.array_equal(tensor.numpy(), store.vectors)


def test_writing_into_a_tensor_reaches_neither_the_file_nor_the_store_nor_another_tensor(store):
    before = store.path.read_bytes()
    tensors = [embmap.torch.tensor(store, mode=mode) for mode in ("cow", "cow", "readonly", "copy")]
    expected = store.vectors.copy()
    for i, tensor in enumerate(tensors):
        tensor.fill_(i + 10)
        assert np.array_equal(store.vectors, expected)
    assert [tensor[0, 0].item() for tensor in tensors] == [10, 11, 12, 13]
    assert store.path.read_bytes() == before
    store.verify()


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_writing_through_a_read_only_view_does_not_crash_or_reach_the_file(store):
    before = store.path.read_bytes()
    torch.from_numpy(store["king"]).fill_(3)
    torch.from_numpy(store.vectors)[1:].add_(1)
    assert store.path.read_bytes() == before
    assert np.array_equal(embmap.open(store.path)["king"], np.array([0.9, 0.8, 0.1, 0], np.float32))


def test_no_copy_is_made(store):
    shared = embmap.torch.tensor(store, mode="readonly")
    assert shared.data_ptr() == embmap.torch.tensor(store, mode="readonly").data_ptr()
    assert embmap.torch.tensor(store).data_ptr() != embmap.torch.tensor(store).data_ptr()
    layer = embmap.torch.embedding(store)
    assert layer.weight.data_ptr() % 4096 == 0


def test_tensors_keep_the_map_alive(store):
    tensors = [embmap.torch.tensor(store, mode=mode) for mode in ("cow", "readonly")]
    row = store["king"].copy()
    store.close()
    del store
    gc.collect()
    assert all(np.array_equal(tensor[0].numpy(), row) for tensor in tensors)


def test_dtype_and_device(store):
    tensor = embmap.torch.tensor(store, device="cpu", dtype=torch.bfloat16)
    assert tensor.dtype == torch.bfloat16
    assert torch.equal(tensor, torch.from_numpy(store.vectors.copy()).bfloat16())
    assert embmap.torch.embedding(store, ["king"], dtype=torch.float64).weight.dtype == torch.float64
    with pytest.raises(ValueError, match="mode must be"):
        embmap.torch.tensor(store, mode="rw")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu(store):
    tensor = embmap.torch.tensor(store, device="cuda", dtype=torch.float16)
    assert tensor.is_cuda
    assert np.array_equal(tensor.cpu().numpy(), store.vectors.astype(np.float16))
    assert embmap.torch.embedding(store, ["king"], device="cuda").weight.is_cuda


def test_an_embedding_of_the_whole_table(store):
    layer = embmap.torch.embedding(store)
    assert type(layer) is torch.nn.Embedding
    assert not layer.weight.requires_grad
    assert np.array_equal(layer(torch.tensor([[0, 5]])).numpy(), store.vectors[[[0, 5]]])
    padded = embmap.torch.embedding(store, padding_idx=1)
    assert padded.padding_idx == 1
    assert not padded.weight[1].any()
    assert np.array_equal(store["queen"], layer.weight[1].numpy())
    with pytest.raises(ValueError, match="padding_idx 6"):
        embmap.torch.embedding(store, padding_idx=6)


def test_an_embedding_of_a_tasks_rows(store):
    layer = embmap.torch.embedding(store, ["<pad>", "king", "nobody"], padding_idx=0, freeze=False, max_norm=9.0)
    expected = store.matrix(["<pad>", "king", "nobody"], padding_idx=0).array
    assert layer.weight.requires_grad
    assert layer.max_norm == 9.0
    assert np.array_equal(layer.weight.detach().numpy(), expected)


@pytest.mark.parametrize("vocab", [None, ["<pad>", "king", "queen", "nobody"]])
@pytest.mark.parametrize("sparse", [False, True])
def test_fine_tuning_changes_memory_only(store, vocab, sparse):
    before = store.path.read_bytes()
    layer = embmap.torch.embedding(store, vocab, padding_idx=0, freeze=False, sparse=sparse)
    start = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.tensor([0, 1, 2])).sum().backward()
        optimizer.step()
    changed = (layer.weight.detach() != start).any(1).tolist()
    assert changed == [False, True, True] + [False] * (len(start) - 3)
    assert store.path.read_bytes() == before


def test_state_dict_round_trips(store, tmp_path):
    layer = embmap.torch.embedding(store, freeze=False)
    torch.save(layer.state_dict(), tmp_path / "layer.pt")
    other = torch.nn.Embedding(6, 4)
    other.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
    assert torch.equal(layer.weight, other.weight)
    with torch.no_grad():
        other.weight.zero_()
    layer.load_state_dict(other.state_dict())
    assert not layer.weight.any()
    assert store["king"].any()
