"""The progress bar in a terminal, in a notebook and in a log."""

import html
import io
import itertools
import os
import re
import struct
import subprocess
import sys
import types

import pytest
from conftest import SMALL, convert_text

from embmap import _progress
from embmap._progress import Bar, _columns_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Time moves by hand."""
    now = [100.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch):
    # pytest puts a stream of its own in `sys.stderr` between fixture and test.
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    monkeypatch.setattr(_progress, "sys", types.SimpleNamespace(stderr=stream, modules=sys.modules))
    return stream


def drawn(stream):
    return stream.getvalue().rstrip("\n").split("\r")[1:]


def test_it_shows_share_bytes_rate_and_time_left(terminal, clock):
    bar = Bar("glove.txt")
    clock[0] += 2
    bar(412_000_000, 1_040_000_000)
    assert drawn(terminal) == ["glove.txt [###########...................]  39% 412 MB / 1.04 GB, 206 MB/s, 3.0 s left"]


def test_at_the_end_it_shows_the_time_it_took(terminal, clock):
    bar = Bar("glove.txt")
    clock[0] += 62
    bar(1_040_000_000, 1_040_000_000)
    assert drawn(terminal)[-1].rstrip().endswith("100% 1.04 GB / 1.04 GB, 16.8 MB/s, finishing")
    clock[0] += 3
    bar.close()
    assert drawn(terminal)[-1].rstrip().endswith("100% 1.04 GB / 1.04 GB, 16.0 MB/s, in 1:05")
    assert terminal.getvalue().endswith("\n")


def test_one_that_stops_on_the_way_stays_there(terminal, clock):
    bar = Bar("glove.txt")
    clock[0] += 1
    bar(10_000_000, 100_000_000)
    bar.close()
    assert " 10% 10.0 MB / 100 MB, 10.0 MB/s, in 1.0 s" in drawn(terminal)[-1]


def test_an_unknown_total_shows_bytes_and_rate_alone(terminal, clock):
    bar = Bar("-")
    clock[0] += 2
    bar(50_000_000, 0)
    assert drawn(terminal) == ["- 50.0 MB, 25.0 MB/s"]
    bar.close()
    assert drawn(terminal)[-1].rstrip() == "- 50.0 MB, 25.0 MB/s, in 2.0 s"


def test_nothing_done_yet_is_no_error(terminal, clock):
    bar = Bar("v.txt")
    bar(0, 0)
    bar(0, 100)
    bar.close()
    assert "  0% 0 B / 100 B, 0 B/s" in drawn(terminal)[-1]


def test_what_was_never_called_draws_nothing(terminal):
    Bar("v.txt").close()
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("columns", [10, 20, 40, 60, 79, 80, 200])
@pytest.mark.parametrize(
    "name", ["v.txt", "a-long-name-of-a-file-" * 5 + ".txt", "日本語の単語ベクトル" * 4, "e\u0301" * 60]
)
@pytest.mark.parametrize("total", [0, 1_040_000_000])
def test_it_never_wraps(terminal, clock, monkeypatch, columns, name, total):
    monkeypatch.setenv("COLUMNS", str(columns))
    bar = Bar(name)
    for step in range(5):
        clock[0] += 30 * step
        bar(step * 260_000_000, total)
    bar.close()
    assert len(drawn(terminal)) == 6
    assert all(_columns_of(line) < columns for line in drawn(terminal))


def test_a_shorter_line_draws_over_a_longer_one(terminal, clock):
    bar = Bar("v.txt")
    clock[0] += 1
    bar(100_000_000, 1_000_000_000)
    clock[0] += 1000
    bar(1_000_000_000, 1_000_000_000)
    bar.close()
    before, *after = drawn(terminal)
    widest = len(before)
    assert all(len(line) >= len(previous.rstrip()) for previous, line in itertools.pairwise([before, *after]))
    assert max(map(len, after)) <= widest


def test_the_bar_keeps_its_width(terminal, clock):
    bar = Bar("glove.txt")
    for step in range(1, 100):
        clock[0] += step
        bar(step * 9_999_999, 1_000_000_000)
    bar.close()
    assert len({line.index("]") - line.index("[") for line in drawn(terminal)}) == 1


def test_long_names_keep_both_ends(terminal):
    bar = Bar("wiki-news-300d-1M-subword-of-the-whole-world.vec")
    bar(1, 2)
    name = drawn(terminal)[0].split(" ")[0]
    assert name == "wiki-news-3...-world.vec"


def test_a_name_cannot_control_the_terminal(terminal):
    Bar("a\x1b[2J\nb.txt")(1, 2)
    assert drawn(terminal)[0].startswith("a?[2J?b.txt [")


def test_a_log_gets_a_line_now_and_then(monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    bar = Bar("v.txt")
    for _ in range(100):
        clock[0] += 0.25
        bar(int(clock[0] - 100) * 10, 250)
    bar.close()
    lines = sys.stderr.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[-1] == "v.txt 100% 250 B / 250 B, 10 B/s, in 25 s"
    assert "\r" not in sys.stderr.getvalue()


def test_no_standard_error_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    bar = Bar("v.txt")
    bar(1, 2)
    bar.close()


@pytest.fixture
def notebook(monkeypatch, clock):
    """A kernel that keeps what it is asked to show."""
    shown = []

    class Handle:
        def update(self, bundle, raw):
            assert raw
            shown.append(("update", bundle))

    def display(bundle, raw, display_id):
        assert raw
        assert display_id
        shown.append(("display", bundle))
        return Handle()

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return shown


def test_a_notebook_shows_one_output_and_updates_it(notebook, clock, capsys):
    bar = Bar("<glove>.txt")
    for done in range(0, 101, 10):
        clock[0] += 0.5
        bar(done * 1_000_000, 100_000_000)
    bar.close()
    assert [kind for kind, _ in notebook] == ["display", *["update"] * 11]
    last = notebook[-1][1]
    assert 'max="100000000" value="100000000"' in last["text/html"]
    assert "100% 100 MB / 100 MB, 18.2 MB/s, in 5.5 s" in html.unescape(last["text/html"])
    assert "&lt;glove&gt;.txt" in last["text/html"]
    assert last["text/plain"] == "<glove>.txt [##################] 100% 100 MB / 100 MB, 18.2 MB/s, in 5.5 s"
    assert capsys.readouterr().err == ""


def test_a_notebook_is_not_flooded(notebook, clock):
    bar = Bar("v.txt")
    for done in range(100):
        clock[0] += 0.05
        bar(done, 0)
    bar.close()
    assert 20 <= len(notebook) <= 30
    assert "value" not in notebook[0][1]["text/html"]


def test_ipython_in_a_terminal_is_a_terminal(notebook, terminal, monkeypatch):
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: types.SimpleNamespace())
    Bar("v.txt")(1, 2)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    Bar("v.txt")(1, 2)
    assert notebook == []
    assert len(drawn(terminal)) == 2


def test_a_conversion_draws_it(tmp_path, terminal):
    convert_text(tmp_path, SMALL, progress=True)
    assert re.search(r"v\.txt \[#{30}\] 100% \d+ B / \d+ B, .*, in 0\.\d s\s*\n$", terminal.getvalue())


def test_the_width_is_that_of_the_terminal_even_where_output_is_piped():
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 33, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    code = "from embmap._progress import Bar; bar = Bar('a-name-that-is-long.txt'); bar(10**9, 2 * 10**9); bar.close()"
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=slave, env=environment, check=True)
    os.close(slave)
    lines = os.read(master, 10_000).decode().rstrip("\r\n").split("\r")[1:]
    os.close(master)
    assert len(lines) == 2
    assert all(len(line) <= 32 for line in lines)
