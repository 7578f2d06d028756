"""floret's tables and models: rows that parts of words share."""

import json
import struct

import numpy as np
import pytest
from fasttext_model import FLORET_SEED, Model
from hypothesis import given, settings
from hypothesis import strategies as st

import embmap
from embmap import _reference

WORDS = ["apple", "größe", "日本語", "a", "", "</s>", "a word with spaces", "unheard-of", "x" * 300]
ROWS = np.random.default_rng(5).normal(size=(50, 3)).astype(np.float32)
HOW = {"minn": 2, "maxn": 4, "hash_count": 2, "hash_seed": FLORET_SEED, "bow": "<", "eow": ">"}


def text(rows=ROWS, minn=2, maxn=4, hashes=2, seed=FLORET_SEED, marks="< >", names=None):
    """A table as floret writes it, a space behind each row."""
    lines = (
        f"{i if names is None else names[i]} {' '.join(repr(float(x)) for x in row)} \n" for i, row in enumerate(rows)
    )
    return f"{len(rows)} {rows.shape[1]} {minn} {maxn} {hashes} {seed} {marks}\n" + "".join(lines)


def expected(words, rows=ROWS, minn=2, maxn=4, hashes=2, seed=FLORET_SEED):
    how = _reference.Subwords(minn, maxn, len(rows), True, False, [tuple(row) for row in rows.tolist()])
    how.hashes, how.seed = hashes, seed
    return np.array([how.vector(word.encode()) for word in words], np.float32)


def converted(folder, content, **options):
    source = folder / "vectors.floret"
    source.write_text(content, encoding="utf-8")
    return embmap.open(embmap.convert(source, folder / "v.embmap", **options).path)


def folder_of_spacy(folder, **changed):
    (folder / "vocab").mkdir(parents=True)
    with (folder / "vocab" / "vectors").open("wb") as file:
        np.save(file, ROWS)
    (folder / "vocab" / "key2row").write_bytes(b"\x80")
    (folder / "vocab" / "strings.json").write_text("[]")
    (folder / "vocab" / "vectors.cfg").write_text(json.dumps({"mode": "floret", **HOW, "attr": 65, **changed}))
    return folder


def test_every_word_has_a_vector_by_a_table(tmp_path):
    store = converted(tmp_path, text())
    assert (len(store), store.dim, "apple" in store) == (0, 3, False)
    report = embmap.convert(tmp_path / "vectors.floret")
    assert (report.rows, report.ngrams, report.path.name) == (0, 50, "vectors.embmap")
    assert '50 rows of n-grams: oov="subword" gives other words a vector by them' in str(report)
    assert np.array_equal(store.lookup(WORDS, oov="subword"), expected(WORDS))
    assert np.array_equal(store.subword_vector("größe"), expected(["größe"])[0])
    assert list(tmp_path.glob(".*")) == [], "the store by which the text was read is gone"
    store.verify()
    matrix = store.matrix(["<pad>", "apple"], padding_idx=0, oov="subword")
    assert np.array_equal(matrix.array[1], expected(["apple"])[0])
    words = ["apple", "unheard-of"]
    with embmap.open(embmap.write(tmp_path / "w.embmap", words, store.lookup(words, oov="subword")).path) as of_words:
        assert np.array_equal(of_words.lookup(words), expected(words))


def test_a_table_of_spacy_is_the_same(tmp_path):
    for path in (folder_of_spacy(tmp_path / "pipe"), tmp_path / "pipe" / "vocab"):
        with embmap.open(embmap.convert(path, tmp_path / "v.embmap").path) as store:
            assert np.array_equal(store.lookup(WORDS, oov="subword"), expected(WORDS))
    loaded = embmap.load(tmp_path / "pipe", cache_dir=tmp_path / "cache")
    assert np.array_equal(loaded.lookup(WORDS, oov="subword"), expected(WORDS))


@settings(max_examples=30, deadline=None)
@given(
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=20),
    lengths=st.tuples(st.integers(0, 4), st.integers(0, 6)),
    hashes=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    buckets=st.integers(1, 50),
)
def test_vectors_of_any_words_are_those_of_the_reference(tmp_path_factory, words, lengths, hashes, seed, buckets):
    rows, (minn, maxn) = ROWS[:buckets], lengths
    store = converted(tmp_path_factory.mktemp("table"), text(rows, minn, maxn, hashes, seed))
    reference = _reference.decode(store.path.read_bytes()).subwords
    assert (reference.minn, reference.maxn, reference.hashes, reference.seed) == (minn, maxn, hashes, seed)
    made = np.empty((len(words), 3), np.float32)
    store._subword_vectors(words, made)
    assert made.tolist() == [reference.vector(word.encode()) for word in words]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_the_specification_is_enough_to_write_the_very_same_file(tmp_path, dtype):
    store = converted(tmp_path, text(), dtype=dtype, normalize=True)
    how = _reference.Subwords(2, 4, 50, True, True, [tuple(row) for row in ROWS.tolist()])
    how.hashes, how.seed = 2, FLORET_SEED
    code = _reference.DTYPES.index(dtype)
    assert store.path.read_bytes() == _reference.encode([], [], 3, store._metadata_json(), code, how)
    assert np.linalg.norm(store.subword_vector("apple")) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("mode", "hashes"), [(1, 1), (2, 1), (2, 4)])
def test_models_of_floret(tmp_path, mode, hashes):
    model = Model([b"</s>", b"cat", "naïve".encode()], ROWS[:24], minn=2, maxn=4, floret=(mode, hashes))
    source = tmp_path / "model.bin"
    source.write_bytes(model.encode())
    with embmap.open(embmap.convert(source, tmp_path / "v.embmap").path) as store:
        assert list(store) == ["</s>", "cat", "naïve"]
        for word in ("</s>", "cat", "naïve", "unheard-of"):
            vector = store.lookup([word], oov="subword")[0]
            assert np.array_equal(vector, model.vector(word.encode())), word


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (text(marks="^ $"), "words are put between '^' and '$'; embmap knows '<' and '>'"),
        (text(maxn=300), "its n-grams cannot be: n-grams of up to 300 characters in 50 buckets"),
        ("\ufeff" + text(names=[*range(49), 1.5]), "row 50 is named"),
        (text().replace(" \n7 ", " \n7 x "), "row 8 is named '7 x', expected 7"),
        (text().replace("50 3", f"50 {10**30}", 1), "expected a header"),
        (text(names=[*range(49), 7]), "'7' again|came before|there before|twice"),
        (text(names=[*range(49), 77]), "row 50 is named '77', expected 49"),
        (text()[:-40], "announces 50 rows|numbers"),
        (text().replace("50 3", "51 3", 1), "51 rows"),
        (text(ROWS * np.float32(np.inf)), "not finite|no number"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, content, said):
    with pytest.raises(embmap.ParseError, match=said.replace("^", r"\^").replace("$", r"\$")):
        converted(tmp_path, content)
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.floret"]


def test_what_is_wrong_with_a_table_of_spacy_is_said(tmp_path):
    for i, (changed, said) in enumerate(
        (
            ({"hash_count": 5}, "pieces of words in 5 buckets each"),
            ({"hash_count": 0}, "expected 1 to 4 hashes, found 0"),
            ({"hash_count": True}, "expected minn, maxn, hash_count"),
            ({"minn": "2"}, "expected minn, maxn, hash_count"),
            ({"eow": None}, "bow and eow"),
            ({"mode": "magic"}, "a table of magic, which embmap does not know"),
        )
    ):
        with pytest.raises(embmap.ParseError, match=said):
            embmap.convert(folder_of_spacy(tmp_path / str(i), **changed))


def test_a_table_that_would_be_misread_is_refused(tmp_path):
    """As text its rows would be words named by numbers."""
    import gzip

    (tmp_path / "v.floret.gz").write_bytes(gzip.compress(text().encode()))
    with pytest.raises(embmap.ParseError, match=r"this is floret's table.*format=\"floret\" reads it"):
        embmap.convert(tmp_path / "v.floret.gz")
    with pytest.raises(embmap.ParseError, match="in a plain file of UTF-8: unpack it first"):
        embmap.convert(tmp_path / "v.floret.gz", format="floret")
    (tmp_path / "v.floret").write_text(text())
    with pytest.raises(embmap.ParseError, match="expected rows of numbers"):
        embmap.convert(tmp_path / "v.floret", words=["a"])


def test_texts_that_look_like_a_table_are_texts(tmp_path):
    (tmp_path / "v.txt").write_text("7 1 2 3 4 5 6 7\n8 1 2 3 4 5 6 7\n")
    with embmap.open(embmap.convert(tmp_path / "v.txt", dim=7).path) as store:
        assert list(store) == ["7", "8"]
    (tmp_path / "v.txt").write_text("1984 3 0 2 1 0 0.5 0.25\n1985 3 0 2 1 0 0.5 0.25\n")
    assert embmap.convert(tmp_path / "v.txt").dim == 7
    (tmp_path / "v.txt").write_text("0 0 0 0 1 0 0 0\n0 0 0 1 0 0 0 0\n")
    assert embmap.convert(tmp_path / "v.txt", words=["a", "b"]).dim == 8


def test_rows_that_are_no_numbers_are_refused(tmp_path):
    folder = folder_of_spacy(tmp_path / "pipe")
    for wrong in (ROWS.astype(complex), ROWS.astype("U8"), ROWS.astype("M8[s]")):
        with (folder / "vocab" / "vectors").open("wb") as file:
            np.save(file, wrong)
        with pytest.raises(embmap.ParseError, match="expected real numbers"):
            embmap.convert(folder)


def test_a_model_whose_buckets_were_all_pruned(tmp_path):
    """Words but the first have no row of their own, and so none."""
    from test_fasttext import quantized

    model = Model([b"</s>", b"cat"], quantized(2, 3, 2, lengths=False), floret=(2, 2), bucket=8, kept={})
    (tmp_path / "m.ftz").write_bytes(model.encode())
    with embmap.open(embmap.convert(tmp_path / "m.ftz", tmp_path / "v.embmap").path) as store:
        assert not store["cat"].any()
        assert store["</s>"].any()
    (tmp_path / "m.bin").write_bytes(Model([b"a"], ROWS[:9], floret=(2, 5)).encode())
    with pytest.raises(embmap.ParseError, match="a model of floret's with 5 hashes, of 1 to 4"):
        embmap.convert(tmp_path / "m.bin")


def test_a_section_that_lies_is_refused(tmp_path):
    data = bytearray(converted(tmp_path, text()).path.read_bytes())
    section = struct.pack("<8I", _reference.FLORET, 2, 4, 50, 1, 50, 2, FLORET_SEED)
    at = bytes(data).index(section)
    data[at + 24 : at + 28] = struct.pack("<I", 5)
    (tmp_path / "lies.embmap").write_bytes(data)
    with embmap.open(tmp_path / "lies.embmap") as store:
        with pytest.raises(embmap.FormatError, match="pieces of words in 5 buckets each, of 1 to 4"):
            store.subword_vector("apple")
        with pytest.raises(embmap.FormatError):
            store.verify()


def test_vectors_are_those_of_floret(tmp_path):
    """The package floret, trained on a few lines; what it writes as text has five digits."""
    floret = pytest.importorskip("floret")
    lines = "apple banana größe apple pie banana split naïve 日本語 a of\n" * 100
    (tmp_path / "corpus.txt").write_text(lines, encoding="utf-8")
    model = floret.train_unsupervised(
        str(tmp_path / "corpus.txt"),
        model="cbow",
        mode="floret",
        hashCount=3,
        bucket=500,
        minn=3,
        maxn=5,
        dim=5,
        minCount=1,
        epoch=1,
        thread=1,
    )
    model.save_model(str(tmp_path / "model.bin"))
    model.save_floret_vectors(str(tmp_path / "model.floret"))
    words = [word for word in WORDS if word and " " not in word and len(word) < 100]
    theirs = np.array([model.get_word_vector(word) for word in words])
    with embmap.open(embmap.convert(tmp_path / "model.bin", tmp_path / "b.embmap").path) as store:
        assert sorted(store) == sorted(model.get_words())
        assert np.array_equal(store.lookup(words, oov="subword"), theirs)
    with embmap.open(embmap.convert(tmp_path / "model.floret", tmp_path / "t.embmap").path) as store:
        # In models the first word has a row of its own besides, meant for the end of a line.
        others = [word for word in words if word not in ("</s>", model.get_words()[0])]
        ours = store.lookup(others, oov="subword")
        assert np.allclose(ours, theirs[[words.index(word) for word in others]], atol=1e-5)
