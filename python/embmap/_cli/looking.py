"""Commands about embmap itself and about looking at vectors: ann, project, plot, cache, completion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

from .._ingest import cache as cached
from .output import PROGRESS, STORE, bar, json_option, open_store, report, show
from .words import WordsCommand, check_words


@click.command(epilog="Example: embmap ann glove.6B.300d.embmap")
@STORE
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option("--connectivity", type=click.IntRange(min=2), help="Links of a row: more find more and take more.")
@PROGRESS
@json_option
def ann(store: Path, target: Path | None, progress: bool | None, json: bool, **options: Any) -> None:
    """Build an index for approximate neighbours beside a store, or at TARGET, for embmap.ann.open in Python.

    The verbs that find neighbours are exact, and do not use it.
    """
    from .. import ann as approximate

    with open_store(store, target=target) as opened:
        given = {name: value for name, value in options.items() if value is not None}
        index = approximate.build(opened, target, progress=bar(progress), **given)
        report(json, {"path": index.path, "rows": len(opened)}, f"{index.path}: {len(opened):,} rows")


@click.command(epilog="Example: embmap project glove.6B.300d.embmap words.parquet --limit 20000")
@STORE
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Another way to say TARGET.")
@click.option(
    "--tensorboard",
    is_flag=True,
    help="For TensorBoard's projector: TARGET is vectors.tsv, and metadata.tsv comes beside.",
)
@click.option("--method", type=click.Choice(["pca", "umap"]), default="pca", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N words.")
@click.option("-k", type=click.IntRange(min=0), default=10, show_default=True, help="Neighbours of each word.")
@PROGRESS
@json_option
def project(
    store: Path,
    target: Path | None,
    out: Path | None,
    tensorboard: bool,
    progress: bool | None,
    json: bool,
    **options: Any,
) -> None:
    """Write a map of the words, two numbers a word, as Parquet.

    Embedding Atlas opens it: embedding-atlas words.parquet --text word --x x --y y --neighbors neighbors
    """
    from .._query.projection import project as project_words

    if target is None or out is not None:
        if target is not None or out is None:
            raise click.UsageError("say where the map goes, once: TARGET or --out")
        target = out
    if not tensorboard and target is not None and target.suffix != ".parquet":
        raise click.UsageError("TARGET must end in .parquet")
    with open_store(store, target=target) as opened:
        if tensorboard:
            # The projector finds the plane by itself.
            made = opened.export(target, format="tensorboard", limit=options["limit"], progress=bar(progress))
            report(json, {"path": target, "rows": made.rows}, f"{target}: {made.rows:,} words, metadata.tsv beside it")
            return
        rows = project_words(opened, target, progress=bar(progress), **options)
    report(json, {"path": target, "rows": rows}, f"{target}: {rows:,} words")


@click.command(cls=WordsCommand, epilog="Example: embmap plot glove.6B.300d.embmap king queen man woman -o royal.png")
@STORE
@click.argument("words", nargs=-1, required=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The picture: .png, .svg or .pdf.")
@json_option
def plot(store: Path, words: tuple[str, ...], out: Path, json: bool) -> None:
    """Draw words in the plane in which their vectors differ most."""
    from .._query.projection import plot as draw

    with open_store(store, target=out) as opened:
        check_words(opened, words)
        draw(opened, list(words), out)
    report(json, {"path": out, "words": len(words)}, f"{out}: {len(words)} words")


@click.group()
def cache() -> None:
    """What load() keeps: list it, take it away."""


@cache.command("list", epilog="Example: embmap cache list")
@json_option
def cache_list(json: bool) -> None:
    """List the stores in the cache, the one that was not opened for longest first."""
    _show_entries(json, cached.entries(), "nothing is kept")


@cache.command("prune", epilog="Example: embmap cache prune --days 30")
@click.option("--days", type=click.FloatRange(min=0), required=True, help="Not opened for so many days; 0 for all.")
@json_option
def cache_prune(days: float, json: bool) -> None:
    """Take stores away that were not opened for a while; load() makes them again."""
    _show_entries(json, cached.prune(days=days), "nothing to take away")


def _show_entries(json: bool, entries: list[cached.Entry], none: str) -> None:
    lines = [f"{entry.nbytes / 1e6:>10,.1f} MB  {entry.days:>5.0f} days  {entry.path}" for entry in entries]
    if len(lines) > 1:
        lines.append(f"{sum(entry.nbytes for entry in entries) / 1e6:>10,.1f} MB")
    show(json, [entry._asdict() for entry in entries], "\n".join(lines) or none)


@click.command(epilog='Example: eval "$(embmap completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what a shell needs to complete embmap's commands and options."""
    of_shell = get_completion_class(shell)
    assert of_shell is not None
    root = context.find_root()
    click.echo(of_shell(root.command, {}, "embmap", "_EMBMAP_COMPLETE").source())


COMMANDS = (ann, project, plot, cache, completion)
