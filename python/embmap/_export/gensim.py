"""A store as gensim's `KeyedVectors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._optional import need

if TYPE_CHECKING:
    from .._core.store import CoreStore


def to_gensim(store: CoreStore) -> Any:
    """Do what `Store.to_gensim` says."""
    models = need("gensim.models", "to_gensim()")
    # What gensim writes, as in add_vector() or unit_normalize_all(), stays in this mapping.
    vectors = store._vectors_cow() if store.dtype == np.float32 else store.take(np.arange(len(store)))
    keyed = models.KeyedVectors(store.dim, dtype=vectors.dtype)
    keyed.vectors = vectors
    keyed.index_to_key = list(store.words)
    keyed.key_to_index = {word: row for row, word in enumerate(keyed.index_to_key)}
    keyed.next_index = len(store)
    return keyed
