"""Export: other programs read what is written, and converting it back gives the same words and bits."""

import json
import os
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import SMALL, convert_text, has_modes, limits_files, reads_proc, store_of
from hypothesis import given, settings
from hypothesis import strategies as st

import embmap
from embmap import _reference

TEXT = ["glove", "word2vec", "fasttext-vec"]
CODES = {"float32": 0, "float16": 1, "bfloat16": 2, "int8": 3}

# The last fields of a line are its numbers: a word that ends in one, and a text without a header, are another test's.
words = st.text("ab.-é漢\u00a0\u0085\u2028\u3000\t\r 🦀", min_size=1, max_size=6)
numbers = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(-8, 8, width=32),
    st.sampled_from([0.0, -0.0, 1e-45, -1.1754942e-38, 3.4028234663852886e38, 1e-5, 0.1, 16777216.0, 1e16]),
)


def bits(vectors):
    return np.ascontiguousarray(vectors, np.float32).view(np.uint32).tolist()


def written(folder, words, rows, dim, dtype="float32"):
    """Open a store of any words, written by the plain-Python writer."""
    path = folder / "any.embmap"
    path.write_bytes(_reference.encode([word.encode() for word in words], rows, dim, "{}", CODES[dtype]))
    return embmap.open(path)


def converted_back(folder, store, format, **options):
    report = store.export(folder / "export.txt", format, **options)
    # "1 1" is a header or a row, and spaces around every word are theirs, as the reader says.
    options = {"header": format != "glove", "separator": " ", "dim": store.dim}
    return embmap.open(embmap.convert(report.path, folder / f"{format}.embmap", **options).path)


def gensim_vectors():
    return pytest.importorskip("gensim.models").KeyedVectors


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_text_converts_back_to_the_same_words_and_bits(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("text")
    dim = data.draw(st.integers(1, 9))
    vocab = data.draw(st.lists(words, min_size=1, max_size=12, unique=True))
    rows = [data.draw(st.lists(numbers, min_size=dim, max_size=dim)) for _ in vocab]
    store = written(folder, vocab, rows, dim)
    for format in TEXT:
        back = converted_back(folder, store, format)
        assert list(back) == vocab
        assert bits(back.vectors) == bits(store.vectors)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_binary_converts_back_to_the_same_words_and_bits(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("binary")
    dim = data.draw(st.integers(1, 9))
    vocab = data.draw(st.lists(words.filter(lambda word: " " not in word), min_size=1, max_size=12, unique=True))
    rows = [data.draw(st.lists(numbers, min_size=dim, max_size=dim)) for _ in vocab]
    store = written(folder, vocab, rows, dim)
    report = store.export(folder / "v.bin")
    back = embmap.open(embmap.convert(report.path, folder / "back.embmap", format="word2vec-binary").path)
    assert list(back) == vocab
    assert bits(back.vectors) == bits(store.vectors)


@pytest.mark.parametrize("dtype", CODES)
def test_text_of_every_number_type_has_the_values_of_the_store(tmp_path, dtype):
    rows = np.random.default_rng(1).normal(0, 0.4, (50, 7)).astype(np.float32).tolist()
    store = written(tmp_path, [f"w{i}" for i in range(50)], rows, 7, dtype)
    for format in TEXT:
        assert bits(converted_back(tmp_path, store, format).vectors) == bits(store.take(range(50)))


def test_the_text_is_the_shortest_that_reads_back(tmp_path):
    values = [0.1, -0.0, 1.0, 1e-5, 3.4028234663852886e38, 1e-45, -0.30424719, 123456.0]
    store = written(tmp_path, ["a"], [values], 8)
    store.export(tmp_path / "v.txt", "glove")
    fields = (tmp_path / "v.txt").read_text().split()[1:]
    assert fields == ["0.1", "-0", "1", "0.00001", "3.4028235e+38", "1e-45", "-0.3042472", "123456"]
    assert bits([np.float32(field) for field in fields]) == bits([float(field) for field in fields]) == bits(values)


def test_each_text_format_is_laid_out_as_its_program_does_it(tmp_path, store):
    texts = {}
    for format in TEXT:
        store.export(tmp_path / "v.txt", format)
        texts[format] = (tmp_path / "v.txt").read_text().splitlines()
    assert texts["glove"][:2] == ["king 0.9 0.8 0.1 0", "queen 0.9 0.1 0.8 0"]
    assert texts["word2vec"] == ["6 4", *texts["glove"]]
    assert texts["fasttext-vec"] == ["6 4", *(f"{line} " for line in texts["glove"])]


def test_binary_is_byte_for_byte_what_gensim_writes_and_gensim_reads_it(tmp_path):
    keyed_vectors = gensim_vectors()
    rng = np.random.default_rng(0)
    vocab, rows = [f"wörd{i}\u00a0x" for i in range(500)], rng.normal(size=(500, 20)).astype(np.float32)
    theirs = keyed_vectors(20)
    theirs.add_vectors(vocab, rows)
    theirs.save_word2vec_format(tmp_path / "theirs.bin", binary=True)
    store = written(tmp_path, vocab, rows.tolist(), 20)
    assert store.export(tmp_path / "ours.bin").format == "word2vec-binary"
    assert (tmp_path / "ours.bin").read_bytes() == (tmp_path / "theirs.bin").read_bytes()
    read = keyed_vectors.load_word2vec_format(tmp_path / "ours.bin", binary=True)
    assert read.index_to_key == vocab
    assert bits(read.vectors) == bits(rows)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("format", TEXT)
def test_gensim_reads_our_text(tmp_path, format):
    keyed_vectors = gensim_vectors()
    rows = np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32)
    rows[0, :4] = [-0.0, 1e-40, 3e38, 1e-5]
    vocab = [f"wörd{i}\u00a0x" for i in range(300)]
    written(tmp_path, vocab, rows.tolist(), 20).export(tmp_path / "v.txt", format)
    read = keyed_vectors.load_word2vec_format(tmp_path / "v.txt", no_header=format == "glove")
    assert read.index_to_key == vocab
    assert bits(read.vectors) == bits(rows)


def read_safetensors(path):
    """Read the one tensor and the words, from safetensors' specification."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensor = header.pop("embedding.weight")
    assert header.keys() == {"__metadata__"}
    start, end = tensor["data_offsets"]
    assert (8 + length) % 64 == start == 0
    assert 8 + length + end == len(data)
    return tensor, json.loads(header["__metadata__"]["words"]), data[8 + length :]


@pytest.mark.parametrize("dtype", CODES)
def test_safetensors_has_the_stored_numbers_and_every_word(tmp_path, dtype):
    vocab = ['"', "\\", "new york", "a\nb", "\u2028", "🦀", "x"]
    rows = np.random.default_rng(2).normal(size=(7, 5)).astype(np.float32).tolist()
    store = written(tmp_path, vocab, rows, 5, dtype)
    report = store.export(tmp_path / "v.safetensors")
    tensor, found, data = read_safetensors(report.path)
    assert found == vocab
    assert tensor["shape"] == [7, 5]
    assert tensor["dtype"] == {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "F32"}[dtype]
    stored = store.vectors if dtype == "int8" else store._vectors_cow()
    assert data == stored.tobytes()
    store.export(report.path, words=["x", '"'])
    tensor, found, data = read_safetensors(report.path)
    assert (found, tensor["shape"], data) == (["x", '"'], [2, 5], stored[[6, 0]].tobytes())


def test_safetensors_own_reader_reads_it(tmp_path, store):
    safetensors = pytest.importorskip("safetensors")
    store.export(tmp_path / "v.safetensors")
    with safetensors.safe_open(tmp_path / "v.safetensors", "numpy") as opened:
        assert bits(opened.get_tensor("embedding.weight")) == bits(store.vectors)
        assert json.loads(opened.metadata()["words"]) == list(store)


@pytest.mark.parametrize("format", [*TEXT, "word2vec-binary", "safetensors"])
def test_the_file_does_not_depend_on_the_number_of_threads(tmp_path, format):
    numbers = " ".join(f"0.{i:05d}" for i in range(200))
    store = store_of(tmp_path, "".join(f"w{i} {numbers}\n" for i in range(5000)))
    files = []
    for threads in (1, 2, 7):
        assert store.export(tmp_path / "v", format, threads=threads).rows == 5000
        files.append((tmp_path / "v").read_bytes())
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("format", [*TEXT, "word2vec-binary", "safetensors"])
def test_some_words_or_the_first_rows(tmp_path, store, format):
    def exported(**options):
        report = store.export(tmp_path / "v", format, **options)
        content = (tmp_path / "v").read_bytes()
        assert report.bytes_written == len(content)
        return report.rows, content

    assert exported(limit=2) == exported(words=["king", "queen"]) == exported(words=list(store), limit=2)
    assert exported(limit=99) == exported() == exported(words=iter([*store, "king"]))
    rows, content = exported(words=["pear", "king"])
    assert rows == 2
    assert content.index(b"pear") < content.index(b"king")
    assert exported(words=[])[0] == exported(limit=0)[0] == 0


def test_what_cannot_be_asked_for_says_why(tmp_path, store):
    with pytest.raises(KeyError, match="unheard-of"):
        store.export(tmp_path / "v", "glove", words=["king", "unheard-of"])
    with pytest.raises(ValueError, match=r"the suffix '\.txt' does not tell the format.*glove, word2vec"):
        store.export(tmp_path / "v.txt")
    with pytest.raises(ValueError, match="format must be one of 'glove'"):
        store.export(tmp_path / "v", "gif")
    with pytest.raises(ValueError, match="limit must be 0 or more, not -1"):
        store.export(tmp_path / "v.vec", limit=-1)
    with pytest.raises(ValueError, match="are the same file"):
        store.export(store.path, "glove")
    with pytest.raises(TypeError, match=r"pass \[word\]"):
        store.export(tmp_path / "v.vec", words="king")
    with pytest.raises(IsADirectoryError):
        store.export(tmp_path, "glove")
    store.close()
    with pytest.raises(ValueError, match="the store is closed"):
        store.export(tmp_path / "v.vec")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.embmap", "v.txt"]


@pytest.mark.parametrize(
    ("word", "formats", "why"),
    [
        ("a\nb", [*TEXT, "word2vec-binary"], "newline inside"),
        ("new york", ["word2vec-binary"], "space or a newline inside"),
        ("\ufeffa", ["glove"], "byte-order mark"),
    ],
)
def test_a_word_that_cannot_be_read_back_is_refused_by_name(tmp_path, word, formats, why):
    rows = [[0.5, 1.0], [1.0, 2.0]]
    store = written(tmp_path, [word, "b"], rows, 2)
    for format in formats:
        with pytest.raises(ValueError, match=why) as error:
            store.export(tmp_path / "v", format)
        assert "of row 0" in str(error.value)
        assert not (tmp_path / "v").exists()
        assert store.export(tmp_path / "v", format, words=["b"]).rows == 1
        (tmp_path / "v").unlink()


def test_the_first_word_that_is_refused_is_named(tmp_path):
    numbers = " ".join(["0.5"] * 64)
    space = {7_000: " x", 9_000: " x", 19_999: " x"}
    store = store_of(tmp_path, "".join(f"w{i}{space.get(i, '')} {numbers}\n" for i in range(20_000)))
    for _ in range(5):
        with pytest.raises(ValueError, match="of row 7000"):
            store.export(tmp_path / "v.bin", threads=4)


def test_words_with_blanks_are_counted_and_read_back(tmp_path):
    vocab = ["new york", ". . .", "\u00a0", "area 51", "a"]
    store = written(tmp_path, vocab, [[0.5, -1.0]] * 5, 2)
    for format in TEXT:
        report = store.export(tmp_path / "v.txt", format)
        assert report.words_with_blanks == 3
        assert "3 words with a space inside" in str(report)
        assert list(converted_back(tmp_path, store, format)) == vocab


def test_a_corrupt_store_is_an_error(tmp_path, store):
    data = bytearray(store.path.read_bytes())
    data[4096:4100] = struct.pack("<f", float("nan"))
    broken = tmp_path / "broken.embmap"
    broken.write_bytes(data)
    with pytest.raises(embmap.FormatError, match="row 0 has a number that is not finite"):
        embmap.open(broken).export(tmp_path / "v.vec")
    data[data.index(b"kingqueen")] = 0xFF
    broken.write_bytes(data)
    for name in ("v.vec", "v.bin", "v.safetensors"):
        with pytest.raises(embmap.FormatError, match="word 0 is not UTF-8"):
            embmap.open(broken).export(tmp_path / name)
        assert not (tmp_path / name).exists()


def test_the_report_reads_well(tmp_path, store):
    report = store.export(tmp_path / "v.vec")
    assert (report.source, report.path, report.format) == (store.path, tmp_path / "v.vec", "fasttext-vec")
    assert (report.rows, report.dim, report.bytes_written) == (6, 4, (tmp_path / "v.vec").stat().st_size)
    assert 0 <= report.sync_seconds <= report.seconds
    assert "6 words of 4 as fasttext-vec" in str(report)


@pytest.fixture
def big(tmp_path):
    """A store of 60 MB in a folder of its own."""
    source = tmp_path / "big"
    source.mkdir()
    numbers = " ".join(f"0.{i:05d}" for i in range(300))
    convert_text(source, "".join(f"w{i} {numbers}\n" for i in range(50_000)))
    return source / "v.embmap"


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_export_that_is_stopped_answers_within_half_a_second_and_leaves_the_old_file(tmp_path, big):
    target = tmp_path / "v.vec"
    target.write_text("old")
    stopped = []

    def progress(done, total):
        assert total == 50_000
        stopped.append(time.monotonic())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embmap.open(big).export(target, progress=progress)
    assert time.monotonic() - stopped[0] < 0.5
    assert target.read_text() == "old"
    assert left_in(tmp_path) == ["big", "v.vec"]


def test_ctrl_c_ends_the_export_and_leaves_nothing(tmp_path, big):
    code = f"""
import embmap, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
store = embmap.open({str(big)!r})
threading.Timer(0.01, signal.raise_signal, [signal.SIGINT]).start()
try:
    store.export({str(tmp_path / "v.vec")!r}, threads=1)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "stopped\n"
    assert left_in(tmp_path) == ["big"]


@limits_files
def test_a_full_disk_is_an_error_that_leaves_the_old_file(tmp_path, big):
    target = tmp_path / "v.vec"
    target.write_text("old")
    code = f"""
import embmap, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    embmap.open({str(big)!r}).export({str(target)!r})
except OSError as error:
    print(error.errno, error.filename)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"27 {target}\n"
    assert target.read_text() == "old"
    assert left_in(tmp_path) == ["big", "v.vec"]


@reads_proc
def test_memory_is_bounded(tmp_path, big):
    """The text has 120 MB; what is not the map takes a fraction of that."""
    code = f"""
import re, embmap
def anonymous(): return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
store = embmap.open({str(big)!r})
before, most = anonymous(), []
store.export({str(tmp_path / "v.vec")!r}, threads=2, progress=lambda *_: most.append(anonymous()))
print(max(most) - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (tmp_path / "v.vec").stat().st_size > 100_000_000
    assert float(done.stdout) < 20


def test_progress_counts_rows_and_ends_at_all(tmp_path, store, capsys):
    seen = []
    store.export(tmp_path / "v.vec", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6)
    store.export(tmp_path / "v.vec", progress=True)
    assert "v.vec: 100%" in capsys.readouterr().err


@has_modes
def test_the_targets_mode_is_what_the_umask_leaves(tmp_path, store):
    old = os.umask(0o027)
    try:
        for name in ("v.vec", "v.bin", "v.safetensors"):
            store.export(tmp_path / name)
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(old)


@pytest.mark.real
@pytest.mark.parametrize("format", TEXT)
def test_a_published_file_comes_back_bit_for_bit(tmp_path, data, format):
    source = next(iter(sorted((data / "glove6B-slice").glob("*.txt"))))
    embmap.convert(source, tmp_path / "v.embmap")
    store = embmap.open(tmp_path / "v.embmap")
    back = converted_back(tmp_path, store, format)
    assert list(back) == list(store)
    assert bits(back.vectors) == bits(store.vectors)


def test_small_text_is_not_larger_than_it_was(tmp_path):
    """`SMALL` has short numbers: none is written longer than it was."""
    store = store_of(tmp_path, SMALL)
    report = store.export(tmp_path / "v.txt", "glove")
    assert report.bytes_written == len(SMALL)


@pytest.mark.parametrize("name", ["v.npy", "v.fvecs", "v.fbin", "vectors.tsv"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_numbers_come_back_with_the_words_beside_them(tmp_path, name, dtype):
    words = ["king", "new york", '"', "\x85", "straße"] + ["a\nb\t"] * (name != "vectors.tsv")
    rows = np.random.default_rng(0).normal(size=(len(words), 5)).astype("f4")
    embmap.write(tmp_path / "v.embmap", words, rows, dtype=dtype)
    store = embmap.open(tmp_path / "v.embmap")
    report = store.export(tmp_path / name, "tensorboard" if name == "vectors.tsv" else None)
    assert (report.rows, report.bytes_written) == (len(words), (tmp_path / name).stat().st_size)
    beside = tmp_path / ("metadata.tsv" if name == "vectors.tsv" else "v.words.json")
    again = embmap.open(embmap.convert(tmp_path / name, tmp_path / "w.embmap", words=beside).path)
    assert list(again) == words
    every = np.arange(len(words))
    assert np.array_equal(again.take(every).view("i4"), store.take(every).view("i4"))
    if name == "v.npy":
        assert np.array_equal(np.load(tmp_path / name), store.take(every))
    store.export(tmp_path / name, report.format, words=["straße", "king"])
    again = embmap.open(embmap.convert(tmp_path / name, tmp_path / "x.embmap", words=beside).path)
    assert list(again) == ["straße", "king"]


def test_a_word_that_is_no_line_is_refused_for_tensorboard(tmp_path):
    embmap.write(tmp_path / "v.embmap", ["a\tb"], np.ones((1, 2)))
    with embmap.open(tmp_path / "v.embmap") as store:
        with pytest.raises(ValueError, match="has a line end or a tab"):
            store.export(tmp_path / "vectors.tsv", "tensorboard")
        with pytest.raises(ValueError, match="is where the words go"):
            store.export(tmp_path / "metadata.tsv", "tensorboard")
    assert [path.name for path in tmp_path.iterdir()] == ["v.embmap"]
