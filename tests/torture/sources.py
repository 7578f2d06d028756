"""Sources that are mean: each is read, or refused by an error that is expected; none hangs, crashes or is misread."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import embmap
from embmap import _reference

GOOD = ("read", "refused", "as the reference reads them", "of a form that is not compared")
EXPECTED = (embmap.ParseError, ValueError, OSError, MemoryError)


def pieces() -> list[str]:
    return ["by hand", "mutated text", "mutated binary", "mutated archives"]


def by_hand() -> dict[str, bytes]:
    row = " 0.5 -0.25 1e-3\n"
    rows = "".join(f"w{i}{row}" for i in range(50))
    return {
        "no-break, NEL and U+2028": "".join(
            f"{word}{row}" for word in ("a\u00a0b", "\u0085", "\u2028", "\u3000")
        ).encode(),
        "spaces as words": f"  {row} a{row}b {row}".encode(),
        "a header of 10^18": f"1000000000000000000 3\n{rows}".encode(),
        "a header of 2^31 numbers": f"2 2147483648\n{rows}".encode(),
        "nan, inf and 1e400": b"a nan 1 2\nb inf 1 2\nc 1e400 1 2\n",
        "full-width digits": "a \uff11 \uff12 \uff13\nb 1 2 3\n".encode(),
        "overlong UTF-8": b"\xc0\xafa 1 2 3\nb 1 2 3\n",
        "a mark and carriage returns": b"\xef\xbb\xbf" + rows.replace("\n", "\r\n").encode(),
        "carriage returns alone": rows.replace("\n", "\r").encode(),
        "NULs": b"a\0b 1 2 3\n\0\0\0 1 2 3\n",
        "UTF-16": rows.encode("utf-16"),
        "UTF-32": rows.encode("utf-32"),
        "no newline at the end": rows[:-1].encode(),
        "blank lines": b"\n" * 100_000 + rows.encode(),
        "a line of 20 MB": b"a " + b"1 " * 10_000_000,
        "a word of 20 MB": b"a" * 20_000_000 + row.encode(),
        "numbers of 10,000 digits": b"a " + b"1" * 10_000 + b" 0." + b"3" * 10_000 + b" 1e-99999\nb 1 2 3\n",
        "one number of a million": b"a 1\n" * 1_000_000,
        "binary without a space": b"3 2\n" + b"\xff" * 4096,
        "binary that ends early": b"1000000 300\nking " + bytes(1200),
        "fastText's magic alone": struct.pack("<ii", 793712314, 12),
        "an empty gzip": gzip.compress(b""),
        "gzip in gzip, six times": _nested(rows.encode(), 6),
        "a bomb": gzip.compress(bytes(200 << 20), 9),
        "bzip2 of zeros": bz2.compress(bytes(100 << 20)),
        "two members, one damaged": gzip.compress(rows.encode()) + gzip.compress(rows.encode())[:-9],
        "a zip with ../": _zip({"../v.txt": rows.encode()}),
        "a zip of nothing": _zip({}),
        "an encrypted member": _encrypted(rows.encode()),
        "a tar with a link": _tar_link(),
        "JSON, deep": b"[" * 100_000,
        "a pickle that runs": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "nothing": b"",
        "a newline": b"\n",
        "a web page": b"<!DOCTYPE html><html>404</html>",
    }


def _nested(data: bytes, times: int) -> bytes:
    for _ in range(times):
        data = gzip.compress(data)
    return data


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _encrypted(content: bytes) -> bytes:
    data = bytearray(_zip({"v.txt": content}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(mark) + at] |= 1
    return bytes(data)


def _tar_link() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("v.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return out.getvalue()


def _base(piece: str) -> list[bytes]:
    words = [f"w{i}" for i in range(40)]
    rows = [[0.5 * i, -0.25, 1e-5 * i] for i in range(40)]
    text = "".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in zip(words, rows, strict=True)).encode()
    if piece == "mutated text":
        return [text, b"40 3\n" + text, text.replace(b" ", b"\t"), text.replace(b" ", b",")]
    if piece == "mutated binary":
        return [
            _reference.encode_word2vec([word.encode() for word in words], rows, 3, newline) for newline in (b"\n", b"")
        ]
    return [pack(text) for pack in (gzip.compress, bz2.compress, lzma.compress)] + [_zip({"v.txt": text})]


def _mutated(data: bytes, rng: random.Random) -> bytes:
    other = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(other))
        kind = rng.randrange(4)
        if kind == 0:
            other[at] = rng.randrange(256)
        elif kind == 1:
            del other[at : at + rng.randrange(1, 30)]
        elif kind == 2:
            other[at:at] = rng.choice((b"\n", b" ", b"\0", b"\r\n", b"1e999", b"nan", b"\xff", other[at : at + 20]))
        else:
            del other[at:]
        if not other:
            break
    return bytes(other)


def run(piece: str, folder: Path, short: bool) -> dict[str, int]:
    counts = Counter[str]()
    source, target = folder / "v.txt", folder / "v.embmap"
    if piece == "by hand":
        found = by_hand().values()
    else:
        rng = random.Random(piece)
        bases = _base(piece)
        found = (_mutated(rng.choice(bases), rng) for _ in range(150 if short else 20_000))
    for data in found:
        source.write_bytes(data)
        for options in ({}, {"on_bad_row": "skip", "errors": "replace"}):
            try:
                report = embmap.convert(source, target, **options)
            except EXPECTED:
                counts["refused"] += 1
            except Exception as error:
                counts[f"raise {type(error).__name__}"] += 1
            else:
                counts["read"] += 1
                with embmap.open(target) as store:
                    store.verify()
                    if len(store) != report.rows:
                        counts["stores of another length than the report's"] += 1
                if piece == "mutated text" and not options and data.isascii():
                    counts[_compared(data, target)] += 1
        counts["leftovers"] += len(list(folder.glob(".embmap*")))
    return dict(counts)


def _compared(data: bytes, target: Path) -> str:
    """Compare rows that were read with what the reference reads of the same text, where spaces separate it."""
    with embmap.open(target) as store:
        lines = [line for line in data.decode().split("\n") if line.strip(" \r")]
        if any("," in line or "\t" in line or "\r" in line for line in lines):
            return "of a form that is not compared"
        seen: dict[str, list[float]] = {}
        body = lines[1:] if len(lines[0].split(" ")) == 2 and lines[0].replace(" ", "").isdigit() else lines
        for line in body:
            parts = line.rstrip(" ").rsplit(" ", store.dim)
            seen.setdefault(parts[0], [_reference.as_float32(x) for x in parts[1:]])
        same = list(seen) == list(store) and [list(row) for row in store.vectors.tolist()] == list(seen.values())
    return "as the reference reads them" if same else "otherwise than the reference reads them"
