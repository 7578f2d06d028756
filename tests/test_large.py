"""Sizes at which numbers of 32 bits end, or nearly: many words, wide rows, places past 4 GiB."""

import struct
import sys
import zlib

import numpy as np
import pytest

import embmap
from embmap import _reference


def lines(count: int) -> bytes:
    """Rows `w0000000 0.5 1` of as many words, made at once."""
    row = np.frombuffer(b"w0000000 0.5 1\n", np.uint8)
    text = np.tile(row, (count, 1))
    left = np.arange(count)
    for digit in range(7, 0, -1):
        text[:, digit] += (left % 10).astype(np.uint8)
        left //= 10
    return text.tobytes()


def test_ten_million_words(tmp_path):
    count = 10_000_000
    with (tmp_path / "v.txt").open("wb") as file:
        file.write(lines(count))
    report = embmap.convert(tmp_path / "v.txt", tmp_path / "v.embmap")
    (tmp_path / "v.txt").unlink()
    assert (report.rows, report.duplicates) == (count, 0)
    with embmap.open(report.path) as store:
        ids = np.random.default_rng(1).integers(0, count, 100_000)
        assert np.array_equal(store.indices([f"w{i:07}" for i in ids.tolist()]), ids)
        assert (store.indices([f"x{i:07}" for i in ids.tolist()]) == -1).all()
        assert store.word(count - 1) == "w9999999"
        store.verify()


def test_rows_of_many_numbers(tmp_path):
    rows = np.random.default_rng(3).normal(size=(3, 65_536)).astype(np.float32)
    words = ["a", "b", "c"]
    text = "".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in zip(words, rows.tolist(), strict=True))
    (tmp_path / "v.txt").write_text(text)
    report = embmap.convert(tmp_path / "v.txt", tmp_path / "v.embmap", screen=True)
    with embmap.open(report.path) as store:
        assert np.array_equal(store.lookup(words), rows)
        assert [word for word, _ in store.most_similar("a", topn=2)] == sorted(
            "bc", key=lambda word: -store.similarity("a", word)
        )
        store.verify()
    with embmap.open(embmap.convert(tmp_path / "v.txt", tmp_path / "h.embmap", dtype="int8").path) as store:
        assert np.abs(store.lookup(words) - rows).max() <= np.abs(rows).max() / 254 * 1.001


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file with a hole")
def test_rows_past_four_gigabytes(tmp_path):
    """A matrix of 5 GiB, nearly all of it a hole: rows are found, given out and copied from where they lie."""
    dim, count = 1 << 16, 20_480
    words = [b"w%d" % i for i in range(count)]
    # A store of rows of zeros, whose matrix is then made wider, behind all else.
    data = bytearray(_reference.encode(words, [[0.0]] * count, 1, "{}"))
    entries = struct.unpack_from("<I", data, 64)[0]
    matrix = -(-len(data) // 4096) * 4096
    length = matrix + 4 * dim * count
    for i in range(entries):
        at = _reference.TABLE + i * _reference.ENTRY
        kind = struct.unpack_from("<I", data, at)[0]
        if kind == _reference.MATRIX:
            struct.pack_into("<QQ", data, at + 8, matrix, 4 * dim * count)
        elif kind == _reference.STATISTICS:
            struct.pack_into("<II", data, at, 99, 0)
    struct.pack_into("<8sIIIIQQ", data, 0, _reference.MAGIC, _reference.VERSION, 0, 0, dim, count, length)
    data[68:72] = bytes(4)
    data[68:72] = struct.pack("<I", zlib.crc32(data[:4096]))
    marks = {0: 1.0, 16_383: 2.0, 16_384: 3.0, 16_385: 4.0, count - 1: 5.0}
    path = tmp_path / "v.embmap"
    with path.open("wb") as file:
        file.write(data)
        for row, value in marks.items():
            file.seek(matrix + 4 * dim * row)
            file.write(np.full(dim, value, "<f4").tobytes())
        file.truncate(length)
    assert path.stat().st_blocks * 512 < 1 << 26
    with embmap.open(path) as store:
        assert store.vectors.shape == (count, dim)
        for row, value in marks.items():
            assert (store[f"w{row}"] == value).all()
            assert (store.vectors[row] == value).all()
        rows = [*marks, 16_000]
        values = [*marks.values(), 0.0]
        assert np.array_equal(store.take(rows)[:, [0, -1]], np.array([values, values], np.float32).T)
        assert np.array_equal(store.lookup([f"w{row}" for row in rows])[:, 7], values)
        torch = pytest.importorskip("torch")
        tensor = embmap.torch.tensor(store, mode="readonly")
        assert tensor[torch.tensor(rows), 5].tolist() == values
