"""Pickled stores that have moved: found by name and identity in folders that are named."""

import contextvars
import gc
import io
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, store_of

import embmap


@pytest.fixture
def moved(tmp_path):
    """A pickled store, and the folder to which its file went."""
    trained, served = tmp_path / "train", tmp_path / "serve"
    trained.mkdir()
    served.mkdir()
    saved = pickle.dumps(store_of(trained, SMALL))
    shutil.move(trained / "v.embmap", served)
    return saved, served


def at_home(monkeypatch, folder):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))


def other_store(folder, name="v.embmap"):
    folder.mkdir(exist_ok=True)
    embmap.write(folder / name, ["another"], [[1.0]])
    return folder


@pytest.mark.parametrize("inside", [".", "v.embmap", "model.pkl"])
def test_a_folder_or_a_file_in_it_is_named(moved, inside):
    saved, served = moved
    (served / "model.pkl").write_bytes(saved)
    with embmap.relocated(served / inside):
        store = pickle.loads(saved)
    assert store.path == served / "v.embmap"
    assert pickle.loads(pickle.dumps(store)).path == store.path
    with pytest.raises(FileNotFoundError):
        pickle.loads(saved)


def test_the_folder_may_be_relative_and_a_home(moved, monkeypatch):
    saved, served = moved
    monkeypatch.chdir(served.parent)
    with embmap.relocated("serve"):
        assert pickle.loads(saved).path == served / "v.embmap"
    at_home(monkeypatch, served.parent)
    with embmap.relocated("~/serve"):
        assert pickle.loads(saved).path == served / "v.embmap"


def test_the_environment_names_folders(moved, monkeypatch, tmp_path):
    saved, served = moved
    monkeypatch.setenv("EMBMAP_PATH", os.pathsep.join(["", "/nowhere", str(other_store(tmp_path / "x")), str(served)]))
    assert pickle.loads(saved).path == served / "v.embmap"
    at_home(monkeypatch, tmp_path)
    monkeypatch.setenv("EMBMAP_PATH", "~/serve")
    assert pickle.loads(saved).path == served / "v.embmap"


def test_statements_nest_and_come_before_the_environment(moved, monkeypatch, tmp_path):
    saved, served = moved
    for name in ("inner", "outer", "environment"):
        (tmp_path / name).mkdir()
        shutil.copy(served / "v.embmap", tmp_path / name)
    monkeypatch.setenv("EMBMAP_PATH", str(tmp_path / "environment"))
    with embmap.relocated(tmp_path / "outer"):
        with embmap.relocated(tmp_path / "inner"):
            assert pickle.loads(saved).path.parent.name == "inner"
            gc.collect()  # Windows removes no file that is mapped.
            (tmp_path / "inner" / "v.embmap").unlink()
            assert pickle.loads(saved).path.parent.name == "outer"
        gc.collect()
        (tmp_path / "outer" / "v.embmap").unlink()
        assert pickle.loads(saved).path.parent.name == "environment"
    assert pickle.loads(saved).path.parent.name == "environment"


def test_the_path_of_the_pickle_comes_first(store, tmp_path):
    (tmp_path / "copy").mkdir()
    shutil.copy(store.path, tmp_path / "copy")
    with embmap.relocated(tmp_path / "copy"):
        assert pickle.loads(pickle.dumps(store)).path == store.path


def test_another_file_of_that_name_is_not_taken(moved, tmp_path):
    saved, served = moved
    trained = tmp_path / "train"
    for content in ("store", b"no store"):
        other_store(trained)
        if content != "store":
            (trained / "v.embmap").write_bytes(content)
        with embmap.relocated(served):
            assert pickle.loads(saved).path == served / "v.embmap"
        with pytest.raises(
            embmap.FormatError, match=r"train[/\\]v.embmap: the file has changed since the store was pickled"
        ):
            pickle.loads(saved)
    (trained / "v.embmap").unlink()
    other_store(tmp_path / "x")
    with embmap.relocated(tmp_path / "x"), embmap.relocated(served):
        assert pickle.loads(saved).path == served / "v.embmap"
    with embmap.relocated(tmp_path / "x"), pytest.raises(embmap.FormatError) as caught:
        pickle.loads(saved)
    for part in (str(tmp_path / "x" / "v.embmap"), str(trained / "v.embmap"), "EMBMAP_PATH", "embmap.relocated()"):
        assert part in str(caught.value)


def test_the_error_names_every_place(moved, monkeypatch, tmp_path):
    saved, _ = moved
    with pytest.raises(FileNotFoundError) as caught:
        pickle.loads(saved)
    assert caught.value.filename == str(tmp_path / "train" / "v.embmap")
    for part in (repr(caught.value.filename), "EMBMAP_PATH (not set)", "embmap.relocated() (none given)"):
        assert part in str(caught.value)
    monkeypatch.setenv("EMBMAP_PATH", "/nowhere")
    with embmap.relocated(tmp_path), pytest.raises(FileNotFoundError) as caught:
        pickle.loads(saved)
    for part in (f"EMBMAP_PATH ({Path('/nowhere')})", f"embmap.relocated() ({tmp_path})"):
        assert part in str(caught.value)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), embmap.relocated(tmp_path / "nowhere"):
        pass


def test_threads_do_not_disturb_each_others_statements(moved):
    saved, served = moved

    def work(i):
        with embmap.relocated(served if i % 2 else served.parent):
            try:
                return pickle.loads(saved).path.parent == served
            except FileNotFoundError:
                return False

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(100))) == [False, True] * 50
        with embmap.relocated(served):
            found = pool.submit(contextvars.copy_context().run, pickle.loads, saved).result()
    assert found.path == served / "v.embmap"


def test_worker_processes_have_the_environment(moved):
    saved, served = moved
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).index('pear'))"
    environment = {**os.environ, "EMBMAP_PATH": str(served)}
    done = subprocess.run([sys.executable, "-c", code], input=saved, env=environment, capture_output=True, check=True)
    assert done.stdout.split() == [b"5"]


def test_a_pickle_that_has_a_path_object_opens(store):
    from embmap._store import _reopen

    assert _reopen(Path(store.path), store.identity).index("pear") == 5


def test_a_model_saved_by_torch_or_joblib_moves_with_its_store(moved, tmp_path):
    joblib = pytest.importorskip("joblib")
    saved, served = moved
    with embmap.relocated(served):
        store = pickle.loads(saved)
    model = torch.nn.Sequential(embmap.torch.HostEmbedding(store, padding_idx=6), torch.nn.Linear(4, 2))
    ids = torch.tensor([[0, 6]])
    expected, king = model(ids), store["king"].copy()
    written = io.BytesIO()
    torch.save(model, written)
    joblib.dump({"store": store}, served / "model.joblib")
    # Windows moves no folder with a file that is open.
    store.close()
    again = served.rename(tmp_path / "again")
    with embmap.relocated(again / "model.joblib"):
        written.seek(0)
        assert torch.equal(torch.load(written, weights_only=False)(ids), expected)
        assert np.array_equal(joblib.load(again / "model.joblib")["store"]["king"], king)
    written.seek(0)
    with pytest.raises(FileNotFoundError, match=r"embmap.relocated\(\)"):
        torch.load(written, weights_only=False)


def test_an_index_of_neighbours_moves_with_its_store(moved, tmp_path):
    pytest.importorskip("embmap.ann", exc_type=ImportError)
    saved, served = moved
    with embmap.relocated(served):
        index = embmap.ann.build(pickle.loads(saved))
    saved = pickle.dumps(index)
    # Windows moves no folder with a file that is open.
    index.store.close()
    del index
    again = served.rename(tmp_path / "again")
    with pytest.raises(FileNotFoundError, match="EMBMAP_PATH"):
        pickle.loads(saved)
    with embmap.relocated(again):
        assert pickle.loads(saved).path == again / "v.embmap.usearch"
