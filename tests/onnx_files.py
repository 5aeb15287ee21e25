"""Protocol buffers' wire format, as much as onnx.proto needs for tiny networks."""

import numpy as np


def varint(value: int) -> bytes:
    """A whole number."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def number(field: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(field << 3) + varint(value)


def field(field: int, data: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def node(kind: str, inputs: list[str], output: str) -> bytes:
    """An operator."""
    given = b"".join(field(1, name.encode()) for name in inputs)
    return given + field(2, output.encode()) + field(4, kind.encode())


def tensor(name: str, values: np.ndarray, kind: int) -> bytes:
    """Constants: 1 is fp32, 7 int64."""
    sizes = b"".join(number(1, size) for size in values.shape)
    return sizes + number(2, kind) + field(8, name.encode()) + field(9, values.tobytes())


def value(name: str, sizes: tuple[int, ...]) -> bytes:
    """An input or an output of fp32."""
    shape = b"".join(field(1, number(1, size)) for size in sizes)
    tensor = number(1, 1) + field(2, shape)
    return field(1, name.encode()) + field(2, field(1, tensor))
