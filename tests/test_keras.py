"""Layers for Keras 3."""

import keras
import numpy as np
import pytest

import embmap

# Keras' torch backend is the one under test.
assert keras.backend.backend() == "torch"


def rows(layer, ids):
    return layer(np.array(ids)).detach().numpy()


def test_a_word_index_reserves_row_0_for_padding(store):
    layer = embmap.keras.embedding(store, {"king": 1, "queen": 2, "nobody": 3}, oov="zeros", mask_zero=True)
    assert type(layer) is keras.layers.Embedding
    assert (layer.input_dim, layer.output_dim, layer.mask_zero, layer.trainable) == (4, 4, True, False)
    found = rows(layer, [[1, 2, 0], [3, 0, 0]])
    assert np.array_equal(found[0], [store["king"], store["queen"], np.zeros(4)])
    assert not found[1].any()


class Layer:
    def __init__(self, vocab):
        self.get_vocabulary = lambda: vocab


@pytest.mark.parametrize("kind", [list, tuple, np.array, Layer, lambda vocab: dict(zip(vocab, range(3), strict=True))])
def test_a_text_vectorization_vocabulary_begins_with_the_padding(store, kind):
    layer = embmap.keras.embedding(store, kind(["", "[UNK]", "king"]))
    found = rows(layer, [0, 1, 2])
    assert not found[0].any()
    assert found[1].any()
    assert np.array_equal(found[2], store["king"])


@pytest.mark.parametrize("trainable", [False, True])
def test_training_changes_the_layer_only_when_it_may(store, trainable, tmp_path):
    before = store.path.read_bytes()
    layer = embmap.keras.embedding(store, {"king": 1, "queen": 2}, trainable=trainable, name="words")
    start = rows(layer, [0, 1, 2])
    model = keras.Sequential([layer, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(np.array([[1, 2, 0]] * 8), np.ones(8), epochs=2, verbose=0)
    assert np.array_equal(rows(layer, [0, 1, 2]), start) != trainable
    assert store.path.read_bytes() == before
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(rows(again.get_layer("words"), [0, 1, 2]), rows(layer, [0, 1, 2]))


VOCAB = {"king": 1, "queen": 2, "nobody": 3}


def as_arrays(model, ids):
    return keras.ops.convert_to_numpy(keras.ops.cast(model(np.array(ids)), "float32"))


def model_of(layer):
    return keras.Sequential([keras.Input((3,), dtype="int64"), layer])


# The type of the layer, how far its rows may be off, and the type that it gives.
TYPES = [
    (None, 0, "float32"),
    ("float32", 0, "float32"),
    ("float64", 0, "float64"),
    ("float16", 1e-3, "float16"),
    ("mixed_float16", 1e-3, "float16"),
    ("mixed_bfloat16", 1e-2, "bfloat16"),
    (keras.DTypePolicy("bfloat16"), 1e-2, "bfloat16"),
    ("int8_from_float32", 1e-2, "float32"),
    ("int8_from_mixed_bfloat16", 2e-2, "bfloat16"),
    ("int4_from_float32", 0.2, "float32"),
    ("int4/-1_from_float32", 0.2, "float32"),
]


@pytest.mark.parametrize("lora_rank", [None, 2])
@pytest.mark.parametrize(("dtype", "off", "given"), TYPES)
def test_any_type_with_lora_or_without_keeps_the_vectors(store, tmp_path, dtype, off, given, lora_rank):
    layer = embmap.keras.embedding(store, VOCAB, dtype=dtype, lora_rank=lora_rank, mask_zero=True, name="words")
    assert type(layer) is keras.layers.Embedding
    assert (layer.trainable, layer.lora_enabled) == (bool(lora_rank),) * 2
    if isinstance(dtype, str) and "_from_" in dtype:
        assert layer.dtype_policy.quantization_mode == dtype[:4]
    model = model_of(layer)
    found = as_arrays(model, [[1, 2, 0]])
    assert model.outputs[0].dtype == given
    assert np.allclose(found, [[store["king"], store["queen"], np.zeros(4)]], atol=off)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("words").mask_zero
    cloned = keras.models.clone_model(model)
    cloned.load_weights(tmp_path / "model.weights.h5")
    for again in (loaded, cloned):
        # LoRA's product is quantized with the rows when it is saved.
        assert np.allclose(as_arrays(again, [[1, 2, 0]]), found, atol=off if lora_rank else 0)


def test_the_global_policy_holds(store):
    keras.config.set_dtype_policy("int8_from_float32")
    try:
        layer = embmap.keras.embedding(store, VOCAB)
    finally:
        keras.config.set_dtype_policy("float32")
    assert layer.dtype_policy.quantization_mode == "int8"
    assert np.allclose(rows(layer, [1]), [store["king"]], atol=1e-2)


def test_quantizing_later_keeps_the_vectors(store):
    layer = embmap.keras.embedding(store, VOCAB)
    layer.quantize("int8")
    assert layer.dtype_policy.name == "int8_from_float32"
    assert np.allclose(rows(layer, [1, 2]), [store["king"], store["queen"]], atol=1e-2)


def test_lora_trains_its_own_matrices_alone(store):
    layer = embmap.keras.embedding(store, VOCAB, lora_rank=2)
    model = keras.Sequential([layer, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    before = rows(layer, [1, 2])
    model.fit(np.array([[1, 2, 0]] * 8), np.ones(8), epochs=2, verbose=0)
    assert not np.array_equal(rows(layer, [1, 2]), before)
    table = next(weight for weight in layer.weights if weight.name == "embeddings")
    assert np.array_equal(keras.ops.convert_to_numpy(table)[1:3], [store["king"], store["queen"]])
    assert not embmap.keras.embedding(store, VOCAB, lora_rank=2, trainable=False).trainable_weights


def test_a_clone_has_weights_of_its_own_and_takes_these(store):
    model = model_of(embmap.keras.embedding(store, VOCAB, name="words"))
    clone = keras.models.clone_model(model)
    assert not np.array_equal(as_arrays(clone, [[1, 2, 0]]), as_arrays(model, [[1, 2, 0]]))
    clone.set_weights(model.get_weights())
    assert np.array_equal(as_arrays(clone, [[1, 2, 0]]), as_arrays(model, [[1, 2, 0]]))
    assert not clone.get_layer("words").trainable


def test_a_saved_model_says_of_the_layer_what_it_says_of_any(store):
    ours = embmap.keras.embedding(store, VOCAB, name="words", mask_zero=True).get_config()
    assert ours == keras.layers.Embedding(4, 4, name="words", mask_zero=True, trainable=False).get_config()
    assert "embmap" not in model_of(embmap.keras.embedding(store, VOCAB)).to_json()


def test_a_text_of_padding_alone_is_nan_in_a_mean_that_masks(store):
    texts = [[0, 0, 0], [1, 0, 0]]

    mean = keras.layers.GlobalAveragePooling1D()

    def pooled(ids, mask_zero, pool=mean):
        words = keras.Input((3,), dtype="int64")
        vectors = embmap.keras.embedding(store, VOCAB, mask_zero=mask_zero)(words)
        return as_arrays(keras.Model(words, pool(vectors)), ids)

    assert np.isnan(pooled(texts, True)[0]).all()
    assert np.array_equal(pooled(texts, True)[1], store["king"])
    assert np.isfinite(pooled(texts, False)).all()
    # A row for unknown words is no padding.
    assert np.isfinite(pooled([[3, 0, 0], [1, 0, 0]], True)).all()
    attention, heads = keras.layers.Attention(), keras.layers.MultiHeadAttention(2, 2)
    for pool in (lambda x: attention([x, x]), lambda x: heads(x, x), keras.layers.LSTM(2)):
        assert np.isfinite(pooled(texts, True, pool)).all()


def test_options_that_conflict_say_so(store):
    for option in ({"weights": np.zeros((4, 4))}, {"embeddings_initializer": "zeros"}):
        with pytest.raises(TypeError, match=f"{next(iter(option))} is not for .* the rows are the store's"):
            embmap.keras.embedding(store, VOCAB, **option)
    with pytest.raises(ValueError, match="hides row 0, which is 'king': start=1"):
        embmap.keras.embedding(store, ["king", "queen"], mask_zero=True)
    with pytest.raises(ValueError, match="mask_zero=True hides row 0, which is 'zz'"):
        embmap.keras.embedding(store, ["zz", "queen"], mask_zero=True)
    for vocab, options in (
        (["king", "queen"], {"start": 1}),
        (["king", "queen"], {"padding_idx": 0}),
        (["<pad>", "king"], {}),
        (["", "[UNK]", "king"], {}),
        ({"king": 1}, {}),
        ([], {"start": 1}),
    ):
        assert embmap.keras.embedding(store, vocab, mask_zero=True, **options).mask_zero
    # Keras' own.
    with pytest.raises(ValueError, match="incompatible with embedding constraints"):
        embmap.keras.embedding(store, VOCAB, lora_rank=2, embeddings_constraint="max_norm")
    with pytest.raises(NotImplementedError, match=r"'int8', 'int4'.*float8"):
        embmap.keras.embedding(store, VOCAB, dtype="float8_from_float32")
    quantizing = keras.dtype_policies.DTypePolicyMap(
        policy_map={"words": keras.dtype_policies.get("int8_from_float32")}
    )
    layer = embmap.keras.embedding(store, VOCAB, dtype=quantizing, name="others")
    assert np.array_equal(rows(layer, [1]), [store["king"]])
    with pytest.raises(ValueError, match="quantizes before there are rows"):
        embmap.keras.embedding(store, VOCAB, dtype=quantizing, name="words")
