"""Batches of texts as padded ids, for a `DataLoader`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index as as_int
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import default_collate

from .._core.store import CoreStore
from .._core.vocabulary import contents
from .._query.matrix import Matrix
from .._query.texts import padded


class Collate:
    """What a `DataLoader` takes as `collate_fn`: texts, lists of tokens, become one matrix of ids.

    It pickles as the store does, by the file's path, so that workers, forked or spawned, map the same file: their pages are
    one copy. A worker opens it once; ``persistent_workers=True`` keeps it open from epoch to epoch.

    Parameters
    ----------
    rows : Store, Matrix or mapping of str to int
        Where words find their rows: of the whole table, or of a task's (a ``word_index``).
    length : int, optional
        Longer texts are cut at their end; by default as many ids as the batch's longest has.
    padding : int, optional
        What follows the words of a shorter text. By default ``len(store)``, as for a layer with ``padding_idx=len(store)``;
        of a matrix, its ``padding_idx``; of a mapping, 0.
    missing : int, optional
        What stands for a word without a row; the padding by default.

    Examples
    --------
    >>> collate = embmap.torch.Collate(store)
    >>> collate([["king", "queen"], ["unheard-of"]])
    tensor([[0, 1],
            [6, 6]])
    >>> ids, labels = collate([(["king"], 1), (["queen", "man"], 0)])
    >>> labels
    tensor([1, 0])

    With a layer of the whole table:

    >>> texts = [(["king", "queen"], 1), (["apple"], 0)]
    >>> batches = torch.utils.data.DataLoader(texts, batch_size=2, collate_fn=collate)
    >>> layer = embmap.torch.embedding(store, padding_idx=len(store))
    >>> [layer(ids).shape for ids, labels in batches]
    [torch.Size([2, 2, 4])]
    """

    def __init__(
        self,
        rows: CoreStore | Matrix | Mapping[str, int],
        *,
        length: int | None = None,
        padding: int | None = None,
        missing: int | None = None,
    ) -> None:
        if isinstance(rows, Matrix):
            if padding is None and rows.padding_idx is None:
                raise ValueError("the matrix has no row for the padding: say which with padding=")
            padding = rows.padding_idx if padding is None else padding
            rows = rows.index
        given: Any = rows if isinstance(rows, CoreStore) else contents(rows)
        if not hasattr(given, "get"):
            raise TypeError(f"rows must be a store or a mapping word -> row, not {type(rows).__name__}")
        if padding is None:
            padding = len(given) if isinstance(given, CoreStore) else 0
        self.rows: CoreStore | Mapping[str, int] = given
        self.length, self.padding = length, as_int(padding)
        self.missing = self.padding if missing is None else as_int(missing)

    def __call__(self, batch: Sequence[Any]) -> Any:
        """Make a batch of samples.

        Parameters
        ----------
        batch : sequence
            Of texts, each a list of tokens, or of tuples that begin with one.

        Returns
        -------
        Tensor of int64, shape (texts, length), or tuple
            The ids; of tuples, the ids and what `default_collate` makes of everything else.

        Raises
        ------
        TypeError
            A text is a string, not a list of tokens.
        """
        rest: list[Any] = []
        if batch and isinstance(batch[0], tuple) and not all(isinstance(item, str) for item in batch[0]):
            batch, *rest = zip(*batch, strict=True)
        ids = torch.from_numpy(padded(batch, self.length, self.padding, self._find))
        return (ids, *(default_collate(list(column)) for column in rest)) if rest else ids

    def _find(self, words: list[str]) -> NDArray[np.int64]:
        if isinstance(self.rows, CoreStore):
            return self.rows.indices(words, missing=self.missing)
        ids = np.array([self.rows.get(word, self.missing) for word in words])
        if len(ids) and ids.dtype.kind not in "iu":
            raise TypeError(f"rows must be int, found {ids.dtype}")
        return ids.astype(np.int64)

    def __repr__(self) -> str:
        """Say what it makes of words."""
        return f"Collate({self.rows!r}, length={self.length}, padding={self.padding}, missing={self.missing})"
