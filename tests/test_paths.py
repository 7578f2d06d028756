"""Paths as people write them."""

import contextlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL

import embmap
from embmap._paths import local

a_path_keeps_slashes = pytest.mark.skipif(os.name == "nt", reason="a Path of Windows turns the slashes of a URL")


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "v.txt").write_text(SMALL)
    return tmp_path


@pytest.mark.parametrize(
    "start", ["~/a b/", Path("~/a b"), "file://{1}/a%20b/", "FILE://localhost{1}/a%20b/", "file:{1}/a%20b/", "{0}/a b/"]
)
def test_homes_and_file_urls_are_understood_everywhere(home, start):
    def at(name):
        # On Windows `C:\home` is `/C:/home` in a URL.
        return start / name if isinstance(start, Path) else start.format(home, home.as_uri()[len("file://") :]) + name

    folder = home / "a b"
    assert embmap.convert(at("v.txt"), at("v.embmap")).path == folder / "v.embmap"
    assert len(embmap.open(at("v.embmap"))) == 6
    assert len(embmap.load(at("v.embmap"))) == 6
    assert embmap.load(at("v.txt"), cache_dir=at("cache")).path.parent == folder / "cache"
    assert embmap.write(at("w.embmap"), ["a"], [[1.0]]).path == folder / "w.embmap"
    with embmap.Writer(at("x.embmap"), 1) as writer:
        writer.write(["b"], [[2.0]])
    assert list(embmap.merge([at("w.embmap"), at("x.embmap")], at("m.embmap"))) == ["a", "b"]
    assert embmap.open(at("m.embmap")).export(at("m.vec")).path == folder / "m.vec"
    assert embmap.open(at("m.embmap")).select(["b"], at("s.embmap")).path == folder / "s.embmap"


@a_path_keeps_slashes
def test_a_path_object_of_a_file_url_is_understood(home):
    assert local(Path(f"file://{home}/a%20b/v.txt")) == home / "a b" / "v.txt"


@pytest.mark.parametrize(
    "url",
    [
        "https://host/v.txt",
        "http://host/v.txt",
        "s3://bucket/v.txt",
        "gs://bucket/v.embmap",
        "abfss://c@host/v",
        pytest.param(Path("https://host/v.txt"), marks=a_path_keeps_slashes),
    ],
)
def test_what_lies_elsewhere_is_refused_by_name(url, tmp_path):
    calls = [
        lambda: embmap.open(url),
        lambda: embmap.load(url, cache_dir=tmp_path),
        lambda: embmap.convert(url, tmp_path / "v.embmap"),
        lambda: embmap.convert(tmp_path / "v.txt", url),
        lambda: embmap.write(url, ["a"], np.eye(1)),
        lambda: embmap.merge([url], tmp_path / "m"),
    ]
    scheme = str(url).partition(":")[0]
    for call in calls:
        with pytest.raises(
            ValueError, match=rf"found the {scheme}:// URL .*: download it first; .*embmap.load\('org/name'\)"
        ):
            call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["https://huggingface.co/org/tiny-v1.5/resolve/main/v.txt", "hf://org/tiny-v1.5"])
def test_a_url_of_the_hub_is_a_name(url):
    with pytest.raises(ValueError, match=r"a model of the Hugging Face hub is embmap.load\('org/tiny-v1.5'\)"):
        embmap.open(url)


def test_a_file_url_of_another_machine_is_refused():
    with pytest.raises(ValueError, match="a file of the machine server: write three slashes"):
        embmap.open("file://server/v.embmap")


def test_other_names_stay_as_they_are(home, monkeypatch):
    monkeypatch.chdir(home)
    for name in ("v.txt", "a:b", "C:/v.txt", "-", "~nobody-of-this-name/v", "x/~", "a//b", "./file:x"):
        assert local(name) == Path(name)
    with pytest.raises(TypeError):
        local(b"v.txt")


@pytest.mark.skipif(os.name == "nt", reason="names of Windows have no colons")
def test_a_file_whose_name_looks_like_a_url_comes_first(home, monkeypatch):
    monkeypatch.chdir(home)
    (home / "s3:" / "b").mkdir(parents=True)
    shutil.copy(home / "a b" / "v.txt", home / "s3:" / "b")
    assert embmap.convert("s3://b/v.txt", "v.embmap").rows == 6


def test_a_path_where_a_store_is_wanted_says_so(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "v.embmap"
    wants = [
        embmap.torch.embedding,
        lambda store: embmap.torch.embedding(store, ["king"]),
        embmap.torch.embedding_bag,
        embmap.torch.HostEmbedding,
        embmap.torch.tensor,
        lambda store: embmap.torch.sharded_embedding(store, None),
        lambda store: embmap.evaluate(store, "questions.txt"),
    ]
    with contextlib.suppress(ImportError):
        wants += [embmap.ann.build, embmap.ann.open]
    with contextlib.suppress(ImportError):
        wants.append(embmap.jax.array)
    for wanted in wants:
        for given in (path, str(path)):
            with pytest.raises(
                TypeError, match=r"expected a store, found a path: embmap.load\('.*v.embmap'\) opens it"
            ):
                wanted(given)
