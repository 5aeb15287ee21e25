"""The tensors of a safetensors file, each read when it is asked for and in the type wanted.

A mapped file would be counted as this process's memory while it is loaded, beside the weights made
of it, and a file that is cut off while it is read would end the process (SIGBUS). Here a few
megabytes are read at a time, and a file that ends early is an error like any other.
"""

import math
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from generator.errors import ModelUnreadable
from generator.models.header import Header, TensorEntry, read_header
from generator.models.machine_memory import available_memory
from generator.reasons import reason_of

BLOCK_BYTES = 4 << 20  # read and converted at a time: small enough for the processor's cache
AHEAD_BYTES = 64 << 20  # asked of the disk ahead of what is read
FORGET_SHARE = 4  # of the free memory: a file above a quarter of it leaves no trace there
MAPPED_BYTES = 256 << 10  # of a tensor that has pages of its own
TYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "U16": torch.uint16, "U32": torch.uint32, "U64": torch.uint64,
    "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
}  # fmt: skip
"""Of a number, by its type in the header."""

_CPU = torch.device("cpu")


class TensorFile(Mapping[str, Tensor]):
    """A mapping from names to tensors that reads each at every access, into memory of its own.

    What is read is what the file held when it was opened, also after another took its place.
    """

    def __init__(
        self, title: str, file: BinaryIO, header: Header, names: Mapping[str, str]
    ) -> None:
        """``names``: what each tensor of the ``header`` is called here, and its name in it."""
        self._title = title  # of the file, in messages
        self._file = file  # closed when the last view of it is gone
        self._header = header
        self._names = names
        self._asked = (0, 0)  # bytes of the file that the disk was asked for last
        # The kernel would keep a large file in memory that the weights made of it need: freeing it
        # page by page takes several times as long as reading.
        self._forgets = header.size > available_memory() // FORGET_SHARE

    @classmethod
    def open(cls, path: Path, title: str = "") -> "TensorFile":
        """Open a complete file, called ``title`` in messages where that is not its own name.

        Raises :class:`ModelUnreadable` and OSError.
        """
        header = read_header(path)
        file = path.open("rb", buffering=0)
        return cls(title or path.name, file, header, {name: name for name in header.tensors})

    def rename(self, rename: Callable[[str], str]) -> "TensorFile":
        """The same tensors by other names; of two that become one, the later stays."""
        names = {rename(name): own for name, own in self._names.items()}
        return TensorFile(self._title, self._file, self._header, names)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape, without reading a tensor."""
        return {name: self._entry(name).shape for name in self._names}

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # Mapping would read the tensor

    def __getitem__(self, name: str) -> Tensor:
        return self.read(name, _CPU)

    def read(self, name: str, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
        """The tensor on ``device``, in the file's own type or in ``dtype``.

        Raises KeyError for an unknown name, and :class:`ModelUnreadable` for a type that torch
        lacks and for a file that ends early or cannot be read.
        """
        entry = self._entry(name)
        own = TYPES.get(entry.dtype)
        if own is None:
            raise ModelUnreadable(
                f"{self._title} cannot be read: its tensor {name[:80]!r} is of the type "
                f"{entry.dtype[:20]}, which Easel does not know. Take a version in fp16 or fp32"
            )
        tensor = _empty(entry.shape, dtype or own, device)
        try:
            self._fill(tensor, entry, own)
        except (EOFError, OSError) as error:
            raise ModelUnreadable(
                f"{self._title} cannot be read: {reason_of(error)}. Copy it again"
            ) from error
        return tensor.to(device)

    def _entry(self, name: str) -> TensorEntry:
        return self._header.tensors[self._names[name]]

    def _fill(self, tensor: Tensor, entry: TensorEntry, own: torch.dtype) -> None:
        numbers = tensor.reshape(-1)
        begin = 8 + self._header.length + entry.begin
        length = entry.end - entry.begin
        self._ask_ahead(begin, begin + length)
        self._read_as(numbers, own, begin)
        if self._forgets:
            os.posix_fadvise(self._file.fileno(), begin, length, os.POSIX_FADV_DONTNEED)

    def _read_as(self, numbers: Tensor, own: torch.dtype, begin: int) -> None:
        """Fill ``numbers`` (n,) from numbers of the type ``own`` in the file."""
        if numbers.dtype == own:
            self._read_into(numbers, begin)
            return
        block = torch.empty(BLOCK_BYTES // own.itemsize, dtype=own)
        for start in range(0, len(numbers), len(block)):
            part = numbers[start : start + len(block)]
            self._read_into(block[: len(part)], begin + start * own.itemsize)
            part.copy_(block[: len(part)])

    def _ask_ahead(self, begin: int, end: int) -> None:
        """Let the disk read from ``begin`` to beyond ``end``, unless it was just asked to."""
        first, last = self._asked
        if first <= begin and end + AHEAD_BYTES // 2 <= last:
            return
        self._asked = (begin, end + AHEAD_BYTES)
        length = end + AHEAD_BYTES - begin
        os.posix_fadvise(self._file.fileno(), begin, length, os.POSIX_FADV_WILLNEED)

    def _read_into(self, numbers: Tensor, begin: int) -> None:
        """Fill ``numbers`` (n,) with the file's bytes from ``begin`` on."""
        if not len(numbers):
            return
        rest = numbers.view(torch.uint8).numpy().data
        while rest:
            count = os.preadv(self._file.fileno(), [rest], begin)
            if count == 0:
                raise EOFError
            rest, begin = rest[count:], begin + count


class TensorFiles(Mapping[str, Tensor]):
    """The tensors of several files as one mapping, each read at its access."""

    def __init__(self, places: Mapping[str, tuple[TensorFile, str]]) -> None:
        """``places``: what each tensor is called here, its file and its name there."""
        self._places = places

    def rename(self, rename: Callable[[str], str]) -> "TensorFiles":
        """The same tensors by other names; of two that become one, the later stays."""
        return TensorFiles({rename(name): place for name, place in self._places.items()})

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape, without reading a tensor."""
        files = {id(file): file for file, _ in self._places.values()}
        shapes = {key: file.shapes for key, file in files.items()}
        return {name: shapes[id(file)][own] for name, (file, own) in self._places.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places  # Mapping would read the tensor

    def __getitem__(self, name: str) -> Tensor:
        return self.read(name, _CPU)

    def read(self, name: str, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
        """As :meth:`TensorFile.read`."""
        file, own = self._places[name]
        return file.read(own, device, dtype)


StoredTensors = TensorFile | TensorFiles


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor to fill in RAM. A large one that stays there is a mapping of its own.

    In the C library's heap it would lie between others' pieces, and its pages stay with the
    process when it leaves; of a mapping the system has them back at once.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < MAPPED_BYTES or device.type != "cpu":
        return torch.empty(shape, dtype=dtype)
    mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(mapping, dtype=torch.uint8).view(dtype).reshape(shape)


def rename_tensors(
    tensors: Mapping[str, Tensor], rename: Callable[[str], str]
) -> Mapping[str, Tensor]:
    """The same tensors by other names; those of a file are not read for it."""
    if isinstance(tensors, StoredTensors):
        return tensors.rename(rename)
    return {rename(name): tensor for name, tensor in tensors.items()}


def copy_tensor(
    tensors: Mapping[str, Tensor], name: str, device: torch.device, dtype: torch.dtype | None = None
) -> Tensor:
    """A tensor of one's own on ``device``, as ``dtype``, or as it is for None.

    Raises as :meth:`TensorFile.read`.
    """
    if isinstance(tensors, StoredTensors):
        return tensors.read(name, device, dtype)
    tensor = tensors[name]
    return tensor.to(device, dtype or tensor.dtype, copy=True)
