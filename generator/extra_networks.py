"""The networks that a prompt's ``<kind:name:...>`` tags ask for (contract section 2.6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from generator.errors import ModelNotFound
from generator.models.adapters import Mount, read_adapter
from generator.models.index import ModelFile
from generator.models.kinds import Kind
from generator.models.registry import Registry
from generator.prompt.grammar import Tag

LORA_KINDS = ("lora", "lyco")


@dataclass(frozen=True, slots=True)
class Networks:
    """What the tags of a prompt came to."""

    mounts: tuple[Mount, ...] = ()
    hashes: str = ""  # for the infotext: "name: 12hex, name2: 12hex"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Strengths:
    """The numbers of one LoRA tag."""

    text: float = 1.0
    unet: float = 1.0
    rank_limit: int | None = None


def gather(registry: Registry, tags: Sequence[Tag]) -> Networks:
    """Read the LoRAs that ``tags`` name; those not found are listed, not fatal.

    A name met twice is added twice, both times with its last strengths, as in AUTOMATIC1111.
    Raises what :func:`read_adapter` raises.
    """
    mentions = [
        (tag.positional[0], tag) for tag in tags if tag.kind in LORA_KINDS and tag.positional
    ]
    strengths = {name: read_strengths(tag) for name, tag in mentions}
    found = {name: _find(registry, name) for name in strengths}
    adapters = {name: read_adapter(file) for name, file in found.items() if file is not None}
    names = [name for name, _ in mentions if name in adapters]
    return Networks(
        mounts=tuple(
            Mount(adapters[name], s.text, s.unet, s.rank_limit)
            for name, s in ((name, strengths[name]) for name in names)
        ),
        hashes=", ".join(_hash_entry(registry, name, adapters[name].file) for name in adapters),
        missing=tuple(name for name, file in found.items() if file is None),
    )


def read_strengths(tag: Tag) -> Strengths:
    """``<lora:name:te:unet:dyn>``, positional or named; a word that is no number counts as 1."""
    given = tag.positional[1:]
    named = tag.named
    text = _number(named.get("te", given[0] if given else None), 1.0)
    unet = _number(named.get("unet", given[1] if len(given) > 1 else None), text)
    rank = _number(named.get("dyn", given[2] if len(given) > 2 else None), 0.0)
    return Strengths(text, unet, int(rank) or None)


def _number(text: str | None, otherwise: float) -> float:
    try:
        return float(text) if text else otherwise
    except ValueError:
        return otherwise


def _find(registry: Registry, name: str) -> ModelFile | None:
    try:
        return registry.find(Kind.LORA, name)
    except ModelNotFound:
        return None


def _hash_entry(registry: Registry, name: str, file: ModelFile) -> str:
    short = registry.hashed(file).network_hash
    return f"{name.replace(':', '').replace(',', '')}: {short}" if short else ""
