"""The names by which options are chosen: for signatures, the command line and messages alike."""

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
