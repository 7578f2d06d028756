"""`open(mode="copy")`: a store that nothing done to its file can harm, and the warning where it should be one."""

import os
import pickle
import warnings

import numpy as np
import pytest

import embmap

WORDS = [f"w{i}" for i in range(5_000)]
ROWS = np.random.default_rng(2).normal(size=(len(WORDS), 64)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return embmap.write(tmp_path / "v.embmap", WORDS, ROWS).path


def check(store):
    assert list(store) == WORDS
    assert np.array_equal(store.lookup(WORDS), ROWS)
    assert np.array_equal(store["w7"], ROWS[7])
    assert store.most_similar("w7", topn=1)
    store.preload()
    store.verify()


def test_a_copy_outlives_whatever_is_done_to_the_file(path):
    with embmap.open(path, mode="copy") as store:
        view = store.vectors
        os.truncate(path, 0)
        check(store)
        path.unlink()
        check(store)
        assert np.array_equal(view, ROWS)
        assert store.path == path


def test_a_copy_of_several_stores(tmp_path):
    text = "".join(
        f"{word} {' '.join(map(repr, row))}\n" for word, row in zip(WORDS[:300], ROWS[:300, :3].tolist(), strict=True)
    )
    (tmp_path / "v.txt").write_text(text)
    folder = embmap.convert(tmp_path / "v.txt", tmp_path / "folder", shards=3).path
    with embmap.open(folder, mode="copy") as store:
        for file in folder.glob("*.embmap"):
            os.truncate(file, 4096)
        assert np.array_equal(store.lookup(WORDS[:300]), ROWS[:300, :3])


def test_a_copy_is_proved_whole(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with embmap.open(path) as store:
        assert len(store) == len(WORDS)
    with pytest.raises(embmap.FormatError, match="corrupt"):
        embmap.open(path, mode="copy")
    with pytest.raises(FileNotFoundError):
        embmap.open(path.with_name("nothing"), mode="copy")
    with pytest.raises(ValueError, match="mode must be 'map' or 'copy', not 'cow'"):
        embmap.open(path, mode="cow")


def test_what_is_pickled_of_a_copy_opens_as_a_map(path):
    again = pickle.loads(pickle.dumps(embmap.open(path, mode="copy")))
    assert np.array_equal(again["w7"], ROWS[7])


def test_tensors_of_a_copy(path):
    torch = pytest.importorskip("torch")
    with embmap.open(path, mode="copy") as store:
        tensor = embmap.torch.tensor(store)
        tensor[7] = 0
        assert np.array_equal(store["w7"], ROWS[7])
        assert torch.equal(embmap.torch.tensor(store, mode="readonly"), torch.from_numpy(ROWS))


def test_a_map_of_a_network_file_system_is_warned_of(path, monkeypatch):
    assert embmap.open(path)._network() is None
    monkeypatch.setattr(embmap.Store, "_network", lambda store: "nfs")
    with pytest.warns(
        embmap.NetworkFileWarning, match=r"lies on a network file system \(nfs\).*mode='copy' is safe"
    ) as met:
        embmap.open(path)
    assert met[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embmap.open(path, mode="copy")
