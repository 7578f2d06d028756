"""What a conversion left out or changed, told to those who see no report."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import ConversionWarning

if TYPE_CHECKING:
    from .._core.store import CoreStore

# As they are in the metadata, and what each means.
_WORDS = {
    "rejected": "rows could not be read and were passed over",
    "invalid_utf8": "words were not in the encoding and were mended",
    "collisions": "rows were lost to a word that was the same once mended",
    "duplicates": "rows had a word that came before and were left out",
    "words_with_padding": "words begin or end with a space",
}
# Rows that are gone, and words that are not what they were: a caller who asked for it does not know how often it happened.
_WORTH_A_WARNING = ("rejected", "invalid_utf8", "collisions", "duplicates")

_told: set[bytes] = set()
_lock = threading.Lock()


def warn_once(store: CoreStore, source: Path, stacklevel: int) -> None:
    """Warn of what a store does not have of its source, the first time that this process meets it."""
    counts: Any = store.metadata.get("conversion")
    found = counts if isinstance(counts, dict) else {}
    known = {name: count for name in _WORDS if isinstance(count := found.get(name), int) and count > 0}
    if not known.keys() & set(_WORTH_A_WARNING):
        return
    with _lock:
        if store.identity in _told:
            return
        _told.add(store.identity)
    listed = "; ".join(f"{count:,} {_WORDS[name]}" for name, count in known.items())
    warnings.warn(f"{source}: {listed}; {len(store):,} words are in the store", ConversionWarning, stacklevel)
