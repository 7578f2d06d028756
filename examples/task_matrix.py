"""The weights matrix of a task: padding in row 0, missing words drawn from N(0, 0.6), in one call."""

from pathlib import Path

import embmap
from embmap.demo import sample, sentences

store = embmap.load(sample(Path()), cache_dir="cache")
texts, _, _ = sentences()
vocab = ["<pad>", *sorted({word for words in texts for word in words})]

matrix = store.matrix(vocab, padding_idx=0, oov="normal", scale=0.6, fallback=("lower",))
print(matrix)
print(f"coverage {matrix.coverage:.1%}; missing: {', '.join(matrix.missing[:5])}, ...")

# A mapping word -> row works as well: Keras' word_index, torchtext's stoi.
word_index = {word: i for i, word in enumerate(vocab[1:], start=1)}
assert (store.matrix(word_index).array == matrix.array).all()
