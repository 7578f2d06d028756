"""Fixtures: small stores, the folder of published files; what systems other than Linux lack."""

import json
import multiprocessing
import os
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
if sys.platform == "darwin":
    # Keras would use the GPU, of which NumPy sees nothing.
    os.environ.setdefault("KERAS_TORCH_DEVICE", "cpu")

import embmap

reads_proc = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
forks = pytest.mark.skipif(sys.platform != "linux", reason="Windows has no fork, and macOS' libraries survive none")
limits_files = pytest.mark.skipif(os.name != "posix", reason="Windows sets no limit to the size of files")
has_modes = pytest.mark.skipif(os.name != "posix", reason="files of Windows have no modes")
has_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes among its files")
interrupts = pytest.mark.skipif(os.name != "posix", reason="Windows sends Ctrl-C to no single process")
replaces_mapped = pytest.mark.skipif(os.name == "nt", reason="Windows neither replaces nor removes a mapped file")

START_METHODS = [way for way in multiprocessing.get_all_start_methods() if way != "fork" or sys.platform == "linux"]
# Windows says it in several ways.
NOT_THERE = "" if os.name == "nt" else "No such file or directory"

SMALL = """king 0.9 0.8 0.1 0
queen 0.9 0.1 0.8 0
man 0.4 0.9 0.1 0.2
woman 0.4 0.2 0.8 0.2
apple 0 0.1 0.1 0.9
pear 0.1 0.1 0 0.9
"""


def convert_text(folder: Path, text: str | bytes, **options) -> embmap.ConversionReport:
    """Convert `text`, written as it is, in `folder`."""
    source = folder / "v.txt"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    return embmap.convert(source, folder / "v.embmap", **options)


def store_of(folder: Path, text: str | bytes, **options) -> embmap.Store:
    """Open what `convert_text` makes."""
    return embmap.open(convert_text(folder, text, **options).path)


def write_model(folder: Path, rows: np.ndarray, tokens: list[str]) -> Path:
    """Write the folder of a model whose tensors are little more than `rows`, float32, of its `tokens`."""
    folder.mkdir(parents=True)
    entry = {"dtype": "F32", "shape": rows.shape, "data_offsets": [0, rows.nbytes]}
    header = json.dumps({"embeddings.word_embeddings.weight": entry}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + rows.tobytes())
    vocab = {token: i for i, token in enumerate(tokens)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordPiece", "vocab": vocab}}))
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The folder of huggingface_hub's cache, empty; nothing else can be reached."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path, SMALL)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of published vectors; tests marked `real` need it, and CI must have it."""
    folder = Path(os.environ.get("EMBMAP_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the published files; {folder} is not there")
        pytest.skip(f"no published files at {folder}")
    return folder


def may_be_misread(words) -> bool:
    """Tell whether all words of a text have what may separate fields behind their start: such a text may be refused."""
    return all(any(mark in word[1:] for mark in ",;:|=") for word in words)
