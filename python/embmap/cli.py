"""The command line: ``embmap convert | info | lookup | similar | analogy | verify | export | bench | demo`` and more."""

from __future__ import annotations

import difflib
import io
import json as jsonlib
import os
import shutil
import sys
import tempfile
import traceback
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import click

from . import __version__, convert
from ._choices import Duplicates, OnWrongCount, Separator, SourceFormat
from ._cli import looking, verbs
from ._cli.messages import sentence
from ._cli.output import (
    PROGRESS,
    STORE,
    WORDS_FILE,
    Align,
    bar,
    is_said,
    is_terminal,
    json_option,
    open_store,
    report,
    said,
    show,
    show_table,
)
from ._cli.reading import ERRORS, HEADER, ON_BAD_ROW, VECTOR_COLUMN, WORD_COLUMN, WORDS
from ._cli.words import WordsCommand, check_words
from ._dtype import Dtype
from ._errors import EmbmapError
from ._export.files import ExportFormat
from ._ingest.keep import words_of_lines
from ._ingest.load import is_store
from ._open import opened as open_stored
from ._paths import check_apart


def _everywhere() -> list[click.Parameter]:
    """Make the options that may stand before a verb or behind it."""
    flag: dict[str, Any] = {"is_flag": True, "expose_value": False, "callback": said}
    return [
        click.Option(["-q", "--quiet"], help="No report and no bar: answers and errors alone.", **flag),
        click.Option(["-v", "--verbose"], help="Where something fails, say where in the code.", **flag),
    ]


class _Commands(click.Group):
    """A group whose commands end with exit code 1 and one line where they fail."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        for command in (cmd, *(cmd.commands.values() if isinstance(cmd, click.Group) else ())):
            command.params += _everywhere()
        super().add_command(cmd, name)

    def main(self, *args: Any, **options: Any) -> Any:
        """Take words as they are: on Windows, click would take ``*`` and ``~`` for files."""
        return super().main(*args, **{"windows_expand_args": False, **options})

    def invoke(self, ctx: click.Context) -> Any:
        if os.name == "nt" and isinstance(sys.stdout, io.TextIOWrapper) and not is_terminal(sys.stdout):
            # A pipe or a file gets words in UTF-8, and not in what the system writes windows in.
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (EmbmapError, ImportError, KeyError, MemoryError, OSError, ValueError) as error:
            if is_said(ctx, "verbose"):
                traceback.print_exc()
            of = self.get_command(ctx, ctx.invoked_subcommand or "")
            options = (
                {option.name for option in of.params if isinstance(option, click.Option)} if of is not None else set()
            )
            if ctx.invoked_subcommand not in ("convert", "bench"):
                # Elsewhere these are not the words of numbers.
                options.discard("words")
            raise click.ClickException(sentence(error, options)) from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 3)
            if not near or "Did you mean" in error.message:
                raise
            raise click.UsageError(f"{error.message} Did you mean {' or '.join(near)}?", ctx) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="embmap")
def main() -> None:
    """Pretrained word vectors in one memory-mapped file.

    A STORE is what convert makes; other files of vectors will do, but for merge, verify and push, and are converted into
    a cache the first time.
    """


main.params += _everywhere()

for verb in (*verbs.COMMANDS, *looking.COMMANDS):
    main.add_command(verb)


@main.command("convert", epilog="Example: embmap convert glove.6B.300d.txt glove.6B.300d.embmap")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option(
    "--format",
    type=click.Choice(get_args(SourceFormat)),
    default="auto",
    show_default=True,
    help="What SOURCE is; found from its content by default.",
)
@click.option("--member", help="The file of an archive or the tensor of a model, where several can be meant.")
@WORDS
@WORD_COLUMN
@VECTOR_COLUMN
@HEADER
@click.option(
    "--separator",
    type=click.Choice(["tab" if name == "\t" else name for name in get_args(Separator)]),
    default="auto",
    show_default=True,
    help="What stands between fields; found by default.",
)
@click.option("--encoding", default="utf-8", show_default=True, help="How the words are written, as latin-1 or gbk.")
@click.option("--dim", type=click.IntRange(min=1), help="The dimension you expect.")
@click.option("--duplicates", type=click.Choice(get_args(Duplicates)), default="first", show_default=True)
@ERRORS
@ON_BAD_ROW
@click.option(
    "--on-wrong-count",
    type=click.Choice(get_args(OnWrongCount)),
    default="error",
    show_default=True,
    help="Where a header announces another number of rows than there are.",
)
@click.option("--limit", type=click.IntRange(min=0), help="Only the first N rows.")
@click.option(
    "--keep",
    type=WORDS_FILE,
    help="Only the words of this file, one a line, with or without counts.",
)
@click.option(
    "--dtype",
    type=click.Choice(get_args(Dtype)),
    default="float32",
    show_default=True,
    help="Type of the store's numbers.",
)
@click.option("--shards", type=click.IntRange(min=1), help="Split over so many stores, in the new folder TARGET.")
@click.option("--normalize", is_flag=True, help="Scale each row to length 1.")
@click.option(
    "--screen", is_flag=True, help="Keep a byte for each number besides: single queries take a quarter of the time."
)
@click.option("--threads", type=click.IntRange(min=1), help="All cores by default.")
@click.option(
    "--max-expansion",
    type=click.FloatRange(min=1),
    default=100,
    show_default=True,
    help="How many times its size may come out of a compressed source.",
)
@PROGRESS
@json_option
def convert_command(
    source: Path,
    target: Path | None,
    header: bool | None,
    separator: Any,
    keep: Any,
    progress: bool | None,
    json: bool,
    **options: Any,
) -> None:
    """Convert vectors, in text, a table or a binary form, to a store, by default beside them with the suffix .embmap.

    A store that is at TARGET already is replaced.

    SOURCE may be compressed (gzip, bzip2, xz, lzma, zstd), in a zip or tar archive, or - for the standard input; a
    fastText model; the folder of a Hugging Face model or of spaCy; a table (Parquet, Arrow, JSON lines); numbers with
    their --words elsewhere (.npy, .npz, .safetensors, .pt, HDF5, text); gensim's own files, finalfusion's, Magnitude's;
    .fvecs and its kin.
    """
    if target == Path("-"):
        raise click.UsageError("a store is mapped, which the standard output is not: say where it goes")
    if keep is not None and target is not None:
        check_apart(target, Path(keep.name))
    if target is not None and target.is_file() and target.stat().st_size and not is_store(target):
        raise click.UsageError(
            f"{target} is there, and no store that could be replaced: name another target, or remove it"
        )
    made = convert(
        source,
        target,
        header="auto" if header is None else header,
        keep=None if keep is None else words_of_lines(keep),
        separator="\t" if separator == "tab" else separator,
        progress=bar(progress),
        **options,
    )
    found = {**asdict(made), "rejected": made.rejected, "rejected_rows": [row._asdict() for row in made.rejected_rows]}
    report(json, found, str(made))


@main.command(epilog="Example: embmap info glove.6B.300d.embmap")
@STORE
@json_option
def info(store: Path, json: bool) -> None:
    """Say what a store holds."""
    with open_store(store) as opened:
        found: dict[str, Any] = {
            "path": opened.path,
            "words": len(opened),
            "dim": opened.dim,
            "dtype": opened._dtype_name,
            "bytes": opened.nbytes,
            "first_words": opened.words[:8],
            "metadata": opened.metadata,
        }
    lines = [
        f"{found['path']}",
        f"  {found['words']:,} words of {found['dim']} {found['dtype']}, {found['bytes']:,} bytes",
        f"  first words: {' '.join(found['first_words'])}",
        f"  metadata: {jsonlib.dumps(found['metadata'], ensure_ascii=False)}",
    ]
    show(json, found, "\n".join(lines))


@main.command(cls=WordsCommand, epilog="Example: embmap lookup glove.6B.300d.embmap king queen")
@STORE
@click.argument("words", nargs=-1, required=True)
@json_option
def lookup(store: Path, words: tuple[str, ...], json: bool) -> None:
    """Print the vectors of words; exit code 1 where one is missing."""
    with open_store(store) as opened:
        check_words(opened, words)
        found = {word: opened[word].tolist() for word in words}
        text = "\n".join(f"{word} {' '.join(str(x) for x in opened[word])}" for word in words)
    show(json, found, text)


@main.command(cls=WordsCommand, epilog="Example: embmap similar glove.6B.300d.embmap king -n 5")
@STORE
@click.argument("words", nargs=-1, required=True)
@click.option("--negative", multiple=True, help="A word to take away; may be given several times.")
@click.option("-n", "--topn", type=click.IntRange(min=1), default=10, show_default=True)
@json_option
def similar(store: Path, words: tuple[str, ...], negative: tuple[str, ...], topn: int, json: bool) -> None:
    """Print the words nearest to the mean of WORDS, by cosine."""
    with open_store(store) as opened:
        check_words(opened, [*words, *negative])
        _print_similar(json, opened.most_similar(list(words), list(negative), topn))


@main.command(cls=WordsCommand, epilog="Example: embmap neighbors glove.6B.300d.embmap king queen -k 5")
@STORE
@click.argument("words", nargs=-1, required=True)
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Neighbours of each word.")
@click.option("--restrict", type=click.IntRange(min=1), help="Only the first N words can be found.")
@json_option
def neighbors(store: Path, words: tuple[str, ...], k: int, restrict: int | None, json: bool) -> None:
    """Print the words nearest to each of WORDS, by cosine; - reads them from the standard input, one a line.

    A line has the word, the cosine and the neighbour, with tabs between them.
    """
    asked = list(words)
    if words == ("-",):
        if sys.stdin is None:
            raise click.UsageError("there is no standard input to read words from")
        text = sys.stdin.buffer.read().decode("utf-8-sig")
        asked = [word for line in text.split("\n") if (word := line.strip(" \t\r"))]
    with open_store(store) as opened:
        check_words(opened, asked)
        ids, cosines = opened.neighbors(asked, k + 1, restrict=restrict)
        # Where others are as near, a word may not be among its own nearest: then the last one goes.
        found = [
            [{"word": opened.word(row), "cosine": cosine} for row, cosine in zip(*nearest, strict=True) if row != own][
                :k
            ]
            for own, *nearest in zip(opened.indices(asked).tolist(), ids.tolist(), cosines.tolist(), strict=True)
        ]
    pairs = list(zip(asked, found, strict=True))
    rows = [(word, f"{near['cosine']:.4f}", str(near["word"])) for word, nearest in pairs for near in nearest]
    if json or rows:
        value = [{"word": word, "neighbors": nearest} for word, nearest in pairs]
        columns: dict[str, Align] = {"word": "left", "cosine": "right", "neighbour": "left"}
        show_table(json, value, columns, rows, "\n".join(map("\t".join, rows)))


@main.command(cls=WordsCommand, epilog="Example: embmap analogy glove.6B.300d.embmap man king woman   (queen)")
@STORE
@click.argument("a")
@click.argument("b")
@click.argument("c")
@click.option("-n", "--topn", type=click.IntRange(min=1), default=5, show_default=True)
@json_option
def analogy(store: Path, a: str, b: str, c: str, topn: int, json: bool) -> None:
    """Print the words that are to C as B is to A."""
    with open_store(store) as opened:
        check_words(opened, [a, b, c])
        _print_similar(json, opened.analogy(a, b, c, topn))


def _print_similar(json: bool, found: list[tuple[str, float]]) -> None:
    value = [{"word": word, "cosine": cosine} for word, cosine in found]
    rows = [(f"{cosine:.4f}", word) for word, cosine in found]
    show_table(json, value, {"cosine": "right", "word": "left"}, rows, "\n".join(map("  ".join, rows)))


@main.command(epilog="Example: embmap verify glove.6B.300d.embmap")
@STORE
@json_option
def verify(store: Path, json: bool) -> None:
    """Prove a store whole: checksums, index, norms. Reads all of it."""
    with open_stored(store) as opened:
        opened.verify()
        show(json, {"path": opened.path, "whole": True}, f"{opened.path}: whole")


@main.command(epilog="Example: embmap export glove.6B.300d.embmap glove.6B.300d.vec")
@STORE
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--format", type=click.Choice(get_args(ExportFormat)), help="Told by the suffix of TARGET where it can be."
)
@click.option("--words", type=WORDS_FILE, help="Only the words of this file, one a line.")
@click.option("--limit", type=click.IntRange(min=0), help="Only the first N rows.")
@click.option("--threads", type=click.IntRange(min=1), help="All cores by default.")
@PROGRESS
@json_option
def export(store: Path, target: Path, words: Any, progress: bool | None, json: bool, **options: Any) -> None:
    """Write a store in a format that other programs read: text, word2vec binary, safetensors, Parquet, Arrow, NumPy.

    The suffixes .vec, .bin, .safetensors, .parquet, .arrow, .feather, .npy, .fvecs and .fbin say which. To - , the
    standard output, goes what --format says; the report goes to the standard error then.
    """
    to_stdout = target == Path("-")
    if to_stdout and options["format"] is None:
        raise click.UsageError("the standard output has no suffix: say what to write with --format")
    if to_stdout and sys.stdout is None:
        raise click.UsageError("there is no standard output to write to")
    with open_store(store, target=target, words=words) as opened, ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory()) if to_stdout else None
        made = opened.export(
            Path(folder, "export") if folder else target,
            words=None if words is None else words_of_lines(words),
            progress=bar(progress),
            **options,
        )
        if to_stdout:
            with made.path.open("rb") as written:
                shutil.copyfileobj(written, sys.stdout.buffer)
            made = replace(made, path=target)
    report(json, asdict(made), str(made), err=to_stdout)


@main.command(epilog="Example: embmap bench glove.6B.300d.txt")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--member", help="The file of an archive, where several can be meant.")
@WORDS
@WORD_COLUMN
@VECTOR_COLUMN
@HEADER
@ERRORS
@ON_BAD_ROW
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Conversions by embmap.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=10,
    show_default=True,
    help="How long each other loader reads, about; a larger file is sampled and the time scaled.",
)
@click.option("--full", is_flag=True, help="Let every loader read all of the file, into memory.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("embmap-bench"),
    show_default=True,
    help="Folder for bench.json and the chart; needs room for a store until the end.",
)
@json_option
def bench(file: Path, header: bool | None, seconds: float, full: bool, out: Path, json: bool, **options: Any) -> None:
    """Time embmap beside the usual loaders on FILE, and compare what they give."""
    from .bench.run import run
    from .bench.table import table

    found = run(
        file,
        out,
        lambda line: click.echo(line, err=True) if is_terminal(sys.stderr) else None,
        header="auto" if header is None else header,
        seconds=None if full else seconds,
        **options,
    )
    shown = [out / name for name in ("bench.json", "bench.png") if (out / name).exists()]
    show(json, found.as_json(), f"{table(found)}\n{' '.join(map(str, shown))}")
    if found.disagreeing:
        names = " and ".join(timing.title for timing in found.disagreeing)
        raise click.ClickException(f"{names} gave other numbers than embmap for the same words")


@main.command(epilog="Example: embmap demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("embmap-demo"),
    show_default=True,
    help="Folder for the sample, the store and the chart.",
)
@click.option("--vectors", type=click.Path(path_type=Path, exists=True), help="GloVe text of your own, not the sample.")
def demo(out: Path, vectors: Path | None) -> None:
    """Run the main job on an embedded sample: convert, look up, train, compare."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise click.ClickException(f"the demo needs {error.name}: pip install 'embmap[demo]'") from error
    from .demo.run import run

    run(out, click.echo, vectors)
