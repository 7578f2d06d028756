"""Texts to tokens by the tokenizers package, which is asked but once for what stands between two blanks."""

from __future__ import annotations

import json
import os
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._embmap import Pieces
from .._optional import need
from .texts import flatten

# Normalizers that change each character for itself, or with the marks that follow it, and never across a blank.
_LOCAL = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}
# What divides at blanks at least, and what divides further.
_AT_BLANKS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_FURTHER = _AT_BLANKS | {"Digits", "Punctuation"}
# Pieces that the tokenizer gets as one text: each call has a price, and threads share the texts.
_TOGETHER = 64

Tokens = tuple[NDArray[np.int64], NDArray[np.uintp]]


class Cutter:
    """A tokenizer, and what it made of pieces so far, where `by_pieces` is worth it. It must not be changed any more."""

    def __init__(self, tokenizer: Any, by_pieces: bool = True) -> None:
        self.tokenizer = tokenizer
        self._pieces = Pieces() if by_pieces and blanks_divide(tokenizer) else None

    @classmethod
    def of_file(cls, path: Path) -> Cutter:
        """Read a ``tokenizer.json``."""
        tokenizer = need("tokenizers", "encode()", "tokenizers").Tokenizer.from_file(os.fspath(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer)

    def tokens(self, texts: list[str], max_length: int | None) -> Tokens:
        """Give the ids of all tokens, of each text so many at most, and how many each text has."""
        if self._pieces is not None:
            return self._pieces.tokens(texts, max_length, self._of_pieces)
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids, lengths = flatten((encoding.ids for encoding in encodings), max_length)
        return np.array(ids, np.int64), lengths.astype(np.uintp)

    def _of_pieces(self, pieces: list[str]) -> Tokens:
        together = [" ".join(pieces[i : i + _TOGETHER]) for i in range(0, len(pieces), _TOGETHER)]
        encodings = self.tokenizer.encode_batch(together, add_special_tokens=False)
        ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int64)
        # A token is of the piece that its first character stands in; behind each piece is a blank or the end of a text.
        begins = np.cumsum([0, *(len(text) + 1 for text in together[:-1])])
        starts = np.fromiter(
            (begin + start for begin, encoding in zip(begins, encodings, strict=True) for start, _ in encoding.offsets),
            np.int64,
            len(ids),
        )
        ends = np.cumsum([len(piece) + 1 for piece in pieces])
        counts = np.bincount(np.searchsorted(ends, starts, side="right"), minlength=len(pieces))
        return ids, counts.astype(np.uintp)


def blanks_divide(tokenizer: Any) -> bool:
    """Tell whether a text's tokens are those of its pieces between blanks, one after the other."""
    try:
        normalizers = _steps(tokenizer.normalizer, "normalizers")
        dividers = _steps(tokenizer.pre_tokenizer, "pretokenizers")
    except Exception:
        # Written in Python, it has no description.
        return False
    return (
        type(tokenizer.model).__name__ in ("WordLevel", "WordPiece")
        and _LOCAL.issuperset(normalizers)
        and not _AT_BLANKS.isdisjoint(dividers[:1])
        and _FURTHER.issuperset(dividers)
        and tokenizer.truncation is None
        and tokenizer.padding is None
        and all(
            # One that takes the blank before it seems to begin in the piece before.
            token.content.isascii() and token.content.split() == [token.content] and not token.lstrip
            for token in tokenizer.get_added_tokens_decoder().values()
        )
    )


def _steps(part: Any, several: str) -> list[str]:
    """Name the steps of a normalizer or pre-tokenizer."""
    if part is None:
        return []
    made = json.loads(part.__getstate__())
    return [step["type"] for step in made[several]] if made["type"] == "Sequence" else [made["type"]]
