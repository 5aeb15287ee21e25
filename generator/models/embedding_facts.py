"""What the list of embeddings tells, read from headers alone, without torch.

Contract sections 1.11 and 2.7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from generator.errors import ModelUnreadable
from generator.models.header import read_header
from generator.models.index import ModelFile
from generator.models.pickles import Shape, read_pickle, vectors_in

Kind = TypeVar("Kind")

TOKENS = "embeddings.token_embedding.weight"
CONTEXT = ".attn2.to_k.weight"


@dataclass(frozen=True, slots=True)
class EmbeddingFacts:
    """One embedding: its vectors, how wide they are, and what its trainer noted. None: not told."""

    vectors: int | None = None
    width: int | None = None
    step: int | None = None
    checkpoint: str | None = None  # hash of the one it was trained on
    checkpoint_name: str | None = None


def embedding_facts(file: ModelFile) -> EmbeddingFacts:
    """The facts of ``file``; all None where it cannot be read."""
    try:
        if file.path.suffix == ".safetensors":
            tensors = read_header(file.path).tensors
            return _facts({name: entry.shape for name, entry in tensors.items()}, {})
        found = read_pickle(file.path)
        shapes = {str(place): vector.sizes for place, vector in enumerate(vectors_in(found))}
        return _facts(shapes, found if isinstance(found, Mapping) else {})
    except (ModelUnreadable, OSError):
        return EmbeddingFacts()


def text_width(checkpoint: ModelFile) -> int | None:
    """How wide the text of a checkpoint is, which an embedding for it must be; None: not told."""
    try:
        shapes = _shapes(checkpoint)
    except (ModelUnreadable, OSError):
        return None
    for ending in (TOKENS, CONTEXT):
        for name, shape in shapes.items():
            if name.endswith(ending) and len(shape) == 2:
                return shape[1]
    return None


def _shapes(file: ModelFile) -> dict[str, tuple[int, ...]]:
    if file.path.suffix == ".safetensors":
        return {name: entry.shape for name, entry in read_header(file.path).tensors.items()}
    found = read_pickle(file.path)
    inner = found.get("state_dict", found) if isinstance(found, Mapping) else {}
    tensors = inner.items() if isinstance(inner, Mapping) else ()
    return {str(name): value.sizes for name, value in tensors if isinstance(value, Shape)}


def _facts(shapes: Mapping[str, tuple[int, ...]], noted: Mapping[object, object]) -> EmbeddingFacts:
    if "clip_g" in shapes and "clip_l" in shapes:  # of Stable Diffusion XL: two texts side by side
        vectors, width = shapes["clip_g"][0], shapes["clip_g"][-1] + shapes["clip_l"][-1]
        return EmbeddingFacts(vectors, width)
    shape = next((shape for shape in shapes.values() if 1 <= len(shape) <= 2), None)
    if shape is None:
        return EmbeddingFacts()
    return EmbeddingFacts(
        vectors=shape[0] if len(shape) == 2 else 1,
        width=shape[-1],
        step=_as(int, noted.get("step")),
        checkpoint=_as(str, noted.get("sd_checkpoint")),
        checkpoint_name=_as(str, noted.get("sd_checkpoint_name")),
    )


def _as(kind: type[Kind], value: object) -> Kind | None:
    return value if isinstance(value, kind) else None
