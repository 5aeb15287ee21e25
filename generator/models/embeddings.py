"""Textual inversions: learned words, one small file each (contract section 2.7).

Gal et al. 2022, "An image is worth one word".
"""

from collections.abc import Mapping

from torch import Tensor

from generator.errors import ModelUnreadable
from generator.models.index import Identity, Index, ModelFile
from generator.models.kinds import Kind
from generator.models.weights import read_tensors
from generator.prompt.conditioning import TextualInversion

NAMED = ("emb_params", "clip_l", "string_to_param.*")


class Embeddings:
    """The learned words of a data directory; a file is read once, and again when it changed."""

    def __init__(self) -> None:
        self._known: dict[Identity, Tensor | None] = {}

    def fitting(self, index: Index, width: int) -> tuple[TextualInversion, ...]:
        """The embeddings of ``index`` whose vectors have ``width`` numbers; others are skipped."""
        files = index.of(Kind.EMBEDDING)
        self._known = {file.identity: self._vectors(file) for file in files}
        return tuple(
            TextualInversion(file.stem, vectors)
            for file in files
            if (vectors := self._known[file.identity]) is not None and vectors.shape[1] == width
        )

    def _vectors(self, file: ModelFile) -> Tensor | None:
        if file.identity in self._known:
            return self._known[file.identity]
        try:
            return read_embedding(file)
        except ModelUnreadable:
            return None  # one bad file among many must not stop every picture


def read_embedding(file: ModelFile) -> Tensor:
    """The vectors (k, width) of ``file`` in fp32. Raises :class:`ModelUnreadable`."""
    return vectors_of(read_tensors(file.path), file)


def vectors_of(tensors: Mapping[str, Tensor], file: ModelFile) -> Tensor:
    """The vectors (k, width) among the ``tensors`` of an embedding, in fp32."""
    known = [tensors[name] for name in NAMED if name in tensors]
    found = known or (list(tensors.values()) if len(tensors) == 1 else [])
    if not found:
        raise ModelUnreadable(
            f"{file.name} is no embedding: it holds {', '.join(sorted(tensors)[:5])}"
        )
    return found[0].float().reshape(-1, found[0].shape[-1]).clone()
