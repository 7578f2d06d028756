"""Which reader a source has, from its first bytes; None where the extension reads it, or says what it is."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any, get_args

from ..._choices import SourceFormat
from ..._errors import ParseError
from . import finalfusion, floret, gensim_files, json_files, magnitude, matrices, spacy_folders, tables, words
from .rows import Matrix, Reader, Rows, paired, refusal

# What a call can ask for by name, besides what the extension reads.
_BY_EXTENSION = ("auto", "text", "word2vec-binary", "fasttext", "huggingface")
KINDS = tuple(kind for kind in get_args(SourceFormat) if kind not in _BY_EXTENSION)
_MAGIC = {
    b"\x93NUMPY": "numpy",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"PAR1\x15": "table",
    b"ARROW1\0\0": "table",
    finalfusion.MAGIC: "finalfusion",
    magnitude.MAGIC: "magnitude",
}
# A word of a text may begin with a bracket too: [CLS].
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:["}]|\Z)|\[\s*(?:[]\[{"0-9tfn-]|\Z))')
_VECS = (*matrices.RECORDS, *matrices.BLOCKS)


def reader_of(
    source: Path,
    *,
    format: str = "auto",
    member: str | None = None,
    given: Any = None,
    word_column: str | None = None,
    vector_column: str | None = None,
    encoding: str = "utf-8",
    dim: int | None = None,
) -> Reader | None:
    """Tell how a source is read; `given` are the words that the caller has for it."""
    if not source.exists():
        return None
    kind = _kind_of(source, given is not None) if format == "auto" else format
    if format != "auto" and source.is_file() and not _can_be(source, format):
        raise refusal(source, f"this is not {_NAMES[format]}, as format= says: leave it out, and the content tells")
    own_words = kind in ("table", "spacy", "pickle", "floret", "finalfusion", "magnitude")
    if kind is None or kind not in KINDS or (given is not None and own_words):
        if given is not None:
            what = "its words are its own" if format == "auto" else f"the words of {format!r} are in the file"
            raise refusal(source, f"words= names the words of numbers that have none, and {what}: leave it out")
        return None
    files = (source, *words.files_of(given))
    folder = source
    if kind == "spacy":
        found = spacy_folders.folder_of(source)
        if found is None:
            raise refusal(source, "expected a folder with spaCy's vectors and key2row")
        folder = found
        files = spacy_folders.files_of(folder)
    elif kind == "pickle":
        files = (source, *gensim_files.beside(source))
    elif kind == "table":
        files = _table_files(source)

    def named(rows: int) -> tuple[list[str], str]:
        return words.words_of(given, rows, column=word_column, encoding=encoding)

    def open(scratch: Path) -> Rows:
        if kind == "table":
            return tables.of_table(source, files, word_column, vector_column)
        if kind == "spacy":
            return spacy_folders.of_spacy(source, folder)
        if kind == "floret":
            return floret.of_text(source, scratch)
        if kind == "finalfusion":
            return finalfusion.of_finalfusion(source)
        if kind == "magnitude":
            return magnitude.of_magnitude(source)
        if kind == "pickle":
            return gensim_files.of_pickle(source)
        if kind == "json":
            return json_files.of_json(source, member, (word_column, vector_column), None if given is None else named)
        matrix, own = _matrix(source, kind, member, dim, given is not None)
        if given is not None:
            return paired(source, matrix, *named(matrix.shape[0]))
        if own is None:
            what = f"this is {_NAMES[kind]}, numbers without their words, of shape {tuple(matrix.shape)}"
            how = "words= is a list of them, or names a file with one word a line, a JSON list, or a column of them"
            raise refusal(source, f"{what}: {how}")
        return paired(source, matrix, own, source.name)

    return Reader(kind=kind, files=files, open=open)


_NAMES = {
    "numpy": "a NumPy array, or an archive of NumPy arrays",
    "safetensors": "a safetensors file",
    "hdf5": "an HDF5 file",
    "torch": "a PyTorch file",
    "raw": "plain float32 numbers",
    "numbers": "a text of numbers",
    "table": "a file of Parquet, Arrow or JSON lines",
    "finalfusion": "a finalfusion file",
    "magnitude": "a .magnitude file",
    "vecs": f"a file of {', '.join(_VECS)}",
}


def _can_be(source: Path, kind: str) -> bool:
    """Tell whether a file can be what somebody says it is, from its first bytes or its name."""
    if kind == "vecs":
        return source.suffix.lower() in _VECS
    if kind == "torch":
        return zipfile.is_zipfile(source)
    if kind == "table" and source.suffix.lower() in (*tables.LINES, *tables.ARROW):
        return True
    magics = [magic for magic, of in _MAGIC.items() if of == kind and kind != "numpy"]
    with source.open("rb") as file:
        return not magics or file.read(16).startswith(tuple(magics))


def _matrix(source: Path, kind: str, member: str | None, dim: int | None, has_words: bool) -> tuple[Matrix, Any]:
    """Give the numbers, and the words where the source has them."""
    if kind == "numpy":
        if zipfile.is_zipfile(source):
            return matrices.of_npz(source, member, has_words)
        return matrices.of_npy(source), None
    if kind == "safetensors":
        return matrices.of_safetensors(source, member)
    if kind == "hdf5":
        return matrices.of_hdf5(source, member)
    if kind == "torch":
        from .torch_files import of_torch

        return of_torch(source, member), None
    if kind == "vecs":
        suffix = source.suffix.lower()
        matrix = matrices.of_records(source) if suffix in matrices.RECORDS else matrices.of_blocks(source)
        return matrix, matrices.Numbered(matrix.shape[0])
    if kind == "raw":
        return matrices.of_raw(source, dim), None
    return matrices.of_text(source), None


def _kind_of(source: Path, has_words: bool) -> str | None:
    if source.is_dir():
        if spacy_folders.folder_of(source) is not None:
            return "spacy"
        return "table" if any(source.glob("*.parquet")) else None
    if not source.is_file():
        return None
    suffix = source.suffix.lower()
    with source.open("rb") as file:
        head = file.read(256)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            # Without words, the extension says of an array what it is, and of one beside a model whose it is.
            return kind if kind != "numpy" or has_words else None
    if suffix in _VECS:
        return "vecs"
    if suffix in tables.LINES and head.lstrip()[:1] == b"{":
        return "table"
    if suffix in tables.ARROW and head[:4] == b"\xff\xff\xff\xff":
        return "table"
    if suffix == ".json" and _JSON.match(head):
        return "json"
    if not has_words and floret.is_table(head):
        return "floret"
    if head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5" and not head.startswith(b"\x80\2\x8a\n"):
        return "pickle"
    if head.startswith(b"PK\3\4"):
        return _archive(source, has_words)
    if suffix == ".safetensors" and (has_words or _has_words(source)):
        return "safetensors"
    if has_words:
        return "numbers"
    return None


def _archive(source: Path, has_words: bool) -> str | None:
    try:
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if any(name.rpartition("/")[2] == "data.pkl" for name in names) and any("/data/" in name for name in names):
        return "torch"
    if names and all(name.endswith(".npy") for name in names):
        return "numpy" if has_words or len(names) > 1 else None
    return None


def _has_words(source: Path) -> bool:
    """Tell whether a safetensors file has words in its metadata, as an exported store has."""
    try:
        return matrices.of_safetensors(source, None)[1] is not None
    except ParseError:
        return False


def _table_files(source: Path) -> tuple[Path, ...]:
    if not source.is_dir():
        return (source,)
    return tuple(sorted(source.glob("*.parquet")))
