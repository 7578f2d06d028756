"""Compressed files, archives and streams: the same store as from the text, or an error that says why not."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
import zlib

import pytest
from conftest import has_pipes, interrupts

import embmap

ROWS = 3000
TEXT = "".join(f"w{i} {i * 0.37:.5g} {-i}.25 1e-3\n" for i in range(ROWS)).encode()


def tar_of(files: dict[str, bytes], **options) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, **options) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            with archive.open(name, "w", **options) as member:
                member.write(content)
    return out.getvalue()


def zstd_frame(content: bytes) -> bytes:
    """A frame of raw blocks, as the specification gives it; so no encoder is needed."""
    blocks = [content[i : i + 100_000] for i in range(0, len(content), 100_000)]
    frame = b"\x28\xb5\x2f\xfd\xa0" + len(content).to_bytes(4, "little")
    for i, block in enumerate(blocks):
        frame += (len(block) << 3 | (i == len(blocks) - 1)).to_bytes(3, "little") + block
    return frame


def pieces(pack, parts: int = 3) -> bytes:
    """Pack the text in several parts, one after the other; they do not end at line ends."""
    step = len(TEXT) // parts + 1
    return b"".join(pack(TEXT[i : i + step]) for i in range(0, len(TEXT), step))


CONTAINERS = {
    "gzip": gzip.compress(TEXT),
    "gzip of several members": pieces(gzip.compress),
    "bzip2": bz2.compress(TEXT),
    "bzip2 of several streams": pieces(bz2.compress),
    "xz": lzma.compress(TEXT),
    "xz of several streams": pieces(lzma.compress),
    "zstd": zstd_frame(TEXT),
    "zstd of several frames": pieces(zstd_frame),
    "zip, stored": zip_of({"v.txt": TEXT}, zipfile.ZIP_STORED),
    "zip, deflated": zip_of({"d/v.txt": TEXT, "__MACOSX/d/._v.txt": b"x", "README.txt": b"x"}),
    "zip, bzip2": zip_of({"v.txt": TEXT}, zipfile.ZIP_BZIP2),
    "zip64": zip_of({"v.txt": TEXT}, force_zip64=True),
    "tar": tar_of({"v.txt": TEXT}),
    "tar, GNU, a long name": tar_of({"n" * 150: TEXT}, format=tarfile.GNU_FORMAT),
    "tar, POSIX, a long name": tar_of({"ü" * 150: TEXT}, format=tarfile.PAX_FORMAT),
    "tar in gzip": gzip.compress(tar_of({"d/README": b"x" * 5000, "d/v.txt": TEXT, "d/LICENSE": b"x"})),
    "tar in xz": lzma.compress(tar_of({"v.txt": TEXT})),
    "gzip in tar": tar_of({"v.txt.gz": gzip.compress(TEXT)}),
    "gzip in zip": zip_of({"v.txt.gz": gzip.compress(TEXT)}),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The store of the text itself, without its metadata."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "v.txt").write_bytes(TEXT)
    return embmap.open(embmap.convert(folder / "v.txt").path)


def same(store: embmap.Store, other: embmap.Store) -> bool:
    return list(store) == list(other) and store.vectors.tobytes() == other.vectors.tobytes()


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_gives_the_store_of_its_text(tmp_path, plain, kind):
    source = tmp_path / "named.anyhow"
    source.write_bytes(CONTAINERS[kind])
    report = embmap.convert(source, tmp_path / "v.embmap")
    assert same(embmap.open(report.path), plain)
    assert report.bytes_read == len(TEXT)
    assert report.checksum == f"crc32:{zlib.crc32(TEXT):08x}"


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("harm", ["cut", "flipped"])
def test_a_cut_or_damaged_container_is_an_error_and_leaves_nothing(tmp_path, kind, harm):
    content = bytearray(CONTAINERS[kind])
    if harm == "cut":
        del content[len(content) * 2 // 3 :]
    elif kind.startswith(("zstd", "tar,")) or kind == "tar":
        pytest.skip("no checksum over the content")
    else:
        content[len(content) // 2] ^= 0x40
    source = tmp_path / "v.gz"
    source.write_bytes(content)
    with pytest.raises(embmap.ParseError, match=r"cut short|damaged|does not match") as raised:
        embmap.convert(source, tmp_path / "v.embmap")
    assert raised.value.path == str(source)
    assert list(tmp_path.iterdir()) == [source]


def test_a_cut_container_is_named_by_the_line_where_it_ends(tmp_path):
    source = tmp_path / "v.txt.gz"
    packed = gzip.compress(TEXT, compresslevel=0)
    source.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(embmap.ParseError, match="gzip data are cut short") as raised:
        embmap.convert(source, tmp_path / "v.embmap")
    assert raised.value.line == TEXT[: raised.value.byte_offset].count(b"\n") + 1
    assert len(TEXT) * 0.3 < raised.value.byte_offset < len(TEXT) * 0.5


@pytest.mark.parametrize("archive", [zip_of, tar_of, lambda files: gzip.compress(tar_of(files))])
def test_several_candidates_are_listed_and_member_names_one(tmp_path, archive):
    source = tmp_path / "glove.archive"
    source.write_bytes(archive({"d/50d.txt": b"a 1 2\n", "d/100d.txt": TEXT, "README": b"x"}))
    with pytest.raises(embmap.ParseError, match=r'member=, of "d/50d.txt", "d/100d.txt"'):
        embmap.convert(source, tmp_path / "v.embmap")
    assert embmap.convert(source, tmp_path / "v.embmap", member="d/100d.txt").rows == ROWS
    report = embmap.convert(source, member="d/50d.txt")
    assert (report.rows, report.path) == (1, tmp_path / "50d.embmap")
    assert embmap.open(report.path).metadata["source"]["member"] == "d/50d.txt"
    with pytest.raises(embmap.ParseError, match=r'no member "25d.txt".*"d/50d.txt"'):
        embmap.convert(source, tmp_path / "v.embmap", member="25d.txt")


@pytest.mark.parametrize("content", [TEXT, gzip.compress(TEXT)])
def test_member_is_for_archives(tmp_path, content):
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(embmap.ParseError, match="is for an archive"):
        embmap.convert(tmp_path / "v.txt", member="v.txt")


def test_the_default_target_drops_the_containers_suffixes(tmp_path):
    for name in ("v.txt.gz", "v.tar.xz", "v.zip", "v.vec.bz2"):
        (tmp_path / name).write_bytes(CONTAINERS["gzip"])
        assert embmap.convert(tmp_path / name).path == tmp_path / "v.embmap"


def test_a_bomb_is_stopped_by_a_limit_that_can_be_raised(tmp_path):
    row = b"w%d" + b" 0" * 4000 + b"\n"
    text = b"".join(row % i for i in range(10_000))
    for name, content in {
        "v.gz": gzip.compress(text),
        "v.zip": zip_of({"v.txt": text}),
        "v.tar.bz2": bz2.compress(tar_of({"README": bytes(1 << 27), "v.txt": TEXT})),
    }.items():
        source = tmp_path / name
        source.write_bytes(content)
        with pytest.raises(embmap.ParseError, match="may be a bomb; a larger max_expansion"):
            embmap.convert(source, tmp_path / "v.embmap")
        assert not (tmp_path / "v.embmap").exists()
    assert embmap.convert(tmp_path / "v.gz", tmp_path / "v.embmap", max_expansion=1e5).rows == 10_000
    with pytest.raises(ValueError, match="max_expansion must be at least 1"):
        embmap.convert(tmp_path / "v.gz", max_expansion=0)


def test_a_window_that_is_too_large_is_no_damage(tmp_path):
    """As `zstd --ultra --long=31` and `xz` with a dictionary of 4 GiB make them."""
    block = struct.pack("<I", 1 | 4 << 3)[:3] + b"a 1\n"
    frame = b"\x28\xb5\x2f\xfd" + bytes([0, (31 - 10) << 3]) + block
    packed = bytearray(lzma.compress(b"a 1 2\n"))
    # The dictionary's size is behind the filter's number, and a checksum behind both.
    at = packed.index(b"\x21\x01", 12) + 2
    packed[at] = 40
    packed[20:24] = struct.pack("<I", zlib.crc32(packed[12:20]))
    for name, content in (("zstd", frame), ("xz", bytes(packed))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(embmap.ParseError, match=f"the {name} data need more memory.*unpack the file with {name}"):
            embmap.convert(tmp_path / name, tmp_path / "v.embmap")


def test_other_archives_are_refused_by_name(tmp_path):
    packed = TEXT
    for _ in range(5):
        packed = gzip.compress(packed)
    for content, reason in {
        b"7z\xbc\xaf\x27\x1c": "7z",
        b"Rar!\x1a": "RAR",
        packed: "packed more than 4 times",
    }.items():
        (tmp_path / "v").write_bytes(content)
        with pytest.raises(embmap.ParseError, match=reason):
            embmap.convert(tmp_path / "v")


@pytest.mark.parametrize("policy", ["error", "skip"])
@pytest.mark.parametrize("kind", ["gzip", "tar in gzip", "two candidates"])
def test_damage_found_at_the_end_is_told_whatever_the_threads(tmp_path, policy, kind):
    text = b"".join(b"%d " % i + TEXT for i in range(60))
    packed = {
        "gzip": gzip.compress(text, 1)[:-8] + bytes(8),
        "tar in gzip": gzip.compress(tar_of({"v.txt": text}), 1)[:-8] + bytes(8),
        "two candidates": tar_of({"v.txt": text, "w.txt": text}),
    }[kind]
    (tmp_path / "v").write_bytes(packed)
    for _ in range(3):
        with pytest.raises(embmap.ParseError, match=r"damaged|several files"):
            embmap.convert(tmp_path / "v", tmp_path / "v.embmap", threads=8, on_bad_row=policy, header=False, dim=3)
    assert not (tmp_path / "v.embmap").exists()


def test_what_lies_before_the_damage_comes_first(tmp_path):
    packed = gzip.compress(TEXT, 0)
    (tmp_path / "v.gz").write_bytes(packed[: len(packed) // 2])
    assert embmap.convert(tmp_path / "v.gz", limit=5).rows == 5
    bad = gzip.compress(b"w 1 2 3\nbad 1\n" + TEXT, 0)
    (tmp_path / "v.gz").write_bytes(bad[: len(bad) // 2])
    with pytest.raises(embmap.ParseError, match="found a word and 1") as raised:
        embmap.convert(tmp_path / "v.gz", dim=3)
    assert raised.value.line == 2


def test_text_packed_four_times_is_read(tmp_path):
    packed = TEXT
    for _ in range(4):
        packed = gzip.compress(packed)
    (tmp_path / "v").write_bytes(packed)
    assert embmap.convert(tmp_path / "v").rows == ROWS


def test_bad_rows_of_a_container_have_their_place_in_the_text(tmp_path):
    text = TEXT + b"bad 1 2\n" + TEXT.replace(b"w", b"x")
    (tmp_path / "v.gz").write_bytes(gzip.compress(text))
    with pytest.raises(embmap.ParseError, match="found a word and 2") as raised:
        embmap.convert(tmp_path / "v.gz")
    assert (raised.value.line, raised.value.byte_offset) == (ROWS + 1, len(TEXT))
    assert embmap.convert(tmp_path / "v.gz", on_bad_row="skip").rows == 2 * ROWS


def test_a_header_and_blank_lines_at_the_end_are_passed_over(tmp_path):
    text = b"%d 3\n" % ROWS + TEXT + b"\n \r\n\n"
    (tmp_path / "v.gz").write_bytes(gzip.compress(text))
    report = embmap.convert(tmp_path / "v.gz")
    assert (report.rows, report.header_rows, report.bytes_read) == (ROWS, ROWS, len(text))
    assert report.checksum == f"crc32:{zlib.crc32(text):08x}"


def test_progress_of_a_container_counts_its_own_bytes(tmp_path):
    source = tmp_path / "v.gz"
    source.write_bytes(CONTAINERS["gzip"])
    seen = []
    embmap.convert(source, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (source.stat().st_size,) * 2


def test_load_takes_containers(tmp_path, plain):
    (tmp_path / "v.zip").write_bytes(CONTAINERS["zip, deflated"])
    assert same(embmap.load(tmp_path / "v.zip", cache_dir=tmp_path, member="d/v.txt"), plain)


def embmap_command(*arguments: object, **options) -> subprocess.Popen:
    # A program that was started in the background ignores Ctrl-C, and so does what it starts.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from embmap.cli import main; main()"
    )
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], **options)


@pytest.mark.parametrize("kind", ["plain", "gzip", "tar in gzip"])
def test_the_standard_input_is_a_source(tmp_path, plain, kind):
    content = {**CONTAINERS, "plain": TEXT}[kind]
    target = tmp_path / "v.embmap"
    command = embmap_command("convert", "-", target, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    command.communicate(content)
    assert command.returncode == 0
    assert same(embmap.open(target), plain)


@has_pipes
def test_ctrl_c_ends_the_wait_for_the_writer_of_a_named_pipe(tmp_path):
    os.mkfifo(tmp_path / "v.pipe")
    command = embmap_command("convert", tmp_path / "v.pipe", stderr=subprocess.DEVNULL)
    time.sleep(1.0)
    command.send_signal(signal.SIGINT)
    started = time.monotonic()
    command.wait(timeout=10)
    assert time.monotonic() - started < 0.5


@has_pipes
def test_load_wants_a_file_that_can_be_read_again(tmp_path):
    os.mkfifo(tmp_path / "v.pipe")
    with pytest.raises(ValueError, match="cannot be read again"):
        embmap.load(tmp_path / "v.pipe", cache_dir=tmp_path)


@has_pipes
def test_a_named_pipe_is_a_source(tmp_path, plain):
    pipe = tmp_path / "v.pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(TEXT,), daemon=True)
    writer.start()
    report = embmap.convert(pipe, tmp_path / "v.embmap")
    writer.join(timeout=10)
    assert same(embmap.open(report.path), plain)


def test_what_the_standard_input_cannot_be_says_why(tmp_path):
    with pytest.raises(ValueError, match="say where the store goes"):
        embmap.convert("-")
    target = tmp_path / "v.embmap"
    command = embmap_command("convert", "-", target, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    _, errors = command.communicate(CONTAINERS["zip, deflated"])
    assert command.returncode == 1
    assert b"save it as one" in errors


@interrupts
@pytest.mark.parametrize("first", [b"", TEXT])
def test_ctrl_c_ends_the_wait_for_a_pipe_within_half_a_second(tmp_path, first):
    command = embmap_command("convert", "-", tmp_path / "v.embmap", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    command.stdin.write(first)
    command.stdin.flush()
    time.sleep(1.0)
    command.send_signal(signal.SIGINT)
    started = time.monotonic()
    command.wait(timeout=10)
    assert time.monotonic() - started < 0.5
    command.stdin.close()
    command.stderr.close()
    assert list(tmp_path.iterdir()) == []


# Elsewhere reading a pipe waits, whatever the caller wants.
@pytest.mark.skipif(os.name != "posix", reason="Windows cannot be asked whether a pipe has anything")
def test_a_limit_does_not_wait_for_the_rest_of_a_pipe(tmp_path):
    target = tmp_path / "v.embmap"
    command = embmap_command("convert", "-", target, "--limit", 2, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    with contextlib.suppress(BrokenPipeError):
        command.stdin.write(TEXT * 20)
        command.stdin.flush()
    assert command.wait(timeout=10) == 0
    with contextlib.suppress(BrokenPipeError):
        command.stdin.close()
    assert list(embmap.open(target)) == ["w0", "w1"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "rows", "dim"),
    [
        ("allennlp/fake_embeddings.5d.txt.gz", 15, 5),
        ("allennlp/fake_embeddings.5d.txt.bz2", 15, 5),
        ("allennlp/fake_embeddings.5d.txt.xz", 15, 5),
        ("allennlp/fake_embeddings.5d.txt.zip", 15, 5),
        ("allennlp/fake_embeddings.5d.txt.tar.gz", 15, 5),
        ("allennlp/glove.6B.100d.sample.txt.gz", 100, 100),
        ("allennlp/glove.6B.300d.sample.txt.gz", 100, 300),
        ("torchtext/glove.840B.300d.zip", 100, 300),
    ],
)
def test_published_containers(data, tmp_path, name, rows, dim):
    report = embmap.convert(data / name, tmp_path / "v.embmap")
    assert (report.rows, report.dim) == (rows, dim)
    embmap.open(report.path).verify()


@pytest.mark.real
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_a_published_archive_of_several_files(data, tmp_path, suffix):
    source = data / f"allennlp/multi-file-archive.{suffix}"
    with pytest.raises(embmap.ParseError, match="several files"):
        embmap.convert(source, tmp_path / "v.embmap")
    assert embmap.convert(source, tmp_path / "v.embmap", member="folder/fake_embeddings.5d.txt").rows == 15
