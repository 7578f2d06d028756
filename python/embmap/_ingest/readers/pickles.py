"""The data of a pickle, without running it: an interpreter of the opcodes that make data, and of no others.

What a pickle calls by name is looked up in a short list of ours, and nothing is imported. Any other name, and any opcode
that could do something, is refused by name.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..._errors import ParseError
from .rows import refusal

_DTYPES = {
    "f8": "f8",
    "f4": "f4",
    "f2": "f2",
    "i8": "i8",
    "i4": "i4",
    "i2": "i2",
    "i1": "i1",
    "u8": "u8",
    "u4": "u4",
    "u1": "u1",
}


class Named:
    """What a pickle calls by its name, and that is not called here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Record:
    """An object of some class: its name, what it was made of, and its state."""

    def __init__(self, of: Named, arguments: Any) -> None:
        self.of, self.arguments = of, arguments
        self.state: dict[str, Any] = {}
        self.items: dict[Any, Any] = {}


class _Array:
    """An array in the making: its state comes behind it."""

    def __init__(self) -> None:
        self.value: np.ndarray[Any, Any] | None = None


class _Dtype:
    def __init__(self, name: str) -> None:
        self.name, self.order = name, "<"


def read_pickle(
    path: Path,
    file: BinaryIO,
    persistent: Callable[[Any], Any] | None = None,
    called: Mapping[str, Callable[[tuple[Any, ...]], Any]] | None = None,
) -> Any:
    """Give the data of a pickle; ParseError for one that would do anything.

    `persistent` gives what lies outside of the pickle, as PyTorch's numbers do, and `called` what stands for more names.
    """
    try:
        with warnings.catch_warnings():
            # Of names with backslashes, which are no names.
            warnings.simplefilter("ignore", DeprecationWarning)
            return _Machine(path, persistent, called or {}).run(file)
    except ParseError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        what = f"this is a Python pickle that is damaged, or of a kind that embmap does not know: {error!s}"
        raise refusal(path, what) from None


_MARK = object()


class _Machine:
    def __init__(
        self,
        path: Path,
        persistent: Callable[[Any], Any] | None,
        called: Mapping[str, Callable[[tuple[Any, ...]], Any]],
    ) -> None:
        self._path, self._persistent, self._names = path, persistent, called
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def _refuse(self, opcode: str, what: str, position: int | None) -> Exception:
        what = f"this is a Python pickle, whose {opcode} at byte {position} would {what}"
        how = (
            "embmap reads data and runs nothing; load it where you trust it, and use embmap.write(path, words, vectors)"
        )
        return refusal(self._path, f"{what}: {how}")

    def _pop_mark(self) -> list[Any]:
        stack = self._stack
        at = len(stack) - 1
        while stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        found = stack[at + 1 :]
        del stack[at:]
        return found

    def run(self, file: BinaryIO) -> Any:
        stack, memo = self._stack, self._memo
        argument: Any
        for opcode, argument, position in pickletools.genops(file):
            name = opcode.name
            if name in _PUSHED:
                stack.append(argument)
            elif name in _CONSTANTS:
                stack.append(_CONSTANTS[name]())
            elif name in ("PROTO", "FRAME"):
                pass
            elif name == "MARK":
                stack.append(_MARK)
            elif name == "STOP":
                return array_of(stack.pop())
            elif name == "POP":
                stack.pop()
            elif name == "POP_MARK":
                self._pop_mark()
            elif name == "DUP":
                stack.append(stack[-1])
            elif name == "MEMOIZE":
                memo[len(memo)] = stack[-1]
            elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                memo[argument] = stack[-1]
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            elif name == "TUPLE":
                stack.append(tuple(self._pop_mark()))
            elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
                count = int(name[-1])
                if len(stack) < count:
                    raise ValueError("the stack is empty")
                stack[-count:] = [tuple(stack[-count:])]
            elif name == "LIST":
                stack.append(self._pop_mark())
            elif name == "DICT":
                parts = self._pop_mark()
                stack.append(dict(zip(map(_hashable, parts[::2]), parts[1::2], strict=True)))
            elif name == "APPEND":
                value = stack.pop()
                _list(stack[-1]).append(value)
            elif name == "APPENDS":
                values = self._pop_mark()
                _list(stack[-1]).extend(values)
            elif name == "SETITEM":
                value, key = stack.pop(), stack.pop()
                _dict(stack[-1])[_hashable(key)] = value
            elif name == "SETITEMS":
                parts = self._pop_mark()
                _dict(stack[-1]).update(zip(map(_hashable, parts[::2]), parts[1::2], strict=True))
            elif name in ("ADDITEMS", "FROZENSET"):
                # Of sets nothing is needed.
                self._pop_mark()
                if name == "FROZENSET":
                    stack.append(())
            elif name == "GLOBAL":
                stack.append(Named(*argument.split(" ", 1)))
            elif name == "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(Named(str(module), str(attribute)))
            elif name == "REDUCE":
                arguments, called = stack.pop(), stack.pop()
                stack.append(self._called(called, arguments, name, position))
            elif name in ("NEWOBJ", "NEWOBJ_EX"):
                if name == "NEWOBJ_EX":
                    stack.pop()
                arguments, called = stack.pop(), stack.pop()
                stack.append(self._made(called, arguments, name, position))
            elif name == "BUILD":
                state = stack.pop()
                self._build(stack[-1], state, name, position)
            elif name == "BINPERSID" and self._persistent is not None:
                stack.append(self._persistent(stack.pop()))
            elif name in ("NEXT_BUFFER", "READONLY_BUFFER"):
                raise self._refuse(name, "read a buffer that is not in the file", position)
            else:
                raise self._refuse(
                    name, "make an object of a class" if name in ("INST", "OBJ") else "do something", position
                )
        raise ValueError("it has no end")

    def _called(self, called: Any, arguments: Any, opcode: str, position: int | None) -> Any:
        if not isinstance(called, Named) or not isinstance(arguments, tuple):
            raise self._refuse(opcode, "call what it has made", position)
        name = str(called)
        if name in ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"):
            return _Array()
        if name == "numpy.dtype":
            return _Dtype(str(arguments[0]))
        if name in ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"):
            kind, data = arguments
            return np.frombuffer(_bytes(data), _dtype_of(kind))[0].item()
        if name in ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"):
            data, kind, shape, order = arguments
            return np.frombuffer(_bytes(data), _dtype_of(kind)).reshape(shape, order=order)
        if name == "_codecs.encode":
            text, *rest = arguments
            if rest not in ([], ["latin1"], ["latin-1"]):
                raise self._refuse(opcode, f"call {name} with {rest}", position)
            return str(text).encode("latin-1")
        if name in ("collections.OrderedDict", "builtins.dict", "__builtin__.dict", "collections.defaultdict"):
            return {}
        if name in ("builtins.set", "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset"):
            return ()
        if name in ("builtins.bytearray", "__builtin__.bytearray", "builtins.bytes", "__builtin__.bytes"):
            return bytes(_bytes(arguments[0])) if arguments else b""
        if name == "copyreg._reconstructor" or name == "copy_reg._reconstructor":
            return self._made(arguments[0], (), opcode, position)
        if name in self._names:
            return self._names[name](arguments)
        if called.module.startswith("numpy.random."):
            # The dice of a model, which are not thrown here.
            return Record(called, arguments)
        raise self._refuse(opcode, f"call {name}", position)

    def _made(self, called: Any, arguments: Any, opcode: str, position: int | None) -> Any:
        # Of gensim's classes only the state is read: words, and arrays.
        if isinstance(called, Named) and called.module.split(".")[0] in ("gensim", "numpy"):
            return Record(called, arguments)
        raise self._refuse(
            opcode, f"make an object of {called}" if isinstance(called, Named) else "make an object", position
        )

    def _build(self, target: Any, state: Any, opcode: str, position: int | None) -> None:
        if isinstance(target, _Array):
            _version, shape, kind, fortran, data = state
            if isinstance(data, list):
                # Of Python objects, as gensim's counts may be, which are no numbers.
                return
            kind = _dtype_of(kind)
            target.value = np.frombuffer(_bytes(data), kind).reshape(shape, order="F" if fortran else "C")
        elif isinstance(target, _Dtype):
            target.order = str(state[1]) if isinstance(state, tuple) and len(state) > 1 else "<"
        elif isinstance(target, Record):
            parts = state if isinstance(state, tuple) else (state,)
            for part in parts:
                if isinstance(part, dict):
                    target.state.update({str(key): value for key, value in part.items()})
        elif isinstance(target, dict):
            # The attributes of an OrderedDict, as PyTorch's state dict has them.
            pass
        else:
            raise self._refuse(opcode, f"change what is a {type(target).__name__}", position)


_PUSHED = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": tuple,
}


def _dtype_of(kind: Any) -> np.dtype[Any]:
    if not isinstance(kind, _Dtype) or kind.name not in _DTYPES or kind.order not in "<>|=":
        raise ValueError(f"numbers of {getattr(kind, 'name', kind)!r}")
    return np.dtype(("<" if kind.order in "|=" else kind.order) + kind.name)


def _bytes(data: Any) -> bytes:
    if isinstance(data, str):
        # As protocol 2 of Python 2 writes them.
        return data.encode("latin-1")
    if not isinstance(data, (bytes, bytearray)):
        raise TypeError(f"expected bytes, found {type(data).__name__}")
    return bytes(data)


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise TypeError(f"expected a list, found {type(found).__name__}")
    return found


def _dict(found: Any) -> dict[Any, Any]:
    if isinstance(found, Record):
        return found.items
    if not isinstance(found, dict):
        raise TypeError(f"expected a dict, found {type(found).__name__}")
    return found


def _hashable(key: Any) -> Any:
    # Keys that are no data are looked up by nobody.
    return key if isinstance(key, (str, bytes, int, float, type(None))) else f"<{type(key).__name__} {id(key)}>"


def array_of(value: Any) -> Any:
    """Give the array that a value is, or the value itself."""
    return value.value if isinstance(value, _Array) else value
