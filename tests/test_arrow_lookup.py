"""`embmap.arrow.Lookup`: record batches in, record batches with vectors out."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from conftest import SMALL, replaces_mapped, store_of

import embmap
from embmap.arrow import Lookup

WORDS = ["king", "nobody", None, "pear"]


def rows(column):
    return [None if row is None else np.array(row, np.float32) for row in column.to_pylist()]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
@pytest.mark.parametrize("stored", ["float32", "int8"])
def test_words_of_every_arrow_type(tmp_path, kind, stored):
    store = store_of(tmp_path, SMALL, dtype=stored)
    batch = pa.record_batch({"word": pa.array(WORDS).cast(kind), "n": [1, 2, 3, 4]})
    found = Lookup(store.path, "word", "vector")(batch)
    assert isinstance(found, pa.RecordBatch)
    assert found.schema.names == ["word", "n", "vector"]
    assert found.schema.field("vector").type == pa.list_(pa.float32(), 4)
    king, nobody, null, pear = rows(found.column("vector"))
    assert nobody is null is None
    assert np.array_equal(np.stack([king, pear]), store.lookup(["king", "pear"]))


def test_what_missing_words_become(store):
    batch = pa.record_batch({"word": WORDS})
    zeros = rows(Lookup(store, "word", missing="zeros")(batch).column("vector"))
    assert zeros[2] is None
    assert not zeros[1].any()
    with pytest.raises(KeyError, match="nobody"):
        Lookup(store, "word", missing="error")(batch)
    assert Lookup(store, "word", missing="error")(batch.slice(2)).column("vector").null_count == 1


def test_slices_tables_and_batches_without_rows(store):
    lookup = Lookup(store, "word")
    batch = pa.record_batch({"word": WORDS})
    assert rows(lookup(batch.slice(3)).column("vector"))[0].tolist() == store["pear"].tolist()
    table = pa.Table.from_batches([batch, batch.slice(1, 2)])
    assert lookup(table).column("vector").to_pylist() == [*lookup(batch).column("vector").to_pylist(), None, None]
    empty = lookup(batch.slice(0, 0))
    assert (empty.num_rows, empty.schema.field("vector").type) == (0, lookup.type())
    assert lookup.vectors(pa.array(["king"])).to_pylist() == [store["king"].tolist()]


def test_engines_without_lists_of_a_fixed_size(store):
    batch = pa.record_batch({"word": WORDS})
    found = Lookup(store, "word", fixed=False)(batch).column("vector")
    assert found.type == pa.list_(pa.float32()) == Lookup(store, "word", fixed=False).type()
    assert found.to_pylist() == Lookup(store, "word")(batch).column("vector").to_pylist()
    assert Lookup(store, "word", fixed=False)(batch.slice(0, 0)).num_rows == 0


def test_a_column_of_that_name_is_replaced(store):
    batch = pa.record_batch({"word": ["king"], "vector": ["old"], "n": [1]})
    assert Lookup(store, "word")(batch).schema.names == ["word", "vector", "n"]
    assert Lookup(store, "word", "word")(batch).column("word").to_pylist() == [store["king"].tolist()]


@pytest.mark.parametrize("pool", ["mean", "sum"])
def test_texts(store, pool):
    tokens = [["king", "queen"], [], None, ["nobody"]]
    expected = store.lookup([text or [] for text in tokens], pool=pool)
    for column in (pa.array(tokens), pa.array([None if text is None else " ".join(text) for text in tokens])):
        found = rows(Lookup(store, "text", pool=pool)(pa.record_batch({"text": column})).column("vector"))
        assert found[2] is None
        assert np.array_equal(np.stack([found[0], found[1], found[3]]), expected[[0, 1, 3]])
    assert Lookup(store, "t", pool=pool, tokenizer=list).vectors(pa.array(["ab"])).to_pylist() == [[0] * 4]


def test_it_travels_as_a_path_and_opens_the_store_once(store, tmp_path, monkeypatch):
    lookup = Lookup(store.path, "word")
    assert len(pickle.dumps(lookup)) < 600
    again = pickle.loads(pickle.dumps(lookup))
    assert again.store is lookup.store
    assert again(pa.record_batch({"word": ["king"]})).column("vector").to_pylist() == [store["king"].tolist()]
    # On another host the file may lie elsewhere.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = store.path.rename(elsewhere / "v.embmap")
    monkeypatch.setenv("EMBMAP_PATH", str(elsewhere))
    for absent in (Lookup(tmp_path / "v.embmap", "word"), pickle.loads(pickle.dumps(again))):
        embmap._open._kept.clear()
        assert absent.store.path == moved


def test_another_file_in_its_place_is_an_error(store, tmp_path):
    saved = pickle.dumps(Lookup(store, "word"))
    store.close()
    store_of(tmp_path, "other 1 2\n")
    embmap._open._kept.clear()
    with pytest.raises(embmap.FormatError, match="has changed"):
        pickle.loads(saved)(pa.record_batch({"word": ["king"]}))


def test_what_cannot_be(store, tmp_path):
    batch = pa.record_batch({"word": ["king"], "n": [1]})
    with pytest.raises(KeyError, match="no column 'token'"):
        Lookup(store, "token")(batch)
    with pytest.raises(TypeError):
        Lookup(store, "n")(batch)
    with pytest.raises(ValueError, match="missing must be"):
        Lookup(store, "word", missing="skip")
    with pytest.raises(ValueError, match="pool must be"):
        Lookup(store, "word", pool="tfidf")
    with pytest.raises(FileNotFoundError):
        Lookup(tmp_path / "absent.embmap", "word")(batch)


@replaces_mapped
def test_a_new_file_is_seen_and_a_closed_store_is_opened_again(store, tmp_path):
    king = pa.array(["king"])
    lookup = Lookup(store.path, "word")
    with lookup.store as opened:
        assert opened["king"].any()
    assert lookup.vectors(king).to_pylist() == [store["king"].tolist()]
    store_of(tmp_path, "king 1 2\n")
    assert Lookup(store.path, "word").vectors(king).to_pylist() == [[1, 2]]


def test_a_column_of_nothing_but_nulls(store):
    assert Lookup(store, "word").vectors(pa.nulls(3)).to_pylist() == [None] * 3


def test_nulls_among_the_values_of_a_dictionary(store):
    column = pa.DictionaryArray.from_arrays([0, 1, 0], pa.array(["queen", None]))
    found = embmap.arrow.Lookup(store, "w").vectors(column)
    assert found.is_null().to_pylist() == [False, True, False]


def test_options_that_would_do_nothing_are_refused(store):
    with pytest.raises(ValueError, match="tokenizer is for pool"):
        embmap.arrow.Lookup(store, "w", tokenizer=str.split)
    with pytest.raises(ValueError, match="missing='error' is for words"):
        embmap.arrow.Lookup(store, "w", pool="mean", missing="error")


def test_what_is_no_batch_or_names_a_column_twice_is_refused(store):
    lookup = Lookup(store, "word")
    twice = pa.Table.from_arrays([pa.array(["king"]), pa.array(["pear"])], names=["word", "word"])
    with pytest.raises(KeyError, match="several columns 'word'"):
        lookup(twice)
    out = pa.Table.from_arrays([pa.array(["king"])] * 3, names=["word", "vector", "vector"])
    with pytest.raises(KeyError, match="several columns 'vector'"):
        lookup(out)
    for call in (lambda: lookup({"word": ["king"]}), lambda: lookup.vectors(["king"])):
        with pytest.raises(TypeError, match="expected a"):
            call()
