"""Files of weights that are damaged, of another kind, or hostile."""

import json
import struct


def safetensors(header: object, data: bytes = b"") -> bytes:
    """A file with this header, whether it makes sense or not."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape: list[int], size: int) -> dict[str, object]:
    """An entry of a header."""
    return {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}


BAD = {
    "header-only": safetensors({"__metadata__": {"a": "b"}}),
    "no-numbers": safetensors({"w": tensor([0, 768], 0)}),
    "cut": safetensors({"w": tensor([4], 16)}, bytes(7)),
    "surrogates": safetensors(
        b'{"__metadata__":{"ss_output_name":"\\ud800"},"w":{"dtype":"F32","shape":[1],'
        b'"data_offsets":[0,4]}}',
        bytes(4),
    ),
    "surrogate-inside": safetensors(
        {"__metadata__": {"ss_tag_frequency": '{"\\ud83d": NaN}'}, "w": tensor([1], 4)}, bytes(4)
    ),
    "deep-inside": safetensors(
        {"__metadata__": {"a": '{"a":' * 900 + "1" + "}" * 900}, "w": tensor([1], 4)}, bytes(4)
    ),
    "long-header": struct.pack("<Q", 1 << 62) + b"{}",
    "rubbish": b"rubbish",
    "empty": b"",
}

EMBEDDINGS = {
    "scalars": safetensors({"emb_params": tensor([], 4)}, bytes(4)),
    "none": safetensors({"emb_params": tensor([0, 768], 0)}),
    "many": safetensors({"emb_params": tensor([80, 4], 1280)}, bytes(1280)),
    "odd-pair": safetensors(
        {"clip_l": tensor([1, 2], 8), "clip_g": {**tensor([2, 2], 0), "data_offsets": [8, 24]}},
        bytes(24),
    ),
    "cube": safetensors({"emb_params": tensor([2, 2, 2], 32)}, bytes(32)),
    " ": safetensors({"emb_params": tensor([1, 4], 16)}, bytes(16)),
}
