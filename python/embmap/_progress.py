"""A progress bar: bytes, rate and time left, in a terminal, a notebook or a log. The drawing is tqdm's."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

Progress = Callable[[int, int], object]
"""Called with what is done and what there is in all, 0 where that is not known."""

# Lines of a log are kept for ever.
_SECONDS_IN_A_LOG = 10.0


class Bar:
    """Call it with bytes, or whatever `unit` is, done and in all, 0 where that is not known; close it at the end."""

    def __init__(self, name: str, unit: str = "B") -> None:
        self._unit = unit
        self._name = PurePath(name).name if len(name) > 40 else name
        self._bar: Any = None

    def __call__(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._bar is None:
            self._bar = _tqdm()(
                desc=self._name,
                total=total or None,
                file=sys.stderr,
                disable=sys.stderr is None,  # As in a program without a console.
                unit=self._unit,
                unit_scale=True,
                dynamic_ncols=True,
                mininterval=0.1 if _is_live() else _SECONDS_IN_A_LOG,
            )
        if total and self._bar.total != total:
            self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands, with the time that it took."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextmanager
def shown(progress: bool | Progress | None, name: str, unit: str = "B") -> Generator[Progress | None]:
    """Give what to tell of the progress: a bar for True, which is closed at the end, the caller's callable, or None."""
    if progress is not True:
        yield progress if callable(progress) else None
        return
    bar = Bar(name, unit)
    try:
        yield bar
    finally:
        bar.close()


def _tqdm() -> Any:
    shows_widgets = _in_notebook() and importlib.util.find_spec("ipywidgets") is not None
    return importlib.import_module("tqdm.notebook" if shows_widgets else "tqdm.std").tqdm


def _in_notebook() -> bool:
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _is_live() -> bool:
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())
