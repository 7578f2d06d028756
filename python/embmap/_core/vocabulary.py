"""A vocabulary: the words of a task, and the row of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import compress
from operator import index as as_int
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._embmap import strings
from .._words_like import WordsLike

PADDING = ""
"""The word of the padding: Keras' vocabularies begin with it, and no store has it."""


_PADDING = re.compile(r"[<\[].*pad.*[>\]]", re.IGNORECASE)


def names_padding(word: str) -> bool:
    """Tell whether a word stands for the padding, as in models' vocabularies: [PAD], <pad>, <|finetune_right_pad_id|>."""
    return _PADDING.fullmatch(word) is not None


class Tokenizer(Protocol):
    """What the tokenizers of Hugging Face offer."""

    def get_vocab(self) -> Mapping[str, int]: ...


class TorchtextVocab(Protocol):
    """What torchtext's `Vocab` offers."""

    def get_stoi(self) -> Mapping[str, int]: ...


class KerasVocabulary(Protocol):
    """What Keras' `TextVectorization` and `StringLookup` offer."""

    def get_vocabulary(self) -> Iterable[str]: ...


Vocab: TypeAlias = WordsLike | Mapping[str, int] | Tokenizer | TorchtextVocab | KerasVocabulary
"""Words in the order of their rows, or word -> row, or an object that has one of them."""


def contents(vocab: Any) -> Any:
    """Give the words, or the mapping, that an object holds; TypeError for counts, which are no rows."""
    for name in ("get_vocab", "get_stoi", "get_vocabulary"):
        if callable(get := getattr(vocab, name, None)):
            vocab = get()
            break
    if isinstance(vocab, Counter):
        raise TypeError(
            "a Counter says how often words come, not which rows they have: pass list(counter), "
            "or [word for word, _ in counter.most_common(n)]"
        )
    return vocab


@dataclass(frozen=True)
class Vocabulary:
    """Words in row order, and the row of each.

    Those of a mapping are distinct, those of a list are once `check_distinct` has been called.
    """

    words: list[str]
    rows: NDArray[np.int64]
    end: int

    @classmethod
    def of(cls, vocab: Vocab, start: int) -> Self:
        """Take a vocabulary in any form; the rows of a list begin at `start`."""
        found, start = contents(vocab), as_int(start)
        if not isinstance(found, Mapping):
            return cls.of_list(found, start)
        if start:
            raise ValueError("start is for a list of words: a mapping says each word's row itself")
        return cls.of_mapping(found)

    @classmethod
    def of_list(cls, vocab: WordsLike, start: int) -> Self:
        if isinstance(vocab, str):
            raise TypeError("vocab must be words or a mapping word -> row, not one str")
        if start < 0:
            raise ValueError(f"start must not be negative, not {start}")
        words = strings(vocab)
        end = start + len(words)
        return cls(words, np.arange(start, end), end)

    @classmethod
    def of_mapping(cls, vocab: Mapping[str, int]) -> Self:
        owners: dict[int, str] = {}
        for word, given in vocab.items():
            row = given if type(given) is int else _as_row(word, given)
            if row < 0:
                raise ValueError(f"{word!r} has row {row}; rows count from 0")
            if owners.setdefault(row, word) != word:
                raise ValueError(f"{owners[row]!r} and {word!r} both have row {row}; of counts, pass list(vocab)")
        rows = sorted(owners)
        return cls([owners[row] for row in rows], np.array(rows, np.int64), rows[-1] + 1 if rows else 0)

    def check_distinct(self, ids: NDArray[np.int64], rows: int) -> None:
        """Raise ValueError where a word comes twice; `ids` are the words' rows of the store, which has `rows`.

        Most words have an id, and comparing ids is faster than comparing words.
        """
        known = ids[ids >= 0]
        seen = np.zeros(rows, bool)
        seen[known] = True
        unknown = self.where(ids < 0)
        if np.count_nonzero(seen) == len(known) and len(set(unknown)) == len(unknown):
            return
        first: dict[str, int] = {}
        for word, row in zip(self.words, self.rows.tolist(), strict=True):
            if first.setdefault(word, row) != row:
                raise ValueError(f"{word!r} is in the vocabulary twice, at rows {first[word]} and {row}")

    def check_dense(self) -> None:
        """Raise ValueError where a row before the last one has no word."""
        if len(gaps := np.flatnonzero(self.rows != np.arange(len(self.rows)))):
            row = int(gaps[0])
            raise ValueError(f"row {row} has no word: the next is {self.words[row]!r}, which has row {self.rows[row]}")

    def row_of(self, word: str) -> int | None:
        """Give the row of a word, None where it has none."""
        try:
            return int(self.rows[self.words.index(word)])
        except ValueError:
            return None

    def where(self, chosen: NDArray[np.bool_]) -> list[str]:
        return list(compress(self.words, chosen.tolist()))


def _as_row(word: object, row: Any) -> int:
    try:
        return as_int(row)
    except TypeError:
        pass
    # Read from JSON, rows are strings too.
    if isinstance(row, str) and (isinstance(word, int) or (isinstance(word, str) and word.isdecimal())):
        number = "i" if isinstance(word, int) else "int(i)"
        raise TypeError(
            f"the mapping is row -> word, as in {word!r}: {row!r}, where word -> row is expected: "
            f"pass {{word: {number} for i, word in vocab.items()}}"
        )
    if isinstance(row, (float, np.floating)):
        raise TypeError(
            f"{word!r} has the row {row}, a float, and rows are int; of counts or weights, pass list(vocab)"
        )
    raise TypeError(
        f"{word!r} has for its row a {type(row).__name__}, and rows are int; for words alone pass list(vocab)"
    )
