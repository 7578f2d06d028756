"""`Store.encode`: a vector for each text, as static models give it."""

import json
import os

import numpy as np
import pytest
from conftest import SMALL, has_pipes, store_of

import embmap

TEXTS = ["king queen", "Queen of the apple, a pear", "", "unheard-of words", "man " * 700, "king"]


def test_words_are_cut_by_a_function(store):
    expected = store.lookup([text.split() for text in TEXTS], pool="mean")
    assert np.array_equal(store.encode(TEXTS, tokenizer=str.split), expected)
    assert np.array_equal(store.encode(iter(TEXTS), tokenizer=str.split), expected)
    assert store.encode("king queen", tokenizer=str.split).shape == (4,)
    assert store.encode([], tokenizer=str.split).shape == (0, 4)
    unit = store.encode(TEXTS, tokenizer=str.split, normalize=True)
    assert np.allclose(np.linalg.norm(unit, axis=1), [1, 1, 0, 0, 1, 1])
    assert np.allclose(store.encode("king queen", tokenizer=str.split, max_length=1), store["king"])


def test_what_cannot_be_says_so(store):
    with pytest.raises(ValueError, match="does not say how texts are cut: tokenizer="):
        store.encode(["king"])
    with pytest.raises(TypeError, match="not int"):
        store.encode(["king"], tokenizer=5)
    with pytest.raises(ValueError, match="unknown must be"):
        store.encode(["king"], tokenizer=str.split, unknown="?")
    with pytest.raises(ValueError, match="max_length"):
        store.encode(["king"], tokenizer=str.split, max_length=0)
    with pytest.raises(FileNotFoundError):
        store.encode(["king"], tokenizer="nothing.json")
    for wrong, kind in ((lambda _: {"input_ids": [1], "king": [1]}, "dict"), (lambda _: "king", "str")):
        with pytest.raises(TypeError, match=f"not a {kind}"):
            store.encode(["king"], tokenizer=wrong)


@has_pipes
def test_a_pipe_is_no_tokenizer(store, tmp_path):
    pytest.importorskip("tokenizers")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="fifo"):
        store.encode(["king"], tokenizer=tmp_path / "fifo")


def test_a_tokenizer_of_transformers_is_the_one_inside(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    words = ["[UNK]", "king", "queen", "man"]
    embmap.write(tmp_path / "v.embmap", words, np.eye(4, dtype="float32"))
    inside = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    )
    inside.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    outside = transformers.PreTrainedTokenizerFast(tokenizer_object=inside, unk_token="[UNK]")
    store = embmap.open(tmp_path / "v.embmap")
    texts = ["king queen", "man", "nobody"]
    assert np.array_equal(store.encode(texts, tokenizer=outside), store.encode(texts, tokenizer=inside))
    assert store.encode("king queen", tokenizer=outside).tolist() == [0, 0.5, 0.5, 0]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_vectors_are_those_of_model2vec(tmp_path, dtype):
    model2vec = pytest.importorskip("model2vec")
    folder = store_of(tmp_path, SMALL, dtype="float32").save_model2vec(tmp_path / "model", lowercase=True)
    model = model2vec.StaticModel.from_pretrained(str(folder))
    made = embmap.load(folder, cache_dir=tmp_path / "cache", dtype=dtype)
    found = made.encode(TEXTS, tokenizer=folder, max_length=512)
    assert np.allclose(found, model.encode(TEXTS), atol=1e-6 if dtype == "float32" else 1e-2)
    again = made.encode(TEXTS, tokenizer=model.tokenizer, max_length=512, normalize=True)
    assert np.allclose(again, model.encode(TEXTS, normalize=True), atol=1e-6 if dtype == "float32" else 1e-2)


def test_vectors_are_those_of_sentence_transformers(store, tmp_path):
    transformers = pytest.importorskip("sentence_transformers")
    module = store.to_static_embedding()
    model = transformers.SentenceTransformer(modules=[module], device="cpu")
    (tmp_path / "made").mkdir()
    made = store_of(tmp_path / "made", "".join(f"▁{line}\n" for line in SMALL.splitlines()))
    texts = [text for text in TEXTS if text]
    # Its unknown word has no row here.
    assert np.allclose(made.encode(texts, tokenizer=module.tokenizer), model.encode(texts), atol=1e-6)


def test_unknown_tokens_are_left_out_or_counted(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    store = store_of(tmp_path, "[UNK] 0 0\nking 2 4\n")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "king": 1, "gone": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    for tokenizer in (made, tmp_path, tmp_path / "tokenizer.json"):
        assert store.encode("king what", tokenizer=tokenizer).tolist() == [2, 4]
        assert store.encode("king what", tokenizer=tokenizer, unknown="count").tolist() == [1, 2]
        # What has no row is left out in any case.
        assert store.encode("king gone", tokenizer=tokenizer, unknown="count").tolist() == [2, 4]
    store.close()
    other = store_of(tmp_path, "king 5 5\n")
    assert other.encode("king what", tokenizer=made).tolist() == [5, 5]


def test_a_tokenizer_may_get_another_model(tmp_path):
    """Its tokens have other numbers then, as many as before."""
    tokenizers = pytest.importorskip("tokenizers")
    store = store_of(tmp_path, SMALL)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"king": 0, "queen": 1}, unk_token="king"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    assert np.array_equal(store.encode("queen", tokenizer=tokenizer), store["queen"])
    tokenizer.model = tokenizers.models.WordLevel({"queen": 0, "man": 1}, unk_token="man")
    assert np.array_equal(store.encode("queen", tokenizer=tokenizer), store["queen"])


def test_a_file_is_read_once_for_all_stores_that_do_not_have_its_tokens(tmp_path, monkeypatch):
    tokenizers = pytest.importorskip("tokenizers")
    from embmap._query.tokens import Cutter, RowCutter

    words = ["[UNK]", "king", "queen"]
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    read = []
    for kind in (Cutter, RowCutter):
        monkeypatch.setattr(
            kind, "of_file", lambda *args, kind=kind, way=kind.of_file: read.append(kind.__name__) or way(*args)
        )
    (tmp_path / "others").mkdir()
    for _ in range(3):
        with store_of(tmp_path / "others", "queen 2\nking 4\n", dim=1) as store:
            assert store.encode(["king queen", "king"], tokenizer=tmp_path).ravel().tolist() == [3, 4]
    assert read == ["RowCutter", "Cutter"]
    # One whose rows are the tokens is asked itself, as long as it is open.
    os.utime(tmp_path / "tokenizer.json", ns=(0, 0))
    embmap.write(tmp_path / "same.embmap", words, [[0.0], [4.0], [2.0]])
    for _ in range(2):
        with embmap.open(tmp_path / "same.embmap") as store:
            for _ in range(2):
                assert store.encode(["king queen", "king"], tokenizer=tmp_path).ravel().tolist() == [3, 4]
        with pytest.raises(ValueError, match="the store is closed"):
            store.encode("queen king", tokenizer=tmp_path)
    assert read == ["RowCutter", "Cutter", "RowCutter", "RowCutter"]


def test_a_model_of_the_hub_brings_its_tokenizer(tmp_path, hub, monkeypatch):
    pytest.importorskip("tokenizers")
    commit = "0" * 40
    folder = hub / "models--org--static" / "snapshots" / commit
    folder.parent.mkdir(parents=True)
    store_of(tmp_path, SMALL).save_model2vec(folder)
    (hub / "models--org--static" / "refs").mkdir()
    (hub / "models--org--static" / "refs" / "main").write_text(commit)
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "cache"))
    store = embmap.load("org/static")
    assert json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert np.allclose(store.encode("king"), store["▁king"] if "▁king" in store else store["king"])


def test_tables_are_no_texts(store):
    pd = pytest.importorskip("pandas")
    for texts in (pd.DataFrame({"king": ["man"]}), {"king": ["man"]}):
        with pytest.raises(TypeError, match="expected an iterable of texts"):
            store.encode(texts, tokenizer=str.split)
