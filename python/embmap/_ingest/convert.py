"""Vectors of any kind that is published, to a store."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from .._choices import Duplicates, OnBadRow, OnWrongCount, Separator, SourceFormat, Utf8Errors, python_name
from .._core.metadata import as_json
from .._dtype import DtypeName, dtype_name
from .._embmap import convert as _convert
from .._notebook import Readable
from .._paths import check_apart, explained, local
from .._progress import Progress, shown
from . import hub
from .keep import words_to_keep
from .names import SUFFIXES, default_target
from .shards import convert_shards

if TYPE_CHECKING:
    from .._words_like import WordsLike

    Words: TypeAlias = str | os.PathLike[str] | WordsLike | Mapping[str, int]

# As many files as a process can have open everywhere.
_MOST_SHARDS = 512


class RejectedRow(NamedTuple):
    r"""A row that was not accepted.

    Attributes
    ----------
    line : int
        Counted from 1; of a binary file or a vocabulary, the word.
    byte_offset : int
        Where it starts, counted from 0.
    reason : str
        What was expected and what was found.

    Examples
    --------
    >>> _ = Path("short.txt").write_text("king 0.9 0.8\nqueen 0.9\n")
    >>> report = embmap.convert("short.txt", on_bad_row="skip")
    >>> report.rejected_rows[0]
    RejectedRow(line=2, byte_offset=13, reason='expected a word and 2 numbers, found a word and 1')
    """

    line: int
    byte_offset: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class ConversionReport(Readable):
    r"""What a conversion did, and what it met. `str(report)` reads well.

    Attributes
    ----------
    source, path : Path
        The file that was read and the store that was written.
    rows, dim : int
        Shape of the matrix.
    dtype : str
        Type of its numbers.
    bytes_read, bytes_written : int
        Bytes of the source, unpacked, all of it unless `limit` ended the conversion before, and of the store.
    seconds, sync_seconds : float
        Wall-clock time, and the part of it, at the end, in which the disk was waited for.
    checksum : str
        Of those bytes: ``"crc32:"`` and eight hexadecimal digits, as zlib computes it and ``unzip -v`` shows it.
    duplicates : int
        Rows whose word was there before.
    rejected_by : dict of str to int
        Rows that could not be read, by what is wrong: ``field_count``, ``empty_word``, ``not_a_number``, ``not_finite``,
        ``not_utf8``.
    rejected_rows : tuple of RejectedRow
        The first ten of them.
    invalid_utf8 : int
        Words that were not UTF-8, or not in `encoding`, and were mended (`errors` other than ``"strict"``).
    collisions : int
        Rows whose word became one that was there before when it was mended. They are no duplicates:
        ``errors="backslashreplace"`` keeps them apart.
    words_with_padding : int
        Words that begin or end with a space, which is kept.
    words_with_blanks : int
        Words with a space inside or at an end. More than a few hint at rows with more numbers than the others.
    rows_without_word, words_without_row : int
        Of a model's folder: rows of the matrix whose id no token has, as those that pad it to a round number; and tokens
        that were added to the vocabulary but not to the matrix. Neither is in the store.
    ngrams : int
        Rows of n-grams in the store, by which words that are not in it have vectors (``oov="subword"``).
    header_rows : int or None
        Rows that a header announced.
    words_not_found : int or None
        Words of `keep` that have no row, as the source has none or it was passed over; None without `keep`, or where `limit`
        ended the conversion.
    separator : str or None
        What stands between the fields of a text: ``" "``, ``"\t"``, ``"spaces"``, ``","`` or ``";"``.
    unit : {"line", "word", "row"}
        What `RejectedRow.line` counts.

    Examples
    --------
    >>> _ = Path("odd.txt").write_text("king 0.9 0.8\nqueen 0.9\nking 0.1 0.2\n")
    >>> report = embmap.convert("odd.txt", on_bad_row="skip")
    >>> report.rows, report.dim, report.dtype, report.duplicates, report.rejected
    (1, 2, 'float32', 1, 1)
    >>> print("\n".join(str(report).splitlines()[3:]))
      1 duplicate words
      1 rows rejected: 1 field_count
        line 2: expected a word and 2 numbers, found a word and 1
    """

    source: Path
    path: Path
    rows: int
    dim: int
    dtype: str
    bytes_read: int
    bytes_written: int
    seconds: float
    sync_seconds: float
    checksum: str
    duplicates: int
    rejected_by: dict[str, int]
    rejected_rows: tuple[RejectedRow, ...]
    invalid_utf8: int
    collisions: int
    words_with_padding: int
    words_with_blanks: int
    rows_without_word: int
    words_without_row: int
    ngrams: int
    header_rows: int | None
    words_not_found: int | None
    separator: str | None
    unit: str

    @property
    def rejected(self) -> int:
        """Rows that could not be read (`on_bad_row="skip"`)."""
        return sum(self.rejected_by.values())

    def __str__(self) -> str:
        rate = self.bytes_read / 1e6 / max(self.seconds, 1e-9)
        lines = [
            f"{self.source} -> {self.path}",
            f"  {self.rows:,} words of {self.dim} {self.dtype} in {self.seconds:.2f} s ({rate:,.0f} MB/s)",
            f"  {self.bytes_read:,} bytes read ({self.checksum}), {self.bytes_written:,} written",
        ]
        counts = [
            (self.duplicates, "duplicate words"),
            (self.invalid_utf8, "words that were not in the encoding, mended"),
            (self.collisions, "of them, or of their like, lost to a word that was the same once mended"),
            (self.words_with_padding, "words that begin or end with a space"),
            (self.words_with_blanks - self.words_with_padding, "words with a space inside"),
            (self.words_not_found or 0, "words to keep without a row"),
            (self.rows_without_word, "rows of the matrix without a token"),
            (self.words_without_row, "tokens without a row"),
            (self.rejected, f"rows rejected: {', '.join(f'{n} {why}' for why, n in self.rejected_by.items() if n)}"),
        ]
        lines += [f"  {count:,} {what}" for count, what in counts if count]
        if self.ngrams:
            lines.append(f'  {self.ngrams:,} rows of n-grams: oov="subword" gives other words a vector by them')
        lines += [f"    {self.unit} {row.line}: {row.reason}" for row in self.rejected_rows]
        if self.separator == "spaces":
            lines.append("  the columns are padded: any number of spaces was one separator, and no part of a word")
        if self.header_rows is not None and self.header_rows != self.rows:
            lines.append(f"  the header announced {self.header_rows:,} rows")
        return "\n".join(lines)


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    words: Words | None = None,
    format: SourceFormat = "auto",
    member: str | None = None,
    dtype: DtypeName = "float32",
    header: bool | Literal["auto"] = "auto",
    separator: Separator = "auto",
    word_column: str | None = None,
    vector_column: str | None = None,
    encoding: str = "utf-8",
    dim: int | None = None,
    duplicates: Duplicates = "first",
    errors: Utf8Errors = "strict",
    on_bad_row: OnBadRow = "error",
    on_wrong_count: OnWrongCount = "error",
    limit: int | None = None,
    keep: Iterable[str] | os.PathLike[str] | None = None,
    shards: int | None = None,
    normalize: bool = False,
    screen: bool = False,
    threads: int | None = None,
    max_expansion: float = 100.0,
    progress: bool | Progress | None = None,
    metadata: dict[str, Any] | None = None,
) -> ConversionReport:
    r"""Convert vectors to a store: text (GloVe, word2vec, fastText), tables, binary forms, the tokens of a model's folder.

    The file is read in parallel in pieces, so that memory holds the words and a few buffers, never the matrix. The target
    appears whole at the end, or is not touched at all.

    Parameters
    ----------
    source : path
        A text file of rows ``word number ... number``, with or without the "rows dim" header of word2vec and fastText, in
        padded columns too; a table (CSV, R's); a binary file of word2vec's C tool or of gensim's
        ``save_word2vec_format(binary=True)``; or such a file compressed (gzip, bzip2, xz, lzma, zstd) or in a zip or tar
        archive, which is unpacked on the way and told by its content, not its name; or ``"-"``, the standard input. Or a
        fastText model, ``.bin`` or ``.ftz``, whose n-grams the store keeps for ``oov="subword"``; a packed one is unpacked
        beside the target, into a file without a name, for as long as it is read.
        Or the folder of a Hugging Face model, of model2vec's or of sentence-transformers' `StaticEmbedding`, with
        ``model.safetensors`` (or its shards) and ``tokenizer.json``, ``vocab.txt`` or ``vocab.json``: of it, the embeddings
        of the vocabulary's tokens are read, in the order of their ids, and the tokens stay as they are written (``##ing``,
        ``Ġthe``, ``▁the``).
        Or numbers whose words are elsewhere (`words`); a table with a column of words and one of vectors, Parquet, Arrow,
        Feather or JSON lines, or a folder of Parquet files; JSON; the folder of a spaCy pipeline or of sense2vec; gensim's
        own files, finalfusion's, Magnitude's, Polyglot's and PyTorch's, of which the data are read and nothing is
        unpickled; HDF5; ``.fvecs``, ``.fbin`` and their kin, whose words are the numbers of the rows; a table of floret's,
        which has no words, and by which every word has a vector with ``oov="subword"``; and what `Store.export` writes.
        ``hf://org/name/file``, with ``org/name@revision`` for another than the newest, is downloaded by ``huggingface_hub``
        first.
    target : path, optional
        Where the store goes; by default beside the source, ``vectors.txt.gz`` to ``vectors.embmap``.
    words : path, iterable of str, or mapping, optional
        The words of a source that has numbers alone, ``.npy``, ``.npz``, ``.safetensors``, PyTorch's, HDF5, JSON, plain
        float32 or a text of numbers, in the order of the rows: a text file with one a line, with or without counts behind
        them, a table with tabs (its first column, or the one beside the numbers of the rows, or `word_column`), a JSON list,
        a JSON object word -> row, a ``tokenizer.json``, a Parquet file; or words in any form that `Store.indices` takes.
    format : str
        What the source is; found from its content by default. ``"text"``, ``"word2vec-binary"``, ``"fasttext"`` or
        ``"huggingface"``: a file that is clearly another one is refused. ``"numpy"``, ``"safetensors"``, ``"hdf5"``,
        ``"torch"``, ``"pickle"``, ``"table"``, ``"spacy"``, ``"floret"``, ``"finalfusion"``,
        ``"magnitude"``, ``"json"``, ``"vecs"``; ``"numbers"``, a text of numbers; or ``"raw"``, plain float32 numbers,
        little-endian, of which `dim` are a row.
    member : str, optional
        The file of an archive, by its path in it, the tensor of a model or a checkpoint, the array of an ``.npz`` or the
        dataset of an HDF5 file, the object or list in a JSON file, by its name; needed only where several can be meant,
        which the error then lists.
    dtype : {"float32", "float16", "bfloat16", "int8"}
        Type of the store's numbers. A value ``x`` is off by at most ``2**-11 * abs(x)`` in float16 (``2**-25`` where
        ``abs(x) < 2**-14``), ``2**-8 * abs(x)`` in bfloat16, and 1/254 of the row's largest ``abs(x)`` in int8, which keeps
        a scale a row; numbers near the smallest of float32 may be off by ``2**-126``. A row with a number too large for the
        type is a bad row. The rows of n-grams have the same type; a number too large for it is an error there. NumPy's and
        PyTorch's names of these types will do.
    header : bool or "auto"
        Whether the first line is a header; needed only where that line could be either. Of a table, whether it names the
        columns. Binary files have a header always.
    separator : {"auto", " ", "\t", "spaces", ",", ";"}
        What stands between the fields of a text: one space, one tab, or, with ``"spaces"``, any number of both, as in
        columns that are padded to a width. A comma or a semicolon is that of CSV, with quotes where they are needed. Found
        from the first rows by default; so are a line of names, numbers of the rows, and the quotes that R writes.
    word_column, vector_column : str, optional
        The columns of a table, by name; found by their names and types by default. Vectors are lists of numbers, of fixed
        length or not, or the base64 of float32 numbers, or floats in all other columns, which are counted.
        Of a text of words, the column may be given by its place, from 0.
    encoding : str
        How the words are written, by Python's name: ``"latin-1"``, ``"cp1252"``, ``"gbk"``, ``"utf-16"``, ... Of UTF-16 with
        its mark this need not be said.
    dim : int, optional
        The dimension you expect; another one is an error. Rows of one number each are vectors only if you say ``dim=1``.
    duplicates : {"first", "last", "error"}
        Which row of a word that comes again is kept.
    errors : {"strict", "replace", "ignore", "backslashreplace"}
        What happens to a word that is not in `encoding`, as in `bytes.decode`; with "strict" its row is a bad row.
        ``"replace"`` and ``"ignore"`` can make different words the same, of which one is lost (`collisions`);
        ``"backslashreplace"`` cannot.
    on_bad_row : {"error", "skip"}
        Whether a row that cannot be read ends the conversion, or is counted and passed over.
    on_wrong_count : {"error", "ignore"}
        What it means that a header announces another number of rows than there are. With "ignore" the rows that are there
        are taken, and a bad row still ends the conversion; ``on_bad_row="skip"`` takes them too.
    limit : int, optional
        Stop after this many rows. The n-grams of a fastText model are all kept.
    keep : iterable of str, path, or open text file, optional
        Only these words, and all n-grams of a fastText model. The numbers of other rows are not read, and so not checked
        either. Of a file (a `Path`, not a str), each line is a word, with or without its count behind it. That none of the
        words is in the source is an error, but where it has no words, as a table of floret's.
    shards : int, optional
        Split the words over so many stores, by a hash, in the new folder `target`, which `open` takes as one
        (`ShardedStore`): for more than 4 GiB of words, or 2³² rows, and to hold the words of one store in memory at a time.
        The source is read once for each of them, and so must be a file. Not with `limit`.
    normalize : bool
        Scale each row to length 1; rows of zeros stay. Vectors made of n-grams are scaled when they are made.
    screen : bool
        Keep a byte for each number besides, and how far from the numbers those are: `Store.neighbors` then reads an eighth
        of the bytes for a single query, or a few, and a quarter for many, with the same answers. The store grows by a
        quarter.
    threads : int, optional
        How many read and parse; all cores by default.
    max_expansion : float
        A compressed source from which more than this many times its size comes is an error: it may be a bomb. The first
        64 MiB always come.
    progress : bool or callable, optional
        ``True`` for a bar, or a callable ``(done_bytes, total_bytes)``, called about twenty times a second. Both count
        bytes of the file as it is, packed or not; the total of a stream is 0 until its end.
    metadata : dict, optional
        Kept in the store, as JSON; `Store.metadata` gives it back, beside ``source``, ``embmap`` and, where something was
        dropped or changed, ``conversion``, which has the counts.

    Returns
    -------
    ConversionReport

    Raises
    ------
    ParseError
        The source is none that embmap reads, or would be misread; a row cannot be read; or a compressed source is damaged,
        cut short or ambiguous; with line (of a binary file or a model: the number of the word), byte offset and reason.
    OSError
        A file cannot be read or written; nothing is left behind.

    Examples
    --------
    >>> report = embmap.convert("vectors.txt", "vectors.embmap")
    >>> report.rows, report.dim, report.duplicates
    (6, 4, 0)
    """
    if header not in ("auto", True, False):
        raise ValueError(f"header must be 'auto', True or False, not {header!r}")
    for name, number in (("dim", dim), ("limit", limit), ("threads", threads)):
        if number is not None and number < (0 if name == "limit" else 1):
            raise ValueError(f"{name} must {'not be negative' if name == 'limit' else 'be positive'}, not {number}")
    if format not in get_args(SourceFormat):
        known = ", ".join(f'"{name}"' for name in get_args(SourceFormat))
        raise ValueError(f"format must be one of {known}, not {format!r}")
    dtype = dtype_name(dtype)
    if (url := hub.of_url(source)) is not None:
        source, model = hub.download(url, member)
        # It goes here, and not into the cache.
        named = url.repo if source.is_dir() else source.name
        target = default_target(Path(Path(named).name), member) if target is None else target
        metadata = {"huggingface": model, **(metadata or {})}
    source = local(source)
    target = default_target(source, member) if target is None else local(target)
    noted = as_json(metadata, ("source", "embmap", "conversion"))
    lists = [words if isinstance(words, (str, os.PathLike)) else None, keep if isinstance(keep, os.PathLike) else None]
    if isinstance(keep, io.TextIOBase):
        lists.append(str(getattr(keep, "name", "")) or None)
    check_apart(target, source, *(local(path) for path in lists if path is not None))
    if shards is not None and not 1 <= shards <= _MOST_SHARDS:
        raise ValueError(f"shards must be between 1 and {_MOST_SHARDS}, not {shards}")
    if shards is not None and limit is not None:
        raise ValueError("limit= counts the rows of one store: with shards=, leave it out")
    kept = None if keep is None else words_to_keep(keep)
    if shards is not None and isinstance(words, Iterator):
        # Each of the stores asks for them.
        words = list(words)
    from .readers.choose import reader_of  # Imported by whoever converts: most only open.
    from .readers.rows import write_rows

    reader = reader_of(
        source,
        format=format,
        member=member,
        given=words,
        word_column=word_column,
        vector_column=vector_column,
        encoding=encoding,
        dim=dim,
    )
    if reader is not None:
        texts_alone = {
            "header": header != "auto",
            "separator": separator != "auto",
            "errors": errors != "strict",
        }
        if idle := [name for name, is_given in texts_alone.items() if is_given]:
            raise ValueError(
                f"{source}: {', '.join(idle)} cannot change how a source of the kind {reader.kind!r} is read"
            )

        def written(target: Path, shard: tuple[int, int] | None, tick: Progress | None) -> dict[str, Any]:
            return write_rows(
                reader,
                source,
                target,
                dim=dim,
                dtype=dtype,
                duplicates=duplicates,
                on_bad_row=on_bad_row,
                limit=limit,
                keep=kept,
                shard=shard,
                normalize=normalize,
                screen=screen,
                metadata=noted,
                tick=tick,
            )

        with shown(progress, source.name, " rows") as tick:
            return _report(_split(source, target, shards, written, tick), target, dtype)
    if word_column is not None or vector_column is not None:
        raise ValueError(f"{source} is no Parquet, Arrow or JSON-lines table: leave word_column and vector_column out")

    def converted(target: Path, shard: tuple[int, int] | None, tick: Progress | None) -> dict[str, Any]:
        return _convert(
            source,
            target,
            format=format,
            member=member,
            max_expansion=float(max_expansion),
            header=None if header == "auto" else bool(header),
            separator=separator,
            encoding=python_name(encoding),
            dim=dim,
            duplicates=duplicates,
            errors=errors,
            on_bad_row=on_bad_row,
            on_wrong_count=on_wrong_count,
            limit=limit,
            keep=kept,
            shard=shard,
            dtype=dtype,
            normalize=normalize,
            screen=bool(screen),
            threads=threads,
            progress=tick,
            metadata=noted,
        )

    with shown(progress, source.name) as tick, _meant(source):
        return _report(_split(source, target, shards, converted, tick), target, dtype)


def _split(
    source: Path,
    target: Path,
    shards: int | None,
    one: Callable[[Path, tuple[int, int] | None, Progress | None], dict[str, Any]],
    tick: Progress | None,
) -> dict[str, Any]:
    """Make one store, or several."""
    return one(target, None, tick) if shards is None else convert_shards(source, target, shards, one, tick)


def _report(found: dict[str, Any], target: Path, dtype: str) -> ConversionReport:
    found["rejected_rows"] = tuple(RejectedRow(*row) for row in found["rejected_rows"])
    return ConversionReport(**found, path=target, dtype=dtype)


@contextlib.contextmanager
def _meant(source: Path) -> Generator[None]:
    """Say of a folder that is no model's what in it could be meant."""
    try:
        yield
    except IsADirectoryError as error:
        if error.filename is None or Path(error.filename) != source:
            raise
        raise explained(error, source, SUFFIXES) from None
