"""The names by which options are chosen: for signatures, the command line and messages alike."""

import codecs
from typing import Literal

Duplicates = Literal["first", "last", "error"]
OnBadRow = Literal["error", "skip"]
OnMissing = Literal["error", "skip"]
OnWrongCount = Literal["error", "ignore"]
Separator = Literal["auto", " ", "\t", "spaces", ",", ";"]
SourceFormat = Literal[
    "auto",
    "text",
    "word2vec-binary",
    "fasttext",
    "huggingface",
    "numpy",
    "safetensors",
    "hdf5",
    "torch",
    "pickle",
    "table",
    "spacy",
    "floret",
    "finalfusion",
    "magnitude",
    "json",
    "vecs",
    "raw",
    "numbers",
]
TensorMode = Literal["cow", "readonly", "copy"]
Utf8Errors = Literal["strict", "replace", "ignore", "backslashreplace"]


def name_to_read(encoding: str) -> str:
    """Give the name by which a text is read: UTF-8's byte-order mark is no part of its first word."""
    return "utf-8-sig" if python_name(encoding) == "utf-8" else encoding


def python_name(encoding: str) -> str:
    """Give Python's own name of an encoding, which every alias leads to."""
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise ValueError(f"encoding must be one that Python knows, as 'latin-1' or 'gbk', not {encoding!r}") from None
