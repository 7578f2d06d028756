"""The embedding matrix of a task."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

VOCAB = ["<pad>", "queen", "unheard-of", "king"]


def test_a_list_gives_rows_by_position(store):
    matrix = store.matrix(VOCAB, oov="zeros")
    assert matrix.shape == (4, 4)
    assert matrix.array.dtype == np.float32
    assert np.array_equal(matrix.array[1], store["queen"])
    assert np.array_equal(matrix.array[3], store["king"])
    assert not matrix.array[[0, 2]].any()
    assert (matrix.found, matrix.missing, matrix.coverage) == (["queen", "king"], ["<pad>", "unheard-of"], 0.5)
    assert matrix.index == {word: i for i, word in enumerate(VOCAB)}
    assert np.asarray(matrix) is matrix.array
    assert np.asarray(matrix, np.float64).dtype == np.float64


def test_start_reserves_rows_of_zeros(store):
    matrix = store.matrix(["king", "nobody"], start=2)
    assert matrix.shape == (4, 4)
    assert not matrix.array[:2].any()
    assert np.array_equal(matrix.array[2], store["king"])
    assert matrix.array[3].any()
    assert matrix.index == {"king": 2, "nobody": 3}


def test_a_mapping_is_keras_word_index_or_torchtexts_stoi(store):
    matrix = store.matrix({"queen": 3, "king": 1, "nobody": 5}, oov="zeros")
    assert matrix.shape == (6, 4)
    assert np.array_equal(matrix.array[[1, 3]], [store["king"], store["queen"]])
    assert not matrix.array[[0, 2, 4, 5]].any()
    assert matrix.found == ["king", "queen"]


def test_the_padding_row_is_zeros_and_its_word_is_not_counted(store):
    for vocab in (VOCAB, {word: i for i, word in enumerate(VOCAB)}, ["king", "queen", "unheard-of"]):
        matrix = store.matrix(vocab, padding_idx=0)
        assert not matrix.array[0].any()
        assert matrix.missing == ["unheard-of"]
        assert matrix.coverage == len(matrix.found) / (len(matrix.found) + 1)
    assert store.matrix(VOCAB, padding_idx=-4).missing == ["unheard-of"]
    for wrong in (4, -5):
        with pytest.raises(ValueError, match="padding_idx"):
            store.matrix(VOCAB, padding_idx=wrong)


class Holder:
    """An object that has a vocabulary under some name, and nothing else of one."""

    def __init__(self, name, vocab):
        setattr(self, name, lambda: vocab)


EMPTY = ["king", "", "unheard-of", "queen"]


@pytest.mark.parametrize(
    "vocab",
    [
        EMPTY,
        tuple(EMPTY),
        np.array(EMPTY),
        np.array(EMPTY, object),
        np.array([word.encode() for word in EMPTY], object),
        dict(zip(EMPTY, range(4), strict=True)),
        Holder("get_vocabulary", EMPTY),
        Holder("get_vocab", {"queen": 3, "": 1, "unheard-of": 2, "king": 0}),
        Holder("get_stoi", {"queen": 3, "": 1, "unheard-of": 2, "king": 0}),
    ],
    ids=["list", "tuple", "U", "object", "bytes", "dict", "get_vocabulary", "get_vocab", "get_stoi"],
)
def test_the_empty_word_is_the_padding(store, vocab):
    asked = []

    def oov(word):
        asked.append(word)
        return [1, 2, 3, 4]

    matrix = store.matrix(vocab, oov=oov, fallback=lambda word: asked.append(word))
    assert asked == ["unheard-of"] * 2
    assert np.array_equal(matrix.array, [store["king"], [0] * 4, [1, 2, 3, 4], store["queen"]])
    assert (matrix.found, matrix.missing, matrix.padding_idx) == (["king", "queen"], ["unheard-of"], 1)
    assert matrix.index[""] == 1
    for policy in ("normal", "fitted", "mean", [1, 2, 3, 4]):
        assert not store.matrix(vocab, oov=policy).array[1].any()
    with pytest.raises(KeyError, match=r"1 words are not in the store: 'unheard-of'"):
        store.matrix(vocab, oov="error")


def test_the_empty_word_is_the_padding_beside_another(store):
    matrix = store.matrix(EMPTY, padding_idx=-1)
    assert (matrix.found, matrix.missing, matrix.padding_idx) == (["king"], ["unheard-of"], 3)
    assert matrix.array.any(axis=1).tolist() == [True, False, True, False]
    matrix = store.matrix(EMPTY, start=1)
    assert (matrix.padding_idx, matrix.coverage) == (2, 2 / 3)
    assert matrix.array.any(axis=1).tolist() == [False, True, False, True, True]
    assert store.matrix([""], oov="error").coverage == 1
    assert store.matrix(["king"]).padding_idx is None
    with pytest.raises(ValueError, match="'' is in the vocabulary twice, at rows 0 and 2"):
        store.matrix(["", "king", ""])


def test_a_tokenizer_is_a_vocabulary(store):
    tokenizers = pytest.importorskip("tokenizers")
    words = {"queen": 1, "[PAD]": 0, "king": 2}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[PAD]"))
    matrix = store.matrix(tokenizer, padding_idx=0)
    assert np.array_equal(matrix.array, [[0] * 4, store["queen"], store["king"]])


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        (Counter(["a", "a"]), r"a Counter says how often.*list\(counter\).*most_common\(n\)"),
        (Holder("get_vocab", Counter(["a"])), "a Counter"),
        ({0: "king", 1: "queen"}, r"row -> word, as in 0: 'king'.*pass \{word: i for i, word in vocab.items\(\)\}"),
        ({"0": "king"}, r"pass \{word: int\(i\) for i, word in vocab.items\(\)\}"),
        ({"king": 1.0}, r"'king' has the row 1.0, a float, and rows are int; of counts or weights, pass list\(vocab\)"),
        ({"king": np.float32(1)}, "a float, and rows are int"),
        ({"king": "1"}, "'king' has for its row a str, and rows are int"),
        ({"king": np.zeros(4)}, r"'king' has for its row a ndarray.*pass list\(vocab\)"),
        ({1: 1}, "expected str, found int"),
    ],
)
def test_what_are_no_rows_is_an_error_with_the_way_out(store, vocab, message):
    with pytest.raises(TypeError, match=message):
        store.matrix(vocab)


def test_rows_may_be_of_any_integer_type(store):
    matrix = store.matrix({"king": np.int32(1), "queen": np.uint8(0)})
    assert np.array_equal(matrix.array, [store["queen"], store["king"]])


def test_bytes_in_an_array_of_objects_are_utf_8(store):
    words = np.array([b"king", "queen", "\u00e4".encode()], object)
    assert store.matrix(words).missing == ["\u00e4"]
    assert np.array_equal(store.lookup(words), [store["king"], store["queen"], [0] * 4])
    with pytest.raises(ValueError, match="utf-8"):
        store.matrix(np.array([b"\xff"], object))


@pytest.mark.parametrize(
    ("vocab", "options", "message"),
    [
        (["a", "b", "a"], {}, "'a' is in the vocabulary twice, at rows 0 and 2"),
        ({"a": 1, "b": 1}, {}, "'a' and 'b' both have row 1"),
        ({"a": -1}, {}, "rows count from 0"),
        ({"a": 1}, {"start": 1}, "start is for a list"),
        (["a"], {"start": -1}, "start"),
        (["a"], {"oov": "random"}, "oov must be one of"),
        (["a"], {"oov": "subword"}, "n-grams"),
        (["a"], {"oov": [1, 2, 3]}, "shape"),
        (["a"], {"oov": lambda word: [1]}, "shape"),
        (["a"], {"fallback": "swapcase"}, "fallback must be one of"),
        (["a"], {"dtype": "int32"}, "floating"),
        (["a"], {"seed": -1}, "seed"),
    ],
)
def test_what_makes_no_sense_is_an_error(store, vocab, options, message):
    with pytest.raises(ValueError, match=message):
        store.matrix(vocab, **options)


def test_wrong_types(store):
    for vocab in ("king", ["king", 3], {"king": "1"}, 5):
        with pytest.raises(TypeError):
            store.matrix(vocab)


def test_an_empty_vocabulary(store):
    matrix = store.matrix([])
    assert (matrix.shape, matrix.coverage) == ((0, 4), 1.0)
    assert store.matrix({}).shape == (0, 4)


def test_same_seed_and_word_give_the_same_row_in_every_order(store):
    words = [f"missing{i}" for i in range(50)]
    one = store.matrix(words)
    other = store.matrix(["king", *reversed(words)])
    for word in words:
        assert np.array_equal(one.array[one.index[word]], other.array[other.index[word]])
    assert np.array_equal(one.array, store.lookup(words, oov="normal"))
    assert not np.array_equal(one.array, store.matrix(words, seed=1).array)


def test_rows_of_missing_words_never_change(store):
    """Golden values: another platform, another release, the same rows."""
    expected = [0.08933867514133453, 0.18783384561538696, 0.15876108407974243, -0.33231019973754883]
    found = store.matrix(["unheard-of"], seed=42).array[0]
    assert found.tolist() == expected


@pytest.mark.parametrize("scale", [0.6, 0.05])
def test_missing_rows_are_drawn_from_a_normal_distribution(store, scale):
    drawn = store.matrix([f"missing{i}" for i in range(50_000)], scale=scale).array.astype(np.float64)
    sample = drawn.ravel() / scale
    n = sample.size
    assert abs(sample.mean()) < 4 / np.sqrt(n)
    assert abs(sample.std() - 1) < 4 / np.sqrt(2 * n)
    assert abs(stats.skew(sample)) < 4 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(sample)) < 4 * np.sqrt(24 / n)
    assert stats.kstest(sample, "norm").pvalue > 1e-3
    for j in range(4):
        assert stats.kstest(drawn[:, j] / scale, "norm").pvalue > 1e-3
    # Neither neighbouring numbers nor neighbouring words know of each other.
    correlation = np.corrcoef(drawn, rowvar=False)[~np.eye(4, dtype=bool)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(len(drawn))
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 4.5 / np.sqrt(len(drawn))
    assert np.abs(sample).max() > 4


def test_fitted_rows_have_the_stores_own_mean_and_deviation(store):
    drawn = store.matrix([f"missing{i}" for i in range(20_000)], oov="fitted").array.astype(np.float64)
    mean, deviation = store.statistics()
    assert np.allclose(drawn.mean(0), mean, atol=4 * deviation.max() / np.sqrt(len(drawn)))
    assert np.allclose(drawn.std(0), deviation, rtol=0.03)


def test_other_policies(store):
    assert np.allclose(store.matrix(["x"], oov="mean").array[0], store.vectors.mean(0))
    for row in ([1, 2, 3, 4], np.array([1, 2, 3, 4]), store["king"]):
        assert store.matrix(["x", "king"], oov=row).array[0].tolist() == list(row)
        assert store.lookup(["king"], oov=row).tolist() == [store["king"].tolist()]
    assert store.matrix(["ab", "king"], oov=lambda word: [len(word)] * 4).array[0].tolist() == [2] * 4
    with pytest.raises(KeyError, match="2 words are not in the store: 'x', 'y'"):
        store.matrix(["x", "king", "y"], oov="error")
    assert store.matrix(["king"], oov="error").coverage == 1


def test_fallback_forms_are_tried_in_turn(store):
    matrix = store.matrix(["KING", "Queen", "nobody"], fallback=("title", "lower"), oov="zeros")
    assert (matrix.found, matrix.missing) == (["KING", "Queen"], ["nobody"])
    assert np.array_equal(matrix.array[0], store["king"])
    assert store.matrix(["KING"], fallback="lower").coverage == 1
    forms = store.matrix(["the-king", "zzz"], fallback=lambda word: word.partition("-")[2] or None, oov="zeros")
    assert forms.found == ["the-king"]
    assert store.matrix(["\ufb01", "king"], fallback=("nfkc",), oov="zeros").missing == ["\ufb01"]


def test_lookup_and_indices_try_forms_as_matrix_does(store):
    words = ["KING", "king", "nobody", "Queen", "\ufb01"]
    for fallback in ("lower", ("title", "lower"), str.lower, lambda word: None, ()):
        matrix = store.matrix(words, fallback=fallback, oov="zeros")
        assert np.array_equal(store.lookup(words, fallback=fallback), matrix.array)
        ids = store.indices(words, fallback=fallback)
        assert np.array_equal(ids >= 0, [word in matrix.found for word in words])
        assert np.array_equal(store.take(ids[ids >= 0]), matrix.array[ids >= 0])
    assert store.indices(["KING", "nobody"], missing=7, fallback="lower").tolist() == [store.index("king"), 7]
    assert store.indices(np.array(["KING"]), fallback=("lower",)).tolist() == [store.index("king")]
    drawn = store.lookup(["KING", "nobody"], fallback="lower", oov="normal", seed=3)
    assert np.array_equal(drawn, store.matrix(["KING", "nobody"], fallback="lower", seed=3).array)
    with pytest.raises(KeyError, match="1 words are not in the store: 'nobody'"):
        store.lookup(["KING", "nobody"], fallback="lower", oov="error")
    for call in (store.indices, store.lookup):
        with pytest.raises(ValueError, match="fallback must be one of"):
            call(["x"], fallback="swapcase")
    with pytest.raises(ValueError, match="no oov, no out, no fallback"):
        store.lookup([["king"]], pool="mean", fallback="lower")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtype(store, dtype):
    array = store.matrix(["king", "x"], dtype=dtype).array
    assert array.dtype == dtype
    assert np.array_equal(array[0], store["king"].astype(dtype))
