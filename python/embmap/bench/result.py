"""What `embmap bench` measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .compare import Comparison


@dataclass
class Timing:
    """How long a loader takes for the whole file, and how that is known.

    Attributes
    ----------
    name, title : str
        The loader, for programs and for readers.
    seconds : float or None
        For the whole file, median of the runs; None where the loader cannot read it.
    times : list of float
        Each run, for the rows it read.
    rows, rows_in_file : int
        How many rows it read, and how many there are. Where they differ, `seconds` is scaled.
    times_embmap : float or None
        `seconds` in times of embmap's.
    agreement : Comparison or None
        Its answer beside embmap's; None for embmap.
    notes : list of str
        What a reader should know.
    """

    name: str
    title: str
    seconds: float | None
    times: list[float]
    rows: int
    rows_in_file: int
    times_embmap: float | None = None
    agreement: Comparison | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def is_scaled(self) -> bool:
        """Whether the loader read a part of the file."""
        return self.rows < self.rows_in_file


@dataclass
class Benchmark:
    """All that was measured; `json.dumps` takes `as_json()`.

    Attributes
    ----------
    file : Path
        The source.
    bytes, rows, dim : int
        Its size, its rows, and the numbers of each.
    open_seconds : float
        Median time to open the store and look a word up.
    timings : list of Timing
        embmap first.
    notes : list of str
        About the whole.
    machine : dict
        What it was measured on.
    """

    file: Path
    bytes: int
    rows: int
    dim: int
    open_seconds: float
    timings: list[Timing]
    notes: list[str]
    machine: dict[str, Any]

    @property
    def disagreeing(self) -> list[Timing]:
        """Loaders that gave other numbers for the same words."""
        return [timing for timing in self.timings if timing.agreement and timing.agreement.different]

    def as_json(self) -> dict[str, Any]:
        """Give what a program reads."""
        timings = [{**asdict(timing), "scaled": timing.is_scaled} for timing in self.timings]
        return {**asdict(self), "file": str(self.file), "timings": timings}


def counted(count: int, what: str) -> str:
    """Say how many of what there are: `1 row`, `2,000 rows`."""
    return f"{count:,} {what}{'s' * (count != 1)}"
