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
