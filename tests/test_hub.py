"""Models by name, in a cache of huggingface_hub's layout, without a network."""

import os
import sys

import numpy as np
import pytest
from conftest import write_model

import embmap
from embmap._ingest import hub as _hub

TOKENS = ["[PAD]", "king", "##ing"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def snapshot(tmp_path, monkeypatch, hub):
    """The snapshot of a model, its files links to blobs, as huggingface_hub keeps it."""
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    repo = hub / "models--org--tiny-v1.5"
    blobs, snapshot = repo / "blobs", repo / "snapshots" / COMMIT
    for made in (repo / "refs", blobs, snapshot):
        made.mkdir(parents=True)
    for ref in ("main", "v1"):
        (repo / "refs" / ref).write_text(COMMIT)
    model = write_model(tmp_path / "model", np.eye(3, 4, dtype=np.float32), TOKENS)
    for i, file in enumerate(sorted(model.iterdir())):
        if os.name == "nt":
            # Where links need a privilege, huggingface_hub keeps the files themselves there.
            file.rename(snapshot / file.name)
            continue
        file.rename(blobs / str(i))
        (snapshot / file.name).symlink_to(blobs / str(i))
    return snapshot


@pytest.mark.parametrize("name", ["org/tiny-v1.5", "org/tiny-v1.5@v1", f"org/tiny-v1.5@{COMMIT}"])
def test_a_model_is_loaded_by_its_name(snapshot, name):
    store = embmap.load(name)
    assert list(store) == TOKENS
    assert store.path.name.startswith("tiny-v1.5-")
    assert store.metadata["huggingface"] == f"org/tiny-v1.5@{COMMIT}"
    assert embmap.load(name).identity == store.identity


def test_only_what_is_needed_is_downloaded(snapshot, monkeypatch):
    import huggingface_hub

    asked = []

    def download(repo, *, revision, allow_patterns):
        asked.append((repo, revision, allow_patterns))
        if len(asked) == 2:
            weights.rename(snapshot / "model.safetensors")
        return str(snapshot)

    weights = (snapshot / "model.safetensors").rename(snapshot / "later")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert list(embmap.load("org/tiny-v1.5@v1")) == TOKENS
    (first, small), (second, large) = [(call[:2], call[2]) for call in asked]
    assert (first, second) == (("org/tiny-v1.5", "v1"), ("org/tiny-v1.5", COMMIT))
    assert "tokenizer.json" in small
    assert not any("safetensors" in file for file in small if not file.endswith(".json"))
    assert large == ["model.safetensors"]


def test_what_is_not_there_is_an_error_that_says_so(snapshot):
    with pytest.raises(FileNotFoundError, match=r"as a model on the Hugging Face hub: .*'org/nothing'"):
        embmap.load("org/nothing")
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no model.safetensors.*'org/tiny-v1.5@0123"):
        embmap.load("org/tiny-v1.5")


def test_a_file_of_that_name_comes_first(snapshot, tmp_path):
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "tiny-v1.5").write_text("a 1 2\n")
    assert list(embmap.load("org/tiny-v1.5")) == ["a"]


def test_without_huggingface_hub_the_error_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'embmap\[huggingface\]'"):
        embmap.load("org/model")


def test_names_of_files_are_not_names_of_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("org/model", "sentence-transformers/all-MiniLM-L6-v2", "a/b_c.d@refs/pr/1"):
        assert _hub.is_model_name(name)
    for name in ("model", "a/b/c", "./a/b", "/a", "~/a", "../b", "data/v.txt", "data/v.vec.gz", "a/b@", "a b/c", "a/é"):
        assert not _hub.is_model_name(name)
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "model").mkdir()
    assert not _hub.is_model_name("org/model")
