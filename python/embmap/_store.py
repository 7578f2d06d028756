"""`Store`: a read-only mapping word -> vector over one memory-mapped file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from operator import index as as_int
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._core.vocabulary import Vocab
from ._export.exports import Exports
from ._paths import local
from ._progress import Progress
from ._query import queries as _queries
from ._query import similarity as _similarity
from ._query import texts as _texts
from ._query.forms import Fallback, ids_of_forms
from ._query.gensim_names import GensimNames
from ._query.matrix import Matrix, build_matrix
from ._query.oov import OOV, fill_missing
from ._relocate import reopen_store
from ._words_like import WordsLike

if TYPE_CHECKING:
    from ._query.encode import Tokenizer
    from ._query.knn_graph import GraphReport
    from ._query.queries import Key, Keys, WeightedKeys
    from ._query.similarity import Restrict
    from ._query.texts import Pool


class Store(GensimNames, Exports, Mapping[str, NDArray[np.float32]]):
    """A read-only mapping word -> vector over one memory-mapped file.

    Threads, forked children and spawned processes can all use it at once; they share one copy of the file in memory. It
    pickles by path, so that a worker maps the same file again; if that file has changed, unpickling raises FormatError. One
    that has moved is found with `relocated` or the environment's ``EMBMAP_PATH``.

    Views and tensors that it hands out stay valid after `close`, and whatever writes to them changes no answer. The file
    must not be cut short while it is open: the operating system ends a process that reads past the end of a mapped file.
    `convert` replaces files, which is safe.

    Examples
    --------
    >>> store = embmap.open("vectors.embmap")
    >>> store["king"]
    array([0.9, 0.8, 0.1, 0. ], dtype=float32)
    >>> store.index("queen"), store.word(1), store.get("unheard-of") is None
    (1, 'queen', True)
    >>> store.vectors.shape, store.statistics().shape
    ((6, 4), (2, 4))
    >>> store.verify()  # Nothing is said of a file that is whole.
    >>> with embmap.open("vectors.embmap") as store:
    ...     store.indices(["king", "unheard-of", "queen"])
    array([ 0, -1,  1])
    """

    __slots__ = ()

    def indices_padded(
        self,
        texts: Iterable[Sequence[str]],
        length: int | None = None,
        padding: int = 0,
        *,
        missing: int = -1,
        start: int = 0,
    ) -> NDArray[np.int64]:
        """Find the rows of texts' words, all texts in one array.

        Parameters
        ----------
        texts : iterable of sequences of str
            Each a list of tokens.
        length : int, optional
            Longer texts are cut at their end; by default as many as the longest has.
        padding : int
            What follows the words of a shorter text.
        missing : int
            What stands for a word that is not there.
        start : int
            Added to each row, for a table that starts with other rows, as one of `matrix` with ``start=1`` does.

        Returns
        -------
        ndarray of int64, shape (texts, length)

        Notes
        -----
        Row 0 of a store is a word's. A layer of the whole table (`embmap.torch.embedding`, `embmap.torch.HostEmbedding`)
        with ``padding_idx=len(store)`` has one more row behind the words, of zeros, for what is no word:
        ``store.indices_padded(texts, padding=len(store), missing=len(store))`` feeds it.

        A text without a word that the store has is then nothing but padding. What divides by the number of its words, as a
        masked mean does, or takes a softmax over them, divides by zero there and gives NaN: leave such texts out, or bound
        the number from below by 1.

        Examples
        --------
        >>> store.indices_padded([["king", "queen"], ["man"], ["unheard-of"]], start=1, missing=0)
        array([[1, 2],
               [3, 0],
               [0, 0]])
        """
        return _texts.indices_padded(self, texts, length, padding, missing, start)

    def indices(
        self, words: WordsLike, missing: int = -1, *, fallback: Fallback | Iterable[Fallback] = ()
    ) -> NDArray[np.int64]:
        """Find the rows of words.

        Parameters
        ----------
        words : iterable of str, array of strings, or Arrow column
            A list, a tuple or any iterable of `str`; a one-dimensional NumPy array of them (``U``, ``StringDType``, object,
            or ``S``, UTF-8); or an Arrow column (string, large_string, string_view or a dictionary of them, in one piece or
            several), as pyarrow, polars, pandas and duckdb offer.
        missing : int
            Stands for a word that is not there.
        fallback : str, callable, or several
            Forms tried in turn for a word that is missing, as in `matrix`.

        Returns
        -------
        ndarray of int64, shape (n,)

        Raises
        ------
        TypeError
            An item is no `str`; with its position.

        Examples
        --------
        >>> store.indices(["king", "King", "unheard-of"])
        array([ 0, -1, -1])
        >>> store.indices(["king", "King", "unheard-of"], fallback="lower")
        array([ 0,  0, -1])
        """
        if not fallback:
            return super().indices(words, missing)
        ids = self._find_forms(words, fallback)[0]
        ids[ids < 0] = as_int(missing)
        return ids

    def _find_forms(
        self, words: WordsLike, fallback: Fallback | Iterable[Fallback]
    ) -> tuple[NDArray[np.int64], list[str]]:
        """Find the rows of words by one of their forms, -1 for those that are not there, which come behind."""
        ids, missing = self._find(words)
        if not fallback:
            return ids, missing
        others = ids_of_forms(self, missing, fallback)
        ids[ids < 0] = others
        return ids, [missing[i] for i in np.flatnonzero(others < 0)]

    def encode(
        self,
        texts: str | Iterable[str],
        *,
        tokenizer: Tokenizer | None = None,
        max_length: int | None = None,
        normalize: bool = False,
        unknown: Literal["skip", "count"] = "skip",
    ) -> NDArray[np.float32]:
        """Give a vector for each text: the mean of its tokens' rows, read from the map.

        For stores of model2vec's and sentence-transformers' static models, and for word vectors of any kind with what cuts
        texts into their words.

        Parameters
        ----------
        texts : str or iterable of str
        tokenizer : tokenizers.Tokenizer, path, or callable, optional
            A tokenizer, which adds no special tokens here and does not pad, but truncates where it is set to; a
            ``tokenizer.json``, or a folder with one, of which texts may be as long as they are; or a function from a text to
            its words. By default the one of the model on the hub that the store was loaded from.
        max_length : int, optional
            Take so many tokens of a text, from its start; model2vec takes 512.
        normalize : bool
            Scale each vector to length 1.
        unknown : {"skip", "count"}
            Whether the tokenizer's token for what it does not know is left out, as in model2vec, or counts in the mean, as
            in sentence-transformers. What the store has no row for is left out in any case.

        Returns
        -------
        ndarray of float32, shape (n, dim), or (dim,) for one str
            Zeros for a text without tokens.

        Raises
        ------
        ValueError
            The store does not say how texts are cut, and `tokenizer` is missing.
        ImportError
            The ``tokenizers`` package is not installed.

        Examples
        --------
        >>> store.encode(["king queen", "unheard-of"], tokenizer=str.split).any(1)
        array([ True, False])
        """
        from ._query.encode import encode  # Imported by who asks, as the next one is: most only look words up.

        return encode(self, texts, tokenizer, max_length, normalize, unknown)

    @overload
    def lookup(
        self,
        words: WordsLike,
        *,
        oov: OOV = "zeros",
        out: NDArray[Any] | None = None,
        seed: int = 0,
        fallback: Fallback | Iterable[Fallback] = (),
    ) -> NDArray[Any]: ...
    @overload
    def lookup(
        self,
        words: Iterable[Sequence[str]],
        *,
        pool: Pool,
        weights: Mapping[str, float] | None = None,
    ) -> NDArray[np.float32]: ...
    def lookup(
        self,
        words: WordsLike | Iterable[Sequence[str]],
        *,
        oov: OOV = "zeros",
        out: NDArray[Any] | None = None,
        seed: int = 0,
        fallback: Fallback | Iterable[Fallback] = (),
        pool: Pool | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> NDArray[Any]:
        """Copy the rows of words, or one row for each of several texts, as float32 whatever the store's type.

        Parameters
        ----------
        words : iterable of str, array of strings, or Arrow column
            As `indices` takes them; repeats are fine. With `pool`, an iterable of lists of tokens.
        oov : str, callable or array_like
            What stands in for a missing word; as in `matrix`, with ``scale=0.6``.
        out : ndarray of float32 or float16, shape (n, dim), C-contiguous, optional
            Filled and returned; a new array otherwise.
        seed : int
            For ``oov="normal"`` and ``"fitted"``.
        fallback : str, callable, or several
            Forms tried in turn for a word that is missing, as in `matrix`: ``"lower"``, ``("lower", "nfc")``, ...
        pool : {"mean", "sum", "tfidf"}, optional
            One row a text, made of its words' rows without a matrix of those between. Words that are missing are passed
            over; a text without any other is zeros, whose cosine with anything is 0 divided by 0: find such texts with
            ``rows.any(axis=1)``. ``"tfidf"`` is the mean weighted by inverse document frequency, that of these texts,
            ``ln((1 + n) / (1 + df)) + 1``, or `weights`.
        weights : mapping of str to float, optional
            What each word counts; words that are not in it count nothing.

        Returns
        -------
        ndarray, shape (n, dim)

        Examples
        --------
        >>> store.lookup([["king", "man"], []], pool="sum")
        array([[1.3, 1.7, 0.2, 0.2],
               [0. , 0. , 0. , 0. ]], dtype=float32)
        >>> store.lookup(["king", "unheard-of"])
        array([[0.9, 0.8, 0.1, 0. ],
               [0. , 0. , 0. , 0. ]], dtype=float32)
        """
        if pool is not None:
            if out is not None or fallback or not isinstance(oov, str) or oov != "zeros":
                what = "with pool, missing words are passed over and a new array is given"
                raise ValueError(f"{what}: no oov, no out, no fallback")
            return _texts.pooled(self, cast("Iterable[Sequence[str]]", words), pool, weights)
        if weights is not None:
            raise ValueError("weights are for pool")
        ids, missing = self._find_forms(cast("WordsLike", words), fallback)
        rows = self._rows(ids, out)
        fill_missing(self, missing, np.flatnonzero(ids < 0), rows, oov, scale=0.6, seed=seed)
        return rows

    def subword_vector(self, word: str) -> NDArray[np.float32]:
        """Give the vector that fastText gives to a word it has never seen: the mean of the vectors of its n-grams.

        Many words at once are ``lookup(words, oov="subword")``. A word that the store has is not looked up: what its n-grams
        alone give is another vector than ``store[word]``.

        Parameters
        ----------
        word : str
            Zeros where it has no n-grams, as fastText gives: a word shorter than they are.

        Returns
        -------
        ndarray of float32, shape (dim,)
            Of length 1 where the store was made with ``normalize=True``, as the vectors of its words are.

        Raises
        ------
        ValueError
            The store was not made from a model with n-grams of characters: fastText's ``.bin`` or ``.ftz``, gensim's
            FastText, floret's.

        Examples
        --------
        >>> embmap.convert("model.bin", "model.embmap").rows
        3
        >>> with embmap.open("model.embmap") as model:
        ...     model.subword_vector("unheard-of").shape
        (4,)
        """
        if not isinstance(word, str):
            raise TypeError(f"word must be str, not {type(word).__name__}")
        row = np.empty(self.dim, np.float32)
        self._subword_vectors((word,), row[np.newaxis])
        return row

    def matrix(
        self,
        vocab: Vocab,
        *,
        start: int = 0,
        padding_idx: int | None = None,
        oov: OOV = "normal",
        scale: float = 0.6,
        seed: int = 0,
        fallback: Fallback | Iterable[Fallback] = (),
        dtype: DTypeLike | None = None,
    ) -> Matrix:
        """Build the embedding matrix of a task.

        Parameters
        ----------
        vocab : iterable of str, array of strings, Arrow column, mapping of str to int, or tokenizer
            Words whose rows are ``start``, ``start + 1``, ...; or word -> row, as Keras' ``word_index`` and torchtext's
            ``stoi`` are, with as many rows as the highest asks for; or an object that has one of them: a tokenizer with
            ``get_vocab()``, torchtext's `Vocab` with ``get_stoi()``, a Keras layer with ``get_vocabulary()``. Rows that no
            word owns are zeros. The empty word is the padding, as Keras has it: its row is zeros, and it counts neither as
            found nor as missing.
        start : int
            Row of the first word of a list; 1 keeps row 0 for padding.
        padding_idx : int, optional
            This row is zeros; its word, if it has one, counts neither as found nor as missing.
        oov : str, callable or array_like
            Rows of missing words: ``"normal"``, drawn from N(0, `scale`); ``"fitted"``, drawn with the store's own mean
            and deviation per dimension; ``"mean"``, the mean row; ``"zeros"``; ``"error"``, a KeyError; a callable
            ``word -> row``; or one row for all. ``"subword"`` is what fastText gives to words that it has never seen, from
            the n-grams of one of its models (`subword_vector`). A drawn row depends on word and seed alone: not on the
            order, the run or the platform.
        scale : float
            Standard deviation for ``"normal"``.
        seed : int
            For ``"normal"`` and ``"fitted"``.
        fallback : str, callable, or several
            Forms tried in turn for a word that is missing: ``"lower"``, ``"upper"``, ``"title"``, ``"casefold"``,
            ``"nfc"``, ``"nfd"``, ``"nfkc"``, ``"nfkd"``, or a callable ``word -> str | None``.
        dtype : dtype, optional
            Floating-point type of the matrix, converted to on the way; float32 by default, whatever the store's.

        Returns
        -------
        Matrix

        Raises
        ------
        ValueError
            Two words on one row, one word on two, or `padding_idx` out of range.
        TypeError
            A Counter, whose numbers are no rows; a mapping row -> word; rows that are not int.

        Examples
        --------
        >>> matrix = store.matrix(["<pad>", "King", "unheard-of"], padding_idx=0, fallback="lower")
        >>> matrix.shape, matrix.found, matrix.missing, matrix.coverage
        ((3, 4), ['King'], ['unheard-of'], 0.5)
        """
        return build_matrix(
            self,
            vocab,
            start=start,
            padding_idx=padding_idx,
            oov=oov,
            scale=scale,
            seed=seed,
            fallback=fallback,
            dtype=dtype,
        )

    def neighbors(
        self,
        queries: Keys,
        k: int = 10,
        *,
        restrict: Restrict = None,
        exclude: Iterable[str] = (),
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the rows nearest to words or vectors by cosine, exactly.

        Parameters
        ----------
        queries : str, iterable of str, or array_like of float, shape (dim,) or (n, dim)
            Words, as a NumPy array of them too, or vectors: arrays, lists of floats, tensors of PyTorch on any device. A
            word is nearest to itself.
        k : int
            How many.
        restrict : int or iterable of str, optional
            Only the first so many rows, or the rows of these words, can be found.
        exclude : iterable of str
            Words that cannot be found.

        Returns
        -------
        ids, cosines : ndarray, shape (k,) for one query, (n, k) for several
            Best first; in a tie, lower ids first. Fewer than `k` where there are fewer rows to find.

        Raises
        ------
        KeyError
            A word is missing.
        TypeError
            These are whole numbers: the vectors of rows by number are ``store.take(ids)``.

        Examples
        --------
        >>> ids, cosines = store.neighbors("king", k=2)
        >>> [store.word(i) for i in ids]
        ['king', 'man']
        """
        if k < 0:
            raise ValueError(f"k must not be negative, not {k}")
        vectors, single = _queries.queries_of(self, queries)
        ids, cosines = _similarity.neighbors(self, vectors, k, restrict, _similarity.rows_of(self, exclude))
        return (ids[0], cosines[0]) if single else (ids, cosines)

    @overload
    def most_similar(
        self,
        positive: WeightedKeys = (),
        negative: WeightedKeys = (),
        topn: int = 10,
        *,
        restrict: Restrict = None,
        exclude: Iterable[str] = (),
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]]: ...
    @overload
    def most_similar(
        self,
        positive: WeightedKeys = (),
        negative: WeightedKeys = (),
        *,
        topn: None,
        restrict: int | None = None,
        restrict_vocab: int | None = None,
    ) -> NDArray[np.float32]: ...
    def most_similar(
        self,
        positive: WeightedKeys = (),
        negative: WeightedKeys = (),
        topn: int | None = 10,
        *,
        restrict: Restrict = None,
        exclude: Iterable[str] = (),
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to a mean, `positive` words and vectors added, `negative` ones taken away.

        Words enter with length 1, vectors with their own. As gensim's method of this name.

        Parameters
        ----------
        positive, negative : word, vector, ``(word or vector, weight)``, or several
            A weight replaces +1 or -1.
        topn : int or None
            How many; the words asked with are left out. ``None``: the cosines of all rows, those of these words too.
        restrict, exclude
            As in `neighbors`.
        restrict_vocab : int, optional
            gensim's name for a number of rows as `restrict`; 0 is all of them.

        Returns
        -------
        list of (str, float), or ndarray of float32
            Words and cosines, best first; where `topn` is None, cosines in row order.

        Examples
        --------
        >>> store.most_similar(positive=["king", "woman"], negative=["man"], topn=1)[0][0]
        'queen'
        """
        return _similarity.ranked(self, positive, negative, topn, restrict, exclude, restrict_vocab)

    def analogy(self, a: Key, b: Key, c: Key, topn: int = 10) -> list[tuple[str, float]]:
        """Find words that are to `c` as `b` is to `a`: nearest to ``b - a + c``.

        Examples
        --------
        >>> store.analogy("man", "king", "woman", topn=1)[0][0]
        'queen'
        """
        return self.most_similar(positive=[b, c], negative=[a], topn=topn)

    def similarity(self, a: Key, b: Key) -> float:
        """Cosine of two words or vectors, 0 where one is zeros; KeyError for a missing word.

        Examples
        --------
        >>> round(store.similarity("king", "queen"), 3)
        0.664
        """
        return _similarity.cosine(self, a, b)

    def similarity_matrix(self, words: Keys, others: Keys | None = None) -> NDArray[np.float32]:
        """Cosines of several words or vectors with each other, or with others.

        Parameters
        ----------
        words, others : str, iterable of str, or array_like of float, shape (dim,) or (n, dim)
            As the queries of `neighbors`. Without `others`, `words` twice.

        Returns
        -------
        ndarray of float32, shape (len(words), len(others))
            Calculated in float64; 0 where one is of zeros.

        Raises
        ------
        KeyError
            A word is missing.
        ValueError
            A vector has another dimension, or a number that is not finite.

        Examples
        --------
        >>> store.similarity_matrix(["king", "man"], ["queen", "woman"]).round(2)
        array([[0.66, 0.53],
               [0.43, 0.49]], dtype=float32)
        """
        first, _ = _queries.queries_of(self, words)
        second = first if others is None else _queries.queries_of(self, others)[0]
        for vectors in (first, second):
            _queries.check_finite(vectors)
        return (_similarity.unit(first) @ _similarity.unit(second).T).astype(np.float32)

    def knn_graph(
        self,
        path: str | os.PathLike[str],
        k: int = 10,
        *,
        restrict: int | None = None,
        progress: bool | Progress | None = None,
    ) -> GraphReport:
        """Write the nearest rows of every row to a file: a k-nearest-neighbours graph, exact, row by row.

        For what is made of such graphs: clusters, near duplicates, layouts. Memory holds the rows of one pass.

        Parameters
        ----------
        path : path
            ``.npz``: a sparse matrix that `scipy.sparse.load_npz` reads, as scikit-learn's ``kneighbors_graph`` gives, a
            row's neighbours best first, cosines as its data. ``.parquet`` (needs pyarrow): the columns source, target and
            cosine. A file that is there is replaced once the graph is whole.
        k : int
            Neighbours of each row, itself left out; fewer where there are fewer rows.
        restrict : int, optional
            Only the first so many rows, which are asked with and found.
        progress : bool or callable, optional
            ``True`` for a bar, or a callable ``(done_rows, total_rows)``.

        Returns
        -------
        GraphReport
            Path, rows, k, bytes, seconds.

        Raises
        ------
        ValueError
            The suffix is another, `k` is not positive, or `restrict` is negative.
        OSError
            The file cannot be written; nothing is left behind.

        Examples
        --------
        >>> store.knn_graph("graph.npz", k=2).rows
        6
        >>> import scipy.sparse
        >>> graph = scipy.sparse.load_npz("graph.npz")
        >>> [store.word(i) for i in graph[store.index("king")].indices]
        ['man', 'queen']
        """
        from ._query.knn_graph import knn_graph

        return knn_graph(self, local(path), k, restrict, progress)

    def doesnt_match(self, words: Iterable[str]) -> str:
        """Give the word farthest from the mean of all; words that are missing are passed over.

        Raises
        ------
        TypeError
            This is one `str`, which is not split.
        ValueError
            None of the words is there.

        Examples
        --------
        >>> store.doesnt_match(["king", "queen", "apple"])
        'apple'
        """
        return _similarity.doesnt_match(self, words)

    def __reduce__(self) -> tuple[Any, ...]:
        # A `Path` of one system cannot be made on another.
        return _reopen, (str(self.path), self.identity)


def _reopen(path: str | Path, identity: bytes) -> Store:
    return reopen_store(path, identity, Store)
