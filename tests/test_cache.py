"""The cache of `load`, and the commands about it."""

import json
import os
import time

import pytest
from click.testing import CliRunner
from conftest import SMALL

import embmap
from embmap._ingest.cache import entries, prune
from embmap.cli import main


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("old", "new"):
        (tmp_path / f"{name}.txt").write_text(SMALL)
        path = embmap.load(tmp_path / f"{name}.txt").path
        if name == "old":
            status = path.stat()
            os.utime(path, ns=(time.time_ns() - 40 * 86_400 * 10**9, status.st_mtime_ns))
    return tmp_path / "cache"


def test_what_is_kept_is_listed_the_oldest_first(cache):
    found = entries()
    assert [entry.path.name.split("-")[0] for entry in found] == ["old", "new"]
    assert 39 < found[0].days < 41
    assert 39 < entries()[0].days < 41, "to list is not to use"


def test_only_what_was_not_read_for_long_goes(cache):
    assert [entry.path.name.split("-")[0] for entry in prune(days=30)] == ["old"]
    assert len(entries()) == 1
    assert prune(days=30) == []
    prune()
    assert entries() == []


def test_no_cache_is_an_empty_one(tmp_path):
    assert entries(tmp_path / "none") == []


def test_the_commands(cache):
    run = CliRunner().invoke
    assert run(main, ["cache", "list"]).stdout.count(".embmap") == 2
    found = json.loads(run(main, ["cache", "prune", "--days", "30", "--json"]).stdout)
    assert [entry["nbytes"] > 4096 for entry in found] == [True]
    assert "nothing" in run(main, ["cache", "prune", "--days", "30"]).stdout
