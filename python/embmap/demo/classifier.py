"""A text classifier in its simplest form: embedding, mean over the words, one linear layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn


class MeanClassifier(nn.Module):
    """Embedding -> mean over the words that are not padding -> Linear."""

    def __init__(self, embedding: nn.Embedding, labels: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.linear = nn.Linear(embedding.embedding_dim, labels)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Score the labels: ``[batch, length]`` ids, 0 for padding, to ``[batch, labels]``."""
        words = (ids != 0).unsqueeze(-1)
        mean = (self.embedding(ids) * words).sum(1) / words.sum(1).clamp(min=1)
        scores: torch.Tensor = self.linear(mean)
        return scores


def pad(texts: Sequence[Sequence[str]], index: Mapping[str, int]) -> torch.Tensor:
    """Give the ids of texts, ``[batch, longest]``, padded with 0."""
    rows = [torch.tensor([index[word] for word in text]) for text in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def train(model: MeanClassifier, ids: torch.Tensor, labels: torch.Tensor, epochs: int = 60) -> None:
    """Fit the model to all the texts at once, `epochs` times; embeddings that may learn do so gently."""
    groups = [{"params": model.linear.parameters(), "lr": 0.05}]
    if model.embedding.weight.requires_grad:
        groups.append({"params": model.embedding.parameters(), "lr": 0.002})
    optimizer = torch.optim.Adam(groups)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(ids), labels)
        torch.autograd.backward(loss)
        optimizer.step()


@torch.no_grad()
def accuracy(model: MeanClassifier, ids: torch.Tensor, labels: torch.Tensor) -> float:
    """Give the share of texts whose best label is the true one."""
    right: torch.Tensor = model(ids).argmax(1) == labels
    return float(right.double().mean())
