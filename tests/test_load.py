"""`load`: converts once, opens from then on."""

import os
import subprocess
import sys

import pytest
from conftest import SMALL

import embmap


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text(SMALL)
    return path


def made(cache):
    return sorted((path.name, path.stat().st_mtime_ns, path.stat().st_ino) for path in cache.glob("*.embmap"))


def test_the_second_load_opens_what_the_first_made(source, tmp_path):
    cache = tmp_path / "cache"
    assert next(iter(embmap.load(source, cache_dir=cache))) == "king"
    before = made(cache)
    assert len(before) == 1
    assert embmap.load(source, cache_dir=cache).index("pear") == 5
    assert embmap.load(source, cache_dir=cache, threads=1, progress=False).index("pear") == 5
    assert made(cache) == before


def test_the_environment_names_the_cache(source, tmp_path, monkeypatch):
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert embmap.load(source).path.parent == tmp_path / "elsewhere"


def test_a_changed_source_or_other_options_make_a_new_store(source, tmp_path):
    cache = tmp_path / "cache"
    assert len(embmap.load(source, cache_dir=cache)) == 6
    assert len(embmap.load(source, cache_dir=cache, limit=2)) == 2
    assert len(embmap.load(source, cache_dir=cache, keep=["king"])) == 1
    assert len(embmap.load(source, cache_dir=cache)) == 6
    assert len(made(cache)) == 3
    source.write_text(SMALL + "new 1 2 3 4\n")
    assert len(embmap.load(source, cache_dir=cache)) == 7
    os.utime(source, ns=(1, 1))
    before = made(cache)
    assert len(embmap.load(source, cache_dir=cache)) == 7
    assert made(cache) != before
    assert len(made(cache)) == 3


def test_a_broken_store_in_the_cache_is_made_again(source, tmp_path):
    cache = tmp_path / "cache"
    path = embmap.load(source, cache_dir=cache).path
    path.write_bytes(path.read_bytes()[:5000])
    assert len(embmap.load(source, cache_dir=cache)) == 6


def test_a_store_is_opened_as_it_is(source, tmp_path):
    report = embmap.convert(source)
    assert embmap.load(report.path, cache_dir=tmp_path / "cache").path == report.path
    assert not (tmp_path / "cache").exists()


def test_options_cannot_change_a_store(source):
    report = embmap.convert(source)
    with pytest.raises(ValueError, match="is a store already"):
        embmap.load(report.path, limit=2)
    with pytest.raises(TypeError, match="one str"):
        embmap.load(source, keep="king")


def test_defaults_that_are_named_are_the_same_store(source, tmp_path):
    embmap.load(source, cache_dir=tmp_path / "cache", duplicates="first", header="auto")
    embmap.load(source, cache_dir=tmp_path / "cache")
    assert len(made(tmp_path / "cache")) == 1


def test_own_metadata_is_kept(source, tmp_path):
    assert embmap.load(source, cache_dir=tmp_path, metadata={"a": 1}).metadata["a"] == 1


def test_two_processes_may_race(source, tmp_path):
    source.write_text("".join(f"w{i} {i} 1 2 3\n" for i in range(30_000)))
    code = f"import embmap; print(embmap.load({str(source)!r}, cache_dir={str(tmp_path / 'cache')!r}).index('w29999'))"
    racers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)]
    assert [racer.communicate()[0] for racer in racers] == [b"29999\n"] * 4
    assert len(made(tmp_path / "cache")) == 1
    assert not list((tmp_path / "cache").glob(".*.tmp"))


def test_errors_pass_through(tmp_path):
    with pytest.raises(FileNotFoundError):
        embmap.load(tmp_path / "nowhere.txt", cache_dir=tmp_path)
    (tmp_path / "prose.txt").write_text("hello world\n")
    with pytest.raises(embmap.ParseError):
        embmap.load(tmp_path / "prose.txt", cache_dir=tmp_path)
