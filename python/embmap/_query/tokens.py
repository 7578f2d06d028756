"""Texts to tokens by the tokenizers package, which is asked but once for what stands between two blanks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._embmap import Pieces, TokenModel
from .._optional import need
from .texts import flatten

if TYPE_CHECKING:
    from .._core.store import CoreStore

# Normalizers that change each character for itself, or with the marks that follow it, and never across a blank.
_LOCAL = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}
# What divides at blanks at least, with where `Pieces` may part texts for it, and what divides further.
_AT_BLANKS = {"BertPreTokenizer": "punctuation", "Whitespace": "words", "WhitespaceSplit": "blanks"}
_FURTHER = {*_AT_BLANKS, "Digits", "Punctuation"}
# What a tokenizer.json says of an added token.
_DESCRIBED = {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}
# Pieces that the tokenizer gets as one text: each call has a price, and threads share the texts.
_TOGETHER = 64

Tokens = tuple[NDArray[np.int64], NDArray[np.uintp]]


class Cutter:
    """A tokenizer, and what it made of pieces so far, where `by_pieces` is worth it. It must not be changed any more."""

    def __init__(self, tokenizer: Any, by_pieces: bool = True) -> None:
        self.tokenizer = tokenizer
        self._whole, self._longest = _whole(tokenizer)
        self._pieces = _pieces(self._whole, _added(tokenizer)) if by_pieces else None

    @classmethod
    def of_file(cls, file: Path) -> Cutter:
        """Read a ``tokenizer.json``; texts are taken as long as they are, whatever it says."""
        tokenizer = _tokenizers().Tokenizer.from_file(os.fspath(file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer)

    @property
    def unknown(self) -> int | None:
        """The token of what has none."""
        token = getattr(self.tokenizer.model, "unk_token", None)
        found: int | None = None if token is None else self.tokenizer.token_to_id(token)
        return found

    def tokens(self, texts: list[str], max_length: int | None) -> Tokens:
        """Give the ids of all tokens, of each text so many at most, and how many each text has."""
        longest = min((length for length in (max_length, self._longest) if length is not None), default=None)
        if self._pieces is not None:
            return self._pieces.tokens(texts, longest, self.of_pieces)
        encodings = self._whole.encode_batch_fast(texts, add_special_tokens=False)
        ids, lengths = flatten((encoding.ids for encoding in encodings), longest)
        return np.array(ids, np.int64), lengths.astype(np.uintp)

    def of_pieces(self, pieces: list[str]) -> Tokens:
        """Give the ids of the tokens of pieces, and how many each has."""
        together = [" ".join(pieces[i : i + _TOGETHER]) for i in range(0, len(pieces), _TOGETHER)]
        encodings = self._whole.encode_batch(together, add_special_tokens=False)
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


class RowCutter:
    """A tokenizer whose tokens are the rows of a store, so that nobody else needs its vocabulary in memory."""

    def __init__(self, file: Path, model: TokenModel, shell: Any, added: list[Any], pieces: Pieces) -> None:
        self.unknown = model.unknown
        self._file = file
        self._model = model
        # A normalizer without steps counts as false.
        self._normalize: Callable[[str], str] | None = None
        if shell.normalizer is not None:
            self._normalize = shell.normalizer.normalize_str
        self._divide = shell.pre_tokenizer.pre_tokenize_str
        self._added = re.compile("|".join(re.escape(token.content) for token in added)) if added else None
        self._pieces = pieces
        # What a single step divides no further is a word, where it is plain.
        self._words = pieces if len(_steps(shell.pre_tokenizer, "pretokenizers")) == 1 else None
        self._package: Cutter | None = None

    @classmethod
    def of_file(cls, file: Path, store: CoreStore) -> RowCutter | None:
        """Read what a ``tokenizer.json`` has besides its vocabulary, None where the store or `Pieces` cannot do the rest."""
        tokenizers = _tokenizers()
        found = store._token_model(file)
        if found is None:
            return None
        model, rest = found
        parts = json.loads(rest)
        described = parts.pop("added_tokens") or []
        if not isinstance(described, list):
            return None
        if any(not isinstance(token, dict) or token.keys() != _DESCRIBED for token in described):
            return None
        ids = [token.pop("id") for token in described]
        try:
            added = [tokenizers.AddedToken(**token) for token in described]
        except TypeError:
            return None
        # What is no token of the model gets a number by the order in which it is added, and not the one that it has here.
        known = all(type(number) is int and 0 <= number < model.tokens for number in ids)
        if not known or any(token.normalized for token in added):
            return None
        if store.indices([token.content for token in added]).tolist() != ids:
            return None
        nothing = {"type": "WordLevel", "vocab": {}, "unk_token": ""}
        shell = tokenizers.Tokenizer.from_str(
            json.dumps({"version": "1.0", **parts, "added_tokens": [], "model": nothing})
        )
        pieces = _pieces(shell, added)
        return None if pieces is None else cls(file, model, shell, added, pieces)

    def tokens(self, texts: list[str], max_length: int | None) -> Tokens:
        """Give the ids of all tokens, of each text so many at most, and how many each text has."""
        return self._pieces.tokens(texts, max_length, self._of_pieces)

    def _of_pieces(self, pieces: list[str]) -> Tokens:
        # Added tokens are found before anything else is done, by the package alone.
        if self._added is not None and self._added.search("\n".join(pieces)):
            if self._package is None:
                self._package = Cutter.of_file(self._file)
            return self._package.of_pieces(pieces)
        return self._model.cut(pieces, self._normalize, self._divide, self._words)


def _tokenizers() -> Any:
    return need("tokenizers", "encode()", "tokenizers")


def _whole(tokenizer: Any) -> tuple[Any, int | None]:
    """Give a tokenizer that does not pad, nor cut a text's end off, which is as long as the number says then."""
    truncation = tokenizer.truncation
    if truncation is None and tokenizer.padding is None:
        return tokenizer, None
    # The model is shared, and may be large.
    made = type(tokenizer)(tokenizer.model)
    made.add_tokens(_added(tokenizer))
    if made.get_added_tokens_decoder().keys() != tokenizer.get_added_tokens_decoder().keys():
        made = type(tokenizer).from_str(tokenizer.to_str())
        made.no_truncation()
        made.no_padding()
    made.encode_special_tokens = tokenizer.encode_special_tokens
    made.normalizer = tokenizer.normalizer
    made.pre_tokenizer = tokenizer.pre_tokenizer
    if truncation is None or truncation["direction"] == "right":
        return made, truncation and truncation["max_length"]
    made.enable_truncation(**truncation)
    return made, None


def _added(tokenizer: Any) -> list[Any]:
    return [token for _, token in sorted(tokenizer.get_added_tokens_decoder().items())]


def _pieces(tokenizer: Any, added: Iterable[Any]) -> Pieces | None:
    """Make what parts texts for a tokenizer: None unless their tokens are those of their pieces, one after the other."""
    try:
        normalizers = _steps(tokenizer.normalizer, "normalizers")
        dividers = _steps(tokenizer.pre_tokenizer, "pretokenizers")
    except Exception:
        # Written in Python, it has no description.
        return None
    part = (
        type(tokenizer.model).__name__ in ("WordLevel", "WordPiece")
        and _LOCAL.issuperset(normalizers)
        and not _AT_BLANKS.keys().isdisjoint(dividers[:1])
        and _FURTHER.issuperset(dividers)
        and tokenizer.truncation is None
        and all(
            # One that takes the blank before it seems to begin in the piece before.
            token.content.isascii()
            and token.content.isprintable()
            and token.content.split() == [token.content]
            and not token.lstrip
            for token in added
        )
    )
    if not part:
        return None
    # An added token is not to be parted, in whatever case it is found.
    initials = "".join(token.content[0] for token in added)
    return Pieces(_AT_BLANKS[dividers[0]], initials.lower() + initials.upper())


def _steps(part: Any, several: str) -> list[str]:
    """Name the steps of a normalizer or pre-tokenizer."""
    if part is None:
        return []
    made = json.loads(part.__getstate__())
    return [step["type"] for step in made[several]] if made["type"] == "Sequence" else [made["type"]]
