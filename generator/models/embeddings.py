"""Textual inversion embeddings: loading and lookup by name (contract section 2.7).

Gal et al. 2022, "An image is worth one word".
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.errors import ModelUnreadable
from generator.models.embedding_facts import vectors_among
from generator.models.index import Identity, ModelFile
from generator.models.kinds import FOLDERS_BY_KIND, ModelKind
from generator.models.registry import Registry
from generator.models.weights import check_finite, read_tensors
from generator.prompt.conditioning import TextualInversion

log = logging.getLogger(__name__)
SUFFIXES = FOLDERS_BY_KIND[ModelKind.EMBEDDING].suffixes


@dataclass(frozen=True, slots=True, eq=False)
class FittingEmbeddings:
    """The learned words of a data directory, as seen from one checkpoint."""

    fitting: tuple[TextualInversion, ...]
    skipped: Mapping[str, str]  # why, by names: of another width, or of no file that can be read
    version: tuple[Identity, ...] = ()  # another one after any file has changed


class EmbeddingCache:
    """The learned words of a data directory; a file is read once, and again when it changed."""

    def __init__(self) -> None:
        self._cache: dict[Identity, Tensor | str] = {}  # vectors, or why there are none

    def embeddings_for_width(self, registry: Registry, width: int) -> FittingEmbeddings:
        """Those whose vectors have ``width`` numbers; the others are skipped."""
        files = registry.index.files_of(ModelKind.EMBEDDING)
        self._cache = {file.identity: self._vectors(file) for file in files}
        vectors_by_name = [(file.stem, self._cache[file.identity]) for file in files]
        fitting = tuple(
            TextualInversion(name, vectors)
            for name, vectors in vectors_by_name
            if isinstance(vectors, Tensor) and vectors.shape[1] == width
        )
        roots = registry.folders.of(ModelKind.EMBEDDING)
        others = {name: _why(name, vectors, width) for name, vectors in vectors_by_name} | {
            path.stem: reason
            for path, reason in registry.index.rejected.items()
            if path.suffix in SUFFIXES and any(root in path.parents for root in roots)
        }
        names = {inversion.name for inversion in fitting}
        return FittingEmbeddings(
            fitting,
            {name: why for name, why in others.items() if name not in names},
            tuple(file.identity for file in files),
        )

    def _vectors(self, file: ModelFile) -> Tensor | str:
        if file.identity in self._cache:
            return self._cache[file.identity]
        try:
            return read_embedding(file)
        except ModelUnreadable as error:
            log.warning("%s", error)  # one bad file among many must not stop every picture
            return str(error)


def _why(name: str, vectors: Tensor | str, width: int) -> str:
    if isinstance(vectors, str):
        return vectors
    return (
        f"The vectors of the embedding {name} have {vectors.shape[1]} numbers, those of the "
        f"checkpoint {width}: it is for another architecture"
    )


def read_embedding(file: ModelFile) -> Tensor:
    """The vectors (k, width) of ``file`` in fp32. Raises :class:`ModelUnreadable`."""
    tensors = read_tensors(file.path, file.kept_in)
    check_finite(file.path.name, tensors)
    return vectors_of(tensors, file)


def vectors_of(tensors: Mapping[str, Tensor], file: ModelFile) -> Tensor:
    """The vectors (k, width) among the ``tensors`` of an embedding, in fp32.

    One for Stable Diffusion XL has two texts, whose widths add up as they do in its U-Net.
    """
    chosen = vectors_among(file.name, {name: tuple(each.shape) for name, each in tensors.items()})
    return torch.cat([_to_rows(tensors[name]) for name in chosen], dim=1)


def _to_rows(vectors: Tensor) -> Tensor:
    return vectors.float().reshape(-1, vectors.shape[-1])
