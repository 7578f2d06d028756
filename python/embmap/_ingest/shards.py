"""A source to several stores in one folder, each with the words that a hash gives it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._atomic_file import new_folder
from .._core.manifest import Manifest, Shard
from .._errors import ParseError
from .._progress import Progress
from .._store import Store

# What each pass over the source counts for its own words; the rest every pass finds alike.
_SUMMED = (
    "rows",
    "bytes_written",
    "seconds",
    "sync_seconds",
    "duplicates",
    "collisions",
    "words_with_padding",
    "words_with_blanks",
)


def convert_shards(
    source: Path,
    target: Path,
    count: int,
    convert_one: Callable[[Path, tuple[int, int], Progress | None], dict[str, Any]],
    tick: Progress | None,
) -> dict[str, Any]:
    """Write `count` stores, one after the other, so that the words of one are in memory; give the report of all.

    The source is read once for each store: it must be a file. The folder appears whole, with its manifest.
    """
    if not source.is_file() and not source.is_dir():
        # What can be read once only, and what is not there, of which `convert_one` tells better.
        if source == Path("-") or source.exists():
            raise ValueError(
                f"shards= reads the source several times, which {source} does not allow: save it to a file first"
            )
        count = min(count, 1)
    reports, shards = [], []
    metadata: dict[str, Any] = {}
    with new_folder(target) as folder:
        for i in range(count):
            path = folder / f"{i:05}-of-{count:05}.embmap"
            found = convert_one(path, (i, count), _share(tick, i, count))
            reports.append(found)
            if (found["checksum"], found["bytes_read"]) != (reports[0]["checksum"], reports[0]["bytes_read"]):
                reason = "it changed while it was read, once for each of the stores: convert it when it is whole"
                raise ParseError(str(source), 1, 0, reason, "file")
            with contextlib.closing(Store(path)) as store:
                shards.append(Shard(path.name, len(store), store.identity))
                if i == 0:
                    metadata = store.metadata
        merged = _merged(source, reports)
        changed = {name: number for name, number in _changed(merged).items() if number}
        metadata = {name: value for name, value in metadata.items() if name != "conversion"}
        Manifest(tuple(shards), metadata | ({"conversion": changed} if changed else {})).write(folder)
    return merged


def _share(tick: Progress | None, done: int, count: int) -> Progress | None:
    """Give the progress of one of several passes, as a part of all."""
    if tick is None:
        return None

    def part(read: int, total: int) -> None:
        # Of a stream, the total is unknown: 0.
        tick(done * total + read if total else read, count * total)

    return part


def _merged(source: Path, reports: list[dict[str, Any]]) -> dict[str, Any]:
    merged = dict(reports[0])
    for name in _SUMMED:
        merged[name] = sum(report[name] for report in reports)
    rejected: Counter[str] = Counter()
    for report in reports:
        rejected.update(report["rejected_by"])
    merged["rejected_by"] = {name: rejected[name] for name in reports[0]["rejected_by"]}
    rows = sorted({tuple(row) for report in reports for row in report["rejected_rows"]})
    merged["rejected_rows"] = rows[:10]
    if reports[0]["words_not_found"] is not None:
        wanted = reports[0]["words_not_found"] + reports[0]["rows"]
        merged["words_not_found"] = wanted - merged["rows"]
        if merged["rows"] == 0:
            skipped = sum(rejected.values())
            told = f"none of the {wanted} words to keep is in the source" + (
                f" (rows that were skipped: {skipped})" if skipped else ""
            )
            raise ParseError(str(source), 1, 0, told, "file")
    return merged


def _changed(report: dict[str, Any]) -> dict[str, int]:
    names = ("duplicates", "collisions", "invalid_utf8", "words_with_padding", "rows_without_word", "words_without_row")
    return {"rejected": sum(report["rejected_by"].values()), **{name: report[name] for name in names}}
