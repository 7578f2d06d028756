"""Stores as static models of sentence-transformers and model2vec, and back."""

import os
import sys

import numpy as np
import pytest
from conftest import store_of

import embmap


@pytest.fixture
def transformers():
    """sentence-transformers."""
    return pytest.importorskip("sentence_transformers")


def test_the_weights_are_the_map(store, transformers):
    module = store.to_static_embedding(mode="readonly")
    assert module.embedding.weight.data_ptr() == embmap.torch.tensor(store, mode="readonly").data_ptr()
    assert np.array_equal(module.embedding.weight.detach().numpy(), store.vectors)
    assert store.to_static_embedding().embedding.weight.data_ptr() % 4096 == 0


def test_a_text_is_the_mean_of_its_known_words(tmp_path, transformers):
    store = store_of(tmp_path, "king 1 2\na 3 4\n, 5 6\ni 7 8\n<unk> 9 9\n[UNK] 9 9\n▁ 9 9\nk 9 9\n")
    model = transformers.SentenceTransformer(modules=[store.to_static_embedding()], device="cpu")
    texts = ["a king, i", "king kingdom abc ▁ 😀", "nothing known", ""]
    expected = store.lookup([["a", "king", ",", "i"], ["king", "▁"], [], []], pool="mean")
    assert np.allclose(model.encode(texts), expected, atol=1e-6)


def test_how_texts_are_cut_can_be_chosen(store, transformers):
    from tokenizers.pre_tokenizers import WhitespaceSplit

    lower = store.to_static_embedding(lowercase=True)
    assert lower.tokenizer.encode("King, QUEEN!").ids == [0, 1]
    spaces = store.to_static_embedding(pre_tokenizer=WhitespaceSplit())
    assert spaces.tokenizer.encode("king, queen").ids == [1]


def test_training_changes_memory_only(store, transformers):
    import torch

    before = store.path.read_bytes()
    module = store.to_static_embedding()
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    module(module.preprocess(["king queen"]))["sentence_embedding"].sum().backward()
    optimizer.step()
    changed = (module.embedding.weight.detach().numpy() != store.vectors).any(axis=1)
    assert changed.tolist() == [True, True, False, False, False, False]
    assert store.path.read_bytes() == before


def test_what_sentence_transformers_saves_is_a_source(store, tmp_path, transformers):
    transformers.SentenceTransformer(modules=[store.to_static_embedding()], device="cpu").save(str(tmp_path / "saved"))
    again = embmap.load(tmp_path / "saved", cache_dir=tmp_path / "cache")
    assert list(again) == [f"▁{word}" for word in store]
    assert np.array_equal(again.vectors, store.vectors)


def test_a_package_that_is_missing_is_named(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"needs tokenizers: pip install 'embmap\[sentence-transformers\]'"):
        store.to_static_embedding()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_what_is_written_is_read_back(tmp_path, dtype):
    store = store_of(tmp_path, 'king 0.1 2\n"\\ 3 4\n[UNK] 5 6\n\u2028 7 8\n', dtype=dtype)
    folder = store.save_model2vec(tmp_path / "m2v")
    again = embmap.load(folder, cache_dir=tmp_path / "cache")
    assert list(again) == [*store, "[[UNK]]"]
    assert np.array_equal(again.vectors[:-1], store.take(range(4)))
    assert not again.vectors[-1].any()
    assert [file.name for file in tmp_path.iterdir() if ".tmp" in file.name] == []


def test_model2vec_and_sentence_transformers_read_it(store, tmp_path, transformers):
    model2vec = pytest.importorskip("model2vec")
    folder = store.save_model2vec(tmp_path / "m2v", lowercase=True)
    expected = store.lookup([["king", "queen"]], pool="mean")
    model = model2vec.StaticModel.from_pretrained(folder)
    assert np.array_equal(model.encode(["King Xyz queen!"]), expected)
    sentences = transformers.SentenceTransformer(str(folder), device="cpu")
    assert np.allclose(sentences.encode(["King queen"]), expected)
    assert np.allclose(sentences.encode(["King xyz queen"]), expected * 2 / 3)


@pytest.mark.parametrize(
    "quantized", [{}, {"vocabulary_quantization": 3}, {"quantize_to": "int8"}, {"quantize_to": "float16"}]
)
def test_what_model2vec_writes_is_read(store, tmp_path, quantized):
    model2vec = pytest.importorskip("model2vec")
    model = model2vec.StaticModel.from_pretrained(store.save_model2vec(tmp_path / "m2v"))
    made = model2vec.quantize_model(model, **quantized) if quantized else model
    made.save_pretrained(tmp_path / "made")
    again = embmap.load(tmp_path / "made", cache_dir=tmp_path / "cache")
    assert np.allclose(again.lookup(list(store)), made.encode(list(store)))


def test_nothing_is_overwritten_and_nothing_left_behind(store, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    store.save_model2vec(tmp_path / "empty")
    for taken in (tmp_path / "empty", store.path):
        with pytest.raises(FileExistsError, match="new or empty folder"):
            store.save_model2vec(taken)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="disk full"):
        store.save_model2vec(tmp_path / "new")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.name != "posix", reason="only POSIX opens folders")
def test_the_folder_is_on_the_disk_with_all_that_is_in_it(store, tmp_path, monkeypatch):
    synced, sync = set(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.add(os.fstat(file).st_ino), sync(file)))
    folder = store.save_model2vec(tmp_path / "new")
    assert synced == {path.stat().st_ino for path in [tmp_path, folder, *folder.iterdir()]}


def test_words_that_begin_with_a_mark_of_pieces_are_found(tmp_path):
    from tokenizers.pre_tokenizers import Split, WhitespaceSplit

    words = ["the", "\u2581the", "\u2581cat", "new york"]
    embmap.write(tmp_path / "v.embmap", words, np.eye(4))
    store = embmap.open(tmp_path / "v.embmap")
    module = store.to_static_embedding(pre_tokenizer=WhitespaceSplit())
    for row, word in enumerate(words[:3]):
        assert module(module.preprocess([word]))["sentence_embedding"][0].argmax() == row
    assert not module(module.preprocess(["\u2581dog"]))["sentence_embedding"].any()
    whole = store.to_static_embedding(pre_tokenizer=Split("|", "removed"))
    assert whole(whole.preprocess(["new york"]))["sentence_embedding"][0].argmax() == 3
