"""Packages that embmap can do without, imported when they are first asked for."""

from __future__ import annotations

import importlib
from typing import Any

_BACKENDS = ("tensorflow", "jax", "torch")


def need(module: str, what: str, install: str | None = None) -> Any:
    """Import a module of an extra, whose name is that of the package; ImportError that says how to install it.

    What no extra has is installed as `install` says.
    """
    package = module.split(".")[0]
    install = install or f"'embmap[{package}]'"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or package).partition(".")[0]
        if package == "keras" and missing in _BACKENDS:
            raise ImportError(
                f"Keras' backend {missing} is not installed: pip install {missing}, or name one that is in KERAS_BACKEND",
                name=missing,
            ) from error
        # What is missing may be a package that this one needs.
        raise ImportError(f"{what} needs {package}: pip install {install} ({error})", name=package) from error
