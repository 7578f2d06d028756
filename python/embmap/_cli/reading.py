"""Options that say how a source is read, which `convert` and `bench` have."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from .._choices import OnBadRow, Utf8Errors

WORDS = click.option(
    "--words", type=click.Path(path_type=Path), help="The words of numbers that have none: one a line, JSON, a table."
)
WORD_COLUMN = click.option("--word-column", help="The column of words of a table; found by default.")
VECTOR_COLUMN = click.option("--vector-column", help="The column of vectors of a table; found by default.")
HEADER = click.option(
    "--header/--no-header", default=None, help="Whether the first line is a header; found by default."
)
ERRORS = click.option(
    "--errors",
    type=click.Choice(get_args(Utf8Errors)),
    default="strict",
    show_default=True,
    help="Words that are not in the encoding.",
)
ON_BAD_ROW = click.option("--on-bad-row", type=click.Choice(get_args(OnBadRow)), default="error", show_default=True)
