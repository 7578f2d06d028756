"""The command line, as a user and as a program sees it."""

import contextlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import NOT_THERE, SMALL
from safetensors import safe_open

import embmap
from embmap.cli import main


@pytest.fixture
def files(tmp_path):
    source = tmp_path / "v.txt"
    source.write_text(SMALL)
    target = tmp_path / "v.embmap"
    assert run("convert", source, target).exit_code == 0
    return source, target


def run(*arguments, **options):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)


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


def test_neighbors_of_each_word(files):
    _, target = files
    lines = run("neighbors", target, "king", "apple", "-k", 2).output.splitlines()
    assert [line.split("\t")[::2] for line in lines] == [
        ["king", "man"],
        ["king", "queen"],
        ["apple", "pear"],
        ["apple", "woman"],
    ]
    assert run("neighbors", target, "apple", "-k", 1, "--restrict", 2).output == "apple\t0.0818\tking\n"
    found = json.loads(run("neighbors", target, "-", "-k", 1, "--json", input="\ufeffking\r\nqueen\n").output)
    assert [(one["word"], one["neighbors"][0]["word"]) for one in found] == [("king", "man"), ("queen", "woman")]
    assert found[0]["neighbors"][0]["cosine"] == pytest.approx(1.09 / np.sqrt(1.46 * 1.02))
    assert run("neighbors", target, "-", input="").output == ""
    assert len(run("neighbors", target, "king", "-k", 99).output.splitlines()) == 5
    missing = run("neighbors", target, "kign")
    assert (missing.exit_code, missing.output) == (1, "Error: 'kign' is not in the store; did you mean 'king'?\n")


def on_a_terminal(*arguments, code="from embmap.cli import main; main()"):
    """Give the lines that a terminal of sixty columns is sent."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "60", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment) as process:
        os.close(theirs)
        sent = b""
        # Linux says EIO, and others the end, where nobody writes any more.
        with contextlib.suppress(OSError):
            while some := os.read(ours, 1 << 16):
                sent += some
        os.close(ours)
        assert process.stderr.read() == b""
    assert process.returncode == 0
    return [re.sub(r"\x1b\[\d*m", "", line).rstrip() for line in sent.decode().split("\r\n")]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="Windows has no such terminals")
def test_a_terminal_gets_columns_where_rich_draws_them(tmp_path):
    words = ["東京", "[bold]x", "\x1b[31mred", "a" * 70]
    embmap.write(tmp_path / "v.embmap", words, np.eye(4, dtype=np.float32) + 1)
    assert on_a_terminal("neighbors", tmp_path / "v.embmap", "東京", "-k", 3) == [
        "word   cosine   neighbour",
        "─" * 60,
        "東京   0.8571   [bold]x",
        "東京   0.8571   \\x1b[31mred",
        "東京   0.8571   " + "a" * 44,
        " " * 16 + "a" * 26,
        "",
    ]
    similar = on_a_terminal("similar", tmp_path / "v.embmap", "東京", "-n", 2)
    assert similar == ["cosine   word", "─" * 20, "0.8571   [bold]x", "0.8571   \\x1b[31mred", ""]
    without = "import sys; sys.modules['rich'] = None; from embmap.cli import main; main()"
    similar = on_a_terminal("similar", tmp_path / "v.embmap", "東京", "-n", 2, code=without)
    assert similar == ["0.8571  [bold]x", "0.8571  \\x1b[31mred", ""]
    questions = tmp_path / "questions.txt"
    questions.write_text(": a section\n東京 [bold]x 東京 [bold]x\n", encoding="utf-8")
    lines = on_a_terminal("evaluate", "--no-progress", tmp_path / "v.embmap", questions)
    assert lines[0].split() == ["section", "right", "questions", "accuracy", "skipped"]
    assert lines[2].startswith("a section ")
    assert lines[3:] == [str(embmap.evaluate(embmap.open(tmp_path / "v.embmap"), questions)).splitlines()[-1], ""]


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
        (["info", "nowhere.embmap"], f"nowhere.embmap: {NOT_THERE}"),
        (["lookup", "{store}", "nobody"], "'nobody' is not in the store"),
        (["similar", "{store}", "nobody"], "'nobody' is not in the store"),
        (["convert", "{store}"], "are the same file"),
        (["convert", "{source}", "--dim", "7"], "expected vectors of dimension 7, found 4"),
        (["verify", "{source}"], "not an embmap store"),
        (["export", "{store}", "x.txt"], "the suffix '.txt' does not tell the format"),
        (["export", "{store}", "nowhere/x.vec"], f"x.vec: {NOT_THERE}"),
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


@pytest.mark.parametrize(
    "command",
    [
        *("convert", "info", "lookup", "similar", "analogy", "verify", "export", "demo"),
        *("select", "merge", "matrix", "graph", "evaluate", "pull", "push", "ann", "project", "plot"),
    ],
)
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


def test_words_that_begin_with_a_dash(files, tmp_path):
    source, target = files
    source.write_text("-lrb- 1 0\n-rrb- 1 0.5\n--help 0 1\n-n 0.5 1\n-h 1 1\n")
    assert run("convert", source).exit_code == 0
    for word in ("-lrb-", "-rrb-", "-lrb-"):
        assert run("lookup", target, word).output.startswith(f"{word} ")
    assert run("lookup", target, "--", "-h", "--help", "-n").output.split()[::3] == ["-h", "--help", "-n"]
    assert list(json.loads(run("lookup", target, "-lrb-", "--json", "-rrb-").output)) == ["-lrb-", "-rrb-"]
    assert run("similar", target, "-lrb-", "-n", 1).output.split()[1] == "-rrb-"
    assert run("similar", target, "-n1", "-lrb-").output.split()[1] == "-rrb-"
    assert run("similar", target, "-lrb-", "--topn=1", "--negative=-n").exit_code == 0
    assert run("analogy", target, "-lrb-", "-lrb-", "-rrb-", "-n", 1).exit_code == 0
    assert "Example: embmap lookup" in run("lookup", "--help").output


def test_what_to_do_is_said_in_options(files, tmp_path):
    source, target = files
    for text, options, message in (
        ("2 1\na 5\n", (), "say which with --header or --no-header"),
        ("the 5\na 7\n", (), "say --dim 1"),
        ("a 1 2\nb 3  4\nc 5 6\n", (), "(--separator spaces takes a run of them for one); --on-bad-row skip passes"),
        ("9 2\na 1 2\n", (), "--on-wrong-count ignore takes the rows"),
        ("a 1 2\n", ("--member", "x"), "--member x is for an archive"),
    ):
        source.write_text(text)
        result = run("convert", source, *options)
        assert result.exit_code == 1
        assert message in result.output, result.output
    assert "'King' is missing; 'king' is there" in run("lookup", target, "King").output
    assert "'xyz' is not in the store" in run("lookup", target, "xyz").output


def test_tables_encodings_and_word_lists(files, tmp_path):
    source, _ = files
    source.write_bytes("stra\xdfe;1;2\nfür;3;4\n".encode("latin-1"))
    assert "2 words of 2" in run("convert", source, "--encoding", "latin-1", "--separator", ";").output
    source.write_text("a\t1\t2\nb\t3\t4\n")
    (tmp_path / "keep.txt").write_text("b 12 \n")
    assert "1 words of 2" in run("convert", source, "--separator", "tab", "--keep", tmp_path / "keep.txt").output
    (tmp_path / "keep.txt").write_text("x 12\ny 3\n")
    result = run("convert", source, "--keep", tmp_path / "keep.txt")
    assert result.exit_code == 1
    assert 'those begin with "x", "y", the source with "a", "b"' in result.output


def test_export_to_the_standard_output(files):
    _, target = files
    command = [
        sys.executable,
        "-m",
        "embmap",
        "export",
        str(target),
        "-",
        "--format",
        "word2vec-binary",
        "--limit",
        "2",
    ]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.startswith(b"2 4\nking \x66\x66\x66\x3f")
    assert b"2 words of 4" in done.stderr
    result = run("export", target, "-")
    assert result.exit_code == 2
    assert "--format" in result.output


def test_a_folder_says_what_in_it_could_be_meant(files, tmp_path):
    (tmp_path / "notes.md").write_text("")
    assert (
        f"{tmp_path}: This is a folder; the files in it that could be meant are v.embmap, v.txt; "
        "those of other names are left out: notes.md\n" in run("convert", tmp_path).output
    )
    assert "could be meant are v.embmap, v.txt" in run("info", tmp_path).output
    (tmp_path / "empty").mkdir()
    assert "with no file that could be meant" in run("convert", tmp_path / "empty").output


def test_stores_are_made_of_stores(files, tmp_path):
    store = files[1]
    (tmp_path / "words.txt").write_text("queen\nking\nunheard-of\n")
    assert run("select", store, tmp_path / "words.txt", tmp_path / "s.embmap").exit_code == 1
    made = run("select", store, tmp_path / "words.txt", tmp_path / "s.embmap", "--missing", "skip", "--json")
    assert json.loads(made.output)["words"] == 2
    assert list(embmap.open(tmp_path / "s.embmap")) == ["queen", "king"]
    made = run("merge", tmp_path / "s.embmap", store, tmp_path / "m.embmap", "--how", "first", "--no-progress")
    assert made.exit_code == 0
    assert f"{tmp_path / 'm.embmap'}: " in made.output
    assert next(iter(embmap.open(tmp_path / "m.embmap"))) == "queen"


def test_the_matrix_of_a_task(files, tmp_path):
    (tmp_path / "words.txt").write_text("queen\nking\nunheard-of\n")
    made = run("matrix", files[1], tmp_path / "words.txt", tmp_path / "w.npy", "--padding", "--oov", "zeros")
    assert made.exit_code == 0, made.output
    assert "66.7% of the words found" in made.output
    assert "missing: unheard-of" in made.output
    store = embmap.open(files[1])
    assert np.array_equal(np.load(tmp_path / "w.npy"), store.matrix(["", "queen", "king", "unheard-of"], oov="zeros"))
    made = run("matrix", files[1], tmp_path / "words.txt", tmp_path / "w.safetensors", "--oov", "zeros")
    assert made.exit_code == 0, made.output
    with safe_open(tmp_path / "w.safetensors", "numpy") as file:
        assert np.array_equal(file.get_tensor("embedding.weight"), np.load(tmp_path / "w.npy")[1:])
        assert json.loads(file.metadata()["words"]) == ["queen", "king", "unheard-of"]
    assert run("matrix", files[1], tmp_path / "words.txt", tmp_path / "w.bin").exit_code == 2


def test_graph_and_evaluate(files, tmp_path):
    made = run("graph", files[1], tmp_path / "g.npz", "-k", "1", "--json", "--no-progress")
    assert made.exit_code == 0, made.output
    assert json.loads(made.output)["path"] == str(tmp_path / "g.npz")
    (tmp_path / "pairs.tsv").write_text("king\tqueen\t5\nking\tapple\t1\nman\tking\t4\n")
    made = run("evaluate", files[1], tmp_path / "pairs.tsv", "--json", "--no-progress")
    assert made.exit_code == 0, made.output
    expected = embmap.evaluate(embmap.open(files[1]), tmp_path / "pairs.tsv")
    assert json.loads(made.output)["spearman"] == pytest.approx(expected.spearman)
    assert str(expected) in run("evaluate", files[1], tmp_path / "pairs.tsv").output


def test_stores_of_the_hub(files, monkeypatch):
    from embmap._cli import verbs

    asked = []
    monkeypatch.setattr(verbs, "pull_store", lambda *a, **k: asked.append((a, k)) or embmap.open(files[1]))
    monkeypatch.setattr(verbs, "push_store", lambda *a, **k: asked.append((a, k)) or "address")
    assert str(files[1]) in run("pull", "org/name", "v.embmap", "--revision", "v1").output
    assert run("push", files[1], "org/name", "--license", "pddl").output == "address\n"
    assert asked[0] == (("org/name", "v.embmap"), {"revision": "v1"})
    assert asked[1] == (
        (files[1], "org/name"),
        {"file": None, "license": "pddl", "private": None, "message": None},
    )


def test_a_source_will_do_for_a_store(files, monkeypatch, tmp_path):
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "cache"))
    text, _ = files
    assert run("info", text).stdout.count("6 words of 4 float32") == 1
    assert "queen" in run("analogy", text, "man", "king", "woman").stdout
    assert len(list((tmp_path / "cache").glob("*.embmap"))) == 1
    assert run("verify", text).exit_code == 1


def test_did_you_mean(files):
    text, store = files
    assert "did you mean 'queen'?" in run("lookup", store, "quen").stderr
    assert "'king' is there" in run("similar", store, "King").stderr
    assert "did you mean 'woman'" in run("analogy", store, "man", "king", "womans").stderr
    assert run("lookup", store, "zzzzzz").stderr == "Error: 'zzzzzz' is not in the store\n"
    done = run("exprt", store)
    assert (done.exit_code, "Did you mean export" in done.stderr) == (2, True)
    assert "--duplicates" in run("convert", text, "--duplicate", "first").stderr


def test_quiet_and_verbose(files, tmp_path):
    text, _ = files
    assert run("-q", "convert", text, tmp_path / "q.embmap").output == ""
    assert run("convert", text, tmp_path / "q.embmap", "--quiet").output == ""
    assert run("-q", "lookup", tmp_path / "q.embmap", "king").stdout != ""
    assert json.loads(run("-q", "convert", text, tmp_path / "q.embmap", "--json").stdout)["rows"] == 6
    assert "Traceback" not in run("info", tmp_path / "none").stderr
    assert "Traceback" in run("-v", "info", tmp_path / "none").stderr
    assert "Traceback" in run("info", "-v", tmp_path / "none").stderr
    assert run("cache", "list", "-q").exit_code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    assert "_EMBMAP_COMPLETE" in run("completion", shell).stdout


def test_completion_knows_the_commands(monkeypatch):
    environment = {"_EMBMAP_COMPLETE": "bash_complete", "COMP_WORDS": "embmap ver", "COMP_CWORD": "1"}
    done = CliRunner().invoke(main, [], prog_name="embmap", env=environment)
    assert "verify" in done.stdout


def test_no_file_that_is_read_is_replaced(files, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    source, store = files
    before = store.read_bytes()
    words = tmp_path / "words.txt"
    words.write_text("king\nqueen\n")
    named = tmp_path / "words.npy"
    named.write_text("king\n")
    (tmp_path / "v.parquet").write_bytes(before)
    for arguments in (
        ("ann", store, store),
        ("project", tmp_path / "v.parquet", tmp_path / "v.parquet"),
        ("graph", tmp_path / "v.parquet", tmp_path / "v.parquet"),
        ("select", store, words, words),
        ("export", store, words, "--format", "glove", "--words", words),
        ("matrix", store, named, named),
        ("convert", source, words, "--keep", words),
    ):
        if arguments[0] == "ann":
            pytest.importorskip("embmap.ann", exc_type=ImportError)
        result = run(*arguments)
        assert (result.exit_code, "source and target are the same file" in result.stderr) == (1, True), arguments
    assert store.read_bytes() == (tmp_path / "v.parquet").read_bytes() == before
    # Nor where it is converted into the cache first.
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "cache"))
    for name, *arguments in (
        ("text.parquet", "graph", "{}", "{}"),
        ("text.parquet", "project", "{}", "{}"),
        ("text.png", "plot", "{}", "king", "queen", "-o", "{}"),
        ("text", "export", "{}", "{}", "--format", "word2vec"),
        ("text", "select", "{}", words, "{}"),
    ):
        (tmp_path / name).write_text(SMALL)
        result = run(*(str(argument).format(tmp_path / name) for argument in arguments))
        assert (result.exit_code, "source and target are the same file" in result.stderr) == (1, True), arguments
        assert (tmp_path / name).read_text() == SMALL
    assert (words.read_text(), named.read_text()) == ("king\nqueen\n", "king\n")
    np.save(tmp_path / "n.npy", np.eye(2))
    with pytest.raises(ValueError, match="the same file"):
        embmap.convert(tmp_path / "n.npy", words, words=str(words))


def test_a_matrix_has_a_row_for_each_line(files, tmp_path):
    """Of a vocabulary that begins with the padding, as Keras' does, and of words that end in a number."""
    (tmp_path / "words.txt").write_text("\nking\nroute 66\n")
    made = run("matrix", files[1], tmp_path / "words.txt", tmp_path / "w.npy", "--oov", "zeros", "--json")
    assert json.loads(made.output)["missing"] == ["route 66"]
    assert np.array_equal(np.load(tmp_path / "w.npy")[:, 0], np.float32([0, 0.9, 0]))
    for text, options in (
        ("king\nqueen\n\n", ["--padding"]),
        ("\nking\t7\n queen\t5\n", ["--padding"]),
        ("\nking\nqueen", []),
    ):
        (tmp_path / "words.txt").write_text(text)
        made = run("matrix", files[1], tmp_path / "words.txt", tmp_path / "w.npy", "--oov", "zeros", "--json", *options)
        assert json.loads(made.output)["coverage"] == 1, text
        assert np.array_equal(np.load(tmp_path / "w.npy")[:, 0], np.float32([0, 0.9, 0.9])), text


def test_messages_name_options_that_the_command_has(files, tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"a 1 2\nb 3 x\n")
    assert "--on-bad-row skip" in run("convert", tmp_path / "bad.txt").stderr
    told = run("info", tmp_path / "bad.txt", env={"EMBMAP_CACHE_DIR": str(tmp_path / "cache")}).stderr
    assert "--on-bad-row" not in told
    assert 'on_bad_row="skip"' in told
    np.save(tmp_path / "n.npy", np.eye(2))
    assert "--words" not in run("similar", tmp_path / "n.npy", "king").stderr
    (tmp_path / "words.txt").write_bytes(b"king\n\xff\n")
    told = run("select", files[1], tmp_path / "words.txt", tmp_path / "s.embmap").stderr
    assert "a list of words is not UTF-8" in told


def test_json_has_no_nan(files, tmp_path):
    (tmp_path / "pairs.txt").write_text("king queen 3\n")
    found = json.loads(run("evaluate", files[1], tmp_path / "pairs.txt", "--json", "--no-progress").output)
    assert found["spearman"] is None


def test_the_standard_output_is_no_place_for_a_store(files):
    assert run("convert", files[0], "-").exit_code == 2
    assert "-> -" in run("export", files[1], "-", "--format", "glove").stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")
def test_without_streams(files):
    """As daemons run."""
    command = f"{sys.executable} -m embmap"
    assert subprocess.run(["sh", "-c", f"{command} lookup {files[1]} king >&-"], check=False).returncode == 0
    for arguments in (
        f"neighbors {files[1]} -",
        f"select {files[1]} - new.embmap",
        f"convert {files[0]} new.embmap --keep -",
    ):
        asked = subprocess.run(["sh", "-c", f"{command} {arguments} <&-"], capture_output=True, check=False)
        assert (asked.returncode, b"no standard input" in asked.stderr) == (2, True), asked.stderr
    asked = subprocess.run(
        ["sh", "-c", f"{command} export {files[1]} - --format glove >&-"], capture_output=True, check=False
    )
    assert (asked.returncode, b"no standard output" in asked.stderr) == (2, True)


def test_what_is_no_store_is_not_replaced(files, tmp_path):
    """A pattern of the shell is several files, of which the last would be the target."""
    text, store = files
    other = tmp_path / "other.txt"
    other.write_text("a 1 2\n")
    refused = run("convert", text, other)
    assert (refused.exit_code, other.read_text()) == (2, "a 1 2\n")
    assert "is there, and no store that could be replaced" in " ".join(refused.stderr.split())
    assert run("convert", other, store).exit_code == 0
    before = store.read_bytes()
    made = tmp_path / "made.embmap"
    assert run("merge", store, made).exit_code == 0
    refused = run("merge", made, store)
    assert (refused.exit_code, store.read_bytes()) == (2, before)
    assert run("merge", made, made, store).exit_code == 0


@pytest.mark.parametrize(
    "arguments", [("similar", "king", "-n"), ("similar", "king", "--negative"), ("neighbors", "king", "-k")]
)
def test_an_option_without_its_value_is_named(files, arguments):
    verb, word, option = arguments
    refused = run(verb, files[1], word, option)
    assert (refused.exit_code, f"Option '{option}' requires an argument." in refused.stderr) == (2, True)


def test_a_misspelt_option_among_words_is_named(files):
    assert "'--negativ' is not in the store; did you mean --negative?" in run("similar", files[1], "--negativ").stderr


@pytest.mark.parametrize("kind", ["torch", "vecs", "hdf5", "table", "magnitude", "finalfusion"])
def test_a_wrong_format_says_that_it_is_wrong(files, tmp_path, kind):
    refused = run("convert", "--format", kind, files[0], tmp_path / "z.embmap")
    assert refused.exit_code == 1
    assert "this is not a" in refused.stderr


def test_a_repository_of_the_hub_is_named_so(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "of the Hugging Face hub it is hf://org/name" in run("similar", "org/name", "king").stderr
    assert "repo must be org/name" in run("push", files[1], "foo").stderr
    with pytest.raises(FileNotFoundError, match="named org/name"):
        embmap.load("bert-base-uncased")


def test_nothing_is_called_nothing(tmp_path):
    (tmp_path / "v.txt").write_text("\n")
    assert "nothing is in it" in run("convert", tmp_path / "v.txt").stderr
