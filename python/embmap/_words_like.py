"""What holds words, in whatever form Python has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray


class ArrowStream(Protocol):
    """What pyarrow's chunked arrays, polars' and pandas' series and duckdb's relations offer."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class ArrowArray(Protocol):
    """What pyarrow's arrays offer."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...


WordsLike: TypeAlias = Iterable[str] | NDArray[Any] | ArrowStream | ArrowArray
"""Words in any form: an iterable of `str`, a NumPy array of strings, an Arrow column of them."""
