"""The progress bar in a terminal, in a notebook and in a log."""

import io
import sys
import types

import pytest
from conftest import SMALL, convert_text

from embmap import _progress
from embmap._progress import Bar


class Stream(io.StringIO):
    def __init__(self, live):
        super().__init__()
        self.isatty = lambda: live


@pytest.fixture(params=[True, False], ids=["terminal", "log"])
def stream(request, monkeypatch):
    # pytest puts a stream of its own in `sys.stderr` between fixture and test.
    stream = Stream(request.param)
    monkeypatch.setattr(_progress, "sys", types.SimpleNamespace(stderr=stream, modules=sys.modules))
    return stream


def test_it_shows_share_bytes_rate_and_time(stream):
    bar = Bar("glove.txt")
    bar(0, 1_040_000_000)
    bar(1_040_000_000, 1_040_000_000)
    bar.close()
    last = stream.getvalue().rstrip().split("\r")[-1]
    assert last.startswith("glove.txt: 100%")
    assert "1.04G/1.04G" in last
    assert "B/s" in last


def test_a_stream_shows_bytes_and_its_total_once_that_is_known(stream):
    bar = Bar("-")
    bar(0, 0)
    bar(50_000_000, 0)
    bar(60_000_000, 60_000_000)
    bar.close()
    assert "60.0M/60.0M" in stream.getvalue()


def test_one_that_stops_on_the_way_stays_there(stream):
    bar = Bar("glove.txt")
    bar(10_000_000, 100_000_000)
    bar.close()
    assert "10.0M/100M" in stream.getvalue()


def test_a_bar_that_never_moved_shows_nothing(stream):
    Bar("glove.txt").close()
    assert stream.getvalue() == ""


def test_a_conversion_draws_it(tmp_path, stream):
    convert_text(tmp_path, SMALL, progress=True)
    assert "v.txt: 100%" in stream.getvalue()


@pytest.mark.parametrize("widgets", [True, False])
def test_a_notebook_gets_a_widget_where_it_can_show_one(monkeypatch, widgets):
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    calls = []

    class Widget:
        def __init__(self, **options):
            calls.append(options)
            self.n, self.total = 0, options["total"]

        def update(self, n):
            self.n += n

        def close(self):
            calls.append(self.n)

    monkeypatch.setitem(sys.modules, "tqdm.notebook", types.SimpleNamespace(tqdm=Widget))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if widgets else None)
    bar = Bar("v.txt")
    bar(5, 10)
    bar.close()
    assert [bool(calls), calls[-1:]] == ([True, [5]] if widgets else [False, []])
