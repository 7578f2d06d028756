"""What a text of vectors may look like, and what is an error."""

import re
import zlib

import numpy as np
import pytest
from conftest import convert_text, store_of
from hypothesis import given, settings
from hypothesis import strategies as st

import embmap
from embmap import _reference

_NO_SPACE = st.characters(exclude_characters="\n\r ", exclude_categories=["Cs"])
_WORD = st.text(_NO_SPACE, min_size=1, max_size=12)


@pytest.mark.parametrize(
    "text",
    [
        "a 1 2\nb 3 4\n",
        "2 2\na 1 2\nb 3 4\n",
        "a 1 2\r\nb 3 4\r\n",
        "2 2\r\na 1 2 \r\nb 3 4 \r\n",
        "\ufeffa 1 2\nb 3 4\n",
        "\ufeff2 2\na 1 2\nb 3 4\n",
        "a 1 2 \nb 3 4 \n",
        "a 1 2\nb 3 4",
        "a 1 2\nb 3 4\n\n \r\n\n",
        "a\t1\t2\nb\t3\t4\n",
        "2\t2\na\t1\t2\nb\t3\t4\t\n",
        "a +1 2.\nb 3e0 .4e1\n",
    ],
)
def test_the_same_vectors_in_every_dress(tmp_path, text):
    store = store_of(tmp_path, text)
    assert list(store) == ["a", "b"]
    assert store.vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "word",
    [
        "new york",
        ". . .",
        "a\u00a0b",
        "x\u0085",
        "\u2028",
        "\u3000y",
        "a\tb",
        "3",
        "-1.5",
        "a ",
        " a",
        "é",
        "🙂",
    ],
)
def test_words_are_kept_byte_for_byte(tmp_path, word):
    store = store_of(tmp_path, f"first 1 2\n{word} 3 4\nlast 5 6\n")
    assert list(store) == ["first", word, "last"]
    assert store[word].tolist() == [3, 4]


def test_a_tab_separated_word_keeps_its_spaces(tmp_path):
    assert list(store_of(tmp_path, "new york\t1\t2\nb\t1\t2\n")) == ["new york", "b"]


def doubtful(words):
    """Tell whether most words look such that it is asked what they are, or all as those of a table do."""
    number = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf|infinity)"
    numbers = [re.fullmatch(number, word, re.IGNORECASE) for word in words]
    fractions = sum(bool(found) and bool(re.search("[.eE]", word)) for found, word in zip(numbers, words, strict=True))
    ends = max(sum(len(word) > 1 and word.endswith(end) for word in words) for end in ",;:|=")
    swallowed = sum(bool(re.fullmatch(rf"(?is).+[,;:|=]({number})", word)) for word in words)
    quoted = all(len(word) > 1 and word[0] == word[-1] == '"' for word in words)
    return quoted or (all(numbers) and 2 * fractions > len(words)) or 2 * max(ends, swallowed) > len(words)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(_WORD, st.tuples(*[st.floats(width=32, allow_nan=False, allow_infinity=False)] * 3)),
        min_size=1,
        unique_by=lambda row: row[0],
    ),
    number=st.sampled_from(["{!r}", "{:.5g}", "{:.6f}", "{:.17g}", "{:e}", "{:.0f}.", "{:+.3f}"]),
    header=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n", " \n"]),
)
def test_any_text_reads_as_the_reference_reads_it(tmp_path_factory, rows, number, header, newline):
    lines = [f"{word} {' '.join(number.format(x) for x in row)}" for word, row in rows]
    body = (newline.join(lines) + newline).encode()
    # A text whose word looks like a number is ambiguous to no one here: the dimension is given by the other columns.
    expected = list(_reference.parse_text(body, 3))
    report_options = {"header": header, "on_bad_row": "error"}
    if body.startswith("\ufeff".encode()) and not header:
        return
    if sum("\t" in word for word, _ in rows) * 2 > len(rows):
        # Where a tab ends most words and a number follows, it is asked whether the tab was meant to be the separator.
        return
    if not header and doubtful([word for word, _ in rows]):
        return
    text = f"{len(rows)} 3\n".encode() + body if header else body
    overflow = any(not np.isfinite(x) for _, row in expected for x in row)
    folder = tmp_path_factory.mktemp("text")
    if overflow:
        with pytest.raises(embmap.ParseError, match="not finite"):
            convert_text(folder, text, **report_options)
        return
    store = store_of(folder, text, **report_options)
    assert [word.encode() for word in store] == [word for word, _ in expected]
    assert store.vectors.tobytes() == np.array([row for _, row in expected], np.float32).tobytes()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.from_regex(r"[+-]?([0-9]{1,12}\.?[0-9]{0,25}|\.[0-9]{1,25})([eE][+-]?[0-9]{1,2})?", fullmatch=True),
        min_size=2,
        max_size=30,
    )
)
def test_every_value_is_numpys_float32_of_its_text(tmp_path_factory, texts):
    with np.errstate(over="ignore"):
        expected = np.array([np.float32(text) for text in texts])
    finite = np.isfinite(expected)
    texts = [text if ok else "0" for text, ok in zip(texts, finite, strict=True)]
    store = store_of(tmp_path_factory.mktemp("numbers"), f"w {' '.join(texts)}\n", header=False)
    assert store["w"].tobytes() == np.where(finite, expected, 0).astype(np.float32).tobytes()


def test_values_beside_the_midpoints_between_floats(tmp_path):
    rng = np.random.default_rng(0)
    low = rng.integers(0x30000000, 0x4B000000, 2000, dtype=np.uint32).view(np.float32)
    middle = (low.astype(np.float64) + np.nextafter(low, np.float32(np.inf)).astype(np.float64)) / 2
    texts = [f"{x:.{digits}g}" for x in middle for digits in (7, 8, 9, 17, 30)]
    store = store_of(tmp_path, f"w {' '.join(texts)}\n", header=False)
    assert store["w"].tobytes() == np.array([np.float32(text) for text in texts]).tobytes()


@pytest.mark.parametrize(
    ("text", "line", "offset", "reason"),
    [
        ("a 1 2\nb 3\nc 5 6\n", 2, 6, "expected a word and 2 numbers, found a word and 1"),
        ("a 1 2\n\nc 5 6\n", 2, 6, "found an empty line"),
        ("a 1 2\nb 3 4\nc 5", 3, 12, "found a word and 1"),
        ("a 1 2\nb 3 x\n", 2, 6, 'number 2 of 2, "x", is not a number'),
        ("a 1 2\nb 3 4-\n", 2, 6, "is not a number"),
        ("a 1 2\nb 3 1_0\n", 2, 6, "is not a number"),
        ("a 1 2\nb 3 \uff11\n", 2, 6, "is not a number"),
        ("a 1 2\nb 3 nan\n", 2, 6, "is not finite"),
        ("a 1 2\nb 3 -inf\n", 2, 6, "is not finite"),
        ("a 1 2\nb 3 1e39\n", 2, 6, "is not finite"),
        ("a 1 2\n 3 4\n", 2, 6, "the word is empty"),
        ("a 1 2\nb 3  4\n", 2, 6, "two separators in a row"),
        (b"a 1 2\n\xff 3 4\n", 2, 6, "is not UTF-8"),
        ("2 2\na 1 2\nb 3\n", 3, 10, "found a word and 1"),
        ("3 2\na 1 2\nb 3 4\n", 1, 0, "the header announces 3 rows, the file has 2"),
        ("1 2\na 1 2\nb 3 4\n", 1, 0, "the header announces 1 rows, the file has 2"),
    ],
)
def test_a_bad_row_is_an_error_with_its_place_unless_it_is_skipped(tmp_path, text, line, offset, reason):
    with pytest.raises(embmap.ParseError, match="line") as raised:
        convert_text(tmp_path, text)
    error = raised.value
    assert (error.path, error.line, error.byte_offset) == (str(tmp_path / "v.txt"), line, offset)
    assert reason in error.reason
    assert not (tmp_path / "v.embmap").exists()

    report = convert_text(tmp_path, text, on_bad_row="skip")
    assert "a" in embmap.open(report.path)
    if "header announces" in reason:
        assert report.rejected == 0
        assert f"announced {text[0]} rows" in str(report)
    else:
        assert report.rejected == sum(report.rejected_by.values()) == 1
        fault = next(why for why, count in report.rejected_by.items() if count)
        assert fault in {"field_count", "empty_word", "not_a_number", "not_finite", "not_utf8"}
        assert ("not finite" in reason, "UTF-8" in reason) == (fault == "not_finite", fault == "not_utf8")
        assert ("found a" in reason, "word is empty" in reason) == (fault == "field_count", fault == "empty_word")
        (row,) = report.rejected_rows
        assert (row.line, row.byte_offset) == (line, offset)
        assert row.reason in error.reason


def test_errors_say_line_and_byte_far_into_a_file_whatever_the_threads(tmp_path):
    lines = [f"w{i} {i} 0.5\n" for i in range(300_000)]
    lines[234_567] = "bad 1\n"
    lines[234_569] = "worse\n"
    for threads in (1, 2, 5):
        with pytest.raises(embmap.ParseError) as raised:
            convert_text(tmp_path, "".join(lines), threads=threads)
        assert raised.value.line == 234_568
        assert raised.value.byte_offset == sum(map(len, lines[:234_567]))


def test_many_rejected_rows_are_counted_and_the_first_ten_kept(tmp_path):
    report = convert_text(tmp_path, "a 1 2\n" * 60 + "b 1\n" * 50 + "c 1 2\n", on_bad_row="skip")
    assert (report.rows, report.rejected, report.duplicates) == (2, 50, 59)
    assert [row.line for row in report.rejected_rows] == list(range(61, 71))


@pytest.mark.parametrize(
    ("policy", "expected"), [("first", [[1, 2], [3, 4]]), ("last", [[9, 9], [3, 4]]), ("error", None)]
)
def test_duplicates(tmp_path, policy, expected):
    text = "a 1 2\nb 3 4\na 5 6\na 9 9\n"
    if expected is None:
        with pytest.raises(embmap.ParseError, match='"a" was there before, as row 0') as raised:
            convert_text(tmp_path, text, duplicates=policy)
        assert (raised.value.line, raised.value.byte_offset) == (3, 12)
        return
    report = convert_text(tmp_path, text, duplicates=policy)
    store = embmap.open(report.path)
    assert (report.rows, report.duplicates) == (2, 2)
    assert store.vectors.tolist() == expected
    store.verify()


@pytest.mark.parametrize("policy", ["first", "last"])
@pytest.mark.parametrize("threads", [1, 4])
def test_duplicates_far_apart(tmp_path, policy, threads):
    rng = np.random.default_rng(1)
    words = [f"w{i}" for i in rng.integers(0, 40_000, 200_000)]
    text = "".join(f"{word} {i} {i}.5 0.125\n" for i, word in enumerate(words))
    report = convert_text(tmp_path, text, duplicates=policy, threads=threads)
    expected = {}
    for i, word in enumerate(words):
        if policy == "last" or word not in expected:
            expected[word] = i
    store = embmap.open(report.path)
    assert list(store) == list(expected)
    assert store.vectors[:, 0].tolist() == list(expected.values())
    assert report.duplicates == len(words) - len(expected)
    store.verify()


@pytest.mark.parametrize(
    ("errors", "words"), [("replace", ["a", "x\ufffd", "\ufffd\ufffdy"]), ("ignore", ["a", "x", "y"])]
)
def test_words_that_are_not_utf8(tmp_path, errors, words):
    text = b"a 1 2\nx\xe2\x82 3 4\n\xff\xfey 5 6\n"
    assert words == [line.rsplit(b" ", 2)[0].decode("utf-8", errors) for line in text.splitlines()]
    report = convert_text(tmp_path, text, errors=errors)
    assert list(embmap.open(report.path)) == words
    assert report.invalid_utf8 == 2


def test_words_that_become_equal_or_empty_when_they_are_mended(tmp_path):
    text = b"a 1 2\na\xff 3 4\n\xff 5 6\n"
    report = convert_text(tmp_path, text, errors="ignore", on_bad_row="skip")
    assert (report.rows, report.duplicates, report.collisions, report.rejected) == (1, 0, 1, 1)


def test_limit_keep_and_normalize(tmp_path):
    text = "".join(f"w{i} {i} 1\n" for i in range(100_000))
    assert convert_text(tmp_path, text, limit=3).rows == 3
    assert list(embmap.open(tmp_path / "v.embmap")) == ["w0", "w1", "w2"]
    assert convert_text(tmp_path, text, limit=0).rows == 0
    assert convert_text(tmp_path, "5 2\n" + text, limit=3).rows == 3
    report = convert_text(tmp_path, text, keep=["w99999", "w5", "other"])
    assert list(embmap.open(report.path)) == ["w5", "w99999"]
    store = store_of(tmp_path, "a 3 4\nz 0 0\n", normalize=True)
    assert store.vectors.tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]
    store.verify()


def test_what_lies_behind_the_limit_does_not_matter(tmp_path):
    text = b"a 1 2\nb 3 4\nnew york 5\n\xff 1 2\n"
    for policy in ("error", "skip"):
        report = convert_text(tmp_path, text, limit=2, on_bad_row=policy, errors="replace")
        assert (report.rows, report.rejected, report.invalid_utf8, report.words_with_blanks) == (2, 0, 0, 0)
    long = b"a 1 2\n" * 500_000 + b"x" * (20 << 20)
    assert convert_text(tmp_path, long, limit=1).rows == 1


def test_the_first_error_of_the_file_is_the_one_raised(tmp_path):
    with pytest.raises(embmap.ParseError, match="there before") as raised:
        convert_text(tmp_path, "a 1 2\na 3 4\nbad\n", duplicates="error")
    assert raised.value.line == 2


def test_keep_reads_no_numbers_of_other_rows(tmp_path):
    text = "a 1 2\nb x nan\nnew york 1 2\nc 3 4 \nd \xff 1\nshort 1\n"
    report = convert_text(tmp_path, text, keep=["c", "new york"], on_bad_row="skip")
    assert list(embmap.open(report.path)) == ["new york", "c"]
    # A row that has not as many fields as the others is looked at, whatever its word.
    assert (report.rejected_by["not_a_number"], report.rejected) == (0, 1)
    report = convert_text(tmp_path, b"2 2\n\xffking 1 2\nking 3 4\n", keep=["king"], errors="ignore", header=True)
    assert (report.rows, report.duplicates, report.collisions) == (1, 0, 1)


@pytest.mark.parametrize("shards", [None, 2])
def test_rows_that_were_skipped_are_not_called_absent(tmp_path, shards):
    with pytest.raises(embmap.ParseError, match=r"none of the 1 words .*rows that were skipped: 1\)"):
        convert_text(tmp_path, "a 1 2\nb x nan\nc 3 4\n", keep=["b"], on_bad_row="skip", shards=shards)


def test_keep_is_words_not_one_str(tmp_path):
    with pytest.raises(TypeError, match="one str"):
        convert_text(tmp_path, "king 1 2\n", keep="king")


@pytest.mark.parametrize(
    "text", ["a 1 2\n", "a 1 2", "\ufeff2 2\r\na 1 2\r\nb 1 2", "1 2\na 1 2\n\n \n", "1 2\na 1 2 \n\n" * 1]
)
def test_the_checksum_is_that_of_the_source(tmp_path, text):
    report = convert_text(tmp_path, text)
    content = (tmp_path / "v.txt").read_bytes()
    assert report.bytes_read == len(content)
    assert report.checksum == f"crc32:{zlib.crc32(content):08x}"
    source = embmap.open(report.path).metadata["source"]
    assert (source["bytes"], source["crc32"]) == (len(content), f"{zlib.crc32(content):08x}")


def test_a_header_of_fewer_numbers_than_every_row_has(tmp_path):
    with pytest.raises(embmap.ParseError, match="the header announces 2 numbers a row, every row has 3"):
        convert_text(tmp_path, "2 2\na 1 2 3\nb 1 2 3\n")


def test_header_where_the_first_line_is_ambiguous(tmp_path):
    with pytest.raises(embmap.ParseError, match="header=True or header=False"):
        convert_text(tmp_path, "2 1\na 5\n")
    assert convert_text(tmp_path, "2 1\na 5\n", header=False).rows == 2
    with pytest.raises(embmap.ParseError, match="announces 2 rows"):
        convert_text(tmp_path, "2 1\na 5\n", header=True)
    with pytest.raises(embmap.ParseError, match="expected a header"):
        convert_text(tmp_path, "a 5\n", header=True)


def test_dim_is_checked(tmp_path):
    assert convert_text(tmp_path, "a 1 2\n", dim=2).dim == 2
    with pytest.raises(embmap.ParseError, match="expected vectors of dimension 3, found 2"):
        convert_text(tmp_path, "a 1 2\n", dim=3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no file of vectors"),
        (b"\n\n", "no file of vectors"),
        (b"hello world\nthis is prose\n", "no file of vectors"),
        (b"7z\xbc\xaf\x27\x1cabc", "7z"),
        (b"\x1f\x8b\x08abc", "gzip data are cut short"),
        (b"PK\x03\x04abc", "zip archive"),
        (b"\x89EMBMAP\nabc", "embmap store already"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"a\x00b\nc\x00d\n", "binary"),
        ("a 1 2\n".encode("utf-32"), "UTF-32"),
        ("a 1 2\nb 3 4\n".encode("utf-16-le"), 'encoding="utf-16-le"'),
        ("a 1 2\nb 3 4\n".encode("utf-16-be"), 'encoding="utf-16-be"'),
        (b"9 4000000000\na 1 2\n", "announces 4000000000"),
    ],
)
def test_what_is_not_text_vectors_is_named(tmp_path, content, reason):
    with pytest.raises(embmap.ParseError, match=reason):
        convert_text(tmp_path, content)
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]


def test_a_line_without_end_is_an_error_with_its_place(tmp_path):
    with pytest.raises(embmap.ParseError, match="longer than 16 MiB") as raised:
        convert_text(tmp_path, b"a 1 2\nb 3 4\nc " + b"1" * (20 << 20) + b"\n" + b"d 1 2\n" * 8_000_000)
    assert (raised.value.line, raised.value.byte_offset) == (3, 12)


def test_the_store_does_not_depend_on_the_threads(tmp_path):
    text = "".join(f"w{i % 70_000} {i * 0.37:.5g} {-i}.25 1e-3\n" for i in range(200_000))
    made = {convert_text(tmp_path, text, threads=n).path.read_bytes() for n in (1, 2, 3, 8)}
    assert len(made) == 1


def test_arguments_are_checked(tmp_path):
    for wrong in (
        {"format": "csv"},
        {"dtype": "float64"},
        {"header": "yes"},
        {"duplicates": "drop"},
        {"errors": "surrogateescape"},
        {"on_bad_row": "warn"},
        {"on_wrong_count": "warn"},
        {"separator": "|"},
        {"encoding": "klingon"},
        {"encoding": "cp437"},
        {"limit": -1},
        {"threads": 0},
        {"dim": 0},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            convert_text(tmp_path, "a 1 2\n", **wrong)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        embmap.convert(tmp_path / "nowhere.txt")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        embmap.convert(tmp_path / "v.txt", tmp_path / "nowhere" / "v.embmap")
    with pytest.raises(IsADirectoryError):
        embmap.convert(tmp_path, tmp_path / "x.embmap")
    with pytest.raises(ValueError, match="same file"):
        embmap.convert(tmp_path / "v.txt", tmp_path / "v.txt")


def test_the_report_reads_well(tmp_path):
    report = convert_text(tmp_path, "a 1 2\na 3 4\nb 1\nnew york 1 2\n", on_bad_row="skip")
    assert (report.rows, report.dim, report.dtype, report.source) == (2, 2, "float32", tmp_path / "v.txt")
    assert report.bytes_read == 29
    assert report.bytes_written == report.path.stat().st_size
    text = str(report)
    for part in (
        "2 words of 2 float32",
        "1 duplicate words",
        "1 rows rejected",
        "line 3: expected",
        "1 words with a space",
    ):
        assert part in text
