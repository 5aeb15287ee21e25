"""From a file of ``torch.save`` to a safetensors file, in a process of its own.

``python -m generator.models.unpacking SOURCE TARGET`` runs nothing of the pickle: classes are not
imported (:mod:`generator.models.pickles`), numbers are copied as they lie. It needs no torch, so it
starts in a tenth of a second, and limits its own memory, time and output. What cannot be done is
told in a line of stderr.
"""

import json
import math
import os
import resource
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from generator.errors import ModelUnreadable
from generator.models.pickle_reader import BadPickle
from generator.models.pickles import BROKEN, Inert, Opened, Parameters, Shape, opened
from generator.reasons import reason_of

FACTS = "easel.facts"
"""Key of the metadata: what the file holds beside tensors, as JSON."""

DTYPES = {  # safetensors' name and bytes of a number, by torch's storage or dtype
    "DoubleStorage": ("F64", 8), "FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2), "LongStorage": ("I64", 8), "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2), "CharStorage": ("I8", 1), "ByteStorage": ("U8", 1),
    "BoolStorage": ("BOOL", 1), "float8_e4m3fn": ("F8_E4M3", 1), "float8_e5m2": ("F8_E5M2", 1),
    "uint16": ("U16", 2), "uint32": ("U32", 4), "uint64": ("U64", 8),
}  # fmt: skip
GROWTH = 4  # times its own size that a file's tensors may take; views may share their numbers
SPARE = 1 << 29  # bytes of memory beside the largest tensor
SECONDS = 900  # of processor time
PIECE = 1 << 22
DEEPEST = 8  # dictionaries called state_dict within each other
MOST_PLACES = 500_000
LONGEST_KEY = 1 << 12  # characters
LARGEST_FACTS = 1 << 16  # bytes
NAMED_IN = "state_dict"
SIMPLE = (str, int, float, bool)


def main(source: str, target: str) -> int:
    """Convert; 0, or 1 with a sentence on stderr."""
    size = os.stat(source).st_size
    bound(size)
    try:
        with opened(Path(source)) as found:
            write(found, Path(target), most=max(GROWTH * size, PIECE))
    except RecursionError:
        return _refuse("it holds itself")
    except MemoryError:
        return _refuse("it needs more memory than a model of its size")
    except (ModelUnreadable, OSError, *BROKEN) as error:
        return _refuse(reason_of(error, own=(ModelUnreadable, BadPickle, ValueError)))
    return 0


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def bound(size: int) -> None:
    """Limit memory, CPU time, open files and output to what a real file of ``size`` bytes takes."""
    for kind, limit in (
        (resource.RLIMIT_AS, SPARE + GROWTH * size),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, max(GROWTH * size, PIECE) + LARGEST_FACTS + PIECE * 16),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def write(found: Opened, target: Path, most: int) -> None:
    """The tensors of a file as safetensors. Raises ValueError for what makes no sense."""
    tensors = dict(named(unwrapped(found.content)))
    if not tensors:
        raise ValueError("it holds no tensors")
    order = sorted(tensors, key=lambda name: (-dtype(tensors[name])[1], name))
    header: dict[str, object] = {}
    end = 0
    for name in order:
        kind, width = dtype(tensors[name])
        begin, end = end, end + width * math.prod(tensors[name].sizes)
        header[name] = {
            "dtype": kind, "shape": list(tensors[name].sizes), "data_offsets": [begin, end],
        }  # fmt: skip
        if end > most:
            raise ValueError("its tensors claim more numbers than its bytes can hold")
    header["__metadata__"] = {"format": "pt", FACTS: facts(unwrapped(found.content))}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with target.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            copy(tensors[name], found, file)


def copy(tensor: Shape, found: Opened, file: BinaryIO) -> None:
    """The numbers of a tensor, row by row."""
    if tensor.storage is None:
        raise ValueError("a tensor has no numbers")
    width = dtype(tensor)[1]
    count = math.prod(tensor.sizes)
    if not count:
        return
    last = sum((size - 1) * step for size, step in zip(tensor.sizes, tensor.strides, strict=True))
    first = tensor.offset + tensor.storage.start
    if min(first, last, *tensor.sizes, *tensor.strides) < 0:
        raise ValueError("a tensor begins before its numbers")
    with found.numbers(tensor.storage, first * width, (last + 1) * width) as numbers:
        if tensor.strides == contiguous(tensor.sizes):
            for begin in range(0, len(numbers), PIECE):
                file.write(numbers[begin : begin + PIECE])
        else:
            file.write(gathered(numbers, tensor, width))


def gathered(numbers: memoryview, tensor: Shape, width: int) -> bytes:
    """The numbers of a tensor that skips some of its storage, or reads it crosswise."""
    import numpy as np  # takes longer than all else here, and few files need it
    from numpy.lib.stride_tricks import as_strided

    flat = np.frombuffer(numbers, np.dtype(f"V{width}"))
    steps = tuple(step * width for step in tensor.strides)
    return as_strided(flat, tensor.sizes, steps, writeable=False).tobytes()


def contiguous(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a tensor whose numbers lie one after another."""
    return tuple(math.prod(sizes[place + 1 :]) for place in range(len(sizes)))


def dtype(tensor: Shape) -> tuple[str, int]:
    """Of a tensor. Raises ValueError for numbers that safetensors cannot hold."""
    kind = tensor.dtype or (tensor.storage.kind if tensor.storage else "")
    if kind not in DTYPES:
        raise ValueError(f"it holds numbers of a kind that is not read here: {kind}")
    return DTYPES[kind]


def unwrapped(content: object) -> object:
    """What stands under ``state_dict``, also where that stands under another."""
    for _ in range(DEEPEST):
        if not isinstance(content, Mapping) or not isinstance(content.get(NAMED_IN), Mapping):
            break
        content = content[NAMED_IN]
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, not named tensors")
    return content


def named(found: object) -> Iterator[tuple[str, Shape]]:
    """Tensors at any depth of dictionaries and lists, their keys joined by dots.

    Raises ValueError for more places than a model has: a small pickle may name one part of itself
    from many places, and those again.
    """
    left = MOST_PLACES

    def walk(prefix: str, found: object) -> Iterator[tuple[str, Shape]]:
        nonlocal left
        for key, value in entries_of(found):
            left -= 1
            if left < 0 or len(prefix) > LONGEST_KEY:
                raise ValueError(f"it holds more than {MOST_PLACES:,} things, or holds itself")
            name = f"{prefix}.{key}" if prefix else str(key)
            if isinstance(value, Shape):
                yield name, value
            else:
                yield from walk(name, value)

    return walk("", found)


def entries_of(found: object) -> Iterator[tuple[object, object]]:
    """What lies in a dictionary, a list or a holder of parameters; nothing of all else."""
    if isinstance(found, Parameters) and isinstance(found.state, Mapping):
        found = found.state.get("_parameters", {})
    if isinstance(found, Mapping):
        yield from found.items()
    elif isinstance(found, list | tuple) and not isinstance(found, Inert):
        yield from enumerate(found)


def facts(content: object) -> str:
    """Words and numbers beside the tensors, at the top of the file."""
    simple = {str(key): value for key, value in entries_of(content) if isinstance(value, SIMPLE)}
    text = json.dumps(simple)
    return text if len(text) <= LARGEST_FACTS else "{}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
