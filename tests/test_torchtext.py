"""`embmap.torchtext` against what torchtext's own `Vectors` did, written out here since torchtext is no longer made."""

import pickle
import shutil
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from conftest import SMALL, store_of

import embmap

torch = pytest.importorskip("torch")

from embmap.torchtext import CharNGram, FastText, GloVe, Vectors  # noqa: E402

ROWS = {line.split()[0]: [float(number) for number in line.split()[1:]] for line in SMALL.splitlines()}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder, where the program runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "stores"))
    return tmp_path


@pytest.fixture
def v(folder):
    (folder / "vectors.txt").write_text(SMALL)
    return Vectors("vectors.txt")


def expected(tokens, unknown=(0, 0, 0, 0)):
    return torch.tensor([ROWS.get(token, list(unknown)) for token in tokens], dtype=torch.float32)


def test_what_it_has(v):
    assert (len(v), v.dim, v.vectors.shape, v.vectors.dtype) == (6, 4, (6, 4), torch.float32)
    assert torch.equal(v.vectors, expected(ROWS))
    assert v.itos == list(ROWS)
    assert (v.itos[1], v.itos[-1]) == ("queen", "pear")
    assert v.stoi == {word: row for row, word in enumerate(ROWS)}
    assert v.stoi["man"] == 2
    with pytest.raises(KeyError):
        v.stoi["nobody"]
    assert v.stoi.get("nobody") is None


def test_a_token(v):
    for token in [*ROWS, "nobody", "", "King"]:
        assert torch.equal(v[token], expected([token])[0])
    assert v["king"].data_ptr() == v.vectors.data_ptr()
    with pytest.raises(TypeError, match="expected str"):
        v[0]


def test_in_and_iterating_are_about_words(v):
    assert "king" in v
    assert "nobody" not in v
    assert list(v) == list(ROWS)


def test_tokens(v):
    tokens = ["queen", "nobody", "queen", "Pear"]
    assert torch.equal(v.get_vecs_by_tokens(tokens), expected(tokens))
    assert torch.equal(v.get_vecs_by_tokens(tuple(tokens)), expected(tokens))
    assert torch.equal(v.get_vecs_by_tokens("queen"), expected(["queen"])[0])
    assert v.get_vecs_by_tokens([]).shape == (0, 4)
    assert v.get_vecs_by_tokens(["queen"]).shape == (1, 4)


def test_lower_case_where_a_token_is_unknown(folder):
    (folder / "v.txt").write_text("king 1 2\nKing 3 4\nman 5 6\n")
    v = Vectors("v.txt")
    found = v.get_vecs_by_tokens(["King", "KING", "MAN", "Nobody"], lower_case_backup=True)
    assert found.tolist() == [[3, 4], [1, 2], [5, 6], [0, 0]]
    assert v.get_vecs_by_tokens("MAN", lower_case_backup=True).tolist() == [5, 6]
    assert v.get_vecs_by_tokens(["KING", "MAN"]).tolist() == [[0, 0], [0, 0]]


def test_unk_init_makes_unknown_tokens(folder, v):
    seen = []

    def unk_init(zeros):
        seen.append(zeros.clone())
        return zeros + len(seen)

    v = Vectors("vectors.txt", unk_init=unk_init)
    assert v["nobody"].tolist() == [1] * 4
    assert v.get_vecs_by_tokens(["x", "king", "y"]).tolist() == [[2] * 4, v["king"].tolist(), [3] * 4]
    assert v.get_vecs_by_tokens("z").tolist() == [4] * 4
    assert v["king"].tolist() == expected(["king"])[0].tolist()
    assert all(torch.equal(zeros, torch.zeros(4)) for zeros in seen)
    torch.manual_seed(0)
    drawn = Vectors("vectors.txt", unk_init=torch.Tensor.normal_)["nobody"]
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.empty(4).normal_())


def test_found_vectors_are_copies_and_the_table_is_not(v):
    found = v.get_vecs_by_tokens(["king", "queen"])
    found[:] = 7
    assert torch.equal(v.vectors, expected(ROWS))
    v.vectors[0] = 7
    assert v["king"].tolist() == [7] * 4
    assert torch.equal(Vectors("vectors.txt").vectors, expected(ROWS))
    assert v.store["king"].tolist() == pytest.approx(ROWS["king"])


def test_the_table_is_the_weight_of_a_layer(v):
    layer = torch.nn.Embedding.from_pretrained(v.vectors)
    assert layer.weight.data_ptr() == v.vectors.data_ptr()
    assert torch.equal(layer(torch.tensor([v.stoi["man"]])), expected(["man"]))


def test_only_the_first_rows(v):
    few = Vectors("vectors.txt", max_vectors=2)
    assert few.itos == ["king", "queen"]
    assert torch.equal(few["man"], torch.zeros(4))
    assert len(Vectors("vectors.txt", max_vectors=100)) == len(Vectors("vectors.txt", max_vectors=0)) == 6


@pytest.mark.filterwarnings("ignore::embmap.ConversionWarning")
def test_of_a_word_that_comes_again_the_last_row_is_the_vector(folder):
    (folder / "v.txt").write_text("king 1 2\nking 3 4\nman 5 6\n")
    v = Vectors("v.txt")
    assert v["king"].tolist() == [3, 4]
    assert sorted(v.itos) == ["king", "man"]


def test_a_header_is_no_row(folder):
    (folder / "v.vec").write_text("2 3\nking 1 2 3\nman 4 5 6\n")
    assert Vectors("v.vec").itos == ["king", "man"]


@pytest.mark.filterwarnings("ignore::embmap.ConversionWarning")
def test_words_that_are_not_utf8_are_an_error_with_a_way_out(folder):
    (folder / "v.txt").write_bytes(b"k\xffng 1 2\nman 3 4\n")
    with pytest.raises(embmap.ParseError, match="not UTF-8"):
        Vectors("v.txt")
    assert Vectors("v.txt", on_bad_row="skip").itos == ["man"]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_a_store_and_the_file_of_one(folder, dtype):
    store = store_of(folder, SMALL, dtype=dtype)
    for v in (Vectors(store), Vectors(store.path), Vectors("v.embmap", cache=folder)):
        assert torch.equal(v.vectors, embmap.torch.tensor(store))
        assert torch.equal(v["king"], v.vectors[0])
        assert v["nobody"].dtype == v.get_vecs_by_tokens(["king", "nobody"]).dtype == v.vectors.dtype
    for name in (store, store.path):
        with pytest.raises(ValueError, match="a store already: max_vectors, errors cannot change it"):
            Vectors(name, max_vectors=2, errors="replace")


def test_options_are_those_of_load(folder):
    (folder / "glove.6B.50d.txt").write_text(SMALL)
    assert GloVe("6B", dim=50, dtype="float16").vectors.dtype == torch.float16
    assert Vectors("glove.6B.50d.txt", keep=["man"]).itos == ["man"]


def test_a_store_without_words(folder):
    embmap.write("none", [], np.empty((0, 4), np.float32))
    v = Vectors("none")
    assert v.get_vecs_by_tokens(["king"]).tolist() == [[0] * 4]
    assert v["king"].tolist() == [0] * 4


def test_it_pickles_by_the_path_of_its_store(folder, v):
    (folder / "glove.6B.50d.txt").write_text(SMALL)
    for one in (v, GloVe("6B", dim=50, unk_init=torch.Tensor.zero_)):
        data = pickle.dumps(one)
        again = pickle.loads(data)
        assert type(again) is type(one)
        assert torch.equal(again.vectors, one.vectors)
        assert again.unk_init is one.unk_init
        assert len(data) < 1000


# Where files are


@pytest.mark.parametrize("cache", [None, "downloads"])
def test_files_are_found_in_the_cache(folder, cache):
    place = folder / (cache or ".vector_cache")
    place.mkdir()
    (place / "glove.6B.100d.txt").write_text(SMALL)
    (place / "wiki.simple.vec").write_text("6 4\n" + SMALL)
    (place / "own.txt").write_text(SMALL)
    for v in (GloVe("6B", dim=100, cache=cache), GloVe("6B", "100", cache=cache), FastText("simple", cache=cache)):
        assert torch.equal(v.get_vecs_by_tokens(list(ROWS)), expected(ROWS))
    assert Vectors("own.txt", cache=cache).itos == list(ROWS)
    # A cache that is named keeps the stores too, as it keeps torchtext's own.
    assert bool(list(place.glob("*.embmap"))) == (cache is not None)
    assert (folder / "stores").exists() == (cache is None)


def test_the_published_archive_will_do(folder):
    with zipfile.ZipFile("glove.6B.zip", "w") as archive:
        for dim in (50, 100):
            archive.writestr(f"glove.6B.{dim}d.txt", SMALL if dim == 50 else "king 1 2\n")
    v = GloVe("6B", dim=50, cache=folder, max_vectors=3)
    assert v.itos == ["king", "queen", "man"]
    assert GloVe("6B", dim=100, cache=folder)["king"].tolist() == [1, 2]
    with pytest.raises(embmap.ParseError, match=r"glove\.6B\.300d\.txt"):
        GloVe("6B", dim=300, cache=folder)


def test_an_archive_named_by_its_url_will_do(folder):
    (folder / "v.txt").write_text(SMALL)
    with tarfile.open("archive.tar.gz", "w:gz") as archive:
        archive.add("v.txt")
    (folder / "v.txt").unlink()
    assert Vectors("v.txt", cache=folder, url="ftp://somewhere/archive.tar.gz").itos == list(ROWS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GloVe(), r"\.vector_cache.glove\.840B\.300d\.txt, .*Stanford.* offers glove\.840B\.300d\.zip"),
        (lambda: GloVe("6B", dim=500, cache="c"), r"c.glove\.6B\.500d\.txt, .*glove\.6B\.zip, of dimension 50, 100"),
        (lambda: GloVe("twitter.27B", dim=25), r"glove\.twitter\.27B\.25d\.txt, .*glove\.twitter\.27B\.zip"),
        (lambda: GloVe("42B"), r"glove\.42B\.300d\.zip"),
        (lambda: FastText(), r"wiki\.en\.vec, and nothing is downloaded: .*fastText's Wiki word vectors"),
        (lambda: FastText("de", cache="c"), r"c.wiki\.de\.vec"),
        (lambda: Vectors("own.txt"), r"no vectors at \.vector_cache.own\.txt, and nothing is downloaded$"),
        (lambda: Vectors("own.txt", url="ftp://somewhere/own.zip"), r"get ftp://somewhere/own\.zip"),
    ],
)
def test_a_missing_file_is_named_with_where_it_is_from(folder, call, message):
    with pytest.raises(FileNotFoundError, match=message):
        call()
    assert list(folder.iterdir()) == []


def test_wrong_names():
    with pytest.raises(ValueError, match=r"name must be one of '42B', '840B', 'twitter\.27B', '6B', not '5B'"):
        GloVe("5B")
    with pytest.raises(NotImplementedError, match=r"CharNGram: .*Vectors\('charNgram\.txt'\)"):
        CharNGram(cache="c")


@pytest.mark.real
def test_torchtexts_own_files(folder, data):
    """What torchtext's tests expect of the same files."""
    for name in ("glove.840B.300d.zip", "wiki.en.vec"):
        shutil.copy(data / "torchtext" / name, name)
    glove = GloVe(cache=folder)
    assert glove["the"][:3].tolist() == pytest.approx([0.27204, -0.06203, -0.1884])
    assert glove["people"][:3].tolist() == pytest.approx([-0.19686, 0.11579, -0.41091])
    # Of the 2,519,370 rows that its header announces it has the first.
    fasttext = FastText(cache=folder)
    assert fasttext["the"][:3].tolist() == pytest.approx([-0.065334, -0.093031, -0.017571])
    assert fasttext["world"][:3].tolist() == pytest.approx([-0.32423, -0.098845, -0.0073467])


def test_it_is_there_when_it_is_asked_for():
    assert embmap.torchtext.GloVe is GloVe
    assert "torchtext" not in sys.modules


def test_what_has_no_count_is_read_too(tmp_path):
    """Whatever `embmap.load` reads, a table among it."""
    pytest.importorskip("pyarrow")
    store = store_of(tmp_path, SMALL)
    store.export(tmp_path / "v.parquet")
    vectors = Vectors(tmp_path / "v.parquet", cache=tmp_path / "cache")
    pyarrow = pytest.importorskip("pyarrow")
    assert vectors.get_vecs_by_tokens(pyarrow.array(["king"])).tolist() == [store["king"].tolist()]
    assert vectors["king"].tolist() == store["king"].tolist()
    assert len(Vectors(tmp_path / "v.txt", cache=tmp_path / "cache", limit=2)) == 2
