"""The networks that a prompt's ``<kind:name:...>`` tags ask for (contract section 2.6)."""

import math
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from generator.errors import ModelNotFound
from generator.models.adapter_files import Adapter, Adapters
from generator.models.adapters import Mount
from generator.models.hypernetworks import Hypernetwork, read_hypernetwork
from generator.models.index import ModelFile
from generator.models.kinds import Kind
from generator.models.registry import Registry
from generator.prompt.conditioning import TextualInversion
from generator.prompt.grammar import Tag, extra_networks
from generator.prompt.limits import check_weight
from generator.request import Snapshot

LORA_KINDS = ("lora", "lyco")
HYPERNETWORK_KINDS = ("hypernet",)
STRENGTHS = ("te", "unet", "dyn")  # a LoRA's numbers, in their places
USUAL = 4.0  # strengths beyond are taken as they are, and remarked upon


@dataclass(frozen=True, slots=True, eq=False)
class BundledWord:
    """A textual inversion stored inside a LoRA file."""

    inversion: TextualInversion
    lora: str  # as the prompt names it


@dataclass(frozen=True, slots=True)
class Networks:
    """The extra networks that the tags of a prompt name, loaded."""

    mounts: tuple[Mount, ...] = ()
    hypernetworks: tuple[tuple[Hypernetwork, float], ...] = ()  # with their strengths
    hashes: str = ""  # for the infotext: "name: 12hex, name2: 12hex"
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What tags named in vain: names by what to say of them ("Lora not found")."""
    words: tuple[BundledWord, ...] = ()  # textual inversions inside the LoRAs
    remarks: tuple[str, ...] = ()  # what the caller should know of them, in sentences


@dataclass(frozen=True, slots=True)
class Strengths:
    """The numbers of one LoRA tag."""

    text: float = 1.0
    unet: float = 1.0
    rank_limit: int | None = None


def gather(
    registry: Registry,
    adapters_read: Adapters,
    tags: Sequence[Tag],
    device: torch.device,
    dtype: torch.dtype,
    pause: Callable[[], None] = lambda: None,
) -> Networks:
    """Read what ``tags`` name; LoRAs and hypernetworks not found are listed, not fatal.

    A tag in which anything cannot be read is not applied, and listed. A LoRA met twice is added
    twice, both times with its last strengths, as in AUTOMATIC1111.
    ``pause`` is called before each file. Raises what it, :meth:`Adapters.read` and
    :func:`read_hypernetwork` raise.
    """
    loras, odd_loras = _read(tags, LORA_KINDS)
    bent, odd_bent = _read(tags, HYPERNETWORK_KINDS)
    strengths, bends = dict(loras), dict(bent)
    found = {name: _find(registry, Kind.LORA, name) for name in strengths}
    bending = {name: _find(registry, Kind.HYPERNETWORK, name) for name in bends}
    adapters: dict[str, Adapter] = {}
    for name, file in found.items():
        pause()
        if file is not None:
            adapters[name] = adapters_read.read(file)
    hypernetworks: list[tuple[Hypernetwork, float]] = []
    for name, file in bending.items():
        pause()
        if file is not None:
            strength = bends[name].text
            hypernetworks.append((read_hypernetwork(file, device, dtype), strength))
    times = Counter(name for name, _ in loras)
    return Networks(
        mounts=tuple(
            Mount(adapters[name], s.text, s.unet, s.rank_limit, times[name])
            for name, s in strengths.items()
            if name in adapters
        ),
        hypernetworks=tuple(hypernetworks),
        hashes=", ".join(
            filter(None, (_hash_entry(registry, name, adapters[name].file) for name in adapters))
        ),
        missing={
            f"{kind} not found": tuple(names)
            for kind, names in (("Lora", _absent(found)), ("Hypernetwork", _absent(bending)))
            if names
        }
        | {
            f"{kind} strength not read": odd
            for kind, odd in (("Lora", odd_loras), ("Hypernetwork", odd_bent))
            if odd
        }
        | _other_tags(tags),
        words=tuple(_words(adapters)),
        remarks=tuple(
            f"The strength of the LoRA {name} is {max(s.text, s.unet, key=abs):g}; beyond "
            f"{USUAL:g} pictures mostly fall apart."
            for name, s in strengths.items()
            if name in adapters and max(abs(s.text), abs(s.unet)) > USUAL
        ),
    )


def with_bundled(
    own: Sequence[TextualInversion], bundled: Sequence[BundledWord], width: int
) -> tuple[TextualInversion, ...]:
    """The inversions to encode with; one of the embeddings' folder goes before a LoRA's."""
    taken = {inversion.name for inversion in own}
    more = {
        word.inversion.name: word.inversion
        for word in reversed(bundled)
        if word.inversion.name not in taken and word.inversion.vectors.shape[1] == width
    }
    return (*own, *more.values())


def with_default_networks(prompt: str, options: Snapshot) -> str:
    """``prompt`` with tags for the networks that the options always add, unless it has them."""
    defaults = (("hypernet", options.sd_hypernetwork), ("lora", options.sd_lora))
    _, tags = extra_networks(prompt)
    mentioned = {(tag.kind, *tag.positional[:1]) for tag in tags}
    for kind, name in defaults:
        if name not in ("", "None") and (kind, name) not in mentioned:
            prompt += f"<{kind}:{name}:{options.extra_networks_default_multiplier}>"
    return prompt


def read_strengths(tag: Tag) -> Strengths | None:
    """``<lora:name:te:unet:dyn>``, positional or named; None where anything cannot be read.

    That is what is no finite number, and what has another name or place: ``lbw=...`` of an
    extension would change which layers a LoRA acts on, so the rest alone is not what was asked.
    Raises :class:`BadRequest` for a number beyond any sense.
    """
    given = dict(zip(STRENGTHS, tag.positional[1:], strict=False)) | tag.named
    if len(tag.positional) > 1 + len(STRENGTHS) or not given.keys() <= set(STRENGTHS):
        return None
    try:
        numbers = {name: float(text) for name, text in given.items()}
    except ValueError:
        return None
    if not all(map(math.isfinite, numbers.values())):
        return None
    for number in numbers.values():
        check_weight(number, ":".join(tag.arguments))
    text = numbers.get("te", 1.0)
    return Strengths(text, numbers.get("unet", text), int(numbers.get("dyn", 0)) or None)


def _read(
    tags: Sequence[Tag], kinds: Container[str]
) -> tuple[list[tuple[str, Strengths]], tuple[str, ...]]:
    """Name and strengths of each tag of some kinds, and the tags that cannot be read."""
    own = [tag for tag in tags if tag.kind in kinds and tag.positional]
    read = [(tag, read_strengths(tag)) for tag in own]
    odd = dict.fromkeys(":".join(tag.arguments) for tag, found in read if found is None)
    return [(tag.positional[0], found) for tag, found in read if found], tuple(odd)


def _other_tags(tags: Sequence[Tag]) -> dict[str, tuple[str, ...]]:
    """Tags of no kind that is known, and those without a name."""
    known = (*LORA_KINDS, *HYPERNETWORK_KINDS)
    odd = dict.fromkeys(
        ":".join((tag.kind, *tag.arguments))
        for tag in tags
        if tag.kind not in known or not tag.positional
    )
    return {"Tag not read": tuple(odd)} if odd else {}


def _find(registry: Registry, kind: Kind, name: str) -> ModelFile | None:
    try:
        return registry.find(kind, name)
    except ModelNotFound:
        return None


def _absent(found: Mapping[str, ModelFile | None]) -> list[str]:
    return [name for name, file in found.items() if file is None]


def _words(adapters: Mapping[str, Adapter]) -> Iterator[BundledWord]:
    for lora, adapter in adapters.items():
        for name, vectors in adapter.embeddings.items():
            yield BundledWord(TextualInversion(name, vectors), lora)


def _hash_entry(registry: Registry, name: str, file: ModelFile) -> str:
    short = registry.hashed(file).network_hash
    return f"{name.replace(':', '').replace(',', '')}: {short}" if short else ""
