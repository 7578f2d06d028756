"""`embmap bench` times the usual loaders beside embmap, checks what they give, and says what it did."""

import dataclasses
import gzip
import importlib
import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import NOT_THERE

import embmap
from embmap.bench import loaders
from embmap.bench.run import run as run_bench
from embmap.cli import main

DIM = 8


def row(word, seed):
    numbers = np.random.default_rng(seed).normal(size=DIM)
    return f"{word} {' '.join(f'{x:.5g}' for x in numbers)}\n"


def text(words):
    return "".join(row(word, i) for i, word in enumerate(words))


WORDS = [f"w{i}" for i in range(1500)]


def bench(file, *arguments):
    return CliRunner().invoke(main, ["bench", str(file), *map(str, arguments)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measure(folder, content, **options):
    """Give the timings by loader."""
    source = folder / "v.txt"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = run_bench(source, folder / "out", lambda line: None, runs=1, **options)
    return {timing.name: timing for timing in found.timings}


def test_the_table_names_the_loaders_their_times_and_that_they_agree(here):
    (here / "v.txt").write_text(text(WORDS))
    result = bench("v.txt", "--runs", 2)
    assert result.exit_code == 0
    assert "1,500 rows of 8 numbers" in result.output
    for name in ("embmap", "the tutorials' loop", "gensim"):
        assert any(line.startswith(name) for line in result.output.splitlines()), name
    assert result.output.count("1,500 vectors, bit for bit\n") == 2
    assert "median of 2" in result.output
    assert "scaled" not in result.output


def test_json_goes_to_standard_output_and_to_a_file_beside_the_chart(here):
    (here / "v.txt").write_text(text(WORDS))
    found = json.loads(bench("v.txt", "--json", "--out", "there").stdout)
    assert found == json.loads((here / "there" / "bench.json").read_text(encoding="utf-8"))
    assert (found["rows"], found["dim"], found["bytes"]) == (1500, DIM, (here / "v.txt").stat().st_size)
    assert [timing["name"] for timing in found["timings"]] == ["embmap", "tutorials", "gensim"]
    assert all(timing["seconds"] > 0 and not timing["scaled"] for timing in found["timings"])
    assert found["timings"][1]["agreement"]["equal"] == 1500
    assert (here / "there" / "bench.png").stat().st_size > 5_000


def test_nothing_else_is_left_behind(here):
    (here / "v.txt").write_text(text(WORDS))
    assert bench("v.txt").exit_code == 0
    assert sorted(path.relative_to(here).as_posix() for path in here.rglob("*")) == [
        "embmap-bench",
        "embmap-bench/bench.json",
        "embmap-bench/bench.png",
        "v.txt",
    ]


@pytest.mark.parametrize("header", ["", f"1500 {DIM}\n"])
def test_a_large_file_is_sampled_and_the_table_says_so(here, header):
    (here / "v.txt").write_text(header + text(WORDS))
    result = bench("v.txt", "--seconds", 1e-6)
    assert result.exit_code == 0
    assert result.output.count("scaled from 1,000 of 1,500 rows") == 2
    report = json.loads((here / "embmap-bench/bench.json").read_text(encoding="utf-8"))
    gensim = {timing["name"]: timing for timing in report["timings"]}["gensim"]
    assert gensim["scaled"]
    assert gensim["agreement"]["equal"] == 1000
    assert gensim["seconds"] == pytest.approx(gensim["times"][0] * 1.5)
    assert "scaled" not in bench("v.txt", "--seconds", 1e-6, "--full").output


def test_duplicates_agree_whichever_row_a_loader_keeps(tmp_path):
    found = measure(tmp_path, text([*WORDS, *WORDS[:10]]))
    assert found["embmap"].rows == 1510
    for name in ("tutorials", "gensim"):
        assert dataclasses.astuple(found[name].agreement) == (1500, 0, 0, 0, 0)


def test_words_that_a_loader_cannot_read_are_counted_and_the_rest_agrees(tmp_path):
    words = ["new york", "a\u00a0b", "\u00a0", "x\u0085y", *WORDS]
    found = measure(tmp_path, text(words))
    assert found["tutorials"].agreement.equal == found["gensim"].agreement.equal - 3 == 1500
    assert "timed without the 4 rows that it cannot read" in found["tutorials"].notes
    assert "timed without the 1 row that it cannot read" in found["gensim"].notes
    assert found["gensim"].rows == 1504


def test_a_row_that_a_loader_takes_for_another_is_counted(tmp_path):
    # `split()` reads a word and one number more.
    found = measure(tmp_path, text(["10\u00a0000", *WORDS]))["tutorials"]
    assert (found.agreement.equal, found.agreement.cut, found.agreement.absent) == (1500, 1, 1)
    assert any("1 word of the file missing" in note for note in found.notes)


@pytest.mark.parametrize(
    ("content", "options", "able"),
    [
        (text(WORDS).replace(" ", "\t"), {}, ["embmap", "tutorials"]),
        (b"\xff" + text(WORDS).encode(), {"errors": "replace"}, ["embmap", "tutorials", "gensim"]),
        (f"2000 {DIM}\n{text(WORDS)}", {"on_bad_row": "skip"}, ["embmap", "tutorials", "gensim"]),
        (text(WORDS).replace("\n", "\r\n"), {}, ["embmap", "tutorials", "gensim"]),
    ],
    ids=["tabs", "not UTF-8", "a header that lies", "CRLF"],
)
def test_files_that_not_every_loader_reads(tmp_path, content, options, able):
    found = measure(tmp_path, content, **options)
    assert [name for name, timing in found.items() if timing.seconds is not None] == able
    assert all(timing.notes for name, timing in found.items() if name not in able)


def test_other_numbers_for_the_same_word_fail(here, monkeypatch):
    def wrong(path, header):
        found = loaders._load_tutorials(path, header)
        found.rows[7][3] = np.nextafter(found.rows[7][3], np.float32(9))
        return found

    monkeypatch.setattr(loaders, "TUTORIALS", dataclasses.replace(loaders.TUTORIALS, load=wrong))
    (here / "v.txt").write_text(text(WORDS))
    result = bench("v.txt")
    assert result.exit_code == 1
    assert "NO: 1 vector with other numbers" in result.stdout
    assert result.stderr == "Error: the tutorials' loop gave other numbers than embmap for the same words\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, f"v.txt: {NOT_THERE}"),
        (b"Hello there\nthis is prose\n", "this is no file of vectors"),
        (b"store", "this is an embmap store already"),
    ],
)
def test_a_wrong_file_is_told_in_one_line_and_leaves_nothing(here, content, message):
    if content == b"store":
        (here / "s.txt").write_text(text(WORDS))
        embmap.convert("s.txt", "v.txt")
    elif content:
        (here / "v.txt").write_bytes(content)
    result = bench("v.txt")
    assert result.exit_code == 1
    assert result.output.startswith("Error: v.txt")
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not (here / "embmap-bench").exists()


@pytest.mark.parametrize("arguments", [[], ["v.txt", "--runs", "0"], ["v.txt", "--seconds", "0"]])
def test_wrong_usage_exits_with_2(here, arguments):
    assert CliRunner().invoke(main, ["bench", *arguments]).exit_code == 2


def test_help_shows_an_example():
    assert "Example: embmap bench" in bench("--help").output


def test_without_gensim_and_matplotlib_the_rest_is_measured(here, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] in ("gensim", "matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("gensim", "matplotlib"):
        monkeypatch.setitem(sys.modules, name, None)
    (here / "v.txt").write_text(text(WORDS))
    result = bench("v.txt")
    assert result.exit_code == 0
    assert "1,500 vectors, bit for bit" in result.output
    assert "gensim is not installed" in result.output
    assert "the chart needs matplotlib: pip install matplotlib" in result.output
    assert [path.name for path in (here / "embmap-bench").iterdir()] == ["bench.json"]


def test_what_is_not_plain_text_is_timed_with_embmap_alone(tmp_path, monkeypatch):
    def convert(source, target, **options):
        plain = tmp_path / "plain.txt"
        plain.write_bytes(gzip.decompress(source.read_bytes()))
        return embmap.convert(plain, target, **options)

    monkeypatch.setattr(importlib.import_module("embmap.bench.run"), "convert", convert)
    packed = tmp_path / "v.txt.gz"
    packed.write_bytes(gzip.compress(text(WORDS).encode()))
    found = run_bench(packed, tmp_path / "out", lambda line: None, runs=1)
    assert [timing.name for timing in found.timings] == ["embmap"]
    assert any("not plain text, which the other loaders need" in note for note in found.notes)
