"""What people bring besides published files: columns, tables, other encodings, counts that lie. Read right, or refused."""

import csv
import io
import lzma
import zlib

import numpy as np
import pytest
from conftest import convert_text, store_of
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import embmap

WORDS = ["the", "river", "bank", "new york", "é", "mountaineering"]
ROWS = np.random.default_rng(7).normal(0, 0.4, (len(WORDS), 5)).round(4).astype(np.float32)


def lines(row_format):
    return "".join(row_format(word, row) + "\n" for word, row in zip(WORDS, ROWS.tolist(), strict=True))


def assert_read(store, words=WORDS, rows=ROWS):
    assert list(store) == list(words)
    np.testing.assert_array_equal(store.vectors, rows)
    store.verify()


PADDED = {
    "room for a sign": lambda word, row: f"{word} " + " ".join(f"{x: .4f}" for x in row),
    "numbers in columns": lambda word, row: f"{word} " + "".join(f"{x:9.4f}" for x in row),
    "words in a column": lambda word, row: f"{word:<20}" + " ".join(f"{x:.4f}" for x in row),
    "words in a narrow column": lambda word, row: f"{word:<7} " + " ".join(f"{x:.4f}" for x in row),
    "words to the right": lambda word, row: f"{word:>15} " + " ".join(f"{x:.4f}" for x in row),
    "two spaces": lambda word, row: f"{word}  " + "  ".join(f"{x:.4f}" for x in row),
    "two spaces behind the word": lambda word, row: f"{word}  " + " ".join(f"{x:.4f}" for x in row),
    "a space before the row": lambda word, row: f" {word} " + " ".join(f"{x:.4f}" for x in row),
    "spaces at both ends": lambda word, row: f"  {word}   " + "  ".join(f"{x:.4f}" for x in row) + "   ",
    "tabs and spaces": lambda word, row: f"{word}\t " + "\t ".join(f"{x:.4f}" for x in row),
}


@pytest.mark.parametrize("header", ["", f"{len(WORDS)} 5\n"], ids=["plain", "header"])
@pytest.mark.parametrize("layout", PADDED)
def test_columns_that_are_padded_are_read_and_words_lose_the_padding(tmp_path, layout, header):
    report = convert_text(tmp_path, header + lines(PADDED[layout]))
    assert report.separator == "spaces"
    assert "the columns are padded" in str(report)
    assert_read(embmap.open(report.path))


@pytest.mark.parametrize("threads", [1, 3])
def test_columns_are_the_same_on_any_number_of_threads(tmp_path, threads):
    words = [f"w{i}" for i in range(60_000)]
    rows = np.random.default_rng(1).normal(size=(60_000, 3)).round(3)
    text = "".join(f"{w:<8}{a:9.3f}{b:9.3f}{c:9.3f}\n" for w, (a, b, c) in zip(words, rows.tolist(), strict=True))
    report = convert_text(tmp_path, text, threads=threads)
    assert_read(embmap.open(report.path), words, rows.astype(np.float32))
    assert (report.bytes_read, report.checksum) == (len(text), f"crc32:{zlib.crc32(text.encode()):08x}")
    with pytest.raises(embmap.ParseError, match='number 2 of 3, "x", is not a number') as raised:
        convert_text(
            tmp_path, text.replace(f"{rows[50_000][1]:9.3f}{rows[50_000][2]:9.3f}", "   x    1"), threads=threads
        )
    assert raised.value.line == 50_001


def test_what_pandas_prints(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(ROWS.astype(np.float64), index=WORDS)
    assert_read(store_of(tmp_path, frame.to_string()))
    assert_read(store_of(tmp_path, frame.to_string(header=False)))
    frame.index.name = "word"
    assert_read(store_of(tmp_path, frame.to_string()))
    frame.columns = [f"d{i}" for i in range(5)]
    numbered = frame.reset_index()
    assert_read(store_of(tmp_path, numbered.to_string()))
    assert_read(store_of(tmp_path, numbered.to_string(index=False)))


def test_what_numpy_saves(tmp_path):
    table = np.array([(w.encode(), *row) for w, row in zip(WORDS, ROWS.tolist(), strict=True)], "S20,f4,f4,f4,f4,f4")
    out = io.BytesIO()
    np.savetxt(out, table, fmt="%-20s %9.4f %9.4f %9.4f %9.4f %9.4f", encoding="utf-8")
    if b"b'" in out.getvalue():
        pytest.skip("this NumPy writes bytes as Python shows them")
    assert_read(store_of(tmp_path, out.getvalue()))


def test_one_odd_row_stays_a_word_with_its_space(tmp_path):
    report = convert_text(tmp_path, "a 1 2\nb  3 4\nc 5 6\nd 7 8\n")
    assert list(embmap.open(report.path)) == ["a", "b ", "c", "d"]
    assert (report.separator, report.words_with_padding) == (" ", 1)
    assert "1 words that begin or end with a space" in str(report)
    assert embmap.open(report.path).metadata["conversion"] == {"words_with_padding": 1}
    with pytest.raises(embmap.ParseError, match=r'two separators in a row .separator="spaces"'):
        convert_text(tmp_path, "a 1 2\nb 3  4\nc 5 6\n")
    assert convert_text(tmp_path, "a 1 2\nb 3  4\nc 5 6\n", separator="spaces").rows == 3


def test_the_separator_can_be_said(tmp_path):
    assert list(store_of(tmp_path, "a  1 2\nb  3 4\nc  5 6\n", separator=" ")) == ["a ", "b ", "c "]
    assert list(store_of(tmp_path, "a\t1 2\nb\t3 4\n", separator="spaces")) == ["a", "b"]
    assert list(store_of(tmp_path, "a,1,2\nb,3,4\n", separator=",")) == ["a", "b"]
    with pytest.raises(embmap.ParseError, match="separated by ';'"):
        convert_text(tmp_path, "a 1 2\nb 3 4\n", separator=";")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.5 0.25\n-0.5 1e-3\n", "rows of 2 numbers without words.*dim=1"),
        ("0.5\t0.25\t1.5\n-0.5\t1e-3\t0.5\n", "words="),
        ("the 120\nriver 80\n", "dim=1"),
        ("the\t120\nriver\t80\n", "dim=1"),
        ("tiger\tcat\t7.35\ncar\ttrain\t6.31\n", "dim=1"),
        ("a,1 0 0\nb,0 1 0\n", "make it one separator for all"),
        ("a:1 0 0\nb:0 1 0\n", "make it one separator for all"),
        ("a: 1 0\nb: 0 1\n", "no part of the words"),
        ("a\t1 2\nb\t3 4\n", 'separator="spaces"'),
        ("2 9\na 1:0.5 7:0.25\nb 3:0.5\n", "sparse"),
        ("a 1:0.5 7:0.25\nb 3:0.5\n", "sparse"),
        ("a 1 2\rb 3 4\rc 5 6\r", "carriage returns"),
        ("a;0,5;0,25\nb;-0,5;1,5\n", "decimal commas"),
        ('"a","0,5","0,25"\n"b","-0,5","1,5"\n', "decimal commas"),
        ("0.5,0.25\n-0.5,0.125\n", "without words"),
        ("x,a,1,2\ny,b,3,4\n", "2 columns"),
    ],
)
def test_what_would_be_misread_is_refused_with_the_remedy(tmp_path, text, reason):
    for skip in ("error", "skip"):
        with pytest.raises(embmap.ParseError, match=reason):
            convert_text(tmp_path, text, on_bad_row=skip)
        assert not (tmp_path / "v.embmap").exists()


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("0.5 0.25 1\n-0.5 1e-3 1\n", {"dim": 2}, ["0.5", "-0.5"]),
        ("the 120\nriver 80\n", {"dim": 1}, ["the", "river"]),
        ("34 0.1 0.2\n1 0.2 0.1\n", {}, ["34", "1"]),
        ("1,000 0.5 0.25\n2,500 0.1 0.2\n", {}, ["1,000", "2,500"]),
        ("2 2\n0.5 1 2\n1.5 3 4\n", {}, ["0.5", "1.5"]),
        ('" 1 2\n"a 3 4\n', {}, ['"', '"a']),
        ("a 0 1\nb 2 3\n", {}, ["a", "b"]),
        ("1 2\n  1.015625 1.0078125\n", {"separator": " "}, [" "]),
    ],
)
def test_what_only_looks_odd_is_read(tmp_path, text, options, words):
    assert list(store_of(tmp_path, text, **options)) == words


CSV = {
    "commas": lambda word, row: f"{word}," + ",".join(map(repr, row)),
    "commas and spaces": lambda word, row: f"{word}, " + ", ".join(map(repr, row)),
    "semicolons": lambda word, row: f"{word};" + ";".join(map(repr, row)),
    "a comma at the end": lambda word, row: f"{word}," + ",".join(map(repr, row)) + ",",
    "a space behind the word": lambda word, row: f"{word} " + ",".join(map(repr, row)),
    "quotes": lambda word, row: f'"{word}",' + ",".join(f'"{x!r}"' for x in row),
    "quoted words and spaces": lambda word, row: f'"{word}" ' + " ".join(map(repr, row)),
    "quoted words and tabs": lambda word, row: f'"{word}"\t' + "\t".join(map(repr, row)),
}


@pytest.mark.parametrize("layout", CSV)
def test_tables_are_read(tmp_path, layout):
    report = convert_text(tmp_path, lines(CSV[layout]))
    np.testing.assert_allclose(embmap.open(report.path).vectors, ROWS)
    assert_read(embmap.open(report.path))
    assert report.separator in {",", ";", " ", "\t"}


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("names", ["numbers", "words"])
def test_what_pandas_writes(tmp_path, index, separator, names):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(ROWS.astype(np.float64), columns=[f"d{i}" for i in range(5)] if names == "words" else None)
    frame.insert(0, "word", WORDS)
    # Numbers as names are told from a row where there is no name for the words, or where there are many.
    if names == "numbers" and not index:
        frame = frame.set_index("word")
        frame.index.name = None
    text = frame.to_csv(sep=separator, index=index or names == "numbers")
    assert_read(store_of(tmp_path, text))


def test_a_table_that_r_writes(tmp_path):
    text = '"V1" "V2" "V3"\n"the" 0.5 -0.25 1\n"new york" 1e-05 2 3\n"\\"" 4 5 6\n'
    assert_read(
        store_of(tmp_path, text), ["the", "new york", '"'], np.float32([[0.5, -0.25, 1], [1e-5, 2, 3], [4, 5, 6]])
    )
    assert_read(store_of(tmp_path, '"","V1","V2"\n"the",0.5,-0.25\n"""",1,2\n'), ["the", '"'], [[0.5, -0.25], [1, 2]])
    assert list(store_of(tmp_path, 'V1 V2\nthe 0.5 -0.25\n"a 1 2\nb 1 2\n')) == ["the", '"a', "b"]


_CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(
    words=st.lists(_CELL.filter(lambda word: any(c.isalpha() for c in word)), min_size=3, max_size=9, unique=True),
    named=st.booleans(),
    delimiter=st.sampled_from(",;"),
)
def test_any_word_comes_back_from_csv(tmp_path_factory, words, named, delimiter):
    rows = np.arange(len(words) * 3).reshape(-1, 3) / 4 + 0.125
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    if named:
        writer.writerow(["word", "x", "y", "z"])
    writer.writerows([word, *row] for word, row in zip(words, rows.tolist(), strict=True))
    text = out.getvalue().encode()
    report = convert_text(tmp_path_factory.mktemp("csv"), text, separator=delimiter)
    assert_read(embmap.open(report.path), words, rows.astype(np.float32))
    assert (report.bytes_read, report.checksum) == (len(text), f"crc32:{zlib.crc32(text):08x}")


def test_a_large_table_errors_with_its_place_and_stops_at_a_limit(tmp_path):
    rows = [f"w{i},{i}.5,{-i}" for i in range(120_000)]
    text = "word,a,b\n" + "\n".join(rows) + "\n"
    report = convert_text(tmp_path, text, threads=3)
    assert (report.rows, report.bytes_read) == (120_000, len(text))
    assert convert_text(tmp_path, text, limit=7).rows == 7
    assert convert_text(tmp_path, text, keep=["w7", "w100000"]).rows == 2
    rows[100_000] = "w,1"
    with pytest.raises(embmap.ParseError, match="expected 3 fields separated by ','") as raised:
        convert_text(tmp_path, "word,a,b\n" + "\n".join(rows) + "\n")
    assert raised.value.line == 100_002
    assert raised.value.byte_offset == len("word,a,b\n" + "\n".join(rows[:100_000]) + "\n")
    assert convert_text(tmp_path, "word,a,b\n" + "\n".join(rows), on_bad_row="skip").rejected == 1


ENCODINGS = {
    "latin-1": ["straße", "für", "mädchen", "öl"],
    "cp1252": ["straße", "€", "“so”", "Ÿ"],
    "cp1251": ["река", "банк", "вода"],
    "koi8-r": ["река", "банк", "вода"],
    "iso8859-2": ["řeka", "břeh", "voda"],
    "iso8859-7": ["ποτάμι", "τράπεζα"],
    "gbk": ["银行", "河流", "水"],
    "gb18030": ["银行", "河流", "㐀"],
    "big5": ["銀行", "河流", "水"],
    "shift_jis": ["銀行", "川", "ｶﾜ"],
    "cp932": ["銀行", "①", "川"],
    "euc_jp": ["銀行", "川"],
    "euc_kr": ["은행", "강"],
    "cp949": ["은행", "똠"],
    "utf-16": ["银行", "🦀", "öl"],
    "utf-16-le": ["银行", "🦀", "öl"],
    "utf-16-be": ["银行", "🦀", "öl"],
    "utf-8-sig": ["银行", "🦀", "öl"],
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_words_in_another_encoding(tmp_path, encoding):
    words = ["the", *ENCODINGS[encoding]]
    rows = np.arange(len(words) * 2).reshape(-1, 2) / 8
    text = "".join(f"{word} {a} {b}\n" for word, (a, b) in zip(words, rows.tolist(), strict=True))
    report = convert_text(tmp_path, text.encode(encoding), encoding=encoding)
    assert (report.invalid_utf8, report.collisions) == (0, 0)
    assert_read(embmap.open(report.path), words, rows)
    assert convert_text(tmp_path, text.encode(encoding), encoding=encoding, keep=words[1:2]).rows == 1
    table = text.replace(" ", ",").encode(encoding)
    assert_read(store_of(tmp_path, table, encoding=encoding), words, rows)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_with_its_mark_needs_no_saying(tmp_path, encoding):
    text = "\ufeff" + "".join(f"w{i}é {i} {i}.5\n" for i in range(50_000))
    assert convert_text(tmp_path, text.encode(encoding)).rows == 50_000
    with pytest.raises(embmap.ParseError, match=r"not UTF-16.. throughout"):
        convert_text(tmp_path, text.encode(encoding)[:-1])


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "gbk", "shift_jis", "koi8-r", "big5", "cp949", "iso8859-2"])
def test_each_character_of_an_encoding_is_pythons(tmp_path, encoding):
    words = []
    for code in range(0x80, 0x10000):
        try:
            word = "w" + chr(code)
            if word.encode(encoding).decode(encoding) == word and len(word.encode(encoding)) > 1:
                words.append(word)
        except UnicodeError:
            pass
    text = b"".join(word.encode(encoding) + b" 1 2\n" for word in words if b" " not in word.encode(encoding))
    found = list(store_of(tmp_path, text, encoding=encoding, errors="replace"))
    same = len(set(words) & set(found))
    # Python's tables and the web's differ in a few signs of East Asian encodings.
    assert same >= 0.995 * len(words), (same, len(words))
    if encoding in ("cp1252", "latin-1", "koi8-r", "iso8859-2"):
        assert found == words


@pytest.mark.parametrize(("encoding", "guess"), [("latin-1", "cp1252"), ("gbk", "gb"), ("cp1251", "cp1251")])
def test_a_file_in_another_encoding_is_told_from_damaged_words(tmp_path, encoding, guess):
    words = {
        "latin-1": "straße für mädchen öl über größe wäre",
        "gbk": "银行 河流 水 什么 没有 我们 他们",
        "cp1251": "река банк вода большой слово",
    }
    text = "".join(f"{word} 1 {i}\n" for i, word in enumerate(words[encoding].split()))
    with pytest.raises(embmap.ParseError, match="the file is in another encoding") as raised:
        convert_text(tmp_path, text.encode(encoding))
    assert f'encoding="{guess}' in raised.value.reason
    damaged = "ok 1 2\nöl 1 2\n".encode() + b"b\xe4d 1 2\n"
    with pytest.raises(embmap.ParseError, match="is not UTF-8 at byte 1; errors=") as raised:
        convert_text(tmp_path, damaged)
    assert raised.value.line == 3


def test_backslashes_keep_words_apart_and_collisions_are_no_duplicates(tmp_path):
    text = b"a 1 2\nx\xff 3 4\nx\xfe 5 6\na 7 8\n"
    report = convert_text(tmp_path, text, errors="replace")
    assert (report.rows, report.duplicates, report.collisions, report.invalid_utf8) == (2, 1, 1, 2)
    assert embmap.open(report.path).metadata["conversion"] == {"collisions": 1, "duplicates": 1, "invalid_utf8": 2}
    report = convert_text(tmp_path, text, errors="backslashreplace")
    assert (report.rows, report.duplicates, report.collisions) == (3, 1, 0)
    assert list(embmap.open(report.path)) == ["a", "x\\xff", "x\\xfe"]
    assert [b"x\xff".decode(errors="backslashreplace")] == [embmap.open(report.path).word(1)]
    with pytest.raises(embmap.ParseError, match="backslashreplace"):
        convert_text(tmp_path, text, errors="ignore", duplicates="error")


def test_a_wrong_count_can_be_ignored_and_a_bad_row_still_ends_it(tmp_path):
    with pytest.raises(embmap.ParseError, match='cut short: download it again; on_wrong_count="ignore"'):
        convert_text(tmp_path, "9 2\na 1 2\nb 3 4\n")
    report = convert_text(tmp_path, "9 2\na 1 2\nb 3 4\n", on_wrong_count="ignore")
    assert (report.rows, report.header_rows) == (2, 9)
    with pytest.raises(embmap.ParseError, match="is not a number"):
        convert_text(tmp_path, "9 2\na 1 2\nb 3 x\nc 1 2\n", on_wrong_count="ignore")


@pytest.mark.parametrize(
    "text", ["a 1 2\nb 3 4\nc 5", "a 1 2\nb 3 4\nc 5 6e", "a  1  2\nb  3  4\nc  5", "a 1 2\nb 3 4\nri"]
)
def test_a_file_that_ends_within_a_row_is_downloaded_again(tmp_path, text):
    with pytest.raises(embmap.ParseError, match=r"cut short, download it again$") as raised:
        convert_text(tmp_path, text)
    assert raised.value.line == 3
    assert "skip" not in raised.value.reason
    assert convert_text(tmp_path, text, on_bad_row="skip").rows == 2


def test_word_lists_as_people_have_them(tmp_path):
    text = "the 1 2\nriver 3 4\nbank 5 6\nnew york 7 8\n"

    def kept(keep):
        return list(store_of(tmp_path, text, keep=keep))

    assert kept(["river ", "bank\n", "zebra"]) == ["river", "bank"]
    (tmp_path / "counts.txt").write_text("river 120\nbank 80\nzebra 7\n")
    (tmp_path / "words.txt").write_text("\ufeffriver \nnew york\r\n\n", encoding="utf-8")
    with (tmp_path / "counts.txt").open() as file:
        assert kept(file) == ["river", "bank"]
    assert kept(tmp_path / "words.txt") == ["river", "new york"]
    with (tmp_path / "words.txt").open(encoding="utf-8-sig") as file:
        assert kept(file) == ["river", "new york"]
    report = convert_text(tmp_path, text, keep=["river", "zebra", "lion"])
    assert report.words_not_found == 2
    assert "2 words to keep without a row" in str(report)


def test_no_word_to_keep_in_the_source_is_an_error_that_shows_both_sides(tmp_path):
    with pytest.raises(
        embmap.ParseError, match=r'none of the 2 words .* begin with "River", "Bank", the source with "the", "river"'
    ):
        convert_text(tmp_path, "the 1 2\nriver 3 4\n", keep=["River", "Bank"])
    assert not (tmp_path / "v.embmap").exists()
    assert convert_text(tmp_path, "the 1 2\nriver 3 4\n", keep=[]).rows == 0


def test_lzma_alone_is_unpacked(tmp_path):
    text = "".join(f"w{i} {i} {i}.5\n" for i in range(30_000)).encode()
    (tmp_path / "v.txt.lzma").write_bytes(lzma.compress(text, lzma.FORMAT_ALONE))
    assert embmap.convert(tmp_path / "v.txt.lzma", tmp_path / "v.embmap").rows == 30_000
    (tmp_path / "v.txt.lzma").write_bytes(lzma.compress(text, lzma.FORMAT_ALONE)[:-200])
    with pytest.raises(embmap.ParseError, match="lzma data are cut short or damaged"):
        embmap.convert(tmp_path / "v.txt.lzma", tmp_path / "v.embmap")


def test_deflate64_is_unpacked(tmp_path):
    """A stored block is the same in Deflate and in Deflate64, which Windows' Explorer uses for more than 2 GB."""
    text = b"a 1 2\nb 3 4\n"
    block = b"\x01" + len(text).to_bytes(2, "little") + (0xFFFF - len(text)).to_bytes(2, "little") + text
    crc = zlib.crc32(text).to_bytes(4, "little")
    sizes = len(block).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    common = b"\x14\0\0\0\x09\0" + bytes(4) + crc + sizes + b"\x05\0\0\0"
    local = b"PK\x03\x04" + common + b"v.txt" + block
    central = b"PK\x01\x02\x14\0" + common + bytes(14) + b"v.txt"
    end = (
        b"PK\x05\x06"
        + bytes(4)
        + b"\x01\0\x01\0"
        + len(central).to_bytes(4, "little")
        + len(local).to_bytes(4, "little")
        + b"\0\0"
    )
    (tmp_path / "v.zip").write_bytes(local + central + end)
    assert embmap.convert(tmp_path / "v.zip", tmp_path / "v.embmap").rows == 2


def test_errors_say_what_they_count(tmp_path):
    with pytest.raises(embmap.ParseError) as raised:
        convert_text(tmp_path, b"3 2\na \0\0\x80?\0\0\0@b \0\0\xc0\x7f\0\0\0@c \0\0\x80?\0\0\0@")
    assert (raised.value.unit, raised.value.line) == ("word", 2)
    assert ", word 2 (byte " in str(raised.value)
    with pytest.raises(embmap.ParseError) as raised:
        convert_text(tmp_path, b"7z\xbc\xaf\x27\x1cabc")
    assert (raised.value.unit, str(raised.value)) == ("file", f"{tmp_path / 'v.txt'}: {raised.value.reason}")
    with pytest.raises(embmap.ParseError, match="expected a word and 1 number, found one field"):
        convert_text(tmp_path, "2 1\na 1\nb\n", header=True)


@pytest.mark.parametrize(
    ("text", "words", "dim"),
    [
        # R's, which writes a quote with a backslash.
        ('"V1" "V2"\n"12\\"" 1 2\n"b" 3 4\n"c" 5 6\n', ['12"', "b", "c"], 2),
        ('"o\\"clock" 1 2\n"b" 3 4\n', ['o"clock', "b"], 2),
        # Of who did not write quotes, and has words that begin with one.
        ('a,1.5,2\n"foo,3,4\nb,5,6\nx,5,7\n"bar,7,8\nc,1,2\n', ["a", '"foo', "b", "x", '"bar', "c"], 2),
        ('"a,\nb",1,2\nc,3,4\n', ["a,\nb", "c"], 2),
        ('"the" 0.1,0.2\n"of" 0.3,0.4\n"a b" 0.5,0.6\n', ["the", "of", "a b"], 2),
        ('"a" ,1,2\n"b, c" ,3,4\n', ["a", "b, c"], 2),
        ('"the","0.1","0.2" \n"of","0.3","0.4" \n', ["the", "of"], 2),
        # Of a vocabulary whose tokens have quotes.
        ('"a" 1 2\n"b" 3 4\nif 5 6\na 7 8\n"c" 1 1\n', ['"a"', '"b"', "if", "a", '"c"'], 2),
        # Texts over several lines.
        ('text,x,y\n"a\nb\nc",0.5,1\n"d\ne\nf",1.5,2\n', ["a\nb\nc", "d\ne\nf"], 2),
        (',text,x,y\n0,"a\nb",0.5,1\n1,"d\ne",1.5,2\n', ["a\nb", "d\ne"], 2),
        ('"x","y"\n"a",0.5,1\n"12\\"\nlong",1,2\n"c",1,2\n', ["a", '12"\nlong', "c"], 2),
        # pandas' escapechar.
        ('"word","x"\n"C:\\\\x",0.5\n"say \\"hi\\"",2.0\n', ["C:\\x", 'say "hi"'], 1),
        # pandas' tabs without names, and tokens.
        ('the\t1.5\t2\n""""\t3\t4\n"say ""hi"""\t5\t6\n', ["the", '"', 'say "hi"'], 2),
        ('the\t1.5\t2\n"\t3\t4\n""""\t5\t6\n', ["the", '"', '""""'], 2),
        ('""\t0\t1\n"a"\t0.5\t1.0\n"b"\t2.0\t3.0\n', ["a", "b"], 2),
        # Words that end in a number.
        ('label,x,y\n"topic 1",0.1,0.2\n"topic 2",0.3,0.4\n', ["topic 1", "topic 2"], 2),
        ("Rocky 3;0.1;0.2\nRocky 4;0.3;0.4\nSaw 3;1.5;2\n", ["Rocky 3", "Rocky 4", "Saw 3"], 2),
        ("the 0.5,0.1\nriver 0.25,0.3\n", ["the", "river"], 2),
        # A header says how many numbers there are.
        ("2 2\nuser:1 0.1 0.2\nuser:2 0.3 0.4\n", ["user:1", "user:2"], 2),
        ("2 2\na| 0.1 0.2\nb| 0.3 0.4\n", ["a|", "b|"], 2),
        ('2 2\n"a" 0.1 0.2\n"b" 0.3 0.4\n', ['"a"', '"b"'], 2),
        ("2 2\n1 st 0.1 0.2\n2 nd 0.3 0.4\n", ["1 st", "2 nd"], 2),
    ],
)
def test_words_are_those_that_were_written(tmp_path, text, words, dim):
    store = store_of(tmp_path, text, dim=dim if dim == 1 else None)
    assert (list(store), store.dim) == (words, dim)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0\t0\t0\n0.5\t0.25\t1.5\n0.25\t1\t-0.5\n", "without words"),
        ("0,0,0\n0.25,0.5,1.5\n0.5,1,2\n", "without words"),
        ("x,y,z\n1,0,0\n0.25,0.5,1.5\n0.5,1,2\n", "without words"),
        ("the\t0.1 0.2 0.3\nriver\t0.4 0.5 0.6\nbank 0.4 0.5 0.6\n", "one separator for all"),
        ("the:0.1 0.2 1\nriver:0.4 0.5 2\n: 0.3 0.1\n", "separator for all, or say dim=2"),
        ("the, 0.1 0.2\nriver, 0.4 0.5\nbank 0.1 0.2\n", "no part of the words, or say dim=2"),
        ("the,NA,NA\nriver,0.3,0.4\nb,1,2\n", '"NA", is not a number'),
        ("the,,\nriver,0.3,0.4\nb,1,2\n", "number 1 of 2 is empty"),
        ("the ? ?\nriver 0.3 0.4\nb 1 2\n", r'"\?", is not a number'),
        ("the\tDT\t0.1\t0.2\nriver\tNN\t0.3\t0.4\n", "2 columns"),
        ("5\tthe\t0.1\t0.2\n9\triver\t0.3\t0.4\n", "2 columns"),
        ("1984,novel,0.1,0.2\n1985,novel,0.3,0.4\n", "2 columns"),
        ("word,0,1,2\nthe,.1,.2,.3\nriver,.4,.5,.6\n", "header=True or header=False"),
        ("word\t0\t1\t2\nthe\t.1\t.2\t.3\nriver\t.4\t.5\t.6\n", "header=True or header=False"),
        ("the\t0,1\t0,2\nriver\t0,4\t0,5\n", "decimal commas"),
        (",movieId,a,b\n0,31,.1,.2\n1,1029,.3,.4\n", "counts the rows"),
    ],
)
def test_what_would_become_other_words_is_refused(tmp_path, text, reason):
    with pytest.raises(embmap.ParseError, match=reason):
        convert_text(tmp_path, text)


def test_a_quote_behind_the_first_rows_swallows_none(tmp_path):
    """Whatever was believed of quotes before, rows behind it are rows."""
    rows = "".join(f'"w{i}",{i},0.5\n' for i in range(30_000))
    store = store_of(tmp_path, rows + '"12\\"",1,2\n"a\nb, c",3,4\n"c",5,6\n')
    assert [store.word(i) for i in (-3, -2, -1)] == ['12"', "a\nb, c", "c"]
    broken = rows + '"oops,1,2\n"b",3,4\n"foo"bar,5,6\n"c",7,8\n'
    with pytest.raises(embmap.ParseError, match="a quote opens a field, and none closes it") as raised:
        convert_text(tmp_path, broken)
    assert (raised.value.line, raised.value.byte_offset) == (30_001, len(rows))
    report = convert_text(tmp_path, broken, on_bad_row="skip")
    assert (report.rows, [row.line for row in report.rejected_rows]) == (30_003, [30_001])
    # Where no word is in quotes, they are what a word begins with.
    plain = "".join(f"w{i},{i},0.5\n" for i in range(30_000))
    store = store_of(tmp_path, plain + '",1,2\n"oops,3,4\n"new, york",5,6\n')
    assert [store.word(i) for i in (-3, -2, -1)] == ['"', '"oops', "new, york"]


@pytest.mark.parametrize("separator", [" ", "\t", ",", ";"])
def test_header_says_whether_a_line_has_names_or_numbers(tmp_path, separator):
    text = "word 0 1 2\nthe .1 .2 .3\nriver .4 .5 .6\n".replace(" ", separator)
    assert list(store_of(tmp_path, text, header=True)) == ["the", "river"]
    store = store_of(tmp_path, text, header=False)
    assert (list(store), store["word"].tolist()) == (["word", "the", "river"], [0, 1, 2])
    if separator in " \t":
        with pytest.raises(embmap.ParseError, match='expected a header "rows dim" or names'):
            convert_text(tmp_path, text.split("\n", 1)[1], header=True)
    for first in ("word 0 1", "word x y"):
        text_of_places = f"{first}\nnew york 1.5 2\nlos angeles 3 4\nparis 1.5 2\nrome 1.5 2\n"
        if separator == " ":
            assert list(store_of(tmp_path, text_of_places, header=True)) == ["new york", "los angeles", "paris", "rome"]
    names = "word a b c\n".replace(" ", separator)
    assert list(store_of(tmp_path, names + text.split("\n", 1)[1], header=True)) == ["the", "river"]
    with pytest.raises(embmap.ParseError, match="is not a number"):
        convert_text(tmp_path, names + text.split("\n", 1)[1], header=False)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("end", ["\n", "\r\n", ",\n", "\r"])
@pytest.mark.parametrize("numbered", [False, True])
def test_long_tables_are_read_row_by_row(tmp_path, end, numbered, threads):
    """Rows with quotes, words over several lines and bad rows among those that are read at once."""
    count = 40_000
    rows = np.random.default_rng(3).normal(size=(count, 4)).round(3).astype(np.float32)
    words, lines, bad, line, newline = [], [], [], 1, end.strip(",")
    for i, row in enumerate(rows.tolist()):
        word = f"w{i}"
        if i % 1000 == 7:
            word = f'new, "york" {i}'
        if i % 1000 == 8 and end != "\r":
            word = f"two\nlines {i}"
        words.append(word)
        quoted = '"' + word.replace('"', '""') + '"' if set(word) & set(',"\n') else word
        numbers = ",".join(f"{x:.3f}" for x in row)
        lines.append((f"{i}," if numbered else "") + f"{quoted},{numbers}{end}")
        line += 1 + word.count("\n")
        if i % 10_000 == 9_999:
            lines.append(f"odd,1,2{end}")
            bad.append(line)
            line += 1
    text = "".join(lines).removesuffix(newline)
    report = convert_text(tmp_path, text, on_bad_row="skip", threads=threads)
    assert [row.line for row in report.rejected_rows] == bad
    raw = text.encode()
    assert all(raw[row.byte_offset :].startswith(b"odd,") for row in report.rejected_rows)
    assert (report.bytes_read, report.checksum) == (len(raw), f"crc32:{zlib.crc32(raw):08x}")
    assert_read(embmap.open(report.path), words, rows)


def r_table(words, delimiter):
    """What R's ``write.table`` writes: quotes behind a backslash, which itself stands alone."""
    names = delimiter.join(['"V1"', '"V2"'])
    rows = ['"' + word.replace('"', '\\"') + f'"{delimiter}{i}{delimiter}0.5' for i, word in enumerate(words)]
    return "\n".join([names, *rows, ""])


def csv_table(words, delimiter, quoting, **options):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\n", **options)
    writer.writerows([["word", "x", "y"], *([word, i, 0.5] for i, word in enumerate(words))])
    return text.getvalue()


PLAIN = st.text("abc", min_size=1, max_size=4)
ODD = st.text("ab\",;\\ 1.'", min_size=1, max_size=5).filter(lambda word: word.strip(" "))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(PLAIN | ODD, min_size=2, max_size=30, unique=True),
    st.sampled_from(",;\t"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_what_pythons_csv_writes_is_read_or_refused(tmp_path, words, delimiter, quoting):
    read_or_refused(tmp_path, csv_table(words, delimiter, quoting), words)
    # Two words say how quotes and backslashes are written.
    words = [*words, 'say \\ and "', "C:\\"]
    escaped = csv_table(words, delimiter, csv.QUOTE_ALL, doublequote=False, escapechar="\\")
    read_or_refused(tmp_path, escaped, list(dict.fromkeys(words)))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    # Two backslashes one behind the other are one that is escaped, for who writes so.
    st.lists(PLAIN | ODD.filter(lambda word: "\\\\" not in word), min_size=2, max_size=30, unique=True),
    st.sampled_from(", \t"),
)
def test_what_r_writes_is_read_or_refused(tmp_path, words, delimiter):
    read_or_refused(tmp_path, r_table(words, delimiter), words)


def read_or_refused(tmp_path, text, words):
    """Words that look like something else are a reason to ask, and none for other words."""
    try:
        store = store_of(tmp_path, text)
    except embmap.ParseError:
        assume(False)
    assert list(store) == words
    assert store.vectors[:, 0].tolist() == list(range(len(words)))
