"""Questions of similarity that gensim's `KeyedVectors` answers, asked of a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index as as_int
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from .._query.similarity import unit
from .._store import Store
from . import word_mover as _word_mover
from .keys import Key, Keys, Vector

Asked: TypeAlias = Key | Vector | tuple[Key | Vector, float]
Similar: TypeAlias = list[tuple[str, float]]
"""Words and their similarities, the most similar first; in a tie the lower row is first."""

# What keeps 3CosMul from dividing by zero: Levy and Goldberg, 2014.
_EPSILON = np.float32(1e-6)


class SimilarKeys(Keys):
    """Keys that can be compared."""

    def most_similar(
        self,
        positive: Asked | Sequence[Asked] | None = None,
        negative: Asked | Sequence[Asked] | None = None,
        topn: int | None = 10,
        clip_start: int = 0,
        clip_end: int | None = None,
        restrict_vocab: int | None = None,
        indexer: Any = None,
    ) -> Similar | NDArray[np.float32]:
        """Find the words nearest to a mean, `positive` keys and vectors added, `negative` ones taken away.

        Keys enter with length 1, vectors with their own.

        Parameters
        ----------
        positive, negative : str, int, ndarray, ``(key or vector, weight)``, or several in a list
            A weight replaces +1 or -1.
        topn : int or None
            How many; the words asked with are left out. None gives all similarities.
        clip_start, clip_end : int
            Only rows from the one to before the other can be found.
        restrict_vocab : int, optional
            Only the first so many rows can be found; overrides the clips.
        indexer : embmap.ann index, or what has ``most_similar(vector, n)``, optional
            Asked in place of the store; keys are not left out of what it finds.

        Returns
        -------
        list of (str, float), or ndarray of float32, shape (rows,)
            Words and cosines, best first; in row order where `topn` is None.

        Raises
        ------
        KeyError
            A key is missing.
        ValueError
            There are no keys, or a vector has another dimension or a number that is not finite.

        Examples
        --------
        >>> kv = embmap.gensim.KeyedVectors(store)
        >>> kv.most_similar(positive=["king", "woman"], negative=["man"], topn=1)[0][0]
        'queen'
        >>> kv.most_similar("king", topn=None).shape
        (6,)
        """
        topn = None if topn is None else as_int(topn)
        if topn is not None and topn < 1:
            return []
        signed = [*_weighted(positive, 1.0), *_weighted(negative, -1.0)]
        keys, weights = [key for key, _ in signed], [weight for _, weight in signed]
        mean = self.get_mean_vector(keys, weights, ignore_missing=False)
        if not np.isfinite(mean).all():
            raise ValueError("a vector has a number that is not finite")
        mean = unit(mean).astype(np.float32)
        if indexer is not None and topn:
            of_embmap = isinstance(getattr(indexer, "store", None), Store)
            found = indexer.most_similar(mean, topn=topn) if of_embmap else indexer.most_similar(mean, topn)
            return cast("Similar", found)
        rows = range(*slice(clip_start, clip_end or None).indices(len(self)))
        if restrict_vocab:
            rows = range(len(self))[:restrict_vocab]
        if not topn:
            return self._over_norms(mean, rows)
        own = {self._row(key) for key in keys if not isinstance(key, np.ndarray)}
        only = np.arange(rows.start, rows.stop, dtype=np.int64) if rows.start else None
        k = min(topn + len(own), len(rows))
        ids, cosines = self._store._nearest(mean[np.newaxis], k, rows.stop if only is None else 0, only)
        return self._named(ids[0], cosines[0].astype(np.float32), own, topn)

    def similar_by_key(
        self, key: Key, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> Similar | NDArray[np.float32]:
        """Do what `most_similar` does for one key."""
        return self.most_similar([key], topn=topn, restrict_vocab=restrict_vocab)

    def similar_by_word(
        self, word: Key, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> Similar | NDArray[np.float32]:
        """Do what `most_similar` does for one key."""
        return self.similar_by_key(word, topn, restrict_vocab)

    def similar_by_vector(
        self, vector: Vector, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> Similar | NDArray[np.float32]:
        """Do what `most_similar` does for one vector."""
        return self.most_similar([vector], topn=topn, restrict_vocab=restrict_vocab)

    def most_similar_cosmul(
        self,
        positive: Key | Vector | Sequence[Key | Vector] | None = None,
        negative: Key | Vector | Sequence[Key | Vector] | None = None,
        topn: int | None = 10,
        restrict_vocab: int | None = None,
    ) -> Similar | NDArray[np.float32]:
        """Find the words whose cosines with the `positive` keys, multiplied, are the largest over those with the `negative`.

        3CosMul, equation 4 of Levy and Goldberg (2014), with cosines moved to 0..1.

        Parameters
        ----------
        positive, negative : str, int, ndarray, or several in a list
            Vectors are used as they are: scale them to length 1 first.
        topn : int or None
            How many; the words asked with are left out. None gives all scores.
        restrict_vocab : int, optional
            Only the first so many rows can be found.

        Returns
        -------
        list of (str, float), or ndarray of float32, shape (rows,)
            Words and scores, best first; in row order where `topn` is None.

        Raises
        ------
        KeyError
            A key is missing.
        ValueError
            There is nothing positive.

        Examples
        --------
        >>> kv = embmap.gensim.KeyedVectors(store)
        >>> kv.most_similar_cosmul(positive=["king", "woman"], negative=["man"], topn=1)[0][0]
        'queen'
        """
        topn = None if topn is None else as_int(topn)
        if topn is not None and topn < 1:
            return []
        toward, away = _listed(positive), _listed(negative)
        if not toward:
            raise ValueError("cannot compute similarity with no input")
        rows = range(len(self))[: restrict_vocab or None]
        scores, below = self._product(toward, rows), self._product(away, rows)
        scores /= below + _EPSILON
        if not topn:
            return scores
        own = {self._row(key) for key in toward + away if not isinstance(key, np.ndarray)}
        ids = _largest(scores, min(topn + len(own), len(rows)))
        return self._named(ids, scores[ids], own, topn)

    def most_similar_to_given(self, key1: Key, keys_list: Sequence[Key]) -> Key:
        """Give the key of `keys_list` that is most similar to `key1`."""
        return keys_list[int(np.argmax([self.similarity(key1, key) for key in keys_list]))]

    def closer_than(self, key1: Key, key2: Key) -> list[str]:
        """Give the words that are closer to `key1` than `key2` is, in row order; KeyError where one has no row."""
        own, other = self.get_index(key1), self.get_index(key2)
        query = unit(self.get_vector(key1))
        if not query.any():
            return []
        cosines = self._over_norms(query, range(len(self)))
        # Rows in the same direction are equally close, which rounding would hide.
        doubtful = np.flatnonzero(np.abs(cosines - cosines[other]) < 1e-5)
        cosines[doubtful] = unit(self._store.take(doubtful)) @ query
        closer: list[int] = np.flatnonzero(cosines > cosines[other]).tolist()
        return [self._store.word(row) for row in closer if row != own]

    def words_closer_than(self, word1: Key, word2: Key) -> list[str]:
        """Do what `closer_than` does, whose name in gensim 3 this is."""
        return self.closer_than(word1, word2)

    def rank(self, key1: Key, key2: Key) -> int:
        """Give the place of `key2` among all words by distance from `key1`, from 1."""
        return len(self.closer_than(key1, key2)) + 1

    def similarity(self, w1: Key, w2: Key) -> np.float32:
        """Give the cosine of two keys, 0 where one is of zeros; KeyError for a missing one."""
        return _cosine(self.get_vector(w1), self.get_vector(w2))

    def distance(self, w1: Key, w2: Key) -> np.float32:
        """Give 1 - cosine of two keys."""
        return np.float32(1) - self.similarity(w1, w2)

    def n_similarity(self, ws1: Sequence[Key], ws2: Sequence[Key]) -> np.float32:
        """Give the cosine of the means of two lists of keys; missing ones are passed over, 0 where all are.

        ZeroDivisionError where a list is empty.
        """
        if not (len(ws1) and len(ws2)):
            raise ZeroDivisionError("At least one of the passed list is empty.")
        return _cosine(*(self.get_mean_vector(words, pre_normalize=False) for words in (ws1, ws2)))

    @staticmethod
    def cosine_similarities(vector_1: Vector, vectors_all: Vector) -> Vector:
        """Give the cosines of a vector, [dim], with others, [n, dim]: [n], 0 where one is of zeros."""
        cosines = unit(vectors_all) @ unit(vector_1)
        return cosines.astype(np.result_type(vector_1, vectors_all, np.float32))

    def distances(self, word_or_vector: Key | Vector, other_words: Iterable[Key] | None = ()) -> Vector:
        """Give 1 - cosine of a key or vector with other keys.

        Parameters
        ----------
        word_or_vector : str, int or ndarray
        other_words : iterable of str or int
            All words, in row order, where there are none. They must have rows.

        Returns
        -------
        ndarray of float32, shape (n,)

        Raises
        ------
        KeyError
            A key is missing.

        Examples
        --------
        >>> embmap.gensim.KeyedVectors(store).distances("king", ["queen", "man"]).round(3)
        array([0.336, 0.107], dtype=float32)
        """
        asked = word_or_vector
        vector = self._as_vector(asked) if isinstance(asked, np.ndarray) else self.get_vector(asked)
        rows = [self.get_index(word) for word in other_words or ()]
        if not rows:
            return 1 - self._over_norms(unit(vector), range(len(self)))
        return 1 - self.cosine_similarities(vector, self._store.take(rows))

    def rank_by_centrality(self, words: Sequence[Key], use_norm: bool = True) -> list[tuple[np.float32, Key]]:
        """Rank keys by their product with the direction of their mean, the largest first.

        Parameters
        ----------
        words : sequence of str or int
            Missing ones are passed over.
        use_norm : bool
            Scale vectors to length 1 first, so that the products are cosines.

        Returns
        -------
        list of (float32, key)

        Raises
        ------
        ValueError
            All are missing.

        Examples
        --------
        >>> [word for _, word in embmap.gensim.KeyedVectors(store).rank_by_centrality(["king", "queen", "apple"])]
        ['queen', 'king', 'apple']
        """
        known = [word for word in words if word in self]
        if not known:
            raise ValueError("cannot select a word from an empty list")
        vectors = self._units_of(known) if use_norm else self._vectors_of(known)
        products = vectors @ self.get_mean_vector(vectors, post_normalize=True)
        return sorted(zip(products, known, strict=True), reverse=True)

    def doesnt_match(self, words: Sequence[Key]) -> Key:
        """Give the key that is farthest from the mean of all; missing ones are passed over."""
        return self.rank_by_centrality(words)[-1][1]

    def relative_cosine_similarity(self, wa: Key, wb: Key, topn: int = 10) -> float:
        """Give the cosine of two keys over the sum of those of the `topn` words nearest to the first.

        Equation 1 of Leeuwenberg and others, "A Minimally Supervised Approach for Synonym Extraction with Word
        Embeddings" (2016). ValueError where `topn` is 0; NaN where those cosines are 0, as for a row of zeros.
        """
        nearest = cast("Similar", self.similar_by_key(wa, topn))
        if not nearest:
            raise ValueError("Cannot calculate relative cosine similarity without any similar words.")
        total = sum(cosine for _, cosine in nearest)
        return float(self.similarity(wa, wb)) / total if total else float("nan")

    def wmdistance(self, document1: Sequence[Key], document2: Sequence[Key], norm: bool = True) -> float:
        """Give the word mover's distance of two documents (Kusner and others, 2015).

        Parameters
        ----------
        document1, document2 : sequence of str
            Missing words are passed over.
        norm : bool
            Scale vectors to length 1 first.

        Returns
        -------
        float
            Infinity where a document has no known word; and, as gensim's, where all distances between the words of two
            different documents are 0.

        Raises
        ------
        ImportError
            POT is not installed (``pip install POT``).
        """
        known1, known2 = ([word for word in document if word in self] for document in (document1, document2))
        return _word_mover.distance(known1, known2, self._units_of if norm else self._vectors_of)

    def _units_of(self, keys: Sequence[Key]) -> NDArray[np.float32]:
        return unit(self._vectors_of(keys)).astype(np.float32)

    def _product(self, keys: Sequence[Key | Vector], rows: range) -> NDArray[np.float32]:
        product = np.ones(len(rows), np.float32)
        for key in keys:
            vector = self._as_vector(key) if isinstance(key, np.ndarray) else self.get_vector(key, norm=True)
            product *= (1 + self._over_norms(vector, rows)) / 2
        return product

    def _named(self, ids: NDArray[np.int64], scores: NDArray[np.float32], own: set[int], topn: int) -> Similar:
        pairs = zip(ids.tolist(), scores.tolist(), strict=True)
        return [(self._store.word(row), score) for row, score in pairs if row not in own][:topn]


def _listed(keys: Any) -> list[Any]:
    """Give a list of what may be one key or vector, or several."""
    if keys is None:
        return []
    if isinstance(keys, (str, int, np.integer)) or (isinstance(keys, np.ndarray) and keys.ndim == 1):
        return [keys]
    several: Iterable[Any] = keys
    return list(several)


def _weighted(keys: Any, weight: float) -> list[tuple[Key | Vector, float]]:
    pairs = []
    for item in _listed(keys):
        bare = isinstance(item, (str, int, np.integer, np.ndarray))
        pairs.append((item, weight) if bare else (item[0], float(item[1])))
    return pairs


def _largest(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Give the places of the `k` largest, the largest first; of equal ones the first ones."""
    if k == 0:
        return np.empty(0, np.int64)
    enough = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
    return enough[np.argsort(-scores[enough], kind="stable")[:k]]


def _cosine(first: Vector, second: Vector) -> np.float32:
    return np.float32(unit(first) @ unit(second))
