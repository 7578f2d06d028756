"""Words on the command line: one may begin as an option does, as ``-lrb-`` does."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click

from .._store import Store
from .messages import printable

# Words among which one is looked for that was meant: the most frequent, where the file is sorted so.
_LOOKED_AT = 50_000


def check_words(store: Store, words: Sequence[str]) -> None:
    """Refuse the first word that is missing, with those that may have been meant."""
    for word in words:
        try:
            store[word]
        except KeyError as error:
            # Where there is another form of the word, the store says so.
            if str(error.args[0]) != word:
                raise
            options = difflib.get_close_matches(word, _options(), 1) if word.startswith("--") else []
            near = " or ".join(options or map(repr, nearest_words(store, word)))
            told = f"{word!r} is not in the store{f'; did you mean {near}?' if near else ''}"
            raise click.ClickException(printable(told)) from None


def _options() -> list[str]:
    """Name the options of the command that runs."""
    context = click.get_current_context(silent=True)
    return [name for option in context.command.params for name in option.opts] if context else []


def nearest_words(store: Store, word: str) -> list[str]:
    """Give up to three words of a store that are written almost like `word`."""
    alike = [
        other
        for other in store.words[:_LOOKED_AT]
        if abs(len(other) - len(word)) < 3 and other[:1].casefold() == word[:1].casefold()
    ]
    return difflib.get_close_matches(word, alike, 3, 0.75)


class WordsCommand(click.Command):
    """A command with words among its arguments: what is no option of its own is one of them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the words behind a ``--``, where nothing is an option any more."""
        options = {name: option for option in self.get_params(ctx) for name in (*option.opts, *option.secondary_opts)}
        names = {name: option for name, option in options.items() if name.startswith("-")}
        known: list[str] = []
        words: list[str] = []
        rest = iter(args)
        for argument in rest:
            name, equals, _ = argument.partition("=")
            option = names.get(name)
            if argument == "--":
                words += rest
            elif option is not None and (equals == "" or name.startswith("--")):
                known.append(argument)
                if isinstance(option, click.Option) and not option.is_flag and not equals:
                    value = next(rest, None)
                    if value is None:
                        raise click.BadOptionUsage(name, f"Option {name!r} requires an argument.", ctx)
                    known.append(value)
            elif argument[:2] in names and argument[2:].isdigit():
                known.append(argument)
            else:
                words.append(argument)
        return super().parse_args(ctx, [*known, "--", *words])
