"""What is asked with: words and vectors in whatever form they come, as rows of float32."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .._core.store import CoreStore


class ArrayLike(Protocol):
    """What NumPy's arrays offer, and the tensors of PyTorch, JAX and TensorFlow."""

    def __array__(self) -> NDArray[Any]: ...


Key: TypeAlias = str | ArrayLike | Sequence[float]
"""A word of the store, or a vector."""
Keys: TypeAlias = str | ArrayLike | Iterable[Key | float]
"""One of them, or several; numbers are a vector's."""
WeightedKeys: TypeAlias = str | ArrayLike | Sequence[Key | tuple[Key, float] | float] | None
"""The same, each with a weight or without: ``("king", 0.5)``."""


def queries_of(store: CoreStore, queries: Keys) -> tuple[NDArray[np.float32], bool]:
    """Vectors of queries, ``[n, dim]``, and whether there is but one, not in a list."""
    asked = plain(queries)
    if isinstance(asked, np.ndarray) and asked.ndim == 2:
        return _as_floats(asked, (len(asked), store.dim)), False
    single = _is_one(asked)
    return vectors_of(store, [asked] if single else asked), single


def vectors_of(store: CoreStore, keys: Iterable[Key]) -> NDArray[np.float32]:
    """Vectors of words and of vectors, ``[n, dim]``; KeyError for a word that is missing."""
    asked = [plain(key) for key in keys]
    vectors = np.empty((len(asked), store.dim), np.float32)
    words = []
    for i, key in enumerate(asked):
        if isinstance(key, str):
            words.append(i)
        else:
            vectors[i] = _as_floats(_as_array(key), (store.dim,))
    # Not `store[word]`, which whoever was handed it may have written to.
    vectors[words] = store._rows(np.array([store.index(asked[i]) for i in words], np.int64), None)
    return vectors


def weighted(keys: WeightedKeys, weight: float) -> Iterator[tuple[Key, float]]:
    """Give words and vectors each with the weight that it has, or `weight`."""
    if keys is None:
        return
    if isinstance(keys, Mapping):
        raise TypeError("expected words or vectors, found a mapping: its items() are words with their weights")
    asked: Any = keys if _is_pair(keys) else plain(keys)
    for key in [asked] if _is_pair(asked) or _is_one(asked) else asked:
        one, its_weight = key if _is_pair(key) else (key, weight)
        yield plain(one), float(its_weight)


def several(words: Iterable[str], name: str) -> Iterable[str]:
    """Give words; one `str` is refused, which would be taken apart into its letters."""
    if isinstance(words, str):
        raise TypeError(f"{name} needs words, not one str: split it first, as in {words!r}.split()")
    return cast("Iterable[str]", plain(words))


def plain(keys: Any) -> Any:
    """Give a tensor as an array, an array of words as a list; lists, tuples and what is alone as they are."""
    if isinstance(keys, (str, bytes, list, tuple)):
        return keys
    if np.ma.is_masked(keys):
        raise ValueError("a query has masked numbers: filled() says what stands in their places")
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(keys, torch.Tensor):
        keys = keys.detach().cpu()
        # NumPy has no bfloat16.
        keys = (keys.float() if keys.is_floating_point() else keys).numpy()
    if hasattr(keys, "__array__"):
        array = np.asarray(keys)
        return array.tolist() if array.dtype.kind in "UTO" else array
    return list(keys) if isinstance(keys, Iterable) else keys


def _is_one(keys: Any) -> bool:
    """Tell whether this is one word or one vector."""
    if isinstance(keys, np.ndarray):
        return keys.ndim < 2
    if isinstance(keys, (list, tuple)):
        return bool(keys) and all(map(_is_number, keys))
    return True


def _is_pair(key: Any) -> bool:
    """Tell whether this is a word or a vector with a weight."""
    return isinstance(key, (list, tuple)) and len(key) == 2 and _is_number(key[1]) and not _is_number(key[0])


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) or (not isinstance(value, str) and getattr(value, "ndim", None) == 0)


def _as_array(key: Any) -> NDArray[Any]:
    array = np.asarray(key)
    if array.dtype.kind in "UTOS":
        kind = type(key).__name__
        within = f" of {type(key[0]).__name__}" if isinstance(key, (list, tuple)) and key else ""
        raise TypeError(f"expected a word or a vector, found {kind}{within}")
    return array


def _as_floats(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if array.dtype.kind in "iu":
        raise TypeError(
            "expected words, or vectors of floats, found whole numbers: the vectors of rows by number are store.take(ids)"
        )
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        raise TypeError(f"a vector must be of real numbers, not {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"a vector must have shape ({shape[-1]},), not {array.shape[len(shape) - 1 :]}")
    # What is too large becomes infinite, and is refused as that by `check_finite`.
    with np.errstate(over="ignore"):
        return cast("NDArray[np.float32]", array.astype(np.float32, copy=False))


def check_finite(vectors: NDArray[Any]) -> None:
    """Raise ValueError for a number that is infinite or none."""
    if not np.isfinite(vectors).all():
        raise ValueError("a query has a number that is not finite")
