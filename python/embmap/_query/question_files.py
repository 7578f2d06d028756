"""Files of questions as they are published: analogies, and pairs of words with people's judgements."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .._choices import OnBadRow, name_to_read
from .._errors import ParseError
from . import judgements as _judgements
from .judgements import Pair

# BATS: a kind of relation, a number, a name.
_BATS = re.compile(r"[DEIL]\d\d \[.+\]\.txt")


class Question(NamedTuple):
    """Of ``a b c d``: what is asked with is ``a``, ``b`` and ``c``; each of `answers` is right."""

    section: int
    asked: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass
class Questions:
    """Analogies by section, and how many lines could not be read."""

    sections: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    rejected: int = 0


@dataclass
class Judged:
    """Pairs of words with judgements, and how many lines could not be read."""

    pairs: list[Pair] = field(default_factory=list)
    rejected: int = 0


class _Line(NamedTuple):
    number: int
    start: int
    text: str


class _Text:
    """The lines of a file that are neither blank nor comments, and what to do with those that cannot be read."""

    def __init__(self, path: Path, encoding: str, on_bad_row: OnBadRow) -> None:
        self.path = path
        self._encoding = name_to_read(encoding)
        self._data = path.read_bytes()
        self._text = self._decoded()
        self._on_bad_row = on_bad_row
        self.rejected = 0
        self.lines = [line for line in self._lines() if line.text.strip() and not line.text.startswith("#")]

    def reject(self, line: _Line, expected: str) -> None:
        """Count a line that cannot be read, or raise."""
        if self._on_bad_row == "error":
            reason = f'expected {expected}, found {line.text.strip()[:80]!r}; on_bad_row="skip" counts such lines'
            raise ParseError(str(self.path), line.number, self._byte_offset(line), reason)
        self.rejected += 1

    def _decoded(self) -> str:
        try:
            return self._data.decode(self._encoding)
        except UnicodeDecodeError as error:
            byte = self._data[error.start]
            start = self._data.rfind(b"\n", 0, error.start) + 1
            remedy = '"utf-16"' if self._data[:2] in (b"\xff\xfe", b"\xfe\xff") else '"cp1252" or another'
            reason = (
                f"byte 0x{byte:02x} is not {self._encoding.removesuffix('-sig')}; say what it is, as encoding={remedy}"
            )
            raise ParseError(str(self.path), self._data.count(b"\n", 0, start) + 1, start, reason) from None

    def _lines(self) -> Iterator[_Line]:
        start = 0
        for i, text in enumerate(io.StringIO(self._text, newline="")):
            yield _Line(i + 1, start, text.rstrip("\r\n"))
            start += len(text)

    def _byte_offset(self, line: _Line) -> int:
        behind = len(self._text[line.start :].encode(self._encoding)) - len("".encode(self._encoding))
        return len(self._data) - behind


def read(path: Path, encoding: str, on_bad_row: OnBadRow) -> Questions | Judged:
    """Read a file of either kind, or BATS' folder; ValueError where it is neither."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.txt") if _BATS.fullmatch(file.name))
        if not files:
            raise ValueError(f"{path}: a folder, but not BATS, whose files are named as 'E01 [country - capital].txt'")
        return _read_bats([_Text(file, encoding, on_bad_row) for file in files])
    text = _Text(path, encoding, on_bad_row)
    if _BATS.fullmatch(path.name):
        return _read_bats([text])
    if path.suffix == ".questions":
        return _read_msr(text, _Text(path.with_suffix(".answers"), encoding, on_bad_row))
    if text.lines and not text.lines[0].text.startswith(":"):
        rows = _split(text.lines)
        if found := _judgements.find_columns(rows):
            return _read_judged(text, rows, *found)
        if not _are_four_words(text.lines):
            text.lines.clear()
    if not text.lines:
        raise ValueError(
            f"{path}: expected lines of four words, or of two words and a number; where a table has other columns, a first "
            "line must name them, as 'word1', 'word2' and 'similarity'"
        )
    return _read_analogies(text)


def _read_analogies(text: _Text) -> Questions:
    found = Questions()
    for line in text.lines:
        if line.text.startswith(":"):
            found.sections.append(line.text[1:].strip())
            continue
        if not found.sections:
            found.sections.append(text.path.stem)
        words = tuple(line.text.split())
        if len(words) == 4:
            found.questions.append(Question(len(found.sections) - 1, words[:3], words[3:]))
        else:
            text.reject(line, "four words")
    found.rejected = text.rejected
    return found


def _read_msr(text: _Text, answers: _Text) -> Questions:
    """Read three words a line, and the relation and the fourth word from the file of answers."""
    if len(text.lines) != len(answers.lines):
        raise ValueError(f"{answers.path} has {len(answers.lines)} lines, {text.path} has {len(text.lines)}")
    found = Questions()
    sections: dict[str, int] = {}
    for line, answer in zip(text.lines, answers.lines, strict=True):
        words, said = tuple(line.text.split()), answer.text.split()
        if len(words) != 3:
            text.reject(line, "three words")
        elif len(said) != 2:
            answers.reject(answer, "a relation and a word")
        else:
            section = sections.setdefault(said[0], len(sections))
            found.questions.append(Question(section, words, (said[1],)))
    found.sections = list(sections)
    found.rejected = text.rejected + answers.rejected
    return found


def _read_bats(texts: Sequence[_Text]) -> Questions:
    """Read ``word<tab>answer/answer`` a line; each two lines of a file are a question."""
    found = Questions()
    for section, text in enumerate(texts):
        found.sections.append(text.path.stem)
        rows: list[tuple[str, tuple[str, ...]]] = []
        for line in text.lines:
            word, *rest = line.text.split()
            answers = tuple(filter(None, rest[0].split("/"))) if len(rest) == 1 else ()
            if answers:
                rows.append((word, answers))
            else:
                text.reject(line, "a word and its answers, with / between them")
        found.questions += [
            Question(section, (word, answers[0], other), others)
            for word, answers in rows
            for other, others in rows
            if other != word
        ]
        found.rejected += text.rejected
    return found


def _read_judged(text: _Text, rows: Sequence[Sequence[str]], columns: _judgements.Columns, has_names: bool) -> Judged:
    found = Judged()
    for line, fields in list(zip(text.lines, rows, strict=True))[has_names:]:
        if one := _judgements.pair(fields, columns):
            found.pairs.append(one)
        else:
            text.reject(line, f"two words and a number in column {columns.judgement + 1}")
    found.rejected = text.rejected
    return found


def _split(lines: Sequence[_Line]) -> list[list[str]]:
    """Split lines at what most of them have: tabs, semicolons or commas, else spaces."""
    texts = [line.text for line in lines]
    separator = next((one for one in "\t;," if 2 * sum(one in text for text in texts) > len(texts)), None)
    return [
        # A quotation mark quotes in a comma-separated file, and is one in the contexts of SCWS.
        next(csv.reader([text], delimiter=separator))
        if separator in (";", ",") and '"' in text
        else text.split(separator)
        for text in texts
    ]


def _are_four_words(lines: Sequence[_Line]) -> bool:
    """Tell whether most lines are four words, not numbers."""
    rows = [line.text.split() for line in lines]
    good = sum(len(row) == 4 and all(_judgements.number(word) is None for word in row) for row in rows)
    return 2 * good > len(rows)
