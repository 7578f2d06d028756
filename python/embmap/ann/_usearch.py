"""usearch, loaded so that other libraries keep working."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import sys
from typing import Any

# usearch's wheels for Linux hold a C++ library of their own. Loaded before any other, its streams take the place of the
# system's for good, half made: then no library of the process writes a number any more. `torch.compile` fails, the tracer
# never ends, and pyarrow prints "fixed_size_list<item: float>[". With the system's library there first, all use that.
if sys.platform == "linux":
    with contextlib.suppress(OSError):
        ctypes.CDLL("libstdc++.so.6", mode=ctypes.RTLD_GLOBAL)

try:
    usearch: Any = importlib.import_module("usearch.index")
except ImportError as error:
    raise ImportError("embmap.ann needs usearch: pip install 'embmap[ann]'") from error
