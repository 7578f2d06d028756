"""Maps of words: for Embedding Atlas, and as pictures."""

import json

import numpy as np
import pytest

import embmap
from embmap._query.projection import plane_of, plot, project

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(0)
    embmap.write(tmp_path / "v.embmap", [f"w{i}" for i in range(300)], rng.normal(size=(300, 8)).astype("float32"))
    return embmap.open(tmp_path / "v.embmap")


def test_the_plane_is_that_of_the_principal_components():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(500, 6)) * [9, 5, 1, 1, 1, 1]).astype("float32")
    centred = vectors - vectors.mean(0)
    _, _, axes = np.linalg.svd(centred.astype("float64"), full_matrices=False)
    expected = centred @ axes[:2].T
    found = plane_of(vectors)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-4, atol=1e-4)
    assert plane_of(vectors).tobytes() == found.tobytes()


@pytest.mark.parametrize("dim", [1, 2])
def test_few_dimensions_have_a_plane_too(dim):
    assert plane_of(np.float32([[0] * dim, [1] * dim, [4] * dim])).shape == (3, 2)


def test_a_map_has_the_words_their_places_and_their_nearest(store, tmp_path):
    ticks = []
    assert (
        project(store, tmp_path / "m.parquet", limit=250, k=5, progress=lambda done, of: ticks.append((done, of)))
        == 250
    )
    table = pq.read_table(tmp_path / "m.parquet")
    assert table.column("word").to_pylist() == list(store.words[:250])
    assert ticks[-1] == (250, 250)
    neighbors = table.column("neighbors").to_pylist()
    for row in (0, 17, 249):
        ids, cosines = store.neighbors(f"w{row}", k=6, restrict=250)
        assert neighbors[row]["ids"] == ids[1:].tolist()
        np.testing.assert_allclose(neighbors[row]["distances"], 1 - cosines[1:], atol=1e-6)
    assert np.isfinite(table.column("x").to_numpy()).all()


def test_a_map_of_one_word(store, tmp_path):
    assert project(store, tmp_path / "m.parquet", limit=1) == 1
    assert pq.read_table(tmp_path / "m.parquet").column("neighbors").to_pylist() == [{"ids": [], "distances": []}]


def test_umap_says_what_it_needs(store, tmp_path):
    try:
        import umap  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="umap-learn"):
            project(store, tmp_path / "m.parquet", method="umap")
        assert not (tmp_path / "m.parquet").exists()
    else:
        project(store, tmp_path / "m.parquet", method="umap")


def test_a_picture_of_words(store, tmp_path):
    pytest.importorskip("matplotlib")
    plot(store, ["w1", "w2", "w3"], tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert svg.count("<svg") == 1
    plot(store, ["w1"], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(KeyError, match="nowhere"):
        plot(store, ["w1", "nowhere"], tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


def test_the_commands(store, tmp_path):
    from click.testing import CliRunner

    from embmap.cli import main

    run = CliRunner().invoke
    done = run(main, ["project", str(store.path), str(tmp_path / "m.parquet"), "--limit", "10", "-k", "3", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["rows"]) == (0, 10)
    done = run(main, ["-q", "plot", str(store.path), "w1", "w2", "-o", str(tmp_path / "p.png")])
    assert (done.exit_code, done.stdout) == (0, "")
    assert (tmp_path / "p.png").exists()


def test_the_command_takes_its_target_in_two_ways(store, tmp_path):
    from click.testing import CliRunner

    from embmap.cli import main

    def run(*arguments):
        return CliRunner().invoke(main, ["project", str(store.path), *map(str, arguments)])

    assert run("-o", tmp_path / "o.parquet", "--limit", 10).exit_code == 0
    assert run(tmp_path / "t.parquet", "--limit", 10).exit_code == 0
    assert (tmp_path / "o.parquet").read_bytes() == (tmp_path / "t.parquet").read_bytes()
    for wrong in ([], [tmp_path / "a.parquet", "-o", tmp_path / "b.parquet"]):
        done = run(*wrong)
        assert (done.exit_code, "say where the map goes, once" in done.output) == (2, True)
    done = run("--tensorboard", "-o", tmp_path / "vectors.tsv", "--limit", 5)
    assert (done.exit_code, "5 words, metadata.tsv beside it" in done.output) == (0, True)
    assert (tmp_path / "metadata.tsv").read_text(encoding="utf-8").split() == list(store.words[:5])
