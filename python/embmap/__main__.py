"""``python -m embmap``: the command line."""

from .cli import main

main(prog_name="embmap")
