"""Small files of weights for tests of the registry."""

import json
import struct
from pathlib import Path

from generator.models.registry import ModelKind, Registry

CHECKPOINTS = "models/Stable-diffusion"


def weights(fill: int = 0, size: int = 64, metadata: dict[str, str] | None = None) -> bytes:
    header = {"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    text = json.dumps({"__metadata__": metadata or {}} | header).encode()
    return struct.pack("<Q", len(text)) + text + bytes([fill]) * size


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(registry: Registry, kind: ModelKind = ModelKind.CHECKPOINT) -> list[str]:
    return [file.name for file in registry.index.files_of(kind)]
