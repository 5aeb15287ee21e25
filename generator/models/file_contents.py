"""What is read of a model file when it is listed: that it is whole, and what it says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generator.errors import ModelUnreadable
from generator.models.diffusers_folders import ModelPart
from generator.models.embedding_facts import EmbeddingFacts, read_facts
from generator.models.families.architecture import NAMED_IN_GGUF, Architecture, Shapes
from generator.models.families.catalog import DRAWABLE
from generator.models.families.detection import architecture_of
from generator.models.folder_shapes import folder_shapes, read_headers
from generator.models.gguf_header import GGUF_SUFFIX, GgufHeader, read_gguf
from generator.models.hashes import legacy_hash
from generator.models.header import Header, check_pickle, read_header
from generator.models.kinds import ModelKind
from generator.models.quantisation import WeightFormat, read_weight_format

LEGACY_HASH_KINDS = (ModelKind.CHECKPOINT, ModelKind.CONTROLNET)


@dataclass(frozen=True, slots=True)
class FileContents:
    """What one state of a file tells, by its container and its kind."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    architecture: Architecture | None = None
    weight_format: WeightFormat | None = None
    legacy_hash: str | None = None
    embedding: EmbeddingFacts = field(default_factory=EmbeddingFacts)

    @property
    def is_drawable(self) -> bool:
        """False for a checkpoint of which it is sure that none draws with it."""
        known = self.architecture is None or self.architecture in DRAWABLE
        return known and self.weight_format is None


def read_contents(path: Path, kind: ModelKind) -> FileContents:
    """See that a file is whole, and what it is. Raises :class:`ModelUnreadable`, OSError."""
    metadata, architecture, weight_format = _read_header(path, kind)
    return FileContents(
        metadata,
        architecture,
        weight_format,
        legacy_hash(path) if kind in LEGACY_HASH_KINDS else None,
        read_facts(path) if kind is ModelKind.EMBEDDING else EmbeddingFacts(),
    )


def read_folder(folder: Path, parts: Sequence[ModelPart]) -> FileContents:
    """The same of a checkpoint that is a folder of diffusers. Raises :class:`ModelUnreadable`."""
    headers = read_headers(folder, parts)
    formats = (read_weight_format(part.path, header) for part, header in headers.items())
    return FileContents(
        architecture=architecture_of(folder_shapes(folder, headers)),
        weight_format=next(filter(None, formats), None),
    )


def _read_header(
    path: Path, kind: ModelKind
) -> tuple[Mapping[str, str], Architecture | None, WeightFormat | None]:
    suffix = path.suffix.lower()
    if suffix == GGUF_SUFFIX:
        return {}, _gguf_architecture(read_gguf(path)), WeightFormat.GGUF
    if suffix != ".safetensors":
        if suffix != ".onnx":
            check_pickle(path)
        return {}, None, None
    header = read_header(path)
    if header.size == 8 + header.length:
        raise ModelUnreadable(f"{path.name}: it holds no numbers, only a header. Copy it again")
    if kind is not ModelKind.CHECKPOINT:
        return header.metadata, None, None
    return header.metadata, architecture_of(_shapes(header)), read_weight_format(path, header)


def _gguf_architecture(header: GgufHeader) -> Architecture:
    by_names = architecture_of(header.shapes)
    if by_names in (Architecture.UNKNOWN, Architecture.BARE_UNET):
        return NAMED_IN_GGUF.get(header.architecture, by_names)
    return by_names


def _shapes(header: Header) -> Shapes:
    return {name: each.shape for name, each in header.tensors.items()}
