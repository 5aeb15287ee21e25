"""Reads adapters from LoRA files, and keeps them as memory allows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

from torch import Tensor

from generator.errors import WrongArchitecture
from generator.models.adapter_names import BUNDLE, architecture_of_keys, parse_key
from generator.models.deltas import Factors
from generator.models.embeddings import vectors_of
from generator.models.families.architecture import Architecture, architecture_by_context_width
from generator.models.families.catalog import BUILT_IN, family_of_architecture
from generator.models.families.family import Family
from generator.models.index import ModelFile
from generator.models.peft_metadata import apply_peft_metadata
from generator.models.residency import Residency, ResidentKind, ram_headroom_of
from generator.models.trainer_notes import noted_architecture
from generator.models.weights import check_finite, read_tensors

LORA = ResidentKind.LORA
NAMES_SHOWN, LONGEST = 3, 300  # of tensors in a sentence; its characters


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """The changes of one file, by layer in kohya's words (``lora_unet_...``), on the CPU."""

    file: ModelFile
    layers: Mapping[str, Factors]
    embeddings: Mapping[str, Tensor] = field(default_factory=dict)  # words learned with it
    unknown: tuple[str, ...] = ()  # tensors whose names tell nothing
    architecture: Architecture | None = None  # that it was made for, where anything tells

    @property
    def size(self) -> int:
        """Bytes in memory."""
        tensors = [t for factors in self.layers.values() for t in factors.values()]
        return sum(t.nbytes for t in (*tensors, *self.embeddings.values()))


class AdapterCache:
    """Reads adapter files; what stays in memory is :class:`Residency`'s to decide.

    A file is known by path, size, time and inode, so a replaced one is read again.
    """

    def __init__(self, residency: Residency | None = None) -> None:
        self._residency = residency or Residency(ram_headroom_of())

    def read(self, file: ModelFile) -> Adapter:
        """As :func:`read_adapter`, without looking at the disk where the file is known."""
        known = self._residency.find(LORA, file)
        if known is not None:
            return cast(Adapter, known)
        self._residency.make_room(LORA, file, file.size)
        adapter = read_adapter(file)
        if file.is_on_disk:  # else it may be of a later file
            self._residency.add(LORA, file, adapter, adapter.size)
        return adapter


def read_adapter(file: ModelFile) -> Adapter:
    """The adapter in ``file``, in the file's own precision on the CPU.

    Raises :class:`ModelUnreadable` for a broken file and :class:`WrongArchitecture` for one made
    for an architecture that Easel does not draw with, or that names no layer.
    """
    layers: dict[str, dict[str, Tensor]] = {}
    bundled: dict[str, dict[str, Tensor]] = {}
    unknown = []
    tensors = read_tensors(file.path, file.kept_in)
    for key, tensor in tensors.items():
        target = parse_key(key)
        if key.startswith(BUNDLE):
            name, _, vector = key.removeprefix(BUNDLE).partition(".")
            bundled.setdefault(name, {})[vector] = tensor.clone()
        elif target is None:
            unknown.append(key)
        else:
            layers.setdefault(target.layer, {})[target.factor] = tensor.clone()
    architecture = _told_architecture(file, tensors.keys(), layers)
    _check_known(file, architecture, tensors.keys(), bool(layers or bundled))
    check_finite(file.path.name, tensors)
    apply_peft_metadata(file, layers)
    embeddings = {name: vectors_of(tensors, file) for name, tensors in bundled.items()}
    return Adapter(file, layers, embeddings, tuple(unknown), architecture)


def check_family(adapter: Adapter, checkpoint: ModelFile, family: Family) -> None:
    """Refuse an adapter of which it is told that it was made for another family than ``family``.

    Of one that tells nothing is applied what fits. Raises :class:`WrongArchitecture`, naming both.
    """
    if adapter.architecture is None or adapter.architecture in family.architectures:
        return
    own = family_of_architecture(adapter.architecture)
    if own is not None and own.name in family.lends_adapters:
        return
    raise WrongArchitecture(
        f"The LoRA {adapter.file.name} is made for {adapter.architecture.label}; the checkpoint "
        f"{checkpoint.name} is {family.label}. Take a LoRA and a checkpoint of one architecture"
    )


def _told_architecture(
    file: ModelFile, keys: Collection[str], layers: Mapping[str, Factors]
) -> Architecture | None:
    """By names that only one architecture has, else by the trainer's note or the text's width."""
    told = architecture_of_keys(set(keys)) or noted_architecture(file.metadata)
    if told is not None:
        return told
    by_width = architecture_by_context_width(_context_width(layers) or 0)
    return None if by_width is Architecture.OTHER else by_width


def _context_width(layers: Mapping[str, Factors]) -> int | None:
    """How wide the text is that its cross-attention reads; None where it changes none."""
    for layer, factors in layers.items():
        if layer.endswith(("attn2_to_k", "attn2_to_v")):
            for name in ("lora_down.weight", "hada_w1_b", "diff"):
                if name in factors and factors[name].dim() > 1:
                    return factors[name].shape[1]
    return None


def _check_known(
    file: ModelFile, architecture: Architecture | None, keys: Collection[str], known: bool
) -> None:
    if architecture is not None and family_of_architecture(architecture) is None:
        raise WrongArchitecture(
            f"The LoRA {file.name} is made for {architecture.label}, and Easel draws with "
            f"{', '.join(family.label for family in BUILT_IN)}. "
            "Take a LoRA that was made for the checkpoint's architecture"
        )
    if not known:
        raise WrongArchitecture(
            f"{file.name} was asked for as a LoRA, but none of its {len(keys)} tensors is named "
            f"as one: {', '.join([*keys][:NAMES_SHOWN])[:LONGEST]}. Choose another file"
        )
