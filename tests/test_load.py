"""`load`: converts once, opens from then on."""

import errno
import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, limits_files, write_model

import embmap
from embmap._ingest import load as _cache
from embmap._ingest import lock as _lock
from embmap._ingest import losses as _losses


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
    assert len(made(cache)) == 3


def loaded(source, cache, **options):
    """Load; give the store and which file it is now, which another may replace."""
    store = embmap.load(source, cache_dir=cache, **options)
    return store, store.path.stat().st_ino


def test_another_time_alone_makes_no_new_store(source, tmp_path, monkeypatch):
    store, first = loaded(source, tmp_path / "cache")
    assert store.path.stat().st_mtime_ns == source.stat().st_mtime_ns
    assert "mtime" not in store._metadata_json()
    os.utime(source, ns=(5, 5))
    assert loaded(source, tmp_path / "cache")[1] == first
    # Not compared again.
    monkeypatch.setattr(_cache, "_has_checksum", None)
    assert loaded(source, tmp_path / "cache")[1] == first


def test_other_bytes_of_the_same_size_make_a_new_store(source, tmp_path):
    assert embmap.load(source, cache_dir=tmp_path / "cache")["king"][0] == np.float32(0.9)
    source.write_text(SMALL.replace("king 0.9", "king 0.7"))
    os.utime(source, ns=(5, 5))
    store = embmap.load(source, cache_dir=tmp_path / "cache")
    assert store["king"][0] == np.float32(0.7)
    assert len(made(tmp_path / "cache")) == 1


@pytest.mark.parametrize("options", [{}, {"limit": 2}, {"threads": 1}, {"keep": ["king"]}])
@pytest.mark.parametrize("packed", [False, True])
def test_equal_bytes_give_the_same_store_wherever_and_whenever(tmp_path, options, packed):
    text = "".join(f"w{i} {i} 1 2 3\n" for i in range(20_000)).encode() + SMALL.encode()
    stores = []
    for i, time in enumerate((1_600_000_000_123_456_789, 5)):
        (tmp_path / str(i)).mkdir()
        source = tmp_path / str(i) / "v.txt"
        source.write_bytes(gzip.compress(text, mtime=0) if packed else text)
        os.utime(source, ns=(time, time))
        for _ in range(2):
            stores.append(loaded(source, tmp_path / str(i) / "cache", **options))
    assert len({store.identity for store, _ in stores}) == 1
    assert len({store.path.read_bytes() for store, _ in stores}) == 1
    assert [file for _, file in stores[::2]] == [file for _, file in stores[1::2]]


def test_a_packed_source_of_another_time_is_converted_anew(tmp_path):
    source = tmp_path / "v.txt.gz"
    source.write_bytes(gzip.compress(SMALL.encode()))
    store, first = loaded(source, tmp_path / "cache")
    identity = store.identity
    store.close()
    os.utime(source, ns=(5, 5))
    again, second = loaded(source, tmp_path / "cache")
    assert second != first
    assert again.identity == identity


def test_the_time_of_any_file_of_a_model_counts(tmp_path):
    model = write_model(tmp_path / "model", np.eye(3, 4, dtype=np.float32), ["a", "b", "c"])
    identities, files = set(), []
    for name, time in [("tokenizer.json", 10**18), ("model.safetensors", 10**17), ("model.safetensors", 2 * 10**17)]:
        os.utime(model / name, ns=(time, time))
        for _ in range(2):
            store, file = loaded(model, tmp_path / "cache")
            identities.add(store.identity)
            files.append((file, store.path.stat().st_mtime_ns))
            store.close()
    assert files[::2] == files[1::2]
    assert len(set(files)) == 3
    assert len(identities) == 1


@pytest.mark.parametrize("grain", [100, 1000, 10**6, 10**9])
def test_a_cache_may_keep_times_less_exactly(source, tmp_path, monkeypatch, grain):
    time = 1_600_000_000_123_456_789
    os.utime(source, ns=(time, time))
    store, first = loaded(source, tmp_path / "cache")
    os.utime(store.path, ns=(time // grain * grain,) * 2)
    monkeypatch.setattr(_cache, "_has_checksum", None)
    assert loaded(source, tmp_path / "cache")[1] == first


# A cache that cannot be written


def unwritable(monkeypatch, folder):
    """Let nothing in `folder` be changed: root, as whom tests may run, could."""

    def refuse(path, *arguments, **options):
        if Path(path).is_relative_to(folder) or folder.is_relative_to(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return None

    for name in ("utime", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    opened, descriptor = Path.open, os.open
    monkeypatch.setattr(os, "open", lambda path, *how, **_: refuse(path) or descriptor(path, *how))
    monkeypatch.setattr(Path, "open", lambda path, *mode, **_: refuse(path) or opened(path, *mode))


def test_a_cache_that_cannot_be_written_is_read(source, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    identity = embmap.load(source, cache_dir=cache).identity
    unwritable(monkeypatch, cache)
    assert embmap.load(source, cache_dir=cache).identity == identity
    monkeypatch.undo()
    os.utime(source, ns=(5, 5))
    unwritable(monkeypatch, cache)
    before = made(cache)
    assert embmap.load(source, cache_dir=cache).identity == identity
    assert made(cache) == before


@pytest.mark.skipif(os.name != "posix", reason="there is no lock on Windows, by which it is noticed here")
def test_a_cache_without_the_store_that_cannot_be_written_says_so(source, tmp_path, monkeypatch):
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "cache"))
    embmap.load(source)
    unwritable(monkeypatch, tmp_path / "cache")
    with pytest.raises(PermissionError) as caught:
        embmap.load(source, limit=2)
    for part in ("Permission denied", "embmap's cache", "cache_dir=", "EMBMAP_CACHE_DIR", str(tmp_path / "cache")):
        assert part in str(caught.value)
    assert caught.value.errno == errno.EACCES
    assert str(caught.value.filename).startswith(str(tmp_path / "cache"))


def test_a_file_where_the_cache_should_be_says_so(source, tmp_path):
    (tmp_path / "home").write_text("")
    for cache in (tmp_path / "home", tmp_path / "home" / "cache", tmp_path / "home" / "a" / "b"):
        with pytest.raises(OSError, match=r"embmap's cache.*cache_dir=.*EMBMAP_CACHE_DIR") as caught:
            embmap.load(source, cache_dir=cache)
        assert type(caught.value) in (FileExistsError, NotADirectoryError)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(source, tmp_path):
    cache = tmp_path / "cache"
    embmap.load(source, cache_dir=cache)
    cache.chmod(0o500)
    try:
        assert len(embmap.load(source, cache_dir=cache)) == 6
        with pytest.raises(PermissionError, match="EMBMAP_CACHE_DIR"):
            embmap.load(source, cache_dir=cache, limit=2)
    finally:
        cache.chmod(0o700)


def test_a_user_without_a_home_is_told(source, tmp_path, monkeypatch):
    import platformdirs

    monkeypatch.delenv("EMBMAP_CACHE_DIR", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: f"~/.cache/{name}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"cache_dir=.*EMBMAP_CACHE_DIR"):
        embmap.load(source)
    assert not (tmp_path / "~").exists()


@limits_files
def test_a_full_disk_under_the_cache_says_so(source, tmp_path):
    source.write_text("".join(f"w{i} {' '.join(['1'] * 100)}\n" for i in range(5000)))
    code = f"""
import embmap, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    embmap.load({str(source)!r}, cache_dir={str(tmp_path / "cache")!r})
except OSError as error:
    print(error.errno, "EMBMAP_CACHE_DIR" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "27 True\n"
    assert list((tmp_path / "cache").iterdir()) == []


def test_errors_of_the_source_are_not_the_caches(tmp_path):
    for source in (tmp_path / "nowhere.txt", tmp_path / "cache" / "nowhere.txt"):
        with pytest.raises(FileNotFoundError) as caught:
            embmap.load(source, cache_dir=tmp_path / "cache")
        assert "EMBMAP_CACHE_DIR" not in str(caught.value)


def test_locks_do_not_stay(source, tmp_path):
    cache = tmp_path / "cache"
    for limit in (1, 2, 3):
        embmap.load(source, cache_dir=cache, limit=limit)
    with pytest.raises(embmap.ParseError):
        embmap.load(source, cache_dir=cache, dim=9)
    assert {path.suffix for path in cache.iterdir()} == {".embmap"}


def test_a_lock_holds_though_its_file_goes(tmp_path):
    pytest.importorskip("fcntl")
    inside, most, done = 0, 0, 0
    count = threading.Lock()

    def work():
        nonlocal inside, most, done
        for _ in range(100):
            with _lock.locked(tmp_path / "x.lock"):
                with count:
                    inside += 1
                    most = max(most, inside)
                with count:
                    inside -= 1
                    done += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == (1, 800)
    assert list(tmp_path.iterdir()) == []


# What a conversion left out

LOSSY = SMALL.encode() + b"bad 1 2\nworse x 1 2 3\nking 1 2 3 4\nna\xefve 1 2 3 4\n"


@pytest.fixture
def untold(monkeypatch):
    monkeypatch.setattr(_losses, "_told", set())


@pytest.mark.usefixtures("untold")
def test_rows_that_were_passed_over_are_told_of_once(source, tmp_path):
    source.write_bytes(LOSSY)
    options = {"cache_dir": tmp_path / "cache", "on_bad_row": "skip", "errors": "replace"}
    with pytest.warns(embmap.ConversionWarning) as caught:
        store = embmap.load(source, **options)
    (warning,) = caught
    assert Path(warning.filename) == Path(__file__)
    for part in (
        str(source),
        "2 rows could not be read",
        "1 words were not in the encoding",
        "1 rows had a word that came before",
        "7 words are in the store",
    ):
        assert part in str(warning.message)
    assert len(store) == 7
    assert embmap.load(source, **options).identity == store.identity


@pytest.mark.usefixtures("untold")
def test_the_counts_of_a_cached_store_are_told_too(source, tmp_path):
    source.write_bytes(LOSSY)
    options = {"cache_dir": tmp_path / "cache", "on_bad_row": "skip", "errors": "replace"}
    with pytest.warns(embmap.ConversionWarning):
        store = embmap.load(source, **options)
    assert store.metadata["conversion"] == {"rejected": 2, "invalid_utf8": 1, "duplicates": 1}
    _losses._told.clear()
    with pytest.warns(embmap.ConversionWarning, match="2 rows could not be read and were passed over"):
        embmap.load(source, **options)
    embmap.load(source, **options)


@pytest.mark.usefixtures("untold")
def test_words_that_come_again_are_told_of(source, tmp_path):
    source.write_text(SMALL + "king 1 2 3 4\n")
    with pytest.warns(embmap.ConversionWarning, match="1 rows had a word that came before and were left out; 6 words"):
        assert len(embmap.load(source, cache_dir=tmp_path)) == 6


@pytest.mark.usefixtures("untold")
def test_nothing_left_out_is_nothing_told(source, tmp_path):
    assert "conversion" not in embmap.load(source, cache_dir=tmp_path).metadata


def test_keep_may_be_an_open_word_list(source, tmp_path):
    (tmp_path / "counts.txt").write_text("king 12\npear 3\n")
    for _ in range(2):
        with (tmp_path / "counts.txt").open() as file:
            assert list(embmap.load(source, cache_dir=tmp_path, keep=file)) == ["king", "pear"]


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


@pytest.mark.skipif(os.name != "posix", reason="there is no lock on Windows")
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
