"""Ways from text to vectors: embmap's and its peers', each as one call on a file.

The peers end with the vectors in memory, except those that make a file of their own, as embmap does: embfile, finalfusion
and magnitude. These were found on PyPI and tried with Python 3.11 and NumPy 2.4:

- embfile 0.1.1 (a tar file with random access) imports with ``overrides<4`` only; its values are embmap's, bit for bit.
- finalfusion 0.7.1 (a mapped file) builds from source; it keeps rows scaled to length 1 and their norms beside them, so
  that values come back to a few units of the last place.
- pymagnitude 0.1.143 does not build with a present setuptools; its fork pymagnitude-lite 0.1.143 (SQLite) does, and needs
  gensim and a text with a header; it keeps seven decimals.
- lmdb-embeddings 0.4.0 installs, and leaves reading the text to its caller: there is no loader to time.
- embeddings 0.0.8 downloads fixed files and reads no others.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Loaded:
    """What a loader gave, and what it says of itself where the clock outside does not tell."""

    vectors: object
    seconds: float | None = None
    sync_seconds: float | None = None


def embmap_convert(path: Path) -> Loaded:
    import embmap

    target = path.with_suffix(".embmap")
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    report = embmap.convert(path, target)
    seconds = time.perf_counter() - start
    return Loaded(embmap.open(target).vectors, seconds, getattr(report, "sync_seconds", None))


def tutorial(path: Path) -> object:
    """The loop of the Keras tutorial: split, np.asarray(values, dtype="float32")."""
    from embmap.demo.loader import load_glove

    return load_glove(path)


def tutorial_float64(path: Path) -> object:
    """The loop of the PyTorch tutorial: split, np.array(values).astype(float)."""
    vectors = {}
    with path.open("rb") as file:
        for line in file:
            values = line.decode().split()
            vectors[values[0]] = np.array(values[1:]).astype(float)
    return vectors


def careful(path: Path) -> object:
    """A careful Python loader: partition, np.fromstring."""
    vectors = {}
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            word, _, numbers = line.partition(" ")
            vectors[word] = np.fromstring(numbers, np.float32, sep=" ")
    return vectors


def gensim(path: Path) -> object:
    from gensim.models import KeyedVectors

    return KeyedVectors.load_word2vec_format(path, binary=False, no_header=True).vectors


def pandas(path: Path) -> object:
    import pandas

    frame = pandas.read_csv(
        path, sep=" ", header=None, index_col=0, quoting=3, keep_default_na=False, dtype=_dtypes(path)
    )
    return frame.to_numpy(np.float32)


def _dtypes(path: Path) -> dict[int, object]:
    with path.open(encoding="utf-8") as file:
        return {0: str, **dict.fromkeys(range(1, len(file.readline().split(" "))), np.float32)}


def polars(path: Path) -> object:
    import polars

    schema = {f"c{i}": polars.Float32 if i else polars.String for i in _dtypes(path)}
    frame = polars.read_csv(path, separator=" ", has_header=False, quote_char=None, schema=schema)
    return frame.drop("c0").to_numpy()


def pyarrow(path: Path) -> object:
    import pyarrow
    from pyarrow import csv

    names = [f"c{i}" for i in _dtypes(path)]
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=names, block_size=1 << 24),
        parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
        convert_options=csv.ConvertOptions(
            column_types={name: pyarrow.float32() if name != "c0" else pyarrow.string() for name in names},
            strings_can_be_null=False,
        ),
    )
    return np.column_stack([column.to_numpy() for column in table.columns[1:]])


def duckdb(path: Path) -> object:
    import duckdb

    columns = {f"c{i}": "FLOAT" if i else "VARCHAR" for i in _dtypes(path)}
    found = duckdb.read_csv(
        str(path),
        sep=" ",
        header=False,
        quotechar="",
        escapechar="",
        columns=columns,
        auto_detect=False,
        max_line_size=1 << 20,
    ).fetchnumpy()
    return np.column_stack([found[name] for name in columns if name != "c0"])


def embfile(path: Path) -> Loaded:
    """The text to embfile's own file; not synced."""
    import tarfile

    import embfile as peer

    with path.open("rb") as file:
        rows = sum(1 for _ in file)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        start = time.perf_counter()
        with peer.open(path, vocab_size=rows, verbose=False) as source:
            target = peer.VVMEmbFile.create_from_file(source, out_dir=folder, out_filename="vectors.vvm", verbose=False)
        seconds = time.perf_counter() - start
        with tarfile.open(target) as tar:
            vectors = np.frombuffer(tar.extractfile("vectors.bin").read(), np.float32)
    return Loaded(vectors.reshape(rows, -1), seconds)


def finalfusion(path: Path) -> Loaded:
    """The text to finalfusion's own file; not synced."""
    from finalfusion.compat import load_text

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        start = time.perf_counter()
        found = load_text(path)
        found.write(Path(folder) / "vectors.fifu")
        seconds = time.perf_counter() - start
    return Loaded(np.asarray(found.storage) * np.asarray(found.norms)[:, None], seconds)


def magnitude(path: Path) -> Loaded:
    """The text, with a header, to a file of pymagnitude's."""
    from pymagnitude import Magnitude
    from pymagnitude.converter import convert

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        headed = Path(folder) / "vectors.txt"
        rows, dim = _shape(path)
        with path.open("rb") as source, headed.open("wb") as out:
            out.write(f"{rows} {dim}\n".encode())
            while part := source.read(1 << 20):
                out.write(part)
        target = headed.with_suffix(".magnitude")
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            convert(str(headed), str(target), 7, False)
        seconds = time.perf_counter() - start
        store = Magnitude(str(target), normalized=False)
        with path.open(encoding="utf-8", newline="\n") as file:
            words = [line.partition(" ")[0] for line in file]
        vectors = np.concatenate([store.query(words[i : i + 1000]) for i in range(0, rows, 1000)])
    return Loaded(vectors, seconds)


def _shape(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        return sum(1 for _ in file), len(_dtypes(path)) - 1


def floor(path: Path) -> Loaded:
    """Read the text once, write as many bytes as the matrix has once, on one thread; no sync."""
    rows, dim = _shape(path)
    with path.open("rb", buffering=0) as source, tempfile.TemporaryFile(dir=path.parent) as target:
        written = memoryview(bytes(1 << 20))
        left = rows * dim * 4
        buffer = bytearray(1 << 20)
        start = time.perf_counter()
        while source.readinto(buffer):
            pass
        while left:
            left -= os.write(target.fileno(), written[: min(left, 1 << 20)])
        return Loaded(None, time.perf_counter() - start)


def package_of(module: str) -> str:
    """Give the package that a module is in."""
    return module.partition(".")[0]


@dataclass(frozen=True)
class Loader:
    """A row of the table.

    Attributes
    ----------
    load : callable
        From a text file to vectors, a dict or a matrix; or to `Loaded`.
    needs : tuple of str
        Modules, imported before the clock starts.
    kernel : str
        embmap's, where it is not the best that the processor has.
    exact : bool
        Whether its values must be embmap's, bit for bit; else to 1e-4 of each.
    is_slow : bool
        Whether a run is so long that it needs no warm-up.
    """

    load: Callable[[Path], object]
    needs: tuple[str, ...] = ()
    kernel: str = ""
    exact: bool = True
    is_slow: bool = True

    def missing(self, flags: list[str]) -> str | None:
        """Say why it cannot run here, or None."""
        absent = [name for name in map(package_of, self.needs) if importlib.util.find_spec(name) is None]
        if absent:
            return f"{' and '.join(absent)} not installed"
        # embmap itself would take its portable kernel, under the other's name.
        if self.kernel == "avx2" and "avx2" not in flags:
            return "the processor has no AVX2"
        return None


LOADERS: dict[str, Loader] = {
    "embmap": Loader(embmap_convert, is_slow=False),
    "embmap-avx2": Loader(embmap_convert, kernel="avx2", is_slow=False),
    "embmap-scalar": Loader(embmap_convert, kernel="scalar", is_slow=False),
    "tutorial": Loader(tutorial),
    "tutorial-float64": Loader(tutorial_float64),
    "careful": Loader(careful),
    "gensim": Loader(gensim, ("gensim.models",)),
    "pandas": Loader(pandas, ("pandas",)),
    "polars": Loader(polars, ("polars",), is_slow=False),
    "pyarrow": Loader(pyarrow, ("pyarrow.csv",), is_slow=False),
    "duckdb": Loader(duckdb, ("duckdb",), is_slow=False),
    "embfile": Loader(embfile, ("embfile",)),
    "finalfusion": Loader(finalfusion, ("finalfusion.compat",), exact=False),
    "magnitude": Loader(magnitude, ("pymagnitude.converter", "gensim"), exact=False),
    "floor": Loader(floor, is_slow=False),
}
PACKAGES = tuple(dict.fromkeys(package_of(module) for loader in LOADERS.values() for module in loader.needs))
