"""Reads the contents of ``torch.save`` files without torch and without running anything.

Its pickle is read by :mod:`generator.models.pickle_reader`: tensors become their shapes, and
everything else an object that takes whatever it is given and does nothing.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from generator.errors import ModelUnreadable
from generator.models.pickle_reader import (
    BadPickle,
    InertObject,
    InertParameterDict,
    PickledTensor,
    PickleReader,
    Storage,
)
from generator.models.plain_files import open_plain
from generator.reasons import reason_of

__all__ = [
    "InertObject",
    "InertParameterDict",
    "PickledTensor",
    "Storage",
    "open_torch_file",
    "read_pickle",
]

MAX_PICKLE_BYTES = 1 << 24  # bytes of a pickle without its tensors; real ones have 1 MB
MAX_INDEX_BYTES = 1 << 22  # bytes of a zip's list of files; one of 2,500 tensors takes 200 KB
PIECE = 1 << 20  # bytes of a pickle that are unpacked at a time
SUPPORTED_COMPRESSIONS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  # those that can be unpacked by pieces
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of ``torch.save`` before 1.6 begin: no zip, but pickles one after another."""

ELEMENT_BYTES = {  # bytes of a number, by the storage that holds it
    "ComplexDoubleStorage": 16, "ComplexFloatStorage": 8, "DoubleStorage": 8, "LongStorage": 8,
    "FloatStorage": 4, "IntStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "ShortStorage": 2,
    "ByteStorage": 1, "CharStorage": 1, "BoolStorage": 1,
}  # fmt: skip
PICKLE_ERRORS = (
    BadPickle, zipfile.BadZipFile, zlib.error, EOFError, struct.error, LookupError, TypeError,
    ValueError, OverflowError, NotImplementedError, RuntimeError, MemoryError, StopIteration,
)  # fmt: skip


class BoundedFile(io.BufferedReader):
    """A file of which nobody reads more than ``MAX_INDEX_BYTES`` bytes at once.

    :mod:`zipfile` takes a list of files whole, however long its last record says that it is.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file. Raises :class:`BadPickle` for more than may be read."""
        if size is None or size < 0:
            size = MAX_INDEX_BYTES
        if size > MAX_INDEX_BYTES:
            raise BadPickle(f"its list of files takes {size:,} bytes; no model's does")
        return super().read(size)


class ReadStorage(Protocol):
    """Finds ``length`` bytes of a storage from byte ``begin`` on.

    Raises ValueError where the file does not hold them.
    """

    def __call__(
        self, storage: "Storage", begin: int, length: int
    ) -> AbstractContextManager[memoryview]: ...


@dataclass(frozen=True, slots=True)
class TorchFile:
    """A file of ``torch.save``: what its pickle made, and a way to its numbers."""

    content: object
    read_storage: ReadStorage


@contextmanager
def open_torch_file(path: Path) -> Iterator[TorchFile]:
    """A file of ``torch.save``, its numbers read only where they are asked for.

    Raises :class:`ModelUnreadable` for what cannot be read, OSError where it cannot be opened.
    """
    with open_plain(path) as file:
        try:
            memory = mmap(file.fileno(), 0, access=ACCESS_READ)
        except ValueError as error:  # an empty file
            raise _not_torch_error(path, error) from error
        with memory:
            try:
                if memory[: len(LEGACY_TORCH)] == LEGACY_TORCH:
                    torch_file = _open_legacy(file, memory)
                else:
                    torch_file = _open_torch_zip(open_zip(file), memory)
            except PICKLE_ERRORS as error:
                raise _not_torch_error(path, error) from error
            yield torch_file


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """The zip in ``file``, if its list of files is not too long. Raises what :mod:`zipfile` does.

    Raises :class:`BadPickle` for a list that no model has.
    """
    return zipfile.ZipFile(BoundedFile(io.FileIO(file.fileno(), closefd=False)))


def _find_pickle(archive: zipfile.ZipFile) -> tuple[str, PickleReader]:
    """The name of a file's pickle in its zip, and its reader."""
    name = next((n for n in archive.namelist() if n.endswith("data.pkl")), None)
    if name is None:
        raise BadPickle("a zip, but none of torch.save: there is no data.pkl")
    entry = archive.getinfo(name)
    if entry.compress_type not in SUPPORTED_COMPRESSIONS or entry.flag_bits & 1:
        raise BadPickle("its pickle is packed in a way that torch.save knows not")
    return name, PickleReader(io.BytesIO(_unpack(archive, entry)))


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    pieces, length = [], 0
    with archive.open(entry) as packed:
        while piece := packed.read(PIECE):  # a size makes zipfile unpack no more than that
            pieces.append(piece)
            length += len(piece)
            if length > MAX_PICKLE_BYTES:
                raise BadPickle("its pickle is larger than any real one")
    return b"".join(pieces)


def _open_torch_zip(archive: zipfile.ZipFile, memory: mmap) -> TorchFile:
    name, reader = _find_pickle(archive)
    root = name.removesuffix("data.pkl")
    order = f"{root}byteorder"
    if order in archive.namelist():
        with archive.open(order) as byte_order_file:
            if byte_order_file.read(PIECE) != b"little":
                raise ValueError("its numbers are written the other way round")

    @contextmanager
    def numbers(storage: Storage, begin: int, length: int) -> Iterator[memoryview]:
        entry = archive.getinfo(f"{root}data/{storage.key}")
        if begin + length > entry.file_size or entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError("a tensor reaches beyond its numbers")
        archive.open(entry).close()  # checks the entry's own header
        names = struct.unpack_from("<HH", memory, entry.header_offset + 26)
        where = entry.header_offset + 30 + sum(names)
        yield from _view_of(memory, where + begin, length)

    return TorchFile(reader.load(), numbers)


def _view_of(memory: mmap, begin: int, length: int) -> Iterator[memoryview]:
    if begin + length > len(memory):
        raise ValueError("a tensor reaches beyond its numbers")
    with memoryview(memory) as view, view[begin : begin + length] as part:
        yield part


def _open_legacy(file: BinaryIO, memory: mmap) -> TorchFile:
    content, storages, keys = _read_legacy(file)
    places: dict[str, tuple[int, int]] = {}
    end = file.tell()
    for key in keys:
        length = storages[key].count * ELEMENT_BYTES[storages[key].kind]
        places[key] = (end + 8, length)  # after the count
        end += 8 + length

    @contextmanager
    def numbers(storage: Storage, begin: int, length: int) -> Iterator[memoryview]:
        where, held = places[storage.key]
        if begin + length > held:
            raise ValueError("a tensor reaches beyond its numbers")
        yield from _view_of(memory, where + begin, length)

    return TorchFile(content, numbers)


def _not_torch_error(path: Path, error: BaseException) -> ModelUnreadable:
    reason = reason_of(error, own=(BadPickle, ValueError))
    return ModelUnreadable(f"{path.name} is no file of torch.save: {reason}")


def read_pickle(path: Path) -> object:
    """The object that ``torch.save`` wrote: dictionaries and lists, :class:`PickledTensor` for
    tensors.

    Raises :class:`ModelUnreadable` for what cannot be read, OSError where it cannot be opened.
    """
    with open_plain(path) as file:
        try:
            if file.read(len(LEGACY_TORCH)) == LEGACY_TORCH:
                file.seek(0)
                return _read_legacy(file)[0]
            with open_zip(file) as archive:
                return _find_pickle(archive)[1].load()
        except PICKLE_ERRORS as error:
            raise _not_torch_error(path, error) from error


def is_whole_legacy(path: Path) -> bool:
    """Whether a file in torch's format before 1.6 is all there, to the end of its last tensor.

    Raises OSError where it cannot be opened.
    """
    with open_plain(path) as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        try:
            _, storages, keys = _read_legacy(file)
            lengths = (storages[key].count * ELEMENT_BYTES[storages[key].kind] for key in keys)
            end = file.tell() + sum(8 + length for length in lengths)
        except PICKLE_ERRORS:
            return False
    return end <= size


def named_vectors(content: object) -> dict[str, PickledTensor]:
    """The tensors of an embedding's pickle: under ``string_to_param``, else at the top."""
    if not isinstance(content, Mapping):
        return {}
    inner, prefix = content.get("string_to_param"), "string_to_param."
    if isinstance(inner, InertObject) and isinstance(inner.state, Mapping):  # a ParameterDict
        inner = inner.state.get("_parameters")
    if not isinstance(inner, Mapping):
        inner, prefix = content, ""
    return {
        f"{prefix}{key}": value for key, value in inner.items() if isinstance(value, PickledTensor)
    }


def _read_legacy(file: BinaryIO) -> tuple[Any, Mapping[str, Storage], list[str]]:
    """The object, the storages that it names, and those that follow, in order.

    Before the object stand a magic number, a version and facts of the machine. The file is left
    behind all of them.
    """
    reader = PickleReader(file)
    _, _, _, content = (reader.load() for _ in range(4))
    keys = reader.load()
    if not isinstance(keys, list):
        raise BadPickle("it tells of no numbers")
    return content, reader.storages, [str(key) for key in keys if isinstance(key, str | int)]
