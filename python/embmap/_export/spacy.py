"""A store as spaCy's table of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._optional import need

if TYPE_CHECKING:
    from .._core.store import CoreStore


def to_spacy(store: CoreStore, name: str | None) -> Any:
    """Do what `Store.to_spacy` says."""
    tables, strings = need("spacy.vectors", "to_spacy()"), need("spacy.strings", "to_spacy()")
    words = list(store.words)
    vectors = store._vectors_cow() if store.dtype == np.float32 else store.take(np.arange(len(store)))
    return tables.Vectors(strings=strings.StringStore(words), data=vectors, keys=words, name=name or store.path.stem)
