"""Words in every form that `indices`, `lookup`, `matrix` and `keep` take."""

import gc

import numpy as np
import pytest
from conftest import store_of
from hypothesis import given
from hypothesis import strategies as st

import embmap

WORDS = ["queen", "nobody", "naïve", "日本", "😀", "", "pear", "a-word-of-more-than-sixteen-bytes", "queen"]
FORMS = {
    "StringDType": lambda words: np.array(words, np.dtypes.StringDType()),
    "U": np.array,
    "U, other byte order": lambda words: np.array(words).astype(np.array(words).dtype.newbyteorder()),
    "U, every other": lambda words: np.repeat(np.array(words), 2)[::2],
    "S": lambda words: np.array([word.encode() for word in words]),
    "object": lambda words: np.array(words, object),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    known = [word for word in dict.fromkeys(WORDS) if word not in ("", "nobody")]
    text = "".join(f"{word} {i} {-i}\n" for i, word in enumerate(known))
    return store_of(tmp_path_factory.mktemp("words"), text)


def arrow_forms():
    pa = pytest.importorskip("pyarrow")
    chunked = pa.chunked_array([pa.array(WORDS[:2]), pa.array([], pa.string()), pa.array(WORDS[2:])])
    return {
        "string": pa.array(WORDS),
        "large_string": pa.array(WORDS, pa.large_string()),
        "string_view": pa.array(WORDS, pa.string_view()),
        "dictionary": pa.array(WORDS).dictionary_encode(),
        "dictionary of large": pa.array(WORDS, pa.large_string()).dictionary_encode(),
        "slice": pa.array(["x", *WORDS, "y"]).slice(1, len(WORDS)),
        "chunked": chunked,
        "chunked dictionary": chunked.dictionary_encode(),
        "table": pa.table({"word": WORDS}),
    }


@pytest.mark.parametrize("form", FORMS)
def test_numpy_arrays_of_strings(store, form):
    words = FORMS[form](WORDS)
    expected = store.indices(WORDS)
    assert expected.tolist().count(-1) == 2
    np.testing.assert_array_equal(store.indices(words), expected)
    np.testing.assert_array_equal(store.lookup(words, oov="mean"), store.lookup(WORDS, oov="mean"))


def test_arrow_columns(store):
    expected = store.indices(WORDS)
    for name, words in arrow_forms().items():
        np.testing.assert_array_equal(store.indices(words), expected, name)
        np.testing.assert_array_equal(store.lookup(words, oov="normal"), store.lookup(WORDS, oov="normal"), name)
    assert store.matrix(arrow_forms()["string"].unique()).missing == ["nobody"]


def test_columns_of_polars_pandas_and_duckdb(store):
    expected = store.indices(WORDS)
    pl = pytest.importorskip("polars")
    pd = pytest.importorskip("pandas")
    duckdb = pytest.importorskip("duckdb")
    for words in (
        pl.Series(WORDS),
        pl.Series(WORDS).cast(pl.Categorical),
        pl.DataFrame({"word": WORDS}),
        pd.Series(WORDS),
        pd.Series(WORDS, dtype=object),
        pd.Series(WORDS, dtype="category"),
        pd.DataFrame({"word": WORDS}),
        duckdb.sql("select unnest($words) as word", params={"words": WORDS}),
    ):
        np.testing.assert_array_equal(store.indices(words), expected, str(type(words)))


def test_what_is_no_word_is_told_with_its_position(store):
    pa = pytest.importorskip("pyarrow")
    for words, message in (
        (["king", 3], "expected str, found int at position 1"),
        (("king", None), "expected str, found NoneType at position 1"),
        (np.array(["king", None], object), "expected str, found NoneType at position 1"),
        (np.array([1, 2]), "expected str, found int at position 0"),
        (np.array([["a"]]), "one-dimensional array of words, found 2 dimensions"),
        (pa.array(["king", None]), "expected str, found null at position 1"),
        (pa.chunked_array([["a", "b"], ["c", None]]), "expected str, found null at position 3"),
        (pa.array(["a", None]).dictionary_encode(), "expected str, found null at position 1"),
        (pa.array([1, 2]), "expected strings, found Arrow's Int64"),
        (pa.table({"a": ["x"], "b": ["y"]}), "found a table of 2: a, b"),
        (7, "not iterable"),
    ):
        with pytest.raises(TypeError, match=message):
            store.indices(words)


def test_words_without_utf8_are_missing(store):
    assert store.indices(["queen", "\ud800", "queen"]).tolist() == [0, -1, 0]
    assert store.indices(np.array(["queen", "\ud800"])).tolist() == [0, -1]
    assert store.indices(np.array([b"queen", b"\xff"])).tolist() == [0, -1]
    many = ["queen", "\ud800"] * 20_000
    assert store.indices(many).tolist() == [0, -1] * 20_000
    assert gc.isenabled()


def test_empty_arrays(store):
    pa = pytest.importorskip("pyarrow")
    for words in (np.array([], str), np.array([""]), pa.array([], pa.string()), pa.chunked_array([], pa.string())):
        assert store.indices(words).tolist() == [-1] * len(words)


def test_a_column_of_many_words(tmp_path):
    pa = pytest.importorskip("pyarrow")
    words = [f"w{i}" for i in range(50_000)]
    store = store_of(tmp_path, "".join(f"{word} {i}\n" for i, word in enumerate(words)), dim=1)
    asked = np.random.default_rng(0).integers(0, 100_000, 100_000)
    expected = np.where(asked < 50_000, asked, -1)
    texts = [f"w{i}" for i in asked]
    for form in (
        list(texts),
        tuple(texts),
        np.array(texts),
        np.array(texts, "S"),
        pa.array(texts),
        pa.array(texts).dictionary_encode(),
    ):
        np.testing.assert_array_equal(store.indices(form), expected)


def test_a_list_that_shrinks_while_it_is_read_is_an_error_not_a_crash(store):
    import threading

    words = ["queen"] * 3_000_000
    done = threading.Event()

    def shrink():
        while not done.is_set():
            if words:
                words.pop()

    thread = threading.Thread(target=shrink)
    thread.start()
    try:
        for _ in range(20):
            try:
                assert (store.indices(words) == 0).all()
            except RuntimeError as error:
                assert "became shorter" in str(error)  # noqa: PT017
    finally:
        done.set()
        thread.join()


def test_keep_takes_a_column(tmp_path):
    pa = pytest.importorskip("pyarrow")
    (tmp_path / "v.txt").write_text("a 1\nb 2\nc 3\n")
    embmap.convert(tmp_path / "v.txt", tmp_path / "v.embmap", keep=pa.array(["c", "a"]), dim=1)
    assert list(embmap.open(tmp_path / "v.embmap")) == ["a", "c"]


@given(st.lists(st.text(max_size=20), max_size=40))
def test_every_form_finds_what_a_list_finds(store, words):
    expected = store.indices(words)
    # NumPy leaves NULs at the end of a string away.
    kept = [word for word in words if not word.endswith("\0")]
    np.testing.assert_array_equal(store.indices(np.array(kept, str)), store.indices(kept))
    np.testing.assert_array_equal(store.indices(tuple(words)), expected)


# Columns of an Arrow file from a stranger, which pyarrow opens without a look at its strings.
def _strings(pa, offsets, data):
    return pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(np.array(offsets, "i4")), pa.py_buffer(data)])


def _view(pa, *fields):
    return pa.Array.from_buffers(
        pa.string_view(), 2, [None, pa.py_buffer(np.array(fields * 2, "i4")), pa.py_buffer(b"abc" * 9)]
    )


CORRUPT = {
    "an offset that falls": lambda pa: _strings(pa, [0, -(2**30), 9], b"kingqueen"),
    "an offset that falls a little": lambda pa: _strings(pa, [4, 2, 9], b"kingqueen"),
    "a view of a long string elsewhere": lambda pa: _view(pa, 1 << 30, 0x41414141, 0, 7),
    "a view of another buffer": lambda pa: _view(pa, 1000, 0, 70_000, 7),
    "a key behind the dictionary": lambda pa: pa.DictionaryArray.from_arrays(
        pa.array([0, 5, 1_000_000], pa.int32()), pa.array(["king", "queen"]), safe=False
    ),
    "a key before the dictionary": lambda pa: pa.DictionaryArray.from_arrays(
        pa.array([0, -7], pa.int32()), pa.array(["king", "queen"]), safe=False
    ),
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_a_corrupt_column_is_an_error_not_a_crash(store, tmp_path, kind):
    pa = pytest.importorskip("pyarrow")
    words = CORRUPT[kind](pa)
    for column in (words, pa.chunked_array([words])):
        for use in (store.indices, store.lookup, store.matrix):
            with pytest.raises(ValueError, match=r"corrupt|Offset|offset|buffer|range"):
                use(column)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(2 * len(words), "f4")), 2)
    with pytest.raises(ValueError, match=r"corrupt|Offset|offset|buffer|range"):
        embmap.from_arrow(pa.table([words, vectors], ["word", "vector"]), tmp_path / "a.embmap")
    (tmp_path / "v.txt").write_text("king 1 2\nqueen 3 4\n")
    with pytest.raises(ValueError, match=r"corrupt|Offset|offset|buffer|range"):
        embmap.convert(tmp_path / "v.txt", tmp_path / "c.embmap", keep=words)
    assert not list(tmp_path.glob("[ac].embmap"))


def test_bytes_in_an_array_of_objects_are_utf8(tmp_path):
    store = store_of(tmp_path, "king 1 2\nqueen 3 4\n")
    words = np.array([b"queen", "king", "naïve".encode()], object)
    assert store.indices(words).tolist() == [1, 0, -1]
    assert store.matrix(words).missing == ["naïve"]
    with pytest.raises(ValueError, match="the bytes at position 1 are no UTF-8"):
        store.indices(np.array([b"queen", b"\xff"], object))


def test_a_missing_word_is_told_with_the_form_that_is_there(tmp_path):
    store = store_of(tmp_path, "king 1 2\nqueen 3 4\n")
    for word, near in (("King", "king"), ("KING", "king"), (" king", "king"), ("king\n", "king")):
        for ask in (store.__getitem__, store.index):
            with pytest.raises(KeyError) as raised:
                ask(word)
            assert raised.value.args == (f"{word!r} is missing; {near!r} is there",)
    with pytest.raises(KeyError) as raised:
        store["unheard-of"]
    assert raised.value.args == ("unheard-of",)
    for key, way in ((1, "take"), (np.int64(1), "take"), (["king", "queen"], "lookup")):
        with pytest.raises(KeyError, match=way):
            store[key]
