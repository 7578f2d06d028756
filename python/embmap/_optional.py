"""Packages that embmap can do without, imported when they are first asked for."""

from __future__ import annotations

import importlib
from typing import Any


def need(module: str, what: str, install: str | None = None) -> Any:
    """Import a module of an extra, whose name is that of the package; ImportError that says how to install it.

    What no extra has is installed as `install` says.
    """
    package = module.split(".")[0]
    install = install or f"'embmap[{package}]'"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # What is missing may be a package that this one needs.
        raise ImportError(f"{what} needs {package}: pip install {install} ({error})", name=package) from error
