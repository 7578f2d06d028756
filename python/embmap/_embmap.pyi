"""The extension: the calls that must be fast. Long ones release the GIL and answer Ctrl-C."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final, Self, TypeVar, final, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from ._words_like import WordsLike

_T = TypeVar("_T")

__all__ = [
    "FORMAT_VERSION",
    "MAGIC",
    "Pieces",
    "Store",
    "TokenModel",
    "Writer",
    "__version__",
    "add_ngrams",
    "convert",
    "distinct",
    "fill_normal",
    "find_in_shards",
    "model_files",
    "shard_of",
    "shards_of",
    "spacy_keys",
    "strings",
]

__version__: Final[str]
FORMAT_VERSION: Final[int]
MAGIC: Final[bytes]

def convert(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    format: str,
    member: str | None,
    max_expansion: float,
    header: bool | None,
    separator: str,
    encoding: str,
    dim: int | None,
    duplicates: str,
    errors: str,
    on_bad_row: str,
    on_wrong_count: str,
    limit: int | None,
    keep: WordsLike | None,
    shard: tuple[int, int] | None,
    dtype: str,
    normalize: bool,
    screen: bool,
    threads: int | None,
    progress: Callable[[int, int], object] | None,
    metadata: str,
) -> dict[str, Any]:
    """Convert a file; return what `ConversionReport` holds. Raises ParseError, OSError, ValueError."""

def find_in_shards(stores: Sequence[Store], words: WordsLike, missing: int) -> NDArray[np.int64]:
    """The rows of words in stores that split them, counted through; `missing` for words that are in none."""

def shard_of(word: object, count: int) -> int:
    """The number of the store that has a word, of so many; -1 for what is no word."""

def shards_of(words: WordsLike, count: int) -> NDArray[np.int64]:
    """The number of the store that has each of many words, of so many."""

def model_files(folder: str | PathLike[str], member: str | None) -> list[Path]:
    """The files that a conversion of a model's folder reads; some may be missing. Raises ParseError, OSError."""

def distinct(ids: NDArray[np.int64], known: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the different ids, without those from 0 up to `known`, and where each is: itself below `known`, or counted on."""

def spacy_keys(words: WordsLike) -> NDArray[np.uint64]:
    """Give the keys by which spaCy knows words."""

def add_ngrams(words: WordsLike, rows: NDArray[np.float32], table: NDArray[np.float32], minn: int, maxn: int) -> None:
    """Make of the own rows of words, `[n, dim]`, the means with their n-grams' in the table, as gensim does."""

def strings(words: WordsLike) -> list[str]:
    """Give the words of anything that holds words."""

def fill_normal(
    words: WordsLike,
    seed: int,
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Fill row i of out, `[n, dim]`, with the deviates of words[i]: `mean + deviation * N(0, 1)`."""

@final
class Pieces:
    """What a tokenizer made of the pieces of texts.

    Pieces are the parts between blanks; and between two blanks, where all is graphic ASCII and none of it is in `whole`, for
    ``at="punctuation"`` those around each punctuation mark, for ``at="words"`` runs of letters and digits, and of marks.
    """

    def __new__(cls, at: str = "blanks", whole: str = "") -> Self: ...
    def tokens(
        self,
        texts: list[str],
        longest: int | None,
        cut: Callable[[list[str]], tuple[NDArray[np.int64], NDArray[np.uintp]]],
    ) -> tuple[NDArray[np.int64], NDArray[np.uintp]]:
        """Give the tokens of all texts, of each so many at most, and how many each has.

        `cut` is asked once for the pieces that are new, in a list, and gives their tokens and how many each has.
        """

@final
class TokenModel:
    """The `WordLevel` or `WordPiece` model of a tokenizer whose tokens are a store's first words, numbered as its rows."""

    @staticmethod
    def read(store: Store, file: str | PathLike[str]) -> tuple[TokenModel, str] | None:
        """Read a ``tokenizer.json``: its model, and the JSON of its normalizer, pre-tokenizer and added tokens.

        None where the model is another, its tokens are others, or the file is malformed; OSError where it cannot be read.
        """

    @property
    def tokens(self) -> int:
        """How many tokens there are."""

    @property
    def unknown(self) -> int:
        """The token of what has none."""

    def cut(
        self,
        pieces: list[str],
        normalize: Callable[[str], str] | None,
        divide: Callable[[str], list[tuple[str, tuple[int, int]]]],
        words: Pieces | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.uintp]]:
        """Give the tokens of pieces, and how many each has.

        `normalize` must leave graphic ASCII as long as it is, and `divide` must divide at blanks, as those of the tokenizers
        package do; several pieces are given to them as one text. What `words` parts no further is not given to `divide`.
        """

@final
class Writer:
    """A store in the making; let go before `finish`, it leaves nothing. The GIL is released while it works.

    A row that cannot be stored raises ValueError; from then on so does every call but `abandon`.
    """

    def __new__(
        cls,
        path: str | PathLike[str],
        dim: int,
        *,
        dtype: str,
        duplicates: str,
        normalize: bool,
        screen: bool,
        metadata: str,
        ngrams: Store | None = None,
        table: tuple[int, int, int, bool, int, int] | None = None,
    ) -> Writer: ...
    def write(self, words: WordsLike, vectors: NDArray[np.float32]) -> None: ...
    def write_buckets(self, rows: NDArray[np.float32]) -> None: ...
    def copy(self, store: Store, ids: NDArray[np.int64]) -> None: ...
    @property
    def duplicates(self) -> int: ...
    def finish(self, metadata: str = "{}") -> dict[str, Any]: ...
    def abandon(self) -> None: ...

@disjoint_base
class Store:
    """One memory-mapped file. Every call on a closed store raises ValueError, on a corrupt one FormatError."""

    def __new__(cls, path: str | PathLike[str], *, copy: bool = False, shared: Store | None = None) -> Self: ...
    def __len__(self) -> int: ...
    def __contains__(self, word: object, /) -> bool: ...
    def __getitem__(self, word: object, /) -> NDArray[Any]: ...
    @overload
    def get(self, word: object, default: None = None) -> NDArray[Any] | None: ...
    @overload
    def get(self, word: object, default: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def get(self, word: object, default: _T) -> NDArray[Any] | _T: ...
    def index(self, word: object) -> int: ...
    def word(self, i: int) -> str: ...
    def indices(self, words: WordsLike, missing: int = -1) -> NDArray[np.int64]: ...
    def _find(self, words: WordsLike) -> tuple[NDArray[np.int64], list[str]]: ...
    def _gather(self, ids: NDArray[np.int64], out: NDArray[Any]) -> None: ...
    def _scales(self, ids: NDArray[np.int64]) -> NDArray[np.float32]: ...
    def _nearest(
        self, queries: NDArray[np.float32], k: int, first: int, only: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
    def _nearest_among(
        self, queries: NDArray[np.float32], candidates: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
    def _nearest_quotients(
        self, questions: NDArray[np.float32], toward: int, k: int, first: int, only: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
    def _ngrams(self) -> tuple[int, int, int] | None: ...
    def _pool(
        self, ids: NDArray[np.int64], lengths: NDArray[np.uintp], weights: NDArray[np.float32] | None, mean: bool
    ) -> NDArray[np.float32]: ...
    def _subword_vectors(self, words: WordsLike, out: NDArray[np.float32]) -> None: ...
    def _block(self, start: int, stop: int) -> NDArray[Any]: ...
    def _vectors_cow(self) -> NDArray[Any]: ...
    def _vectors_cow_padded(self) -> NDArray[Any] | None: ...
    def _vectors_shared(self) -> NDArray[Any]: ...
    def _vectors_in_place(self) -> NDArray[Any] | None: ...
    def _inverse_norms(self, start: int, stop: int) -> NDArray[np.float32]: ...
    def statistics(self) -> NDArray[np.float64]: ...
    def _metadata_json(self) -> str: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def _arrow_stream(self, first: int, only: NDArray[np.int64] | None) -> object: ...
    def _export(
        self,
        target: str | PathLike[str],
        format: str,
        first: int,
        only: NDArray[np.int64] | None,
        threads: int | None,
        progress: Callable[[int, int], object] | None,
    ) -> dict[str, Any]: ...
    def _network(self) -> str | None: ...
    def verify(self) -> None: ...
    def preload(self) -> None: ...
    def advise(self, access: str) -> None: ...
    def close(self) -> None: ...
    @property
    def vectors(self) -> NDArray[Any]: ...
    @property
    def dim(self) -> int: ...
    @property
    def _dtype_name(self) -> str: ...
    @property
    def _has_subwords(self) -> bool: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def identity(self) -> bytes: ...
    @property
    def path(self) -> Path: ...
    @property
    def closed(self) -> bool: ...
