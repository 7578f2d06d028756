"""What the commands open and print, and the arguments that most of them share."""

from __future__ import annotations

import json as jsonlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar

import click

from .._ingest.load import load
from .._paths import check_apart
from .._store import Store
from .messages import printable

_F = TypeVar("_F", bound=Callable[..., Any])

Align = Literal["left", "right"]
"""How a column of a table stands."""
# Columns in which no table has room.
_NARROWEST = 30
STORE = click.argument("store", type=click.Path(path_type=Path))
"""A store, or whatever `load` takes."""
PROGRESS = click.option("--progress/--no-progress", default=None, help="A bar; on a terminal by default.")


def open_store(path: Path, *, target: Path | None = None, words: TextIO | None = None) -> Store:
    """Open a store; other vectors by way of `load`, which converts them into its cache the first time.

    `target` is where the answer goes, and must be none of what is read; a list of `words` is read besides.
    """
    if target is not None:
        check_apart(target, path, *([] if words is None else [Path(words.name)]))
    return load(path, progress=bar(None))


class _Words(click.File):
    """A list of words, one a line."""

    name = "filename"

    def __init__(self) -> None:
        super().__init__(encoding="utf-8-sig")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "-" and sys.stdin is None:
            self.fail("there is no standard input to read words from", param, ctx)
        return super().convert(value, param, ctx)


WORDS_FILE = _Words()
"""The type of an argument that names a list of words."""


def json_option(command: _F) -> _F:
    """Give a command ``--json``."""
    return click.option("--json", is_flag=True, help="Print JSON, for programs.")(command)


def show(json: bool, value: Any, text: str, *, err: bool = False) -> None:
    """Print what a command has found, for programs or for people."""
    shown = as_json(value) if json else text
    # A program in a pipe gets words as they are.
    to_terminal = is_terminal(sys.stderr if err else sys.stdout)
    click.echo(printable(shown, json=json) if to_terminal else shown, err=err)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream, which a daemon has none of, is a terminal."""
    return stream is not None and stream.isatty()


def show_table(
    json: bool, value: Any, columns: Mapping[str, Align], rows: Sequence[Sequence[str]], text: str, *, below: str = ""
) -> None:
    """Print what is many alike: `text`, a line for each, or a table on a terminal, where Rich is there to draw it.

    What is `below` the table is the last line of `text`.
    """
    drawn = None if json or not rows or not is_terminal(sys.stdout) else _drawn(columns, rows)
    if drawn is None:
        show(json, value, text)
    else:
        click.echo(drawn + below, nl=bool(below))


def _drawn(columns: Mapping[str, Align], rows: Sequence[Sequence[str]]) -> str | None:
    try:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return None
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    console = Console()
    if console.width < _NARROWEST:
        return None
    for name, justify in columns.items():
        table.add_column(name, justify=justify, overflow="fold", no_wrap=justify == "right")
    for row in rows:
        # Words are no markup, and no colours, and stand on one line.
        table.add_row(*(Text(printable(cell).translate({9: "\\t", 10: "\\n"})) for cell in row))
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def report(json: bool, value: Any, text: str, *, err: bool = False) -> None:
    """Print what a command has made, unless it shall be quiet about it."""
    if json or not _is_quiet():
        show(json, value, text, err=err)


def as_json(value: Any) -> str:
    """Write a value as JSON, paths by their names, and what is no number as null."""
    return jsonlib.dumps(_finite(value), default=str, ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value


def bar(progress: bool | None) -> bool:
    """Tell whether a bar is shown: on a terminal, unless it was said or the command shall be quiet."""
    if progress is None:
        return is_terminal(sys.stderr) and not _is_quiet()
    return progress


def said(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    """Keep a flag for all of the command line, wherever it stands."""
    if value:
        ctx.meta[f"embmap.{option.name}"] = True


def is_said(ctx: click.Context, name: str) -> bool:
    """Tell whether a flag was given that may stand anywhere."""
    return f"embmap.{name}" in ctx.meta


def _is_quiet() -> bool:
    return is_said(click.get_current_context(), "quiet")
