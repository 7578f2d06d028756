"""The words of a store as Python's own collections, decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import eq
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from .._embmap import Store as _Store


class Words(Sequence[str]):
    """The words in row order; `index` and `in` take constant time. Equal to any list or tuple of the same words."""

    __slots__ = ("_store",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, store: _Store) -> None:
        self._store = store

    def __len__(self) -> int:
        return len(self._store)

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        if isinstance(i, slice):
            return [self._store.word(j) for j in range(*i.indices(len(self)))]
        return self._store.word(i)

    def __iter__(self) -> Iterator[str]:
        return map(self._store.word, range(len(self)))

    def __contains__(self, word: object) -> bool:
        return word in self._store

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, tuple, Words)):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    def index(self, word: str, start: int = 0, stop: int | None = None) -> int:
        """Give the row of `word`; ValueError where it is not in ``start:stop``."""
        try:
            row = self._store.index(word)
        except KeyError:
            row = -1
        if row not in range(*slice(start, stop).indices(len(self))):
            raise ValueError(f"{word!r} is not among the words")
        return row

    def count(self, word: str) -> int:
        """Give 1 for a word of the store, 0 for another."""
        return int(word in self._store)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"<{len(self):,} words: {shown}{', ...' if len(self) > 3 else ''}>"


class KeyToIndex(Mapping[str, int]):
    """Word -> row, as gensim's `key_to_index`."""

    __slots__ = ("_store",)

    def __init__(self, store: _Store) -> None:
        self._store = store

    def __getitem__(self, word: str) -> int:
        return self._store.index(word)

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[str]:
        return iter(Words(self._store))

    def __contains__(self, word: object) -> bool:
        return word in self._store
