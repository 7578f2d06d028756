"""docs/format.md: two writers agree, old files open, files from strangers do no harm."""

import contextlib
import random
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, convert_text, store_of
from hypothesis import given, settings
from hypothesis import strategies as st

import embmap
from embmap import _reference

GOLDEN = Path(__file__).parent / "data"


def reference_bytes(store: embmap.Store) -> bytes:
    words = [word.encode() for word in store]
    return _reference.encode(words, store.vectors.tolist(), store.dim, store._metadata_json())


@pytest.mark.parametrize(
    "text", [SMALL, "0 3\n", "w 1\n", "zero 0 0\nx 1e-45 3e38\n", "".join(f"w{i} {i} {i}.5\n" for i in range(3000))]
)
def test_the_specification_is_enough_to_write_the_very_same_file(tmp_path, text):
    store = store_of(tmp_path, text, header=False if text.startswith("w 1") else "auto")
    assert store.path.read_bytes() == reference_bytes(store)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\n\r ", exclude_categories=["Cs"]), min_size=1, max_size=40),
        unique=True,
        min_size=1,
    )
)
def test_the_specification_is_enough_to_read_any_store(tmp_path_factory, words):
    folder = tmp_path_factory.mktemp("words")
    text = f"{len(words)} 2\n" + "".join(f"{word} {i} 0.5\n" for i, word in enumerate(words))
    store = store_of(folder, text)
    found = _reference.decode(store.path.read_bytes())
    assert [word.decode() for word in found.words] == words == list(store)
    for i, word in enumerate(words):
        assert found.find(word.encode()) == i == store.index(word)
        other = word + "\u0301?"
        assert (found.find(other.encode()) is None) == (other not in store)
    assert found.rows == [tuple(row) for row in store.vectors.tolist()]
    assert found.statistics == store.statistics().ravel().tolist()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("v1-*.embmap")), ids=lambda path: path.stem)
def test_a_file_of_version_1_opens_for_ever(path, monkeypatch):
    # They were written when a bucket had four words on average.
    monkeypatch.setattr(_reference, "BUCKET_WORDS", 4)
    store = embmap.open(path)
    text = path.with_name(path.name.split(".")[0] + ".txt")
    expected = list(_reference.parse_text(text.read_bytes(), store.dim))
    store.verify()
    words, rows = [word for word, _ in expected], [row for _, row in expected]
    assert [word.encode() for word in store] == words
    assert store.indices([word.decode() for word in words]).tolist() == list(range(len(store)))
    code = _reference.DTYPES.index(str(store.dtype))
    assert _reference.encode(words, rows, store.dim, store._metadata_json(), code) == path.read_bytes()
    values = [_reference.load_row(*_reference.store_row(row, code), code) for row in rows]
    assert store.take(range(len(store))).tolist() == [list(row) for row in values]


def test_optional_sections_of_version_1_are_read_for_ever():
    plain = embmap.open(GOLDEN / "v1-small.embmap")
    for name in ("optional-v1-screen", "optional-v1-planes"):
        screened = embmap.open(GOLDEN / f"{name}.embmap")
        screened.verify()
        for word in plain:
            assert screened.most_similar(word, topn=3) == plain.most_similar(word, topn=3)
    for name, off in (("optional-v1-subwords", 0), ("optional-v1-subwords.int8", 0.02), ("optional-v1-floret", 0)):
        store = embmap.open(GOLDEN / f"{name}.embmap")
        store.verify()
        for line in (GOLDEN / f"{name.removesuffix('.int8')}.txt").read_text(encoding="utf-8").splitlines():
            word, *numbers = line.split(" ")
            np.testing.assert_allclose(store.subword_vector(word), np.float32(numbers), rtol=0, atol=off)


def test_an_index_of_several_parts(tmp_path):
    rows = [(f"w{i}", [float(i % 7)]) for i in range(70_000)]
    store = store_of(tmp_path, f"{len(rows)} 1\n" + "".join(f"{word} {row[0]}\n" for word, row in rows), header=True)
    found = _reference.decode(store.path.read_bytes())
    assert len(found.pilots) == 2 * _reference.PART_BUCKETS
    assert all(found.find(word.encode()) == i for i, (word, _) in enumerate(rows[::97]) for i in [i * 97])
    assert (found.seed, found.pilots, found.slots) == _reference.build_index([word.encode() for word, _ in rows])


def test_there_are_golden_files():
    dtypes = {str(embmap.open(path).dtype) for path in GOLDEN.glob("v1-*.embmap")}
    assert dtypes == set(_reference.DTYPES)


def mended(data: bytearray) -> bytes:
    """`data` with the header checksum that its header now has: what a stranger with intent would write."""
    data[68:72] = bytes(4)
    data[68:72] = struct.pack("<I", zlib.crc32(data[:4096]))
    return bytes(data)


def exercise(path: Path) -> None:
    """Call everything; any outcome but a crash or a foreign exception is fine."""
    words = ["king", "queen", "man", "unheard-of", "", "apple", "x" * 70_000]
    try:
        store = embmap.open(path)
    except embmap.FormatError:
        return
    for call in (
        lambda: store.indices(words * 100),
        lambda: store.lookup(words),
        lambda: [store.get(word) for word in words],
        lambda: store.words[:],
        lambda: store.metadata,
        lambda: store.matrix(words[:4], oov="fitted"),
        lambda: store.take(range(len(store))),
        lambda: store.neighbors(np.ones(store.dim, np.float32), 3),
        lambda: store.verify(),
        lambda: float(np.nansum(store.vectors[-1:])),
    ):
        with contextlib.suppress(embmap.FormatError, ValueError, KeyError):
            call()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_file_from_a_stranger_cannot_crash_the_process(tmp_path):
    good = store_of(tmp_path, SMALL).path.read_bytes()
    rng = random.Random(0)
    path = tmp_path / "bad.embmap"
    for _ in range(600):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            # Mostly the header and the sections behind the matrix, where offsets are.
            at = rng.choice([rng.randrange(400), rng.randrange(4096, len(data))])
            size = rng.choice([1, 1, 4, 8])
            value = rng.choice([0, 1, rng.getrandbits(64), 2**64 - 1, 2**32 - 1, 2**31, 2**63])
            data[at : at + size] = value.to_bytes(8, "little")[:size]
        path.write_bytes(mended(data[: len(good)]))
        exercise(path)
    for length in [0, 1, 7, 8, 100, 4095, 4096, 4097, len(good) - 1]:
        path.write_bytes(good[:length])
        with pytest.raises(embmap.FormatError):
            embmap.open(path)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"\x89EMBMAT", "not an embmap store"),
        (8, struct.pack("<I", 2), "later version of embmap"),
        (12, struct.pack("<I", 1), "later version of embmap"),
        (16, struct.pack("<I", 9), "later version of embmap"),
        (20, struct.pack("<I", 0), "corrupt"),
        (20, struct.pack("<I", 5), "corrupt"),
        (24, struct.pack("<Q", 2**63), "corrupt"),
        (24, struct.pack("<Q", 5), "corrupt"),
        (32, struct.pack("<Q", 5), "something stands behind the store"),
        (64, struct.pack("<I", 10**6), "corrupt"),
        (136, struct.pack("<Q", 2**64 - 4096), "corrupt"),
        (136, struct.pack("<Q", 4097), "corrupt"),
        (160, struct.pack("<I", 1), "corrupt"),
    ],
)
def test_a_header_that_lies_is_refused_by_name(tmp_path, at, value, message):
    path = store_of(tmp_path, SMALL).path
    data = bytearray(path.read_bytes())
    data[at : at + len(value)] = value
    path.write_bytes(mended(data))
    with pytest.raises(embmap.FormatError, match=message) as raised:
        embmap.open(path)
    assert str(path) in str(raised.value)


def test_an_unknown_section_is_skipped_or_refused_as_it_says(tmp_path):
    path = store_of(tmp_path, SMALL).path
    data = bytearray(path.read_bytes())
    entry = 128 + 8 * 32
    for required, opens in ((0, True), (1, False)):
        data[64:68] = struct.pack("<I", 9)
        data[entry : entry + 32] = struct.pack("<IIQQII", 77, required, 4096, 8, 0, 0)
        path.write_bytes(mended(data))
        if opens:
            assert embmap.open(path)["king"].shape == (4,)
        else:
            with pytest.raises(embmap.FormatError, match="section 77 is required and unknown"):
                embmap.open(path)


def test_verify_finds_every_flipped_byte(tmp_path):
    store = store_of(tmp_path, SMALL)
    store.verify()
    good = store.path.read_bytes()
    sections = [struct.unpack_from("<QQ", good, 128 + i * 32 + 8) for i in range(8)]
    path = tmp_path / "flipped.embmap"
    for offset, length in sections:
        for at in (offset, offset + length // 2, offset + length - 1):
            data = bytearray(good)
            data[at] ^= 0x10
            path.write_bytes(data)
            with embmap.open(path) as flipped, pytest.raises(embmap.FormatError, match="checksum"):
                flipped.verify()


def test_verify_finds_what_checksums_cannot(tmp_path):
    """A stranger can make the checksums fit; the contents must still agree with each other."""
    path = store_of(tmp_path, SMALL).path
    data = bytearray(path.read_bytes())
    for i, what in ((1, "norm"), (3, "index"), (5, "word")):
        changed = bytearray(data)
        offset, length = struct.unpack_from("<QQ", data, 128 + i * 32 + 8)
        changed[offset : offset + length] = changed[offset : offset + length][::-1]
        struct.pack_into("<I", changed, 128 + i * 32 + 24, zlib.crc32(changed[offset : offset + length]))
        path.write_bytes(mended(changed))
        with embmap.open(path) as store, pytest.raises(embmap.FormatError, match=what):
            store.verify()


def test_a_store_is_no_larger_than_it_need_be(tmp_path):
    text = "".join(f"word{i:06d} " + " ".join(["0.5"] * 300) + "\n" for i in range(2000))
    report = convert_text(tmp_path, text)
    assert report.bytes_written <= 1.03 * 2000 * 300 * 4 + 4096


def test_a_copied_file_is_the_same_store(tmp_path, store):
    copy = shutil.copy(store.path, tmp_path / "copy.embmap")
    assert embmap.open(copy).identity == store.identity


@pytest.mark.parametrize("dim", [2**23 + 1, 2**28, 2**32 - 1])
def test_rows_that_no_memory_could_hold_are_refused_at_once(tmp_path, dim):
    whole = bytearray(_reference.encode([], [], 3, "{}"))
    struct.pack_into("<I", whole, 20, dim)
    struct.pack_into("<I", whole, 68, 0)
    struct.pack_into("<I", whole, 68, zlib.crc32(whole[:4096]))
    (tmp_path / "w.embmap").write_bytes(whole)
    with pytest.raises(embmap.FormatError, match=f"0 rows of {dim} numbers"):
        embmap.open(tmp_path / "w.embmap")
    with pytest.raises(ValueError, match="dim must be between 1 and 8388608"):
        embmap.write(tmp_path / "o.embmap", [], np.empty((0, dim), np.float32))


def test_verify_proves_every_byte(tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 5)).astype("f4")
    embmap.write(tmp_path / "a.embmap", [f"w{i}" for i in range(20)], rows, metadata={"x": 1})
    data = (tmp_path / "a.embmap").read_bytes()
    for at in range(4096, len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1
        (tmp_path / "b.embmap").write_bytes(damaged)
        with pytest.raises(embmap.FormatError), embmap.open(tmp_path / "b.embmap") as store:
            store.verify()


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        (8, np.full(10, np.nan).tobytes(), "statistics have a number that is not finite"),
        (7, b"[1, 2]", "metadata are no JSON object"),
        (7, b"\xff{}", "metadata are no JSON object"),
        (7, b"[" * 100_000, "metadata are no JSON object"),
    ],
)
def test_verify_looks_at_what_checksums_cover(tmp_path, kind, content, said):
    """A file that is sealed anew around what means nothing."""
    embmap.write(tmp_path / "a.embmap", ["a", "b"], np.ones((2, 5)))
    data = bytearray((tmp_path / "a.embmap").read_bytes())
    entries = range(128, 128 + 32 * struct.unpack_from("<I", data, 64)[0], 32)
    entry = next(at for at in entries if struct.unpack_from("<I", data, at)[0] == kind)
    offset, length = struct.unpack_from("<QQ", data, entry + 8)
    data[offset : offset + length] = bytes(length)
    # At the end of the file, at a multiple of 64.
    data += bytes(-len(data) % 64)
    struct.pack_into("<QQI", data, entry + 8, len(data), len(content), zlib.crc32(content))
    data += content
    struct.pack_into("<Q", data, 32, len(data))
    data[68:72] = bytes(4)
    data[68:72] = struct.pack("<I", zlib.crc32(data[:4096]))
    (tmp_path / "b.embmap").write_bytes(data)
    with embmap.open(tmp_path / "b.embmap") as store, pytest.raises(embmap.FormatError, match=said):
        store.verify()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("number", [np.inf, np.nan, -np.inf, np.finfo(np.float32).max, -2.5e38])
@pytest.mark.parametrize("screen", [False, True])
@pytest.mark.parametrize("kind", [1, 2])
def test_rows_and_norms_that_do_not_fit_are_no_crash_of_a_search(tmp_path, kind, number, screen):
    rows = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    embmap.write(tmp_path / "a.embmap", [f"w{i}" for i in range(40)], rows, screen=screen)
    data = bytearray((tmp_path / "a.embmap").read_bytes())
    entry = next(at for at in range(128, 1000, 32) if struct.unpack_from("<I", data, at)[0] == kind)
    offset, length = struct.unpack_from("<QQ", data, entry + 8)
    data[offset : offset + 4] = struct.pack("<f", number)
    struct.pack_into("<I", data, entry + 24, zlib.crc32(data[offset : offset + length]))
    (tmp_path / "b.embmap").write_bytes(mended(data))
    with embmap.open(tmp_path / "b.embmap") as store:
        for queries in (1, 2, 5, 6, 9, 16, 17):
            with contextlib.suppress(embmap.FormatError, ValueError):
                ids, _ = store.neighbors(rows[1 : queries + 1], k=3)
                assert ((ids >= 0) & (ids < 40)).all()
