"""Tensors and layers for PyTorch. Warnings are errors here, so that none is given."""

import gc

import numpy as np
import pytest
import torch
from conftest import SMALL, store_of

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


def test_an_embedding_of_the_whole_table(store):
    layer = embmap.torch.embedding(store)
    assert type(layer) is torch.nn.Embedding
    assert not layer.weight.requires_grad
    assert np.array_equal(layer(torch.tensor([[0, 5]])).numpy(), store.vectors[[[0, 5]]])


@pytest.mark.parametrize("padding_idx", [0, 1, 5, -1, -6])
def test_the_row_of_a_word_is_not_the_padding(store, padding_idx):
    for make in (embmap.torch.embedding, embmap.torch.HostEmbedding):
        word = store.word(padding_idx % 6)
        with pytest.raises(
            ValueError, match=rf"{padding_idx} is the row of '{word}'.*padding_idx=len\(store\), 6, is one"
        ):
            make(store, padding_idx=padding_idx)


@pytest.mark.parametrize("padding_idx", [7, -7])
def test_what_is_no_row_is_not_the_padding(store, padding_idx):
    for make in (embmap.torch.embedding, embmap.torch.HostEmbedding):
        with pytest.raises(ValueError, match=f"padding_idx {padding_idx} is not one of the 6 rows"):
            make(store, padding_idx=padding_idx)


@pytest.mark.parametrize("token", ["[PAD]", "<pad>", "<|finetune_right_pad_id|>"])
def test_a_token_for_the_padding_is_the_padding(tmp_path, token):
    store = store_of(tmp_path, f"king 1 2\n{token} 3 4\n")
    for padding_idx in (1, -1):
        layer = embmap.torch.embedding(store, padding_idx=padding_idx)
        host = embmap.torch.HostEmbedding(store, padding_idx=padding_idx)
        assert (layer.padding_idx, host.padding_idx, len(layer.weight), host.num_embeddings) == (1, 1, 2, 2)
        assert layer.weight.tolist() == host(torch.tensor([0, 1])).tolist() == [[1, 2], [0, 0]]
    assert store[token].any()


@pytest.mark.parametrize("stored", ["float32", "float16", "bfloat16", "int8"])
@pytest.mark.parametrize("dtype", [None, torch.float64, torch.bfloat16])
def test_one_more_row_behind_the_words_is_the_padding(tmp_path, stored, dtype):
    store = store_of(tmp_path, SMALL, dtype=stored)
    layer = embmap.torch.embedding(store, padding_idx=len(store), dtype=dtype)
    assert (layer.num_embeddings, layer.padding_idx) == (7, 6)
    assert torch.equal(layer.weight[:6], embmap.torch.tensor(store, dtype=dtype))
    assert layer.weight.dtype == embmap.torch.tensor(store, dtype=dtype).dtype
    assert not layer.weight[6].any()
    host = embmap.torch.HostEmbedding(store, padding_idx=len(store), dtype=dtype)
    assert (host.num_embeddings, host.padding_idx) == (7, 6)
    assert torch.equal(host(torch.arange(7)), layer.weight)
    with pytest.raises(IndexError):
        host(torch.tensor([7]))


def test_texts_reach_a_layer_of_the_whole_table(store):
    texts = [["king", "unheard-of"], ["pear", "king", "queen"], ["unheard-of"], []]
    ids = torch.from_numpy(store.indices_padded(texts, padding=len(store), missing=len(store)))
    assert ids.min() >= 0
    layer = embmap.torch.embedding(store, padding_idx=len(store), freeze=False)
    host = embmap.torch.HostEmbedding(store, padding_idx=len(store))
    expected = np.zeros((4, 3, 4), np.float32)
    expected[0, 0], expected[1] = store["king"], store.lookup(["pear", "king", "queen"])
    assert np.array_equal(layer(ids).detach(), expected)
    assert np.array_equal(host(ids), expected)
    layer(ids).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=1.0).step()
    assert layer.weight[:6].ne(embmap.torch.tensor(store)).any(1).tolist() == [True, True, False, False, False, True]
    assert not layer.weight[6].any()


@pytest.mark.parametrize(
    "options",
    [
        {"start": 1},
        {"oov": "zeros"},
        {"oov": np.zeros(4)},
        {"scale": 1},
        {"seed": 1},
        {"fallback": "lower"},
        {"fallback": ("lower",)},
        {"fallback": str.lower},
    ],
)
def test_options_that_can_do_nothing_are_an_error(store, options):
    (name,) = options
    with pytest.raises(ValueError, match=f"without vocab .*, and {name} can do nothing: pass vocab="):
        embmap.torch.embedding(store, **options)
    with pytest.raises(ValueError, match="start, seed can do nothing"):
        embmap.torch.embedding(store, start=1, seed=2)


def test_the_empty_word_is_the_padding_and_stays_zeros(store):
    layer = embmap.torch.embedding(store, ["king", "", "nobody"], freeze=False)
    assert layer.padding_idx == 1
    layer(torch.tensor([0, 1, 2])).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.5).step()
    assert layer.weight.any(1).tolist() == [True, False, True]
    assert embmap.torch.embedding(store, {"": 0, "king": 1}).padding_idx == 0
    assert embmap.torch.embedding(store, ["king", "", "nobody"], padding_idx=-1).padding_idx == 2
    assert embmap.torch.embedding(store, ["king"]).padding_idx is None


def test_an_embedding_of_a_tasks_rows(store):
    layer = embmap.torch.embedding(store, ["<pad>", "king", "nobody"], padding_idx=0, freeze=False, max_norm=9.0)
    expected = store.matrix(["<pad>", "king", "nobody"], padding_idx=0).array
    assert layer.weight.requires_grad
    assert layer.max_norm == 9.0
    assert np.array_equal(layer.weight.detach().numpy(), expected)


@pytest.mark.parametrize(
    ("vocab", "padding_idx"), [(None, None), (None, 6), (["king", "queen", "man", "nobody", "<pad>"], 4)]
)
@pytest.mark.parametrize("sparse", [False, True])
def test_fine_tuning_changes_memory_only(store, vocab, padding_idx, sparse):
    before = store.path.read_bytes()
    layer = embmap.torch.embedding(store, vocab, padding_idx=padding_idx, freeze=False, sparse=sparse)
    start = layer.weight.detach().clone()
    ids = [1, 2] if padding_idx is None else [1, 2, padding_idx]
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.tensor(ids)).sum().backward()
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


@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
def test_a_bag_of_the_whole_table(store, mode):
    bag = embmap.torch.embedding_bag(store, mode=mode, padding_idx=len(store))
    assert type(bag) is torch.nn.EmbeddingBag
    assert not bag.weight.requires_grad
    ids = torch.tensor([[0, 1, 6], [6, 6, 6]])
    rows = embmap.torch.tensor(store)[:2]
    expected = {"mean": rows.mean(0), "sum": rows.sum(0), "max": rows.max(0).values}[mode]
    assert torch.allclose(bag(ids)[0], expected)
    assert not bag(ids)[1].any()


def test_a_bag_of_a_task(store):
    bag = embmap.torch.embedding_bag(store, ["", "king", "queen"], mode="sum", freeze=False)
    assert (bag.padding_idx, bag.weight.requires_grad) == (0, True)
    assert torch.equal(bag(torch.tensor([[0, 1]])), bag.weight[1:2])
    with pytest.raises(ValueError, match="pass vocab="):
        embmap.torch.embedding_bag(store, oov="zeros")


def test_an_output_layer_may_share_the_weights(store):
    for freeze in (True, False):
        layer = embmap.torch.embedding(store, freeze=freeze)
        out = torch.nn.Linear(store.dim, len(store), bias=False)
        out.weight = layer.weight
        logits = out(layer(torch.tensor([1])))
        assert logits.argmax().item() == 1
        assert out.weight.data_ptr() == layer.weight.data_ptr()
        assert logits.requires_grad is not freeze


def test_a_table_of_whole_numbers_is_refused(store):
    with pytest.raises(ValueError, match="dtype must be of floating point"):
        embmap.torch.tensor(store, dtype=torch.int32)


def test_types_that_no_layer_can_have_are_refused(store):
    for make in (
        lambda dtype: embmap.torch.embedding(store, ["king"], dtype=dtype),
        lambda dtype: embmap.torch.embedding(store, dtype=dtype),
        lambda dtype: embmap.torch.tensor(store, dtype=dtype),
        lambda dtype: embmap.torch.HostEmbedding(store, dtype=dtype),
    ):
        for dtype in (torch.int64, torch.bool, torch.complex64):
            with pytest.raises(ValueError, match="dtype must be of floating point"):
                make(dtype)
        with pytest.raises(TypeError, match="dtype must be a"):
            make("float16")
    for call in (
        lambda: embmap.torch.embedding(store, padding_idx=6.0),
        lambda: embmap.torch.HostEmbedding(store, hot=1.5),
        lambda: embmap.torch.HostEmbedding(store)([0, 1]),
        lambda: embmap.torch.HostEmbedding(store)(np.array([0, 1])),
        lambda: embmap.torch.embedding(store.matrix(["king"])),
    ):
        with pytest.raises(TypeError):
            call()
    grown = torch.ones(4, dtype=torch.bfloat16, requires_grad=True)
    assert store.lookup(["zz"], oov=grown).tolist() == [[1.0] * 4]
