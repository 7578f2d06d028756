"""Several stores become one, some of a store's words a smaller one; stored rows keep their bits."""

import numpy as np
import pytest
from conftest import SMALL, replaces_mapped, store_of
from fasttext_model import Model
from hypothesis import given, settings
from hypothesis import strategies as st

import embmap
from embmap import _reference
from embmap._core import writer as _write
from embmap._ingest import merge as _merge

DTYPES = ["float32", "float16", "bfloat16", "int8"]


def make(path, words, vectors, **options) -> embmap.Store:
    return embmap.open(embmap.write(path, words, vectors, **options).path)


def unit(row: np.ndarray) -> np.ndarray:
    length = np.sqrt((row.astype(np.float64) ** 2).sum())
    return (row / length).astype(np.float32) if length else row


def expected_rows(stores, how, words, normalize) -> dict[str, np.ndarray]:
    """`merge` with dicts, one word at a time."""
    tables = [
        {word: unit(store.take([i])[0]) if normalize else store.take([i])[0] for i, word in enumerate(store)}
        for store in stores
    ]
    named = dict.fromkeys(word for table in tables for word in table)
    if words == "intersection":
        named = [word for word in named if all(word in table for table in tables)]
    merged = {}
    for word in named:
        rows = [table.get(word) for table in tables]
        known = [row for row in rows if row is not None]
        if how == "first":
            merged[word] = known[0]
        elif how == "mean":
            merged[word] = np.mean(np.array(known, np.float64), axis=0).astype(np.float32)
        else:
            zeros = [np.zeros(store.dim, np.float32) for store in stores]
            merged[word] = np.concatenate([z if row is None else row for row, z in zip(rows, zeros, strict=True)])
    return merged


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abcdefghij"), st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3), max_size=8
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["first", "concat", "mean"]),
    st.sampled_from(["union", "intersection"]),
    st.booleans(),
    st.integers(1, 20),
)
def test_merging_is_what_dicts_would_do(tmp_path_factory, tables, how, words, normalize, block):
    folder = tmp_path_factory.mktemp("merge")
    stores = [
        make(folder / f"{i}", list(table), np.array(list(table.values()), np.float32).reshape(-1, 3))
        for i, table in enumerate(tables)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_merge, "_BLOCK", block)
        merged = embmap.merge(stores, folder / "m", how, words=words, normalize=normalize)
    merged.verify()
    expected = expected_rows(stores, how, words, normalize)
    assert list(merged) == list(expected)
    for word, row in expected.items():
        assert merged[word] == pytest.approx(row, rel=1e-6, abs=1e-30) if normalize else (merged[word] == row).all()


@pytest.fixture
def two(tmp_path):
    """Stores of two dimensions that share `b` and `c`."""
    left = make(tmp_path / "left", ["a", "b", "c"], np.arange(6.0).reshape(3, 2))
    right = make(tmp_path / "right", ["c", "d", "b"], -np.arange(9.0).reshape(3, 3))
    return left, right


def test_concat_joins_stores_of_any_dimension(tmp_path, two):
    merged = embmap.merge(two, tmp_path / "m", how="concat")
    assert {word: row.tolist() for word, row in merged.items()} == {
        "a": [0, 1, 0, 0, 0],
        "b": [2, 3, -6, -7, -8],
        "c": [4, 5, 0, -1, -2],
        "d": [0, 0, -3, -4, -5],
    }
    both = embmap.merge(two, tmp_path / "b", how="concat", words="intersection")
    assert list(both) == ["b", "c"]


@pytest.mark.parametrize("how", ["first", "mean"])
def test_other_ways_need_one_dimension(tmp_path, two, how):
    with pytest.raises(
        ValueError, match=f"how='{how}' needs stores of one dimension, found left 2, right 3; how='concat'"
    ):
        embmap.merge(two, tmp_path / "m", how=how)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_the_first_store_are_copied_bit_for_bit(tmp_path, dtype):
    rng = np.random.default_rng(3)
    first = make(tmp_path / "1", ["a", "b"], rng.normal(0, 1, (2, 40)), dtype=dtype)
    second = make(tmp_path / "2", ["b", "c"], rng.normal(0, 30, (2, 40)), dtype=dtype)
    merged = embmap.merge([first, second], tmp_path / "m")
    assert merged._dtype_name == dtype
    merged.verify()
    assert merged._vectors_cow().tobytes() == first._vectors_cow().tobytes() + second._vectors_cow()[1:].tobytes()
    assert np.array_equal(merged["c"], second["c"])
    assert embmap.merge([merged], tmp_path / "again")._vectors_cow().tobytes() == merged._vectors_cow().tobytes()


def test_stores_of_different_types_become_float32_unless_asked(tmp_path):
    first = make(tmp_path / "1", ["a"], [[0.1, 0.2]], dtype="float16")
    second = make(tmp_path / "2", ["b"], [[0.3, 0.4]])
    merged = embmap.merge([first, second], tmp_path / "m")
    assert merged.dtype == np.float32
    assert np.array_equal(merged.vectors, [first["a"].astype(np.float32), second["b"]])
    assert embmap.merge([first, second], tmp_path / "i", dtype="int8").dtype == np.int8


def test_the_metadata_names_the_stores(tmp_path, two):
    text = store_of(tmp_path, SMALL)
    merged = embmap.merge([*two, text], tmp_path / "m", how="concat", metadata={"for": "a test"})
    found = merged.metadata
    assert (found["for"], found["merged"]["how"]) == ("a test", "concat")
    stores = found["merged"]["stores"]
    assert [(store["name"], store["rows"], store["dim"]) for store in stores] == [
        ("left", 3, 2),
        ("right", 3, 3),
        ("v.embmap", 6, 4),
    ]
    assert [store["identity"] for store in stores] == [store.identity.hex() for store in (*two, text)]
    assert stores[2]["source"]["name"] == "v.txt"
    with pytest.raises(ValueError, match="may not have the key 'merged'"):
        embmap.merge(two, tmp_path / "m", how="concat", metadata={"merged": 1})


@replaces_mapped
def test_paths_do_as_well_as_stores_and_the_target_may_be_one_of_them(tmp_path, two):
    left, _ = two
    merged = embmap.merge(iter([left.path, str(tmp_path / "right")]), target=left.path, how="concat")
    assert merged.path == left.path
    assert len(merged) == 4
    assert len(left) == 3


def test_what_cannot_be_merged(tmp_path, two):
    left, right = two
    with pytest.raises(ValueError, match=r"needs a place: merge\(stores, target\)"):
        embmap.merge(two, how="concat")
    with pytest.raises(TypeError, match="expected several stores, found one"):
        embmap.merge(left, tmp_path / "m")
    with pytest.raises(ValueError, match="no store to merge"):
        embmap.merge([], tmp_path / "m")
    with pytest.raises(ValueError, match="how must be one of 'first', 'concat', 'mean', not 'sum'"):
        embmap.merge(two, tmp_path / "m", how="sum")
    with pytest.raises(ValueError, match="words must be one of 'union', 'intersection', not 'all'"):
        embmap.merge(two, tmp_path / "m", words="all")
    right.close()
    with pytest.raises(ValueError, match="the store is closed"):
        embmap.merge(two, tmp_path / "m", how="concat")
    assert not (tmp_path / "m").exists()


def test_progress_counts_the_rows_of_the_stores(tmp_path, two, monkeypatch, capsys):
    monkeypatch.setattr(_merge, "_BLOCK", 10)
    seen = []
    embmap.merge(two, tmp_path / "m", "concat", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 6), (3, 6), (5, 6), (6, 6)]
    embmap.merge(two, tmp_path / "m", "concat", progress=True)
    assert "100%" in capsys.readouterr().err


def test_an_interrupted_merge_leaves_nothing(tmp_path, two):
    def progress(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embmap.merge(two, tmp_path / "m", "concat", progress=progress)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["left", "right"]


# Some of the words


@pytest.mark.parametrize("dtype", DTYPES)
def test_selected_rows_keep_their_bits(tmp_path, dtype, monkeypatch):
    monkeypatch.setattr(_write, "_BLOCK", 7 * 100)
    rows = np.random.default_rng(1).normal(0, 1, (3000, 7)).astype(np.float32)
    store = make(tmp_path / "s", [f"w{i}" for i in range(3000)], rows, dtype=dtype)
    ids = np.random.default_rng(2).permutation(3000)[:1234]
    small = store.select([f"w{i}" for i in ids], tmp_path / "small")
    small.verify()
    assert list(small) == [f"w{i}" for i in ids]
    assert small._dtype_name == dtype
    assert small._vectors_cow().tobytes() == store._vectors_cow()[ids].tobytes()
    assert np.array_equal(small.vectors, store.take(ids))
    norms = np.array([store._inverse_norms(i, i + 1)[0] for i in ids])
    assert np.array_equal(small._inverse_norms(0, len(small)), norms)


@pytest.mark.parametrize("dtype", DTYPES)
def test_selecting_all_words_changes_the_metadata_alone(tmp_path, dtype):
    store = store_of(tmp_path, SMALL, dtype=dtype)
    same = store.select(store.words, tmp_path / "same")
    assert same._vectors_cow().tobytes() == store._vectors_cow().tobytes()
    assert np.array_equal(same.statistics(), store.statistics())
    assert list(same) == list(store)


def test_the_metadata_is_kept_with_a_note_of_each_selection(tmp_path):
    store = store_of(tmp_path, SMALL, metadata={"language": "en"})
    once = store.select(["king", "queen", "man"], tmp_path / "once")
    twice = once.select(["man"], tmp_path / "twice")
    assert once.metadata["source"] == store.metadata["source"]
    assert twice.metadata["language"] == "en"
    assert twice.metadata["selected"] == [
        {"rows": 3, "of": 6, "identity": store.identity.hex()},
        {"rows": 1, "of": 3, "identity": once.identity.hex()},
    ]


def test_a_missing_word_is_an_error_or_passed_over(tmp_path, store):
    with pytest.raises(KeyError, match="plum"):
        store.select(["king", "plum", "pear"], tmp_path / "s")
    with pytest.raises(KeyError, match="'plum'"):
        store.select(np.array([b"king", b"plum"]), tmp_path / "s")
    assert list(store.select(["king", "plum", "pear"], tmp_path / "s", missing="skip")) == ["king", "pear"]
    assert list(store.select(["plum"], tmp_path / "s", missing="skip")) == []
    with pytest.raises(ValueError, match="missing must be 'error' or 'skip', not 'zeros'"):
        store.select(["king"], tmp_path / "s", missing="zeros")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_the_n_grams_of_a_fasttext_model_go_along(tmp_path, dtype):
    rows = np.random.default_rng(0).normal(0, 1, (13, 4)).astype(np.float32)
    (tmp_path / "model.bin").write_bytes(Model([b"</s>", b"king", b"queen"], rows).encode())
    model = embmap.open(embmap.convert(tmp_path / "model.bin", dtype=dtype).path)
    assert model._has_subwords
    parts = [model.select([word], tmp_path / word) for word in ("king", "queen")]
    for store in (
        model.select(["queen", "king"], tmp_path / "s"),
        embmap.merge([model], tmp_path / "m"),
        embmap.merge(parts, tmp_path / "p"),
    ):
        store.verify()
        assert np.array_equal(store.lookup(["king", "queen"]), model.lookup(["king", "queen"]))
        unseen = ["kingly", "unheard-of", "</s>"]
        assert np.array_equal(store.lookup(unseen[:2], oov="subword"), model.lookup(unseen[:2], oov="subword"))
        assert np.array_equal(store.subword_vector("king"), model.subword_vector("king"))
    without = model.select(["king"], tmp_path / "w", ngrams=False)
    assert not without._has_subwords
    assert without.nbytes < model.nbytes
    # Those of another model, or of none, are not mixed in; nor do they fit other numbers.
    other = embmap.merge([model, without], tmp_path / "o")
    assert not other._has_subwords
    assert not embmap.merge([model], tmp_path / "n", normalize=True)._has_subwords
    assert not embmap.merge([model], tmp_path / "n", dtype="bfloat16")._has_subwords


def test_a_word_is_selected_once(tmp_path, store):
    with pytest.raises(ValueError, match=r'row 2, "king": .* was there before, as row 0'):
        store.select(["king", "pear", "king"], tmp_path / "s")
    with pytest.raises(TypeError, match="found one str"):
        store.select("king", tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_corrupt_store_is_an_error_and_not_a_smaller_store(tmp_path, store):
    data = bytearray(store.path.read_bytes())
    table = np.frombuffer(bytes(data[128:4096]), np.dtype("<u4,<u4,<u8,<u8,<u4,<u4")).tolist()
    places = {kind: offset for kind, _, offset, *_ in table}
    corrupt = tmp_path / "corrupt"
    data[places[_reference.OFFSETS] + 4 : places[_reference.OFFSETS] + 8] = b"\xff" * 4
    corrupt.write_bytes(data)
    with pytest.raises(embmap.FormatError, match="corrupt: word 0 lies outside the words"):
        embmap.open(corrupt).select(["king"], tmp_path / "s")
    data[places[_reference.MATRIX] : places[_reference.MATRIX] + 4] = b"\xff" * 4
    data[places[_reference.OFFSETS] + 4 : places[_reference.OFFSETS] + 8] = (4).to_bytes(4, "little")
    corrupt.write_bytes(data)
    with pytest.raises(ValueError, match='row 0, "king": number 1 of 4, NaN, is not finite'):
        embmap.open(corrupt).select(["king"], tmp_path / "s")
    with pytest.raises(ValueError, match='row 0, "king": number 1 of 4, NaN, is not finite'):
        embmap.merge([corrupt], tmp_path / "s")
    assert not (tmp_path / "s").exists()


@replaces_mapped
def test_a_store_may_be_replaced_by_its_own_selection(store):
    small = store.select(["pear", "king"], store.path)
    assert (list(small), len(store)) == (["pear", "king"], 6)
    assert store["queen"].tolist() == pytest.approx([0.9, 0.1, 0.8, 0])
