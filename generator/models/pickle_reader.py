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
MAX_CLAIMED_BYTES = 1 << 40  # bytes that a string may claim; no file is as long
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
class PickledTensor:
    """A tensor of a pickle: its sizes, as the pickle tells them, and where its numbers lie."""

    sizes: tuple[int, ...]
    storage: Storage | None = field(default=None, compare=False)
    offset: int = field(default=0, compare=False)  # numbers of the storage before its first
    strides: tuple[int, ...] = field(default=(), compare=False)
    dtype: str = field(default="", compare=False)  # where the storage does not tell it


class InertObject:
    """Stands for an object of a class that is not imported; ``state`` is what it was given."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: object = None


class InertParameterDict(InertObject):
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
                self.spend_steps(1)
                instruction = INSTRUCTIONS.get(code)
                if instruction is None:
                    raise BadPickle(f"it is no pickle: {code!r} is no instruction of one")
                instruction(self)
        except BadPickle:
            raise
        except (LookupError, struct.error, TypeError, ValueError, OverflowError) as error:
            raise BadPickle("it is no pickle, or a damaged one") from error

    def _begin(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}

    def spend_steps(self, steps: int) -> None:
        """Count what was done or is copied."""
        self._steps -= steps
        if self._steps < 0:
            raise BadPickle(f"it takes more than {MOST_STEPS:,} steps to read; no model does")

    def read_bytes(self, length: int) -> bytes:
        """The next bytes, all of them."""
        content = self.file.read(length)
        if len(content) < length:
            raise BadPickle("it ends too early")
        return content

    def read_line(self, most: int = LONGEST_NAME) -> bytes:
        """The next bytes to the end of a line."""
        content = self.file.readline(most + 1)
        if not content.endswith(b"\n"):
            raise BadPickle("it ends too early, or a name in it is too long")
        self._spend_text(len(content))
        return content[:-1]

    def read_number(self, layout: str) -> int:
        """The next whole number."""
        value: int = struct.unpack(layout, self.read_bytes(struct.calcsize(layout)))[0]
        if value < 0:
            raise BadPickle("a length in it is negative")
        return value

    def read_string(self, length: int) -> bytes | None:
        """The next string; None where it is too long to matter, and was passed over."""
        if length > MAX_CLAIMED_BYTES:
            raise BadPickle("it ends too early")
        if length > LONGEST_TEXT:
            self.file.seek(length - 1, 1)
            self.read_bytes(1)
            return None
        self._spend_text(length)
        return self.read_bytes(length)

    def _spend_text(self, length: int) -> None:
        self._text -= length
        if self._text < 0:
            raise BadPickle(f"its words take more than {MOST_TEXT:,} bytes; no model's do")

    def push(self, value: object) -> None:
        """Put ``value`` on the stack."""
        self.stack.append(value)

    def pop_to_mark(self) -> list[Any]:
        """What lies above the last mark; both are taken away."""
        begin = self.marks.pop()
        values = self.stack[begin:]
        del self.stack[begin:]
        return values

    def memorise(self, index: int) -> None:
        """Remember what lies on top."""
        self.memory[index] = self.stack[-1]

    def resolve_storage(self, persistent_id: object) -> object:
        """A storage by what the pickle tells of it."""
        if not isinstance(persistent_id, tuple) or not persistent_id:
            raise BadPickle("it keeps something beside itself that is no storage")
        if persistent_id[0] == "module":  # a class, with its source
            return persistent_id[1]
        _, kind, key, _, count = persistent_id[:5]
        if not isinstance(key, str | int) or not _is_number(count):
            raise BadPickle("a storage in it has no name or no size")
        name = kind.name if isinstance(kind, GlobalName) else ""
        storage = Storage(name, _to_text(key), count)
        self.storages[storage.key] = storage
        view = (
            persistent_id[5] if len(persistent_id) > 5 else None
        )  # key, offset, size: of torch before 0.4
        if isinstance(view, tuple) and len(view) > 1 and _is_number(view[1]):
            return replace(storage, start=view[1])
        return storage

    def evaluate_call(self, what: object, arguments: object) -> object:
        """What a call leaves: a tensor's shape, a dictionary, or an inert object."""
        values = arguments if isinstance(arguments, tuple) else ()
        if not isinstance(what, GlobalName):
            return InertObject()
        if what.module == "torch._utils" and what.name.startswith("_rebuild_tensor"):
            return _pickled_tensor(*values)
        if what.module == "torch._utils" and what.name.startswith("_rebuild_parameter"):
            return values[0]
        if what == ORDERED_DICT:
            pairs = values[0] if values and isinstance(values[0], list) else []
            self.spend_steps(len(pairs))
            return {_plain_key(key): value for key, value in pairs}
        return InertParameterDict() if what == PARAMETER_DICT else InertObject()


ORDERED_DICT = GlobalName("collections", "OrderedDict")
PARAMETER_DICT = GlobalName("torch.nn.modules.container", "ParameterDict")


def _pickled_tensor(
    storage: object, offset: object, sizes: object, strides: object = (), *rest: object
) -> PickledTensor:
    kind = next((part.name for part in rest if isinstance(part, GlobalName)), "")
    (begin,) = _to_sizes((offset,))
    own = storage if isinstance(storage, Storage) else None
    return PickledTensor(_to_sizes(sizes), own, begin, _to_sizes(strides), kind)


def _to_sizes(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple | list) or len(values) > MOST_DIMENSIONS:
        raise BadPickle(f"a tensor in it has no sizes, or more than {MOST_DIMENSIONS}")
    if not all(_is_number(each) for each in values):
        raise BadPickle("a tensor in it begins before its numbers, or has sizes that are none")
    return values if isinstance(values, tuple) else tuple(values)  # kept, not copied


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value <= LARGEST_NUMBER


def _to_text(key: str | int) -> str:
    return key if isinstance(key, str) else str(key)


def _plain_key(key: object) -> object:
    """A key that is cheap to hash and to print; an inert one for all else."""
    return key if isinstance(key, PLAIN_KEYS) else InertObject()


def _decode(content: bytes | None) -> object:
    return InertObject() if content is None else content.decode("utf-8", "replace")


def _bytes_or_inert(content: bytes | None) -> object:
    return InertObject() if content is None else content


def _parse_int(text: bytes) -> int | bool:
    if text in (b"00", b"01"):
        return text == b"01"
    if len(text) > LONGEST_NUMBER:
        raise BadPickle("a number in it is too long")
    return int(text.rstrip(b"L"))


def _read_little_endian(reader: PickleReader, length: int) -> int:
    if length > LONGEST_NUMBER:
        raise BadPickle(f"a number in it takes {length:,} bytes")
    return int.from_bytes(reader.read_bytes(length), "little", signed=True)


def _global_name(module: bytes, name: bytes) -> GlobalName:
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
        reader.stack[-1].update(_to_dictionary(pairs))


def _to_dictionary(pairs: list[Any]) -> dict[object, Any]:
    return {_plain_key(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _build(reader: PickleReader) -> None:
    state = reader.stack.pop()
    if isinstance(reader.stack[-1], InertObject):
        reader.stack[-1].state = state


def _reduce(reader: PickleReader) -> None:
    arguments, what = reader.stack.pop(), reader.stack.pop()
    reader.push(reader.evaluate_call(what, arguments))


def _new_with_names(reader: PickleReader) -> None:
    _, arguments, what = reader.stack.pop(), reader.stack.pop(), reader.stack.pop()
    reader.push(reader.evaluate_call(what, arguments))


def _build_instance(reader: PickleReader) -> None:
    what = _global_name(reader.read_line(), reader.read_line())
    reader.push(reader.evaluate_call(what, tuple(reader.pop_to_mark())))


def _build_object(reader: PickleReader) -> None:
    what, *arguments = reader.pop_to_mark()
    reader.push(reader.evaluate_call(what, tuple(arguments)))


def _push_tuple(reader: PickleReader, length: int) -> None:
    if length > len(reader.stack):
        raise BadPickle("it is a damaged pickle")
    begin = len(reader.stack) - length
    reader.stack[begin:] = [tuple(reader.stack[begin:])]


def _pop_pair(reader: PickleReader) -> list[Any]:
    value, key = reader.stack.pop(), reader.stack.pop()
    return [key, value]


def _pop(reader: PickleReader) -> None:
    if reader.marks and reader.marks[-1] == len(reader.stack):
        reader.marks.pop()
    else:
        reader.stack.pop()


def _read_float(reader: PickleReader) -> float:
    number: float = struct.unpack(">d", reader.read_bytes(8))[0]
    return number


def _unquote(line: bytes) -> object:
    return line.strip(b"\"'").decode("unicode_escape", "replace")


Instruction = Callable[[PickleReader], object]


def _push_result(make: Callable[[PickleReader], object]) -> Instruction:
    return lambda reader: reader.push(make(reader))


def _push_string(layout: str, convert: Callable[[bytes | None], object]) -> Instruction:
    return lambda reader: reader.push(convert(reader.read_string(reader.read_number(layout))))


INSTRUCTIONS: Mapping[bytes, Instruction] = MappingProxyType(
    {
        pickle.PROTO: lambda r: r.read_bytes(1),
        pickle.FRAME: lambda r: r.read_bytes(8),
        pickle.MARK: lambda r: r.marks.append(len(r.stack)),
        pickle.POP: _pop,
        pickle.POP_MARK: lambda r: r.pop_to_mark(),
        pickle.DUP: lambda r: r.push(r.stack[-1]),
        pickle.NONE: _push_result(lambda r: None),
        pickle.NEWTRUE: _push_result(lambda r: True),
        pickle.NEWFALSE: _push_result(lambda r: False),
        pickle.INT: _push_result(lambda r: _parse_int(r.read_line())),
        pickle.LONG: _push_result(lambda r: _parse_int(r.read_line())),
        pickle.BININT: _push_result(lambda r: struct.unpack("<i", r.read_bytes(4))[0]),
        pickle.BININT1: _push_result(lambda r: r.read_number("<B")),
        pickle.BININT2: _push_result(lambda r: r.read_number("<H")),
        pickle.LONG1: _push_result(lambda r: _read_little_endian(r, r.read_number("<B"))),
        pickle.LONG4: _push_result(lambda r: _read_little_endian(r, r.read_number("<i"))),
        pickle.FLOAT: _push_result(lambda r: float(r.read_line())),
        pickle.BINFLOAT: _push_result(_read_float),
        pickle.STRING: _push_result(lambda r: _unquote(r.read_line(LONGEST_TEXT))),
        pickle.UNICODE: _push_result(
            lambda r: r.read_line(LONGEST_TEXT).decode("raw_unicode_escape", "replace")
        ),
        pickle.BINSTRING: _push_string("<i", _decode),
        pickle.SHORT_BINSTRING: _push_string("<B", _decode),
        pickle.BINUNICODE: _push_string("<I", _decode),
        pickle.SHORT_BINUNICODE: _push_string("<B", _decode),
        pickle.BINUNICODE8: _push_string("<Q", _decode),
        pickle.BINBYTES: _push_string("<I", _bytes_or_inert),
        pickle.SHORT_BINBYTES: _push_string("<B", _bytes_or_inert),
        pickle.BINBYTES8: _push_string("<Q", _bytes_or_inert),
        pickle.BYTEARRAY8: _push_string("<Q", _bytes_or_inert),
        pickle.EMPTY_LIST: _push_result(lambda r: []),
        pickle.EMPTY_TUPLE: _push_result(lambda r: ()),
        pickle.EMPTY_DICT: _push_result(lambda r: {}),
        pickle.EMPTY_SET: _push_result(lambda r: InertObject()),
        pickle.LIST: _push_result(lambda r: r.pop_to_mark()),
        pickle.TUPLE: _push_result(lambda r: tuple(r.pop_to_mark())),
        pickle.DICT: _push_result(lambda r: _to_dictionary(r.pop_to_mark())),
        pickle.FROZENSET: _push_result(lambda r: r.pop_to_mark() and InertObject()),
        pickle.TUPLE1: lambda r: _push_tuple(r, 1),
        pickle.TUPLE2: lambda r: _push_tuple(r, 2),
        pickle.TUPLE3: lambda r: _push_tuple(r, 3),
        pickle.APPEND: lambda r: _append(r, [r.stack.pop()]),
        pickle.APPENDS: lambda r: _append(r, r.pop_to_mark()),
        pickle.ADDITEMS: lambda r: r.pop_to_mark(),
        pickle.SETITEM: lambda r: _set(r, _pop_pair(r)),
        pickle.SETITEMS: lambda r: _set(r, r.pop_to_mark()),
        pickle.GET: lambda r: r.push(r.memory[int(r.read_line())]),
        pickle.BINGET: lambda r: r.push(r.memory[r.read_number("<B")]),
        pickle.LONG_BINGET: lambda r: r.push(r.memory[r.read_number("<I")]),
        pickle.PUT: lambda r: r.memorise(int(r.read_line())),
        pickle.BINPUT: lambda r: r.memorise(r.read_number("<B")),
        pickle.LONG_BINPUT: lambda r: r.memorise(r.read_number("<I")),
        pickle.MEMOIZE: lambda r: r.memorise(len(r.memory)),
        pickle.GLOBAL: _push_result(lambda r: _global_name(r.read_line(), r.read_line())),
        pickle.STACK_GLOBAL: _stack_global,
        pickle.REDUCE: _reduce,
        pickle.NEWOBJ: _reduce,
        pickle.NEWOBJ_EX: _new_with_names,
        pickle.INST: _build_instance,
        pickle.OBJ: _build_object,
        pickle.BUILD: _build,
        pickle.PERSID: lambda r: r.push(r.resolve_storage((r.read_line(),))),
        pickle.BINPERSID: lambda r: r.push(r.resolve_storage(r.stack.pop())),
    }
)
"""What each instruction does; extensions and buffers beside the file are none of a model's."""
