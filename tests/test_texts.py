"""Texts as lists of tokens: padded ids, and one vector a text."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

WORDS = ["king", "queen", "man", "woman", "apple", "pear", "unheard-of", "ä"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=6), max_size=8)


@settings(max_examples=60, deadline=None)
@given(texts=TEXTS, length=st.none() | st.integers(0, 7), start=st.integers(0, 3))
def test_padded_ids_are_those_of_each_text(shared, texts, length, start):
    padded = shared.indices_padded(texts, length, 9, missing=-5, start=start)
    width = max(map(len, texts), default=0) if length is None else length
    assert padded.shape == (len(texts), width)
    for row, text in zip(padded.tolist(), texts, strict=True):
        ids = [shared.index(word) + start if word in shared else -5 for word in text[:width]]
        assert row == ids + [9] * (width - len(ids))


@settings(max_examples=60, deadline=None)
@given(texts=TEXTS, pool=st.sampled_from(["mean", "sum", "tfidf"]))
def test_a_texts_vector_is_that_of_its_known_words(shared, texts, pool):
    found = shared.lookup(texts, pool=pool)
    assert found.shape == (len(texts), shared.dim)
    for row, text in zip(found, texts, strict=True):
        known = [word for word in text if word in shared]
        weight = {
            word: math.log((1 + len(texts)) / (1 + sum(word in text for text in texts))) + 1 if pool == "tfidf" else 1
            for word in known
        }
        expected = sum((shared[word].astype(float) * weight[word] for word in known), np.zeros(shared.dim))
        if known and pool != "sum":
            expected /= sum(weight[word] for word in known)
        assert np.allclose(row, expected, atol=1e-6)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    from conftest import SMALL, store_of

    return store_of(tmp_path_factory.mktemp("texts"), SMALL)


def test_weights_may_be_given(shared):
    weights = {"king": 3.0, "queen": 1.0}
    row = shared.lookup([["king", "queen", "man"]], pool="mean", weights=weights)[0]
    assert np.allclose(row, (3 * shared["king"] + shared["queen"]) / 4)
    assert not shared.lookup([["man"]], pool="mean", weights=weights).any()


def test_many_texts_are_pooled_by_several_threads(shared):
    texts = [WORDS[i % 6 : i % 6 + 2] for i in range(30_000)]
    assert np.array_equal(shared.lookup(texts, pool="sum"), np.tile(shared.lookup(texts[:6], pool="sum"), (5000, 1)))


def test_what_is_no_list_of_tokens_says_so(shared):
    with pytest.raises(TypeError, match="one str at position 1: split it first"):
        shared.indices_padded([["king"], "a king"])
    with pytest.raises(TypeError, match="expected str, found int at position 1"):
        shared.lookup([["king", 3]], pool="mean")
    with pytest.raises(ValueError, match="pool must be"):
        shared.lookup([["king"]], pool="max")
    with pytest.raises(ValueError, match="no oov, no out"):
        shared.lookup([["king"]], pool="mean", oov="normal")
    with pytest.raises(ValueError, match="weights are for pool"):
        shared.lookup(["king"], weights={})
    with pytest.raises(ValueError, match="length must not be negative"):
        shared.indices_padded([["king"]], -1)


def test_samples_of_a_dataset_are_no_texts(store):
    """Their keys are the names of columns."""
    samples = [{"text": ["king"], "label": 0}]
    for ask in (
        lambda: store.indices_padded(samples),
        lambda: store.lookup(samples, pool="mean"),
    ):
        with pytest.raises(TypeError, match="found a mapping with 'text', 'label' at position 0"):
            ask()
    with pytest.raises(TypeError, match="weights must be a mapping"):
        store.lookup([["king"]], pool="mean", weights=[1.0])
