"""Facts of embeddings for the API's list, read from headers without torch.

Contract sections 1.11 and 2.7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from generator.errors import ModelUnreadable
from generator.models.folder_shapes import folder_shapes, read_headers
from generator.models.gguf_header import GGUF_SUFFIX, read_gguf
from generator.models.header import read_header
from generator.models.pickles import PickledTensor, named_vectors, read_pickle

if TYPE_CHECKING:
    from generator.models.index import ModelFile

Kind = TypeVar("Kind")

TOKENS = "embeddings.token_embedding.weight"
CONTEXT = ".attn2.to_k.weight"
VECTOR_NAMES = ("emb_params", "clip_l")
PARAMETERS = "string_to_param."  # then the trainer's own word, "*" for most
SDXL = ("clip_l", "clip_g")  # for Stable Diffusion XL: two texts side by side, in its order
MOST_VECTORS = 75  # what fits into a chunk of a prompt
WIDEST = 1 << 14  # numbers of a vector
NAMES_SHOWN = 5
LARGEST_STEP = 1 << 53  # what JSON carries whole

Sizes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class EmbeddingFacts:
    """One embedding: its vectors, how wide they are, and what its trainer noted. None: not told."""

    vectors: int | None = None
    width: int | None = None
    step: int | None = None
    checkpoint: str | None = None  # hash of the one it was trained on
    checkpoint_name: str | None = None


def read_facts(path: Path) -> EmbeddingFacts:
    """The facts of the file at ``path``.

    Raises :class:`ModelUnreadable` for what is no embedding that a prompt can use, OSError.
    """
    if path.suffix.lower() == ".safetensors":
        tensors = read_header(path).tensors
        sizes = {name: entry.shape for name, entry in tensors.items()}
        return _facts_of(path.name, sizes, {})
    content = read_pickle(path)
    sizes = {name: vector.sizes for name, vector in named_vectors(content).items()}
    return _facts_of(path.name, sizes, content if isinstance(content, Mapping) else {})


def vectors_among(file: str, sizes: Sizes) -> tuple[str, ...]:
    """The names of the tensors that are the vectors of an embedding: one, or two for SDXL.

    Raises :class:`ModelUnreadable`, naming ``file``, where there are none that a prompt can use.
    """
    if sizes.keys() >= set(SDXL):
        chosen: tuple[str, ...] = SDXL
    else:
        known = [name for name in sizes if name in VECTOR_NAMES or name.startswith(PARAMETERS)]
        chosen = tuple(known[:1] or (list(sizes) if len(sizes) == 1 else ()))
    if not chosen:
        listed = ", ".join(sorted(name[:40] for name in sizes)[:NAMES_SHOWN]) or "nothing"
        raise ModelUnreadable(f"{file} is no embedding: it holds {listed}")
    counts = set()
    for name in chosen:
        size = sizes[name]
        if not 1 <= len(size) <= 2 or not 1 <= size[-1] <= WIDEST:
            raise ModelUnreadable(f"{file} is no embedding: its {name[:40]} is {list(size)}")
        counts.add(size[0] if len(size) == 2 else 1)
    if len(counts) > 1 or not 1 <= max(counts) <= MOST_VECTORS:
        raise ModelUnreadable(
            f"{file} holds {max(counts):,} vectors; a prompt can use 1 to {MOST_VECTORS}"
        )
    return chosen


def text_width(checkpoint: "ModelFile") -> int | None:
    """How wide the text of a checkpoint is, which an embedding for it must be; None: not told."""
    try:
        shapes = read_shapes(checkpoint)
    except (ModelUnreadable, OSError):
        return None
    for ending in (TOKENS, CONTEXT):
        for name, shape in shapes.items():
            if name.endswith(ending) and len(shape) == 2:
                return shape[1]
    return None


def read_shapes(file: "ModelFile") -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors of a file, by name. Raises :class:`ModelUnreadable`, OSError."""
    if file.parts:
        return folder_shapes(file.path, read_headers(file.path, file.parts))
    if file.path.suffix.lower() == ".safetensors":
        return {name: entry.shape for name, entry in read_header(file.path).tensors.items()}
    if file.path.suffix.lower() == GGUF_SUFFIX:
        return dict(read_gguf(file.path).shapes)
    found = read_pickle(file.path)
    inner = found.get("state_dict", found) if isinstance(found, Mapping) else {}
    tensors = inner.items() if isinstance(inner, Mapping) else ()
    return {str(name): value.sizes for name, value in tensors if isinstance(value, PickledTensor)}


def _facts_of(file: str, sizes: Sizes, noted: Mapping[object, object]) -> EmbeddingFacts:
    chosen = [sizes[name] for name in vectors_among(file, sizes)]
    step = _if_instance(int, noted.get("step"))
    return EmbeddingFacts(
        vectors=chosen[0][0] if len(chosen[0]) == 2 else 1,
        width=sum(size[-1] for size in chosen),
        step=step if step is not None and abs(step) < LARGEST_STEP else None,
        checkpoint=_if_instance(str, noted.get("sd_checkpoint")),
        checkpoint_name=_if_instance(str, noted.get("sd_checkpoint_name")),
    )


def _if_instance(kind: type[Kind], value: object) -> Kind | None:
    return value if isinstance(value, kind) else None
