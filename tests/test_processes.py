"""Processes share one copy: fork, spawn and threads all work."""

import multiprocessing
import os
import pickle
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import START_METHODS, forks, store_of

import embmap

WORDS = [f"w{i}" for i in range(20_000)]


@pytest.fixture
def wide(tmp_path):
    return store_of(tmp_path, "".join(f"{word} {i} {i}.5\n" for i, word in enumerate(WORDS)))


def total(store):
    """Look up on several threads, then gather."""
    ids = store.indices(WORDS)
    assert ids.tolist() == list(range(len(WORDS)))
    return float(store.take(ids).sum(dtype=np.float64))


@pytest.mark.parametrize("method", START_METHODS)
def test_a_store_travels_to_worker_processes(wide, method):
    expected = total(wide)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
            assert list(pool.map(total, [wide] * 4)) == [expected] * 4


@forks
def test_a_forked_child_uses_the_parents_store_after_the_parent_used_threads(wide):
    expected = total(wide)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = int(total(wide) != expected)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_share_a_store(wide):
    expected = total(wide)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: total(wide), range(32))) == [expected] * 32


def test_closing_while_other_threads_look_up_is_safe(wide):
    outcomes = []

    def look():
        try:
            for _ in range(1000):
                assert wide.indices(["w1", "w19999"]).tolist() == [1, 19_999]
        except ValueError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    wide.close()
    for thread in threads:
        thread.join()
    assert all("closed" in outcome for outcome in outcomes)


def test_a_list_that_another_thread_changes_is_read_safely(wide):
    words = list(WORDS)
    done = threading.Event()

    def churn():
        while not done.is_set():
            words.clear()
            words.extend(f"w{i}" for i in range(5000))

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(200):
            ids = wide.indices(words)
            assert ids.tolist() == list(range(len(ids)))
    finally:
        done.set()
        thread.join()


def test_conversions_in_parallel_do_not_disturb_each_other(tmp_path):
    def one(i):
        folder = tmp_path / str(i)
        folder.mkdir()
        return store_of(folder, f"{len(WORDS)} 1\n" + "".join(f"{w} {i}\n" for w in WORDS), header=True)["w7"][0]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(8))) == list(range(8))


def test_pickle_protocols(wide):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(wide, protocol)).index("w5") == 5
    assert isinstance(pickle.loads(pickle.dumps(embmap.ParseError("p", 1, 2, "r"))), embmap.ParseError)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells how pages are shared")
def test_eight_readers_hold_one_copy(tmp_path):
    """Proportional set sizes of the store's pages add up to the file, whoever opened it."""
    rows = np.random.default_rng(0).normal(size=(20_000, 300)).astype("f4")
    path = tmp_path / "shared.embmap"
    embmap.write(path, [f"w{i}" for i in range(len(rows))], rows)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(8)
    with context.Pool(8, _meet, (barrier,)) as pool:
        sizes = pool.map(_pages, [str(path)] * 8, chunksize=1)
    size = path.stat().st_size / 1024
    assert 0.9 * size < sum(proportional for proportional, _ in sizes) < 1.1 * size
    assert all(resident > 0.9 * size for _, resident in sizes)


def _meet(barrier):
    global _barrier
    _barrier = barrier


def _pages(path):
    store = embmap.open(path)
    store.vectors.sum()
    store.indices(["w1"])
    _barrier.wait(60)
    found, here = {"Pss": 0, "Rss": 0}, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name = line.split(":")[0]
        if "-" in line.split()[0] and ":" not in line.split()[0]:
            here = line.endswith(path)
        elif here and name in found:
            found[name] += int(line.split()[1])
    _barrier.wait(60)
    return found["Pss"], found["Rss"]
