"""Graphs of nearest rows: the neighbours of every row, on disk, in the forms that others read."""

import numpy as np
import pyarrow.parquet
import pytest
import scipy.sparse

import embmap


@pytest.fixture
def store(tmp_path):
    vectors = np.random.default_rng(1).normal(size=(2_500, 12)).astype(np.float32)
    vectors[40:60] = vectors[40]  # Twenty that are the same, more than there are neighbours.
    vectors[7] = 0
    embmap.write(tmp_path / "v.embmap", [f"w{i}" for i in range(len(vectors))], vectors)
    return embmap.open(tmp_path / "v.embmap")


def expected(store, k, rows):
    vectors = store.vectors[:rows].astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    return -np.sort(-cosines, axis=1)[:, :k]


@pytest.mark.parametrize("rows", [None, 1_100])
def test_the_graph_is_the_neighbours_of_every_row(store, tmp_path, rows):
    seen = []
    report = store.knn_graph(tmp_path / "g.npz", 5, restrict=rows, progress=lambda *done: seen.append(done))
    n = rows or len(store)
    assert (report.rows, report.k, report.bytes_written) == (n, 5, (tmp_path / "g.npz").stat().st_size)
    assert seen[-1] == (n, n)
    graph = scipy.sparse.load_npz(tmp_path / "g.npz")
    assert graph.shape == (n, n)
    assert graph.dtype == np.float32
    ids, cosines = graph.indices.reshape(n, 5), graph.data.reshape(n, 5)
    assert not (ids == np.arange(n)[:, None]).any()
    np.testing.assert_allclose(cosines, expected(store, 5, n), atol=1e-6)
    assert "5 neighbours of each of" in str(report)


def test_a_table_has_the_same_edges(store, tmp_path):
    store.knn_graph(tmp_path / "g.npz", 3)
    store.knn_graph(tmp_path / "g.parquet", 3)
    graph, table = scipy.sparse.load_npz(tmp_path / "g.npz"), pyarrow.parquet.read_table(tmp_path / "g.parquet")
    assert table.column_names == ["source", "target", "cosine"]
    np.testing.assert_array_equal(table["source"].to_numpy(), np.repeat(np.arange(len(store)), 3))
    np.testing.assert_array_equal(table["target"].to_numpy(), graph.indices)
    np.testing.assert_array_equal(table["cosine"].to_numpy(), graph.data)


def test_a_store_of_several_files_has_a_graph_too(store, tmp_path):
    store.export(tmp_path / "v.bin")
    embmap.convert(tmp_path / "v.bin", tmp_path / "shards", shards=3)
    sharded = embmap.open(tmp_path / "shards")
    sharded.knn_graph(tmp_path / "s.npz", 4)
    graph = scipy.sparse.load_npz(tmp_path / "s.npz")
    rows = [store.index(word) for word in sharded.words]
    np.testing.assert_allclose(graph.data.reshape(-1, 4), expected(store, 4, len(store))[rows], atol=1e-6)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows_have_few_neighbours(store, tmp_path, rows):
    report = store.knn_graph(tmp_path / "g.npz", 10, restrict=rows)
    assert report.k == max(rows - 1, 0)
    assert scipy.sparse.load_npz(tmp_path / "g.npz").shape == (rows, rows)


def test_what_cannot_be_written_leaves_nothing(store, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"expected the suffix \.npz or \.parquet, found '\.txt'"):
        store.knn_graph(tmp_path / "g.txt")
    with pytest.raises(ValueError, match="k must be positive, not 0"):
        store.knn_graph(tmp_path / "g.npz", 0)
    with pytest.raises(ValueError, match="restrict must not be negative, not -1"):
        store.knn_graph(tmp_path / "g.npz", restrict=-1)

    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        store.knn_graph(tmp_path / "g.npz", progress=stop)
    assert sorted(tmp_path.iterdir()) == before


def test_a_matrix_of_similarities(store):
    words = ["w1", "w7", "w40", "w41"]
    matrix = store.similarity_matrix(words)
    assert matrix.dtype == np.float32
    singly = [[store.similarity(a, b) for b in words] for a in words]
    np.testing.assert_allclose(matrix, singly, atol=1e-7)
    np.testing.assert_array_equal(store.similarity_matrix(words, ["w40"]), matrix[:, 2:3])
    np.testing.assert_allclose(store.similarity_matrix(store.take([1]), words), matrix[:1], atol=1e-7)
    with pytest.raises(KeyError, match="nobody"):
        store.similarity_matrix(["w1", "nobody"])
