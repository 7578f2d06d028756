"""fastText's models: words, unseen words, every form of the file, and files that lie."""

import contextlib
import gzip
import io
import itertools
import logging
import random
import tarfile
import threading
import zipfile

import numpy as np
import pytest
from conftest import SMALL, store_of
from fasttext_model import SENT2VEC, SUPERVISED, Model, Quantized
from hypothesis import given, settings
from hypothesis import strategies as st

import embmap
from embmap import _reference

UNSEEN = [
    "unheard-of",
    "catdog",
    "a",
    "",
    "zz",
    "naïve",
    "преступник",
    "日本語",
    "e\u0301",
    "🙂🙂🙂",
    "</s>",
    "x" * 500,
]


def numbers(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# Stores that are open are not replaced, which Windows would not do.
COUNT = itertools.count()


def converted(folder, model, **options):
    source = folder / "model.bin"
    source.write_bytes(model if isinstance(model, bytes) else model.encode())
    return embmap.open(embmap.convert(source, folder / f"{next(COUNT)}.embmap", **options).path)


def small(**changed):
    return Model(**{"words": [b"</s>", b"cat", "naïve".encode(), b"dogs"], "matrix": numbers(1, 24, 3), **changed})


def quantized(rows, dim, part, lengths, seed=2):
    """Rows of codes; with `lengths`, a code for the length of each."""
    rng = np.random.default_rng(seed)
    widths = [min(part, dim - start) for start in range(0, dim, part)]
    coded = (rng.integers(0, 256, rows, np.uint8), numbers(seed, 256)) if lengths else None
    codes = rng.integers(0, 256, (rows, len(widths)), np.uint8)
    return Quantized(codes, [numbers(seed + i, 256, width) for i, width in enumerate(widths)], coded)


MODELS = {
    "skipgram": small(),
    "of version 11": small(version=11),
    "without a version": small(version=None),
    "n-grams of one character": small(minn=1, maxn=2),
    "n-grams of no least length": small(minn=0, maxn=3),
    "classifier": small(labels=[b"__label__x", b"__label__y"], model=SUPERVISED),
    "classifier of version 11": small(labels=[b"__label__x"], model=SUPERVISED, version=11),
    "without n-grams": small(matrix=numbers(1, 4, 3), minn=0, maxn=0),
    "with n-grams of words alone": small(minn=0, maxn=0),
    "quantized": small(matrix=quantized(24, 3, 2, lengths=False)),
    "quantized, with lengths": small(matrix=quantized(24, 7, 3, lengths=True)),
    "quantized in one part": small(matrix=quantized(24, 3, 5, lengths=True)),
    "pruned": small(matrix=quantized(7, 4, 2, lengths=True), bucket=20, kept={17: 0, 3: 2, 11: 1}),
    "pruned of all n-grams": small(matrix=quantized(4, 4, 2, lengths=False), bucket=20, kept={}),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_form_of_a_model_gives_fasttexts_vectors(tmp_path, model):
    store = converted(tmp_path, model)
    store.verify()
    assert [word.encode() for word in store] == list(model.words)
    for word in model.words:
        np.testing.assert_array_equal(store[word.decode()], model.vector(word))
    if not model.places(b"unheard-of"):
        with pytest.raises(ValueError, match="n-gram"):
            store.lookup(UNSEEN, oov="subword")
        return
    vectors = store.lookup(UNSEEN, oov="subword")
    for word, vector in zip(UNSEEN, vectors, strict=True):
        np.testing.assert_array_equal(vector, model.vector(word.encode()))
        if word not in store:
            np.testing.assert_array_equal(store.subword_vector(word), vector)


@settings(max_examples=40, deadline=None)
@given(
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=20),
    minn=st.integers(0, 4),
    maxn=st.integers(1, 6),
    buckets=st.integers(1, 60),
    share=st.sampled_from([None, 0.5]),
)
def test_vectors_of_any_words_are_those_of_the_reference(tmp_path_factory, words, minn, maxn, buckets, share):
    kept = None if share is None else {b: i for i, b in enumerate(range(0, buckets, 2))}
    rows = 1 + (buckets if kept is None else len(kept))
    matrix = quantized(rows, 3, 2, lengths=False) if kept else numbers(3, rows, 3)
    model = Model([b"word"], matrix, minn=minn, maxn=maxn, bucket=buckets, kept=kept)
    store = converted(tmp_path_factory.mktemp("model"), model)
    if maxn < max(minn, 1):
        assert not store._has_subwords
        return
    reference = _reference.decode(store.path.read_bytes()).subwords
    made = np.empty((len(words), 3), np.float32)
    store._subword_vectors(words, made)
    assert made.tolist() == [reference.vector(word.encode()) for word in words]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
@pytest.mark.parametrize("name", ["skipgram", "pruned", "without a version"])
def test_the_specification_is_enough_to_write_the_very_same_file(tmp_path, name, dtype):
    model = MODELS[name]
    store = converted(tmp_path, model, dtype=dtype, normalize=name == "skipgram")
    kept = sorted(model.kept) if model.kept else None
    places = [model.kept[b] for b in kept] if kept else range(model.buckets)
    buckets = [tuple(model.rows[len(model.words) + place].tolist()) for place in places]
    subwords = model.subwords
    subwords.rows, subwords.kept, subwords.unit = buckets, kept, name == "skipgram"
    rows = np.array([model.vector(word) for word in model.words], np.float64)
    if name == "skipgram":
        rows /= np.sqrt((rows**2).sum(axis=1, keepdims=True))
    rows = rows.astype(np.float32).tolist()
    encoded = _reference.encode(
        model.words, rows, store.dim, store._metadata_json(), _reference.DTYPES.index(dtype), subwords
    )
    assert store.path.read_bytes() == encoded
    found = _reference.decode(encoded).subwords
    assert (found.minn, found.maxn, found.kept, found.of_eos) == (3, 6, kept, model.version is None)
    assert store.subword_vector("unheard-of").tolist() == pytest.approx(found.vector(b"unheard-of"), rel=1e-6)


def test_vectors_have_length_1_in_a_normalized_store(tmp_path):
    plain = converted(tmp_path, small()).subword_vector("unheard-of")
    store = converted(tmp_path, small(), normalize=True)
    assert np.linalg.norm(store["cat"]) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(store.subword_vector("unheard-of"), plain / np.linalg.norm(plain), rtol=1e-6)
    assert not store.subword_vector("").any()


def test_a_choice_of_words_keeps_all_ngrams(tmp_path):
    whole = converted(tmp_path, small())
    expected = whole.subword_vector("unheard-of"), whole["cat"]
    for options in ({"keep": ["cat"]}, {"limit": 2}, {"keep": []}):
        store = converted(tmp_path, small(), **options)
        assert len(store) == {"keep": len(options.get("keep", [])), "limit": 2}[next(iter(options))]
        np.testing.assert_array_equal(store.subword_vector("unheard-of"), expected[0])
        if "cat" in store:
            np.testing.assert_array_equal(store["cat"], expected[1])


def test_the_words_of_sent2vec_have_their_rows(tmp_path):
    """Its buckets are of n-grams of words, which no word has."""
    model = Model(
        [b"<PLACEHOLDER>", b"king", b"queen"],
        np.arange(24, dtype=np.float32).reshape(8, 3),
        minn=0,
        maxn=0,
        model=SENT2VEC,
    )
    (tmp_path / "model.bin").write_bytes(model.encode())
    embmap.convert(tmp_path / "model.bin", tmp_path / "v.embmap")
    store = embmap.open(tmp_path / "v.embmap")
    assert list(store) == ["<PLACEHOLDER>", "king", "queen"]
    assert np.array_equal(store.vectors, model.rows[:3])
    with pytest.raises(ValueError, match="this has none"):
        store.lookup(["unheard-of"], oov="subword")


def test_matrix_and_lookup_put_subword_vectors_where_words_are_missing(tmp_path):
    store = converted(tmp_path, small())
    vocab = {"cat": 2, "unheard-of": 0, "dogs": 5, "kitten": 4}
    matrix = store.matrix(vocab, oov="subword", padding_idx=1)
    assert (matrix.found, matrix.missing) == (["cat", "dogs"], ["unheard-of", "kitten"])
    for word, row in vocab.items():
        expected = store[word] if word in store else store.subword_vector(word)
        np.testing.assert_array_equal(matrix.array[row], expected)
    assert not matrix.array[[1, 3]].any()
    halves = store.matrix(vocab, oov="subword", dtype="float16").array
    np.testing.assert_array_equal(halves[4], store.subword_vector("kitten").astype(np.float16))
    out = np.full((3, 3), np.nan, np.float32)
    assert store.lookup(["x-ray", "cat", "tomcat"], oov="subword", out=out) is out
    np.testing.assert_array_equal(out[2], store.subword_vector("tomcat"))
    assert store.lookup([], oov="subword").shape == (0, 3)


def test_many_words_on_all_threads_are_each_words_own(tmp_path):
    store = converted(tmp_path, small(matrix=numbers(5, 4 + 997, 30)))
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdeé🙂", k=rng.randrange(12))) for _ in range(5000)]
    found = store.lookup(words, oov="subword")
    results = []
    threads = [threading.Thread(target=lambda: results.append(store.lookup(words, oov="subword"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(result, found) for result in results)
    for i in range(0, 5000, 101):
        np.testing.assert_array_equal(found[i], store.subword_vector(words[i]))


def test_a_store_without_ngrams_says_so(tmp_path):
    store = store_of(tmp_path, SMALL)
    for call in (lambda: store.lookup(["x"], oov="subword"), lambda: store.subword_vector("x")):
        with pytest.raises(ValueError, match="n-gram"):
            call()
    with pytest.raises(TypeError, match="str"):
        store.subword_vector(3)


def test_words_that_are_not_utf8_obey_errors(tmp_path):
    model = small(words=[b"</s>", b"caf\xe9", b"cat", b"dogs"])
    with pytest.raises(embmap.ParseError, match="not UTF-8") as raised:
        converted(tmp_path, model)
    assert raised.value.line == 2
    assert model.encode()[raised.value.byte_offset :].startswith(b"caf\xe9\0")
    store = converted(tmp_path, model, errors="replace")
    assert list(store) == ["</s>", "caf\ufffd", "cat", "dogs"]
    # Its vector is that of its own bytes.
    np.testing.assert_array_equal(store["caf\ufffd"], model.vector(b"caf\xe9"))
    assert list(converted(tmp_path, model, errors="ignore"))[1] == "caf"
    assert list(converted(tmp_path, model, on_bad_row="skip")) == ["</s>", "cat", "dogs"]


def test_duplicates_and_empty_words_obey_the_policies(tmp_path):
    twice = small(words=[b"a", b"b", b"a", b""])
    with pytest.raises(embmap.ParseError, match="empty") as raised:
        converted(tmp_path, twice)
    assert raised.value.line == 4
    for choice, place in (("first", 0), ("last", 2)):
        store = converted(tmp_path, twice, on_bad_row="skip", duplicates=choice)
        grams = twice.rows[[place, *twice.places(b"a")]].sum(axis=0) / 2
        np.testing.assert_allclose(store["a"], grams, rtol=1e-5)


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_a_model_of_any_size_gives_the_same_file_on_any_number_of_threads(tmp_path, block):
    words = [f"w{i}".encode() for i in range(40_000)]
    model = Model(words, numbers(6, 40_000 + 3_000, 6))
    one = converted(tmp_path, model, threads=1).path.read_bytes()
    many = converted(tmp_path, model, threads=4)
    assert many.path.read_bytes() == one
    for i in (0, 16_383, 16_384, 39_999):
        np.testing.assert_array_equal(many.vectors[i], model.vector(words[i]))


def packed(folder, how, data):
    path = folder / f"model.bin.{how}"
    if how == "gz":
        path.write_bytes(gzip.compress(data))
    elif how == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("readme.txt", "what it is")
            archive.writestr("model.bin", data)
    else:
        with tarfile.open(path, "w:xz") as archive:
            member = tarfile.TarInfo("model.bin")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("how", ["gz", "zip", "tar.xz"])
@pytest.mark.parametrize("name", ["skipgram", "without a version", "pruned"])
def test_a_packed_model_is_the_same_model(tmp_path, how, name):
    data = MODELS[name].encode()
    plain = converted(tmp_path, data)
    report = embmap.convert(packed(tmp_path, how, data), tmp_path / "packed.embmap")
    store = embmap.open(report.path)
    assert store.vectors.tobytes() == plain.vectors.tobytes()
    assert store.subword_vector("unheard-of").tobytes() == plain.subword_vector("unheard-of").tobytes()
    assert (report.bytes_read, report.checksum) == (len(data), f"crc32:{plain.metadata['source']['crc32']}")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".tmp") == []


def test_a_packed_model_that_is_damaged_is_an_error(tmp_path):
    data = small(matrix=numbers(8, 4 + 40_000, 3)).encode()
    path = packed(tmp_path, "gz", data)
    whole = path.read_bytes()
    for end in (len(whole) // 3, len(whole) - 4):
        path.write_bytes(whole[:end])
        for options in ({}, {"format": "fasttext"}):
            with pytest.raises(embmap.ParseError, match="gzip"):
                embmap.convert(path, tmp_path / "v.embmap", **options)
    assert [name.name for name in tmp_path.iterdir()] == [path.name]


def test_the_report_counts_all_of_the_file(tmp_path):
    source = tmp_path / "model.bin"
    source.write_bytes(small(labels=[b"__label__x"]).encode())
    seen = []
    report = embmap.convert(source, progress=lambda done, total: seen.append((done, total)))
    assert (report.path, report.rows, report.header_rows) == (tmp_path / "model.embmap", 4, 4)
    assert report.bytes_read == source.stat().st_size
    assert seen[-1] == (report.bytes_read, report.bytes_read)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_model_is_told_by_its_content_unless_the_format_is_given(tmp_path):
    store = converted(tmp_path, small(), format="fasttext")
    assert len(store) == 4
    with pytest.raises(embmap.ParseError, match="binary"):
        converted(tmp_path, small(), format="text")
    with pytest.raises(embmap.ParseError, match='format="text"'):
        converted(tmp_path, SMALL.encode(), format="fasttext")
    with pytest.raises(embmap.ParseError, match="expected vectors of dimension 5, found 3"):
        converted(tmp_path, small(), dim=5)


LIES = [
    ({"version": 13}, "version 13; embmap reads 11 to 12"),
    ({"version": 3}, "version 3"),
    ({"dim": -1}, "dim is -1"),
    ({"dim": 0}, "dim 0"),
    ({"dim": 2**31 - 1}, "2147483647 were expected"),
    ({"dim": 4}, "buckets of 4 were expected"),
    ({"model": 9}, "model 9"),
    ({"bucket": -5}, "-5 buckets"),
    ({"bucket": 2**31 - 1}, "2147483647 buckets"),
    ({"bucket": 0}, "4 words and 0 buckets"),
    ({"maxn": 2**31 - 1}, "2147483647 characters"),
    ({"minn": -1}, "-1 to 6 characters"),
    ({"size": 2**31 - 1, "nwords": 2**31 - 1}, "a dictionary of 2147483647 words"),
    ({"size": 5}, "make 5"),
    ({"nwords": 0}, "0 words"),
    ({"nwords": -4}, "cannot be negative"),
    ({"nwords": 3, "nlabels": 1}, "word 4 has type 0"),
    ({"pruned": 2**62}, "an index of 4611686018427387904"),
    ({"pruned": 0}, "4 words and 0 buckets|pruned"),
    ({"quantized": 2}, "is 2, not 0 or 1"),
    ({"rows": -1}, "a matrix of -1"),
    ({"rows": 23}, "a matrix of 23 × 3"),
    ({"rows": 2**62}, "a matrix of 4611686018427387904"),
    ({"columns": 2**40}, "a matrix of 24 × 1099511627776"),
    ({"columns": 0}, "a matrix of 24 × 0"),
]


@pytest.mark.parametrize(("changed", "reason"), LIES, ids=[str(changed) for changed, _ in LIES])
def test_a_model_that_lies_is_an_error(tmp_path, changed, reason):
    with pytest.raises(embmap.ParseError, match=reason):
        converted(tmp_path, small(changed=changed))
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ({17: 0, 3: 3}, "bucket 3 of 20 has row 3 of 2"),
        ({20: 0, 3: 1}, "bucket 20 of 20"),
        ({17: 0, -1: 1}, "cannot be negative"),
    ],
)
def test_an_index_of_pruned_buckets_that_lies_is_an_error(tmp_path, kept, reason):
    model = small(matrix=quantized(4 + len(kept), 3, 2, lengths=False), bucket=20, kept=kept)
    with pytest.raises(embmap.ParseError, match=reason):
        converted(tmp_path, model)


def test_a_pruned_model_of_floats_is_refused_as_fasttext_does(tmp_path):
    with pytest.raises(embmap.ParseError, match="pruned, but the matrix is not quantized"):
        converted(tmp_path, small(matrix=numbers(1, 5, 3), bucket=20, kept={3: 0}))


def test_a_quantizer_that_lies_is_an_error(tmp_path):
    model = small(matrix=quantized(24, 3, 2, lengths=True))
    data = model.encode()
    at = data.index(model.matrix.codes.tobytes()) + model.matrix.codes.size
    for place, value in ((0, 4), (4, 3), (8, 0), (8, 2**31 - 1), (12, 2), (-model.matrix.codes.size - 4, 49)):
        lying = bytearray(data)
        lying[at + place : at + place + 4] = value.to_bytes(4, "little")
        with pytest.raises(embmap.ParseError, match=r"quantizer|codes"):
            converted(tmp_path, bytes(lying))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_numbers_that_do_not_fit_are_errors(tmp_path, dtype):
    for row, value in ((1, np.nan), (9, np.inf), (9, 1e5)):
        matrix = numbers(1, 24, 3)
        matrix[row, 1] = value
        if value == 1e5 and dtype == "float32":
            assert converted(tmp_path, small(matrix=matrix), dtype=dtype)._has_subwords
            continue
        reason = "number 2 of 3" if row == 1 else f"n-gram bucket 5: number 2 of 3, .*(too large|no number) for {dtype}"
        with pytest.raises(embmap.ParseError, match=reason) as raised:
            converted(tmp_path, small(matrix=matrix), dtype=dtype)
        if row != 1:
            assert np.frombuffer(small(matrix=matrix).encode()[raised.value.byte_offset + 4 :][:4], "<f4") == value


@pytest.mark.parametrize("name", ["skipgram", "without a version", "pruned"])
def test_a_model_that_was_cut_short_is_an_error_wherever_it_ends(tmp_path, name):
    data = MODELS[name].encode()
    step = max(len(data) // 150, 1)
    for end in sorted({*range(0, len(data), step), *range(0, min(len(data), 160)), len(data) - 1}):
        with pytest.raises(embmap.ParseError):
            converted(tmp_path, data[:end], format="fasttext")
    with pytest.raises(embmap.ParseError, match="cut short"):
        converted(tmp_path, data[: len(data) - 8])


def test_damaged_models_never_do_worse_than_an_error(tmp_path):
    rng = random.Random(3)
    for model in (small(), small(matrix=quantized(24, 3, 2, lengths=True)), MODELS["pruned"]):
        data = model.encode()
        for _ in range(150):
            damaged = bytearray(data)
            for _ in range(rng.randrange(1, 4)):
                damaged[rng.randrange(min(len(data), 400))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            try:
                store = converted(tmp_path, bytes(damaged), format="fasttext", errors="replace")
                store.verify()
                if store._has_subwords:
                    store.lookup(UNSEEN, oov="subword")
            except embmap.ParseError:
                continue


def test_stores_from_strangers_do_no_harm(tmp_path):
    store = converted(tmp_path, MODELS["pruned"])
    data = bytearray(store.path.read_bytes())
    entry = next(at for at in range(128, 4096, 32) if data[at] == _reference.SUBWORDS)
    place = int.from_bytes(data[entry + 8 : entry + 16], "little")
    rng = random.Random(4)
    fields = [(4 * i, value) for i in range(9) for value in (0, 1, 2**31, 2**32 - 1, rng.randrange(2**32))]
    path = tmp_path / "stranger.embmap"
    for at, value in fields:
        damaged = bytearray(data)
        damaged[place + at : place + at + 4] = value.to_bytes(4, "little")
        path.write_bytes(damaged)
        with embmap.open(path) as opened:
            with contextlib.suppress(embmap.FormatError):
                opened.lookup(UNSEEN, oov="subword")
            if damaged != data:
                with pytest.raises(embmap.FormatError):
                    opened.verify()


# Published models, and the programs that made them.

PUBLISHED = ["crime-and-punishment.bin", "toy-model.bin", "lee_fasttext_new.bin"]
WORDS = ["преступник", "наказаньице", "Раскольников-2", "naïveté", "unheard-of", "日本語", "a", "", "computerization"]


def gensims(path):
    logging.getLogger("gensim").setLevel(logging.ERROR)
    return pytest.importorskip("gensim.models.fasttext").load_facebook_vectors(str(path))


def agree(store, theirs, words=WORDS):
    for word in store:
        # gensim gives the end of a line n-grams, which fastText since 2017 does not.
        if word != "</s>":
            np.testing.assert_allclose(store[word], theirs[word], rtol=0, atol=1e-6)
    for word in words:
        if word not in store:
            np.testing.assert_allclose(store.subword_vector(word), theirs[word], rtol=0, atol=1e-6)


@pytest.mark.real
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_gensims_vectors(data, tmp_path, name):
    source = data / "gensim" / name
    store = embmap.open(embmap.convert(source, tmp_path / "v.embmap").path)
    store.verify()
    theirs = gensims(source)
    assert list(store) == theirs.index_to_key
    agree(store, theirs)


@pytest.mark.parametrize("name", ["lee_fasttext.bin", "non_ascii_fasttext.bin"])
def test_models_of_the_old_format_have_gensims_vectors(tmp_path, name):
    source = pytest.importorskip("gensim.test.utils").datapath(name)
    store = embmap.open(embmap.convert(source, tmp_path / "v.embmap").path)
    theirs = gensims(source)
    agree(store, theirs)
    if "</s>" in store:
        # In this format the end of a line has n-grams, in fastText as in gensim.
        np.testing.assert_allclose(store["</s>"], theirs["</s>"], rtol=0, atol=1e-6)


@pytest.mark.real
@pytest.mark.parametrize("name", ["crime-and-punishment", "toy-model"])
def test_a_model_has_the_vectors_of_its_own_text(data, tmp_path, name):
    model = embmap.open(embmap.convert(data / f"gensim/{name}.bin", tmp_path / "bin.embmap").path)
    text = embmap.open(embmap.convert(data / f"gensim/{name}.vec", tmp_path / "vec.embmap").path)
    assert list(model) == list(text)
    # The end of a line, too.
    np.testing.assert_allclose(model.vectors, text.vectors, rtol=0, atol=5e-6)


TEXT = "__label__a the cat sat on the mat\n__label__b dogs bark loudly at night, ñandú\n" * 100


@pytest.fixture(scope="module")
def fasttext():
    module = pytest.importorskip("fasttext")
    # It would warn on stderr at each load.
    module.FastText.eprint = lambda *_: None
    return module


def trained(fasttext, folder, kind):
    text, model = folder / "text.txt", folder / "model.bin"
    # An output is quantized from 256 labels on.
    labels = "".join(f"__label__{i} the cat\n" for i in range(256 if "output" in kind else 0))
    text.write_text(TEXT + labels, encoding="utf-8")
    quiet = {"dim": 10, "epoch": 2, "lr": 0.05, "minCount": 1, "thread": 1, "verbose": 0}
    if kind in ("skipgram", "cbow"):
        made = fasttext.train_unsupervised(str(text), kind, bucket=300, **quiet)
    elif kind == "without n-grams":
        made = fasttext.train_unsupervised(str(text), minn=0, maxn=0, **quiet)
    elif kind == "classifier":
        made = fasttext.train_supervised(str(text), **quiet)
    else:
        made = fasttext.train_supervised(str(text), minn=2, maxn=4, wordNgrams=2, bucket=500, **quiet)
    if kind.startswith("quantized"):
        cutoff = {"cutoff": 300} if "pruned" in kind else {}
        made.quantize(str(text), qnorm="lengths" in kind, qout="output" in kind, dsub=3, verbose=0, **cutoff)
    made.save_model(str(model))
    return fasttext.load_model(str(model)), model


@pytest.mark.parametrize(
    "kind",
    [
        "skipgram",
        "cbow",
        "without n-grams",
        "classifier",
        "classifier with n-grams",
        "quantized",
        "quantized with lengths and output",
        "quantized and pruned",
        "quantized and pruned with lengths",
    ],
)
def test_models_that_fasttext_trains_have_its_vectors(fasttext, tmp_path, kind):
    theirs, source = trained(fasttext, tmp_path, kind)
    store = embmap.open(embmap.convert(source, tmp_path / "v.embmap").path)
    store.verify()
    assert list(store) == theirs.get_words()
    for word in store:
        np.testing.assert_allclose(store[word], theirs.get_word_vector(word), rtol=0, atol=1e-7)
    assert store._has_subwords == (kind not in ("without n-grams", "classifier"))
    if store._has_subwords:
        for word in UNSEEN:
            expected = theirs.get_word_vector(word)
            np.testing.assert_allclose(store.lookup([word], oov="subword")[0], expected, rtol=0, atol=1e-7)


@pytest.mark.real
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_fasttexts_vectors(fasttext, data, tmp_path, name):
    theirs = fasttext.load_model(str(data / "gensim" / name))
    store = embmap.open(embmap.convert(data / "gensim" / name, tmp_path / "v.embmap").path)
    for word in [*store, *WORDS]:
        vector = store.lookup([word], oov="subword")[0]
        np.testing.assert_allclose(vector, theirs.get_word_vector(word), rtol=0, atol=1e-7)
