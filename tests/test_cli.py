"""The command line, as a user and as a program sees it."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from conftest import SMALL

from embmap.cli import main


@pytest.fixture
def files(tmp_path):
    source = tmp_path / "v.txt"
    source.write_text(SMALL)
    target = tmp_path / "v.embmap"
    assert run("convert", source, target).exit_code == 0
    return source, target


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_convert(files, tmp_path):
    source, _ = files
    result = run("convert", source)
    assert result.exit_code == 0
    assert "6 words of 4 float32" in result.output
    found = json.loads(run("convert", source, tmp_path / "x.embmap", "--json", "--limit", 2).output)
    assert (found["rows"], found["dim"], found["path"]) == (2, 4, str(tmp_path / "x.embmap"))
    (tmp_path / "keep.txt").write_text("king\nqueen\n")
    assert "2 words" in run("convert", source, "--keep", tmp_path / "keep.txt").output


def test_info_lookup_similar_analogy_and_verify(files):
    _, target = files
    assert "6 words of 4 float32" in run("info", target).output
    assert json.loads(run("info", target, "--json").output)["words"] == 6
    assert run("lookup", target, "king").output == "king 0.9 0.8 0.1 0.0\n"
    assert json.loads(run("lookup", target, "king", "--json").output)["king"][2] == pytest.approx(0.1)
    assert run("analogy", target, "man", "king", "woman", "-n", 1).output.split()[1] == "queen"
    assert run("similar", target, "apple", "-n", 1).output.split()[1] == "pear"
    assert json.loads(run("similar", target, "king", "--negative", "man", "--json").output)[0].keys() == {
        "word",
        "cosine",
    }
    assert run("verify", target).output == f"{target}: whole\n"


def test_export(files, tmp_path):
    _, store = files
    target = tmp_path / "x.vec"
    assert "6 words of 4 as fasttext-vec" in run("export", store, target).output
    assert target.read_text().splitlines()[:2] == ["6 4", "king 0.9 0.8 0.1 0 "]
    (tmp_path / "words.txt").write_text("queen\n")
    found = json.loads(
        run("export", store, target, "--format", "glove", "--words", tmp_path / "words.txt", "--json").output
    )
    assert (found["rows"], found["format"], found["path"]) == (1, "glove", str(target))
    assert target.read_text() == "queen 0.9 0.1 0.8 0\n"
    assert "2 words" in run("export", store, target, "--limit", 2, "--threads", 1).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "nowhere.embmap"], "nowhere.embmap: No such file or directory"),
        (["lookup", "{store}", "nobody"], "'nobody' is not in the store"),
        (["similar", "{store}", "nobody"], "'nobody' is not in the store"),
        (["info", "{source}"], "not an embmap store"),
        (["convert", "{store}"], "are the same file"),
        (["convert", "{source}", "--dim", "7"], "expected vectors of dimension 7, found 4"),
        (["verify", "{source}"], "not an embmap store"),
        (["export", "{store}", "x.txt"], "the suffix '.txt' does not tell the format"),
        (["export", "{store}", "nowhere/x.vec"], "nowhere/x.vec: No such file or directory"),
    ],
)
def test_what_fails_says_why_on_one_line_and_exits_with_1(files, arguments, message):
    source, target = files
    result = run(*[argument.format(store=target, source=source) for argument in arguments])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["convert"],
        ["lookup", "x"],
        ["similar", "x", "y", "-n", "0"],
        ["info", "--what"],
        ["export", "x"],
        ["export", "x", "y", "--format", "gif"],
    ],
)
def test_wrong_usage_exits_with_2(arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("command", ["convert", "info", "lookup", "similar", "analogy", "verify", "export", "demo"])
def test_help_shows_an_example(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: embmap {command}" in result.output


def test_the_program_and_the_module_are_the_same(files):
    _, target = files
    for program in (["-m", "embmap"], ["-c", "from embmap.cli import main; main()"]):
        done = subprocess.run(
            [sys.executable, *program, "verify", str(target)], capture_output=True, text=True, check=True
        )
        assert "whole" in done.stdout
