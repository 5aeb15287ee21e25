"""Converts a ``torch.save`` file to safetensors, in a child process.

``python -m generator.models.torch_to_safetensors SOURCE TARGET`` runs nothing of the pickle:
classes are not imported (:mod:`generator.models.pickles`), numbers are copied as they lie. It needs
no torch, so it starts in a tenth of a second, and limits its own memory, time and output. What
cannot be done is told in a line of stderr.
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
from generator.models.pickles import (
    PICKLE_ERRORS,
    InertObject,
    InertParameterDict,
    PickledTensor,
    TorchFile,
    open_torch_file,
)
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
MAX_DEPTH = 8  # dictionaries called state_dict within each other
MAX_ENTRIES = 500_000
LONGEST_KEY = 1 << 12  # characters
LARGEST_FACTS = 1 << 20  # bytes; a tagger's 9,000 words take 200 kB
STATE_DICT_KEY = "state_dict"
SIMPLE = (str, int, float, bool)


def main(source: str, target: str) -> int:
    """Convert; 0, or 1 with a sentence on stderr."""
    size = os.stat(source).st_size
    limit_resources(size)
    try:
        with open_torch_file(Path(source)) as torch_file:
            write_safetensors(torch_file, Path(target), most=max(GROWTH * size, PIECE))
    except RecursionError:
        return _refuse("it holds itself")
    except MemoryError:
        return _refuse("it needs more memory than a model of its size")
    except (ModelUnreadable, OSError, *PICKLE_ERRORS) as error:
        return _refuse(reason_of(error, own=(ModelUnreadable, BadPickle, ValueError)))
    return 0


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def limit_resources(size: int) -> None:
    """Limit memory, CPU time, open files and output to what a real file of ``size`` bytes takes."""
    for kind, limit in (
        (resource.RLIMIT_AS, SPARE + GROWTH * size),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, max(GROWTH * size, PIECE) + LARGEST_FACTS + PIECE * 16),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def write_safetensors(torch_file: TorchFile, target: Path, most: int) -> None:
    """The tensors of a file as safetensors. Raises ValueError for what makes no sense."""
    tensors = dict(walk_tensors(unwrap_state_dict(torch_file.content)))
    if not tensors:
        raise ValueError("it holds no tensors")
    order = sorted(tensors, key=lambda name: (-dtype_of(tensors[name])[1], name))
    header: dict[str, object] = {}
    end = 0
    for name in order:
        kind, width = dtype_of(tensors[name])
        begin, end = end, end + width * math.prod(tensors[name].sizes)
        header[name] = {
            "dtype": kind, "shape": list(tensors[name].sizes), "data_offsets": [begin, end],
        }  # fmt: skip
        if end > most:
            raise ValueError("its tensors claim more numbers than its bytes can hold")
    header["__metadata__"] = {
        "format": "pt",
        FACTS: facts_json(unwrap_state_dict(torch_file.content)),
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with target.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            copy_tensor(tensors[name], torch_file, file)


def copy_tensor(tensor: PickledTensor, torch_file: TorchFile, file: BinaryIO) -> None:
    """The numbers of a tensor, row by row."""
    if tensor.storage is None:
        raise ValueError("a tensor has no numbers")
    width = dtype_of(tensor)[1]
    count = math.prod(tensor.sizes)
    if not count:
        return
    last = sum((size - 1) * step for size, step in zip(tensor.sizes, tensor.strides, strict=True))
    first = tensor.offset + tensor.storage.start
    if min(first, last, *tensor.sizes, *tensor.strides) < 0:
        raise ValueError("a tensor begins before its numbers")
    with torch_file.read_storage(tensor.storage, first * width, (last + 1) * width) as numbers:
        if tensor.strides == contiguous_strides(tensor.sizes):
            for begin in range(0, len(numbers), PIECE):
                file.write(numbers[begin : begin + PIECE])
        else:
            file.write(gather_strided(numbers, tensor, width))


def gather_strided(numbers: memoryview, tensor: PickledTensor, width: int) -> bytes:
    """The numbers of a tensor that skips some of its storage, or reads it crosswise."""
    import numpy as np  # takes longer than all else here, and few files need it
    from numpy.lib.stride_tricks import as_strided

    flat = np.frombuffer(numbers, np.dtype(f"V{width}"))
    steps = tuple(step * width for step in tensor.strides)
    return as_strided(flat, tensor.sizes, steps, writeable=False).tobytes()


def contiguous_strides(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a tensor whose numbers lie one after another."""
    return tuple(math.prod(sizes[place + 1 :]) for place in range(len(sizes)))


def dtype_of(tensor: PickledTensor) -> tuple[str, int]:
    """Of a tensor. Raises ValueError for numbers that safetensors cannot hold."""
    kind = tensor.dtype or (tensor.storage.kind if tensor.storage else "")
    if kind not in DTYPES:
        raise ValueError(f"it holds numbers of a kind that is not read here: {kind}")
    return DTYPES[kind]


def unwrap_state_dict(content: object) -> object:
    """What stands under ``state_dict``, also where that stands under another."""
    for _ in range(MAX_DEPTH):
        if not isinstance(content, Mapping) or not isinstance(content.get(STATE_DICT_KEY), Mapping):
            break
        content = content[STATE_DICT_KEY]
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, not named tensors")
    return content


def walk_tensors(content: object) -> Iterator[tuple[str, PickledTensor]]:
    """Tensors at any depth of dictionaries and lists, their keys joined by dots.

    Raises ValueError for more places than a model has: a small pickle may name one part of itself
    from many places, and those again.
    """
    left = MAX_ENTRIES

    def walk(prefix: str, content: object) -> Iterator[tuple[str, PickledTensor]]:
        nonlocal left
        for key, value in entries_of(content):
            left -= 1
            if left < 0 or len(prefix) > LONGEST_KEY:
                raise ValueError(f"it holds more than {MAX_ENTRIES:,} things, or holds itself")
            name = f"{prefix}.{key}" if prefix else str(key)
            if isinstance(value, PickledTensor):
                yield name, value
            else:
                yield from walk(name, value)

    return walk("", content)


def entries_of(container: object) -> Iterator[tuple[object, object]]:
    """What lies in a dictionary, a list or a holder of parameters; nothing of all else."""
    if isinstance(container, InertParameterDict) and isinstance(container.state, Mapping):
        container = container.state.get("_parameters", {})
    if isinstance(container, Mapping):
        yield from container.items()
    elif isinstance(container, list | tuple) and not isinstance(container, InertObject):
        yield from enumerate(container)


def facts_json(content: object) -> str:
    """Words and numbers beside the tensors, and lists of words, at the top of the file."""
    simple = {str(key): value for key, value in entries_of(content) if is_fact(value)}
    text = json.dumps(simple)
    return text if len(text) <= LARGEST_FACTS else "{}"


def is_fact(value: object) -> bool:
    """Whether a value is a word, a number or a list of words."""
    if isinstance(value, list) and value:
        return all(isinstance(word, str) for word in value)
    return isinstance(value, SIMPLE)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
