"""Commands that make stores and files of stores: select, merge, matrix, graph, evaluate, pull, push."""

from __future__ import annotations

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np

from .._atomic_file import new_file
from .._choices import OnMissing
from .._dtype import Dtype
from .._export.safetensors_head import head_of_one
from .._ingest.hub import pull as pull_store
from .._ingest.hub import push as push_store
from .._ingest.keep import rows_of_lines, words_of_lines
from .._ingest.merge import merge as merge_stores
from .._query.evaluate import Analogies
from .._query.evaluate import evaluate as evaluate_store
from .._query.forms import Form
from .._store import Store
from .output import PROGRESS, STORE, WORDS_FILE, Align, bar, json_option, open_store, report, show, show_table

_TARGET = click.argument("target", type=click.Path(path_type=Path))
_WORDS = click.argument("words", type=WORDS_FILE)
_OF_A_SECTION: dict[str, Align] = {
    "section": "left", "right": "right", "questions": "right", "accuracy": "right", "skipped": "right",
}  # fmt: skip


def _made(json: bool, store: Store) -> None:
    found = {"path": store.path, "words": len(store), "dim": store.dim, "dtype": store._dtype_name}
    report(json, found, f"{store.path}: {len(store):,} words of {store.dim} {store._dtype_name}")


@click.command(epilog="Example: embmap select glove.6B.300d.embmap words.txt small.embmap")
@STORE
@_WORDS
@_TARGET
@click.option("--missing", type=click.Choice(get_args(OnMissing)), default="error", show_default=True)
@click.option("--ngrams/--no-ngrams", default=True, help="Whether the n-grams of a fastText model go along.")
@json_option
def select(store: Path, words: Any, target: Path, missing: OnMissing, ngrams: bool, json: bool) -> None:
    """Write a store of some of the words, one a line in the file WORDS, in that order."""
    with (
        open_store(store, target=target, words=words) as opened,
        opened.select(words_of_lines(words), target, missing=missing, ngrams=ngrams) as made,
    ):
        _made(json, made)


@click.command(epilog="Example: embmap merge ours.embmap glove.6B.300d.embmap both.embmap")
@click.argument("stores", nargs=-1, required=True, type=click.Path(path_type=Path))
@_TARGET
@click.option(
    "--how",
    type=click.Choice(["first", "concat", "mean"]),
    default="first",
    show_default=True,
    help="Whose row a word has: the first store's that knows it, all of them end to end, or their mean.",
)
@click.option("--words", type=click.Choice(["union", "intersection"]), default="union", show_default=True)
@click.option("--normalize", is_flag=True, help="Scale each row to length 1 first.")
@click.option("--dtype", type=click.Choice(get_args(Dtype)), help="By default theirs, or float32.")
@PROGRESS
@json_option
def merge(stores: tuple[Path, ...], target: Path, progress: bool | None, json: bool, **options: Any) -> None:
    """Make one store of several; the last argument is where it goes."""
    if len(stores) == 1 and target.exists():
        raise click.UsageError(
            f"{stores[0]} would take the place of {target}: name the stores, and then where theirs goes"
        )
    with merge_stores(stores, target, progress=bar(progress), **options) as made:
        _made(json, made)


@click.command(epilog="Example: embmap matrix glove.6B.300d.embmap vocabulary.txt weights.npy --padding")
@STORE
@_WORDS
@_TARGET
@click.option("--padding", is_flag=True, help="One row of zeros before the words, if the first line is not empty.")
@click.option(
    "--oov",
    type=click.Choice(["normal", "zeros", "mean", "fitted", "subword"]),
    default="normal",
    show_default=True,
    help="The rows of words that the store does not have.",
)
@click.option(
    "--fallback",
    type=click.Choice(get_args(Form)),
    multiple=True,
    help="A form of a missing word to try; may be given several times.",
)
@click.option("--scale", type=float, default=0.6, show_default=True, help="Standard deviation of --oov normal.")
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
def matrix(store: Path, words: Any, target: Path, padding: bool, json: bool, **options: Any) -> None:
    """Write the embedding matrix of a task: a row for each line of the file WORDS.

    As .npy, or as .safetensors with the tensor embedding.weight and the words in the metadata.
    """
    if target.suffix not in (".npy", ".safetensors"):
        raise click.UsageError("TARGET must end in .npy or .safetensors")
    with open_store(store, target=target, words=words) as opened:
        vocabulary = rows_of_lines(words)
        if padding and vocabulary[:1] != [""]:
            vocabulary.insert(0, "")
        made = opened.matrix(vocabulary, **options)
    with new_file(target) as temporary, temporary.open("wb") as file:
        if target.suffix == ".npy":
            np.save(file, made.array)
        else:
            metadata = {"words": jsonlib.dumps(vocabulary, ensure_ascii=False)}
            file.write(head_of_one("embedding.weight", "F32", made.shape, metadata))
            file.write(made.array.data)
    found = {
        "path": target,
        "rows": len(made),
        "dim": made.shape[1],
        "coverage": made.coverage,
        "missing": made.missing,
    }
    shown = ", ".join(made.missing[:10]) + (" ..." if len(made.missing) > 10 else "")
    lines = [f"{target}: {len(made):,} rows of {made.shape[1]}, {made.coverage:.1%} of the words found"]
    report(json, found, "\n".join([*lines, *([f"  missing: {shown}"] if made.missing else [])]))


@click.command(epilog="Example: embmap graph glove.6B.300d.embmap neighbours.npz -k 10")
@STORE
@_TARGET
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Neighbours of each word.")
@click.option("--restrict", type=click.IntRange(min=1), help="Only the first N words.")
@PROGRESS
@json_option
def graph(store: Path, target: Path, k: int, restrict: int | None, progress: bool | None, json: bool) -> None:
    """Write the nearest words of every word, exactly: a sparse matrix (.npz) or a table (.parquet)."""
    with open_store(store, target=target) as opened:
        made = opened.knn_graph(target, k, restrict=restrict, progress=bar(progress))
    report(json, asdict(made), str(made))


@click.command(epilog="Example: embmap evaluate glove.6B.300d.embmap questions-words.txt")
@STORE
@click.argument("questions", type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(["3cosadd", "3cosmul"]), default="3cosadd", show_default=True)
@click.option("--ignore-case/--case-sensitive", "case_insensitive", default=True, help="Whether case is a difference.")
@click.option(
    "--restrict", type=click.IntRange(min=1), default=300_000, show_default=True, help="Only the first N words."
)
@PROGRESS
@json_option
def evaluate(store: Path, questions: Path, progress: bool | None, json: bool, **options: Any) -> None:
    """Answer a file of analogies, or compare cosines with a file of similarities."""
    with open_store(store) as opened:
        found = evaluate_store(opened, questions, progress=bar(progress), **options)
    sections = found.sections if isinstance(found, Analogies) else ()
    rows = [
        (one.name, f"{one.correct:,}", f"{one.total:,}", f"{one.accuracy:.1%}", f"{one.skipped:,}") for one in sections
    ]
    text = str(found)
    show_table(json, asdict(found), _OF_A_SECTION, rows, text, below=text.splitlines()[-1])


@click.command(epilog="Example: embmap pull org/name")
@click.argument("repo")
@click.argument("file", required=False)
@click.option("--revision", help="A branch, tag or commit.")
@json_option
def pull(repo: str, file: str | None, revision: str | None, json: bool) -> None:
    """Download a store of the Hugging Face hub; prints where it is."""
    with pull_store(repo, file, revision=revision) as store:
        _made(json, store)


@click.command(epilog="Example: embmap push glove.6B.300d.embmap org/name --license pddl")
@STORE
@click.argument("repo")
@click.option("--file", help="Its path in the repository; the file's own name by default.")
@click.option("--license", help="The vectors' licence, as the hub names it.")
@click.option("--private", is_flag=True, default=None, help="Only you see a repository that is made.")
@click.option("--message", help="What the commit says.")
@json_option
def push(store: Path, repo: str, json: bool, **options: Any) -> None:
    """Put a store into a repository of the Hugging Face hub, with a card; prints the commit's address."""
    address = push_store(store, repo, **options)
    show(json, {"commit": address}, address)


COMMANDS = (select, merge, matrix, graph, evaluate, pull, push)
