"""Stores that lie: every cut, every flipped bit, and changes behind right checksums, followed by every call."""

from __future__ import annotations

import pickle
import random
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

import embmap
from embmap import _reference

sys.path.insert(0, str(Path(__file__).parents[1]))
from fasttext_model import Model

GOOD = ("cuts refused", "bits found out", "changes refused", "changes answered", "calls refused", "calls answered")
DTYPES = ("float32", "float16", "bfloat16", "int8")
# Never anything else: what a caller who expects a bad file catches.
EXPECTED = (embmap.EmbmapError, ValueError, LookupError, MemoryError, OSError)
ENTRY, TABLE, HEADER = _reference.ENTRY, _reference.TABLE, _reference.HEADER_LENGTH


def pieces() -> list[str]:
    return [*DTYPES, "screen", "n-grams", "n-grams int8", "n-grams of floret"]


def made(piece: str, folder: Path) -> bytes:
    """Give a small store of that kind."""
    target = folder / "made.embmap"
    if piece.startswith("n-grams"):
        rows = np.random.default_rng(0).normal(size=(25, 4)).astype(np.float32)
        words = [b"king", b"queen", b"man", b"\xc3\xa9t\xc3\xa9"]
        model = Model(words, rows, floret=(2, 2) if piece.endswith("floret") else None)
        (folder / "model.bin").write_bytes(model.encode())
        embmap.convert(folder / "model.bin", target, dtype="int8" if piece.endswith("int8") else "float32")
    else:
        words = ["king", "queen", "man", "été", "a much longer word than the others are", ""]
        rows = np.random.default_rng(0).normal(size=(len(words) - 1, 4)).astype(np.float32)
        dtype = piece if piece in DTYPES else "float32"
        embmap.write(target, words[:-1], rows, dtype=dtype, screen=piece == "screen")
    return target.read_bytes()


def calls(folder: Path) -> list[Callable[[embmap.Store], object]]:
    words = ["king", "queen", "nobody", "été", ""]
    return [
        lambda s: s.verify(),
        lambda s: list(s),
        lambda s: [word in s for word in words],
        lambda s: s.indices(words),
        lambda s: s.indices_padded([words, []]),
        lambda s: s.lookup(words),
        lambda s: s.lookup(words, oov="normal"),
        lambda s: s.lookup([words], pool="mean"),
        lambda s: s.lookup(words, oov="subword"),
        lambda s: s.subword_vector("nobody"),
        lambda s: s.take(range(len(s))),
        lambda s: float(np.asarray(s.vectors, np.float32).sum()),
        lambda s: s.matrix(words, oov="fitted"),
        lambda s: s.neighbors(s.take([0])[0], k=3),
        lambda s: s.neighbors(s.take([0] * 6), k=2),
        lambda s: s.most_similar("king"),
        lambda s: s.similarity("king", "queen"),
        lambda s: s.metadata,
        lambda s: (repr(s), s._repr_html_()),
        lambda s: pickle.loads(pickle.dumps(s)),
        lambda s: s.export(folder / "out.txt", "glove"),
        lambda s: s.export(folder / "out.safetensors"),
        lambda s: s.select(["king"], folder / "out.embmap"),
    ]


def resealed(data: bytearray) -> bytes:
    """Make the checksums right again, where the table still says where the sections are."""
    count = min(struct.unpack_from("<I", data, 64)[0], (HEADER - TABLE) // ENTRY)
    for i in range(count):
        offset, length = struct.unpack_from("<QQ", data, TABLE + i * ENTRY + 8)
        if offset + length <= len(data):
            struct.pack_into("<I", data, TABLE + i * ENTRY + 24, zlib.crc32(data[offset : offset + length]))
    struct.pack_into("<I", data, 68, 0)
    struct.pack_into("<I", data, 68, zlib.crc32(data[:HEADER]))
    return bytes(data)


def changed(data: bytes, rng: random.Random) -> bytes:
    """Change a few places, of the header's fields or of a section."""
    other = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        kind = rng.randrange(4)
        if kind == 0:
            at, value = rng.choice(range(8, 64, 4)), rng.choice((0, 1, 2, 255, 2**16, 2**31, 2**32 - 1))
            struct.pack_into("<I", other, at, value)
        elif kind == 1:
            at = TABLE + rng.randrange(12) * ENTRY + rng.choice((0, 4, 8, 16))
            struct.pack_into("<Q", other, at, rng.choice((0, 1, 64, 4096, len(data), 2**32, 2**63, 2**64 - 1)))
        else:
            at = rng.randrange(HEADER, len(other) - 8)
            value = rng.choice((0, 1, 2**31, 2**32 - 1, rng.randrange(2**32)))
            struct.pack_into("<I", other, at // 4 * 4 if kind == 2 else at, value)
    return resealed(other)


def run(piece: str, folder: Path, short: bool) -> dict[str, int]:
    data, counts = made(piece, folder), Counter[str]()
    path = folder / "v.embmap"
    for length in range(0, len(data), 37 if short else 1):
        path.write_bytes(data[:length])
        try:
            embmap.open(path)
            counts["cuts taken"] += 1
        except embmap.FormatError:
            counts["cuts refused"] += 1
    for bit in range(0, 8 * len(data), 211 if short else 1):
        other = bytearray(data)
        other[bit // 8] ^= 1 << bit % 8
        path.write_bytes(other)
        try:
            with embmap.open(path) as store:
                store.verify()
            counts["bits passed by verify"] += 1
        except embmap.FormatError:
            counts["bits found out"] += 1
    rng = random.Random(piece)
    every = calls(folder)
    for _ in range(60 if short else 3000):
        path.write_bytes(changed(data, rng))
        try:
            store = embmap.open(path)
        except EXPECTED:
            counts["changes refused"] += 1
            continue
        counts["changes answered"] += 1
        for call in every:
            try:
                call(store)
                counts["calls answered"] += 1
            except EXPECTED:
                counts["calls refused"] += 1
            except Exception as error:
                counts[f"calls that raise {type(error).__name__}"] += 1
        store.close()
    return dict(counts)
