"""Conversion is all or nothing, memory is bounded, Ctrl-C answers."""

import bz2
import errno
import gzip
import itertools
import json
import lzma
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, convert_text, has_modes, has_pipes, limits_files, reads_proc, write_model

import embmap
from embmap._atomic_file import new_file


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


@reads_proc
@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".npy", ".safetensors", ".vec"])
def test_a_killed_export_leaves_the_old_file_and_nothing_else(tmp_path, old, suffix):
    store, target = old[0], tmp_path / f"out{suffix}"
    target.write_bytes(b"old")
    before = sorted(tmp_path.iterdir())
    kill = "lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    code = f"import embmap, os, signal; embmap.open({str(store)!r}).export({str(target)!r}, progress={kill})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == before


@reads_proc
def test_a_killed_folder_is_gone_with_the_next_and_a_living_one_stays(tmp_path, store):
    code = (
        "import sys, os, signal, pathlib; from embmap._atomic_file import new_folder\n"
        "with new_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'part').touch(); print(folder, flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model")]
    dead, living = (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    left, kept = (Path(child.stdout.readline().strip()) for child in (dead, living))
    dead.kill()
    dead.communicate()
    assert left.is_dir()
    store.save_model2vec(tmp_path / "other")
    assert not left.exists()
    assert (kept / "part").exists()
    living.communicate("\n")
    assert living.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["model", "other"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["part"]


@pytest.fixture(params=[True, False])
def nameless(request, monkeypatch):
    """Whether the system makes files without a name."""
    if not request.param:
        monkeypatch.setattr("embmap._atomic_file._nameless", lambda _: None)


@pytest.mark.usefixtures("nameless")
def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "x"
    for content in ("new", "newer"):
        with new_file(target) as file:
            file.write_text(content)
            assert not target.exists() or target.read_text() == "new"
        assert target.read_text() == content
        assert list(tmp_path.iterdir()) == [target]

    def fail(error):
        with new_file(target) as file:
            file.write_text("broken")
            raise error(errno.EACCES, "Not allowed", str(file))

    with pytest.raises(PermissionError, match=re.escape(f"Not allowed: {str(target)!r}")):
        fail(PermissionError)
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError)
    assert target.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [target]
    with (
        pytest.raises(FileNotFoundError, match=re.escape(repr(str(tmp_path / "no" / "x")))),
        new_file(tmp_path / "no" / "x"),
    ):
        pass


@has_modes
@pytest.mark.usefixtures("nameless")
def test_the_mode_of_what_python_writes_is_the_old_files_or_what_the_umask_leaves(tmp_path):
    (tmp_path / "old").touch()
    (tmp_path / "old").chmod(0o604)
    umask = os.umask(0o027)
    try:
        for name in ("old", "new"):
            with new_file(tmp_path / name):
                pass
    finally:
        os.umask(umask)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("old", "new")] == [0o604, 0o640]


@limits_files
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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
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


@limits_files
@pytest.mark.parametrize("name", ["v.parquet", "v.arrow", "v.npy", "v.vec", "g.npz", "g.parquet"])
def test_a_file_that_may_be_no_larger_is_named_in_the_error(tmp_path, name):
    pytest.importorskip("pyarrow")
    embmap.write(tmp_path / "v.embmap", [f"w{i}" for i in range(2000)], np.eye(2000, 50, dtype=np.float32))
    code = f"""
import embmap, resource, signal
store = embmap.open({str(tmp_path / "v.embmap")!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY))
path = {str(tmp_path / name)!r}
try:
    store.knn_graph(path) if "g." in path else store.export(path)
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert str(tmp_path / name) in done.stdout, done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.embmap"]


def test_ctrl_c_ends_a_gather_between_its_pieces(tmp_path):
    embmap.write(tmp_path / "v.embmap", ["a"], np.ones((1, 1000), np.float32))
    code = f"""
import embmap, numpy, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
store = embmap.open({str(tmp_path / "v.embmap")!r})
out = numpy.zeros((200_000, 1000), numpy.float32)
threading.Timer(0.02, signal.raise_signal, [signal.SIGINT]).start()
try:
    store.take(numpy.zeros(200_000, int), out=out)
except KeyboardInterrupt:
    print("stopped", out[0, 0] == 1, out[-1, 0] == 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "stopped True False\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are not asked to read")
def test_preloading_a_file_that_was_cut_is_an_error(tmp_path):
    embmap.write(tmp_path / "v.embmap", [f"w{i}" for i in range(1000)], np.ones((1000, 50), np.float32))
    code = f"""
import embmap, os
store = embmap.open({str(tmp_path / "v.embmap")!r})
os.truncate({str(tmp_path / "v.embmap")!r}, 8192)
try:
    store.preload()
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "v.embmap" in done.stdout
    assert "cut short" in done.stdout


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


@reads_proc
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


@has_modes
def test_the_targets_mode_is_what_the_umask_leaves(tmp_path):
    old = os.umask(0o027)
    try:
        assert convert_text(tmp_path, SMALL).path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(old)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", ["leaves the block", "writes", "ends"])
def test_a_forked_child_does_nothing_to_what_its_parent_writes(tmp_path, how):
    path = tmp_path / "v.embmap"
    embmap.write(path, ["old"], np.ones((1, 4)))
    child, refused = None, False
    try:
        with embmap.Writer(path, 4) as writer:
            writer.write(["a"], np.ones((1, 4)))
            child = os.fork()
            if child == 0 and how == "writes":
                writer.write(["b"], np.ones((1, 4)))
            if child == 0 and how == "ends":
                writer._writer.abandon()
                os._exit(0)
            if child:
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
                writer.write([f"w{i}" for i in range(100_000)], np.ones((100_000, 4)))
    except OSError as error:
        refused = "forked from" in str(error)
    if child == 0:
        os._exit(0 if refused else 1)
    with embmap.open(path) as store:
        store.verify()
        assert len(store) == 100_001


@has_pipes
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "v.embmap")
    with pytest.raises(OSError, match="expected a file, found a pipe or a device"):
        embmap.open(tmp_path / "v.embmap")
    folder = write_model(tmp_path / "model", np.eye(3, 4, dtype=np.float32), ["a", "b", "c"])
    for name, error in (("model.safetensors", OSError), ("tokenizer.json", embmap.ParseError)):
        (folder / name).rename(tmp_path / name)
        os.mkfifo(folder / name)
        with pytest.raises(error, match=r"a pipe or a device|no vocabulary beside the weights"):
            embmap.convert(folder, tmp_path / "w.embmap")
        (folder / name).unlink()
        (tmp_path / name).rename(folder / name)


def quantized(path, dim, buckets):
    """Write a fastText model in which one byte is a row."""
    head = struct.pack("<ii12id", 793712314, 12, dim, 5, 5, 1, 5, 1, 2, 2, buckets, 3, 6, 100, 1e-4)
    head += struct.pack("<iiiqq", 1, 1, 0, 10, -1) + b"a\0" + struct.pack("<qb", 1, 0)
    rows = 1 + buckets
    codes = b"\1\0" + struct.pack("<qqi", rows, dim, rows) + bytes(rows)
    centroids = struct.pack("<4i", dim, 1, dim, dim) + struct.pack("<f", 0.5) * (dim * 256)
    path.write_bytes(head + codes + centroids + b"\0" + struct.pack("<qq", 1, dim) + bytes(4 * dim))


def repeated(path, dim, tokens):
    """Write a model of model2vec whose tokens all have the one row."""
    path.mkdir()
    weights = {"dtype": "F32", "shape": [1, dim], "data_offsets": [0, 4 * dim]}
    mapping = {"dtype": "I32", "shape": [tokens], "data_offsets": [4 * dim, 4 * dim + 4 * tokens]}
    header = json.dumps({"embeddings": weights, "mapping": mapping}).encode()
    data = struct.pack("<f", 0.5) * dim + bytes(4 * tokens)
    (path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)
    (path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {f"{i:x}": i for i in range(tokens)}}}))


@pytest.mark.parametrize("make", [quantized, repeated])
def test_few_bytes_that_stand_for_many_rows_may_be_a_bomb(tmp_path, make):
    make(tmp_path / "bomb", 1024 if make is quantized else 65_536, 200_000 if make is quantized else 3000)
    with pytest.raises(embmap.ParseError, match=r"bytes came out of .*this may be a bomb; a larger max_expansion"):
        embmap.convert(tmp_path / "bomb", tmp_path / "v.embmap")
    assert not (tmp_path / "v.embmap").exists()
    # What is small may come of little, and what is asked for comes.
    make(tmp_path / "small", 64, 100)
    assert embmap.convert(tmp_path / "small", tmp_path / "v.embmap").rows == (1 if make is quantized else 100)
    make(tmp_path / "wanted", 64, 300_000 if make is quantized else 20)
    assert embmap.convert(tmp_path / "wanted", tmp_path / "v.embmap", max_expansion=1e9).rows


def test_metadata_that_is_too_deep_is_corrupt(tmp_path):
    embmap.write(tmp_path / "v.embmap", ["a"], np.ones((1, 2)), metadata={"x": "[" * 3000})
    data = (tmp_path / "v.embmap").read_bytes()
    deep = data.replace(b'"' + b"[" * 3000 + b'"', b"[" * 3002)
    assert deep != data
    (tmp_path / "deep.embmap").write_bytes(deep)
    with (
        embmap.open(tmp_path / "deep.embmap") as store,
        pytest.raises(embmap.FormatError, match="metadata is not JSON"),
    ):
        store.metadata


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("suffix", ["embmap", "vec", "parquet"])
def test_what_another_user_has_put_into_a_common_folder_is_refused(tmp_path, store, suffix):
    common, victim = tmp_path / "common", tmp_path / "victim"
    common.mkdir()
    common.chmod(0o1777)
    victim.write_text("precious")
    link = common / f"out.{suffix}"
    link.symlink_to(victim)
    os.lchown(link, 65534, 65534)
    calls = {
        "embmap": lambda: embmap.write(link, ["a"], np.ones((1, 2))),
        "vec": lambda: store.export(link),
        "parquet": lambda: store.export(link),
    }
    with pytest.raises(PermissionError, match="a link of another user, in a folder that everyone may write to"):
        calls[suffix]()
    assert victim.read_text() == "precious"
    # One's own link, and one in one's own folder, is followed.
    os.lchown(link, os.geteuid(), 0)
    calls[suffix]()
    assert victim.read_bytes() != b"precious"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
def test_a_cache_that_everyone_may_write_to_is_not_believed(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 2\n")
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o1777)
    made = embmap.load(tmp_path / "v.txt", cache_dir=cache).path
    os.chown(made, 65534, 65534)
    with pytest.raises(PermissionError, match="a file of another user"):
        embmap.load(tmp_path / "v.txt", cache_dir=cache)
    made.unlink()
    os.mkfifo(made.with_suffix(".lock"))
    with pytest.raises(OSError, match="lock"):
        embmap.load(tmp_path / "v.txt", cache_dir=cache)


def test_control_characters_do_not_reach_a_terminal(tmp_path, monkeypatch):
    from embmap._cli.messages import printable, sentence

    assert printable("king\x1b]0;pwned\x07\tx\n\x85é") == "king\\x1b]0;pwned\\x07\tx\n\\x85é"
    assert json.loads(printable(json.dumps("\x1b\x85é", ensure_ascii=False), json=True)) == "\x1b\x85é"
    assert "\x1b" not in sentence(ValueError("a \x1b[31m name"))
    assert "\x1b" not in sentence(KeyError("\x1b[31m"))
