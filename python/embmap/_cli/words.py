"""Words on the command line: one may begin as an option does, as ``-lrb-`` does."""

from __future__ import annotations

import click


class WordsCommand(click.Command):
    """A command with words among its arguments: what is no option of its own is one of them."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Put the words behind a ``--``, where nothing is an option any more."""
        options = {
            name: option for option in self.get_params(context) for name in (*option.opts, *option.secondary_opts)
        }
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
                takes_value = isinstance(option, click.Option) and not option.is_flag and not equals
                known += [value for value in [next(rest, None)] if value is not None] if takes_value else []
            elif argument[:2] in names and argument[2:].isdigit():
                known.append(argument)
            else:
                words.append(argument)
        return super().parse_args(context, [*known, "--", *words])
