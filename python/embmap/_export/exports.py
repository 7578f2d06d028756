"""The ways out of a store: other stores, other libraries, other formats."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .._choices import OnMissing, TensorMode
from .._core import writer as _write
from .._core.store import CoreStore
from . import files as _export
from .files import ExportReport

if TYPE_CHECKING:
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers.pre_tokenizers import PreTokenizer

    from .._progress import Progress
    from .._words_like import WordsLike
    from .files import ExportFormat


class Exports(CoreStore):
    """What a store can be made into."""

    __slots__ = ()

    def select(
        self,
        words: WordsLike,
        path: str | os.PathLike[str],
        *,
        missing: OnMissing = "error",
        ngrams: bool = True,
    ) -> Self:
        """Write a store of some of the words, in the order in which they are named.

        Rows are copied as they are stored, bit for bit in every number type. The metadata is kept, with a note of the
        selection as ``selected``.

        Parameters
        ----------
        words : iterable of str, array of strings, or Arrow column
            Each once.
        path : path
            Where the new store goes; a file that is there is replaced.
        missing : {"error", "skip"}
            What happens to a word that the store does not have: KeyError, or it is passed over.
        ngrams : bool
            Whether the n-grams of a fastText model go along, which may be gigabytes: `subword_vector` then gives what it
            gives here.

        Returns
        -------
        Store
            The new store, open.

        Raises
        ------
        KeyError
            A word is missing.
        ValueError
            A word is named twice.
        OSError
            The file cannot be written; nothing is left behind.

        Examples
        --------
        >>> small = store.select(["queen", "king", "unheard-of"], "small.embmap", missing="skip")
        >>> list(small), small.metadata["selected"][0]["of"]
        (['queen', 'king'], 6)
        """
        return self._of_file(_write.select(self, words, path, missing, ngrams).path)

    def to_gensim(self) -> Any:
        """Give gensim's `KeyedVectors` of this store.

        A float32 store's vectors are not copied: they are a mapping of the file of their own, and what gensim writes into
        them stays there. Of other types they are a float32 copy. The words become Python's own, and a dict of them.

        Returns
        -------
        gensim.models.KeyedVectors

        Raises
        ------
        ImportError
            gensim is not installed (``pip install 'embmap[gensim]'``).

        Examples
        --------
        >>> store.to_gensim().most_similar("king", topn=1)[0][0]
        'man'
        """
        from .gensim import to_gensim

        return to_gensim(self)

    def to_spacy(self, name: str | None = None) -> Any:
        """Give spaCy's table of vectors, for ``nlp.vocab.vectors``.

        A float32 store's vectors are not copied, as in `to_gensim`.

        Parameters
        ----------
        name : str, optional
            What spaCy calls the table; by default the file's name.

        Returns
        -------
        spacy.vectors.Vectors

        Raises
        ------
        ImportError
            spaCy is not installed (``pip install 'embmap[spacy]'``).
        """
        from .spacy import to_spacy

        return to_spacy(self, name)

    def to_static_embedding(
        self,
        *,
        mode: TensorMode = "cow",
        lowercase: bool = False,
        pre_tokenizer: PreTokenizer | None = None,
    ) -> StaticEmbedding:
        """Make a `StaticEmbedding` of sentence-transformers.

        A text's vector is the mean of its words' vectors, unknown words left out. The weights are the store's,
        without a copy.

        Parameters
        ----------
        mode : {"cow", "readonly", "copy"}
            As in `embmap.torch.tensor`: with ``"cow"``, training changes memory, never the file.
        lowercase : bool
            Whether texts are lowercased first, as for vectors of lowercase words.
        pre_tokenizer : tokenizers.pre_tokenizers.PreTokenizer, optional
            What cuts a text into words; by default `Whitespace`, runs of letters and digits or of punctuation.

        Returns
        -------
        sentence_transformers.sentence_transformer.modules.StaticEmbedding
            For ``SentenceTransformer(modules=[...])``. Its tokenizer has each word behind a ``▁``, as SentencePiece does.

        Raises
        ------
        ImportError
            sentence-transformers is not installed (``pip install 'embmap[sentence-transformers]'``).
        """
        from .static_models import to_static_embedding

        return to_static_embedding(self, mode=mode, lowercase=lowercase, pre_tokenizer=pre_tokenizer)

    def save_model2vec(self, folder: str | os.PathLike[str], *, lowercase: bool = False) -> Path:
        """Write a folder that model2vec's `StaticModel` and sentence-transformers load.

        Its tokenizer knows the store's words, cut out of a text as runs of letters and digits or of punctuation. An unknown
        word has a row of its own behind the others, of zeros: model2vec leaves it out, sentence-transformers counts it in
        the mean, which makes the mean shorter and leaves its direction. The weights are float16 where the store's are, and
        float32 otherwise.

        Parameters
        ----------
        folder : path
            A new or empty folder. It appears whole, or not at all.
        lowercase : bool
            Whether texts are lowercased first, as for vectors of lowercase words.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FileExistsError
            Something is there already.
        OSError
            It cannot be written; nothing is left behind.

        Examples
        --------
        >>> folder = store.save_model2vec("model2vec")
        >>> sorted(file.name for file in folder.iterdir())
        ['config.json', 'model.safetensors', 'modules.json', 'tokenizer.json']
        """
        from .static_models import save_model2vec

        return save_model2vec(self, folder, lowercase=lowercase)

    def export(
        self,
        path: str | os.PathLike[str],
        format: ExportFormat | None = None,
        *,
        words: WordsLike | None = None,
        limit: int | None = None,
        threads: int | None = None,
        progress: bool | Progress | None = None,
    ) -> ExportReport:
        """Write words and vectors in a format that other programs read.

        Text holds the shortest decimal form of each float32, so that converting it back gives bit-identical vectors. The
        file appears whole at the end, or is not touched at all.

        Parameters
        ----------
        path : path
            The file to write; one that is there is replaced.
        format : str, optional
            ``"glove"`` is text without a header, ``"word2vec"`` with one, ``"fasttext-vec"`` with one and a space behind
            each number; ``"word2vec-binary"`` has the bytes that gensim writes; ``"safetensors"`` has the tensor
            ``embedding.weight`` in the store's type (int8 as float32) and the words as a JSON array in the metadata
            ``words``; ``"parquet"`` and ``"arrow"`` have columns ``word`` and ``vector`` and need pyarrow. ``"npy"``,
            ``"fvecs"`` and ``"fbin"`` have the numbers as float32, and the words beside them in a JSON list,
            ``<name>.words.json``; ``"tensorboard"`` is the projector's ``vectors.tsv`` with ``metadata.tsv`` beside it, and
            `embmap.convert` takes each back with ``words=``. By default what the suffix says: ``.vec``, ``.bin``,
            ``.safetensors``, ``.parquet``, ``.arrow``, ``.feather``, ``.npy``, ``.fvecs`` or ``.fbin``.
        words : iterable of str, optional
            Only these, in this order, each once; whatever `indices` takes.
        limit : int, optional
            Only the first so many.
        threads : int, optional
            How many write; all cores by default. pyarrow has threads of its own.
        progress : bool or callable, optional
            ``True`` for a bar, or a callable ``(done_rows, all_rows)``.

        Returns
        -------
        ExportReport

        Raises
        ------
        ValueError
            The suffix does not tell the format; or a word cannot be written in it: one with a newline in text, one with a
            space or a newline in word2vec's binary format, one with a tab or a newline for TensorBoard. Text has words with
            a space inside as they are, which `embmap.convert` reads back and many other readers do not: the report counts
            them.
        KeyError
            One of `words` is missing.
        OSError
            The file cannot be written; nothing is left behind.
        ImportError
            pyarrow is not installed.

        Examples
        --------
        >>> report = store.export("vectors.vec")
        >>> report.format, report.rows, report.dim
        ('fasttext-vec', 6, 4)
        >>> embmap.convert("vectors.vec", "again.embmap").rows
        6
        """
        return _export.export(self, path, format, words, limit, threads, progress)
