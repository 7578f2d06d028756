"""The same answers as gensim's on the same vectors."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from conftest import SMALL, store_of
from gensim.models import KeyedVectors

import embmap


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    rng = np.random.default_rng(3)
    words = [f"w{i}" for i in range(500)]
    vectors = rng.normal(size=(500, 20)).astype(np.float32)
    text = "".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in zip(words, vectors.tolist(), strict=True))
    peer = KeyedVectors(20)
    peer.add_vectors(words, vectors)
    return store_of(tmp_path_factory.mktemp("similarity"), text), peer


def same(found, expected):
    assert [word for word, _ in found] == [word for word, _ in expected]
    assert np.allclose([score for _, score in found], [score for _, score in expected], atol=1e-6)


@pytest.mark.parametrize(
    ("positive", "negative"),
    [("w1", []), (["w1"], []), (["w1", "w2"], ["w3"]), (["w1", ("w2", 0.3)], [("w3", -2.0)]), ([], ["w4"])],
)
def test_most_similar(both, positive, negative):
    store, peer = both
    same(store.most_similar(positive, negative, topn=7), peer.most_similar(positive, negative, topn=7))


def test_most_similar_to_vectors(both):
    store, peer = both
    vector = peer["w9"] * 3
    same(store.most_similar(vector, topn=5), peer.similar_by_vector(vector, topn=5))
    same(store.most_similar([vector, "w1"], topn=5), peer.most_similar([vector, "w1"], topn=5))
    same(store.similar_by_word("w5", topn=3), peer.similar_by_word("w5", topn=3))
    same(store.similar_by_vector(vector), peer.similar_by_vector(vector))


def test_similarity_distance_doesnt_match_and_n_similarity(both):
    store, peer = both
    assert np.isclose(store.similarity("w1", "w2"), peer.similarity("w1", "w2"), atol=1e-6)
    assert np.isclose(store.distance("w1", "w2"), peer.distance("w1", "w2"), atol=1e-6)
    assert np.isclose(store.n_similarity(["w1", "w2"], ["w3"]), peer.n_similarity(["w1", "w2"], ["w3"]), atol=1e-6)
    for start in range(0, 500, 5):
        words = [f"w{i}" for i in range(start, start + 5)]
        assert store.doesnt_match(words) == peer.doesnt_match(words)


def test_neighbors_are_those_of_a_float64_brute_force(both):
    store, _ = both
    unit = store.vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    queries = np.random.default_rng(5).normal(size=(40, 20)).astype(np.float32)
    scores = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ unit.T
    ids, cosines = store.neighbors(queries, k=10)
    assert ids.tolist() == np.argsort(-scores, axis=1)[:, :10].tolist()
    assert np.allclose(cosines, -np.sort(-scores, axis=1)[:, :10], atol=1e-6)
    one, _ = store.neighbors(queries[0], k=10)
    assert one.tolist() == ids[0].tolist()
    assert store.neighbors(["w3", "w7"], k=1)[0].tolist() == [[3], [7]]
    assert store.neighbors("w3", k=0)[0].shape == (0,)
    assert store.neighbors("w3", k=1000)[0].shape == (500,)


def test_the_number_of_queries_does_not_change_the_answer(both):
    store, _ = both
    words = [f"w{i}" for i in range(400)]
    ids, cosines = store.neighbors(words, k=20)
    for i in range(0, 400, 37):
        alone = store.neighbors(words[i], k=20)
        assert alone[0].tolist() == ids[i].tolist()
        assert np.array_equal(alone[1], cosines[i])


def test_in_a_tie_the_lower_rows_come_first(tmp_path):
    store = store_of(tmp_path, "".join(f"w{i} {1 + i % 2} 0\n" for i in range(50)) + "z 0 0\n")
    assert store.neighbors("w7", k=5)[0].tolist() == [0, 1, 2, 3, 4]
    assert store.neighbors("z", k=2)[1].tolist() == [0, 0]
    assert store.similarity("w1", "z") == 0


def test_king_minus_man_plus_woman(store):
    assert store.analogy("man", "king", "woman", topn=1)[0][0] == "queen"
    assert store.analogy("man", "king", "woman") == store.most_similar(["king", "woman"], ["man"])


def test_queries_that_are_not_finite(store):
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not finite"):
            store.neighbors(np.array([1, bad, 0, 0], np.float32))


def test_odd_arguments_are_gensims(both):
    store, peer = both
    assert store.most_similar("w1", topn=0) == peer.most_similar("w1", topn=0) == []
    same(store.most_similar(("w1", 0.5), None, topn=3), peer.most_similar([("w1", 0.5)], topn=3))
    assert np.isclose(store.n_similarity(["w1", "?"], ["w2"]), peer.n_similarity(["w1", "?"], ["w2"]), atol=1e-6)
    with pytest.raises(ZeroDivisionError):
        store.n_similarity([], ["w1"])


def test_wrong_arguments(store):
    for call in (
        lambda: store.most_similar("nobody"),
        lambda: store.similarity("king", "nobody"),
        lambda: store.neighbors("nobody"),
    ):
        with pytest.raises(KeyError, match="nobody"):
            call()
    for call in (
        store.most_similar,
        lambda: store.neighbors(np.ones(3, np.float32)),
        lambda: store.neighbors("king", k=-1),
        lambda: store.doesnt_match(["nobody"]),
    ):
        with pytest.raises(ValueError, match=r"most_similar|shape|negative|doesnt_match"):
            call()


@pytest.mark.parametrize("n", [1, 3, 300])
def test_restrict_and_exclude(both, n):
    store, peer = both
    queries = np.random.default_rng(7).normal(size=(n, 20)).astype(np.float32)
    unit = store.vectors / np.linalg.norm(store.vectors, axis=1, keepdims=True)
    scores = queries @ unit.T
    for restrict, allowed in [
        (None, range(500)),
        (100, range(100)),
        (["w7", "w3", "w7", "unheard-of", "w499"], [3, 7, 499]),
    ]:
        for exclude in ([], ["w3", "w5", "unheard-of"]):
            rows = np.array([row for row in allowed if f"w{row}" not in exclude])
            k = min(6, len(rows))
            expected = rows[np.argsort(-scores[:, rows], axis=1)[:, :k]]
            ids, cosines = store.neighbors(queries, 6, restrict=restrict, exclude=exclude)
            assert ids.tolist() == expected.tolist()
            assert cosines.shape == ids.shape
    same(
        store.most_similar("w1", topn=5, restrict=100),
        peer.most_similar("w1", topn=5, restrict_vocab=100),
    )
    assert "w9" not in dict(store.most_similar("w1", topn=499, exclude=["w9"]))
    assert len(store.most_similar("w1", topn=499, exclude=["w9"])) == 498


def test_restrict_is_checked(both):
    store, _ = both
    with pytest.raises(TypeError, match="not one str"):
        store.neighbors("w1", restrict="w2")
    with pytest.raises(ValueError, match="not be negative"):
        store.neighbors("w1", restrict=-1)
    ids, _ = store.neighbors("w1", restrict=[])
    assert ids.shape == (0,)


def test_ties_give_lower_ids_first_and_zeros_are_near_to_nothing(tmp_path):
    store = store_of(tmp_path, "".join(f"w{i} {i % 5} 0 1\n" for i in range(3000)) + "zeros 0 0 0\n")
    ids, cosines = store.neighbors(np.array([[0, 0, 2], [0, 0, 0]], np.float32), k=7)
    assert ids.tolist() == [[0, 5, 10, 15, 20, 25, 30], [0, 1, 2, 3, 4, 5, 6]]
    assert cosines[0].tolist() == [1] * 7
    assert cosines[1].tolist() == [0] * 7


class OnDevice:
    """What offers an array, as the tensors of other libraries do."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype)


FORMS = {
    "list": lambda rows: rows.tolist(),
    "tuple": lambda rows: tuple(map(tuple, rows.tolist())) if rows.ndim == 2 else tuple(rows.tolist()),
    "list of NumPy's floats": lambda rows: list(rows),
    "float64": lambda rows: rows.astype(np.float64),
    "float16": lambda rows: rows.astype(np.float16),
    "objects": lambda rows: rows.astype(object),
    "tensor": torch.from_numpy,
    "tensor with a gradient": lambda rows: torch.from_numpy(rows).requires_grad_(),
    "bfloat16": lambda rows: torch.from_numpy(rows).bfloat16(),
    "what has __array__": OnDevice,
}


@pytest.mark.parametrize("form", FORMS)
def test_vectors_come_in_any_form(store, form):
    # Exact in every type of number.
    rows = np.array([[0.5, 1.0, 0.25, -2.0], [1.0, 0.5, 0.5, 0.0]], np.float32)
    one, many = FORMS[form](rows[0]), FORMS[form](rows)
    for given, expected in ((one, rows[0]), (many, rows), ([one, "king"], [rows[0], "king"])):
        found, right = store.neighbors(given, k=3), store.neighbors(expected, k=3)
        assert np.array_equal(found[0], right[0])
        assert np.array_equal(found[1], right[1])
        assert store.most_similar(given, topn=3) == store.most_similar(expected, topn=3)
    assert store.similarity(one, "king") == store.similarity(rows[0], "king")
    assert store.similar_by_vector(one) == store.similar_by_vector(rows[0])
    assert store.analogy(one, "king", "man") == store.analogy(rows[0], "king", "man")
    pair = [(one, 0.5), ("king", 2)]
    assert store.most_similar(pair) == store.most_similar([(rows[0], 0.5), ("king", 2)])


@pytest.mark.parametrize(
    "words",
    [
        np.array(["king", "pear"]),
        np.array(["king", "pear"], object),
        np.array(["king", "pear"], np.dtypes.StringDType()),
        ("king", "pear"),
        dict.fromkeys(["king", "pear"]).keys(),
        pd.Series(["king", "pear"]),
        pa.array(["king", "pear"]),
    ],
    ids=lambda words: type(words).__name__,
)
def test_words_come_in_any_form(store, words):
    assert store.neighbors(words, k=1)[0].tolist() == [[0], [5]]
    assert store.most_similar(words) == store.most_similar(["king", "pear"])
    assert store.doesnt_match(words) == store.doesnt_match(["king", "pear"])
    assert store.neighbors(iter(["king", "pear"]), k=1)[0].tolist() == [[0], [5]]
    assert (
        store.neighbors(np.str_("king"), k=1)[0].tolist() == store.neighbors(np.array("king"), k=1)[0].tolist() == [0]
    )


@pytest.mark.parametrize("weight", [np.float32(0.5), np.float64(0.5), np.array(0.5), torch.tensor(0.5), 1, np.int64(1)])
def test_weights_are_any_numbers(store, weight):
    expected = store.most_similar([("king", float(weight)), "pear"], topn=3)
    assert store.most_similar([("king", weight), "pear"], topn=3) == expected
    assert store.most_similar([["king", weight], "pear"], topn=3) == expected
    assert store.most_similar(("king", weight), topn=3) == store.most_similar("king", topn=3)


def test_rows_by_number_are_refused_with_the_way_to_them(store):
    for call in (
        lambda: store.neighbors(np.array([0, 1])),
        lambda: store.neighbors([0, 1]),
        lambda: store.neighbors(3),
        lambda: store.neighbors(torch.tensor([0, 1])),
        lambda: store.most_similar([0, 1]),
        lambda: store.most_similar(positive=[np.int64(1)]),
        lambda: store.similarity("king", 1),
    ):
        with pytest.raises(TypeError, match=r"rows by number are store\.take\(ids\)"):
            call()


def test_what_is_no_query_is_named(store):
    for query, reason in (
        ([["king", "pear"]], "expected a word or a vector, found list of str"),
        ([None], "expected a word or a vector, found NoneType"),
        (b"king", "found bytes"),
        ([b"king"], "found bytes"),
        (np.array([True, False, True, True]), "real numbers, not bool"),
        (np.ones(4, complex), "real numbers, not complex128"),
    ):
        with pytest.raises(TypeError, match=reason):
            store.neighbors(query)
    for query, reason in (
        ([1.0, 2.0], r"shape \(4,\), not \(2,\)"),
        (np.ones((2, 3), np.float32), r"shape \(4,\), not \(3,\)"),
        (np.ones((1, 2, 4), np.float32), r"shape \(4,\), not \(2, 4\)"),
        (np.float32(1), r"shape \(4,\), not \(\)"),
        (np.array([1e300, 0, 0, 0]), "not finite"),
    ):
        with pytest.raises(ValueError, match=reason):
            store.neighbors(query)
    assert store.neighbors([], k=2)[0].shape == (0, 2)


def test_one_str_is_not_several_words(store):
    for call in (
        lambda: store.doesnt_match("king queen"),
        lambda: store.n_similarity("king", ["queen"]),
        lambda: store.n_similarity(["queen"], "king"),
    ):
        with pytest.raises(TypeError, match="not one str: split it first"):
            call()
    assert store.doesnt_match(["king", "queen", "unheard-of", "apple"]) == "apple"


def test_gensims_names_of_the_rows_that_can_be_found(both):
    store, peer = both
    for call in ("similar_by_word", "similar_by_vector"):
        query = "w9" if call == "similar_by_word" else peer["w9"]
        same(getattr(store, call)(query, 5, 100), getattr(peer, call)(query, 5, 100))
    same(
        store.most_similar(["w1", "w400"], topn=5, restrict_vocab=50),
        peer.most_similar(["w1", "w400"], topn=5, restrict_vocab=50),
    )
    same(store.most_similar("w1", restrict_vocab=0), peer.most_similar("w1", restrict_vocab=0))
    with pytest.raises(TypeError, match="gensim's name for restrict"):
        store.most_similar("w1", restrict=5, restrict_vocab=5)


def test_all_cosines_in_row_order(both):
    store, peer = both
    for options in ({}, {"restrict_vocab": 70}, {"restrict_vocab": 5000}):
        found = store.most_similar(["w1", "w2"], ["w3"], topn=None, **options)
        expected = peer.most_similar(["w1", "w2"], ["w3"], topn=None, **options)
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        assert np.allclose(found, expected, atol=1e-6)
    best = dict(store.most_similar("w5", topn=499))
    cosines = store.similar_by_word("w5", topn=None)
    assert cosines[5] == pytest.approx(1)
    assert np.allclose([best[f"w{i}"] for i in range(500) if i != 5], np.delete(cosines, 5), atol=1e-6)
    assert np.allclose(store.similar_by_vector(peer["w5"], topn=None), cosines, atol=1e-6)
    for options in ({"restrict": ["w1"]}, {"exclude": ["w1"]}):
        with pytest.raises(ValueError, match="topn=None gives a number for each row"):
            store.most_similar("w1", topn=None, **options)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_all_cosines_of_other_types_block_by_block(tmp_path, monkeypatch, dtype):
    store = store_of(tmp_path, SMALL + "zeros 0 0 0 0\n", dtype=dtype)
    monkeypatch.setattr("embmap._query.similarity._BLOCK", 8)
    cosines = store.most_similar("king", topn=None)
    assert cosines[6] == 0
    assert np.allclose(cosines, [store.similarity("king", word) for word in store], atol=1e-6)
    with pytest.raises(ValueError, match="not finite"):
        store.most_similar([np.nan, 0.0, 0.0, 1.0], topn=None)


@pytest.mark.parametrize("scale", [1e-40, 1e-37, 1.0, 1e38])
def test_rows_of_any_length_have_their_cosines(tmp_path, scale):
    """Where the length, or what is 1 over it, is no number of float32, too."""
    rows = np.array([[3, 3, 1], [1, 0, 0], [-3, 3, 3], [0, 0, 0]]) * scale
    embmap.write(tmp_path / "v.embmap", ["a", "b", "c", "zeros"], rows)
    store = embmap.open(tmp_path / "v.embmap")
    exact = store.vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    units = exact / np.where(lengths > 0, lengths, 1)[:, None]
    vectors = embmap.gensim.KeyedVectors(store)
    assert store.most_similar("a", topn=None) == pytest.approx(units @ units[0], abs=1e-6)
    assert vectors.distances("a") == pytest.approx(1 - units @ units[0], abs=1e-6)
    assert vectors.get_normed_vectors() == pytest.approx(units, abs=1e-6)
    assert store.n_similarity(["a", "a"], ["c"]) == pytest.approx(units[0] @ units[2], abs=1e-6)
    with np.errstate(over="ignore"):
        assert np.allclose(vectors.norms, lengths.astype(np.float32), rtol=1e-6, atol=0)
    assert store.encode("a", tokenizer=str.split, normalize=True) == pytest.approx(units[0], abs=1e-6)


def test_rows_in_one_direction_are_equally_close(tmp_path):
    row = np.random.default_rng(0).standard_normal(50)
    rows = [row, *(np.outer(np.linspace(0.1, 7, 40), row)), -row]
    embmap.write(tmp_path / "v.embmap", [f"w{i}" for i in range(42)], rows)
    vectors = embmap.gensim.KeyedVectors(embmap.open(tmp_path / "v.embmap"))
    assert vectors.rank("w0", "w17") == 1
    assert vectors.closer_than("w3", "w20") == []
    assert vectors.rank("w0", "w41") == 41


def test_a_row_of_zeros_has_no_relative_cosine(tmp_path):
    embmap.write(tmp_path / "v.embmap", ["a", "b"], [[0.0, 0], [1, 1]])
    vectors = embmap.gensim.KeyedVectors(embmap.open(tmp_path / "v.embmap"))
    assert np.isnan(vectors.relative_cosine_similarity("a", "b"))
