"""Texts to batches: `Collate` in a `DataLoader`, with workers of every kind."""

import pickle
import warnings
from collections import Counter

import pandas as pd
import pytest
import torch
from conftest import START_METHODS, store_of
from torch.utils.data import DataLoader

import embmap
from embmap.torch import Collate

TEXTS = [["w1", "w2"], [], ["nobody", "w3", "w4"], ["w5"]]


def test_texts_become_padded_ids(store):
    collate = Collate(store)
    ids = collate([["king", "queen"], [], ["nobody"]])
    assert (ids.dtype, ids.tolist()) == (torch.int64, [[0, 1], [6, 6], [6, 6]])
    assert collate([]).shape == (0, 0)
    assert Collate(store, length=1, padding=9, missing=7)([["nobody", "king"], []]).tolist() == [[7], [9]]
    assert collate([("king", "queen"), ("man",)]).tolist() == [[0, 1], [2, 6]]


def test_rows_of_a_task(store):
    matrix = store.matrix(["", "king", "unheard-of"])
    collate = Collate(matrix.index)
    assert collate([["king"], ["unheard-of", "nobody"]]).tolist() == [[1, 0], [2, 0]]
    assert Collate({"king": 2}, missing=1)([["nobody", "king"], []]).tolist() == [[1, 2], [0, 0]]


def test_what_stands_beside_a_text_is_collated_as_ever(store):
    ids, labels, more = Collate(store)([(["king"], 1, {"a": 0.5}), (["queen", "man"], 0, {"a": 1.5})])
    assert ids.tolist() == [[0, 6], [1, 2]]
    assert labels.tolist() == [1, 0]
    assert more["a"].tolist() == [0.5, 1.5]


def test_a_text_that_was_not_split_is_an_error(store):
    for batch in (["king queen"], [("king queen", 1)], [(["king"], 1), ("queen", 0)]):
        with pytest.raises(TypeError, match="split it first"):
            Collate(store)(batch)
    with pytest.raises(ValueError, match="length must not be negative"):
        Collate(store, length=-1)([["king"]])


@pytest.mark.parametrize("method", START_METHODS)
def test_workers_of_every_kind_map_one_file(tmp_path, method):
    store = store_of(tmp_path, "".join(f"w{i} {i} 1\n" for i in range(1000)))
    collate = Collate(store)
    assert len(pickle.dumps(collate)) < 1000
    texts = [([f"w{i}", f"w{i + 1}"], i) for i in range(40)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        loader = DataLoader(
            texts, 8, collate_fn=collate, num_workers=2, multiprocessing_context=method, persistent_workers=True
        )
        for _ in range(2):
            found = [(ids[:, 0].tolist(), labels.tolist()) for ids, labels in loader]
            assert [i for ids, _ in found for i in ids] == list(range(40))
            assert all(ids == labels for ids, labels in found)


def test_a_whole_pipeline(store):
    collate = Collate(store)
    bag = embmap.torch.embedding_bag(store, padding_idx=len(store))
    expected = torch.from_numpy(store.lookup([["king", "queen"], ["nobody", "man"], []], pool="mean"))
    assert torch.allclose(bag(collate([["king", "queen"], ["nobody", "man"], []])), expected)


def test_rows_are_those_of_a_store_or_a_task(store):
    matrix = store.matrix(["<pad>", "queen"], padding_idx=0)
    assert Collate(matrix)([["queen", "nobody"]]).tolist() == [[1, 0]]
    behind = store.matrix(["king", "queen", "<pad>"], padding_idx=2)
    assert Collate(behind)([["queen", "king"], ["queen"]]).tolist() == [[1, 0], [1, 2]]
    with pytest.raises(ValueError, match="no row for the padding"):
        Collate(store.matrix(["king"]))
    assert Collate(pd.Series({"king": 1}))([["king", "x"]]).tolist() == [[1, 0]]
    for wrong in ({"king": 1.7}, {"king": "3"}):
        with pytest.raises(TypeError, match="rows must be int"):
            Collate(wrong)([["king"]])
    with pytest.raises(TypeError):
        Collate({"king": 1}, missing=1.5)
    with pytest.raises(TypeError, match="a Counter says how often words come"):
        Collate(Counter(["king", "king"]))
    with pytest.raises(TypeError, match="rows must be a store or a mapping word -> row, not list"):
        Collate(["king"])
