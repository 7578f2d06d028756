"""Stores with a screening copy: the same answers, whatever the vectors."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import embmap
from embmap import _reference


def both(folder, vectors, **options):
    """Open a store of vectors without and with the copy."""
    text = "".join(f"w{i} {' '.join(map(repr, row))}\n" for i, row in enumerate(vectors.tolist()))
    (folder / "v.txt").write_text(text)
    for name, screen in (("plain", False), ("screened", True)):
        embmap.convert(folder / "v.txt", folder / f"{name}.embmap", screen=screen, **options)
        yield embmap.open(folder / f"{name}.embmap")


def clustered(seed, rows=4_000, dim=24):
    """Vectors of which many are nearly the same, some the same, some zeros."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, dim))
    vectors = centres[rng.integers(0, 20, rows)] + rng.normal(size=(rows, dim)) * rng.choice([0, 1e-4, 0.1], (rows, 1))
    vectors *= rng.choice([1e-3, 1, 50], (rows, 1))
    vectors[rng.integers(0, rows, 5)] = 0
    return vectors.astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_the_nearest_are_the_same_with_and_without(tmp_path, dtype):
    plain, screened = both(tmp_path, clustered(1), dtype=dtype)
    screened.verify()
    rng = np.random.default_rng(2)
    queries = [plain.vectors[7].astype(np.float32), rng.normal(size=24).astype(np.float32), np.zeros(24, np.float32)]
    for query in queries:
        for k in (1, 10, 62):
            for restrict in (None, 3_000):
                _, cosines = screened.neighbors(query, k, restrict=restrict)
                # Which of rows that are nearly the same come first is for float64 to say.
                np.testing.assert_allclose(cosines, plain.neighbors(query, k, restrict=restrict)[1], atol=1e-6)
    words = ["w1", "w2", "w3"]
    np.testing.assert_allclose(screened.neighbors(words, 10)[1], plain.neighbors(words, 10)[1], atol=1e-6)
    assert "w6" not in dict(screened.most_similar("w5", topn=5, exclude=["w6"]))


def test_a_store_whose_rows_are_all_the_same(tmp_path):
    plain, screened = both(tmp_path, np.ones((70_000, 3), np.float32))
    assert screened.neighbors("w9", 5)[0].tolist() == plain.neighbors("w9", 5)[0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dim", [2, 24, 25])
def test_the_copy_is_what_the_format_says(tmp_path, dim):
    vectors = clustered(3, rows=50, dim=dim)
    plain, screened = both(tmp_path, vectors)
    data = screened.path.read_bytes()
    count = struct.unpack_from("<I", data, 64)[0]
    table = {
        kind: (offset, length)
        for kind, _, offset, length, _ in (struct.unpack_from("<IIQQI", data, 128 + 32 * i) for i in range(count))
    }
    highs, lows, bounds = zip(*map(_reference.planes_of_row, vectors.tolist()), strict=True)
    offset, length = table[_reference.PLANES]
    assert data[offset : offset + length] == b"".join(highs + lows)
    offset, length = table[_reference.PLANE_BOUNDS]
    assert data[offset : offset + length] == b"".join(struct.pack("<50f", *part) for part in zip(*bounds, strict=True))
    assert screened.nbytes > plain.nbytes
    assert _reference.decode(data).words == _reference.decode(plain.path.read_bytes()).words


def test_a_copy_of_other_vectors_is_found_by_verify(tmp_path):
    _, screened = both(tmp_path, clustered(4, rows=50))
    assert screened.verify() is None
    data = bytearray(screened.path.read_bytes())
    entries = (struct.unpack_from("<IIQQ", data, 128 + 32 * i) for i in range(20))
    data[next(offset for kind, _, offset, _ in entries if kind == _reference.PLANES)] ^= 1
    (tmp_path / "bad.embmap").write_bytes(data)
    with pytest.raises(embmap.FormatError, match="Planes"):
        embmap.open(tmp_path / "bad.embmap").verify()


@given(st.integers(0, 2**32 - 1))
def test_no_neighbour_is_lost(tmp_path_factory, seed):
    plain, screened = both(tmp_path_factory.mktemp("screen"), clustered(seed, rows=300, dim=5))
    query = np.random.default_rng(seed).normal(size=5).astype(np.float32)
    ids, cosines = screened.neighbors(query, 4)
    rows = plain.vectors.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query.astype(np.float64))
    truth = np.divide(rows @ query.astype(np.float64), lengths, out=np.zeros(len(rows)), where=lengths > 0)
    np.testing.assert_allclose(cosines, np.sort(truth)[::-1][:4], atol=1e-7)
    np.testing.assert_allclose(truth[ids], cosines, atol=1e-7)


def test_what_is_written_from_memory_can_have_the_copy_too(tmp_path):
    vectors = clustered(6, rows=500)
    words = [f"w{i}" for i in range(len(vectors))]
    embmap.write(tmp_path / "plain.embmap", words, vectors)
    embmap.write(tmp_path / "screened.embmap", words, vectors, screen=True)
    plain, screened = embmap.open(tmp_path / "plain.embmap"), embmap.open(tmp_path / "screened.embmap")
    screened.verify()
    assert screened.nbytes > plain.nbytes
    for query in ("w1", ["w1", "w2"], vectors[:9] + 1):
        for found, expected in zip(screened.neighbors(query, 7), plain.neighbors(query, 7), strict=True):
            np.testing.assert_array_equal(found, expected)
    again = embmap.from_arrow(plain, tmp_path / "again.embmap", screen=True)
    assert again.path.read_bytes() == screened.path.read_bytes()
    converted = embmap.from_gensim(plain.to_gensim(), tmp_path / "gensim.embmap", screen=True)
    assert converted.path.read_bytes() == screened.path.read_bytes()
