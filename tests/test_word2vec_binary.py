"""Word2vec's binary form: read as gensim reads it, told from text, and wrong files are errors with their place."""

import bz2
import codecs
import gzip
import itertools
import json
import math
import subprocess
import sys
import time
import zipfile
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import may_be_misread, reads_proc
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import embmap
from embmap import _reference
from embmap.cli import main

NEWLINES = {"C": b"\n", "gensim": b""}


def record(word: bytes, *row: float) -> bytes:
    return word + b" " + np.array(row, "<f4").tobytes()


def binary(rows, dim: int, newline: bytes = b"\n", count: int | None = None) -> bytes:
    """Word2vec's binary form of pairs of word and numbers, which announces `count` rows."""
    body = b"".join(record(word, *row) + newline for word, row in rows)
    return b"%d %d\n" % (len(rows) if count is None else count, dim) + body


def may_be_text(content: bytes) -> bool:
    """Whether bytes are characters, without controls; one at the end may be cut."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return False
    return not any((c < " " and c not in "\t\n\r") or c == "\x7f" for c in text)


def many(n: int, dim: int = 8, newline: bytes = b"\n") -> bytes:
    numbers = np.random.default_rng(0).standard_normal((n, dim), np.float32)
    return binary([(b"w%d" % i, row) for i, row in enumerate(numbers)], dim, newline)


def convert_binary(folder, content: bytes, **options) -> embmap.ConversionReport:
    source = folder / "v.bin"
    source.write_bytes(content)
    return embmap.convert(source, folder / "v.embmap", **options)


def store_of(folder, content: bytes, **options) -> embmap.Store:
    return embmap.open(convert_binary(folder, content, **options).path)


# What it is

_WORD = st.text(st.characters(exclude_characters=" \n", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)
_FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("writer", NEWLINES)
def test_records_with_and_without_newlines_are_the_same_store(tmp_path, writer):
    rows = [(b"king", (0.1, -0.2)), (b"new\xc2\xa0york", (1e-45, 3.4e38)), (b"\n".join([b"a", b"b"]), (0.0, -0.0))]
    store = store_of(tmp_path, binary(rows, 2, NEWLINES[writer]))
    assert list(store) == ["king", "new\u00a0york", "a\nb"]
    assert store.vectors.tobytes() == np.array([row for _, row in rows], np.float32).tobytes()
    store.verify()


@pytest.mark.parametrize("words", [b"abc", b"\nabc", b"\n\n\nabc"])
def test_newlines_before_a_word_are_passed_over(tmp_path, words):
    store = store_of(tmp_path, b"2 2\n" + record(words, 0.1, 0.2) + b"\n\n" + record(b"x", 0.3, 0.4) + b"\n\n\n")
    assert list(store) == ["abc", "x"]


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(
        st.tuples(_WORD, st.lists(_FINITE, min_size=3, max_size=3)), min_size=1, unique_by=lambda row: row[0]
    ),
    newline=st.sampled_from(list(NEWLINES.values())),
)
def test_any_records_read_as_the_reference_reads_them(tmp_path_factory, rows, newline):
    content = _reference.encode_word2vec([word.encode() for word, _ in rows], [row for _, row in rows], 3, newline)
    expected = list(_reference.parse_word2vec(content))
    store = store_of(tmp_path_factory.mktemp("records"), content, format="word2vec-binary")
    assert [word.encode() for word in store] == [word for word, _ in expected]
    assert store.vectors.tobytes() == np.array([row for _, row in expected], "<f4").tobytes()


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(
        st.tuples(_WORD, st.lists(st.floats(-2, 2, width=32), min_size=4, max_size=4)),
        min_size=1,
        unique_by=lambda row: row[0],
    ),
    newline=st.sampled_from(list(NEWLINES.values())),
    number=st.sampled_from(["{:.1f}", "{:.3f}", "{:.5g}", "{!r}", "{:.0f}.", "{:e}"]),
)
def test_what_a_file_is_is_found_whatever_its_words(tmp_path_factory, rows, newline, number):
    """The same words and numbers, as text and as records: neither is ever taken for the other."""
    assume(not may_be_misread(word for word, _ in rows))
    folder = tmp_path_factory.mktemp("either")
    words, numbers = [word for word, _ in rows], [row for _, row in rows]
    content = _reference.encode_word2vec([word.encode() for word in words], numbers, 4, newline)
    sound = [x for x in np.abs(numbers).ravel() if x == 0 or x >= 1e-9]
    if 2 * len(sound) >= 4 * len(rows):
        if all(may_be_text(np.array(row, "<f4").tobytes()) for row in numbers):
            # Rare: nothing in the numbers that text may not have.
            with pytest.raises(embmap.ParseError, match="say which with format="):
                convert_binary(folder, content)
        else:
            with store_of(folder, content) as store:
                assert list(store) == words
                assert store.vectors.tobytes() == np.array(numbers, "<f4").tobytes()
    lines = "".join(f"{word} {' '.join(number.format(x) for x in row)}\n" for word, row in rows)
    store = store_of(folder, f"{len(rows)} 4\n{lines}".encode())
    assert list(store) == words
    expected = [[float(number.format(x)) for x in row] for row in numbers]
    assert store.vectors.tobytes() == np.array(expected, np.float64).astype("<f4").tobytes()


@pytest.mark.parametrize("form", ["text", "word2vec-binary", "auto"])
def test_text_whose_rows_are_records_too_is_text(tmp_path, form):
    """With three characters a number, the lines have the length of records, and the bytes are sound floats."""
    text = b"2 2\na 0.5 0.2\nb 0.1 0.3\n"
    assert len(list(_reference.parse_word2vec(text))) == 2
    if form == "word2vec-binary":
        with pytest.raises(embmap.ParseError, match=r'this is text, not .* format="text" reads it'):
            convert_binary(tmp_path, text, format=form)
    else:
        assert store_of(tmp_path, text, format=form).vectors.tolist() == np.float32([[0.5, 0.2], [0.1, 0.3]]).tolist()


def test_records_are_not_read_as_text(tmp_path):
    with pytest.raises(embmap.ParseError, match='word2vec\'s binary form, not text: format="word2vec-binary"'):
        convert_binary(tmp_path, many(3), format="text")


@pytest.mark.parametrize("newline", NEWLINES.values(), ids=NEWLINES)
@pytest.mark.parametrize("value", [1.0, 0.0, 0.1, -2.5, 1e-7])
def test_one_row_of_one_number_is_enough(tmp_path, newline, value):
    store = store_of(tmp_path, binary([(b"a", [value])], 1, newline))
    assert store["a"].tolist() == [np.float32(value)]


def test_what_could_be_either_is_asked_about(tmp_path):
    content = binary([(b"a", [0.7])], 1)
    assert content == b"1 1\na 333?\n"
    with pytest.raises(embmap.ParseError, match='format="text" or format="word2vec-binary"'):
        convert_binary(tmp_path, content)
    assert store_of(tmp_path, content, format="word2vec-binary").vectors.tolist() == [[np.float32(0.7)]]


def test_records_have_a_header_always(tmp_path):
    with pytest.raises(ValueError, match="header=False"):
        convert_binary(tmp_path, many(3), format="word2vec-binary", header=False)
    assert convert_binary(tmp_path, many(3), header=True).rows == 3
    with pytest.raises(embmap.ParseError, match=r'expected the header "rows dim" of word2vec.*found "king'):
        convert_binary(tmp_path, record(b"king", 1, 2), format="word2vec-binary")


@pytest.mark.parametrize(
    "content",
    [
        # Half and double precision fall out of step.
        b"3 4\n" + b"".join(b"w%d " % i + np.array([0.1, 0.2, 0.3, 0.4], "<f2").tobytes() + b"\n" for i in range(3)),
        b"3 4\n" + b"".join(b"w%d " % i + np.array([0.1, 0.2, 0.3, 0.4], "<f8").tobytes() + b"\n" for i in range(3)),
        b"3 4\n" + np.random.default_rng(0).standard_normal((3, 4), np.float32).tobytes(),
        b"3 4\n" + bytes(1000),
    ],
    ids=["float16", "float64", "no words", "zeros"],
)
def test_other_bytes_behind_a_header_are_not_read(tmp_path, content):
    for form in ("auto", "word2vec-binary"):
        with pytest.raises(embmap.ParseError):
            convert_binary(tmp_path, content, format=form)
    assert [path.name for path in tmp_path.iterdir()] == ["v.bin"]


# What is wrong with it

GOOD = record(b"a", 0.1, 0.2)
WHERE = len(b"3 2\n" + GOOD)


@pytest.mark.parametrize(
    ("body", "line", "offset", "reason", "fault"),
    [
        (record(b"b", 3, math.nan) + GOOD, 2, WHERE, "number 2 of 2, NaN, is not finite", "not_finite"),
        (record(b"b", -math.inf, 4) + GOOD, 2, WHERE, "number 1 of 2, -inf, is not finite", "not_finite"),
        (b"\n\n" + record(b"b", 3, math.nan) + GOOD, 2, WHERE + 2, "is not finite", "not_finite"),
        (record(b"", 3, 4) + GOOD, 2, WHERE, "the word is empty", "empty_word"),
        (record(b"b\xff", 3, 4) + GOOD, 2, WHERE, 'b"b\\xff" is not UTF-8 at byte 1', "not_utf8"),
        (GOOD + record(b"b", 3, 4)[:-1], 3, WHERE + len(GOOD), "the file ends 9 bytes into the record", "field_count"),
        (GOOD + b"b ", 3, WHERE + len(GOOD), "the file ends 2 bytes into the record", "field_count"),
        (GOOD + b"\nb", 3, WHERE + len(GOOD) + 1, "the file ends 1 bytes into the record", "field_count"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_bad_record_is_an_error_with_its_place_unless_it_is_skipped(
    tmp_path, body, line, offset, reason, fault, packed
):
    content = b"3 2\n" + GOOD + body
    content = gzip.compress(content) if packed else content
    with pytest.raises(embmap.ParseError) as raised:
        convert_binary(tmp_path, content, format="word2vec-binary")
    error = raised.value
    assert (error.path, error.line, error.byte_offset) == (str(tmp_path / "v.bin"), line, offset)
    assert reason in error.reason
    assert not (tmp_path / "v.embmap").exists()

    report = convert_binary(tmp_path, content, format="word2vec-binary", on_bad_row="skip")
    assert list(embmap.open(report.path)) == ["a"]
    assert report.rejected == report.rejected_by[fault] == 1
    (row,) = report.rejected_rows
    assert (row.line, row.byte_offset) == (line, offset)
    assert row.reason in error.reason


@pytest.mark.parametrize("count", [0, 1, 2, 4, 2**63])
@pytest.mark.parametrize("newline", NEWLINES.values(), ids=NEWLINES)
def test_a_header_that_counts_wrongly(tmp_path, count, newline):
    content = binary([(b"a", (0.1, 0.2)), (b"b", (0.3, 0.4)), (b"c", (0.5, 0.6))], 2, newline, count)
    why = "it was cut short: download it again" if count > 3 else "the header is wrong"
    with pytest.raises(embmap.ParseError, match=f"announces {count} rows, the file has 3: {why}") as raised:
        convert_binary(tmp_path, content)
    assert (raised.value.line, raised.value.byte_offset) == (1, 0)
    report = convert_binary(tmp_path, content, on_bad_row="skip")
    assert (report.rows, report.header_rows, report.rejected) == (3, count, 0)
    assert f"announced {count:,} rows" in str(report)
    assert convert_binary(tmp_path, content, on_wrong_count="ignore").rows == 3
    assert convert_binary(tmp_path, content, limit=2).rows == 2


@pytest.mark.parametrize("cut", [1, 4, 30, 3000])
def test_a_file_that_was_cut_short_is_an_error_whatever_the_threads(tmp_path, cut):
    whole = many(300_000, newline=b"")
    for threads in (1, 3):
        with pytest.raises(embmap.ParseError) as raised:
            convert_binary(tmp_path, whole[:-cut], threads=threads)
        assert "bytes into the record" in raised.value.reason or "the header announces" in raised.value.reason


def test_errors_say_record_and_byte_far_into_a_file_whatever_the_threads(tmp_path):
    rows = [(b"w%d" % i, (i, 0.5)) for i in range(300_000)]
    rows[234_567] = (b"bad", (1, math.nan))
    rows[234_569] = (b"", (1, 1))
    for threads, newline in itertools.product((1, 2, 5), NEWLINES.values()):
        with pytest.raises(embmap.ParseError, match="not finite") as raised:
            convert_binary(tmp_path, binary(rows, 2, newline), threads=threads)
        assert raised.value.line == 234_568
        assert raised.value.byte_offset == len(binary(rows[:234_567], 2, newline, 300_000))


@pytest.mark.parametrize("before", [b"", GOOD])
def test_a_word_without_end_does_not_read_the_whole_file(tmp_path, before):
    content = b"9 2\n" + before + b"x" * (20 << 20)
    with pytest.raises(embmap.ParseError, match="expected a word that a space ends, found none within 1 MiB") as raised:
        convert_binary(tmp_path, content, format="word2vec-binary", on_bad_row="skip")
    assert (raised.value.line, raised.value.byte_offset) == (1 + bool(before), 4 + len(before))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"9 4000000000\n" + GOOD, "at most 4194304 numbers a row, the header announces 4000000000"),
        (b"9 4000000\n" + GOOD, "announces 4000000 numbers a row, the file has 10 bytes"),
        (b"2 3\n" + GOOD, "announces 3 numbers a row, the file has 10 bytes"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_of_more_numbers_than_there_are(tmp_path, content, reason, pack):
    with pytest.raises(embmap.ParseError, match=reason):
        convert_binary(tmp_path, pack(content), format="word2vec-binary")


def test_a_header_alone(tmp_path):
    assert len(store_of(tmp_path, b"0 5\n", format="word2vec-binary")) == 0
    with pytest.raises(embmap.ParseError, match="announces 7 rows, the file has 0"):
        convert_binary(tmp_path, b"7 5\n", format="word2vec-binary")


# Policies


@pytest.mark.parametrize(("errors", "word"), [("replace", "x\ufffd"), ("ignore", "x")])
def test_words_that_are_not_utf8(tmp_path, errors, word):
    report = convert_binary(tmp_path, binary([(b"a", (0.1, 0.2)), (b"x\xe2\x82", (0.3, 0.4))], 2), errors=errors)
    assert list(embmap.open(report.path)) == ["a", word]
    assert report.invalid_utf8 == 1


@pytest.mark.parametrize(("policy", "first"), [("first", [0.1, 0.2]), ("last", [0.5, 0.6]), ("error", None)])
def test_duplicates(tmp_path, policy, first):
    content = binary([(b"a", (0.1, 0.2)), (b"b", (0.3, 0.4)), (b"a", (0.5, 0.6))], 2)
    if first is None:
        with pytest.raises(embmap.ParseError, match='"a" was there before, as row 0') as raised:
            convert_binary(tmp_path, content, duplicates=policy)
        assert raised.value.line == 3
        return
    report = convert_binary(tmp_path, content, duplicates=policy)
    assert report.duplicates == 1
    assert embmap.open(report.path)["a"].tolist() == np.float32(first).tolist()


def test_limit_keep_normalize_and_dtype(tmp_path):
    content = many(100_000)
    whole = store_of(tmp_path, content).vectors.copy()
    assert store_of(tmp_path, content, limit=3).vectors.tobytes() == whole[:3].tobytes()
    assert convert_binary(tmp_path, content, limit=0).rows == 0
    with store_of(tmp_path, content, keep=["w99999", "w5", "other"]) as store:
        assert list(store) == ["w5", "w99999"]
        assert store.vectors.tobytes() == whole[[5, 99999]].tobytes()
    assert np.allclose(np.linalg.norm(store_of(tmp_path, content, normalize=True).vectors, axis=1), 1)
    assert store_of(tmp_path, content, dtype="float16").vectors.tobytes() == whole.astype(np.float16).tobytes()


def test_keep_does_not_look_at_numbers_of_other_rows(tmp_path):
    content = binary([(b"a", (0.1, 0.2)), (b"b", (math.nan, 0.4))], 2)
    assert list(store_of(tmp_path, content, keep=["a"])) == ["a"]


def test_dim_is_checked(tmp_path):
    assert convert_binary(tmp_path, many(3), dim=8).dim == 8
    with pytest.raises(embmap.ParseError, match="expected vectors of dimension 3, found 8"):
        convert_binary(tmp_path, many(3), dim=3)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("behind", [b"", b"\n\n"])
@pytest.mark.parametrize("newline", NEWLINES.values(), ids=NEWLINES)
def test_the_checksum_is_that_of_the_source(tmp_path, pack, behind, newline):
    content = many(1000, newline=newline) + behind
    report = convert_binary(tmp_path, pack(content))
    assert (report.bytes_read, report.header_rows, report.words_with_blanks) == (len(content), 1000, 0)
    assert report.checksum == f"crc32:{zlib.crc32(content):08x}"
    assert embmap.open(report.path).metadata["source"]["bytes"] == len(content)


def test_the_store_does_not_depend_on_the_threads(tmp_path):
    content = many(200_000, newline=b"")
    made = {convert_binary(tmp_path, content, threads=n).path.read_bytes() for n in (1, 2, 3, 8)}
    assert len(made) == 1


def test_rows_longer_than_a_block(tmp_path):
    content = many(3, dim=1_000_000)
    store = store_of(tmp_path, content)
    assert store.vectors.tobytes() == b"".join(
        np.array(row, "<f4").tobytes() for _, row in _reference.parse_word2vec(content)
    )


# Where it comes from


@pytest.mark.parametrize("kind", ["gz", "bz2", "zip", "-"])
def test_containers_and_the_standard_input_give_the_same_store(tmp_path, kind):
    content = many(50_000)
    plain = store_of(tmp_path, content).vectors.tobytes()
    source = tmp_path / f"packed.{kind}"
    if kind == "-":
        code = f"import embmap; embmap.convert('-', {str(tmp_path / 'p.embmap')!r})"
        subprocess.run([sys.executable, "-c", code], input=content, check=True)
    else:
        if kind == "zip":
            with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("v.bin", content)
        else:
            source.write_bytes({"gz": gzip.compress, "bz2": bz2.compress}[kind](content))
        embmap.convert(source, tmp_path / "p.embmap")
    assert embmap.open(tmp_path / "p.embmap").vectors.tobytes() == plain


def test_a_damaged_container_is_named_by_the_record_where_it_ends(tmp_path):
    content = many(50_000)
    with pytest.raises(embmap.ParseError, match="gzip data are cut short") as raised:
        convert_binary(tmp_path, gzip.compress(content, 1)[:-50_000])
    assert 1 < raised.value.line < 50_000
    body = content[raised.value.byte_offset :].lstrip(b"\n")
    assert body.startswith(b"w%d " % (raised.value.line - 1))


def test_progress_ends_at_the_total(tmp_path):
    seen = []
    content = many(300_000, dim=20) + b"\n\n"
    convert_binary(tmp_path, content, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(content), len(content))
    assert all(a <= b for (a, _), (b, _) in itertools.pairwise(seen))


def test_a_conversion_that_is_stopped_answers_within_half_a_second(tmp_path):
    stopped = []

    def progress(done, total):
        stopped.append(time.monotonic())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_binary(tmp_path, many(300_000, dim=40), progress=progress)
    assert time.monotonic() - stopped[0] < 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["v.bin"]


@reads_proc
def test_memory_is_bounded(tmp_path):
    """The matrix is 72 MB; converting takes a fraction of that."""
    source = tmp_path / "v.bin"
    source.write_bytes(many(60_000, dim=300))
    code = f"""
import re, embmap
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
before = peak()
embmap.convert({str(source)!r}, threads=2)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 40
    assert embmap.open(tmp_path / "v.embmap").vectors.nbytes > 70e6


def test_the_command_line_takes_the_format(tmp_path):
    source = tmp_path / "v.bin"
    source.write_bytes(many(5))
    for form in ("auto", "word2vec-binary"):
        result = CliRunner().invoke(main, ["convert", str(source), "--format", form, "--json"])
        assert result.exit_code == 0, result.output
        assert json.loads(result.output)["path"] == str(tmp_path / "v.embmap")
    result = CliRunner().invoke(main, ["convert", str(source), "--format", "text"])
    assert result.exit_code == 1
    assert "word2vec-binary" in result.output


# gensim as the judge

PUBLISHED = [
    "gensim/euclidean_vectors.bin",
    "gensim/high_precision.kv.bin",
    "magnitude/word2vec.bin",
    "word-vectors/w2v.bin",
    "emoji2vec/emoji2vec.bin",
    "word2vec-c-bin/vectors.bin",
    "trained/word2vec_lytton_50d.bin",
    "finalfusion-rust/similarity.bin",
    "finalfusion-rust/utf8-incomplete.bin",
]


@pytest.mark.real
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_is_what_gensim_reads(data, tmp_path, name):
    keyed = _gensim().load_word2vec_format(str(data / name), binary=True, unicode_errors="replace")
    report = embmap.convert(data / name, tmp_path / "v.embmap", errors="replace")
    store = embmap.open(report.path)
    assert list(store) == keyed.index_to_key
    assert store.vectors.tobytes() == keyed.vectors.tobytes()
    assert (report.rejected, report.rows + report.duplicates) == (0, report.header_rows)
    assert report.invalid_utf8 == (name == "finalfusion-rust/utf8-incomplete.bin")
    store.verify()


@pytest.mark.real
def test_words_that_are_cut_inside_a_character_are_an_error_unless_they_are_mended(data, tmp_path):
    with pytest.raises(embmap.ParseError, match=r'b"zee\\xbfn" is not UTF-8 at byte 3') as raised:
        embmap.convert(data / "finalfusion-rust/utf8-incomplete.bin", tmp_path / "v.embmap")
    assert raised.value.line == 2


def test_what_gensim_writes_is_read(tmp_path):
    keyed = _gensim()(20)
    words = ["king", "é", "a\u2028b", "x" * 3000, "1.5", "\t"]
    keyed.add_vectors(words, np.random.default_rng(1).standard_normal((len(words), 20)).astype(np.float32))
    keyed.save_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    report = embmap.convert(tmp_path / "v.bin")
    assert list(embmap.open(report.path)) == words
    assert embmap.open(report.path).vectors.tobytes() == keyed.vectors.tobytes()


def _gensim():
    return pytest.importorskip("gensim.models").KeyedVectors
