"""What gensim's `KeyedVectors` has and vectors in a store have not: what changes them, and the names of gensim 3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

_NEW_NAMES = {
    "vocab": "key_to_index has the row of a word, index_to_key the words",
    "index2word": "it is index_to_key",
    "index2entity": "it is index_to_key",
    "syn0": "it is vectors",
    "syn0norm": "it is get_normed_vectors()",
    "vectors_norm": "it is get_normed_vectors()",
    "wv": "these are the vectors themselves",
    "accuracy": "it is evaluate_word_analogies()",
}


def _writes(name: str) -> Callable[..., NoReturn]:
    def refuse(self: object, *args: object, **options: object) -> NoReturn:
        raise TypeError(
            f"{name}() changes vectors, and those of a store are read-only: store.to_gensim() gives gensim's own "
            "KeyedVectors, which it can change; embmap.Writer writes a new store"
        )

    refuse.__name__ = name
    refuse.__doc__ = "Raise TypeError: the vectors of a store are read-only."
    return refuse


class Refused:
    """Methods that raise TypeError, and attributes that raise AttributeError, with what takes their place."""

    __setitem__ = _writes("__setitem__")
    __delitem__ = _writes("__delitem__")
    add_vector = _writes("add_vector")
    add_vectors = _writes("add_vectors")
    allocate_vecattrs = _writes("allocate_vecattrs")
    intersect_word2vec_format = _writes("intersect_word2vec_format")
    resize_vectors = _writes("resize_vectors")
    set_vecattr = _writes("set_vecattr")
    sort_by_descending_frequency = _writes("sort_by_descending_frequency")
    unit_normalize_all = _writes("unit_normalize_all")

    def fill_norms(self, force: bool = False) -> None:
        """Do nothing: a store has the lengths of its rows."""

    def init_sims(self, replace: bool = False) -> None:
        """Do nothing, as there is nothing to prepare; TypeError where vectors would be replaced by others of length 1."""
        if replace:
            self.unit_normalize_all()

    # A type checker should go on finding names that are not there.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in _NEW_NAMES:
                raise AttributeError(f"{name} is a name of gensim 3, gone since gensim 4: {_NEW_NAMES[name]}")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
