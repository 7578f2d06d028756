"""`embmap.gensim.KeyedVectors` answers as gensim's own class, which each test asks beside it."""

import copy
import gzip
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import gensim.models
import numpy as np
import pytest
from conftest import SMALL, forks, replaces_mapped, store_of
from fasttext_model import Model
from gensim.models.fasttext import load_facebook_vectors as gensims_load_facebook_vectors
from scipy.optimize import linprog

import embmap
from embmap.gensim import KeyedVectors, load_facebook_vectors

PLAIN_WORDS = [f"w{i}" for i in range(300)] + ["W3", "W4", "naïve", "new york"]
FASTTEXT_WORDS = ["the", "king", "queen", "kingdom", "ñandú", "a", "walking", "walked", "talking"]
# gensim says so of its own init_sims, which it calls.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")
# gensim leaves a file without a header open.
left_open = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning", "ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBMAP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same vectors as gensim has them and as a store has them."""
    vectors = np.random.default_rng(3).normal(size=(len(PLAIN_WORDS), 20)).astype(np.float32)
    peer = gensim.models.KeyedVectors(20)
    peer.add_vectors(PLAIN_WORDS, vectors)
    path = tmp_path_factory.mktemp("plain") / "v.embmap"
    embmap.write(path, PLAIN_WORDS, vectors)
    return peer, KeyedVectors(embmap.open(path))


@pytest.fixture(scope="module")
def fasttext(tmp_path_factory):
    """The same fastText model, as both read it."""
    rng = np.random.default_rng(5)
    words = [word.encode() for word in FASTTEXT_WORDS]
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    path.write_bytes(Model(words, rng.normal(size=(len(words) + 97, 8)).astype(np.float32), minn=3, maxn=5).encode())
    return gensims_load_facebook_vectors(str(path)), load_facebook_vectors(path)


def same(found, expected):
    """Compare answers: words and their order exactly, numbers nearly."""
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, (str, bool)):
        assert found == expected
    else:
        assert np.shape(found) == np.shape(expected)
        assert np.allclose(found, expected, atol=1e-5)


VECTOR = np.random.default_rng(9).normal(size=20).astype(np.float32) * 3
QUESTIONS = {
    "a word": lambda kv: kv["w7"],
    "a row": lambda kv: kv[7],
    "a row of numpy's": lambda kv: kv[np.int64(7)],
    "words": lambda kv: kv[["w7", "new york", "w7"]],
    "rows": lambda kv: kv[[3, 1, 2]],
    "words and rows": lambda kv: kv[["w7", 3]],
    "an array of rows": lambda kv: kv[np.array([3, 1, 2])],
    "all": lambda kv: kv[list(kv.index_to_key)],
    "in": lambda kv: ["w7" in kv, "w" in kv, 3 in kv, 304 in kv, -1 in kv],
    "len": len,
    "str": str,
    "get_vector": lambda kv: [kv.get_vector("w7", norm=True), kv.get_vector(8), kv.get_vector(8, norm=True)],
    "get_index": lambda kv: [kv.get_index("naïve"), kv.get_index(5), kv.get_index("?", -7), kv.get_index("?", "no")],
    "has_index_for": lambda kv: [kv.has_index_for("W3"), kv.has_index_for("?"), kv.has_index_for(303)],
    "keys": lambda kv: [list(kv.index_to_key), kv.index_to_key[-3:], kv.key_to_index["W4"], len(kv.key_to_index)],
    "matrix": lambda kv: [kv.vectors, kv.vector_size, kv.get_normed_vectors()],
    "mean": lambda kv: kv.get_mean_vector(["w1", "w2", "?", 3]),
    "weighted mean": lambda kv: kv.get_mean_vector(["w1", VECTOR, "w2"], weights=[1.0, -2.0, 0.5]),
    "mean of weights in an array": lambda kv: kv.get_mean_vector(["w1", "w2"], weights=np.array([1.0, 3.0])),
    "mean as they are": lambda kv: kv.get_mean_vector(["w1", "w2"], pre_normalize=False),
    "mean of length 1": lambda kv: kv.get_mean_vector(["w1", "w2"], post_normalize=True),
    "mean of rows": lambda kv: kv.get_mean_vector(kv.vectors[:5]),
    "mean of none": lambda kv: kv.get_mean_vector(["?", "??"]),
    "similar": lambda kv: kv.most_similar("w1"),
    "similar to a list": lambda kv: kv.most_similar(["w1"], topn=3),
    "similar to a row": lambda kv: kv.most_similar(3, topn=3),
    "analogy": lambda kv: kv.most_similar(positive=["w1", "w2"], negative=["w3"], topn=12),
    "analogy of words": lambda kv: kv.most_similar("w1", "w2", topn=4),
    "similar to weights": lambda kv: kv.most_similar([("w1", 0.3), "w2"], [("w3", -2.0), (VECTOR, 0.1)], topn=5),
    "only negative": lambda kv: kv.most_similar(negative="w4", topn=5),
    "similar to vectors": lambda kv: kv.most_similar([VECTOR, "w1"], topn=5),
    "similar to one vector": lambda kv: kv.most_similar(VECTOR, topn=5),
    "similar to rows of a matrix": lambda kv: kv.most_similar(kv.vectors[:5], topn=5),
    "all similarities": lambda kv: kv.most_similar("w1", topn=None),
    "all similarities in part": lambda kv: kv.most_similar("w1", topn=None, clip_start=20, clip_end=200),
    "none asked for": lambda kv: [kv.most_similar("w1", topn=0), kv.most_similar("w1", topn=np.uint8(0))],
    "restricted": lambda kv: kv.most_similar("w1", topn=500, restrict_vocab=40),
    "restricted beyond": lambda kv: kv.most_similar("w1", topn=3, restrict_vocab=4000),
    "clipped": lambda kv: kv.most_similar("w30", topn=5, clip_start=20, clip_end=50),
    "clipped at the start": lambda kv: kv.most_similar("w1", topn=500, clip_start=280),
    "clipped to nothing": lambda kv: kv.most_similar("w1", topn=5, clip_start=30, clip_end=20),
    "restrict_vocab wins": lambda kv: kv.most_similar("w1", topn=5, clip_start=100, restrict_vocab=40),
    "more than there are": lambda kv: kv.most_similar(["w1", "w2"], topn=1000),
    "similar_by_word": lambda kv: kv.similar_by_word("w5", topn=3, restrict_vocab=100),
    "similar_by_key": lambda kv: [kv.similar_by_key("w5", topn=3), kv.similar_by_key(5, topn=3)],
    "similar_by_vector": lambda kv: [kv.similar_by_vector(VECTOR), kv.similar_by_vector(VECTOR, topn=None)],
    "cosmul": lambda kv: kv.most_similar_cosmul(["w1", "w2"], ["w3"], topn=7),
    "cosmul of words": lambda kv: kv.most_similar_cosmul("w1", "w2"),
    "cosmul of vectors": lambda kv: kv.most_similar_cosmul([VECTOR / np.linalg.norm(VECTOR), "w2"], topn=5),
    "cosmul of all": lambda kv: kv.most_similar_cosmul(["w1", "w2"], ["w3"], topn=None),
    "cosmul of none": lambda kv: kv.most_similar_cosmul("w1", topn=0),
    "most_similar_to_given": lambda kv: kv.most_similar_to_given("w1", [f"w{i}" for i in range(2, 40)]),
    "closer_than": lambda kv: [kv.closer_than("w1", "w9"), kv.closer_than("w1", "w1"), kv.closer_than(1, 9)],
    "words_closer_than": lambda kv: kv.words_closer_than("w1", "w40"),
    "rank": lambda kv: [kv.rank("w1", f"w{i}") for i in range(20)],
    "similarity": lambda kv: [kv.similarity("w1", "w2"), kv.similarity("w1", 2), kv.similarity("w1", "w1")],
    "distance": lambda kv: kv.distance("w1", "w2"),
    "distances": lambda kv: [
        kv.distances("w1"),
        kv.distances(VECTOR),
        kv.distances(VECTOR, ["w2", 5]),
        kv.distances(4),
    ],
    "n_similarity": lambda kv: [kv.n_similarity(["w1", "w2"], ["w3", "?"]), kv.n_similarity(["?"], ["w1"])],
    "cosine_similarities": lambda kv: kv.cosine_similarities(VECTOR, kv.vectors),
    "doesnt_match": lambda kv: [kv.doesnt_match([f"w{i + j}" for j in range(5)] + ["?"]) for i in range(0, 300, 7)],
    "rank_by_centrality": lambda kv: kv.rank_by_centrality(["w1", "?", "w2", "w3"]),
    "centrality as they are": lambda kv: kv.rank_by_centrality(["w1", "w2", "w3"], use_norm=False),
    "relative similarity": lambda kv: kv.relative_cosine_similarity("w1", "w2", topn=5),
    "vectors_for_all": lambda kv: [
        (small.index_to_key[:], small.vectors) for small in [kv.vectors_for_all(["w9", "?", "w2", "w9"])]
    ],
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_gensims(both, question):
    peer, kv = both
    same(QUESTIONS[question](kv), QUESTIONS[question](peer))


OF_UNSEEN_WORDS = {
    "a word": lambda kv: kv["kingly"],
    "words": lambda kv: kv[["kingly", "king", "ñandús", "x", "hello world"]],
    "scaled": lambda kv: [kv.get_vector("kingly", norm=True), kv.get_vector("king", norm=True)],
    "too short for n-grams": lambda kv: [kv[""], kv.get_vector("", norm=True)],
    "in": lambda kv: ["kingly" in kv, "" in kv, "king" in kv, "kingly" in kv.key_to_index],
    "index": lambda kv: [kv.has_index_for("kingly"), kv.get_index("kingly", -1), kv.get_index("king")],
    "mean": lambda kv: kv.get_mean_vector(["kingly", "king"], ignore_missing=False),
    "sentence": lambda kv: kv.get_sentence_vector(["kingly", "walking"]),
    "similar": lambda kv: kv.most_similar("kingly"),
    "analogy": lambda kv: kv.most_similar(["kingly", "walking"], ["talking"], topn=5),
    "all similarities": lambda kv: kv.most_similar("kingly", topn=None),
    "similar_by_word": lambda kv: kv.similar_by_word("kingly", topn=3),
    "cosmul": lambda kv: kv.most_similar_cosmul(["kingly", "walking"], ["talking"], topn=3),
    "similarity": lambda kv: [kv.similarity("kingly", "queenly"), kv.distance("kingly", "king")],
    "distances": lambda kv: [kv.distances("kingly"), kv.distances("kingly", ["king", "a"])],
    "n_similarity": lambda kv: kv.n_similarity(["kingly", "walking"], ["queenly"]),
    "most_similar_to_given": lambda kv: kv.most_similar_to_given("kingly", ["walk", "kings", "talks"]),
    "doesnt_match": lambda kv: kv.doesnt_match(["kingly", "kings", "walk", "queen"]),
    "rank_by_centrality": lambda kv: kv.rank_by_centrality(["kingly", "kings", "walk"]),
    "vectors_for_all": lambda kv: [
        (small.index_to_key[:], small.vectors)
        for small in (
            kv.vectors_for_all(["kingly", "king"]),
            kv.vectors_for_all(["kingly", "king"], allow_inference=False),
        )
    ],
}


@pytest.mark.parametrize("question", OF_UNSEEN_WORDS)
def test_answers_to_words_that_fasttext_never_saw_are_gensims(fasttext, question):
    peer, kv = fasttext
    same(OF_UNSEEN_WORDS[question](kv), OF_UNSEEN_WORDS[question](peer))


def test_rows_of_a_fasttext_model_have_numbers_too(fasttext):
    _, kv = fasttext
    assert np.array_equal(kv[1], kv["king"])
    assert np.array_equal(kv[[1, "kingly"]], np.stack([kv["king"], kv["kingly"]]))
    with pytest.raises(KeyError, match="99"):
        kv[99]


def test_a_fasttext_model_without_ngrams_knows_its_words_alone(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(Model([b"king", b"man"], np.eye(2, 4, dtype=np.float32), minn=0, maxn=0, bucket=0).encode())
    kv = load_facebook_vectors(path)
    assert "king" in kv
    assert "kingly" not in kv
    with pytest.raises(KeyError, match="kingly"):
        kv["kingly"]
    with pytest.raises(NotImplementedError, match=r"encoding: .*latin-1"):
        load_facebook_vectors(path, encoding="latin-1")


WRONG = {
    "missing": (KeyError, lambda kv: kv["?"]),
    "missing among others": (KeyError, lambda kv: kv[["w1", "?"]]),
    "a row that is not there": (KeyError, lambda kv: kv[304]),
    "a row before the first": (KeyError, lambda kv: kv.get_vector(-1)),
    "no index": (KeyError, lambda kv: kv.get_index("?")),
    "similar to what is missing": (KeyError, lambda kv: kv.most_similar("?")),
    "similar to a row that is not there": (KeyError, lambda kv: kv.most_similar(304)),
    "similar to nothing": (ValueError, lambda kv: kv.most_similar()),
    "another dimension": (ValueError, lambda kv: kv.similar_by_vector(np.ones(3, np.float32))),
    "cosmul of what is missing": (KeyError, lambda kv: kv.most_similar_cosmul("?")),
    "cosmul of nothing": (ValueError, lambda kv: kv.most_similar_cosmul(negative="w1")),
    "mean of nothing": (ValueError, lambda kv: kv.get_mean_vector([])),
    "mean of what is missing": (KeyError, lambda kv: kv.get_mean_vector(["?"], ignore_missing=False)),
    "weights of others": (ValueError, lambda kv: kv.get_mean_vector(["w1"], weights=[1.0, 2.0])),
    "similarity": (KeyError, lambda kv: kv.similarity("w1", "?")),
    "distances": (KeyError, lambda kv: kv.distances("w1", ["?"])),
    "n_similarity of nothing": (ZeroDivisionError, lambda kv: kv.n_similarity([], ["w1"])),
    "rank": (KeyError, lambda kv: kv.rank("w1", "?")),
    "centrality": (ValueError, lambda kv: kv.rank_by_centrality(["?"])),
    "doesnt_match": (ValueError, lambda kv: kv.doesnt_match([])),
    "relative similarity": (ValueError, lambda kv: kv.relative_cosine_similarity("w1", "w2", topn=0)),
    "an attribute": (KeyError, lambda kv: kv.get_vecattr("w1", "count")),
    "an attribute of what is missing": (KeyError, lambda kv: kv.get_vecattr("?", "count")),
    "vocab": (AttributeError, lambda kv: kv.vocab),
    "index2word": (AttributeError, lambda kv: kv.index2word),
    "index2entity": (AttributeError, lambda kv: kv.index2entity),
    "syn0": (AttributeError, lambda kv: kv.syn0),
    "vectors_norm": (AttributeError, lambda kv: kv.vectors_norm),
    "no such name": (AttributeError, lambda kv: kv.no_such_name),
}


@pytest.mark.parametrize("question", WRONG)
def test_errors_are_gensims(both, question):
    error, ask = WRONG[question]
    for kv in both:
        with pytest.raises(error):
            ask(kv)


def test_types_of_answers_are_gensims(both):
    for ask in (
        lambda kv: kv.similarity("w1", "w2"),
        lambda kv: kv.distance("w1", "w2"),
        lambda kv: kv.n_similarity(["w1"], ["w2"]),
        lambda kv: kv.most_similar("w1")[0][1],
        lambda kv: kv.most_similar_cosmul("w1")[0][1],
        lambda kv: kv.rank_by_centrality(["w1", "w2"])[0][0],
        lambda kv: kv.relative_cosine_similarity("w1", "w2"),
        lambda kv: kv.get_index("w1"),
    ):
        peer, kv = map(ask, both)
        assert type(kv) is type(peer)
    for ask in (
        lambda kv: kv["w1"],
        lambda kv: kv[["w1", "w2"]],
        lambda kv: kv.get_vector("w1", norm=True),
        lambda kv: kv.get_mean_vector(["w1"]),
        lambda kv: kv.distances("w1"),
        lambda kv: kv.most_similar("w1", topn=None),
    ):
        peer, kv = map(ask, both)
        assert kv.dtype == peer.dtype
        assert kv.flags.writeable == peer.flags.writeable


def test_a_row_is_not_copied(both):
    _, kv = both
    assert np.shares_memory(kv["w1"], kv["w1"])
    assert np.shares_memory(kv.vectors, kv.vectors)
    assert np.shares_memory(kv[1], kv[1])
    assert np.allclose(kv.norms, np.linalg.norm(kv.vectors, axis=1))


def test_iterating_gives_the_rows(both):
    _, kv = both
    assert np.array_equal(list(kv), kv.vectors)
    assert kv[[]].shape == (0, 20)


def test_keys_equal_a_list_and_a_dict(both):
    peer, kv = both
    assert kv.index_to_key == peer.index_to_key
    assert peer.index_to_key == kv.index_to_key
    assert kv.index_to_key != peer.index_to_key[:-1]
    assert kv.index_to_key != "w0"
    assert kv.key_to_index == peer.key_to_index


def test_what_is_asked_as_a_tuple_is_taken_as_a_list(both):
    _, kv = both
    assert kv.most_similar(("w1", "w2"), topn=3) == kv.most_similar(["w1", "w2"], topn=3)


def test_ties_give_lower_rows_first_and_rows_of_zeros_are_near_to_nothing(tmp_path):
    kv = KeyedVectors(store_of(tmp_path, "".join(f"w{i} {1 + i % 2} 0\n" for i in range(50)) + "z 0 0\ny 0 1\n"))
    for found in (kv.most_similar("w7", topn=3), kv.most_similar_cosmul("w7", topn=3)):
        assert [word for word, _ in found] == ["w0", "w1", "w2"]
    assert kv.closer_than("w7", "w3") == []
    assert kv.similarity("w1", "z") == 0
    assert kv.distances("w1", ["z", "y"]).tolist() == [1, 1]
    assert kv.distances("z")[:2].tolist() == [1, 1]
    assert kv.most_similar("w1", topn=None)[-2:].tolist() == [0, 0]
    assert kv.cosine_similarities(np.array([1, 0]), np.array([[0, 0], [2, 0]])).tolist() == [0, 1]
    assert kv.get_vector("z", norm=True).tolist() == kv.get_normed_vectors()[50].tolist() == [0, 0]
    assert kv.norms[[0, 1, 50]].tolist() == [1, 2, 0]


def test_a_query_that_is_not_finite_is_refused(both):
    _, kv = both
    for number in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not finite"):
            kv.similar_by_vector(np.full(20, number, np.float32))


def test_cosmul_heeds_restrict_vocab(both):
    _, kv = both
    scores = kv.most_similar_cosmul("w1", "w2", topn=None)
    found = kv.most_similar_cosmul("w1", "w2", topn=500, restrict_vocab=30)
    assert [kv.get_index(word) for word, _ in found] == [i for i in np.argsort(-scores[:30]) if i not in (1, 2)]


def test_an_indexer_is_asked_instead(both):
    peer, kv = both

    class Indexer:
        def most_similar(self, vector, n):
            return vector.copy(), n

    (mine, n), (theirs, _) = (one.most_similar(["w1", "w2"], topn=7, indexer=Indexer()) for one in (kv, peer))
    assert n == 7
    assert np.allclose(mine, theirs, atol=1e-6)


def test_an_index_of_embmap_is_an_indexer(tmp_path, both):
    pytest.importorskip("embmap.ann", exc_type=ImportError)
    _, kv = both
    # The graph of several threads is another each time, and may miss a neighbour.
    index = embmap.ann.build(kv.store, tmp_path / "v.index", threads=1, expansion_search=len(kv))
    found = kv.most_similar("w1", topn=3, indexer=index)
    assert [word for word, _ in found] == ["w1"] + [word for word, _ in kv.most_similar("w1", topn=2)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_other_types_answer_from_what_they_hold(tmp_path, both, dtype):
    peer, kv = both
    embmap.write(tmp_path / "v", PLAIN_WORDS, peer.vectors, dtype=dtype)
    small = KeyedVectors(embmap.open(tmp_path / "v"))
    exact = gensim.models.KeyedVectors(20)
    exact.add_vectors(PLAIN_WORDS, small.store.take(np.arange(len(kv))))
    for name in ("a row", "words", "mean", "all similarities", "cosmul of all", "distances", "matrix", "get_vector"):
        same(QUESTIONS[name](small), QUESTIONS[name](exact))
    assert not small["w1"].flags.writeable


# Files


@pytest.fixture
def small():
    peer = gensim.models.KeyedVectors(3)
    peer.add_vectors(["king", "queen", "größe"], np.array([[1, 2, 3], [4, 5.5, -6], [1e-7, 0.1, 3]], np.float32))
    return peer


@pytest.mark.parametrize("options", [{}, {"binary": True}, {"limit": 2}, {"datatype": np.float16}, {"limit": 0}])
def test_files_of_gensim_are_read_as_gensim_reads_them(tmp_path, small, options):
    path = str(tmp_path / "v")
    small.save_word2vec_format(path, binary=options.get("binary", False))
    peer = gensim.models.KeyedVectors.load_word2vec_format(path, **options)
    kv = KeyedVectors.load_word2vec_format(path, **options)
    assert kv.index_to_key == peer.index_to_key
    assert np.array_equal(kv.vectors, peer.vectors)
    assert kv.vectors.dtype == peer.vectors.dtype


def test_a_text_without_a_header_and_a_packed_one(tmp_path, small):
    small.save_word2vec_format(str(tmp_path / "v.gz"), write_header=False)
    assert gzip.decompress((tmp_path / "v.gz").read_bytes()).startswith(b"king 1.0 2.0")
    kv = KeyedVectors.load_word2vec_format(tmp_path / "v.gz", no_header=True)
    assert np.array_equal(kv.vectors, small.vectors)


@pytest.mark.filterwarnings("ignore::embmap.ConversionWarning")
def test_of_a_word_that_comes_again_the_first_row_stays(tmp_path):
    (tmp_path / "v").write_text("3 2\nking 1 2\nking 3 4\nman 5 6\n")
    peer = gensim.models.KeyedVectors.load_word2vec_format(str(tmp_path / "v"))
    kv = KeyedVectors.load_word2vec_format(tmp_path / "v")
    # gensim keeps an empty place at the end for each of them.
    assert kv.index_to_key == peer.index_to_key[:2] == ["king", "man"]
    assert np.array_equal(kv.vectors, peer.vectors[:2])


@pytest.mark.filterwarnings("ignore::embmap.ConversionWarning")
@pytest.mark.parametrize("errors", ["replace", "ignore"])
def test_words_that_are_not_utf8(tmp_path, errors):
    (tmp_path / "v").write_bytes(b"2 2\nki\xffng 1 2\nman 3 4\n")
    peer = gensim.models.KeyedVectors.load_word2vec_format(str(tmp_path / "v"), unicode_errors=errors)
    kv = KeyedVectors.load_word2vec_format(tmp_path / "v", unicode_errors=errors)
    assert kv.index_to_key == peer.index_to_key
    for cls in (gensim.models.KeyedVectors, KeyedVectors):
        with pytest.raises(ValueError, match=r"UTF-8|utf-8"):
            cls.load_word2vec_format(str(tmp_path / "v"))


def test_words_in_another_encoding(tmp_path):
    (tmp_path / "v").write_bytes("2 2\nstraße 1 2\nöl 3 4\n".encode("latin-1"))
    peer = gensim.models.KeyedVectors.load_word2vec_format(str(tmp_path / "v"), encoding="latin-1")
    kv = KeyedVectors.load_word2vec_format(tmp_path / "v", encoding="latin-1")
    assert kv.index_to_key == peer.index_to_key == ["straße", "öl"]
    kv.fill_norms()
    kv.init_sims()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fvocab": "counts.txt"}, "fvocab: "),
        ({"unicode_errors": "xmlcharrefreplace"}, "unicode_errors: "),
        ({"datatype": np.float64}, "datatype: .*float64"),
        ({"binary": True, "no_header": True}, "no_header: "),
    ],
)
def test_what_a_store_cannot_have_is_refused_by_name(tmp_path, small, options, message):
    small.save_word2vec_format(str(tmp_path / "v"))
    with pytest.raises(NotImplementedError, match=message):
        KeyedVectors.load_word2vec_format(tmp_path / "v", **options)


def test_load_takes_a_store_and_any_source(tmp_path, small):
    small.save_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    store = embmap.from_gensim(small, tmp_path / "v.embmap")
    for path in (str(tmp_path / "v.bin"), tmp_path / "v.embmap"):
        kv = KeyedVectors.load(path, mmap="r")
        assert isinstance(kv, KeyedVectors)
        assert np.array_equal(kv.vectors, small.vectors)
    assert kv.store.path == store.path


def test_what_gensim_has_saved_is_loaded(tmp_path, small, monkeypatch):
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "cache"))
    small.save(str(tmp_path / "v.kv"))
    kv = KeyedVectors.load(tmp_path / "v.kv")
    assert kv.index_to_key == small.index_to_key
    assert np.array_equal(kv.vectors, small.vectors)
    with pytest.raises(FileNotFoundError):
        KeyedVectors.load(tmp_path / "nothing.kv")


def test_a_saved_store_is_loaded_again(tmp_path, both):
    _, kv = both
    kv.save(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == kv.store.path.read_bytes()
    assert KeyedVectors.load(tmp_path / "saved").most_similar("w1") == kv.most_similar("w1")


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_what_is_written(tmp_path, small, binary):
    kv = KeyedVectors(embmap.from_gensim(small, tmp_path / "v.embmap"))
    kv.save_word2vec_format(tmp_path / "mine", binary=binary, total_vec=3, sort_attr="count")
    peer = gensim.models.KeyedVectors.load_word2vec_format(str(tmp_path / "mine"), binary=binary)
    assert peer.index_to_key == small.index_to_key
    assert np.array_equal(peer.vectors, small.vectors)
    if binary:
        small.save_word2vec_format(str(tmp_path / "theirs"), binary=True)
        assert (tmp_path / "mine").read_bytes() == (tmp_path / "theirs").read_bytes()


@left_open
def test_text_is_written_without_a_header(tmp_path, small):
    KeyedVectors(embmap.from_gensim(small, tmp_path / "v.embmap")).save_word2vec_format(
        tmp_path / "t", write_header=False
    )
    peer = gensim.models.KeyedVectors.load_word2vec_format(str(tmp_path / "t"), no_header=True)
    assert np.array_equal(peer.vectors, small.vectors)


@pytest.mark.parametrize(
    "options",
    [
        {"fvocab": "counts.txt"},
        {"total_vec": 5},
        {"prefix": "*"},
        {"append": True},
        {"write_header": False, "binary": True},
        {"fname": "v.txt.gz"},
    ],
)
def test_what_is_not_written_is_refused_by_name(tmp_path, both, options):
    _, kv = both
    path = tmp_path / options.pop("fname", "v.txt")
    with pytest.raises(NotImplementedError, match=f"{next(iter(options), 'fname')}: "):
        kv.save_word2vec_format(path, **options)
    assert list(tmp_path.iterdir()) == []


@replaces_mapped
def test_the_vectors_of_some_words_are_gone_with_their_object(both):
    _, kv = both
    some = kv.vectors_for_all(iter(["w5", "?", "w1"]))
    assert np.array_equal(some.vectors, kv[["w5", "w1"]])
    path, vector = some.store.path, some["w5"]
    assert path.exists()
    del some
    assert not path.exists()
    assert not path.parent.exists()
    assert np.array_equal(vector, kv["w5"])


@forks
def test_a_forked_child_leaves_the_file_of_some_words(both):
    _, kv = both
    some = kv.vectors_for_all(["w5"])
    child = os.fork()
    if child == 0:
        del some
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert some.store.path.exists()


@pytest.mark.parametrize("header", ["3 2", "1 2"])
def test_a_header_with_another_number_of_rows_is_an_error_with_a_way_out(tmp_path, header):
    (tmp_path / "v").write_text(f"{header}\nking 1 2\nman 3 4\n")
    with pytest.raises(embmap.ParseError, match=r'on_wrong_count="ignore"'):
        KeyedVectors.load_word2vec_format(tmp_path / "v")
    assert KeyedVectors(embmap.load(tmp_path / "v", on_wrong_count="ignore")).index_to_key == ["king", "man"]


def test_keyed_vectors_are_pickled_by_their_stores_path(both):
    _, kv = both
    for again in (pickle.loads(pickle.dumps(kv)), copy.copy(kv), copy.deepcopy(kv)):
        assert again.store.path == kv.store.path
        assert np.array_equal(again["w1"], kv["w1"])
    assert len(pickle.dumps(kv)) < 1000


# What changes vectors, and names that are gone


@pytest.mark.parametrize(
    "write",
    [
        lambda kv: kv.add_vector("new", np.ones(20)),
        lambda kv: kv.add_vectors(["new"], np.ones((1, 20))),
        lambda kv: kv.__setitem__("w1", np.ones(20)),
        lambda kv: kv.unit_normalize_all(),
        lambda kv: kv.set_vecattr("w1", "count", 1),
        lambda kv: kv.allocate_vecattrs(),
        lambda kv: kv.resize_vectors(),
        lambda kv: kv.sort_by_descending_frequency(),
        lambda kv: kv.intersect_word2vec_format("v.txt"),
        lambda kv: kv.init_sims(replace=True),
    ],
)
def test_vectors_of_a_store_are_read_only(both, write):
    _, kv = both
    with pytest.raises(TypeError, match=r"store\.to_gensim\(\).*embmap\.Writer"):
        write(kv)


def test_the_matrix_cannot_be_replaced_or_written(both):
    _, kv = both
    with pytest.raises(AttributeError):
        kv.vectors = np.zeros((1, 20))
    with pytest.raises(ValueError, match="read-only"):
        kv.vectors[0] = 0


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("vocab", "key_to_index"),
        ("index2word", "index_to_key"),
        ("index2entity", "index_to_key"),
        ("syn0", "vectors"),
        ("syn0norm", r"get_normed_vectors\(\)"),
        ("vectors_norm", r"get_normed_vectors\(\)"),
        ("accuracy", "evaluate_word_analogies"),
        ("wv", "the vectors themselves"),
    ],
)
def test_names_of_gensim_3_say_the_new_one(both, name, new):
    _, kv = both
    with pytest.raises(AttributeError, match=f"{name} is a name of gensim 3.*{new}"):
        getattr(kv, name)
    assert not hasattr(kv, name)


def test_names_of_gensim_3_that_gensim_keeps(both):
    peer, kv = both
    assert np.array_equal(kv.word_vec("w1"), peer.word_vec("w1"))


@pytest.mark.parametrize("not_a_store", [100, "vectors.embmap", {"king": [1.0]}])
def test_only_a_store_has_keyed_vectors(not_a_store):
    with pytest.raises(TypeError, match=r"expected an embmap\.Store.*KeyedVectors\.load\(\)"):
        KeyedVectors(not_a_store)


# Evaluation


@pytest.fixture(scope="module")
def analogies(tmp_path_factory, both):
    """Questions in two sections: half of them answered rightly, some with unknown words, one line that is none."""
    peer, _ = both
    path = tmp_path_factory.mktemp("questions") / "questions.txt"
    rng = np.random.default_rng(1)
    lines = [": first"]
    for i in range(40):
        a, b, c = (PLAIN_WORDS[row] for row in rng.integers(0, 300, 3))
        found = [word for word, _ in peer.most_similar([b, c], [a], topn=2)]
        lines.append(f"{a} {b} {c} {found[i % 2]}")
        if i % 8 == 0:
            lines += [f"{a} {b} {c} nobody", "three words only"]
        if i == 20:
            lines += [": second", "w3 W3 w4 W4", "W4 w4 w3 W3"]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    "options",
    [{}, {"case_insensitive": False}, {"dummy4unknown": True}, {"restrict_vocab": 150}, {"restrict_vocab": 3}],
)
def test_analogies(both, analogies, options):
    peer, kv = both
    score, sections = kv.evaluate_word_analogies(analogies, **options)
    assert (score, sections) == peer.evaluate_word_analogies(str(analogies), **options)
    assert [section["section"] for section in sections] == ["first", "second", "Total accuracy"]


def test_analogies_that_are_none(tmp_path, both):
    _, kv = both
    path = tmp_path / "q.txt"
    path.write_text("w1 w2 w3 w4\n")
    with pytest.raises(ValueError, match="line 1: expected a section"):
        kv.evaluate_word_analogies(path)
    path.write_text("")
    assert kv.evaluate_word_analogies(path) == (
        0.0,
        [{"section": "Total accuracy", "correct": [], "incorrect": []}],
    )
    with pytest.raises(NotImplementedError, match="similarity_function: "):
        kv.evaluate_word_analogies(path, similarity_function="most_similar_cosmul")


@pytest.mark.parametrize("options", [{}, {"case_insensitive": False}, {"dummy4unknown": True}, {"restrict_vocab": 30}])
def test_word_pairs(tmp_path, both, options):
    peer, kv = both
    path = tmp_path / "pairs.tsv"
    lines = [f"w{i}\tW{i + 1}\t{i * 7 % 11}" for i in range(50)] + [f"w{i}\tw{i + 9}\t{i % 5}" for i in range(50)]
    path.write_text("\n".join(["# comment", "#w1\tw2\t3", "one\ttwo\tjudgement", "w1\tw2", *lines, "?\tw1\t4"]))
    found, expected = kv.evaluate_word_pairs(path, **options), peer.evaluate_word_pairs(str(path), **options)
    same([list(found[0]), list(found[1]), found[2]], [list(expected[0]), list(expected[1]), expected[2]])
    assert found[1].statistic == pytest.approx(expected[1].statistic)


def test_word_pairs_of_another_form(tmp_path, both):
    peer, kv = both
    path = tmp_path / "pairs.csv"
    path.write_text("naïve;w1;3\nw2;w3;1\nw5;w6;2\n", encoding="latin-1")
    options = {"delimiter": ";", "encoding": "latin-1"}
    same([*kv.evaluate_word_pairs(path, **options)], [*peer.evaluate_word_pairs(str(path), **options)])
    for one in both:
        with pytest.raises(ValueError, match=r"pairs\.csv"):
            one.evaluate_word_pairs(str(path), encoding="latin-1")


def test_word_pairs_need_scipy(tmp_path, both, monkeypatch):
    _, kv = both
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(ImportError, match=r"evaluate_word_pairs\(\) needs scipy: pip install scipy"):
        kv.evaluate_word_pairs(tmp_path / "pairs.tsv")


# Word mover's distance


def emd2(first, second, costs):
    """Solve a transport as POT's `emd2` does."""
    rows, columns = np.shape(costs)
    sums = [np.repeat(np.eye(rows), columns, axis=1), np.tile(np.eye(columns), rows)]
    return linprog(np.ravel(costs), A_eq=np.vstack(sums), b_eq=np.concatenate([first, second])).fun


@pytest.fixture
def pot(monkeypatch):
    module = types.ModuleType("ot")
    module.emd2 = emd2
    monkeypatch.setitem(sys.modules, "ot", module)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize(
    "words", [(["w1", "w2", "w2"], ["w2", "w5", "?"]), (["w1"], ["w1"]), (["w1"], ["?"]), ([], [])]
)
def test_word_movers_distance(both, pot, words, norm):
    peer, kv = both
    assert kv.wmdistance(*words, norm=norm) == pytest.approx(peer.wmdistance(*words, norm=norm), abs=1e-5)


def test_word_movers_distance_of_unseen_words(fasttext, pot):
    peer, kv = fasttext
    documents = ["kingly", "king", "walks"], ["walking", "queenly"]
    assert kv.wmdistance(*documents) == pytest.approx(peer.wmdistance(*documents), abs=1e-5)


def test_word_movers_distance_of_words_with_one_vector_is_gensims(tmp_path, pot):
    kv = KeyedVectors(store_of(tmp_path, "a 1 2\nb 1 2\nc 3 4\n"))
    assert kv.wmdistance(["a"], ["b"]) == kv.store.to_gensim().wmdistance(["a"], ["b"]) == float("inf")


def test_word_movers_distance_needs_pot(both, monkeypatch):
    _, kv = both
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(ImportError, match=r"wmdistance\(\) needs ot: pip install POT"):
        kv.wmdistance(["w1"], ["w2"])


# Imports


def test_nothing_is_imported_that_is_not_needed_and_gensim_stays_itself(tmp_path):
    (tmp_path / "v.txt").write_text(SMALL)
    code = """
import sys, embmap
from embmap.gensim import KeyedVectors
kv = KeyedVectors.load_word2vec_format("v.txt", no_header=True)
print(kv.most_similar("king", topn=1)[0][0], kv.doesnt_match(["king", "man", "pear"]), embmap.gensim.__name__)
print([name for name in ("gensim", "scipy", "torch") if name in sys.modules])
import gensim
print(gensim.__name__, hasattr(gensim, "KeyedVectors"), gensim is embmap.gensim)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["man pear embmap.gensim", "[]", "gensim False False"]
    assert Path(gensim.__file__).parent.name == "gensim"
