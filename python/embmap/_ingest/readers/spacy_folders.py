"""spaCy's tables of vectors, as a pipeline keeps them in its folder `vocab`, and sense2vec's."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._embmap import spacy_keys
from . import floret
from .matrices import of_npy
from .rows import Rows, paired, refusal

_NUMBERS = ("minn", "maxn", "hash_count", "hash_seed")
_NAMES = ("vectors", "key2row", "strings.json")


def folder_of(path: Path) -> Path | None:
    """Give the folder of the table, where `path` is one or a pipeline's."""
    for folder in (path, path / "vocab"):
        if all((folder / name).is_file() for name in _NAMES[:2]):
            return folder
    return None


def files_of(folder: Path) -> tuple[Path, ...]:
    """Give what is read of a table."""
    return tuple(folder / name for name in (*_NAMES, "vectors.cfg") if (folder / name).is_file())


class _Chosen:
    """Rows of a matrix in an order of their own: several words may share one."""

    def __init__(self, matrix: NDArray[Any], rows: NDArray[np.int64]) -> None:
        self._matrix, self._rows = matrix, rows
        self.shape = (len(rows), *matrix.shape[1:])

    def __getitem__(self, some: slice) -> Any:
        return self._matrix[self._rows[some]]


def of_spacy(path: Path, folder: Path) -> Rows:
    """Give the words that have a row, in the order of the rows, and the rows; or a table of floret's."""
    config = folder / "vectors.cfg"
    settings = _json(config) if config.is_file() else {}
    mode = settings.get("mode", "default") if isinstance(settings, dict) else settings
    if mode == "floret":
        return _of_floret(path, folder, settings)
    if mode != "default":
        raise refusal(path, f"a table of {mode}, which embmap does not know")
    if not (folder / "strings.json").is_file():
        raise refusal(path, "strings.json is missing, which has the words: copy the whole folder")
    matrix = of_npy(folder / "vectors")
    keys, rows = _key_to_row(folder / "key2row")
    words = _json(folder / "strings.json")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise refusal(folder / "strings.json", "expected a JSON list of words")
    order = np.argsort(keys)
    keys, rows = keys[order], rows[order]
    hashes = spacy_keys(words)
    places = np.searchsorted(keys, hashes).clip(max=max(len(keys) - 1, 0))
    known = np.flatnonzero(keys[places] == hashes) if len(keys) else np.empty(0, np.int64)
    # A word that is no longer in the list has a key and no name.
    chosen = rows[places[known]]
    if len(matrix.shape) != 2 or (len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(matrix)):
        raise refusal(folder / "key2row", f"a key has a row that is not one of the {matrix.shape[0]} of the table")
    by_row = np.argsort(chosen, kind="stable")
    return paired(path, _Chosen(matrix, chosen[by_row]), [words[i] for i in known[by_row]], path.name)


def _of_floret(path: Path, folder: Path, settings: dict[str, Any]) -> Rows:
    numbers = [number for name in _NUMBERS if type(number := settings.get(name)) is int]
    marks = [mark for name in ("bow", "eow") if isinstance(mark := settings.get(name), str)]
    if len(numbers) != len(_NUMBERS) or len(marks) != 2:
        raise refusal(
            folder / "vectors.cfg", "expected minn, maxn, hash_count, hash_seed, bow and eow, as spaCy writes"
        )
    return floret.of_table(path, of_npy(folder / "vectors"), numbers, marks)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise refusal(path, f"this is no JSON: {error}") from None


def _key_to_row(path: Path) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Read the one map of whole numbers that msgpack has written."""
    data = path.read_bytes()
    if not data:
        raise refusal(path, "expected a map of msgpack, found nothing")
    first = data[0]
    if first >> 4 == 8:
        count, at = first & 15, 1
    elif first == 0xDE and len(data) >= 3:
        count, at = struct.unpack_from(">H", data, 1)[0], 3
    elif first == 0xDF and len(data) >= 5:
        count, at = struct.unpack_from(">I", data, 1)[0], 5
    else:
        raise refusal(path, f"expected a map of msgpack, found the byte {first:#04x}")
    if count > len(data):
        raise refusal(path, f"the map of {count:,} keys ends behind the end of the file, which was cut short")
    numbers = np.empty(2 * count, np.uint64)
    try:
        for i in range(2 * count):
            kind = data[at]
            if kind < 0x80:
                numbers[i], at = kind, at + 1
            else:
                width = _WIDTHS[kind]
                numbers[i] = int.from_bytes(data[at + 1 : at + 1 + width], "big")
                at += 1 + width
    except (IndexError, KeyError):
        raise refusal(
            path, f"expected a whole number of msgpack at byte {at}, found another thing or the end"
        ) from None
    if at != len(data):
        raise refusal(path, f"expected the end at byte {at}")
    return numbers[::2], numbers[1::2].astype(np.int64)


_WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
