"""Reads adapters from LoRA files, and keeps them as memory allows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from torch import Tensor

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models.adapter_names import BUNDLE, TEXT, UNET, architecture_of_keys, parse_key
from generator.models.deltas import Factors
from generator.models.embeddings import vectors_of
from generator.models.families.architecture import Architecture, architecture_by_context_width
from generator.models.index import ModelFile
from generator.models.residency import Residency, ResidentKind, ram_headroom_of
from generator.models.weights import read_tensors

LORA = ResidentKind.LORA
NAMES_SHOWN, LONGEST = 3, 300  # of tensors in a sentence; its characters


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """The changes of one file, by layer in kohya's words (``lora_unet_...``), on the CPU."""

    file: ModelFile
    layers: Mapping[str, Factors]
    embeddings: Mapping[str, Tensor] = field(default_factory=dict)  # words learned with it
    unknown: tuple[str, ...] = ()  # tensors whose names tell nothing

    @property
    def size(self) -> int:
        """Bytes in memory."""
        tensors = [t for factors in self.layers.values() for t in factors.values()]
        return sum(t.nbytes for t in (*tensors, *self.embeddings.values()))

    @property
    def context_width(self) -> int | None:
        """How wide the text is that its cross-attention reads; None where it changes none."""
        for layer, factors in self.layers.items():
            if layer.endswith(("attn2_to_k", "attn2_to_v")):
                for name in ("lora_down.weight", "hada_w1_b", "diff"):
                    if name in factors and factors[name].dim() > 1:
                        return factors[name].shape[1]
        return None


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
    for another architecture, or that names no layer of Stable Diffusion 1.x.
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
    _check_is_sd1(file, tensors, bool(layers or bundled))
    _apply_metadata_alpha(file, layers)
    embeddings = {name: vectors_of(tensors, file) for name, tensors in bundled.items()}
    return Adapter(file, layers, embeddings, tuple(unknown))


def check_width(adapter: Adapter, checkpoint: ModelFile, width: int) -> None:
    """Refuse an adapter whose text is of another width than the checkpoint's ``width``.

    Raises :class:`WrongArchitecture`, naming both.
    """
    adapter_width = adapter.context_width
    if adapter_width is not None and adapter_width != width:
        raise WrongArchitecture(
            f"The LoRA {adapter.file.name} is made for "
            f"{architecture_by_context_width(adapter_width).label}, whose text is "
            f"{adapter_width} numbers wide; the checkpoint {checkpoint.name} is "
            f"{Architecture.SD1.label} with {width}. "
            "Take a LoRA and a checkpoint of one architecture"
        )


def _check_is_sd1(file: ModelFile, keys: Mapping[str, Tensor], known: bool) -> None:
    other = architecture_of_keys(keys)
    if other:
        raise WrongArchitecture(
            f"The LoRA {file.name} is made for {other.label}, and "
            f"Easel draws with {Architecture.SD1.label}. "
            "Take a LoRA that was made for the checkpoint's architecture"
        )
    if not known:
        raise WrongArchitecture(
            f"{file.name} was asked for as a LoRA of {Architecture.SD1.label}, but none of its "
            f"{len(keys)} tensors is named as one: {', '.join([*keys][:NAMES_SHOWN])[:LONGEST]}. "
            "Choose another file"
        )


def _apply_metadata_alpha(file: ModelFile, layers: Mapping[str, dict[str, Tensor]]) -> None:
    """PEFT keeps alpha beside its tensors; diffusers writes it into the file's metadata."""
    metadata_text = file.metadata.get("lora_adapter_metadata")
    if not metadata_text:
        return
    try:
        facts = json.loads(metadata_text)
        alphas = {
            prefix: float(facts[f"{part}.lora_alpha"])
            for prefix, part in ((UNET, "unet"), (TEXT, "text_encoder"))
            if f"{part}.lora_alpha" in facts
        }
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelUnreadable(
            f"{file.name}: its lora_adapter_metadata is no JSON object ({error})"
        ) from error
    for layer, factors in layers.items():
        for prefix, alpha in alphas.items():
            if layer.startswith(prefix) and "lora_down.weight" in factors:
                factors.setdefault("alpha", factors["lora_down.weight"].new_tensor(alpha))
