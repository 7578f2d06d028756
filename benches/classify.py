"""The tutorials' last step: a classifier of text messages on pretrained vectors, loaded by gensim and by embmap.

    python benches/classify.py GLOVE SMS [--seeds 5] [--epochs 8] [--json OUT]

GLOVE is a text of GloVe's, SMS the SMS Spam Collection (label, tab, message). Every fifth message is held back. For each way
of loading, each framework, frozen and fine-tuned: accuracy on what was held back, mean and spread over the seeds, of the
same network, an embedding layer, the mean of a message's words, a layer of 32 and one of 2. Time is that of vectors to
matrix and that of training. Missing words are drawn from N(0, 0.6), by each way with its own numbers, as the tutorials do.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import machine
import numpy as np
import torch

import embmap

LENGTH = 40


def read(path: Path) -> tuple[list[list[str]], np.ndarray]:
    """Give the words of each message, and whether it is spam."""
    pairs = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    return [re.findall(r"\w+", text.lower()) for _, text in pairs], np.array(
        [label == "spam" for label, _ in pairs], int
    )


def by_gensim(glove: Path, vocabulary: list[str], seed: int) -> np.ndarray:
    from gensim.models import KeyedVectors

    vectors = KeyedVectors.load_word2vec_format(glove, no_header=True)
    matrix = np.random.default_rng(seed).normal(0, 0.6, (len(vocabulary), vectors.vector_size)).astype(np.float32)
    matrix[0] = 0
    for i, word in enumerate(vocabulary):
        if word in vectors.key_to_index:
            matrix[i] = vectors[word]
    return matrix


def by_embmap(glove: Path, vocabulary: list[str], seed: int) -> np.ndarray:
    with (
        tempfile.TemporaryDirectory() as folder,
        embmap.open(embmap.convert(glove, Path(folder, "v.embmap")).path) as store,
    ):
        return store.matrix(vocabulary, seed=seed).array


def in_torch(matrix: np.ndarray, data: Any, seed: int, freeze: bool, epochs: int) -> float:
    (x, y), (test_x, test_y) = data
    torch.manual_seed(seed)
    layer = torch.nn.EmbeddingBag.from_pretrained(
        torch.from_numpy(matrix.copy()), freeze=freeze, mode="mean", padding_idx=0
    )
    model = torch.nn.Sequential(layer, torch.nn.Linear(matrix.shape[1], 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 0.005)
    x, y, test_x = (torch.from_numpy(array) for array in (x, y, test_x))
    for _ in range(epochs):
        for some in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[some]), y[some]).backward()
            optimizer.step()
    with torch.no_grad():
        return float((model(test_x).argmax(1).numpy() == test_y).mean())


def in_keras(matrix: np.ndarray, data: Any, seed: int, freeze: bool, epochs: int) -> float:
    (x, y), (test_x, test_y) = data
    keras.utils.set_random_seed(seed)
    layer = keras.layers.Embedding(*matrix.shape, trainable=not freeze, mask_zero=True)
    layer.build()
    layer.set_weights([matrix])
    model = keras.Sequential(
        [layer, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(32, "relu"), keras.layers.Dense(2, "softmax")]
    )
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return float(model.evaluate(test_x, test_y, verbose=0)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("glove", type=Path)
    parser.add_argument("sms", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    texts, labels = read(arguments.sms)
    # A message without a word has no mean.
    held = np.arange(len(texts)) % 5 == 0
    usable = np.array([bool(text) for text in texts])
    vocabulary = [
        "",
        *sorted({word for text, no in zip(texts, held, strict=True) if not no for word in text}),
        "[unknown]",
    ]
    row = {word: i for i, word in enumerate(vocabulary)}
    ids = np.zeros((len(texts), LENGTH), np.int64)
    for i, text in enumerate(texts):
        ids[i, : len(text[:LENGTH])] = [row.get(word, row["[unknown]"]) for word in text[:LENGTH]]
    data = [(ids[part], labels[part]) for part in (~held & usable, held & usable)]
    print(
        f"{'vectors by':<12}{'matrix, s':>10}{'network':>10}{'':>12}{'accuracy, mean (min-max)':>28}{'training, s':>13}"
    )
    result = []
    for name, load in {"gensim": by_gensim, "embmap": by_embmap}.items():
        start = time.perf_counter()
        matrices = [load(arguments.glove, vocabulary, seed) for seed in range(arguments.seeds)]
        loading = (time.perf_counter() - start) / arguments.seeds
        for framework, train in {"PyTorch": in_torch, "Keras": in_keras}.items():
            for freeze in (True, False):
                start = time.perf_counter()
                found = [train(m, data, seed, freeze, arguments.epochs) for seed, m in enumerate(matrices)]
                seconds = (time.perf_counter() - start) / arguments.seeds
                what = "frozen" if freeze else "fine-tuned"
                result.append({"vectors": name, "matrix_s": loading, "network": framework, "weights": what,
                               "accuracy": found, "training_s": seconds})  # fmt: skip
                spread = f"{statistics.mean(found):.4f} ({min(found):.4f}-{max(found):.4f})"
                print(f"{name:<12}{loading:>10.2f}{framework:>10}{what:>12}{spread:>28}{seconds:>13.2f}", flush=True)
    machine.save(arguments.json, ("torch", "keras", "gensim"), runs=result)


if __name__ == "__main__":
    main()
