"""Other forms of words, tried where a store does not have the words themselves."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .._core.store import CoreStore

Form = Literal["lower", "upper", "title", "casefold", "nfc", "nfd", "nfkc", "nfkd"]
Fallback: TypeAlias = Form | Callable[[str], str | None]
"""Another form of a word, tried where the word itself is missing."""

_FORMS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
    "casefold": str.casefold,
    "nfc": lambda word: unicodedata.normalize("NFC", word),
    "nfd": lambda word: unicodedata.normalize("NFD", word),
    "nfkc": lambda word: unicodedata.normalize("NFKC", word),
    "nfkd": lambda word: unicodedata.normalize("NFKD", word),
}


def ids_of_forms(store: CoreStore, words: list[str], fallback: Fallback | Iterable[Fallback]) -> NDArray[np.int64]:
    """Give the rows of missing words by their other forms, the first form that the store has; -1 where it has none."""
    one = isinstance(fallback, str) or callable(fallback)
    forms = cast("Iterable[Fallback]", (fallback,) if one else fallback)
    ids = np.full(len(words), -1, np.int64)
    for form in forms:
        if not callable(form) and form not in _FORMS:
            raise ValueError(f"fallback must be one of {', '.join(map(repr, _FORMS))} or a callable, not {form!r}")
        change = form if callable(form) else _FORMS[form]
        missing = np.flatnonzero(ids < 0).tolist()
        changed = [change(words[i]) for i in missing]
        ids[missing] = store.indices(["" if word is None else word for word in changed])
    return ids
