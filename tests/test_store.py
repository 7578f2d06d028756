"""The store as a mapping, its arrays, its life."""

import collections.abc
import copy
import gc
import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, reads_proc, replaces_mapped, store_of

import embmap

WORDS = ["king", "queen", "man", "woman", "apple", "pear"]


def test_a_store_is_a_read_only_mapping(store):
    assert isinstance(store, collections.abc.Mapping)
    assert len(store) == 6
    assert list(store) == list(store.keys()) == WORDS
    assert "king" in store
    assert "King" not in store
    assert 3 not in store
    assert store["king"].tolist() == [np.float32(x) for x in (0.9, 0.8, 0.1, 0)]
    assert store.get("nobody") is None
    assert store.get("nobody", 5) == 5
    assert [word for word, _ in store.items()] == WORDS
    assert np.array_equal(np.stack(list(store.values())), store.vectors)
    assert store == store
    assert store != embmap.open(store.path)
    assert len({store, store}) == 1
    with pytest.raises(KeyError, match="nobody"):
        store["nobody"]
    with pytest.raises(KeyError):
        store[0]
    with pytest.raises(TypeError):
        store["king"] = 1


def test_ids_and_words(store):
    assert [store.index(word) for word in WORDS] == list(range(6))
    assert [store.word(i) for i in range(6)] == WORDS
    assert store.word(-1) == "pear"
    for i in (6, -7):
        with pytest.raises(IndexError):
            store.word(i)
    with pytest.raises(KeyError):
        store.index("nobody")
    words = store.words
    assert isinstance(words, collections.abc.Sequence)
    assert (words[1], words[-1], words[2:4], words[::-2]) == (
        "queen",
        "pear",
        ["man", "woman"],
        ["pear", "woman", "queen"],
    )
    assert words.index("man") == 2
    assert words.count("man") == 1
    assert "man" in words
    with pytest.raises(ValueError, match="'man' is not among"):
        words.index("man", 3)
    assert repr(words) == "<6 words: 'king', 'queen', 'man', ...>"


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, lambda words: (word for word in words), dict.fromkeys])
def test_indices_of_any_iterable(store, kind):
    ids = store.indices(kind(["queen", "nobody", "pear"]))
    assert ids.dtype == np.int64
    assert ids.tolist() == [1, -1, 5]


def test_indices_edges(store):
    assert store.indices([]).shape == (0,)
    assert store.indices(["nobody"], missing=7).tolist() == [7]
    assert store.indices(["\ud800", "king", ""]).tolist() == [-1, 0, -1]
    assert "\ud800" not in store
    with pytest.raises(TypeError, match="expected str, found int at position 1"):
        store.indices(["king", 3])
    with pytest.raises(TypeError, match="one str"):
        store.indices("king")


def test_many_words_on_several_threads_are_found_as_one_by_one(tmp_path):
    words = [f"w{i}" for i in range(50_000)]
    store = store_of(tmp_path, "".join(f"{word} {i} 0\n" for i, word in enumerate(words)))
    asked = [f"w{i}" for i in np.random.default_rng(0).integers(0, 100_000, 200_000)]
    expected = [int(word[1:]) if int(word[1:]) < 50_000 else -1 for word in asked]
    assert store.indices(asked).tolist() == expected


def test_lookup_and_take(store):
    assert np.array_equal(store.take([5, 0, 5]), store.vectors[[5, 0, 5]])
    assert store.take([]).shape == (0, 4)
    assert np.array_equal(store.lookup(["pear", "nobody", "king"]), [store["pear"], np.zeros(4), store["king"]])
    out = np.full((2, 4), 9, np.float32)
    assert store.take(np.array([1, 2], np.int32), out=out) is out
    assert np.array_equal(out, store.vectors[[1, 2]])
    assert store.lookup(("man", "nobody"), oov="mean", out=out) is out
    assert np.array_equal(out[0], store["man"])
    assert np.allclose(out[1], store.vectors.mean(0))
    with pytest.raises(KeyError, match="nobody"):
        store.lookup(["nobody"], oov="error")


def test_ids_and_out_are_checked(store):
    for ids in ([6], [-1], [0, 2**40]):
        with pytest.raises(IndexError, match="is not a row"):
            store.take(ids)
    for ids in ([0.5], [[0]], ["king"]):
        with pytest.raises(TypeError):
            store.take(ids)
    for out in (
        np.empty((2, 4), np.float32),
        np.empty((1, 5), np.float32),
        np.empty((1, 4), np.float64),
        np.empty((1, 8), np.float32)[:, ::2],
        store.vectors[:1],
    ):
        with pytest.raises((ValueError, TypeError)):
            store.take([0], out=out)
    with pytest.raises(ValueError, match="C-contiguous"):
        store._gather(np.array([0, 1]), np.empty((2, 4), np.float32, order="F"))


@reads_proc
def test_views_need_no_copy_and_keep_the_map_alive(tmp_path):
    store = store_of(tmp_path, SMALL)
    vectors, king = store.vectors, store["king"]
    # Of mappings of their own, so that what is written into one shows in no other.
    assert np.shares_memory(vectors, store.vectors)
    assert np.shares_memory(king, store.get("king"))
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("v.embmap")]
    ranges = [[int(x, 16) for x in line[0].split("-")] for line in maps]
    assert any(low <= vectors.ctypes.data < high for low, high in ranges)
    assert vectors.flags.c_contiguous
    store.close()
    del store
    gc.collect()
    (tmp_path / "v.embmap").unlink()
    assert vectors.shape == (6, 4)
    assert king.tolist() == vectors[0].tolist()


def test_arrays_are_read_only_and_writing_through_them_cannot_reach_the_file(store):
    before = store.path.read_bytes()
    for array in (store.vectors, store["king"], store.vectors[2:]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
    copies = [store._vectors_cow(), store._vectors_cow()]
    copies[0][:] = 7
    assert copies[1][0, 0] == store["king"][0] == np.float32(0.9)
    assert store.path.read_bytes() == before


def test_close_and_with(tmp_path):
    with store_of(tmp_path, SMALL) as store:
        assert not store.closed
    assert store.closed
    assert "closed" in repr(store)
    store.close()
    for call in (lambda: len(store), lambda: store["king"], lambda: store.vectors, lambda: "king" in store):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_attributes(store, tmp_path):
    assert (store.dim, store.vector_size, store.dtype, len(store.words)) == (4, 4, np.float32, 6)
    assert store.path == tmp_path / "v.embmap"
    assert store.nbytes == store.path.stat().st_size
    assert store.metadata["source"]["name"] == "v.txt"
    assert store.metadata["embmap"] == embmap.__version__
    assert repr(store) == f"<Store {str(store.path)!r}: 6 words of 4 float32>"
    mean, deviation = store.statistics()
    assert np.allclose(mean, store.vectors.astype(float).mean(0), atol=1e-12)
    assert np.allclose(deviation, store.vectors.astype(float).std(0), atol=1e-12)


def test_own_metadata(tmp_path):
    store = store_of(tmp_path, SMALL, metadata={"licence": "PDDL", "n": [1, 2]})
    assert store.metadata["licence"] == "PDDL"
    assert store.metadata["n"] == [1, 2]


def test_pickle_and_copy_go_by_path(store):
    again = pickle.loads(pickle.dumps(store))
    assert again["king"].tolist() == store["king"].tolist()
    assert len(pickle.dumps(store)) < 500
    assert copy.copy(store) is store
    assert copy.deepcopy([store])[0] is store


def test_a_pickled_store_whose_file_changed_is_an_error(tmp_path):
    pickled = pickle.dumps(store_of(tmp_path, SMALL))
    store_of(tmp_path, SMALL.replace("0.9", "0.8"))
    with pytest.raises(embmap.FormatError, match="changed"):
        pickle.loads(pickled)


@replaces_mapped
def test_an_open_store_keeps_its_contents_when_the_file_is_replaced(tmp_path):
    store = store_of(tmp_path, SMALL)
    store_of(tmp_path, "other 1 2\n")
    assert store["king"][0] == np.float32(0.9)
    assert store._vectors_cow()[0, 0] == np.float32(0.9)


def test_opening_what_is_no_store(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.embmap"):
        embmap.open(tmp_path / "nowhere.embmap")
    with pytest.raises(IsADirectoryError):
        embmap.open(tmp_path)
    (tmp_path / "x").write_text(SMALL)
    with pytest.raises(embmap.FormatError, match=r"make one with embmap\.convert"):
        embmap.open(tmp_path / "x")


def test_a_store_without_rows(tmp_path):
    store = store_of(tmp_path, "0 3\n")
    assert (len(store), store.dim, store.vectors.shape) == (0, 3, (0, 3))
    assert store.indices(["a"]).tolist() == [-1]
    assert store.neighbors(np.ones(3, np.float32), 5)[0].tolist() == []
    assert store.matrix(["a"], oov="zeros").array.tolist() == [[0, 0, 0]]
    store.verify()


def test_gensims_names(store):
    assert store.index_to_key[1] == "queen"
    assert dict(store.key_to_index) == {word: i for i, word in enumerate(WORDS)}
    assert np.isclose(np.linalg.norm(store.get_vector("king", norm=True)), 1)
    assert store.get_index("nobody", 3) == 3
    assert store.has_index_for("king")
    with pytest.raises(KeyError):
        store.get_index("nobody")


def test_preload_and_advice_change_nothing_but_the_time(tmp_path):
    store = store_of(tmp_path, SMALL)
    again = embmap.open(store.path, preload=True)
    assert again.vectors.tobytes() == store.vectors.tobytes()
    for access in ("normal", "random", "sequential", "willneed"):
        again.advise(access)
    again.verify()
    with pytest.raises(ValueError, match="access must be one of"):
        again.advise("soon")
    again.close()
    with pytest.raises(ValueError, match="closed"):
        again.preload()


def test_a_key_error_has_the_key(store):
    """A tuple is not taken for the arguments of the error, nor None for none of them."""
    for key in (("king",), None, "nobody"):
        for ask in (store.__getitem__, store.index):
            with pytest.raises(KeyError) as raised:
                ask(key)
            assert raised.value.args == (key,)


def test_what_stands_for_missing_words_is_an_int(store):
    for ask in (
        lambda missing: store.indices(["nobody"], missing),
        lambda missing: store.indices(["nobody"], missing, fallback="lower"),
        lambda missing: store.indices_padded([["nobody"]], missing=missing),
    ):
        assert ask(np.int64(7)).ravel().tolist() == [7]
        with pytest.raises(TypeError):
            ask(1.9)


def test_rows_for_missing_words_are_finite_and_real(store):
    for row, error, reason in (
        ([1 + 2j, 0, 0, 0], TypeError, "real numbers"),
        ([1e300, 0, 0, 0], ValueError, "not finite"),
        ([np.nan, 0, 0, 0], ValueError, "not finite"),
    ):
        for oov in (np.array(row), lambda word, row=row: row):
            with pytest.raises(error, match=reason):
                store.lookup(["nobody"], oov=oov)
    with pytest.raises(ValueError, match="scale must be finite"):
        store.matrix(["nobody"], scale=float("nan"))
    with pytest.raises(ValueError, match="weights must be finite, and that of 'king' is None"):
        store.lookup([["king"]], pool="mean", weights={"king": None})
