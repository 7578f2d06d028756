"""A map of a store's words: two numbers a word, for a picture or for Embedding Atlas."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .._atomic_file import new_file
from .._optional import need
from .._paths import check_apart, local
from .._progress import Progress, shown
from .knn_graph import neighbors_of_all
from .similarity import first_rows, unit

if TYPE_CHECKING:
    from .._core.store import CoreStore

Method = Literal["pca", "umap"]


def plane_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each row its place in the plane in which the rows differ most, ``[rows, 2]``: the first two principal components.

    Signs follow from the vectors, so that equal vectors give an equal map.
    """
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, :-3:-1]
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    largest = axes[np.abs(axes).argmax(0), np.arange(2)]
    return np.asarray(centred @ (axes * np.where(largest < 0, -1, 1)), np.float32)


def project(
    store: CoreStore,
    target: str | os.PathLike[str],
    *,
    method: Method = "pca",
    limit: int | None = None,
    k: int = 10,
    progress: bool | Progress | None = None,
) -> int:
    """Write a Parquet file of words and their places in a plane, in the form that Embedding Atlas opens.

    Parameters
    ----------
    store : Store
        The vectors; rows are compared by cosine, as `Store.neighbors` does.
    target : path
        The file, with columns ``id``, ``word``, ``x``, ``y``, and ``neighbors``: ``ids`` and ``distances`` (1 - cosine).
    method : {"pca", "umap"}
        Principal components, or UMAP (``umap-learn`` must be installed) over the exact neighbours.
    limit : int, optional
        Only the first words: the most frequent, where the file is sorted so.
    k : int
        Neighbours of each word.
    progress : bool or callable, optional
        A bar, or a function of rows done and rows in all.

    Returns
    -------
    int
        The words written.
    """
    pa = need("pyarrow", "a map of words in Parquet")
    parquet = need("pyarrow.parquet", "a map of words in Parquet", "pyarrow")
    target = local(target)
    check_apart(target, *store._files())
    rows = len(store) if limit is None else first_rows(store, limit, "limit")
    k = min(k, max(rows - 1, 0))
    vectors = unit(store.take(np.arange(rows))).astype(np.float32)
    near, cosines = np.empty((rows, k), np.int64), np.empty((rows, k), np.float32)
    with shown(progress, target.name, " rows") as tick:
        for start, ids, values in neighbors_of_all(store, rows, k):
            near[start : start + len(ids)], cosines[start : start + len(ids)] = ids, values
            if tick:
                tick(start + len(ids), rows)
    place = plane_of(vectors) if method == "pca" else _umap(vectors, near, cosines)
    offsets = np.arange(rows + 1) * k
    lists = [pa.LargeListArray.from_arrays(offsets, column.ravel()) for column in (near, 1 - cosines)]
    columns = {
        "id": np.arange(rows),
        "word": store.words[:rows],
        "x": place[:, 0],
        "y": place[:, 1],
        "neighbors": pa.StructArray.from_arrays(lists, names=["ids", "distances"]),
    }
    with new_file(target) as temporary:
        parquet.write_table(pa.table(columns), temporary)
    return rows


def _umap(vectors: NDArray[np.float32], near: NDArray[np.int64], cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    umap = need("umap", "method='umap'", "umap-learn")
    # UMAP counts a row among its own neighbours.
    ids = np.column_stack([np.arange(len(near)), near])
    distances = np.column_stack([np.zeros(len(near), np.float32), np.maximum(1 - cosines, 0)])
    model = umap.UMAP(n_neighbors=ids.shape[1], metric="cosine", precomputed_knn=(ids, distances), random_state=0)
    return np.asarray(model.fit_transform(vectors), np.float32)


def plot(store: CoreStore, words: list[str], target: str | os.PathLike[str]) -> None:
    """Draw words where their vectors lie in the plane in which those differ most, as an image that `target` names.

    Raises
    ------
    KeyError
        A word is missing.
    ImportError
        matplotlib is not installed.
    """
    matplotlib = need("matplotlib", "a picture", "matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    place = plane_of(np.stack([store[word] for word in words]).astype(np.float32))
    figure, axes = pyplot.subplots(figsize=(6, 6), layout="constrained")
    axes.scatter(place[:, 0], place[:, 1], s=18, color="#2f6fde")
    for word, (x, y) in zip(words, place, strict=True):
        axes.annotate(word, (x, y), xytext=(5, 4), textcoords="offset points")
    # Lengths mean the same in both directions.
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.15)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    target = local(target)
    check_apart(target, *store._files())
    with new_file(target) as temporary:
        figure.savefig(temporary, dpi=150, format=target.suffix[1:] or "png")
    pyplot.close(figure)
