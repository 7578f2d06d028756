"""A transformer for scikit-learn: texts to one vector each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ._optional import need

need("sklearn", "embmap.sklearn", "'embmap[scikit-learn]'")

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ._open import open as open_store
from ._query.texts import inverse_document_frequencies, python_text
from ._store import Store

__all__ = ["EmbeddingVectorizer"]


class EmbeddingVectorizer(TransformerMixin, BaseEstimator):
    r"""Turn each text into the mean, or the sum, of its words' vectors.

    It takes the place of `TfidfVectorizer` in a `Pipeline`. It pickles by the path of the store, a few hundred bytes, so
    that joblib's workers map the same file, and a pipeline that was saved opens it where it lies, or where
    `embmap.relocated` and ``EMBMAP_PATH`` say.

    Parameters
    ----------
    store : Store or path
        The vectors; a path is opened when texts come.
    pooling : {"mean", "sum", "tfidf"}
        ``"tfidf"``: the mean weighted by how rare a word is in the texts that `fit` saw, as scikit-learn smooths it.
    lowercase : bool
        As in `CountVectorizer`. GloVe's published words are in small letters, word2vec's and fastText's in both.
    token_pattern : str
        What a token is, where `tokenizer` is not given; the text of its one group, if it has one.
    tokenizer : callable, optional
        Gives the tokens of a text. Texts that are lists of tokens already are taken as they are.

    Attributes
    ----------
    weights_ : dict of str to float
        With ``pooling="tfidf"``: the inverse document frequency of each word.

    Examples
    --------
    >>> from embmap.sklearn import EmbeddingVectorizer
    >>> vectorizer = EmbeddingVectorizer(store)
    >>> vectorizer.fit_transform(["The king and the queen", "unheard-of"]).shape
    (2, 4)
    """

    def __init__(
        self,
        store: Store | str | os.PathLike[str],
        pooling: Literal["mean", "sum", "tfidf"] = "mean",
        *,
        lowercase: bool = True,
        token_pattern: str = r"(?u)\b\w+\b",
        tokenizer: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        # As they are: scikit-learn clones an estimator from its arguments.
        self.store = store
        self.pooling: Literal["mean", "sum", "tfidf"] = pooling
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.tokenizer = tokenizer

    def fit(self, X: Iterable[str | Sequence[str]], y: Any = None) -> Self:  # noqa: N803
        """Count in how many texts each word is, where ``pooling="tfidf"`` asks for it.

        Parameters
        ----------
        X : iterable of str, or of lists of str
            Texts.
        y : ignored

        Returns
        -------
        EmbeddingVectorizer
            Itself.

        Raises
        ------
        ValueError, TypeError
            `pooling` is none of its values; `X` is one string, or holds what is no text.

        Examples
        --------
        >>> vectorizer = EmbeddingVectorizer(store, pooling="tfidf").fit(["the king", "the queen"])
        >>> {word: round(weight, 3) for word, weight in sorted(vectorizer.weights_.items())}
        {'king': 1.405, 'queen': 1.405, 'the': 1.0}
        """
        if self.pooling not in ("mean", "sum", "tfidf"):
            raise ValueError(f"pooling must be 'mean', 'sum' or 'tfidf', not {self.pooling!r}")
        texts = self._tokens(X)
        # A file that was replaced is read anew.
        self.__dict__.pop("_of", None)
        if self.pooling == "tfidf":
            self.weights_ = inverse_document_frequencies(texts)
        self._n_features_out = self._opened().dim
        return self

    def fit_transform(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        X: Iterable[str | Sequence[str]],  # noqa: N803
        y: Any = None,
    ) -> NDArray[np.float32]:
        """Do what `fit` and `transform` do; texts that can be read once only, as a generator's, will do.

        Examples
        --------
        >>> EmbeddingVectorizer(store, pooling="sum").fit_transform(text for text in ["King, man!"])
        array([[1.3, 1.7, 0.2, 0.2]], dtype=float32)
        """
        # scikit-learn takes the index of pandas from what `transform` is given.
        texts = list(X) if isinstance(X, Iterator) else X
        return self.fit(texts).transform(texts)

    def transform(self, X: Iterable[str | Sequence[str]]) -> NDArray[np.float32]:  # noqa: N803
        """Give each text's vector.

        Parameters
        ----------
        X : iterable of str, or of lists of str

        Returns
        -------
        ndarray of float32, shape (texts, dim)
            Zeros for a text without a word that the store has.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            `fit` was not called.

        Examples
        --------
        >>> vectorizer = EmbeddingVectorizer(store).fit(["The king"])
        >>> vectorizer.transform(["The Queen", ["king", "man"], "unheard-of"])
        array([[0.9 , 0.1 , 0.8 , 0.  ],
               [0.65, 0.85, 0.1 , 0.1 ],
               [0.  , 0.  , 0.  , 0.  ]], dtype=float32)
        """
        check_is_fitted(self, ["_n_features_out", *(["weights_"] if self.pooling == "tfidf" else [])])
        texts = self._tokens(X)
        if self.pooling == "tfidf":
            return self._opened().lookup(texts, pool="mean", weights=self.weights_)
        return self._opened().lookup(texts, pool=self.pooling)

    def _opened(self) -> Store:
        if isinstance(self.store, Store):
            return self.store
        path = os.fspath(self.store)
        if self.__dict__.get("_of", ("",))[0] != path:
            self._of = path, open_store(path)
        return self._of[1]

    def _tokens(self, texts: Iterable[str | Sequence[str]]) -> list[Sequence[str]]:
        if isinstance(texts, (str, bytes)):
            raise ValueError("expected an iterable of texts, found one string")
        if len(shape := getattr(texts, "shape", ())) > 1:
            # Iterating over a table gives the names of its columns.
            raise ValueError(f"expected an iterable of texts, found a table of shape {shape}: take one of its columns")
        tokens_of = self.tokenizer or re.compile(self.token_pattern).findall
        found: list[Sequence[str]] = []
        for position, given in enumerate(texts):
            text: Any = python_text(given)
            if isinstance(text, str):
                found.append(tokens_of(text.lower() if self.lowercase else text))
            elif isinstance(text, (list, tuple)) and all(isinstance(token, str) for token in text):
                found.append(text)
            else:
                raise TypeError(f"text {position} is a {type(text).__name__}, not a string or a list of tokens")
        return found

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the numbers of a vector: ``embedding0``, ``embedding1``, ...

        Examples
        --------
        >>> EmbeddingVectorizer(store).fit(["The king"]).get_feature_names_out().tolist()
        ['embedding0', 'embedding1', 'embedding2', 'embedding3']
        """
        check_is_fitted(self, "_n_features_out")
        return np.array([f"embedding{i}" for i in range(self._n_features_out)], object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = True
        return tags
