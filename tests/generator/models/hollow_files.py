"""Files of models that hold names and sizes, and take no room on the disk."""

import json
import math
import struct
from pathlib import Path

from generator.models.families.architecture import Shapes


def write_hollow(path: Path, shapes: Shapes) -> None:
    """A complete safetensors file whose numbers are a hole on the disk."""
    header, end = dict[str, object](), 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
