"""`embmap demo`: every step timed against the tutorials' way, its answer checked, a table and a chart at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

import embmap

from . import loader, sample, sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

_T = TypeVar("_T")
_TRAINING_SENTENCES = 80
_SEEDS = 5
# Read once by the tutorials' loop, which takes long enough.
_LARGE_BYTES = 100 << 20


def run(folder: Path, say: Callable[[str], None], vectors: Path | None = None) -> None:
    """Run the demo on the sample, or on GloVe text of the user's own.

    `folder` gets the sample, the store and the chart, `say` gets the lines to show.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = vectors or sample(folder)
    what = "Your file" if vectors else "The sample"
    say(f"{what}: {text} ({text.stat().st_size / 1e6:,.1f} MB of GloVe text)\n")

    say("1. Text to vectors")
    best_of = 1 if text.stat().st_size > _LARGE_BYTES else 2
    slow, by_hand = _timed(lambda: loader.load_glove(text), best_of=best_of)
    target = folder / "vectors.embmap"
    converting, report = _timed(lambda: embmap.convert(text, target), best_of=2)
    opening, store = _timed(lambda: embmap.open(target), best_of=5)
    assert list(store) == list(by_hand), "the words differ from the tutorials' loader's"
    assert all(np.array_equal(store[word], by_hand[word]) for word in by_hand), "the vectors differ"
    say(f"   {report.rows:,} words of {report.dim} numbers; every number is the tutorial loader's, bit for bit.\n")

    say("2. Look up")
    say(f"   'king' is row {store.index('king')}: [{', '.join(f'{x:.3f}' for x in store['king'][:4])}, ...]")
    word, cosine = store.most_similar(positive=["king", "woman"], negative=["man"], topn=1)[0]
    say(f"   king - man + woman = {word} ({cosine:.2f})")
    say(f"   nearest to 'ship': {', '.join(word for word, _ in store.most_similar('ship', topn=5))}")
    say(
        f"   breakfast, dinner, supper, sword: {store.doesnt_match(['breakfast', 'dinner', 'supper', 'sword'])} is odd\n"
    )

    texts, labels, names = sentences()
    vocab = ["<pad>", *sorted({word for words in texts for word in words})]
    filling, _ = _timed(lambda: loader.fill_matrix(by_hand, vocab, store.dim), best_of=5)
    building, matrix = _timed(lambda: store.matrix(vocab, padding_idx=0), best_of=5)
    say("3. The task's weights matrix")
    say(f"   {matrix.shape[0]} rows for the words of {len(texts)} sentences: {matrix.coverage:.1%} found;")
    say(f"   drawn from N(0, 0.6): {', '.join(matrix.missing[:8])}, ...\n")

    say("4. Layers")
    _show_layers(store, vocab, say)

    say(
        f"5. A classifier: {', '.join(names)}? embedding -> mean -> linear, {_TRAINING_SENTENCES} sentences to learn from"
    )
    scores = _train_all(store, vocab, texts, labels, len(names))
    for name, score in scores.items():
        say(f"   {name:<24} {score:6.1%} of the other {len(texts) - _TRAINING_SENTENCES} right")
    say("")

    rows = [
        ("text file to vectors, once", slow, converting),
        ("every start after that", slow, opening),
        (f"matrix of {len(vocab)} words", filling, building),
    ]
    say(_table(rows))
    if chart := _chart(folder / "embmap-demo.png", rows, scores):
        say(f"\nThe chart: {chart}")


def _timed(call: Callable[[], _T], best_of: int = 1) -> tuple[float, _T]:
    results, best = [], float("inf")
    for _ in range(best_of):
        start = time.perf_counter()
        results.append(call())
        best = min(best, time.perf_counter() - start)
    return best, results[-1]


def _show_layers(store: embmap.Store, vocab: Sequence[str], say: Callable[[str], None]) -> None:
    import keras
    import torch

    whole = embmap.torch.embedding(store)
    say(f"   {whole}: the whole table, frozen, without a copy")
    tuned = embmap.torch.embedding(store, vocab, padding_idx=0, freeze=False)
    say(f"   {tuned}: the task's rows, to fine-tune")
    layer = embmap.keras.embedding(store, vocab, padding_idx=0, mask_zero=True)
    ids = np.array([[1, 2, 0]])
    rows = np.asarray(keras.ops.convert_to_numpy(layer(ids)))
    same = np.array_equal(rows, tuned(torch.from_numpy(ids)).detach().numpy())
    assert same, "the Keras layer and the PyTorch layer disagree"
    say(f"   Keras: Embedding({layer.input_dim}, {layer.output_dim}), mask_zero={layer.mask_zero}: the same rows\n")


def _train_all(
    store: embmap.Store, vocab: Sequence[str], texts: Sequence[Sequence[str]], labels: Sequence[int], classes: int
) -> dict[str, float]:
    """Give the accuracy of the classifier with each kind of embedding, mean of several seeds."""
    import torch

    from .classifier import MeanClassifier, accuracy, pad, train

    index = {word: i for i, word in enumerate(vocab)}
    ids, truth = pad(texts, index), torch.tensor(labels)
    cut = _TRAINING_SENTENCES

    def random(seed: int) -> torch.nn.Embedding:
        layer = torch.nn.Embedding(len(vocab), store.dim, padding_idx=0)
        torch.nn.init.normal_(layer.weight, std=0.6)
        return layer

    kinds: dict[str, Callable[[int], torch.nn.Embedding]] = {
        "random vectors, trained": random,
        "pretrained, frozen": lambda seed: embmap.torch.embedding(store, vocab, padding_idx=0, seed=seed),
        "pretrained, fine-tuned": lambda seed: embmap.torch.embedding(
            store, vocab, padding_idx=0, seed=seed, freeze=False
        ),
    }
    scores = {}
    for name, make in kinds.items():
        right = []
        for seed in range(_SEEDS):
            torch.manual_seed(seed)
            order = torch.randperm(len(texts))
            model = MeanClassifier(make(seed), classes)
            train(model, ids[order[:cut]], truth[order[:cut]])
            right.append(accuracy(model, ids[order[cut:]], truth[order[cut:]]))
        scores[name] = float(np.mean(right))
    return scores


def _table(rows: Sequence[tuple[str, float, float]]) -> str:
    lines = [f"{'':<28} {'tutorials':>12} {'embmap':>12} {'faster':>9}"]
    lines += [f"{name:<28} {_show(a):>12} {_show(b):>12} {f'{a / b:,.0f} x':>9}" for name, a, b in rows]
    rule = "-" * len(lines[0])
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def _show(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 1e-6:.0f} µs"


def _chart(path: Path, rows: Sequence[tuple[str, float, float]], scores: dict[str, float]) -> Path | None:
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (times, right) = pyplot.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
    places = np.arange(len(rows))
    times.barh(places - 0.2, [row[1] * 1e3 for row in rows], 0.4, label="tutorials", color="#b9bec7")
    times.barh(places + 0.2, [row[2] * 1e3 for row in rows], 0.4, label="embmap", color="#2f6fde")
    times.set(yticks=places, yticklabels=[row[0] for row in rows], xscale="log", xlabel="milliseconds, log scale")
    times.set(title="Time: shorter is better", xlim=(min(row[2] for row in rows) * 1e3 / 3, None))
    times.invert_yaxis()
    times.legend(frameon=False)
    right.barh(list(scores), [score * 100 for score in scores.values()], 0.5, color=["#b9bec7", "#2f6fde", "#2f6fde"])
    right.set(
        title="A classifier of few sentences: longer is better", xlim=(0, 100), xlabel="% of unseen sentences right"
    )
    right.invert_yaxis()
    for axes in (times, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return path
