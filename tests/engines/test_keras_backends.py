"""`embmap.keras.embedding` on every backend of Keras: a model is trained, saved, and loaded where there is no store."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

TRAIN = """
import json, sys
import keras, numpy as np
import embmap
store = embmap.open(sys.argv[1])
words = ["", "[UNK]", "king", "queen", "apple"]
layer = embmap.keras.embedding(store, words, mask_zero=True)
model = keras.Sequential([layer, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1, activation="sigmoid")])
model.compile("adam", "binary_crossentropy")
ids = np.array([[2, 3], [4, 0], [3, 1], [1, 4]])
model.fit(ids, np.array([1, 0, 1, 0]), epochs=2, verbose=0)
rows = keras.ops.convert_to_numpy(layer(np.array([2, 4])))
frozen = np.array_equal(rows, store.lookup(["king", "apple"]))
tuned = embmap.keras.embedding(store, words, trainable=True)
other = keras.Sequential([tuned, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)])
other.compile("sgd", "mse")
other.fit(ids, np.array([1.0, 0, 1, 0]), epochs=1, verbose=0)
moved = not np.array_equal(keras.ops.convert_to_numpy(tuned(np.array([2]))), store.lookup(["king"]))
model.save(sys.argv[2])
print(json.dumps([keras.backend.backend(), frozen, moved, model.predict(ids, verbose=0).tolist()]))
"""
LOAD = """
import json, sys
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
assert "embmap" not in sys.modules
print(json.dumps(model.predict(np.array([[2, 3], [4, 0], [3, 1], [1, 4]]), verbose=0).tolist()))
"""
VECTORIZE = """
import json, sys
import keras, numpy as np
import embmap
store = embmap.open(sys.argv[1])
texts = keras.layers.TextVectorization(output_sequence_length=3)
texts.adapt(["king queen", "king apple", "king unheard-of"])
layer = embmap.keras.embedding(store, texts, mask_zero=True)
rows = keras.ops.convert_to_numpy(layer(texts(np.array(["king queen nobody"]))))
print(json.dumps(bool(np.array_equal(rows[0, :2], store.lookup(["king", "queen"])))))
"""


def need(*modules):
    # Not imported: TensorFlow and PyTorch do not bear each other in one process.
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def run(backend, code, *arguments):
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
    }
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
def test_a_model_is_trained_saved_and_loaded(store, tmp_path, backend):
    need(backend)
    name, frozen, moved, answers = run(backend, TRAIN, store.path, tmp_path / "model.keras")
    assert (name, frozen, moved) == (backend, True, True)
    store.path.unlink()
    assert run(backend, LOAD, tmp_path / "model.keras") == answers


@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
def test_the_vocabulary_of_text_vectorization(store, backend):
    # TextVectorization is TensorFlow's on every backend.
    need(backend, "tensorflow")
    assert run(backend, VECTORIZE, store.path)
