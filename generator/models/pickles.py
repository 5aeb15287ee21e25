"""What a file of ``torch.save`` holds, told without torch and without running anything of it.

A pickle names the classes that it is made of. Here none of them is imported: tensors become their
shapes, and everything else an object that takes whatever it is given and does nothing.
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from generator.errors import ModelUnreadable

LARGEST = 1 << 26  # bytes of a pickle without its tensors; real ones have 1
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of ``torch.save`` before 1.6 begin: no zip, but pickles one after another."""

ELEMENT = {  # bytes of a number, by the storage that holds it
    "ComplexDoubleStorage": 16, "ComplexFloatStorage": 8, "DoubleStorage": 8, "LongStorage": 8,
    "FloatStorage": 4, "IntStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "ShortStorage": 2,
    "ByteStorage": 1, "CharStorage": 1, "BoolStorage": 1,
}  # fmt: skip
BROKEN = (
    pickle.UnpicklingError, EOFError, struct.error, AttributeError, LookupError, TypeError,
    ValueError, OverflowError, RecursionError, MemoryError,
)  # fmt: skip


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


class Numbers(Protocol):
    """Finds ``length`` bytes of a storage from byte ``begin`` on.

    Raises ValueError where the file does not hold them.
    """

    def __call__(
        self, storage: "Storage", begin: int, length: int
    ) -> AbstractContextManager[memoryview]: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of ``torch.save``: what its pickle made, and a way to its numbers."""

    content: object
    numbers: Numbers


class Inert:
    """Stands for an object of a class that is not imported; takes everything, does nothing."""

    def __new__(cls, *_: object, **__: object) -> "Inert":
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        """Of a list."""

    def extend(self, values: object) -> None:
        """Of a list."""


class Parameters(Inert):
    """Stands for a dictionary of parameters, the one class whose inside is looked at."""


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """A file of ``torch.save``, its numbers read only where they are asked for.

    Raises :class:`ModelUnreadable` for what cannot be read, OSError where it cannot be opened.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as memory:
        try:
            if memory[: len(LEGACY_TORCH)] == LEGACY_TORCH:
                found = _legacy_opened(file, memory)
            else:
                found = _zip_opened(zipfile.ZipFile(file), memory)
        except (*BROKEN, StopIteration, zipfile.BadZipFile, NotImplementedError) as error:
            raise _no_file_of_torch(path, error) from error
        yield found


def _zip_opened(archive: zipfile.ZipFile, memory: mmap) -> Opened:
    name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
    if archive.getinfo(name).file_size > LARGEST:
        raise ValueError("its pickle is larger than any real one")
    root = name.removesuffix("data.pkl")
    order = f"{root}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise ValueError("its numbers are written the other way round")

    @contextmanager
    def numbers(storage: Storage, begin: int, length: int) -> Iterator[memoryview]:
        entry = archive.getinfo(f"{root}data/{storage.key}")
        if begin + length > entry.file_size or entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError("a tensor reaches beyond its numbers")
        archive.open(entry).close()  # checks the entry's own header
        names = struct.unpack_from("<HH", memory, entry.header_offset + 26)
        where = entry.header_offset + 30 + sum(names)
        with memoryview(memory) as whole, whole[where + begin : where + begin + length] as part:
            yield part

    return Opened(_Reader(io.BytesIO(archive.read(name))).load(), numbers)


def _legacy_opened(file: BinaryIO, memory: mmap) -> Opened:
    content, storages = _legacy(file)
    places: dict[str, tuple[int, int]] = {}
    keys = _Reader(file).load()
    end = file.tell()
    for key in keys:
        length = storages[str(key)].count * ELEMENT[storages[str(key)].kind]
        places[str(key)] = (end + 8, length)  # after the count
        end += 8 + length

    @contextmanager
    def numbers(storage: Storage, begin: int, length: int) -> Iterator[memoryview]:
        where, held = places[storage.key]
        if begin + length > held or where + held > len(memory):
            raise ValueError("a tensor reaches beyond its numbers")
        with memoryview(memory) as whole, whole[where + begin : where + begin + length] as part:
            yield part

    return Opened(content, numbers)


def _no_file_of_torch(path: Path, error: BaseException) -> ModelUnreadable:
    reason = str(error) or type(error).__name__
    return ModelUnreadable(f"{path.name} is no file of torch.save: {reason}")


def read_pickle(path: Path) -> object:
    """The object that ``torch.save`` wrote: dictionaries and lists, :class:`Shape` for tensors.

    Raises :class:`ModelUnreadable` for what cannot be read, OSError where it cannot be opened.
    """
    with path.open("rb") as file:
        try:
            if file.read(len(LEGACY_TORCH)) == LEGACY_TORCH:
                file.seek(0)
                return _legacy(file)[0]
            with zipfile.ZipFile(file) as archive:
                name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
                if archive.getinfo(name).file_size > LARGEST:
                    raise ValueError("its pickle is larger than any real one")
                return _Reader(io.BytesIO(archive.read(name))).load()
        except (*BROKEN, StopIteration, zipfile.BadZipFile, NotImplementedError) as error:
            raise _no_file_of_torch(path, error) from error


def is_whole_legacy(path: Path) -> bool:
    """Whether a file in torch's format before 1.6 is all there, to the end of its last tensor.

    Raises OSError where it cannot be opened.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        try:
            _, storages = _legacy(file)
            keys = _Reader(file).load()
            end = file.tell()
            for key in keys:
                storage = storages[str(key)]
                end += 8 + storage.count * ELEMENT[storage.kind]
        except BROKEN:
            return False
    return end <= size


def vectors_in(found: object) -> tuple[Shape, ...]:
    """The tensors of an embedding's pickle: under ``string_to_param``, else at the top."""
    if not isinstance(found, Mapping):
        return ()
    inner = found.get("string_to_param", found)
    if isinstance(inner, Inert) and isinstance(inner.state, Mapping):  # a ParameterDict
        inner = inner.state.get("_parameters")
    values = inner.values() if isinstance(inner, Mapping) else ()
    return tuple(value for value in values if isinstance(value, Shape))


def _legacy(file: BinaryIO) -> tuple[Any, Mapping[str, Storage]]:
    """Magic number, version, facts of the machine, then the object; the file is left behind it."""
    for _ in range(3):
        _Reader(file).load()
    reader = _Reader(file)
    return reader.load(), reader.storages


class _Reader(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module == "torch._utils" and name.startswith("_rebuild_tensor"):
            return _shape
        if module == "torch._utils" and name.startswith("_rebuild_parameter"):
            return _first
        if module == "torch":  # a storage, or a kind of number
            return type(name, (Inert,), {})
        if (module, name) == ("torch.nn.modules.container", "ParameterDict"):
            return Parameters
        return Inert

    def persistent_load(self, told: Any) -> object:
        if told[0] == "module":  # a class, with its source
            return told[1]
        _, kind, key, _, count = told[:5]
        storage = Storage(getattr(kind, "__name__", str(kind)), str(key), int(count))
        self.storages[storage.key] = storage
        view = told[5] if len(told) > 5 else None  # key, offset, size: of torch before 0.4
        return replace(storage, start=int(view[1])) if view else storage


def _shape(
    storage: object, offset: object, sizes: tuple[int, ...], strides: object = (), *rest: object
) -> Shape:
    kind = next((part.__name__ for part in rest if isinstance(part, type)), "")
    return Shape(
        tuple(int(size) for size in sizes),
        storage if isinstance(storage, Storage) else None,
        int(offset) if isinstance(offset, int) else 0,
        tuple(int(step) for step in strides) if isinstance(strides, tuple) else (),
        kind,
    )


def _first(found: object, *_: object) -> object:
    return found
