"""gensim's vectors to a store and back, spaCy's table out of one; the bits and the words stay."""

import sys

import numpy as np
import pytest
from conftest import SMALL, store_of
from gensim.models import FastText, KeyedVectors, Word2Vec

import embmap

SENTENCES = [["the", "king", "rules"], ["the", "queen", "rules"], ["a\u00a0b", "new york", "rules"]] * 5


@pytest.fixture
def keyed():
    vectors = KeyedVectors(7)
    vectors.add_vectors(
        ["king", "new york", "a\u00a0b", "\u2028"], np.random.default_rng(0).normal(0, 1, (4, 7)).astype(np.float32)
    )
    return vectors


def test_keyed_vectors_become_a_store_bit_for_bit(tmp_path, keyed):
    store = embmap.from_gensim(keyed, tmp_path / "g", metadata={"note": 1})
    store.verify()
    assert list(store) == keyed.index_to_key
    assert np.array_equal(store.vectors.view(np.uint32), keyed.vectors.view(np.uint32))
    assert store.metadata["note"] == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_other_types_are_those_of_write(tmp_path, keyed, dtype):
    store = embmap.from_gensim(keyed, tmp_path / "g", dtype=dtype)
    embmap.write(tmp_path / "w", keyed.index_to_key, keyed.vectors, dtype=dtype)
    assert store.path.read_bytes() == (tmp_path / "w").read_bytes()


@pytest.mark.parametrize("model", [Word2Vec, FastText])
def test_a_model_gives_the_vectors_of_its_words(tmp_path, model):
    trained = model(SENTENCES, vector_size=8, min_count=1, seed=1, workers=1)
    store = embmap.from_gensim(trained, tmp_path / "g")
    assert list(store) == trained.wv.index_to_key
    for word in store:
        assert np.array_equal(store[word], trained.wv[word])


def test_a_file_of_gensims_own_becomes_a_store(tmp_path, keyed):
    keyed.save(str(tmp_path / "kv"))
    store = embmap.from_gensim(KeyedVectors.load(str(tmp_path / "kv"), mmap="r"), tmp_path / "g")
    assert np.array_equal(store.vectors, keyed.vectors)


def test_what_is_not_gensims_is_refused(tmp_path, keyed):
    with pytest.raises(TypeError, match=r"expected gensim's KeyedVectors \(version 4 or later\), found dict"):
        embmap.from_gensim({"king": [1.0]}, tmp_path / "g")
    numbered = KeyedVectors(2)
    numbered.add_vectors([0, 1], np.ones((2, 2), np.float32))
    with pytest.raises(TypeError, match="expected str, found int at position 0"):
        embmap.from_gensim(numbered, tmp_path / "g")
    keyed.vectors[1, 2] = np.nan
    with pytest.raises(ValueError, match='row 1, "new york": number 3 of 7, NaN, is not finite'):
        embmap.from_gensim(keyed, tmp_path / "g")
    assert list(tmp_path.iterdir()) == []


def test_a_store_becomes_keyed_vectors_and_a_store_again(tmp_path, keyed):
    store = embmap.from_gensim(keyed, tmp_path / "g")
    back = store.to_gensim()
    assert isinstance(back, KeyedVectors)
    assert (back.index_to_key, back.key_to_index) == (keyed.index_to_key, keyed.key_to_index)
    assert (back.vector_size, len(back), back.vectors.dtype) == (7, 4, np.float32)
    assert np.array_equal(back.vectors, keyed.vectors)
    assert back.most_similar("king") == keyed.most_similar("king")
    again = embmap.from_gensim(back, tmp_path / "again")
    assert again.path.read_bytes() == store.path.read_bytes()


def test_what_gensim_writes_reaches_neither_file_nor_store_nor_others(store):
    first, second = store.to_gensim(), store.to_gensim()
    first.unit_normalize_all()
    first.vectors[0] = 7
    first["queen"] = np.full(4, 5, np.float32)
    first["plum"] = np.full(4, 6, np.float32)
    assert first["plum"].tolist() == [6] * 4
    assert np.array_equal(second.vectors, store.vectors)
    assert np.array_equal(embmap.open(store.path).vectors, store.vectors)
    assert store["king"].tolist() == pytest.approx([0.9, 0.8, 0.1, 0])


def test_a_float32_table_is_not_copied(store):
    keyed = store.to_gensim()
    owner = keyed.vectors.base
    assert type(owner).__name__ == "Owner"
    store.close()
    assert keyed["king"].tolist() == pytest.approx([0.9, 0.8, 0.1, 0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_other_types_become_float32(tmp_path, dtype):
    store = store_of(tmp_path, SMALL, dtype=dtype)
    keyed = store.to_gensim()
    assert keyed.vectors.dtype == np.float32
    assert np.array_equal(keyed.vectors, store.take(range(6)))


def test_keyed_vectors_of_a_store_can_be_saved(tmp_path, store):
    store.to_gensim().save(str(tmp_path / "kv"))
    loaded = KeyedVectors.load(str(tmp_path / "kv"))
    assert loaded.index_to_key == list(store)
    assert np.array_equal(loaded.vectors, store.vectors)
    store.to_gensim().save_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    assert np.array_equal(
        KeyedVectors.load_word2vec_format(str(tmp_path / "v.bin"), binary=True).vectors, store.vectors
    )


@pytest.mark.parametrize(("package", "call"), [("gensim", "to_gensim"), ("spacy", "to_spacy")])
def test_a_missing_package_is_an_error_that_says_what_to_install(store, monkeypatch, package, call):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{call}\(\) needs {package}: pip install 'embmap\[{package}\]'"):
        getattr(store, call)()


# spaCy


@pytest.fixture
def spacy():
    return pytest.importorskip("spacy", minversion="3.8")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_store_becomes_spacys_table(tmp_path, spacy, dtype):
    store = embmap.from_gensim(store_of(tmp_path, SMALL).to_gensim(), tmp_path / "g", dtype=dtype)
    table = store.to_spacy()
    assert (table.shape, table.name, table.is_full) == ((6, 4), "g", True)
    assert np.array_equal(table.data, store.take(range(6)))
    for word in store:
        assert np.array_equal(table[word], store[word])
    assert store.to_spacy("mine").name == "mine"


def test_a_pipeline_uses_a_stores_vectors(tmp_path, spacy, store):
    nlp = spacy.blank("en")
    nlp.vocab.vectors = store.to_spacy()
    doc = nlp("king plum")
    assert [token.has_vector for token in doc] == [True, False]
    assert np.array_equal(doc[0].vector, store["king"])
    nlp.to_disk(tmp_path / "pipeline")
    assert np.array_equal(spacy.load(tmp_path / "pipeline")("queen")[0].vector, store["queen"])
    nlp.vocab.vectors.data[:] = 0
    assert store["king"].any()
