"""Keys of a store as gensim has them, words or numbers of rows, and the vectors that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.words import KeyToIndex, Words
from .._query.similarity import extreme_lengths, over_lengths, unit
from .._sharded import ShardedStore
from .._store import Store
from .refused import Refused

Key: TypeAlias = str | int | np.integer[Any]
"""A word, or the number of a row."""
Vector: TypeAlias = NDArray[np.floating[Any]]

_D = TypeVar("_D")

# Rows taken at once, so that those which must be decoded take little memory.
_ROWS = 1 << 14


class Keys(Refused):
    """What `KeyedVectors` knows of its keys. Where the store has n-grams, words that were never seen have vectors too."""

    def __init__(self, store: Store) -> None:
        if isinstance(store, ShardedStore):
            raise TypeError(
                f"{store.path}: KeyedVectors is for one file, whose rows are in the source's order: of a store in several, "
                "take the questions of the store itself, or each of its `shards`"
            )
        if not isinstance(store, Store):
            raise TypeError(
                f"expected an embmap.Store, found {type(store).__name__}: KeyedVectors.load() takes a path, and vectors "
                "to be filled are gensim's own KeyedVectors, or an embmap.Writer"
            )
        self._store = store
        self._infers = store._has_subwords

    @property
    def store(self) -> Store:
        """The store that answers."""
        return self._store

    @property
    def vector_size(self) -> int:
        """The dimension."""
        return self._store.dim

    @property
    def index_to_key(self) -> Words:
        """The words in row order, a sequence that decodes what is asked for."""
        return self._store.words

    @property
    def key_to_index(self) -> KeyToIndex:
        """A mapping word -> row."""
        return KeyToIndex(self._store)

    @property
    def vectors(self) -> NDArray[Any]:
        """The matrix, [rows, dim], read-only: without a copy where the store is of float32 or float16."""
        return self._store.vectors

    @property
    def norms(self) -> NDArray[np.float32]:
        """Lengths of the rows."""
        inverse = self._store._inverse_norms(0, len(self))
        with np.errstate(over="ignore"):
            norms = np.divide(1, inverse, out=np.zeros_like(inverse), where=inverse > 0)
            extreme = extreme_lengths(inverse)
            norms[extreme] = np.linalg.norm(self._store.take(extreme).astype(np.float64), axis=1)
        return norms

    def get_normed_vectors(self) -> NDArray[np.float32]:
        """Copy the matrix with rows of length 1, [rows, dim]; rows of zeros stay."""
        out = np.empty((len(self), self.vector_size), np.float32)
        for start in range(0, len(self), _ROWS):
            stop = min(start + _ROWS, len(self))
            inverse = self._store._inverse_norms(start, stop)
            block = self._store._block(start, stop)
            np.multiply(block, inverse[:, np.newaxis], out=out[start:stop])
            extreme = extreme_lengths(inverse)
            out[start + extreme] = unit(block[extreme])
        return out

    def __len__(self) -> int:
        return len(self._store)

    def __contains__(self, key: object) -> bool:
        return self._infers or self._row(key) >= 0

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Give the rows' vectors in order."""
        return map(self.get_vector, range(len(self)))

    def __getitem__(self, key_or_keys: Key | Iterable[Key]) -> NDArray[Any]:
        """Give the vector of a key, [dim], or those of several, [n, dim], a copy; KeyError where one is missing."""
        if isinstance(key_or_keys, (str, int, np.integer)):
            return self.get_vector(key_or_keys)
        return self._vectors_of(list(key_or_keys))

    def get_index(self, key: object, default: _D | None = None) -> int | _D:
        """Give the row of a key, or `default`; KeyError where it is missing and there is no default."""
        row = self._row(key)
        if row >= 0:
            return row
        if default is None:
            _raise_missing(key)
        return default

    def has_index_for(self, key: object) -> bool:
        """Tell whether a key has a row; a word that is made of n-grams has none."""
        return self._row(key) >= 0

    def get_vector(self, key: Key, norm: bool = False) -> NDArray[Any]:
        """Give the vector of a key.

        Parameters
        ----------
        key : str or int
        norm : bool
            Scale it to length 1.

        Returns
        -------
        ndarray, shape (dim,)
            A read-only view of a float32 or float16 store where `norm` is false, without a copy.

        Raises
        ------
        KeyError
            The key is missing, and the store has no n-grams to make a vector of.

        Examples
        --------
        >>> kv = embmap.gensim.KeyedVectors(store)
        >>> kv.get_vector("king"), kv.get_vector(5)
        (array([0.9, 0.8, 0.1, 0. ], dtype=float32), array([0.1, 0.1, 0. , 0.9], dtype=float32))
        """
        row = self._row(key)
        vector: NDArray[Any] = self._store._block(row, row + 1)[0] if row >= 0 else self._vectors_of([key])[0]
        if norm:
            vector = unit(vector).astype(np.float32)
        if row >= 0:
            vector.setflags(write=False)
        return vector

    def word_vec(self, key: Key, norm: bool = False) -> NDArray[Any]:
        """Do what `get_vector` does, whose name in gensim 3 this is."""
        return self.get_vector(key, norm)

    def get_vecattr(self, key: Key, attr: str) -> NoReturn:
        """Raise KeyError: a store has words and vectors, and no counts or other attributes of words."""
        self.get_index(key)
        raise KeyError(
            f"no attribute {attr!r}: a store has words and vectors alone (the counts that gensim gives for a file of "
            "vectors are made up from the order of its rows)"
        )

    def get_mean_vector(
        self,
        keys: Sequence[Key | Vector] | Vector,
        weights: ArrayLike | None = None,
        pre_normalize: bool = True,
        post_normalize: bool = False,
        ignore_missing: bool = True,
    ) -> NDArray[np.float32]:
        """Give the weighted mean of vectors.

        Parameters
        ----------
        keys : sequence of str, int or ndarray
            Keys and vectors; the latter count with their own lengths.
        weights : array_like of float, shape (n,), optional
            The mean is the weighted sum over the sum of their absolute values.
        pre_normalize : bool
            Scale the vectors of keys to length 1 first.
        post_normalize : bool
            Scale the mean to length 1.
        ignore_missing : bool
            Pass over keys that are missing; zeros where all are.

        Returns
        -------
        ndarray of float32, shape (dim,)

        Raises
        ------
        ValueError
            There are no keys, or not as many weights.
        KeyError
            A key is missing and `ignore_missing` is false.

        Examples
        --------
        >>> kv = embmap.gensim.KeyedVectors(store)
        >>> kv.get_mean_vector(["king", "unheard-of", "man"], pre_normalize=False)
        array([0.65, 0.85, 0.1 , 0.1 ], dtype=float32)
        """
        if len(keys) == 0:
            raise ValueError("cannot compute mean with no input")
        counts = np.ones(len(keys)) if weights is None else np.asarray(weights, np.float64)
        if counts.shape != (len(keys),):
            raise ValueError("keys and weights array must have same number of elements")
        total, weight_sum = np.zeros(self.vector_size), 0.0
        for key, count in zip(keys, counts.tolist(), strict=True):
            if isinstance(key, np.ndarray):
                vector = self._as_vector(key)
            elif key in self:
                vector = self.get_vector(cast("Key", key), norm=pre_normalize)
            elif ignore_missing:
                continue
            else:
                _raise_missing(key)
            total += count * vector
            weight_sum += abs(count)
        if weight_sum > 0:
            total /= weight_sum
        return (unit(total) if post_normalize else total).astype(np.float32)

    def get_sentence_vector(self, sentence: Sequence[Key]) -> NDArray[np.float32]:
        """Do what `get_mean_vector` does for the words of a sentence, as gensim's FastTextKeyedVectors."""
        return self.get_mean_vector(sentence)

    def __str__(self) -> str:
        return f"{type(self).__name__}<vector_size={self.vector_size}, {len(self)} keys>"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._store!r}>"

    def _row(self, key: object) -> int:
        """Give the row of a key, -1 where there is none."""
        if isinstance(key, (int, np.integer)):
            return int(key) if 0 <= key < len(self) else -1
        try:
            return self._store.index(key)
        except KeyError:
            return -1

    def _vectors_of(self, keys: Sequence[Key]) -> NDArray[np.float32]:
        """Copy the vectors of keys, [n, dim], those of words never seen included."""
        if all(isinstance(key, str) for key in keys):
            ids = self._store.indices(cast("Sequence[str]", keys))
        else:
            ids = np.array([self._row(key) for key in keys], np.int64)
        rows = self._store._rows(ids, None)
        absent = np.flatnonzero(ids < 0)
        words = [keys[i] for i in absent.tolist()]
        for word in words:
            if not (self._infers and isinstance(word, str)):
                _raise_missing(word)
        if words:
            made = np.empty((len(words), self.vector_size), np.float32)
            self._store._subword_vectors(cast("list[str]", words), made)
            rows[absent] = made
        return rows.astype(np.float32, copy=False)

    def _as_vector(self, values: ArrayLike) -> NDArray[np.float32]:
        vector = np.asarray(values, np.float32)
        if vector.shape != (self.vector_size,):
            raise ValueError(f"a vector must have shape ({self.vector_size},), not {vector.shape}")
        return vector

    def _over_norms(self, vector: Vector, rows: range) -> NDArray[np.float32]:
        """Give the products of a vector with each of the rows, over the length of the row; 0 for rows of zeros."""
        return over_lengths(self._store, rows, vector.astype(np.float32, copy=False))


def _raise_missing(key: object) -> NoReturn:
    raise KeyError(f"Key '{key}' not present in vocabulary")
