"""Conversion is all or nothing, memory is bounded, Ctrl-C answers."""

import bz2
import gzip
import itertools
import lzma
import os
import subprocess
import sys
import time

import pytest
from conftest import SMALL, convert_text

import embmap


def big_text(folder, rows=60_000, dim=100):
    numbers = " ".join(f"0.{i:05d}" for i in range(dim))
    source = folder / "big.txt"
    with source.open("w") as file:
        file.writelines(f"w{i} {numbers}\n" for i in range(rows))
    return source


@pytest.fixture
def old(tmp_path):
    """A target that is there already, and what it holds."""
    convert_text(tmp_path, SMALL)
    target = tmp_path / "v.embmap"
    return target, target.read_bytes()


def test_a_failed_conversion_leaves_the_old_file_and_nothing_else(tmp_path, old):
    target, before = old
    with pytest.raises(embmap.ParseError):
        convert_text(tmp_path, "".join(f"w{i} 1 2\n" for i in range(200_000)) + "bad\n")
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.embmap", "v.txt"]


@pytest.mark.parametrize("when", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_killed_conversion_leaves_the_old_file_or_the_new_one_whole(tmp_path, old, when):
    target, before = old
    source = big_text(tmp_path)
    code = f"import embmap; print(flush=True); embmap.convert({str(source)!r}, {str(target)!r})"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child.stdout.readline()
    time.sleep(when)
    child.kill()
    child.communicate()
    assert target.read_bytes() == before or len(embmap.open(target)) == 60_000
    embmap.open(target).verify()


def test_a_full_disk_is_an_error_that_leaves_the_old_file(tmp_path, old):
    target, before = old
    source = big_text(tmp_path)
    code = f"""
import embmap, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    embmap.convert({str(source)!r}, {str(target)!r})
except OSError as error:
    print(error.errno, error.filename)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"27 {target}\n"
    assert target.read_bytes() == before
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    (tmp_path / "v.txt").write_text(SMALL)
    with pytest.raises(PermissionError):
        embmap.convert(tmp_path / "v.txt", tmp_path / "closed" / "v.embmap")


@pytest.mark.parametrize("progress", [True, False])
def test_ctrl_c_ends_the_conversion_and_leaves_nothing(tmp_path, progress):
    source = big_text(tmp_path, rows=60_000, dim=300)
    code = f"""
import embmap, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
asked = []
def press(*_):
    if not asked:
        asked.append(True)
        signal.raise_signal(signal.SIGINT)
if not {progress}:
    press = None
    threading.Timer(0.01, signal.raise_signal, [signal.SIGINT]).start()
try:
    embmap.convert({str(source)!r}, progress=press)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "stopped\n"
    assert [path.name for path in tmp_path.iterdir()] == ["big.txt"]


def test_an_exception_in_the_progress_callable_ends_the_conversion(tmp_path):
    calls = []

    def progress(done, total):
        calls.append(done)
        if len(calls) == 1:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        convert_text(tmp_path, "".join(f"w{i} {i} 0.5\n" for i in range(200_000)), progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]


@pytest.mark.parametrize("suffix", ["txt", "gz", "bz2", "xz"])
def test_a_conversion_that_is_stopped_answers_within_half_a_second(tmp_path, suffix):
    pack = {"txt": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lambda text: lzma.compress(text, preset=0)}
    source = big_text(tmp_path, rows=30_000, dim=100)
    source.write_bytes(pack[suffix](source.read_bytes()))
    stopped = []

    def progress(done, total):
        if done > total / 4:
            stopped.append(time.monotonic())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embmap.convert(source, tmp_path / "v.embmap", progress=progress)
    assert time.monotonic() - stopped[0] < 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["big.txt"]


def test_progress_ends_at_the_total(tmp_path, capsys):
    seen = []
    report = convert_text(tmp_path, SMALL, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (report.bytes_read, report.bytes_read)
    assert all(a <= b for (a, _), (b, _) in itertools.pairwise(seen))
    convert_text(tmp_path, SMALL, progress=True)
    assert "100%" in capsys.readouterr().err


def test_memory_is_bounded(tmp_path):
    """The matrix is 72 MB; converting and opening it takes a fraction of that."""
    source = big_text(tmp_path, rows=60_000, dim=300)
    code = f"""
import re, embmap
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
before = peak()
embmap.convert({str(source)!r})
converted = peak()
store = embmap.open({str(source.with_suffix(".embmap"))!r})
store.index("w59999")
print(converted - before, peak() - converted, store.vectors.nbytes / 1e6)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    converting, opening, matrix = map(float, done.stdout.split())
    assert matrix > 70
    assert converting < 40
    assert opening < 2


def test_the_targets_mode_is_what_the_umask_leaves(tmp_path):
    old = os.umask(0o027)
    try:
        assert convert_text(tmp_path, SMALL).path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(old)
