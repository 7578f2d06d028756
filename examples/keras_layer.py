"""A Keras Embedding layer of a task's rows, from a `word_index`."""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

import embmap
from embmap.demo import sample, sentences

store = embmap.load(sample(Path()), cache_dir="cache")
texts, labels, names = sentences()
word_index = {word: i for i, word in enumerate(sorted({word for words in texts for word in words}), start=1)}

layer = embmap.keras.embedding(store, word_index, trainable=False, mask_zero=True)
model = keras.Sequential([layer, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(len(names))])

ids = np.zeros((len(texts), max(map(len, texts))), dtype="int64")
for row, words in zip(ids, texts, strict=True):
    row[: len(words)] = [word_index[word] for word in words]
scores = model(ids)
print(layer.input_dim, "rows of", layer.output_dim, "->", tuple(scores.shape), "scores for", ", ".join(names))
