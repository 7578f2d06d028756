"""gensim's `KeyedVectors` over a store: change the import, keep the code that reads.

    from gensim.models import KeyedVectors       becomes       from embmap.gensim import KeyedVectors

Neither the import nor any method needs gensim. Names, arguments, the order of answers and their values are those of gensim
4.4, but for what is said here.

=====================================================  =================================================================
gensim                                                 here
=====================================================  =================================================================
``KeyedVectors.load_word2vec_format(path, ...)``       the same; converts once into the cache, opens from then on
``KeyedVectors.load(path, mmap="r")``                  the same for a store or what `embmap.load` reads; always mapped
``models.fasttext.load_facebook_vectors(path)``        ``embmap.gensim.load_facebook_vectors(path)``
``gensim.downloader.load(name)``                       ``KeyedVectors.load(path)`` of a file that you have
``kv[key]``, ``kv[keys]``, ``kv.get_vector`` ...       the same
``kv.most_similar``, ``kv.similarity``, ``kv.rank``    the same, as all the other questions
``kv.wmdistance(a, b)``                                the same, by POT as there
``kv.evaluate_word_analogies``, ``_word_pairs``        the same; the latter by scipy as there
``kv.save(path)``                                      a copy of the store, which ``load`` here and `embmap.open` read
``kv.save_word2vec_format(path)``                      the same, by `Store.export`
``kv.vectors_for_all(keys)``                           the same, in a temporary file
``kv.add_vectors``, ``kv[key] = vector`` ...           TypeError: ``store.to_gensim()`` and `embmap.Writer` are for that
``model.wv``, training                                 gensim; `embmap.from_gensim` takes what it trained
=====================================================  =================================================================

What differs:

* ``KeyedVectors`` takes a store, not a dimension: there are no empty ones to fill.
* Vectors are read-only, and the methods that change them raise TypeError. ``fill_norms`` and ``init_sims`` do nothing: a
  store has the lengths of its rows. ``kv.vectors`` cannot be assigned to.
* Of a pickle of gensim's own ``save`` the words and vectors are read, a `FastText`'s n-grams too, and nothing is run.
* ``index_to_key`` is a sequence and ``key_to_index`` a mapping, which look up in the file and equal a list and a dict of the
  same; ``list()`` and ``dict()`` make them Python's own.
* What gensim logs or keeps for its own files is not there: ``log_accuracy``, ``add_lifecycle_event``, ``mapfile_path``.
* ``get_vecattr`` raises KeyError: there are no counts. ``fvocab=`` is refused; the counts that gensim gives without it are
  made up. ``vectors_for_all(copy_vecattrs=True)`` has none to copy.
* `load_word2vec_format`: a header that announces other than the rows that are there is a ParseError; gensim raises EOFError
  where they are fewer and leaves out those that are more. A word that is not UTF-8 is a ParseError, not a UnicodeDecodeError
  (both are ValueErrors). ``KeyedVectors(embmap.load(path, on_bad_row="skip"))`` takes what there is. Words keep the spaces
  inside them. A packed file is known by its content. ``datatype`` is float32 or float16. Of a
  word that comes again the first row stays, as in gensim, which also leaves an empty place, a key None, at the end.
* In a tie the lower row comes first; gensim leaves the order open.
* A row of zeros has cosine 0 with everything and, scaled to length 1, stays zeros; gensim gives nan and a warning. A query
  with a number that is not finite is a ValueError.
* ``for vector in kv`` ends after the last row; in gensim with a KeyError. ``kv[[]]`` is of shape (0, dim).
* ``most_similar_cosmul`` heeds ``restrict_vocab``, which gensim takes and forgets, and takes numbers of rows.
* ``evaluate_word_analogies`` of a file without questions is 0.0, not a ZeroDivisionError, and refuses a
  ``similarity_function``, which gensim takes and forgets.
* ``indexer=`` takes an index of `embmap.ann`, or an index of gensim's that was made before.
* ``word_vec`` and ``words_closer_than`` give no warning. Nothing is logged.
* Of fastText models, unseen words have vectors and every word is ``in``, as in gensim's `FastTextKeyedVectors`; numbers of
  rows work too. ``</s>`` of fastText's own models has its own row alone, as in fastText; gensim adds n-grams to it. A table
  of floret's has vectors for all words, and no words to find.
"""

from __future__ import annotations

import codecs
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ._atomic_file import new_file
from ._core.writer import write
from ._ingest.load import load
from ._keyed_vectors import evaluate as _gensim_evaluate
from ._keyed_vectors.similar import SimilarKeys
from ._store import Store

if TYPE_CHECKING:
    from ._keyed_vectors.evaluate import Answers

__all__ = ["KeyedVectors", "load_facebook_vectors"]


class KeyedVectors(SimilarKeys):
    """Words and their vectors, with the methods of gensim's class of this name.

    Parameters
    ----------
    store : Store
        The answers come from it; nothing is copied.

    Raises
    ------
    TypeError
        It is no store.

    Examples
    --------
    >>> kv = embmap.gensim.KeyedVectors(store)
    >>> kv["king"]
    array([0.9, 0.8, 0.1, 0. ], dtype=float32)
    >>> kv[["king", "queen"]].shape, kv.index_to_key[:2], kv.key_to_index["queen"]
    ((2, 4), ['king', 'queen'], 1)
    """

    @classmethod
    def load_word2vec_format(
        cls,
        fname: str | os.PathLike[str],
        fvocab: str | None = None,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
        limit: int | None = None,
        datatype: DTypeLike = np.float32,
        no_header: bool = False,
    ) -> Self:
        """Open vectors of word2vec's or GloVe's formats, converting them into the cache the first time.

        Parameters
        ----------
        fname : path
            Packed or not.
        binary : bool
            The file is of word2vec's binary format.
        encoding : str
            How the words are written, by Python's name.
        unicode_errors : {"strict", "replace", "ignore", "backslashreplace"}
            What happens to words that are not in that encoding.
        limit : int, optional
            Only the first so many rows.
        datatype : dtype
            float32 or float16.
        no_header : bool
            The first line of the text is a vector, as in GloVe's files.
        fvocab
            Refused.

        Returns
        -------
        KeyedVectors

        Raises
        ------
        NotImplementedError
            An argument asks for what a store cannot have; the message names it.
        ParseError, OSError
            As `embmap.load` does.

        Examples
        --------
        >>> kv = embmap.gensim.KeyedVectors.load_word2vec_format("vectors.txt", no_header=True)
        >>> len(kv), kv.vector_size
        (6, 4)
        """
        if fvocab is not None:
            raise NotImplementedError("fvocab: a store has no counts of words; read that file beside it")
        if unicode_errors not in ("strict", "replace", "ignore", "backslashreplace"):
            raise NotImplementedError(
                f"unicode_errors: 'strict', 'replace', 'ignore' or 'backslashreplace', not {unicode_errors!r}"
            )
        if (dtype := np.dtype(datatype)) not in (np.float32, np.float16):
            raise NotImplementedError(f"datatype: float32 or float16, not {dtype}; embmap.load(dtype=) has others")
        if binary and no_header:
            raise NotImplementedError("no_header: only for text; a binary file has a header always")
        options: dict[str, Any] = (
            {"format": "word2vec-binary"} if binary else {"format": "text", "header": not no_header}
        )
        options |= {"encoding": encoding, "errors": unicode_errors, "limit": limit or None, "dtype": dtype.name}
        return cls(load(fname, **options))

    @classmethod
    def load(cls, fname: str | os.PathLike[str], mmap: str | None = None) -> Self:
        """Open a store, or what `embmap.load` reads.

        Parameters
        ----------
        fname : path
        mmap : str, optional
            Whatever it is, the vectors are mapped, read-only.

        Returns
        -------
        KeyedVectors

        Raises
        ------
        ParseError
            It cannot be read. Of a pickle, as gensim's `save` writes it, the words and vectors are read, and nothing is run.
        OSError
            As `embmap.load` does.

        Examples
        --------
        >>> embmap.gensim.KeyedVectors.load("vectors.embmap", mmap="r").similar_by_word("king", topn=1)[0][0]
        'man'
        """
        return cls(load(fname))

    def save(self, fname: str | os.PathLike[str]) -> None:
        """Copy the store to a file, which `load` opens; one that is there is replaced, whole.

        Examples
        --------
        >>> embmap.gensim.KeyedVectors(store).save("saved.embmap")
        >>> len(embmap.gensim.KeyedVectors.load("saved.embmap"))
        6
        """
        with new_file(Path(fname)) as temporary:
            shutil.copyfile(self.store.path, temporary)

    def save_word2vec_format(
        self,
        fname: str | os.PathLike[str],
        fvocab: str | None = None,
        binary: bool = False,
        total_vec: int | None = None,
        write_header: bool = True,
        prefix: str = "",
        append: bool = False,
        sort_attr: str = "count",
    ) -> None:
        """Write text or word2vec's binary format, in row order.

        Parameters
        ----------
        fname : path
            A file that is there is replaced, whole.
        binary : bool
        write_header : bool
            Without it text is as GloVe writes it.
        sort_attr : str
            A store has no attributes of words, and so keeps its order, as gensim does without them.
        fvocab, total_vec, prefix, append
            Refused.

        Raises
        ------
        NotImplementedError
            An argument asks for what `Store.export` does not do; the message names it.
        ValueError, OSError
            As `Store.export` does.

        Examples
        --------
        >>> embmap.gensim.KeyedVectors(store).save_word2vec_format("vectors.bin", binary=True)
        >>> embmap.gensim.KeyedVectors.load_word2vec_format("vectors.bin", binary=True)["king"]
        array([0.9, 0.8, 0.1, 0. ], dtype=float32)
        """
        if fvocab is not None:
            raise NotImplementedError("fvocab: a store has no counts of words")
        if total_vec not in (None, len(self)):
            raise NotImplementedError(f"total_vec: there are {len(self)} rows, and the header says so, not {total_vec}")
        if prefix:
            raise NotImplementedError(f"prefix: words are written as they are, without {prefix!r}")
        if append:
            raise NotImplementedError("append: the file is written whole; embmap.merge makes one store of several")
        if binary and not write_header:
            raise NotImplementedError("write_header: a binary file has a header always")
        if Path(fname).suffix.lower() in (".gz", ".bz2", ".xz", ".zst"):
            raise NotImplementedError(f"fname: files are written unpacked, and {Path(fname).name} would not be")
        self.store.export(fname, "word2vec-binary" if binary else "word2vec" if write_header else "glove")

    def vectors_for_all(
        self, keys: Iterable[str], allow_inference: bool = True, copy_vecattrs: bool = False
    ) -> KeyedVectors:
        """Give the vectors of some words alone.

        Parameters
        ----------
        keys : iterable of str
            Words that are missing are passed over, and those that come again.
        allow_inference : bool
            Make vectors of n-grams for words that were never seen, where the store has n-grams.
        copy_vecattrs : bool
            There are none.

        Returns
        -------
        KeyedVectors
            Over a store of float32 in a temporary file, which is gone when the object is: ``save`` keeps it. It has no
            n-grams.

        Raises
        ------
        OSError
            The temporary file cannot be written.

        Examples
        --------
        >>> small = embmap.gensim.KeyedVectors(store).vectors_for_all(["queen", "unheard-of", "king"])
        >>> small.index_to_key
        <2 words: 'queen', 'king'>
        """
        known = self if allow_inference else self.key_to_index
        words = [word for word in dict.fromkeys(keys) if word in known]
        folder = tempfile.mkdtemp(prefix="embmap-")
        try:
            write(Path(folder, "vectors.embmap"), words, self._vectors_of(words))
            made = KeyedVectors(Store(Path(folder, "vectors.embmap")))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(made, _remove, folder, os.getpid())
        return made

    def evaluate_word_analogies(
        self,
        analogies: str | os.PathLike[str],
        restrict_vocab: int = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
        similarity_function: str = "most_similar",
    ) -> tuple[float, list[Answers]]:
        r"""Answer a file of analogies; `embmap.evaluate` gives the counts alone, and is quicker to read.

        Parameters
        ----------
        analogies : path
            Lines of four words, ``man king woman queen``, in sections that start with ``: name``.
        restrict_vocab : int
            Only the first so many words count as known and as answers.
        case_insensitive : bool
            Compare words in upper case; of words that differ in case alone the first row counts.
        dummy4unknown : bool
            Count questions with unknown words as answered wrongly; otherwise they are passed over.
        similarity_function : {"most_similar"}
            ``embmap.evaluate(method="3cosmul")`` has the other way.

        Returns
        -------
        score : float
            The share of right answers.
        sections : list of dict
            With the keys ``section``, its name, ``correct`` and ``incorrect``, lists of four words; the last one is of all
            and is called ``Total accuracy``.

        Raises
        ------
        ValueError
            A question comes before the first section.
        OSError
            The file cannot be read.

        Examples
        --------
        >>> _ = Path("questions.txt").write_text(": family\nman king woman queen\n")
        >>> score, sections = embmap.gensim.KeyedVectors(store).evaluate_word_analogies("questions.txt")
        >>> score, sections[0]["correct"]
        (1.0, [('MAN', 'KING', 'WOMAN', 'QUEEN')])
        """
        if similarity_function != "most_similar":
            raise NotImplementedError(
                "similarity_function: 'most_similar'; embmap.evaluate(method='3cosmul') has cosmul"
            )
        return _gensim_evaluate.analogies(self.store, analogies, restrict_vocab, case_insensitive, dummy4unknown)

    def evaluate_word_pairs(
        self,
        pairs: str | os.PathLike[str],
        delimiter: str = "\t",
        encoding: str = "utf8",
        restrict_vocab: int = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
    ) -> tuple[Any, Any, float]:
        r"""Compare cosines with people's judgements of how similar words are; `embmap.evaluate` does so without scipy.

        Parameters
        ----------
        pairs : path
            Lines of two words and a number.
        delimiter : str
            What stands between them.
        encoding : str
            Of that file.
        restrict_vocab, case_insensitive
            As in `evaluate_word_analogies`.
        dummy4unknown : bool
            Count pairs with unknown words as of similarity 0; otherwise they are passed over.

        Returns
        -------
        pearson, spearman : scipy's results
            ``(correlation, p-value)``.
        oov_ratio : float
            Pairs with an unknown word, in percent.

        Raises
        ------
        ValueError
            No pair is known.
        OSError
            The file cannot be read.
        ImportError
            scipy is not installed.

        Examples
        --------
        >>> _ = Path("pairs.tsv").write_text("king\tqueen\t8\nking\tpear\t1\nking\tman\t6\n")
        >>> pearson, spearman, unknown = embmap.gensim.KeyedVectors(store).evaluate_word_pairs("pairs.tsv")
        >>> round(float(spearman[0]), 2), unknown
        (0.5, 0.0)
        """
        return _gensim_evaluate.pairs(
            self.store, pairs, delimiter, encoding, restrict_vocab, case_insensitive, dummy4unknown
        )


def _remove(folder: str, pid: int) -> None:
    # A forked child has a copy of the object, whose end is not that of the file.
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def load_facebook_vectors(path: str | os.PathLike[str], encoding: str = "utf-8") -> KeyedVectors:
    """Open a fastText model, converting it into the cache the first time; words never seen have vectors too.

    Parameters
    ----------
    path : path
        ``.bin`` or ``.ftz``.
    encoding : str
        UTF-8, which is what fastText writes.

    Returns
    -------
    KeyedVectors

    Raises
    ------
    NotImplementedError
        Another encoding.
    ParseError, OSError
        As `embmap.load` does.

    Examples
    --------
    >>> kv = embmap.gensim.load_facebook_vectors("model.bin")
    >>> kv["unheard-of"].shape, "unheard-of" in kv, kv.has_index_for("unheard-of")
    ((4,), True, False)
    """
    if codecs.lookup(encoding).name != "utf-8":
        raise NotImplementedError(f"encoding: a store's words are UTF-8, not {encoding!r}")
    return KeyedVectors(load(path, format="fasttext"))
