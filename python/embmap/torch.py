"""Tensors and layers for PyTorch.

The whole table becomes a tensor without a copy: its memory is the file's, mapped copy-on-write, shared by all processes
until someone writes. What is written stays in the writing tensor's own pages; it never reaches the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

from ._core.vocabulary import Vocab
from ._export.tensors import tensor
from ._query.matrix import Fallback
from ._query.oov import OOV
from ._store import Store

__all__ = ["HostEmbedding", "embedding", "tensor"]

_F = TypeVar("_F", bound=Callable[..., Any])

# A word that stands for the padding already, as in the vocabularies of models: [PAD], <pad>, <|finetune_right_pad_id|>.
_PADDING = re.compile(r"[<\[].*pad.*[>\]]", re.IGNORECASE)


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
        padding_idx = _padding_row(store, padding_idx)
        if padding_idx == len(store):
            weight = _with_a_row_of_zeros(store, device, dtype)
        else:
            weight = tensor(store, device=device, dtype=dtype)
            if padding_idx is not None:
                weight[padding_idx] = 0
    else:
        matrix = store.matrix(
            vocab, start=start, padding_idx=padding_idx, oov=oov, scale=scale, seed=seed, fallback=fallback
        )
        padding_idx = matrix.padding_idx
        weight = torch.from_numpy(matrix.array).to(device=device, dtype=dtype)
    make: Callable[..., torch.nn.Embedding] = torch.nn.Embedding.from_pretrained
    return make(weight, freeze=freeze, padding_idx=padding_idx, **options)


def _padding_row(store: Store, padding_idx: int | None) -> int | None:
    """Give the row that `padding_idx` names, counted from 0; ValueError where it is a word's."""
    rows = len(store)
    if padding_idx is None or padding_idx == rows:
        return padding_idx
    way_out = f"padding_idx=len(store), {rows}, is one more row, of zeros, behind the words"
    if not -rows <= padding_idx < rows:
        raise ValueError(f"padding_idx {padding_idx} is not one of the {rows} rows; {way_out}")
    word = store.word(padding_idx % rows)
    if not _PADDING.fullmatch(word):
        raise ValueError(f"padding_idx {padding_idx} is the row of {word!r}, which would become zeros; {way_out}")
    return padding_idx % rows


def _with_a_row_of_zeros(store: Store, device: torch.device | str | None, dtype: torch.dtype | None) -> torch.Tensor:
    """Make the whole table a tensor with one more row, without a copy where the file has room behind the matrix."""
    padded = None if store.dtype == np.int8 else store._vectors_cow_padded()
    if padded is not None:
        table = torch.from_numpy(padded)
        return (table.view(torch.bfloat16) if store.dtype == "bfloat16" else table).to(device=device, dtype=dtype)
    table = tensor(store, mode="readonly")
    longer = torch.empty(len(store) + 1, store.dim, dtype=dtype or table.dtype, device=device or "cpu")
    longer[:-1] = table
    longer[-1] = 0
    return longer


# Typed, which PyTorch's own is not.
_not_compiled: Callable[[_F], _F] = torch.compiler.disable


class HostEmbedding(torch.nn.Module):
    """A frozen embedding whose table stays in the file, mapped on the host; only the rows that are asked for travel.

    For tables that are larger than the device's memory, or than they are worth there: each call looks its rows up on the
    host and copies them to the device, on a CUDA device from pinned memory and without waiting for the copy. Ids that lie on
    a CUDA device must come to the host first, which waits for them: keep them on the CPU where you can.

    The layer has no parameters and its `state_dict` is empty. Pickled, as `torch.save` of a whole model does, it refers to
    the store's path, and a changed file is an error when it is read back. `Module.to` moves where the rows go and which
    floating-point type they have.

    Parameters
    ----------
    store : Store
    device : torch.device or str, optional
        Where the rows go; the CPU by default.
    padding_idx : int, optional
        Rows of this id are zeros. As in `embedding` of the whole table: ``len(store)``, one more row than the store has, or
        the row of a padding token; a ValueError for the row of any other word.
    dtype : torch.dtype, optional
        Floating-point type of the rows. By default the store's, which for int8 is float32.

    Examples
    --------
    >>> layer = embmap.torch.HostEmbedding(store, padding_idx=len(store))
    >>> layer
    HostEmbedding(7, 4, padding_idx=6)
    >>> ids = store.indices_padded([["king", "queen"], ["unheard-of"]], padding=len(store), missing=len(store))
    >>> layer(torch.from_numpy(ids)).any(-1)
    tensor([[ True,  True],
            [False, False]])
    """

    _rows: torch.Tensor

    def __init__(
        self,
        store: Store,
        *,
        device: torch.device | str | None = None,
        padding_idx: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        padding_idx = _padding_row(store, padding_idx)
        if dtype is None:
            names = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
            dtype = names.get(str(store.dtype), torch.float32)
        if not dtype.is_floating_point:
            raise ValueError(f"dtype must be of floating point, not {dtype}")
        self.store = store
        self.num_embeddings, self.embedding_dim = len(store) + (padding_idx == len(store)), store.dim
        self.padding_idx = padding_idx
        # Module.to, half, cuda and their kin find this, and so say where the rows go and what they become.
        self.register_buffer("_rows", torch.empty(0, store.dim, device=device, dtype=dtype), persistent=False)

    @_not_compiled
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        r"""Copy the rows of `ids`.

        Parameters
        ----------
        ids : Tensor of int, any shape, on any device

        Returns
        -------
        Tensor, shape (\*ids.shape, dim)
            On the layer's device, of its type; it needs no gradient.

        Raises
        ------
        IndexError
            There is no such row.
        """
        if ids.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
            raise TypeError(f"ids must be of an integer type, not {ids.dtype}")
        device, dtype = self._rows.device, self._rows.dtype
        flat = ids.detach().reshape(-1).to("cpu", torch.int64)
        # What travels has the store's precision or that of the layer, whichever is less, as far as rows can be copied so.
        stored = dtype == torch.bfloat16 and self.store.dtype == "bfloat16"
        travelling = dtype if stored or dtype == torch.float16 else torch.float32
        # PyTorch uses pinned memory again only when the copy from it has ended.
        pinned = device.type == "cuda"
        rows = torch.empty(len(flat), self.embedding_dim, dtype=travelling, device="cpu", pin_memory=pinned)
        padding = None if self.padding_idx is None else flat == self.padding_idx
        if padding is not None:
            # Behind the words there is no row to copy.
            flat = flat.masked_fill(padding, 0)
        if stored:
            torch.index_select(tensor(self.store, mode="readonly"), 0, flat, out=rows)
        else:
            self.store.take(flat.numpy(), out=rows.numpy())
        if padding is not None:
            rows[padding] = 0
        moved = rows.to(device, non_blocking=True).to(dtype)
        return moved.reshape(*ids.shape, self.embedding_dim)

    def extra_repr(self) -> str:
        """Say what `repr` shows."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
