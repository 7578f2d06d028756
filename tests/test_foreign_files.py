"""Files that are no vectors, or not in a form that embmap reads, are refused with what they are and what to do."""

import gzip
import io
import json
import pickle
import sqlite3
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from conftest import convert_text

import embmap

VECTORS = np.random.default_rng(0).standard_normal((50, 8))


class Trap:
    """A pickle of it would do harm where it is loaded."""

    def __reduce__(self):
        return pytest.fail, ("a file was unpickled",)


def saved(save, *arguments, **options) -> bytes:
    out = io.BytesIO()
    save(out, *arguments, **options)
    return out.getvalue()


def zip_of(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"\x89HDF\r\n\x1a\n" if name.endswith(".h5") else b"\x80\x02}q\x00.")
    return out.getvalue()


def tar_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def float64(count: int) -> bytes:
    return np.random.default_rng(0).normal(0, 0.3, count).tobytes()


REFUSED = {
    "pickle 0": (pickle.dumps({"king": [0.1, 0.2]}, 0), "a Python pickle"),
    "pickle 0, list": (pickle.dumps(["king"], 0), "a Python pickle"),
    "pickle 0, class": (pickle.dumps(Trap(), 0), "a Python pickle"),
    "pickle 0, array": (pickle.dumps(VECTORS, 0), "a Python pickle"),
    "pickle 1": (pickle.dumps({"king": [0.1, 0.2]}, 1), "a Python pickle"),
    "pickle 2": (pickle.dumps({"king": "0.1 0.2"}, 2), "a Python pickle"),
    "pickle 3": (pickle.dumps(Trap(), 3), "a Python pickle"),
    "pickle 4": (pickle.dumps(Trap(), 4), "a Python pickle"),
    "pickle 5": (pickle.dumps(VECTORS, 5), "a Python pickle"),
    "gensim": (
        b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x1bgensim.models.keyedvectors\x94",
        "gensim.*save_word2vec_format|a Python pickle that is damaged",
    ),
    "torch, before 1.6": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "a PyTorch file"),
    "torch": (
        zip_of("m/data.pkl", "m/byteorder", "m/data/0", "m/version", "m/.data/serialization_id"),
        "a PyTorch file",
    ),
    "npy": (saved(np.save, VECTORS), "a NumPy array, numbers without their words.*words="),
    "npy of objects": (saved(np.save, np.array([Trap()], object), allow_pickle=True), "array of Python objects"),
    "npy with objects": (
        saved(np.save, np.array([("king", 0.5)], [("word", object), ("x", "f4")]), allow_pickle=True),
        "array of Python objects",
    ),
    "npz": (saved(np.savez, words=np.array(["king"]), vectors=VECTORS), "an archive of NumPy arrays"),
    "npz of one": (saved(np.savez_compressed, VECTORS), "an archive of NumPy arrays"),
    "HDF5": (b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0", "an HDF5 file, of Keras"),
    "keras": (zip_of("metadata.json", "config.json", "model.weights.h5"), "an HDF5 file, of Keras"),
    "Parquet": (b"PAR1\x15\x04\x15\xc0", "a Parquet file"),
    "Arrow": (b"ARROW1\0\0\xff\xff\xff\xff", "an Arrow IPC"),
    "safetensors": (struct.pack("<Q", 80) + b'{"weight":{"dtype":"F32","shape":[2,2],', "safetensors.*model's folder"),
    "GGUF": (b"GGUF\x03\0\0\0\x02\0\0\0", "a GGUF model"),
    "SQLite": (b"SQLite format 3\0\x10\0", "an SQLite database"),
    "finalfusion": (b"FiFu\0\0\0\0\x02\0\0\0", "a finalfusion file"),
    "GloVe's binary": (float64(4000), "float64 numbers without words, as GloVe writes"),
    "web page": (b"\n <!DOCTYPE html>\n<html><body>404</body></html>", "a web page"),
    "web page, bare": (b"<HTML>\n404 1 2\n</HTML>", "a web page"),
    "XML": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>\n', "XML"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a Git LFS pointer"),
    "JSON": (json.dumps({"king": [0.1, 0.2], "queen": [0.3, 0.4]}).encode(), "this is JSON"),
    "JSON, indented": (json.dumps({"king": [0.1, 0.2]}, indent=2).encode(), "this is JSON"),
    "JSON, long": (json.dumps([{"word": "king", "vector": [0.1] * 9}] * 20_000).encode(), "this is JSON"),
    "JSON lines": (b'{"word": "king"}\n{"word": "queen"}\n', "this is JSON"),
    "store": (embmap._embmap.MAGIC + bytes(100), "an embmap store already"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
    "RAR": (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
    "compress": (b"\x1f\x9d\x90king", "packed by compress"),
    "UTF-32": ("king 0.1 0.2\n".encode("utf-32"), "UTF-32"),
    "zeros": (bytes(1000), "a binary file of a kind"),
    "float32": (VECTORS.astype(np.float32).tobytes(), "a binary file of a kind"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["file", "stream"])
def test_a_file_is_refused_by_name(tmp_path, kind, pack):
    content, reason = REFUSED[kind]
    if pack is not bytes and content.startswith(b"PK"):
        reason = "a zip archive can be read from a file only"
    for form in ("auto", "text"):
        with pytest.raises(embmap.ParseError, match=reason) as raised:
            convert_text(tmp_path, pack(content), format=form)
        assert (raised.value.line, raised.value.byte_offset) == (1, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]


@pytest.mark.parametrize("kind", [kind for kind, (content, _) in REFUSED.items() if not content.startswith(b"PK")])
def test_a_member_of_an_archive_is_refused_as_the_file_is(tmp_path, kind):
    content, reason = REFUSED[kind]
    with pytest.raises(embmap.ParseError, match=reason):
        convert_text(tmp_path, tar_of(v=content))


def test_every_word_may_start_a_file_of_text(tmp_path):
    """What is refused by its first bytes is not refused for a word that looks like them."""
    for content, _ in REFUSED.values():
        word = content[:4].decode("latin-1").translate(str.maketrans(dict.fromkeys(" \n\r\t", "_"))).encode()
        if word == b"PK\x03\x04":
            continue  # No word: an archive is unpacked before anybody looks for words.
        report = convert_text(tmp_path, word + b"_ 0.1 0.2\nking 0.3 0.4\n")
        assert report.rows == 2


def test_member_reads_a_file_beside_a_pickle(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("model/vectors.txt", b"king 0.1 0.2\n")
    assert convert_text(tmp_path, out.getvalue(), member="model/vectors.txt").rows == 1
    with pytest.raises(embmap.ParseError, match="a Python pickle"):
        convert_text(tmp_path, out.getvalue(), member="model/data.pkl")


def test_a_fasttext_model_is_not_taken_for_anything_else(tmp_path):
    content = struct.pack("<ii12i", 793712314, 12, 5, 5, 5, 5, 5, 1, 1, 1, 2_000_000, 3, 6, 100) + bytes(1000)
    with pytest.raises(embmap.ParseError) as raised:
        convert_text(tmp_path, content)
    assert not any(name in raised.value.reason for name in ("pickle", "float64", "JSON", "NumPy"))


# What others write


def test_torch_files(tmp_path):
    torch = pytest.importorskip("torch")
    for new in (True, False):
        torch.save({"weight": torch.ones(3, 2)}, tmp_path / "m.pt", _use_new_zipfile_serialization=new)
        with pytest.raises(embmap.ParseError, match="a PyTorch file"):
            embmap.convert(tmp_path / "m.pt")


def test_gensim_models(tmp_path):
    keyed = pytest.importorskip("gensim.models").KeyedVectors(8)
    keyed.add_vectors([f"w{i}" for i in range(50)], VECTORS.astype(np.float32))
    keyed.save(str(tmp_path / "v.kv"))
    with pytest.raises(embmap.ParseError, match="a gensim model"):
        embmap.convert(tmp_path / "v.kv", format="text")
    keyed.save(str(tmp_path / "w.kv"), sep_limit=0)
    with pytest.raises(embmap.ParseError, match="beside a gensim model it belongs to that model"):
        embmap.convert(tmp_path / "w.kv.vectors.npy")


def test_hdf5_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["vectors"] = VECTORS
    with pytest.raises(embmap.ParseError, match="an HDF5 file"):
        embmap.convert(tmp_path / "m.h5")


def test_parquet_and_arrow_files(tmp_path):
    pyarrow, feather, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.feather", "pyarrow.parquet"))
    for table in (pyarrow.table({"word": ["king"], "x": [0.1]}), pyarrow.table({})):
        parquet.write_table(table, tmp_path / "v.parquet")
        with pytest.raises(embmap.ParseError, match="a Parquet file without one column of"):
            embmap.convert(tmp_path / "v.parquet")
        feather.write_feather(table, tmp_path / "v.feather")
        with pytest.raises(embmap.ParseError, match=r"an Arrow IPC .* without one column of"):
            embmap.convert(tmp_path / "v.feather")


def test_a_database(tmp_path):
    connection = sqlite3.connect(tmp_path / "v.magnitude")
    connection.execute("create table magnitude (key text, dim_0 integer)")
    connection.commit()
    connection.close()
    with pytest.raises(embmap.ParseError, match="an SQLite database"):
        embmap.convert(tmp_path / "v.magnitude")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "reason"),
    [("finalfusion-rust/similarity.fifu", "a finalfusion file"), ("eval/questions-words.txt", "no file of vectors")],
)
def test_published_files(data, tmp_path, name, reason):
    with pytest.raises(embmap.ParseError, match=reason):
        embmap.convert(data / name, tmp_path / "v.embmap", format="text")
