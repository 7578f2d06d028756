"""Published files convert, and every value is bit-equal to an independent parse."""

import gzip
import zipfile

import numpy as np
import pytest

import embmap

pytestmark = pytest.mark.real

# path, header line, options
FILES = [
    ("glove6B-slice/glove.6B.50d.head.txt", False, {}),
    ("allennlp/glove.6B.100d.sample.txt.gz", False, {}),
    ("allennlp/glove.6B.300d.sample.txt.gz", False, {}),
    ("allennlp/fake_embeddings.5d.txt", False, {}),
    ("torchtext/wiki.en.vec", True, {"on_bad_row": "skip"}),
    ("torchtext/glove.840B.300d.zip", False, {}),
    ("char-embeddings/glove.840B.300d-char.txt", False, {}),
    ("novels/glove.novels.100d.txt", False, {}),
    ("trained/glove_lytton_50d.txt", False, {}),
    ("word-vectors/glove.txt", False, {}),
    ("word-vectors/w2v.txt", True, {}),
    ("finalfusion-rust/similarity.txt", True, {}),
    ("finalfusion-rust/similarity.nodims", False, {}),
    ("finalfusion-rust/utf8-incomplete.txt", False, {"errors": "replace"}),
    ("finalfusion-rust/utf8-incomplete.dims", True, {"errors": "replace"}),
    ("gensim/test_glove.txt", False, {}),
    ("gensim/crime-and-punishment.vec", True, {}),
    ("gensim/toy-model.vec", True, {}),
    ("gensim/high_precision.kv.txt", True, {}),
    ("magnitude/glove.txt", False, {}),
    ("magnitude/word2vec.txt", True, {}),
    ("magnitude/large.txt", True, {}),
    ("magnitude/zero.txt", True, {}),
    ("node2vec/karate.emb", True, {}),
]


def unpacked(path, folder):
    if path.suffix == ".gz":
        (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        return folder / path.stem
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            (name,) = archive.namelist()
            return folder / archive.extract(name, folder)
    return path


@pytest.mark.parametrize(("name", "header", "options"), FILES, ids=[name for name, _, _ in FILES])
def test_every_value_of_a_published_file(data, tmp_path, name, header, options):
    source = unpacked(data / name, tmp_path)
    report = embmap.convert(source, tmp_path / "v.embmap", **options)
    store = embmap.open(report.path)
    lines = source.read_bytes().rstrip().split(b"\n")[header:]
    dim = report.dim
    expected = {}
    for line in lines:
        word, *numbers = line.rstrip(b" \r").rsplit(b" ", dim)
        expected.setdefault(word.decode("utf-8", options.get("errors", "strict")), numbers)
    assert list(store) == list(expected)
    values = np.array([list(map(float, numbers)) for numbers in expected.values()]).astype(np.float32)
    assert store.vectors.tobytes() == values.tobytes()
    assert (report.rejected, report.duplicates) == (0, len(lines) - len(expected))
    assert store.indices(list(expected)).tolist() == list(range(len(expected)))
    store.verify()


def test_a_header_that_lies(data, tmp_path):
    source = data / "torchtext/wiki.en.vec"
    with pytest.raises(embmap.ParseError, match="announces 2519370 rows, the file has 99") as raised:
        embmap.convert(source, tmp_path / "v.embmap")
    assert raised.value.line == 1
    report = embmap.convert(source, tmp_path / "v.embmap", on_bad_row="skip")
    assert (report.rows, report.header_rows) == (99, 2_519_370)
    assert embmap.convert(source, tmp_path / "v.embmap", limit=50).rows == 50


def test_words_that_are_not_utf8_are_an_error_unless_they_are_mended(data, tmp_path):
    with pytest.raises(embmap.ParseError, match="is not UTF-8"):
        embmap.convert(data / "finalfusion-rust/utf8-incomplete.txt", tmp_path / "v.embmap")


@pytest.mark.parametrize(
    "name",
    [
        "eval/sms/SMSSpamCollection",
    ],
)
def test_other_files_are_refused_by_name(data, tmp_path, name):
    with pytest.raises(embmap.ParseError, match=r"binary|no file of vectors"):
        embmap.convert(data / name, tmp_path / "v.embmap")
    assert list(tmp_path.iterdir()) == []


def test_king_minus_man_plus_woman_in_the_novels(data, tmp_path):
    report = embmap.convert(data / "novels/glove.novels.100d.txt", tmp_path / "v.embmap", limit=10_000)
    assert embmap.open(report.path).analogy("man", "king", "woman", topn=1)[0][0] == "queen"
