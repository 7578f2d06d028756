"""What is handed out cannot change answers: C code writes through NumPy's read-only flag, and PyTorch knows none."""

import ctypes

import numpy as np
import pytest
import torch
from conftest import SMALL, store_of

ROWS = {"king": [0.9, 0.8, 0.1, 0], "queen": [0.9, 0.1, 0.8, 0]}


def overwrite(array, value=99.0):
    """Write as C code does, which looks at no flag: what faiss.normalize_L2 does to a matrix."""
    assert not array.flags.writeable
    values = np.full(array.shape, value, array.dtype)
    ctypes.memmove(array.__array_interface__["data"][0], values.tobytes(), values.nbytes)
    assert (array == np.asarray(value, array.dtype)).all()


def assert_unchanged(store):
    king = np.asarray(ROWS["king"], np.float32)
    tolerance = {"rtol": 0, "atol": 1e-3}
    np.testing.assert_allclose(store["king"], king, **tolerance)
    np.testing.assert_allclose(store.take([0])[0], king, **tolerance)
    np.testing.assert_allclose(store.lookup(["king"])[0], king, **tolerance)
    np.testing.assert_allclose(store.matrix(["king"]).array[0], king, **tolerance)
    assert store.word(int(store.neighbors("king", k=2)[0][1])) == "man"
    assert store.most_similar(["king", "woman"], ["man"], topn=1)[0][0] == "queen"
    store.verify()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_writing_into_the_matrix_changes_no_answer(tmp_path, dtype):
    store = store_of(tmp_path, SMALL, dtype=dtype)
    before = store.path.read_bytes()
    overwrite(store.vectors)
    assert_unchanged(store)
    # As faiss' recipe has it: what was written there is there still.
    assert (store.vectors == 99).all()
    store.export(tmp_path / "e.txt", "word2vec", words=["king"])
    np.testing.assert_allclose(np.loadtxt(tmp_path / "e.txt", skiprows=1, usecols=range(1, 5)), ROWS["king"], atol=1e-3)
    np.testing.assert_allclose(store.select(["king"], tmp_path / "one.embmap")["king"], ROWS["king"], atol=1e-3)
    assert store.path.read_bytes() == before


def test_writing_into_a_row_changes_no_other_answer(store):
    overwrite(store["queen"])
    assert_unchanged(store)
    np.testing.assert_array_equal(store.vectors[1], np.float32(ROWS["queen"]))
    np.testing.assert_array_equal(store.take([1])[0], np.float32(ROWS["queen"]))


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_writing_through_tensors_changes_no_answer(store):
    torch.from_numpy(store.vectors).fill_(5)
    torch.from_numpy(store["king"]).fill_(5)
    assert np.array_equal(store.take([0])[0], np.float32(ROWS["king"]))
    store.verify()


def test_writing_into_an_arrow_table_changes_no_answer(store):
    pa = pytest.importorskip("pyarrow")
    column = pa.table(store)["vector"].chunk(0).flatten()
    overwrite(column.to_numpy(zero_copy_only=True))
    assert_unchanged(store)


def test_faiss_normalizes_in_place_and_the_store_stays(store):
    faiss = pytest.importorskip("faiss")
    faiss.normalize_L2(store.vectors)
    np.testing.assert_allclose(np.linalg.norm(store.vectors, axis=1), 1, rtol=1e-6)
    assert_unchanged(store)


def test_a_layer_with_a_row_for_the_padding_is_no_copy(store, tmp_path):
    import embmap

    before = store.path.read_bytes()
    layer = embmap.torch.embedding(store, padding_idx=len(store), freeze=False)
    assert layer.weight.shape == (7, 4)
    assert layer.weight.data_ptr() % 4096 == 0
    assert not layer.weight[6].any()
    assert np.array_equal(layer.weight[:6].detach().numpy(), store.vectors)
    with torch.no_grad():
        layer.weight.fill_(3)
    assert_unchanged(store)
    assert store.path.read_bytes() == before
    for dtype in ("float16", "bfloat16", "int8"):
        (tmp_path / dtype).mkdir()
        small = store_of(tmp_path / dtype, SMALL, dtype=dtype)
        padded = embmap.torch.embedding(small, padding_idx=len(small))
        assert padded.weight.shape == (7, 4)
        assert not padded.weight[6].any()
        assert torch.equal(padded.weight[:6], embmap.torch.tensor(small))


def test_writing_into_a_row_changes_no_answer(tmp_path):
    """A row of its own shows what was written to it, and nothing else does."""
    store = store_of(tmp_path, SMALL)
    before = store.most_similar("king", topn=3), store.neighbors("king", 3)[0].tolist(), store.similarity("king", "man")
    norm = store.get_vector("king", norm=True)
    overwrite(store["king"], 7.0)
    assert before == (
        store.most_similar("king", topn=3),
        store.neighbors("king", 3)[0].tolist(),
        store.similarity("king", "man"),
    )
    np.testing.assert_array_equal(store.get_vector("king", norm=True), norm)
    assert store.analogy("man", "king", "woman", topn=1)[0][0] == "queen"
    store.verify()
