"""What a caller wants kept in a store, as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any


def as_json(metadata: dict[str, Any] | None, reserved: Collection[str] = ()) -> str:
    """Give the text that a store keeps; ValueError for a key that embmap writes, or for what JSON cannot hold."""
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError(f"metadata must be a dict, not {type(metadata).__name__}")
    found = metadata or {}
    if taken := sorted(set(reserved) & found.keys()):
        raise ValueError(f"metadata may not have the keys {taken}: embmap writes them")
    try:
        return json.dumps(found, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"metadata must be what JSON can hold: {error}") from error
