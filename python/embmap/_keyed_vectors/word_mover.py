"""The word mover's distance: what it costs to move the words of one document onto those of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .._optional import need

_W = TypeVar("_W", bound=Hashable)


def distance(
    document1: Sequence[_W], document2: Sequence[_W], vectors_of: Callable[[list[_W]], NDArray[np.float32]]
) -> float:
    """Solve the transport between two documents' words, each as heavy as it is frequent, at the distance of their vectors.

    POT solves it, as for gensim.
    """
    emd2 = need("ot", "wmdistance()", "POT").emd2
    if not (document1 and document2):
        return float("inf")
    counts = [Counter(document) for document in (document1, document2)]
    if len(counts[0] | counts[1]) == 1:
        return 0.0
    first, second = (vectors_of(list(count)).astype(np.float64) for count in counts)
    costs = np.linalg.norm(first[:, np.newaxis] - second[np.newaxis], axis=2)
    # gensim's answer; it keeps POT from what it cannot solve.
    if costs.sum() < 1e-8:
        return float("inf")
    weights = [np.array(list(count.values())) / count.total() for count in counts]
    return float(emd2(*weights, costs))
