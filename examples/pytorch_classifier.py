"""Train a text classifier on pretrained vectors: frozen, then fine-tuned."""

from pathlib import Path

import torch

import embmap
from embmap.demo import sample, sentences
from embmap.demo.classifier import MeanClassifier, accuracy, pad, train

store = embmap.load(sample(Path()), cache_dir="cache")
texts, labels, names = sentences()
vocab = ["<pad>", *sorted({word for words in texts for word in words})]
index = {word: i for i, word in enumerate(vocab)}
ids, truth = pad(texts, index), torch.tensor(labels)

for freeze in (True, False):
    torch.manual_seed(0)
    embedding = embmap.torch.embedding(store, vocab, padding_idx=0, freeze=freeze)
    model = MeanClassifier(embedding, labels=len(names))
    train(model, ids[:80], truth[:80])
    kind = "frozen" if freeze else "fine-tuned"
    print(f"{kind}: {accuracy(model, ids[80:], truth[80:]):.1%} of the other {len(ids) - 80} sentences right")

# The whole table is a layer too, without a copy; training it changes memory, never the file.
whole = embmap.torch.embedding(store, freeze=False)
print(whole, "of", whole.weight.nbytes, "bytes, mapped")
