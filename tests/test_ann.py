"""The approximate index: nearly the exact neighbours, exact cosines, one file that is whole and its store's own."""

import json
import multiprocessing
import os
import pickle
import struct
import subprocess
import sys
import threading
import zlib

import numpy as np
import pytest
from conftest import SMALL, forks, has_modes, limits_files, reads_proc, store_of

import embmap

pytest.importorskip("embmap.ann", reason="the extra `ann` is not installed", exc_type=ImportError)
from embmap import ann

TYPES = ["bf16", "f32", "f16", "i8"]


def random_text(rows=3000, dim=24, seed=3):
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    return "".join(f"w{i} {' '.join(map(repr, row))}\n" for i, row in enumerate(vectors.tolist()))


@pytest.fixture(scope="module")
def random_store(tmp_path_factory):
    return store_of(tmp_path_factory.mktemp("ann"), random_text())


@pytest.fixture(scope="module")
def index(random_store):
    return ann.build(random_store)


@pytest.fixture
def queries():
    return np.random.default_rng(5).normal(size=(50, 24)).astype(np.float32)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("dtype", TYPES)
def test_nine_of_ten_neighbours_of_random_vectors_are_found_in_any_type(random_store, tmp_path, dtype):
    # On several threads usearch leaves a row out of reach now and then.
    index = ann.build(random_store, tmp_path / "x.usearch", dtype=dtype, threads=1)
    assert index.recall(sample=200) > 0.9
    index.expansion_search = 1000
    assert index.recall(sample=200) > 0.995


@pytest.mark.real
@pytest.mark.parametrize("dtype", ["bf16", "i8"])
def test_neighbours_of_real_words_are_found(data, tmp_path, dtype):
    report = embmap.convert(data / "novels/glove.novels.100d.txt", tmp_path / "v.embmap", limit=3000)
    store = embmap.open(report.path)
    index = ann.build(store, dtype=dtype)
    assert index.recall(sample=300) > 0.98
    assert index.most_similar(["king", "woman"], ["man"], 3) == store.most_similar(["king", "woman"], ["man"], 3)


def test_rows_and_cosines_are_those_of_the_exact_search_where_it_finds_them(random_store, index, queries):
    ids, cosines = index.neighbors(queries, 10)
    truth, exact = random_store.neighbors(queries, 10)
    assert (ids.dtype, cosines.dtype, ids.shape) == (np.int64, np.float32, (50, 10))
    assert (np.diff(cosines, axis=1) <= 0).all()
    same = ids == truth
    assert same.mean() > 0.5
    assert (cosines[same] == exact[same]).all()
    for row, cosine, query in zip(ids, cosines, queries, strict=True):
        assert np.allclose([random_store.similarity(query, random_store.vectors[i]) for i in row], cosine, atol=1e-6)


def test_the_indexs_own_cosines_are_nearly_right_and_sorted(index, queries):
    ids, cosines = index.neighbors(queries, 10, exact_scores=False)
    assert (np.diff(cosines, axis=1) <= 0).all()
    rows = index.store.take(ids.ravel()).reshape(50, 10, 24)
    exact = np.einsum("qkd,qd->qk", rows, queries)
    exact /= np.linalg.norm(rows, axis=2) * np.linalg.norm(queries, axis=1)[:, None]
    assert np.allclose(cosines, exact, atol=0.01)


def test_queries_have_the_forms_of_store_neighbors(random_store, index):
    vector = random_store["w7"]
    for found in (index.neighbors("w7", 3), index.neighbors(vector, 3), index.neighbors(vector * 1e30, 3)):
        assert found[0].shape == (3,)
        assert found[0][0] == 7
    assert index.neighbors(["w7"], 3)[0].shape == (1, 3)
    assert index.neighbors(["w7", "w8"], 3)[0][:, 0].tolist() == [7, 8]
    assert index.neighbors([], 3)[0].shape == (0, 3)
    assert index.neighbors("w7", 0)[1].shape == (0,)
    with pytest.raises(KeyError):
        index.neighbors("unheard-of")
    with pytest.raises(ValueError, match="not finite"):
        index.neighbors(np.full(24, np.inf, np.float32))
    with pytest.raises(ValueError, match=r"shape \(24,\)"):
        index.neighbors(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="k must not be negative"):
        index.neighbors("w7", -1)


def test_ties_are_in_the_order_of_rows(tmp_path):
    store = store_of(tmp_path, "".join(f"w{i} {i % 3 + 1} 1\n" for i in range(60)))
    index = ann.build(store)
    for exact in (True, False):
        ids, _ = index.neighbors(store["w0"], 20, exact_scores=exact)
        assert ids.tolist() == list(range(0, 60, 3))


def test_every_row_can_be_asked_for_and_more(store):
    index = ann.build(store)
    expected = store.neighbors(["king", "pear"], 100)
    found = index.neighbors(["king", "pear"], 100)
    assert found[0].tolist() == expected[0].tolist()
    assert found[1].tolist() == expected[1].tolist()


@pytest.mark.parametrize("dtype", TYPES)
def test_rows_of_zeros_and_huge_and_tiny_numbers_can_be_found(tmp_path, dtype):
    store = store_of(tmp_path, "zero 0 0 0\nhuge 1e38 2e38 0\ntiny 1e-38 0 2e-38\none 0 1 1\n")
    index = ann.build(store, dtype=dtype)
    for word in ("zero", "huge", "tiny", "one"):
        assert index.neighbors(word, 4)[0].tolist() == store.neighbors(word, 4)[0].tolist()
        assert index.neighbors(word, 4)[1].tolist() == store.neighbors(word, 4)[1].tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_stores_of_small_types(tmp_path, dtype):
    store = store_of(tmp_path, random_text(1000), dtype=dtype)
    # On several threads the graph depends on how they take turns.
    index = ann.build(store, threads=1)
    assert index.recall(sample=100) > 0.95
    ids, cosines = index.neighbors(["w1", "w2"], 5)
    truth, exact = store.neighbors(["w1", "w2"], 5)
    assert (cosines[ids == truth] == exact[ids == truth]).all()


def test_an_empty_store_has_an_index(tmp_path):
    (tmp_path / "v.txt").write_text(SMALL)
    store = embmap.open(embmap.convert(tmp_path / "v.txt", keep=[]).path)
    index = ann.build(store)
    assert index.neighbors(np.ones((2, 4), np.float32))[0].shape == (2, 0)
    assert (len(index), index.recall()) == (0, 1.0)
    index.verify()


def test_recall_counts_what_is_missed(random_store, index, monkeypatch):
    assert index.recall(k=5, sample=50) == pytest.approx(index.recall(k=5, sample=50))
    truth = random_store.neighbors
    # Half of the neighbours are left out, and the rows that come after take their places.
    monkeypatch.setattr(index, "_store", random_store)
    halved = lambda queries, k: tuple(part[:, ::2] for part in truth(queries, 2 * k - 1))  # noqa: E731
    monkeypatch.setattr(type(index), "neighbors", lambda self, queries, k: halved(queries, k))
    assert index.recall(k=10, sample=50) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="must be positive"):
        index.recall(k=0)


def test_most_similar_leaves_the_words_asked_with_out(store):
    index = ann.build(store)
    assert index.most_similar(["king", "woman"], "man", 2) == store.most_similar(["king", "woman"], "man", 2)
    assert index.most_similar("king", topn=0) == []
    with pytest.raises(ValueError, match="at least one word"):
        index.most_similar()


def test_numbers_out_of_range_are_errors(store, tmp_path):
    before = names(tmp_path)
    for wrong in (
        {"dtype": "f64"},
        {"connectivity": 1},
        {"expansion_add": 0},
        {"expansion_search": 0},
        {"threads": -1},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ann.build(store, **wrong)
    assert names(tmp_path) == before
    index = ann.build(store)
    with pytest.raises(ValueError, match="expansion_search"):
        index.expansion_search = 0


def test_one_thread_builds_the_same_file_each_time(random_store, tmp_path):
    files = [ann.build(random_store, tmp_path / name, threads=1).path for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_index_is_beside_the_store_and_opens_with_what_it_was_built_with(tmp_path):
    random_store = store_of(tmp_path, random_text(seed=8))
    index = ann.build(random_store, dtype="i8", expansion_search=99)
    assert index.path == tmp_path / "v.embmap.usearch"
    again = ann.open(random_store)
    assert (again.dtype, again.expansion_search, len(again)) == ("i8", 99, 3000)
    assert again.nbytes == index.path.stat().st_size
    assert repr(again) == f"<ApproximateIndex {str(index.path)!r}: 3,000 rows, i8>"
    again.verify()
    with pytest.raises(FileNotFoundError):
        ann.open(random_store, tmp_path / "none")


def test_usearch_itself_opens_the_file(index, random_store):
    from usearch.index import Index

    own = Index.restore(index.path, view=True)
    assert len(own) == 3000
    assert own.search(random_store["w5"], 1).keys.tolist() == [5]


def test_another_stores_index_is_refused(random_store, index, store, tmp_path):
    with pytest.raises(embmap.FormatError, match="index of another store"):
        ann.open(store, index.path)
    ann.build(store)
    store.close()
    changed = store_of(tmp_path, SMALL.replace("0.9", "0.8"))
    with pytest.raises(embmap.FormatError, match="build it anew"):
        ann.open(changed)


def test_an_index_of_the_same_content_elsewhere_is_accepted(store, tmp_path):
    index = ann.build(store)
    moved = store.path.rename(tmp_path / "moved.embmap")
    assert ann.open(embmap.open(moved), index.path).neighbors("king", 1)[0].tolist() == [0]


def test_pickled_it_maps_the_file_again(index):
    again = pickle.loads(pickle.dumps(index))
    assert again.neighbors("w3", 4)[0].tolist() == index.neighbors("w3", 4)[0].tolist()


def test_pickled_and_changed_it_is_an_error(store):
    pickled = pickle.dumps(ann.build(store))
    ann.build(store, dtype="i8")
    with pytest.raises(embmap.FormatError, match="has changed since"):
        pickle.loads(pickled)


@forks
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_children_search_too(index, queries):
    expected = index.neighbors(queries)[0].tolist()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for found in pool.imap_unordered(index.neighbors, [queries] * 4):
            assert found[0].tolist() == expected


def test_threads_share_it(index, queries):
    expected = index.neighbors(queries)[0].tolist()
    wrong = []

    def search():
        for i in range(20):
            if (
                index.neighbors(queries[i])[0].tolist() != expected[i]
                or index.neighbors(queries)[0].tolist() != expected
            ):
                wrong.append(i)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# What is damaged


def test_a_truncated_file_is_an_error_at_any_length(store, tmp_path):
    whole = ann.build(store).path.read_bytes()
    cut = tmp_path / "cut.usearch"
    for length in [*range(0, len(whole), 7), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(embmap.FormatError, match=r"cut\.usearch: (no index|corrupt)"):
            ann.open(store, cut)


def test_a_file_that_is_no_index_is_an_error(store):
    with pytest.raises(embmap.FormatError, match="no index of embmap's"):
        ann.open(store, store.path)


def test_a_changed_vector_is_found_by_verify(random_store, tmp_path):
    index = ann.build(random_store, tmp_path / "x.usearch")
    with index.path.open("r+b") as file:
        file.seek(1000)
        file.write(b"\x01\x02")
    with pytest.raises(embmap.FormatError, match="checksum"):
        ann.open(random_store, index.path).verify()


def test_no_damage_crashes_the_process(tmp_path):
    """Each byte of head and graph header, many of the nodes, and whole fields, changed; searched where it opens."""
    store = store_of(tmp_path, random_text(300, 4))
    ann.build(store, connectivity=3)
    code = f"""
import numpy as np, embmap
from embmap import ann
store = embmap.open({str(store.path)!r})
whole = ann.open(store).path.read_bytes()
head = 8 + 300 * 8
random = np.random.default_rng(1)
places = [*range(8), *range(head, head + 64 + 40), *random.integers(head + 104, len(whole), 100)]
opened = refused = 0
for place in places:
    for width, value in ((1, random.integers(256)), (1, 255), (4, 2**32 - 1), (8, 2**64 - 1), (4, 2**31), (4, 300)):
        broken = bytearray(whole)
        broken[place : place + width] = int(value).to_bytes(8, "little")[:width]
        with open({str(tmp_path / "broken")!r}, "wb") as file:
            file.write(broken[: len(whole)])
        try:
            index = ann.open(store, {str(tmp_path / "broken")!r})
        except embmap.FormatError:
            refused += 1
        else:
            opened += 1
            ids, _ = index.neighbors(store.vectors[::30], 10)
            assert (ids >= 0).all() and (ids < 300).all()
            del index
print(opened > 100, refused > 500)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"dtype": "f64"},
        {"dtype": ["bf16"]},
        {"expansion_search": 1 << 40},
        {"expansion_search": "64"},
        {"bytes": 100},
        {"crc32": None},
        {"store": None},
    ],
)
def test_a_footer_that_says_something_else_is_an_error(store, change):
    path = ann.build(store).path
    data = path.read_bytes()
    footer = struct.Struct("<II8s")
    length, _, magic = footer.unpack(data[-16:])
    text = json.dumps({**json.loads(data[-16 - length : -16]), **change}).encode()
    path.write_bytes(data[: -16 - length] + text + footer.pack(len(text), zlib.crc32(text), magic))
    with pytest.raises(embmap.FormatError, match="build it anew"):
        ann.open(store)


# All or nothing


def test_an_exception_in_the_progress_callable_leaves_the_old_file(random_store, tmp_path):
    target = tmp_path / "x.usearch"
    target.write_bytes(b"old")

    def progress(done, total):
        assert (done, total) == (1024, 3000)
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        ann.build(random_store, target, progress=progress)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["x.usearch"]


def test_progress_ends_at_the_total(random_store, tmp_path, capsys):
    seen = []
    ann.build(random_store, tmp_path / "x", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1024, 3000), (2048, 3000), (3000, 3000)]
    ann.build(random_store, tmp_path / "x", progress=True)
    assert "3.00k/3.00k" in capsys.readouterr().err


def test_ctrl_c_ends_the_build_and_leaves_nothing(random_store, tmp_path):
    code = f"""
import embmap, signal, threading, time
from embmap import ann
signal.signal(signal.SIGINT, signal.default_int_handler)
store = embmap.open({str(random_store.path)!r})
pressed = []
def press():
    pressed.append(time.monotonic())
    signal.raise_signal(signal.SIGINT)
threading.Timer(0.1, press).start()
try:
    ann.build(store, {str(tmp_path / "x")!r}, connectivity=64, expansion_add=4096)
except KeyboardInterrupt:
    print(time.monotonic() - pressed[0] < 0.5)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert names(tmp_path) == []


@limits_files
def test_a_full_disk_is_an_error_that_leaves_the_old_file(random_store, tmp_path):
    target = tmp_path / "x.usearch"
    target.write_bytes(b"old")
    code = f"""
import embmap, resource, signal
from embmap import ann
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = embmap.open({str(random_store.path)!r})
for limit in (1000, 300_000, 576_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        ann.build(store, {str(target)!r}, expansion_add=8)
    except OSError as error:
        print("x.usearch" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n" * 3
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["x.usearch"]


def test_a_folder_that_is_not_there_is_an_error_before_anything_is_built(random_store, tmp_path):
    with pytest.raises(FileNotFoundError):
        ann.build(random_store, tmp_path / "none" / "x", progress=lambda *_: pytest.fail("built"))


@has_modes
def test_the_mode_is_the_old_files_or_what_the_umask_leaves(store, tmp_path):
    old = os.umask(0o027)
    try:
        path = ann.build(store).path
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o600)
        assert ann.build(store).path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(old)


@reads_proc
def test_memory_is_the_index_and_little_more(tmp_path):
    """The store is 18 MB of float32; its index of int8 is 4.5 MB of vectors, and the graph."""
    rng = np.random.default_rng(0)
    lines = (f"w{i} {' '.join(map(str, row))}\n" for i, row in enumerate(rng.integers(-99, 99, (3000, 1500)).tolist()))
    store = store_of(tmp_path, "".join(lines))
    code = f"""
import re, embmap
from embmap import ann
def anonymous(): return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
store = embmap.open({str(store.path)!r})
before, seen = anonymous(), []
ann.build(store, dtype="i8", connectivity=4, expansion_add=4, progress=lambda *_: seen.append(anonymous()))
print(max(seen) - before)

"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10


def test_without_usearch_the_error_names_the_extra():
    code = """
import sys
import embmap
assert "usearch" not in sys.modules and "embmap.ann" not in sys.modules
sys.modules["usearch"] = None
try:
    embmap.ann
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "embmap.ann needs usearch: pip install 'embmap[ann]'\n"


def test_other_libraries_can_still_write_numbers(store):
    """usearch's wheel brings a C++ library, whose streams are broken where it is the first of a process."""
    code = (
        "import sys, embmap.ann, numpy\n"
        "embmap.ann.build(embmap.open(sys.argv[1]), sys.argv[1] + '.ann')\n"
        "import pyarrow\n"
        "print(pyarrow.list_(pyarrow.float32(), 4))"
    )
    found = subprocess.run([sys.executable, "-c", code, store.path], capture_output=True, text=True, check=True)
    assert found.stdout == "fixed_size_list<item: float>[4]\n"


def test_zeros_are_near_to_nothing(tmp_path):
    embmap.write(tmp_path / "v.embmap", ["a", "b"], [[0.0, 0], [1, 1]])
    index = embmap.ann.build(embmap.open(tmp_path / "v.embmap"))
    assert index.neighbors([0.0, 0.0], 2, exact_scores=False)[1].tolist() == [0, 0]
