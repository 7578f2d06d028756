"""The names of gensim's `KeyedVectors` where the meaning is the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from .._core.store import CoreStore
from .._core.words import KeyToIndex, Words
from . import queries as _queries
from . import similarity as _similarity

if TYPE_CHECKING:
    from .queries import Key


class GensimNames(CoreStore):
    """Aliases for code written for gensim; `embmap.gensim.KeyedVectors` has all that gensim's class has for reading."""

    __slots__ = ()

    @property
    def vector_size(self) -> int:
        """The dimension."""
        return self.dim

    @property
    def key_to_index(self) -> KeyToIndex:
        """A mapping word -> row.

        Examples
        --------
        >>> store.key_to_index["queen"], "queen" in store.key_to_index
        (1, True)
        """
        return KeyToIndex(self)

    @property
    def index_to_key(self) -> Words:
        """The words in row order."""
        return self.words

    def get_vector(self, key: str, norm: bool = False) -> NDArray[np.float32]:
        """Give a word's vector, scaled to length 1 where `norm`; KeyError where it is missing.

        Examples
        --------
        >>> store.get_vector("king")
        array([0.9, 0.8, 0.1, 0. ], dtype=float32)
        >>> store.get_vector("king", norm=True).round(2)
        array([0.74, 0.66, 0.08, 0.  ], dtype=float32)
        """
        if not norm:
            return self[key]
        return _similarity.unit(_queries.vectors_of(self, [key])[0]).astype(np.float32)

    def get_index(self, key: str, default: Any = None) -> Any:
        """Give a word's row, or `default`; KeyError where it is missing and there is no default.

        Examples
        --------
        >>> store.get_index("queen"), store.get_index("unheard-of", -1)
        (1, -1)
        """
        try:
            return self.index(key)
        except KeyError:
            if default is None:
                raise
            return default

    def has_index_for(self, key: str) -> bool:
        """Tell whether a word is there.

        Examples
        --------
        >>> store.has_index_for("queen"), store.has_index_for("unheard-of")
        (True, False)
        """
        return key in self

    @overload
    def similar_by_word(
        self, word: str, topn: int = 10, restrict_vocab: int | None = None
    ) -> list[tuple[str, float]]: ...
    @overload
    def similar_by_word(self, word: str, topn: None, restrict_vocab: int | None = None) -> NDArray[np.float32]: ...
    def similar_by_word(
        self, word: str, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to a word, as `Store.most_similar` does.

        Examples
        --------
        >>> [word for word, _ in store.similar_by_word("king", topn=2)]
        ['man', 'queen']
        """
        return _similarity.ranked(self, word, None, topn, None, (), restrict_vocab)

    @overload
    def similar_by_vector(
        self, vector: Key, topn: int = 10, restrict_vocab: int | None = None
    ) -> list[tuple[str, float]]: ...
    @overload
    def similar_by_vector(self, vector: Key, topn: None, restrict_vocab: int | None = None) -> NDArray[np.float32]: ...
    def similar_by_vector(
        self, vector: Key, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to a vector, as `Store.most_similar` does.

        Examples
        --------
        >>> vector = store["king"] - store["man"] + store["woman"]
        >>> store.similar_by_vector(vector, topn=1)[0][0]
        'queen'
        """
        return _similarity.ranked(self, vector, None, topn, None, (), restrict_vocab)

    def distance(self, w1: Key, w2: Key) -> float:
        """Give 1 - cosine of two words.

        Examples
        --------
        >>> round(store.distance("king", "queen"), 3)
        0.336
        """
        return 1.0 - _similarity.cosine(self, w1, w2)

    def n_similarity(self, ws1: Iterable[str], ws2: Iterable[str]) -> float:
        """Cosine of the means of two sets of words; those that are missing are passed over, ZeroDivisionError where all are.

        Examples
        --------
        >>> round(store.n_similarity(["king", "queen"], ["man", "unheard-of"]), 3)
        0.728
        """
        both = (_queries.several(words, "n_similarity") for words in (ws1, ws2))
        known = [[word for word in words if word in self] for words in both]
        if not all(known):
            raise ZeroDivisionError("n_similarity needs a known word on both sides")
        first, second = (_queries.vectors_of(self, words).mean(axis=0, dtype=np.float64) for words in known)
        return _similarity.cosine(self, first, second)
