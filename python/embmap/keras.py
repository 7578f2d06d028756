"""Layers for Keras 3, whatever its backend."""

from __future__ import annotations

from typing import Any

from ._optional import need

need("keras", "embmap.keras")

import keras

from ._core.store import check_open
from ._core.vocabulary import Vocab, names_padding
from ._query.forms import Fallback
from ._query.matrix import Matrix
from ._query.oov import OOV
from ._store import Store

__all__ = ["embedding"]


def embedding(
    store: Store,
    vocab: Vocab,
    *,
    trainable: bool | None = None,
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
    trainable : bool, optional
        ``True`` to fine-tune. By default only with `lora_rank`, when LoRA's matrices alone are trained.
    padding_idx, start, oov, scale, seed, fallback
        As in `Store.matrix`.
    **options
        Of `keras.layers.Embedding`, such as `mask_zero`, `lora_rank`, `name` and `dtype`, where ``"int8_from_float32"`` and
        ``"int4_from_float32"`` quantize the rows, as ``layer.quantize("int8")`` does later.

    Returns
    -------
    keras.layers.Embedding
        A plain one: models with it are saved and loaded without embmap.

    Raises
    ------
    TypeError
        An option says what the rows are: that is the store's part.
    ValueError
        `mask_zero` would hide a word, which has row 0.

    Notes
    -----
    ``keras.models.clone_model(model)`` makes new weights for all layers, for this one too; then
    ``clone.set_weights(model.get_weights())`` brings the vectors back. Loading a saved model does so by itself.

    With ``mask_zero=True``, `GlobalAveragePooling1D` divides by the number of words that are not padding, so that a text
    without any is NaN. (Keras' attention and recurrent layers give numbers.) Give unknown words a row of their own, as
    `TextVectorization` does, or leave such texts out.

    Examples
    --------
    >>> layer = embmap.keras.embedding(store, {"king": 1, "queen": 2}, mask_zero=True)
    >>> layer.input_dim, layer.output_dim, layer.trainable
    (3, 4, False)
    """
    check_open(store)
    if taken := sorted({"weights", "embeddings_initializer"} & options.keys()):
        raise TypeError(f"{taken[0]} is not for embmap.keras.embedding: the rows are the store's")
    matrix = store.matrix(
        vocab, start=start, padding_idx=padding_idx, oov=oov, scale=scale, seed=seed, fallback=fallback
    )
    if options.get("mask_zero"):
        _check_row_0(matrix)
    if trainable is None:
        trainable = bool(options.get("lora_rank"))
    policy = keras.dtype_policies.get(options.pop("dtype", None))
    mode = policy.quantization_mode
    # A layer that is made quantized has no rows to quantize.
    dtype = policy.name.partition("_from_")[2] if mode else policy
    initial = keras.initializers.get("uniform")
    options["embeddings_initializer"] = lambda shape, dtype: keras.ops.convert_to_tensor(matrix.array, dtype)
    layer = keras.layers.Embedding(*matrix.shape, trainable=trainable, dtype=dtype, **options)
    layer.build()
    if layer.quantization_mode:
        # By a map of policies, which tells by the layer's name: the rows would be zeros.
        raise ValueError("dtype quantizes before there are rows: give this layer's own, such as 'int8_from_float32'")
    # What a saved model says of the layer is what it says of any other.
    layer.embeddings_initializer = initial
    if mode:
        layer.quantize(mode, **_quantization(policy, options))
    return layer


def _check_row_0(matrix: Matrix) -> None:
    """Raise ValueError where row 0, which is masked, is a word's; the padding counts neither as found nor as missing."""
    word, row = next(iter(matrix.index.items()), ("", 1))
    if row == 0 and (word in matrix.found[:1] or (word in matrix.missing[:1] and not names_padding(word))):
        raise ValueError(
            f"mask_zero=True hides row 0, which is {word!r}: start=1 leaves the row free, padding_idx=0 makes it the padding"
        )


def _quantization(policy: keras.DTypePolicy, options: dict[str, Any]) -> dict[str, Any]:
    """Give what `quantize` must know besides the mode, such as the size of blocks in ``int4/32_from_float32``."""
    if options.get("quantization_config") is not None:
        return {"config": options["quantization_config"]}
    block_size = getattr(policy, "block_size", None)
    return {} if block_size is None else {"config": keras.quantizers.Int4QuantizationConfig(block_size=block_size)}
