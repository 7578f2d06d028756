"""finalfusion's files, as its own packages write them: words, numbers, lengths, n-grams, quantized or not."""

import gzip
import struct

import numpy as np
import pytest
from fasttext_model import Model

import embmap

WORDS = ["king", "queen", "new york", "straße"]
ROWS = np.array([[0.5, -0.5, 0.5, 0.5], [0.8, 0, 0.6, 0], [0, 0, 0, 1], [0.6, 0, 0, -0.8]], np.float32)
NORMS = np.array([2, 0.25, 3, 1.1], np.float32)


def chunk(kind, content):
    return struct.pack("<IQ", kind, len(content)) + content


def file_of(*chunks):
    """Give a file; a chunk that is a function is given the place where its content begins."""
    head = 12 + 4 * len(chunks)
    made, kinds = b"", b""
    for one in chunks:
        written = one(head + len(made) + 12) if callable(one) else one
        kinds += written[:4]
        made += written
    return b"FiFu" + struct.pack("<II", 0, len(chunks)) + kinds + made


def texts(words):
    return b"".join(struct.pack("<I", len(word.encode())) + word.encode() for word in words)


def padding(place):
    return bytes(4 - place % 4)


def vocabulary(words=WORDS):
    return chunk(1, struct.pack("<Q", len(words)) + texts(words))


def array(rows=ROWS, number=10):
    def at(place):
        return chunk(2, struct.pack("<QII", *rows.shape, number) + padding(place + 16) + rows.astype("<f4").tobytes())

    return at


def lengths(norms=NORMS):
    return lambda place: chunk(6, struct.pack("<QI", len(norms), 10) + padding(place + 12) + norms.tobytes())


def quantized(codes, table, projection=None, norms=None, types=(1, 10)):
    parts, centroids, width = table.shape

    def at(place):
        head = (projection is not None, norms is not None, parts, parts * width, centroids, len(codes), *types)
        numbers = [part.astype("<f4").tobytes() for part in (projection, table, norms) if part is not None]
        return chunk(4, struct.pack("<IIIIIQII", *head) + padding(place + 36) + b"".join(numbers) + codes.tobytes())

    return at


def store_of(folder, *chunks, **options):
    (folder / "v.fifu").write_bytes(file_of(*chunks))
    return embmap.open(embmap.convert(folder / "v.fifu", folder / "v.embmap", **options).path)


@pytest.mark.real
def test_a_published_file_is_its_word2vec_export(data, tmp_path):
    with embmap.open(embmap.convert(data / "finalfusion-rust/similarity.fifu", tmp_path / "v.embmap").path) as store:
        exported = embmap.open(embmap.convert(data / "finalfusion-rust/similarity.bin", tmp_path / "w.embmap").path)
        assert list(store) == list(exported)
        assert np.array_equal(store.vectors, exported.vectors)


@pytest.mark.parametrize("metadata", [b"", b"x", b"four"])
def test_rows_are_as_long_as_they_were(tmp_path, metadata):
    """Wherever the numbers begin, which are padded to four bytes by one to four."""
    with store_of(tmp_path, vocabulary(), chunk(5, metadata), array()) as store:
        assert list(store) == WORDS
        assert np.array_equal(store.vectors, ROWS)
    with store_of(tmp_path, vocabulary(), chunk(5, metadata), array(), lengths()) as store:
        assert np.array_equal(store.vectors, ROWS * NORMS[:, None])
    with store_of(tmp_path, vocabulary(), array(), lengths(), normalize=True) as store:
        assert np.allclose(store.vectors, ROWS)
    assert embmap.convert(tmp_path / "v.fifu").path == tmp_path / "v.embmap"


def test_unseen_words_have_vectors_by_the_ngrams_of_fasttext(tmp_path):
    random = np.random.default_rng(0)
    rows = random.standard_normal((4 + 50, 8), np.float32)
    model = Model([word.encode() for word in WORDS], rows, bucket=50, minn=2, maxn=4).encode()
    (tmp_path / "m.bin").write_bytes(model)
    words = chunk(7, struct.pack("<QIII", 4, 2, 4, 50) + texts(WORDS))
    unit = rows / np.r_[np.linalg.norm(rows[:4], axis=1), np.ones(50)].astype(np.float32)[:, None]
    norms = np.linalg.norm(rows[:4], axis=1).astype(np.float32)
    with (
        store_of(tmp_path, words, array(unit), lengths(norms)) as store,
        embmap.open(embmap.convert(tmp_path / "m.bin").path) as fasttext,
    ):
        unseen = ["kings", "z", "königin"]
        assert np.array_equal(store.lookup(unseen, oov="subword"), fasttext.lookup(unseen, oov="subword"))
        assert np.allclose(store.vectors, rows[:4])


@pytest.mark.parametrize(
    "words",
    [
        chunk(3, struct.pack("<QIII", 4, 3, 6, 3) + texts(WORDS)),
        # finalfusion-python writes a length that leaves the numbers of the n-grams out.
        struct.pack("<IQ", 8, 7)
        + struct.pack("<QQII", 4, 2, 3, 6)
        + texts(WORDS)
        + b"".join(texts([gram]) + struct.pack("<Q", i) for i, gram in enumerate(["<ki", "ing"])),
    ],
    ids=["buckets", "explicit"],
)
def test_of_finalfusions_own_ngrams_there_are_the_words(tmp_path, words):
    with store_of(tmp_path, words, array(np.vstack([ROWS, np.ones((8, 4), np.float32)])), lengths()) as store:
        assert list(store) == WORDS
        assert np.array_equal(store.vectors, ROWS * NORMS[:, None])
        with pytest.raises(ValueError, match="n-grams"):
            store.lookup(["kings"], oov="subword")


@pytest.mark.parametrize("is_projected", [False, True])
@pytest.mark.parametrize("own", [None, NORMS])
def test_quantized_rows_are_put_together(tmp_path, is_projected, own):
    random = np.random.default_rng(1)
    table = random.standard_normal((2, 3, 2), np.float32)
    codes = np.array([[0, 1], [2, 2], [1, 0], [0, 0]], np.uint8)
    turn = np.linalg.qr(random.standard_normal((4, 4)))[0].astype(np.float32) if is_projected else None
    expected = np.stack([np.concatenate([table[0, a], table[1, b]]) for a, b in codes])
    expected = expected @ turn.T if is_projected else expected
    expected = expected if own is None else expected * own[:, None]
    with store_of(tmp_path, vocabulary(), quantized(codes, table, turn, own)) as store:
        assert np.allclose(store.vectors, expected, rtol=1e-6)
    with store_of(tmp_path, vocabulary(), quantized(codes, table, turn, own), lengths()) as store:
        assert np.allclose(store.vectors, expected * NORMS[:, None], rtol=1e-6)


CODES, TABLE = np.zeros((4, 2), np.uint8), np.ones((2, 3, 2), np.float32)


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([array()], "has no words"),
        ([vocabulary()], "has no numbers"),
        ([vocabulary(), array(ROWS[:3])], "3 rows of 4, but 4 words"),
        ([vocabulary(), array(), lengths(NORMS[:3])], "3 lengths of rows, but 4 words"),
        ([chunk(7, struct.pack("<QIII", 4, 3, 6, 9) + texts(WORDS)), array()], "4 rows, but 4 words and 9 n-grams"),
        ([vocabulary(), array(number=1)], "numbers of type 1, expected 10"),
        ([vocabulary(), vocabulary(), array()], "a chunk of kind 1 is not known, or comes twice"),
        ([vocabulary(), chunk(99, b""), array()], "a chunk of kind 99 is not known"),
        ([chunk(1, struct.pack("<QI", 1, 2) + b"\xff\xfe"), array()], r"the word b'\\xff\\xfe' is not UTF-8"),
        ([vocabulary(), quantized(CODES + 3, TABLE)], "a part that does not exist"),
        ([vocabulary(), quantized(CODES, TABLE, types=(10, 10))], "numbers of type 10, expected 1"),
        ([vocabulary(), quantized(CODES[:, :0], TABLE[:0])], "0 numbers in 0 parts"),
        ([chunk(1, struct.pack("<Q", 1 << 60)), array()], "was cut short"),
        ([vocabulary(), chunk(2, struct.pack("<QII", 1 << 60, 1 << 31, 10) + bytes(4))], "was cut short"),
        ([vocabulary(), chunk(5, b"")[:-1] + b"\xff"], "was cut short"),
        ([vocabulary() + chunk(5, b""), array()], "a chunk of kind 5, expected 2"),
    ],
)
def test_damaged_files_are_refused(tmp_path, chunks, reason):
    (tmp_path / "v.fifu").write_bytes(file_of(*chunks))
    with pytest.raises(embmap.ParseError, match=reason):
        embmap.convert(tmp_path / "v.fifu")
    assert not (tmp_path / "v.embmap").exists()


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path):
    whole = file_of(vocabulary(), array(), lengths())
    for end in range(8, len(whole)):
        (tmp_path / "v.fifu").write_bytes(whole[:end])
        with pytest.raises(embmap.ParseError, match="a finalfusion file that was cut short"):
            embmap.convert(tmp_path / "v.fifu")


def test_what_is_packed_says_so(tmp_path):
    (tmp_path / "v.fifu.gz").write_bytes(gzip.compress(file_of(vocabulary(), array())))
    with pytest.raises(embmap.ParseError, match="finalfusion file, which convert\\(\\) reads where it is a plain file"):
        embmap.convert(tmp_path / "v.fifu.gz")
    (tmp_path / "v.fifu").write_bytes(file_of(vocabulary(), array()))
    with pytest.raises(embmap.ParseError, match="its words are its own"):
        embmap.convert(tmp_path / "v.fifu", words=WORDS)
