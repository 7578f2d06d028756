"""A second reader and writer of stores, in plain Python: the readable form of docs/format.md.

It is slow and keeps everything in memory. Nothing in embmap uses it but the tests, which hold the Rust code against it; it
is here to be read, and to be the start of a reader in another language.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

MAGIC = b"\x89EMBMAP\n"
VERSION = 1
HEADER_LENGTH = 4096
TABLE = 128
ENTRY = 32
MATRIX, INVERSE_NORMS, PILOTS, SLOTS, WORDS, OFFSETS, METADATA, STATISTICS, SCALES = range(1, 10)
BUCKETS, BUCKET_SCALES, SUBWORDS, CODES, BOUNDS, PLANES, PLANE_BOUNDS = range(10, 17)
OPTIONAL = (METADATA, STATISTICS, BUCKETS, BUCKET_SCALES, SUBWORDS, CODES, BOUNDS, PLANES, PLANE_BOUNDS)

# Schemes of n-grams.
FASTTEXT, FLORET = 1, 2

DTYPES = ("float32", "float16", "bfloat16", "int8")
FLOAT32, FLOAT16, BFLOAT16, INT8 = range(4)

BUCKET_WORDS = 3
PART_BUCKETS = 2**14
FILL_PERCENT = 95
MOST_IN_PART = 2
TRIES_PER_WORD = 12
TRIES_PER_PART = 2**16
EMPTY = 2**32 - 1
_64 = 2**64 - 1


# The hash


def fold(a: int, b: int) -> int:
    """Multiply two 64-bit numbers and XOR the halves of the product."""
    product = a * b
    return (product & _64) ^ (product >> 64)


def hash_word(key: bytes, seed: int) -> int:
    """Hash a word under a file's seed."""
    n = len(key)

    def number(start: int, length: int) -> int:
        return int.from_bytes(key[start : start + length], "little")

    state = seed
    if n > 16:
        at = 0
        while n - at > 16:
            state = fold(number(at, 8) ^ 0xE7037ED1A0B428DB, number(at + 8, 8) ^ state)
            at += 16
        a, b = number(n - 16, 8), number(n - 8, 8)
    elif n >= 8:
        a, b = number(0, 8), number(n - 8, 8)
    elif n >= 4:
        a, b = number(0, 4), number(n - 4, 4)
    elif n > 0:
        a, b = key[0] << 16 | key[n // 2] << 8 | key[n - 1], 0
    else:
        a, b = 0, 0
    inner = fold(a ^ 0xE7037ED1A0B428DB, b ^ state)
    return fold(inner ^ 0x8EBC6AF09C88C6E3 ^ n, 0xA0761D6478BD642F)


def seed_from(material: int, attempt: int) -> int:
    """Derive the `attempt`-th seed: a step of splitmix64."""
    z = (material + (attempt + 1) * 0x9E3779B97F4A7C15) & _64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _64
    return z ^ (z >> 31)


# The index


def scale(hashed: int, n: int) -> int:
    """Spread a hash over `n` places."""
    return (hashed * n) >> 64


def slot_in_part(hashed: int, pilot: int, slots: int) -> int:
    """Give the slot, of those of a part, to which a pilot sends a hash."""
    mixed = ((hashed ^ (pilot * 0x9E3779B97F4A7C15 & _64)) * 0xD6E8FEB86659FD93) & _64
    return scale(((mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93) & _64, slots)


def find_slot(hashed: int, pilots: Sequence[int], slots: int) -> int:
    """Give the slot of a hash, of all `slots`."""
    parts = -(-len(pilots) // PART_BUCKETS)
    bucket = scale(hashed, len(pilots))
    return bucket // PART_BUCKETS * (slots // parts) + slot_in_part(hashed, pilots[bucket], slots // parts)


def check_of(hashed: int, length: int) -> int:
    """Give the check of a slot: sixteen bits of hash above the length, which saturates."""
    return (hashed & 0xFFFF) << 16 | min(length, 0xFFFF)


def shard_of(word: str, count: int) -> int:
    """Give the number of the file that a word is in, of so many that split the words."""
    return scale(hash_word(word.encode(), 0x656D_626D_6170_0001), count)


def build_index(words: Sequence[bytes]) -> tuple[int, list[int], list[tuple[int, int, int]]]:
    """Give seed, pilots and slots for distinct words."""
    material = zlib.crc32(b"".join(words))
    for attempt in range(8):
        seed = seed_from(material, attempt)
        if (built := _build_with(words, seed)) is not None:
            return seed, *built
    raise ValueError("no index for these words: are they distinct?")


def _build_with(words: Sequence[bytes], seed: int) -> tuple[list[int], list[tuple[int, int, int]]] | None:
    buckets = max(-(-len(words) // BUCKET_WORDS), 1)
    if buckets > PART_BUCKETS:
        buckets = -(-buckets // PART_BUCKETS) * PART_BUCKETS
    hashes = [hash_word(word, seed) for word in words]
    members: list[list[int]] = [[] for _ in range(buckets)]
    for hashed in hashes:
        members[scale(hashed, buckets)].append(hashed)
    parts = [range(first, min(first + PART_BUCKETS, buckets)) for first in range(0, buckets, PART_BUCKETS)]
    sizes = [sum(len(members[bucket]) for bucket in part) for part in parts]
    largest = max(sizes)
    if largest > MOST_IN_PART * -(-len(words) // len(parts)):
        return None
    slots = max(-(-largest * 100 // FILL_PERCENT), 1)

    pilots = [0] * buckets
    for part, size in zip(parts, sizes, strict=True):
        taken = set[int]()
        tries = 0
        for bucket in sorted(part, key=lambda bucket: -len(members[bucket])):
            for pilot in range(2**16):
                places = [slot_in_part(hashed, pilot, slots) for hashed in members[bucket]]
                if len(set(places)) == len(places) and taken.isdisjoint(places):
                    break
            else:
                return None
            tries += pilot + 1
            if tries > TRIES_PER_WORD * size + TRIES_PER_PART:
                return None
            pilots[bucket] = pilot
            taken.update(places)

    table = [(EMPTY, 0, 0)] * (slots * len(parts))
    offset = 0
    for i, (word, hashed) in enumerate(zip(words, hashes, strict=True)):
        table[find_slot(hashed, pilots, len(table))] = (i, check_of(hashed, len(word)), offset)
        offset += len(word)
    return pilots, table


# Numbers


def as_float32(text: str) -> float:
    """Give the float64 nearest to a decimal text, rounded to float32; inf where it is too large."""
    return round_to_float32(float(text))


def round_to_float32(x: float) -> float:
    """Round to the nearest float32, a tie to the even one, as NumPy and C do."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", x))[0])
    except OverflowError:
        return math.copysign(math.inf, x)


def store_row(row: Sequence[float], dtype: int) -> tuple[bytes, float]:
    """Give a row of float32 as it is stored, and its scale (int8 only, else 0)."""
    if dtype == FLOAT32:
        return struct.pack(f"<{len(row)}f", *row), 0.0
    if dtype == FLOAT16:
        return struct.pack(f"<{len(row)}e", *row), 0.0
    if dtype == BFLOAT16:
        bits = [int.from_bytes(struct.pack("<f", x), "little") for x in row]
        return struct.pack(f"<{len(row)}H", *((b + 0x7FFF + (b >> 16 & 1)) >> 16 for b in bits)), 0.0
    scale = round_to_float32(max(map(abs, row)) / 127)
    if scale < 2.0**-126:
        return bytes(len(row)), 0.0
    if math.isinf(round_to_float32(127 * scale)):
        scale -= 2.0**98  # The next float32 below.
    inverse = round_to_float32(1 / scale)
    # Python's round takes a tie to the even neighbour, too.
    return struct.pack(f"<{len(row)}b", *(round(round_to_float32(x * inverse)) for x in row)), scale


def load_row(stored: bytes, scale: float, dtype: int) -> tuple[float, ...]:
    """Give the values of a row that `store_row` made."""
    if dtype == BFLOAT16:
        return struct.unpack(
            f"<{len(stored) // 2}f", b"".join(b"\0\0" + stored[i : i + 2] for i in range(0, len(stored), 2))
        )
    if dtype == INT8:
        return tuple(round_to_float32(x * scale) for x in struct.unpack(f"<{len(stored)}b", stored))
    letter, size = ("f", 4) if dtype == FLOAT32 else ("e", 2)
    return struct.unpack(f"<{len(stored) // size}{letter}", stored)


def screened_row(row: Sequence[float]) -> tuple[bytes, float, float]:
    """Give a row's codes, what one of them is worth where the row has length 1, and the length of what they leave out."""
    codes, scale = store_row(row, INT8)
    length = math.sqrt(_sum_in_order(x * x for x in row))
    if length == 0:
        return codes, 0.0, 0.0
    worth = round_to_float32(scale / length)
    signed = struct.unpack(f"{len(row)}b", codes)
    return codes, worth, _length_of_rest((x / length - worth * code) for x, code in zip(row, signed, strict=True))


def planes_of_row(row: Sequence[float]) -> tuple[bytes, bytes, tuple[float, float, float]]:
    """Give a row's part of the plane of upper halves and of that of lower ones, and its three bounds."""
    codes, worth, off = screened_row(row)
    unsigned = [(code + 128) % 256 for code in codes]
    length = math.sqrt(_sum_in_order(x * x for x in row))
    rest = (x / length - worth * (code // 16 * 16 - 120.5) for x, code in zip(row, unsigned, strict=True) if length)
    off_high = _length_of_rest(rest) if length else 0.0
    half = -(-len(row) // 2)
    pairs = list(zip(unsigned[:half], [*unsigned[half:], 0], strict=False))
    high = bytes(first // 16 + second // 16 * 16 for first, second in pairs)
    low = bytes(first % 16 + second % 16 * 16 for first, second in pairs)
    return high, low, (worth, off, off_high)


def _length_of_rest(rest: Iterable[float]) -> float:
    """Give a length in float32, rounded up past what float64 may have lost."""
    length = math.sqrt(_sum_in_order(x**2 for x in rest))
    bits = int.from_bytes(struct.pack("<f", length * (1 + 1e-9)), "little")
    (above,) = struct.unpack("<f", (bits + 1).to_bytes(4, "little"))
    return float(above)


def _sum_in_order(numbers: Iterable[float]) -> float:
    total = 0.0
    for x in numbers:
        total += x
    return total


def inverse_norm(row: Sequence[float]) -> float:
    """Give 1 / length in float32: squares summed in float64 in eight lanes, then the lanes from first to last."""
    lanes = [0.0] * 8
    for j, x in enumerate(row):
        lanes[j % 8] += x * x
    square = 0.0
    for lane in lanes:
        square += lane
    if square == 0:
        return 0.0
    return min(round_to_float32(1.0 / math.sqrt(square)), (2 - 2**-23) * 2.0**127)


def statistics(rows: Sequence[Sequence[float]], dim: int) -> list[float]:
    """Give the mean of each dimension, then the population standard deviation of each."""
    n = max(len(rows), 1)
    sums, squares = [0.0] * dim, [0.0] * dim
    for row in rows:
        for j, x in enumerate(row):
            sums[j] += x
            squares[j] += x * x
    means = [total / n for total in sums]
    return means + [
        math.sqrt(max(square / n - (total / n) * (total / n), 0.0)) for total, square in zip(sums, squares, strict=True)
    ]


# The n-grams


@dataclass
class Subwords:
    """What vectors of unseen words are made of."""

    minn: int
    maxn: int
    buckets: int
    of_eos: bool
    unit: bool
    rows: Sequence[tuple[float, ...]]
    kept: Sequence[int] | None = None
    # Of floret's n-grams; fastText's have no hashes.
    hashes: int = 0
    seed: int = 0

    def vector(self, word: bytes) -> list[float]:
        """Give the mean of the rows of a word's n-grams, added and divided in float32, as fastText and floret do."""
        rows = list(range(self.buckets)) if self.kept is None else list(self.kept)
        places = {bucket: i for i, bucket in enumerate(rows)}
        found = [places[b] for b in ngrams(word, self) if b in places]
        total = [0.0] * len(self.rows[0])
        for i in found:
            total = [round_to_float32(x + y) for x, y in zip(total, self.rows[i], strict=True)]
        share = round_to_float32(1 / max(len(found), 1))
        mean = [round_to_float32(x * share) for x in total]
        length = math.sqrt(sum(x * x for x in mean))
        return [round_to_float32(x / length) for x in mean] if self.unit and length else mean


def ngrams(word: bytes, how: Subwords) -> Iterable[int]:
    """Give the buckets of each n-gram of a word; with floret's, of the whole word before them."""
    if word == b"</s>" and not how.of_eos:
        return
    text = b"<" + word + b">"
    for piece in ([text] if how.hashes else []) + cut(text, how.minn, how.maxn):
        if how.hashes:
            low, high = murmur3(piece, how.seed)
            numbers = (low & 0xFFFFFFFF, low >> 32, high & 0xFFFFFFFF, high >> 32)
            yield from (number % how.buckets for number in numbers[: how.hashes])
        else:
            yield fnv1a(piece) % how.buckets


def cut(text: bytes, minn: int, maxn: int) -> list[bytes]:
    """Give the n-grams of a text: by their first character, then by their length."""
    found = []
    starts = [i for i, byte in enumerate(text) if byte & 0xC0 != 0x80] + [len(text)]
    for first, start in enumerate(starts[:-1]):
        for n in range(1, maxn + 1):
            if first + n >= len(starts):
                break
            end = starts[first + n]
            if n >= minn and (n > 1 or (start > 0 and end < len(text))):
                found.append(text[start:end])
    return found


def fnv1a(text: bytes) -> int:
    """Hash an n-gram: FNV-1a over bytes that are widened with their sign."""
    hashed = 2166136261
    for byte in text:
        hashed = ((hashed ^ (byte | 0xFFFFFF00 if byte > 127 else byte)) * 16777619) & 0xFFFFFFFF
    return hashed


def murmur3(text: bytes, seed: int) -> tuple[int, int]:
    """Hash a piece of a word for floret: MurmurHash3_x64_128, both halves."""
    mask = 2**64 - 1

    def turn(x: int, by: int) -> int:
        return (x << by | x >> (64 - by)) & mask

    def finish(x: int) -> int:
        x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD & mask
        x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53 & mask
        return x ^ x >> 33

    c1, c2, h1, h2 = 0x87C37B91114253D5, 0x4CF5AD432745937F, seed, seed
    whole = len(text) // 16 * 16
    for start in range(0, len(text), 16):
        k1, k2 = struct.unpack("<QQ", text[start : start + 16].ljust(16, b"\0"))
        h1 ^= turn(k1 * c1 & mask, 31) * c2 & mask
        h2_mixed = turn(k2 * c2 & mask, 33) * c1 & mask
        if start < whole:
            h1 = ((turn(h1, 27) + h2) * 5 + 0x52DCE729) & mask
            h2 = ((turn(h2 ^ h2_mixed, 31) + h1) * 5 + 0x38495AB5) & mask
        else:
            h2 ^= h2_mixed
    h1, h2 = h1 ^ len(text), h2 ^ len(text)
    h1 = (h1 + h2) & mask
    h2 = (h2 + h1) & mask
    h1, h2 = finish(h1), finish(h2)
    h1 = (h1 + h2) & mask
    return h1, (h2 + h1) & mask


# The file


@dataclass
class Reference:
    """A store in memory."""

    words: list[bytes]
    rows: list[tuple[float, ...]]
    inverse_norms: list[float]
    seed: int
    pilots: list[int]
    slots: list[tuple[int, int, int]]
    metadata: str
    statistics: list[float]
    subwords: Subwords | None = None

    def find(self, word: bytes) -> int | None:
        """Give the row of a word."""
        hashed = hash_word(word, self.seed)
        row, check, _ = self.slots[find_slot(hashed, self.pilots, len(self.slots))]
        known = check == check_of(hashed, len(word)) and row != EMPTY and self.words[row] == word
        return row if known else None


def encode(
    words: Sequence[bytes],
    rows: Sequence[Sequence[float]],
    dim: int,
    metadata: str,
    dtype: int = FLOAT32,
    subwords: Subwords | None = None,
) -> bytes:
    """Write a store: distinct words, their rows of float32, JSON, and n-grams where there are any."""
    seed, pilots, slots = build_index(words)
    stored = [store_row(row, dtype) for row in rows]
    rows = [load_row(row, scale, dtype) for row, scale in stored]
    buckets = [store_row(row, dtype) for row in subwords.rows] if subwords else []
    sections = {BUCKETS: b"".join(row for row, _ in buckets)} if subwords else {}
    sections |= {
        MATRIX: b"".join(row for row, _ in stored),
        INVERSE_NORMS: struct.pack(f"<{len(rows)}f", *map(inverse_norm, rows)),
        PILOTS: struct.pack(f"<{len(pilots)}H", *pilots),
        SLOTS: b"".join(struct.pack("<III", *slot) for slot in slots),
        WORDS: b"".join(words),
        OFFSETS: struct.pack(f"<{len(words) + 1}I", 0, *accumulate(map(len, words))),
        METADATA: metadata.encode(),
        STATISTICS: struct.pack(f"<{2 * dim}d", *statistics(rows, dim)),
    }
    if dtype == INT8:
        sections[SCALES] = struct.pack(f"<{len(rows)}f", *(scale for _, scale in stored))
    if subwords:
        if dtype == INT8:
            sections[BUCKET_SCALES] = struct.pack(f"<{len(buckets)}f", *(scale for _, scale in buckets))
        flags = subwords.of_eos | subwords.unit << 1
        kept = subwords.kept or ()
        more = (subwords.hashes, subwords.seed) if subwords.hashes else ()
        scheme = FLORET if subwords.hashes else FASTTEXT
        fields = (scheme, subwords.minn, subwords.maxn, subwords.buckets, flags, len(buckets), *more, *kept)
        sections[SUBWORDS] = struct.pack(f"<{len(fields)}I", *fields)
    page = bytearray(HEADER_LENGTH)
    body = bytearray()
    places = {kind: i for i, kind in enumerate(sorted(sections))}
    for kind, section in sections.items():
        i = places[kind]
        align = 4096 if kind == MATRIX else 64
        offset = -(-(HEADER_LENGTH + len(body)) // align) * align
        body = body.ljust(offset - HEADER_LENGTH, b"\0") + section
        entry = struct.pack("<IIQQII", kind, kind not in OPTIONAL, offset, len(section), zlib.crc32(section), 0)
        page[TABLE + i * ENTRY : TABLE + (i + 1) * ENTRY] = entry
    length = HEADER_LENGTH + len(body)
    page[:48] = struct.pack("<8sIIIIQQQ", MAGIC, VERSION, 0, dtype, dim, len(rows), length, seed)
    page[64:68] = struct.pack("<I", len(sections))
    page[48:64] = struct.pack("<QQ", hash_word(bytes(page), 0), hash_word(bytes(page), 1))
    page[68:72] = struct.pack("<I", zlib.crc32(page))
    return bytes(page + body)


def decode(data: bytes) -> Reference:
    """Read a store; ValueError where it is none."""
    magic, version, flags, dtype, dim, n, length, seed = struct.unpack_from("<8sIIIIQQQ", data)
    if magic != MAGIC or version != VERSION or flags or dtype > INT8 or length != len(data):
        raise ValueError("not a store that this reader knows")
    count, crc = struct.unpack_from("<II", data, 64)
    if zlib.crc32(data[:68] + b"\0\0\0\0" + data[72:HEADER_LENGTH]) != crc:
        raise ValueError("the header's checksum does not match")
    sections: dict[int, bytes] = {}
    for i in range(count):
        kind, required, offset, size, crc, _ = struct.unpack_from("<IIQQII", data, TABLE + i * ENTRY)
        section = data[offset : offset + size]
        if zlib.crc32(section) != crc:
            raise ValueError(f"the checksum of section {kind} does not match")
        if kind > PLANE_BOUNDS and required & 1:
            raise ValueError(f"section {kind} is required and unknown")
        sections[kind] = section
    offsets = struct.unpack(f"<{n + 1}I", sections[OFFSETS])
    scales = struct.unpack(f"<{n}f", sections[SCALES]) if dtype == INT8 else (1.0,) * n
    width = dim * (4, 2, 2, 1)[dtype]
    return Reference(
        words=[sections[WORDS][start:end] for start, end in pairwise(offsets)],
        rows=[load_row(sections[MATRIX][i * width : (i + 1) * width], scale, dtype) for i, scale in enumerate(scales)],
        inverse_norms=[x for (x,) in struct.iter_unpack("<f", sections[INVERSE_NORMS])],
        seed=seed,
        pilots=[pilot for (pilot,) in struct.iter_unpack("<H", sections[PILOTS])],
        slots=[(row, check, offset) for row, check, offset in struct.iter_unpack("<III", sections[SLOTS])],
        metadata=sections.get(METADATA, b"").decode(),
        statistics=[x for (x,) in struct.iter_unpack("<d", sections.get(STATISTICS, b""))],
        subwords=_decode_subwords(sections, width, dtype) if SUBWORDS in sections else None,
    )


def _decode_subwords(sections: dict[int, bytes], width: int, dtype: int) -> Subwords:
    scheme, minn, maxn, buckets, flags, rows, *kept = (x for (x,) in struct.iter_unpack("<I", sections[SUBWORDS]))
    hashes, seed, *kept = kept if scheme == FLORET else (0, 0, *kept)
    if scheme not in (FASTTEXT, FLORET) or flags > 3 or len(kept) != (0 if rows == buckets else rows):
        raise ValueError("not n-grams that this reader knows")
    stored = sections[BUCKETS]
    scales = struct.unpack(f"<{rows}f", sections[BUCKET_SCALES]) if dtype == INT8 else (1.0,) * rows
    return Subwords(
        minn=minn,
        maxn=maxn,
        buckets=buckets,
        of_eos=bool(flags & 1),
        unit=bool(flags & 2),
        rows=[load_row(stored[i * width : (i + 1) * width], scale, dtype) for i, scale in enumerate(scales)],
        kept=kept or None,
        hashes=hashes,
        seed=seed,
    )


# The sources


def parse_text(text: bytes, dim: int, separator: bytes = b" ") -> Iterable[tuple[bytes, list[float]]]:
    """Read rows of a text without header: words, byte for byte, and numbers."""
    for line in text.rstrip(b"\n\r\t ").split(b"\n"):
        word, *numbers = line.rstrip(b"\r" + separator).rsplit(separator, dim)
        if len(numbers) != dim or not word:
            raise ValueError(f"not a word and {dim} numbers: {line!r}")
        yield word, [as_float32(number.decode("ascii")) for number in numbers]


def encode_word2vec(words: Sequence[bytes], rows: Sequence[Sequence[float]], dim: int, newline: bytes = b"\n") -> bytes:
    """Write word2vec's binary form: with a newline behind each record as the C tool does, without as gensim does."""
    records = (word + b" " + struct.pack(f"<{dim}f", *row) + newline for word, row in zip(words, rows, strict=True))
    return b"%d %d\n" % (len(words), dim) + b"".join(records)


def parse_word2vec(data: bytes) -> Iterable[tuple[bytes, tuple[float, ...]]]:
    """Read word2vec's binary form: words, byte for byte, and numbers."""
    header, _, body = data.partition(b"\n")
    n, dim = map(int, header.split())
    found = 0
    while body := body.lstrip(b"\n"):
        word, space, rest = body.partition(b" ")
        if not word or not space or len(rest) < 4 * dim:
            raise ValueError(f"not a word, a space and {dim} numbers: {body[:40]!r}")
        yield word, struct.unpack_from(f"<{dim}f", rest)
        body = rest[4 * dim :]
        found += 1
    if found != n:
        raise ValueError(f"the header announces {n} rows, the file has {found}")
