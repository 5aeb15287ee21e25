"""Reads a pickle without importing or calling anything; memory and steps are bounded.

Calls become inert objects, dictionary keys are plain values, and a file has a budget of
instructions. Opcodes of protocols 0 to 5 (PEP 307, 3154, 574).
"""

import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, BinaryIO, TypeGuard

MOST_STEPS = (
    1_000_000  # instructions and copied entries; a checkpoint of 2,500 tensors takes 75,000
)
LONGEST_TEXT = 1 << 16  # bytes; a longer string is passed over, its place taken by an inert object
MOST_TEXT = 1 << 24  # bytes of all strings together
FARTHEST = 1 << 40  # bytes that a string may claim; no file is as long
LONGEST_NAME = 1 << 10  # bytes of a class's module or name
LONGEST_NUMBER = 1 << 8  # bytes of a whole number
MOST_DIMENSIONS = 16
LARGEST_NUMBER = (1 << 63) - 1
PLAIN_KEYS = (str, int, float, bytes, type(None))


class BadPickle(ValueError):
    """The bytes are no pickle, or one that asks for more than a model's does."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers that a pickle keeps beside itself."""

    kind: str
    key: str
    count: int
    start: int = 0  # numbers of it that come before those meant here


@dataclass(frozen=True, slots=True)
class Shape:
    """A tensor of a pickle: its sizes, as the pickle tells them, and where its numbers lie."""

    sizes: tuple[int, ...]
    storage: Storage | None = field(default=None, compare=False)
    offset: int = field(default=0, compare=False)  # numbers of the storage before its first
    strides: tuple[int, ...] = field(default=(), compare=False)
    dtype: str = field(default="", compare=False)  # where the storage does not tell it


class Inert:
    """Stands for an object of a class that is not imported; ``state`` is what it was given."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: object = None


class Parameters(Inert):
    """Stands for a dictionary of parameters, the one class whose inside is looked at."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class GlobalName:
    """A class or function that a pickle names."""

    module: str
    name: str


class PickleReader:
    """Reads one pickle after another from ``file``, which is left behind the last.

    ``storages`` are those that its tensors name. All pickles of a reader share one budget.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.storages: dict[str, Storage] = {}
        self._steps = MOST_STEPS
        self._text = MOST_TEXT
        self._begin()

    def load(self) -> Any:
        """The next object. Raises :class:`BadPickle` for what is none or goes too far."""
        self._begin()
        try:
            while True:
                code = self.file.read(1)
                if code == pickle.STOP:
                    return self.stack.pop()
                self.spend(1)
                step = STEPS.get(code)
                if step is None:
                    raise BadPickle(f"it is no pickle: {code!r} is no instruction of one")
                step(self)
        except BadPickle:
            raise
        except (LookupError, struct.error, TypeError, ValueError, OverflowError) as error:
            raise BadPickle("it is no pickle, or a damaged one") from error

    def _begin(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}

    def spend(self, steps: int) -> None:
        """Count what was done or is copied."""
        self._steps -= steps
        if self._steps < 0:
            raise BadPickle(f"it takes more than {MOST_STEPS:,} steps to read; no model does")

    def take(self, length: int) -> bytes:
        """The next bytes, all of them."""
        found = self.file.read(length)
        if len(found) < length:
            raise BadPickle("it ends too early")
        return found

    def line(self, most: int = LONGEST_NAME) -> bytes:
        """The next bytes to the end of a line."""
        found = self.file.readline(most + 1)
        if not found.endswith(b"\n"):
            raise BadPickle("it ends too early, or a name in it is too long")
        self._spend_text(len(found))
        return found[:-1]

    def number(self, layout: str) -> int:
        """The next whole number."""
        found: int = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        if found < 0:
            raise BadPickle("a length in it is negative")
        return found

    def bytes_of(self, length: int) -> bytes | None:
        """The next string; None where it is too long to matter, and was passed over."""
        if length > FARTHEST:
            raise BadPickle("it ends too early")
        if length > LONGEST_TEXT:
            self.file.seek(length - 1, 1)
            self.take(1)
            return None
        self._spend_text(length)
        return self.take(length)

    def _spend_text(self, length: int) -> None:
        self._text -= length
        if self._text < 0:
            raise BadPickle(f"its words take more than {MOST_TEXT:,} bytes; no model's do")

    def push(self, value: object) -> None:
        """Put ``value`` on the stack."""
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        """What lies above the last mark; both are taken away."""
        begin = self.marks.pop()
        found = self.stack[begin:]
        del self.stack[begin:]
        return found

    def memorise(self, index: int) -> None:
        """Remember what lies on top."""
        self.memory[index] = self.stack[-1]

    def persistent(self, told: object) -> object:
        """A storage by what the pickle tells of it."""
        if not isinstance(told, tuple) or not told:
            raise BadPickle("it keeps something beside itself that is no storage")
        if told[0] == "module":  # a class, with its source
            return told[1]
        _, kind, key, _, count = told[:5]
        if not isinstance(key, str | int) or not _is_number(count):
            raise BadPickle("a storage in it has no name or no size")
        name = kind.name if isinstance(kind, GlobalName) else ""
        storage = Storage(name, _text(key), count)
        self.storages[storage.key] = storage
        view = told[5] if len(told) > 5 else None  # key, offset, size: of torch before 0.4
        if isinstance(view, tuple) and len(view) > 1 and _is_number(view[1]):
            return replace(storage, start=view[1])
        return storage

    def call(self, what: object, arguments: object) -> object:
        """What a call leaves: a tensor's shape, a dictionary, or an inert object."""
        given = arguments if isinstance(arguments, tuple) else ()
        if not isinstance(what, GlobalName):
            return Inert()
        if what.module == "torch._utils" and what.name.startswith("_rebuild_tensor"):
            return _shape(*given)
        if what.module == "torch._utils" and what.name.startswith("_rebuild_parameter"):
            return given[0]
        if what == ORDERED:
            pairs = given[0] if given and isinstance(given[0], list) else []
            self.spend(len(pairs))
            return {_key(key): value for key, value in pairs}
        return Parameters() if what == PARAMETERS else Inert()


ORDERED = GlobalName("collections", "OrderedDict")
PARAMETERS = GlobalName("torch.nn.modules.container", "ParameterDict")


def _shape(
    storage: object, offset: object, sizes: object, strides: object = (), *rest: object
) -> Shape:
    kind = next((part.name for part in rest if isinstance(part, GlobalName)), "")
    (begin,) = _numbers((offset,))
    own = storage if isinstance(storage, Storage) else None
    return Shape(_numbers(sizes), own, begin, _numbers(strides), kind)


def _numbers(found: object) -> tuple[int, ...]:
    if not isinstance(found, tuple | list) or len(found) > MOST_DIMENSIONS:
        raise BadPickle(f"a tensor in it has no sizes, or more than {MOST_DIMENSIONS}")
    if not all(_is_number(each) for each in found):
        raise BadPickle("a tensor in it begins before its numbers, or has sizes that are none")
    return found if isinstance(found, tuple) else tuple(found)  # kept, not copied


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value <= LARGEST_NUMBER


def _text(key: str | int) -> str:
    return key if isinstance(key, str) else str(key)


def _key(key: object) -> object:
    """A key that is cheap to hash and to print; an inert one for all else."""
    return key if isinstance(key, PLAIN_KEYS) else Inert()


def _decoded(found: bytes | None) -> object:
    return Inert() if found is None else found.decode("utf-8", "replace")


def _raw(found: bytes | None) -> object:
    return Inert() if found is None else found


def _whole(text: bytes) -> int | bool:
    if text in (b"00", b"01"):
        return text == b"01"
    if len(text) > LONGEST_NUMBER:
        raise BadPickle("a number in it is too long")
    return int(text.rstrip(b"L"))


def _little(reader: PickleReader, length: int) -> int:
    if length > LONGEST_NUMBER:
        raise BadPickle(f"a number in it takes {length:,} bytes")
    return int.from_bytes(reader.take(length), "little", signed=True)


def _global(module: bytes, name: bytes) -> GlobalName:
    return GlobalName(module.decode("utf-8", "replace"), name.decode("utf-8", "replace"))


def _stack_global(reader: PickleReader) -> None:
    name, module = reader.stack.pop(), reader.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise BadPickle("a class in it has no name")
    reader.push(GlobalName(module, name))


def _append(reader: PickleReader, values: list[Any]) -> None:
    if isinstance(reader.stack[-1], list):
        reader.stack[-1].extend(values)


def _set(reader: PickleReader, pairs: list[Any]) -> None:
    if isinstance(reader.stack[-1], dict):
        reader.stack[-1].update(_dictionary(pairs))


def _dictionary(pairs: list[Any]) -> dict[object, Any]:
    return {_key(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _build(reader: PickleReader) -> None:
    state = reader.stack.pop()
    if isinstance(reader.stack[-1], Inert):
        reader.stack[-1].state = state


def _reduce(reader: PickleReader) -> None:
    arguments, what = reader.stack.pop(), reader.stack.pop()
    reader.push(reader.call(what, arguments))


def _new_with_names(reader: PickleReader) -> None:
    _, arguments, what = reader.stack.pop(), reader.stack.pop(), reader.stack.pop()
    reader.push(reader.call(what, arguments))


def _instance(reader: PickleReader) -> None:
    what = _global(reader.line(), reader.line())
    reader.push(reader.call(what, tuple(reader.since_mark())))


def _object(reader: PickleReader) -> None:
    what, *arguments = reader.since_mark()
    reader.push(reader.call(what, tuple(arguments)))


def _tuple(reader: PickleReader, length: int) -> None:
    if length > len(reader.stack):
        raise BadPickle("it is a damaged pickle")
    begin = len(reader.stack) - length
    reader.stack[begin:] = [tuple(reader.stack[begin:])]


def _two(reader: PickleReader) -> list[Any]:
    value, key = reader.stack.pop(), reader.stack.pop()
    return [key, value]


def _pop(reader: PickleReader) -> None:
    if reader.marks and reader.marks[-1] == len(reader.stack):
        reader.marks.pop()
    else:
        reader.stack.pop()


def _float(reader: PickleReader) -> float:
    found: float = struct.unpack(">d", reader.take(8))[0]
    return found


def _quoted(line: bytes) -> object:
    return line.strip(b"\"'").decode("unicode_escape", "replace")


Step = Callable[[PickleReader], object]


def _pushes(make: Callable[[PickleReader], object]) -> Step:
    return lambda reader: reader.push(make(reader))


def _strings(layout: str, made: Callable[[bytes | None], object]) -> Step:
    return lambda reader: reader.push(made(reader.bytes_of(reader.number(layout))))


STEPS: Mapping[bytes, Step] = MappingProxyType(
    {
        pickle.PROTO: lambda r: r.take(1),
        pickle.FRAME: lambda r: r.take(8),
        pickle.MARK: lambda r: r.marks.append(len(r.stack)),
        pickle.POP: _pop,
        pickle.POP_MARK: lambda r: r.since_mark(),
        pickle.DUP: lambda r: r.push(r.stack[-1]),
        pickle.NONE: _pushes(lambda r: None),
        pickle.NEWTRUE: _pushes(lambda r: True),
        pickle.NEWFALSE: _pushes(lambda r: False),
        pickle.INT: _pushes(lambda r: _whole(r.line())),
        pickle.LONG: _pushes(lambda r: _whole(r.line())),
        pickle.BININT: _pushes(lambda r: struct.unpack("<i", r.take(4))[0]),
        pickle.BININT1: _pushes(lambda r: r.number("<B")),
        pickle.BININT2: _pushes(lambda r: r.number("<H")),
        pickle.LONG1: _pushes(lambda r: _little(r, r.number("<B"))),
        pickle.LONG4: _pushes(lambda r: _little(r, r.number("<i"))),
        pickle.FLOAT: _pushes(lambda r: float(r.line())),
        pickle.BINFLOAT: _pushes(_float),
        pickle.STRING: _pushes(lambda r: _quoted(r.line(LONGEST_TEXT))),
        pickle.UNICODE: _pushes(
            lambda r: r.line(LONGEST_TEXT).decode("raw_unicode_escape", "replace")
        ),
        pickle.BINSTRING: _strings("<i", _decoded),
        pickle.SHORT_BINSTRING: _strings("<B", _decoded),
        pickle.BINUNICODE: _strings("<I", _decoded),
        pickle.SHORT_BINUNICODE: _strings("<B", _decoded),
        pickle.BINUNICODE8: _strings("<Q", _decoded),
        pickle.BINBYTES: _strings("<I", _raw),
        pickle.SHORT_BINBYTES: _strings("<B", _raw),
        pickle.BINBYTES8: _strings("<Q", _raw),
        pickle.BYTEARRAY8: _strings("<Q", _raw),
        pickle.EMPTY_LIST: _pushes(lambda r: []),
        pickle.EMPTY_TUPLE: _pushes(lambda r: ()),
        pickle.EMPTY_DICT: _pushes(lambda r: {}),
        pickle.EMPTY_SET: _pushes(lambda r: Inert()),
        pickle.LIST: _pushes(lambda r: r.since_mark()),
        pickle.TUPLE: _pushes(lambda r: tuple(r.since_mark())),
        pickle.DICT: _pushes(lambda r: _dictionary(r.since_mark())),
        pickle.FROZENSET: _pushes(lambda r: r.since_mark() and Inert()),
        pickle.TUPLE1: lambda r: _tuple(r, 1),
        pickle.TUPLE2: lambda r: _tuple(r, 2),
        pickle.TUPLE3: lambda r: _tuple(r, 3),
        pickle.APPEND: lambda r: _append(r, [r.stack.pop()]),
        pickle.APPENDS: lambda r: _append(r, r.since_mark()),
        pickle.ADDITEMS: lambda r: r.since_mark(),
        pickle.SETITEM: lambda r: _set(r, _two(r)),
        pickle.SETITEMS: lambda r: _set(r, r.since_mark()),
        pickle.GET: lambda r: r.push(r.memory[int(r.line())]),
        pickle.BINGET: lambda r: r.push(r.memory[r.number("<B")]),
        pickle.LONG_BINGET: lambda r: r.push(r.memory[r.number("<I")]),
        pickle.PUT: lambda r: r.memorise(int(r.line())),
        pickle.BINPUT: lambda r: r.memorise(r.number("<B")),
        pickle.LONG_BINPUT: lambda r: r.memorise(r.number("<I")),
        pickle.MEMOIZE: lambda r: r.memorise(len(r.memory)),
        pickle.GLOBAL: _pushes(lambda r: _global(r.line(), r.line())),
        pickle.STACK_GLOBAL: _stack_global,
        pickle.REDUCE: _reduce,
        pickle.NEWOBJ: _reduce,
        pickle.NEWOBJ_EX: _new_with_names,
        pickle.INST: _instance,
        pickle.OBJ: _object,
        pickle.BUILD: _build,
        pickle.PERSID: lambda r: r.push(r.persistent((r.line(),))),
        pickle.BINPERSID: lambda r: r.push(r.persistent(r.stack.pop())),
    }
)
"""What each instruction does; extensions and buffers beside the file are none of a model's."""
