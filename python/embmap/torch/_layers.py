"""Layers of PyTorch whose weights are a store's table, or a task's rows of it."""

from __future__ import annotations

from collections.abc import Callable
from operator import index as as_int
from typing import Any, Literal

import numpy as np
import torch

from .._core.store import check_open
from .._core.vocabulary import Vocab, names_padding
from .._export.tensors import check_floating, tensor
from .._export.to_device import array_on, natural_dtype, rows_on
from .._query.forms import Fallback
from .._query.oov import OOV
from .._store import Store


def embedding(
    store: Store,
    vocab: Vocab | None = None,
    *,
    padding_idx: int | None = None,
    freeze: bool = True,
    start: int = 0,
    oov: OOV = "normal",
    scale: float = 0.6,
    seed: int = 0,
    fallback: Fallback | tuple[Fallback, ...] = (),
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> torch.nn.Embedding:
    """Make an `nn.Embedding` of the whole table, without a copy, or of a task's rows.

    Parameters
    ----------
    store : Store
    vocab : iterable of str, mapping of str to int, or tokenizer, optional
        The task's words, as in `Store.matrix`; without it, row ``i`` of the layer is row ``i`` of the store.
    padding_idx : int, optional
        This row is zeros and gets no gradient. By default the row of the empty word, where `vocab` has it. Without `vocab`,
        each row is a word's, which would be lost: ``len(store)`` gives the layer one more row, of zeros, behind the words.
        Of a model's tokens, the one for the padding, ``[PAD]`` or ``<pad>``, can be named too.
    freeze : bool
        ``False`` to fine-tune: the weights change in memory, never in the file.
    start, oov, scale, seed, fallback
        As in `Store.matrix`; a ValueError without `vocab`, where they could do nothing.
    device, dtype : optional
        Where the weights go and what they become.
    **options
        `max_norm`, `norm_type`, `scale_grad_by_freq`, `sparse`, as in `nn.Embedding`.

    Returns
    -------
    torch.nn.Embedding

    Raises
    ------
    ValueError
        `padding_idx` is out of range or, without `vocab`, the row of a word; an option that needs `vocab` is given without.

    Examples
    --------
    >>> layer = embmap.torch.embedding(store, ["<pad>", "king", "queen"], padding_idx=0, freeze=False)
    >>> layer
    Embedding(3, 4, padding_idx=0)

    The whole table, and texts for it, whose padding and unknown words are the row behind the words:

    >>> layer = embmap.torch.embedding(store, padding_idx=len(store))
    >>> ids = store.indices_padded([["king", "queen"], ["unheard-of"]], padding=len(store), missing=len(store))
    >>> ids
    array([[0, 1],
           [6, 6]])
    >>> layer(torch.from_numpy(ids)).any(-1)
    tensor([[ True,  True],
            [False, False]])
    """
    weight, padding_idx = _weight(store, vocab, padding_idx, start, oov, scale, seed, fallback, device, dtype)
    make: Callable[..., torch.nn.Embedding] = torch.nn.Embedding.from_pretrained
    return make(weight, freeze=freeze, padding_idx=padding_idx, **options)


def embedding_bag(
    store: Store,
    vocab: Vocab | None = None,
    *,
    mode: Literal["mean", "sum", "max"] = "mean",
    padding_idx: int | None = None,
    freeze: bool = True,
    start: int = 0,
    oov: OOV = "normal",
    scale: float = 0.6,
    seed: int = 0,
    fallback: Fallback | tuple[Fallback, ...] = (),
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> torch.nn.EmbeddingBag:
    """Make an `nn.EmbeddingBag`, one vector for each text, of the whole table, without a copy, or of a task's rows.

    Parameters
    ----------
    store, vocab, padding_idx, freeze, start, oov, scale, seed, fallback, device, dtype
        As in `embedding`. The rows of `padding_idx` are left out of sums, means and maxima: of the whole table, texts come
        from ``store.indices_padded(texts, padding=len(store), missing=len(store))`` with ``padding_idx=len(store)``.
    mode : {"mean", "sum", "max"}
        What becomes of a text's rows. A text without any is zeros.
    **options
        `max_norm`, `norm_type`, `scale_grad_by_freq`, `sparse`, `include_last_offset`, as in `nn.EmbeddingBag`.

    Returns
    -------
    torch.nn.EmbeddingBag

    Raises
    ------
    ValueError
        As in `embedding`.

    Examples
    --------
    >>> bag = embmap.torch.embedding_bag(store, padding_idx=len(store))
    >>> ids = store.indices_padded([["king", "queen"], ["unheard-of"]], padding=len(store), missing=len(store))
    >>> bag(torch.from_numpy(ids)).any(-1)
    tensor([ True, False])
    """
    weight, padding_idx = _weight(store, vocab, padding_idx, start, oov, scale, seed, fallback, device, dtype)
    make: Callable[..., torch.nn.EmbeddingBag] = torch.nn.EmbeddingBag.from_pretrained
    return make(weight, freeze=freeze, mode=mode, padding_idx=padding_idx, **options)


def _weight(
    store: Store,
    vocab: Vocab | None,
    padding_idx: int | None,
    start: int,
    oov: OOV,
    scale: float,
    seed: int,
    fallback: Fallback | tuple[Fallback, ...],
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> tuple[torch.Tensor, int | None]:
    """Give a layer's weight, and the row of the padding in it."""
    check_open(store)
    check_floating(dtype)
    if vocab is None:
        given = {
            "start": start != 0,
            "oov": not isinstance(oov, str) or oov != "normal",
            "scale": scale != 0.6,
            "seed": seed != 0,
            "fallback": bool(fallback),
        }
        if idle := [name for name, is_given in given.items() if is_given]:
            raise ValueError(
                f"without vocab the layer is the store's own table, and {', '.join(idle)} can do nothing: "
                "pass vocab=, such as list(store), or leave them out"
            )
        padding_idx = padding_row(store, padding_idx)
        if padding_idx == len(store):
            return _with_a_row_of_zeros(store, device, dtype), padding_idx
        weight = tensor(store, device=device, dtype=dtype)
        if padding_idx is not None:
            weight[padding_idx] = 0
        return weight, padding_idx
    matrix = store.matrix(
        vocab, start=start, padding_idx=padding_idx, oov=oov, scale=scale, seed=seed, fallback=fallback
    )
    return array_on(matrix.array, device, dtype), matrix.padding_idx


def padding_row(store: Store, padding_idx: int | None) -> int | None:
    """Give the row that `padding_idx` names, counted from 0; ValueError where it is a word's."""
    rows = len(store)
    if padding_idx is None or (padding_idx := as_int(padding_idx)) == rows:
        return padding_idx
    way_out = f"padding_idx=len(store), {rows}, is one more row, of zeros, behind the words"
    if not -rows <= padding_idx < rows:
        raise ValueError(f"padding_idx {padding_idx} is not one of the {rows} rows; {way_out}")
    word = store.word(padding_idx % rows)
    if not names_padding(word):
        raise ValueError(f"padding_idx {padding_idx} is the row of {word!r}, which would become zeros; {way_out}")
    return padding_idx % rows


def _with_a_row_of_zeros(store: Store, device: torch.device | str | None, dtype: torch.dtype | None) -> torch.Tensor:
    """Make the whole table a tensor with one more row, without a copy where the file has room behind the matrix."""
    unchanged = torch.device(device or "cpu").type == "cpu" and dtype in (None, natural_dtype(store))
    padded = store._vectors_cow_padded() if unchanged and store.dtype != np.int8 else None
    if padded is None:
        return rows_on(store, None, device, dtype, spare=1)
    table = torch.from_numpy(padded)
    return table.view(torch.bfloat16) if store.dtype == "bfloat16" else table
