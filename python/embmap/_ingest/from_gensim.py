"""gensim's `KeyedVectors` to a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .._core.writer import write
from .._dtype import DtypeName
from .._store import Store

if TYPE_CHECKING:
    from .._progress import Progress


def from_gensim(
    keyed_vectors: Any,
    path: str | os.PathLike[str],
    *,
    dtype: DtypeName = "float32",
    normalize: bool = False,
    screen: bool = False,
    metadata: dict[str, Any] | None = None,
    progress: bool | Progress | None = None,
) -> Store:
    """Write gensim's vectors to a store.

    Words are in the order of ``index_to_key``, rows are those of ``vectors``, bit for bit where `dtype` is float32. Those of
    `FastTextKeyedVectors` are the words' finished vectors, parts of words included; the vectors of the parts, and so vectors
    for words that are not there, are not written.

    Parameters
    ----------
    keyed_vectors : gensim.models.KeyedVectors, or a model with one as ``wv``
        Its keys must be `str`.
    path : path
        Where the store goes; a file that is there is replaced.
    dtype, normalize, screen, metadata, progress
        As in `write`.

    Returns
    -------
    Store
        The new store, open.

    Raises
    ------
    TypeError
        These are no keyed vectors, or a key is no `str`.
    ValueError, OSError
        As `write` does; nothing is left behind.

    Examples
    --------
    >>> vectors = store.to_gensim()
    >>> embmap.from_gensim(vectors, "copy.embmap")["king"]
    array([0.9, 0.8, 0.1, 0. ], dtype=float32)
    """
    found = getattr(keyed_vectors, "wv", keyed_vectors)
    if not (hasattr(found, "index_to_key") and hasattr(found, "vectors")):
        raise TypeError(f"expected gensim's KeyedVectors (version 4 or later), found {type(keyed_vectors).__name__}")
    report = write(
        path,
        found.index_to_key,
        found.vectors,
        metadata,
        dtype=dtype,
        normalize=normalize,
        screen=screen,
        progress=progress,
    )
    return Store(report.path)
