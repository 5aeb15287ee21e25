"""In which quantised format a file's weights are kept, told by names and metadata. No torch."""

import json
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from pathlib import Path

from generator.models.header import Header, read_bytes_of

METADATA_KEY = "_quantization_metadata"  # {"layers": {name: {"format": "nvfp4"}}}
LAYER_MARK = ".comfy_quant"  # a tensor of bytes beside each layer: {"format": "nvfp4"}
LARGEST_LAYER_NOTE = 4096  # bytes of such a tensor


class WeightFormat(Enum):
    """A format of weights that mean something only with their scales.

    Compare members; :attr:`label` is for messages. Plain float8 is none: its numbers stand for
    themselves.
    """

    FP8_SCALED = "scaled float8"
    NVFP4 = "NVFP4"
    MXFP8 = "MXFP8"
    INT8 = "int8"
    INT8_CONVROT = "int8 with rotated channels (convrot)"
    CONVROT_W4A4 = "4 bits with rotated channels (convrot_w4a4)"
    ASYM_W4A8 = "4 bits asymmetric (asym_w4a8_int8)"
    AWQ_W4A16 = "AWQ, 4 bits (awq_w4a16)"
    NF4 = "NF4 (bitsandbytes)"
    FP4 = "FP4 (bitsandbytes)"
    INT8_BNB = "int8 (bitsandbytes)"
    SVDQUANT = "SVDQuant (Nunchaku)"
    SDNQ = "SDNQ"
    GGUF = "GGUF"
    OTHER = "a quantised format that Easel does not know"

    @property
    def label(self) -> str:
        """Its name in words, for people."""
        return self.value


BY_NAME: Mapping[str, WeightFormat] = {
    "float8_e4m3fn": WeightFormat.FP8_SCALED,
    "float8_e5m2": WeightFormat.FP8_SCALED,
    "nvfp4": WeightFormat.NVFP4,
    "mxfp8": WeightFormat.MXFP8,
    "int8_tensorwise": WeightFormat.INT8,
    "convrot_w4a4": WeightFormat.CONVROT_W4A4,
    "asym_w4a8_int8": WeightFormat.ASYM_W4A8,
    "awq_w4a16": WeightFormat.AWQ_W4A16,
    "svdquant": WeightFormat.SVDQUANT,
    "sdnq": WeightFormat.SDNQ,
}
"""By the word that metadata use."""

_BY_ENDING = (
    (".quant_state.bitsandbytes__nf4", WeightFormat.NF4),
    (".quant_state.bitsandbytes__fp4", WeightFormat.FP4),
    (".SCB", WeightFormat.INT8_BNB),
    (".wscales", WeightFormat.SVDQUANT),
    (".svd_up", WeightFormat.SDNQ),
    ("scaled_fp8", WeightFormat.FP8_SCALED),
    (".scale_weight", WeightFormat.FP8_SCALED),
    (".qweight", WeightFormat.OTHER),
    (".weight_scale", WeightFormat.OTHER),
)
"""How the name of a tensor ends that only a file of the format holds; the most telling first."""
_ENDINGS = tuple(ending for ending, _ in _BY_ENDING)
_BY_FILE_NAME = (("svdq", WeightFormat.SVDQUANT), ("sdnq", WeightFormat.SDNQ))


def read_weight_format(path: Path, header: Header) -> WeightFormat | None:
    """The quantised format of a safetensors file; None where its weights are plain numbers.

    Reads the note of one layer, where there is one. Raises OSError.
    """
    if METADATA_KEY in header.metadata:
        return _from_metadata(header.metadata[METADATA_KEY])
    noted = next((name for name in header.tensors if name.endswith(LAYER_MARK)), None)
    if noted is not None:
        content = read_bytes_of(path, header, noted, LARGEST_LAYER_NOTE)
        return _from_note(_parse_object(content))
    return format_of_names(header.tensors) or _from_words(path.name, header.metadata)


def format_of_names(names: Collection[str]) -> WeightFormat | None:
    """The format that the names of a file's tensors tell; None where they tell none."""
    marks = [name for name in names if name.endswith(_ENDINGS)]
    return next(
        (weights for ending, weights in _BY_ENDING if any(m.endswith(ending) for m in marks)), None
    )


def _from_metadata(text: str) -> WeightFormat:
    layers = _parse_object(text.encode()).get("layers")
    notes = layers.values() if isinstance(layers, dict) else ()
    return _most_telling(_from_note(note) for note in notes if isinstance(note, dict))


def _most_telling(formats: Iterable[WeightFormat]) -> WeightFormat:
    """Of a file of several formats the last one of the enum: float8 is in most of them."""
    order = list(WeightFormat)
    return max(set(formats), key=order.index, default=WeightFormat.OTHER)


def _from_note(note: Mapping[str, object]) -> WeightFormat:
    found = BY_NAME.get(str(note.get("format")), WeightFormat.OTHER)
    rotated = found is WeightFormat.INT8 and note.get("convrot")
    return WeightFormat.INT8_CONVROT if rotated else found


def _from_words(name: str, metadata: Mapping[str, str]) -> WeightFormat | None:
    """By the file's name, or the library that its metadata name."""
    config = metadata.get("quantization_config", "")[:LARGEST_LAYER_NOTE].lower()
    return next(
        (weights for word, weights in _BY_FILE_NAME if word in name.lower() or word in config), None
    )


def _parse_object(content: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
