"""Files of the hub by name, and stores to it and from it, against a server on this machine."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import SMALL, store_of
from hub_server import COMMIT, Hub

import embmap
from embmap._ingest import hub as _hub

pytest.importorskip("huggingface_hub")
WORDS = [line.split()[0] for line in SMALL.splitlines()]
CODE = """
import json, embmap
try:
    found = {code}
except Exception as error:
    found = f"{{type(error).__name__}}: {{error}}"
print(json.dumps(found))
"""


@pytest.fixture
def server():
    made = Hub()
    yield made
    made.close()


@pytest.fixture
def run(server, tmp_path):
    """Run code in a process whose hub is the server: the address is read when huggingface_hub is imported."""

    def run(code, **environment):
        own = {
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": "hf_none",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "EMBMAP_CACHE_DIR": str(tmp_path / "cache"),
        }
        command = [sys.executable, "-c", CODE.format(code=code)]
        out = subprocess.run(command, capture_output=True, text=True, env=os.environ | own | environment, cwd=tmp_path)
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout.splitlines()[-1])

    return run


def test_a_file_is_loaded_by_its_name(server, run):
    server.repositories["org/glove"] = {
        "README.md": b"# GloVe",
        "glove.6B.50d.txt": SMALL.encode(),
        "glove.6B.100d.txt": b"other 1 2\n",
    }
    code = "list(embmap.load('org/glove', file='glove.6B.50d.txt'))"
    assert run(code) == WORDS
    assert not any(file == "glove.6B.100d.txt" for _, file in server.sent)
    for url in ("hf://org/glove/glove.6B.50d.txt", "hf://org/glove@main/glove.6B.50d.txt"):
        assert run(f"list(embmap.load({url!r}))") == WORDS
    found = run("embmap.load('org/glove', file='glove.6B.50d.txt').metadata")
    assert found["huggingface"] == f"org/glove@{COMMIT}"
    # Without a network, what was downloaded is there.
    assert run(code, HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:1") == WORDS
    assert "file= says which is: glove.6B.100d.txt, glove.6B.50d.txt" in run("list(embmap.load('org/glove'))")
    missing = run("list(embmap.load('org/glove', file='glove.6B.5d.txt'))")
    assert "There is no such file" in missing
    assert "there are glove.6B.100d.txt" in missing
    assert run("list(embmap.load('org/nothing', file='v.txt'))").startswith("FileNotFoundError")


def test_the_one_file_of_vectors_is_found(server, run):
    vectors = b"2 2\na 1 2\nb 3 4\n"
    server.repositories["org/vectors"] = {
        "README.md": b"",
        "vocab.txt": b"a\n",
        "config.json": b"{}",
        "model.vec": vectors,
    }
    assert run("list(embmap.load('org/vectors'))") == ["a", "b"]
    server.repositories["org/none"] = {"README.md": b""}
    assert "nor a file of vectors" in run("list(embmap.load('org/none'))")


def test_a_file_of_the_hub_is_converted(server, run, tmp_path):
    server.repositories["org/glove"] = {"g.txt": SMALL.encode()}
    assert run("embmap.convert('hf://org/glove/g.txt').rows") == 6
    assert embmap.open(tmp_path / "g.embmap").metadata["huggingface"] == f"org/glove@{COMMIT}"


def test_a_model_of_gensim_comes_with_its_arrays(server, run, tmp_path):
    models = pytest.importorskip("gensim.models")
    keyed = models.KeyedVectors(2)
    keyed.add_vectors(["a", "b"], np.eye(2))
    keyed.save(str(tmp_path / "v.model"), sep_limit=0)
    server.repositories["org/w2v"] = {path.name: path.read_bytes() for path in tmp_path.glob("v.model*")}
    assert run("[list(embmap.load('org/w2v')), embmap.load('org/w2v')['b'].tolist()]") == [["a", "b"], [0, 1]]


def test_a_store_goes_to_the_hub_and_comes_back(server, run, tmp_path):
    store = store_of(tmp_path, SMALL)
    assert run("embmap.push('v.embmap', 'org/mine', license='pddl')").endswith(f"/commit/{COMMIT}")
    card = server.repositories["org/mine"]["README.md"].decode()
    assert "license: pddl\nlibrary_name: embmap" in card
    assert "6 words of 4 float32" in card
    assert store.metadata["source"]["crc32"] in card
    assert 'embmap.pull("org/mine", "v.embmap")' in card
    for code in ("embmap.pull('org/mine')", "embmap.pull('org/mine', 'v.embmap')", "embmap.pull('org/mine@main')"):
        assert run(f"{code}.identity.hex()") == store.identity.hex()
    # A card that is there stays, and a store is proven before it is sent.
    server.repositories["org/mine"]["README.md"] = b"mine"
    run("embmap.push(embmap.open('v.embmap'), 'org/mine', file='second.embmap')")
    assert server.repositories["org/mine"]["README.md"] == b"mine"
    assert "several stores, and file= says which is meant: second.embmap, v.embmap" in run("embmap.pull('org/mine')")
    data = bytearray((tmp_path / "v.embmap").read_bytes())
    data[4096] ^= 1
    (tmp_path / "bad.embmap").write_bytes(data)
    assert run("embmap.push('bad.embmap', 'org/mine')").startswith("FormatError")
    assert "bad.embmap" not in server.repositories["org/mine"]
    assert "must end in .embmap" in run("embmap.push('v.embmap', 'org/mine', file='v.bin')")
    server.repositories["org/empty"] = {"README.md": b""}
    assert "no store of embmap in it" in run("embmap.pull('org/empty')")
    assert run("embmap.pull('org/mine', 'third.embmap')").startswith("FileNotFoundError")


def test_a_store_of_several_files_goes_and_comes_as_a_folder(server, run, tmp_path):
    (tmp_path / "v.txt").write_text(SMALL)
    embmap.convert(tmp_path / "v.txt", tmp_path / "three", shards=3)
    run("embmap.push('three', 'org/sharded')")
    assert {"three/shards.json", "README.md"} <= server.repositories["org/sharded"].keys()
    assert run("sorted(embmap.pull('org/sharded'))") == sorted(WORDS)


def test_what_names_a_file_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = _hub.Named
    for source, expected in {
        "hf://org/name": named("org/name", None, None),
        "hf://org/name@v1/a/b.txt": named("org/name", "v1", "a/b.txt"),
        "hf:/org/name/b.txt": named("org/name", None, "b.txt"),
        "https://huggingface.co/org/name/resolve/main/a/b.txt?download=true": named("org/name", "main", "a/b.txt"),
        "https://huggingface.co/org/name/blob/v2/b.zip": named("org/name", "v2", "b.zip"),
    }.items():
        assert _hub.of_url(source) == expected
    for other in ("org/name", "a/b.txt", "https://other.org/org/name/resolve/main/b.txt", "hf://org"):
        assert _hub.of_url(other) is None
    assert _hub.named("org/name@v1", "b.txt") == named("org/name", "v1", "b.txt")
    with pytest.raises(ValueError, match="file= names a file of the Hugging Face hub's org/name"):
        embmap.load("v.txt", file="b.txt")


def test_a_lookup_fetches_its_store_once_a_host(server, run, tmp_path):
    pytest.importorskip("pyarrow")
    store_of(tmp_path, SMALL)
    server.repositories["org/mine"] = {"v.embmap": (tmp_path / "v.embmap").read_bytes(), "README.md": b""}
    code = (
        "[(l := __import__('pickle').loads(__import__('pickle').dumps(embmap.arrow.Lookup({0!r}, 'w'))))"
        "(__import__('pyarrow').record_batch({{'w': ['king', 'x']}})).column('vector').is_valid().to_pylist()][0]"
    )
    for url in ("hf://org/mine/v.embmap", "hf://org/mine"):
        assert run(code.format(url)) == [True, False]
    assert [command for command, file in server.sent if file == "v.embmap"].count("GET") == 1
    assert run(code.format("hf://org/mine/no.embmap")).startswith("FileNotFoundError")
    assert (
        run("repr(embmap.arrow.Lookup('hf://org/mine/v.embmap', 'w'))")
        == "Lookup('hf://org/mine/v.embmap', 'w', 'vector')"
    )
