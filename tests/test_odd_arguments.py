"""Arguments at the edge of what they may be: small integers of NumPy, numbers that are none, nothing at all."""

import numpy as np
import pytest
from conftest import SMALL, store_of

import embmap


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path, SMALL)


@pytest.fixture
def many(tmp_path):
    rng = np.random.default_rng(0)
    embmap.write(tmp_path / "m.embmap", [f"w{i}" for i in range(300)], rng.normal(size=(300, 4)))
    return embmap.open(tmp_path / "m.embmap")


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int64])
def test_small_integers_are_integers(many, tmp_path, kind):
    """Sums of them do not wrap around."""
    most = int(min(np.iinfo(kind).max, 255))
    count = kind(most)
    words = [f"w{i}" for i in range(300)]
    assert len(many.most_similar("w1", topn=count)) == most
    assert len(embmap.gensim.KeyedVectors(many).most_similar("w1", topn=count)) == most
    assert many.neighbors("w1", count, exclude=words[:10])[0].shape == (most,)
    assert many.matrix(words, padding_idx=kind(1)).padding_idx == 1
    assert many.matrix(words, start=count).shape == (300 + most, 4)
    assert many.word(kind(1)) == "w1"
    assert many.indices_padded([["w1", "zz"]], start=count, missing=kind(0)).tolist() == [[1 + most, 0]]
    assert many.knn_graph(tmp_path / "g.npz", k=kind(5), restrict=kind(100)).k == 5


@pytest.mark.parametrize("given", [2.0, "2", None])
def test_what_is_no_integer_is_a_type_error(store, given):
    calls = [
        lambda: store.neighbors("king", given),
        lambda: store.matrix(["king"], start=given),
        lambda: store.word(given),
        lambda: store.indices_padded([["king"]], start=given),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    if given is not None:
        for call in (lambda: store.most_similar("king", topn=given), lambda: store.matrix(["king"], padding_idx=given)):
            with pytest.raises(TypeError):
                call()


def test_rows_that_no_store_has_are_index_errors(store):
    for row in (6, -7, 2**63, 2**64, -(2**63) - 1):
        with pytest.raises(IndexError):
            store.word(row)
        with pytest.raises(IndexError):
            store.words[row]
    for row in (6, 2**63, 2**64):
        with pytest.raises(IndexError, match=str(row)):
            store.take([row])
    with pytest.raises(ValueError, match="masked"):
        store.take(np.ma.array([0, 1], mask=[0, 1]))


@pytest.mark.parametrize("out", [[[0.0] * 4], np.empty((1, 8), np.float32)[:, ::2], np.empty((1, 4))])
def test_out_is_an_array_that_can_be_filled(store, out):
    with pytest.raises((TypeError, ValueError), match="out must be"):
        store.take([0], out=out)


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e300])
def test_a_vector_that_is_not_finite_has_no_cosine(store, number):
    vector = np.full(4, number)
    for call in (
        lambda: store.similarity(vector, "king"),
        lambda: store.distance("king", vector),
        lambda: store.similarity_matrix([vector], "king"),
        lambda: store.neighbors(vector, 1),
    ):
        with pytest.raises(ValueError, match="not finite"):
            call()


def test_queries_that_are_none_say_why(store):
    with pytest.raises(ValueError, match="masked"):
        store.neighbors(np.ma.array([0.9, 0.8, 0.1, 0.0], mask=[1, 1, 0, 0]), 1)
    with pytest.raises(TypeError, match="items"):
        store.most_similar({"king": 0.1, "pear": 5.0})
    assert store.most_similar({"king": 0.1, "pear": 5.0}.items(), topn=1)[0][0] == "apple"


def test_nothing_becomes_infinite_without_a_sound(store, tmp_path):
    with pytest.raises(ValueError, match="scale is so large"):
        store.matrix(["zz"], scale=1e39)
    embmap.write(tmp_path / "big.embmap", ["a", "b"], [[1.0, 2.0], [1e6, 1.0]])
    with embmap.open(tmp_path / "big.embmap") as big:
        assert big.take([0], out=np.empty((1, 2), np.float16)).tolist() == [[1, 2]]
        for call in (
            lambda: big.take([0, 1], out=np.empty((2, 2), np.float16)),
            lambda: big.matrix(["a", "b"], dtype=np.float16),
        ):
            with pytest.raises(ValueError, match="row 1 of the result has a number that is too large for float16"):
                call()
        with pytest.raises(ValueError, match="too large for float16"):
            big.lookup(["zz"], oov=[1e6, 0], out=np.empty((1, 2), np.float16))


def test_empty_columns_are_no_words(store):
    pandas = pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    for empty in (
        pandas.Series([], dtype=object),
        pandas.Series(["king", None], dtype=object)[[False, False]],
        pyarrow.array([]),
        [],
    ):
        assert store.indices(empty).shape == (0,)
        assert store.lookup(empty).shape == (0, 4)
    with pytest.raises(TypeError, match="null at position 0"):
        store.indices(pyarrow.array([None]))


def test_a_closed_store_says_so(store):
    store.close()
    for call in (lambda: store.most_similar("king", topn=0), store.__enter__):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_batches_of_nothing_are_written(tmp_path):
    with embmap.Writer(tmp_path / "w.embmap", dim=2) as writer:
        writer.write([], [])
        writer.write({})
        writer.write({"a": [1.0, 2.0]})
        writer.write([], np.empty((0, 2)))
    assert list(embmap.open(tmp_path / "w.embmap")) == ["a"]
    for metadata in ([1], "x", 1):
        with pytest.raises(TypeError, match="metadata must be a dict"):
            embmap.write(tmp_path / "w.embmap", ["a"], [[1.0]], metadata)


def test_rows_that_are_tensors_are_written(tmp_path):
    torch = pytest.importorskip("torch")
    row = torch.tensor([1.0, 2.0], requires_grad=True)
    embmap.write(tmp_path / "w.embmap", ["a", "b"], [row, row.to(torch.bfloat16)])
    assert embmap.open(tmp_path / "w.embmap").vectors.tolist() == [[1.0, 2.0]] * 2


def test_an_index_or_what_stands_for_it(store):
    assert [store.get_index(key, -1) for key in ("queen", "zz", 3, None, b"king")] == [1, -1, -1, -1, -1]
    for key in ("zz", 3):
        with pytest.raises(KeyError):
            store.get_index(key)


def test_nothing_to_keep_is_nothing_that_was_not_found(tmp_path):
    (tmp_path / "v.txt").write_text(SMALL)
    report = embmap.convert(tmp_path / "v.txt", keep=[])
    assert (report.rows, report.words_not_found) == (0, 0)


def test_an_encoding_that_python_does_not_know(store, tmp_path):
    (tmp_path / "q.txt").write_text("man king woman queen\n")
    with pytest.raises(ValueError, match="encoding must be one that Python knows"):
        embmap.evaluate(store, tmp_path / "q.txt", encoding="x")
