"""Layers for Keras 3, whatever its backend."""

from __future__ import annotations

from typing import Any

import keras

from ._matrix import Fallback
from ._oov import OOV
from ._store import Store
from ._vocab import Vocab

__all__ = ["embedding"]


def embedding(
    store: Store,
    vocab: Vocab,
    *,
    trainable: bool = False,
    padding_idx: int | None = None,
    start: int = 0,
    oov: OOV = "normal",
    scale: float = 0.6,
    seed: int = 0,
    fallback: Fallback | tuple[Fallback, ...] = (),
    **options: Any,
) -> keras.layers.Embedding:
    """Make a `keras.layers.Embedding` of a task's rows.

    Parameters
    ----------
    store : Store
    vocab : iterable of str, mapping of str to int, a layer with ``get_vocabulary``, or a tokenizer
        As in `Store.matrix`. A ``word_index`` starts at 1, so that row 0, the padding, is zeros. The vocabulary of a
        `TextVectorization` layer begins with the empty word, which is the padding: its row is zeros too.
    trainable : bool
        ``True`` to fine-tune.
    padding_idx, start, oov, scale, seed, fallback
        As in `Store.matrix`.
    **options
        Of `keras.layers.Embedding`, such as `mask_zero` and `name`.

    Returns
    -------
    keras.layers.Embedding

    Examples
    --------
    >>> layer = embmap.keras.embedding(store, {"king": 1, "queen": 2}, mask_zero=True)
    >>> layer.input_dim, layer.output_dim, layer.trainable
    (3, 4, False)
    """
    matrix = store.matrix(
        vocab, start=start, padding_idx=padding_idx, oov=oov, scale=scale, seed=seed, fallback=fallback
    )
    layer = keras.layers.Embedding(*matrix.shape, trainable=trainable, **options)
    layer.build()
    layer.set_weights([matrix.array])
    return layer
