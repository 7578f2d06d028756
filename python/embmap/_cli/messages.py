"""Errors in the words of the command line: what to do is an option there, not an argument of Python's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Container

# Arguments of `convert` and `export` that are options of the commands, under the same name.
_OPTIONS = (
    "case_insensitive|dim|dtype|duplicates|encoding|errors|format|header|keep|limit|max_expansion|member|on_bad_row|on_wrong_count"
    "|separator|threads|vector_column|word_column|words"
)
# What may be a repository of the hub, and is no file.
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w-]*")
_ARGUMENT = re.compile(rf"(?<![\w.])({_OPTIONS})=(\"[^\"]*\"|True|False|[0-9]+)?")
_FLAGS = {
    ("case_insensitive", "False"): "--case-sensitive",
    ("header", "True"): "--header",
    ("header", "False"): "--no-header",
}


# Control characters but tabs and line ends: a terminal would do what they say.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
_IN_JSON = {code: f"\\u{code:04x}" for code in range(127, 160)}


def printable(text: str, *, json: bool = False) -> str:
    """Write control characters of words, names and errors as escapes, which no terminal obeys."""
    return text.translate(_IN_JSON if json else _CONTROLS)


def in_options(message: str, options: Container[str | None]) -> str:
    """Write ``on_bad_row="skip"`` as ``--on-bad-row skip``, and the like, where the command has that option."""

    def option(found: re.Match[str]) -> str:
        name, value = found[1], found[2] or ""
        if name not in options:
            return found[0]
        if flag := _FLAGS.get((name, value)):
            return flag
        value = "tab" if (name, value) == ("separator", '"\\t"') else value.strip('"')
        return f"--{name.replace('_', '-')}" + (f" {shlex.quote(value)}" if value else "")

    return _ARGUMENT.sub(option, message)


def sentence(error: Exception, options: Container[str | None] = ()) -> str:
    """Say in one line what went wrong, in terms of a command with these options."""
    return " ".join(_told(error, options).split("\n"))


def _told(error: Exception, options: Container[str | None]) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        name = str(error.filename)
        hint = f"; of the Hugging Face hub it is hf://{name}" if _REPOSITORY.fullmatch(name) else ""
        return in_options(printable(f"{name}: {error.strerror}"), options) + hint
    if isinstance(error, UnicodeDecodeError):
        return f"a list of words is not UTF-8: {error.reason}; write it anew, as with iconv"
    if isinstance(error, KeyError):
        told = str(error.args[0])
        # The store tells of a form that it has, of a word that it has not.
        return printable(told) if " is missing; " in told else f"{told!r} is not in the store"
    return in_options(printable(str(error)), options)
