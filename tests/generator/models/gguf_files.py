"""Makes small GGUF files."""

import struct
from collections.abc import Mapping

F16 = 1


def text(value: str) -> bytes:
    """A string as GGUF keeps it."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(
    shapes: Mapping[str, tuple[int, ...]],
    architecture: str = "flux",
    *,
    pairs: tuple[bytes, ...] = (),
    version: int = 3,
    kind: int = F16,
) -> bytes:
    """A whole file of zeros in fp16; ``pairs`` are further key/value pairs."""
    told = (text("general.architecture") + struct.pack("<I", 8) + text(architecture), *pairs)
    head = b"GGUF" + struct.pack("<IQQ", version, len(shapes), len(told)) + b"".join(told)
    offset = 0
    for name, shape in shapes.items():
        sides = struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
        head += text(name) + sides + struct.pack("<IQ", kind, offset)
        size = 2
        for side in shape:
            size *= side
        offset += -(-size // 32) * 32
    return head + bytes(-len(head) % 32) + bytes(offset)
