"""fastText's models written by hand, field after field, and the vectors they give: `Model`."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from embmap import _reference

FLORET_SEED = 2_166_136_261
MAGIC = 793712314
CBOW, SKIPGRAM, SUPERVISED, SENT2VEC = 1, 2, 3, 4


@dataclass
class Quantized:
    """A matrix of codes: row `i` is a centroid for each part of it, times its length where lengths are coded too."""

    codes: np.ndarray
    centroids: Sequence[np.ndarray]
    lengths: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def rows(self) -> np.ndarray:
        parts = [centroids[codes] for centroids, codes in zip(self.centroids, self.codes.T, strict=True)]
        rows = np.concatenate(parts, axis=1)
        if self.lengths:
            codes, centroids = self.lengths
            rows = centroids[codes][:, None] * rows
        return rows.astype(np.float32)

    def encode(self) -> bytes:
        count, dim = self.rows.shape
        made = struct.pack("<?qqi", self.lengths is not None, count, dim, self.codes.size) + self.codes.tobytes()
        widths = [centroids.shape[1] for centroids in self.centroids]
        made += struct.pack("<4i", dim, len(widths), widths[0], widths[-1])
        made += b"".join(centroids.astype("<f4").tobytes() for centroids in self.centroids)
        if self.lengths:
            codes, centroids = self.lengths
            made += codes.tobytes() + struct.pack("<4i", 1, 1, 1, 1) + centroids.astype("<f4").tobytes()
        return made


@dataclass
class Model:
    """A model: the rows of `matrix` are those of words, then those of buckets. Without a version, of the old format."""

    words: Sequence[bytes]
    matrix: np.ndarray | Quantized
    labels: Sequence[bytes] = ()
    minn: int = 3
    maxn: int = 6
    bucket: int | None = None
    model: int = SKIPGRAM
    version: int | None = 12
    kept: dict[int, int] | None = None
    floret: tuple[int, int] | None = None
    """floret's mode, 1 for fastText's n-grams and 2 for its own, and hashes."""
    changed: dict[str, int] = field(default_factory=dict)
    """Fields that lie, by name."""

    @property
    def rows(self) -> np.ndarray:
        return self.matrix.rows if isinstance(self.matrix, Quantized) else self.matrix

    @property
    def buckets(self) -> int:
        return len(self.rows) - len(self.words) if self.bucket is None else self.bucket

    def encode(self) -> bytes:
        def put(layout: str, name: str, value: int) -> bytes:
            return struct.pack("<" + layout, self.changed.get(name, value))

        marked = self.version is not None
        made = put("i", "magic", MAGIC) + put("i", "version", self.version) if marked else b""
        made += put("i", "dim", self.rows.shape[1]) + struct.pack("<5i", 5, 5, 1, 5, 1)
        made += put("i", "loss", 2) + put("i", "model", self.model) + put("i", "bucket", self.buckets)
        made += put("i", "minn", self.minn) + put("i", "maxn", self.maxn)
        made += struct.pack("<2i", *self.floret) if self.floret else b""
        made += struct.pack("<id", 100, 1e-4)
        made += put("i", "size", len(self.words) + len(self.labels)) + put("i", "nwords", len(self.words))
        made += put("i", "nlabels", len(self.labels)) + put("q", "ntokens", 1000)
        if marked:
            made += put("q", "pruned", -1 if self.kept is None else len(self.kept))
        for kind, entries in enumerate((self.words, self.labels)):
            made += b"".join(entry + b"\0" + struct.pack("<qb", 7, kind) for entry in entries)
        made += b"".join(struct.pack("<ii", *pair) for pair in (self.kept or {}).items())
        quantized = isinstance(self.matrix, Quantized)
        made += put("b", "quantized", quantized) if marked else b""
        if quantized:
            made += self.matrix.encode()
        else:
            made += put("q", "rows", len(self.matrix)) + put("q", "columns", self.matrix.shape[1])
            made += self.matrix.astype("<f4").tobytes()
        output = np.zeros((max(len(self.labels), 1), self.rows.shape[1]), "<f4")
        return made + (b"\0" if marked else b"") + struct.pack("<qq", *output.shape) + output.tobytes()

    @property
    def subwords(self) -> _reference.Subwords:
        hashes = self.floret[1] if self.floret and self.floret[0] == 2 else 0
        how = _reference.Subwords(self.minn, self.maxn, self.buckets, self.version is None, False, [])
        how.hashes, how.seed = hashes, FLORET_SEED if hashes else 0
        return how

    def places(self, word: bytes) -> list[int]:
        """Give the rows of the n-grams of a word."""
        old_classifier = self.version == 11 and self.model == SUPERVISED
        if not self.buckets or old_classifier:
            return []
        places = range(self.buckets) if self.kept is None else self.kept
        kept = self.kept if self.kept is not None else {i: i for i in places}
        return [len(self.words) + kept[b] for b in _reference.ngrams(word, self.subwords) if b in kept]

    def vector(self, word: bytes) -> np.ndarray:
        """Give the vector of a word, known or not, as fastText does."""
        places = [self.words.index(word)] if word in self.words else []
        # With floret's n-grams, the end of a line alone has a row of its own.
        places = [] if self.subwords.hashes and places != [0] else places
        total = np.zeros(self.rows.shape[1], np.float32)
        for place in places + self.places(word):
            total += self.rows[place]
        return total * np.float32(1 / max(len(places + self.places(word)), 1))
