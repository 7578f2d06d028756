"""Arrays for JAX: the whole table without a copy on a CPU, or each device's own part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ._optional import need

need("jax", "embmap.jax")

import jax
import numpy as np
from numpy.typing import NDArray

from ._core.store import check_open
from ._query.matrix import Matrix
from ._store import Store

__all__ = ["array", "initializer"]


def array(store: Store, sharding: jax.sharding.Sharding | None = None, *, dtype: Any = None) -> jax.Array:
    """Make the whole table an array.

    Parameters
    ----------
    store : Store
    sharding : jax.sharding.Sharding, optional
        Where the parts go: each process reads the rows and columns of its own devices, and no others. Without it, the array
        is the file's pages, mapped, where the default device is the CPU; elsewhere it is copied there, from the file and
        not through memory of this process.
    dtype : optional
        Type of the numbers; by default the store's, which for int8 is float32. Another one makes a copy.

    Returns
    -------
    jax.Array, shape (rows, dim)

    Examples
    --------
    >>> table = embmap.jax.array(store)
    >>> table.shape, table.dtype
    ((6, 4), dtype('float32'))
    """
    check_open(store)
    stored = np.dtype(jax.numpy.bfloat16 if store.dtype == "bfloat16" else store.dtype)
    natural = np.dtype(np.float32) if stored == np.int8 else stored
    wanted = natural if dtype is None else np.dtype(dtype)
    if sharding is None:
        if stored == np.int8:
            copied: jax.Array = jax.device_put(_rows(store, 0, len(store), natural).astype(wanted), _default_device())
            return copied
        if _default_device().platform != "cpu":
            there: jax.Array = jax.device_put(_read(store, 0, len(store), natural), _default_device())
            return there if wanted == natural else there.astype(wanted)
        shared = store._vectors_shared()
        # JAX writes into no array, and nothing that the store answers is read from this map.
        whole = jax.numpy.from_dlpack(shared)
        if stored.name == "bfloat16":
            whole = jax.lax.bitcast_convert_type(whole, jax.numpy.bfloat16)
        placed: jax.Array = jax.device_put(whole if wanted == natural else whole.astype(wanted), _default_device())
        return placed

    # A part on the CPU may be the very array that it is made of, and so is a copy.
    read = (
        _rows
        if stored == np.int8 or any(cast("Any", device).platform == "cpu" for device in sharding.device_set)
        else _read
    )

    def part(index: tuple[slice, ...] | None) -> NDArray[Any]:
        rows, columns = index if index else (slice(None), slice(None))
        start, stop, _ = rows.indices(len(store))
        return np.ascontiguousarray(read(store, start, stop, natural)[:, columns]).astype(wanted, copy=False)

    return jax.make_array_from_callback((len(store), store.dim), sharding, part, dtype=wanted)


def _default_device() -> Any:
    # Typed, which the attributes of JAX's settings are not.
    return cast("Any", jax.config).jax_default_device or jax.local_devices()[0]


def _read(store: Store, start: int, stop: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give rows for a device to read: where the file has them, or a copy where they are in several."""
    matrix = store._vectors_in_place()
    return _rows(store, start, stop, dtype) if matrix is None else matrix[start:stop].view(dtype)


def _rows(store: Store, start: int, stop: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Copy rows, as the file has them."""
    ids = np.arange(start, stop, dtype=np.int64)
    bits = np.uint16 if dtype.name == "bfloat16" else dtype
    out = np.empty((stop - start, store.dim), bits)
    store._gather(ids, out)
    return out.view(dtype)


def initializer(source: Store | Matrix) -> Callable[..., jax.Array]:
    """Make an initializer of an embedding layer's table, such as `flax.nnx.Embed`'s ``embedding_init``.

    Parameters
    ----------
    source : Store or Matrix
        The whole table, or a task's rows.

    Returns
    -------
    callable
        ``(key, shape, dtype, ...) -> jax.Array``; the key is not looked at, and a ValueError says that the layer has another
        shape.

    Examples
    --------
    >>> matrix = store.matrix(["", "king", "queen"])
    >>> embmap.jax.initializer(matrix)(None, (3, 4), "float32").shape
    (3, 4)
    """
    if isinstance(source, Matrix):
        shape = source.shape
    else:
        check_open(source)
        shape = (len(source), source.dim)

    def initialize(key: Any, wanted: tuple[int, ...], dtype: Any = np.float32, *_: Any, **__: Any) -> jax.Array:
        if tuple(wanted) != shape:
            raise ValueError(f"the layer's table has shape {tuple(wanted)}, the vectors {shape}")
        if isinstance(source, Matrix):
            return jax.numpy.asarray(source.array, dtype)
        return array(source, dtype=dtype)

    return initialize
