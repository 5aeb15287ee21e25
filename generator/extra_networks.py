"""The networks that a prompt's ``<kind:name:...>`` tags ask for (contract section 2.6)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
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
USUAL = 4.0  # strengths beyond are taken as they are, and remarked upon


@dataclass(frozen=True, slots=True, eq=False)
class BundledWord:
    """A textual inversion that a LoRA brings along."""

    inversion: TextualInversion
    lora: str  # as the prompt names it


@dataclass(frozen=True, slots=True)
class Networks:
    """What the tags of a prompt came to."""

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

    A LoRA met twice is added twice, both times with its last strengths, as in AUTOMATIC1111.
    ``pause`` is called before each file. Raises what it, :meth:`Adapters.read` and
    :func:`read_hypernetwork` raise.
    """
    named = [tag for tag in tags if tag.positional]
    loras = [(tag.positional[0], tag) for tag in named if tag.kind in LORA_KINDS]
    bends = {tag.positional[0]: tag for tag in named if tag.kind == "hypernet"}
    strengths = {name: read_strengths(tag) for name, tag in loras}
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
            strength = read_strengths(bends[name]).text
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
        },
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


def read_strengths(tag: Tag) -> Strengths:
    """``<lora:name:te:unet:dyn>``, positional or named; a word that is no number counts as 1.

    Raises :class:`BadRequest` for one that is not finite, or beyond any sense.
    """
    given = tag.positional[1:]
    named = tag.named
    text = _number(named.get("te", given[0] if given else None), 1.0)
    unet = _number(named.get("unet", given[1] if len(given) > 1 else None), text)
    rank = _number(named.get("dyn", given[2] if len(given) > 2 else None), 0.0)
    for number in (text, unet, rank):
        check_weight(number, ":".join(tag.arguments))
    return Strengths(text, unet, int(rank) or None)


def _number(text: str | None, otherwise: float) -> float:
    try:
        return float(text) if text else otherwise
    except ValueError:
        return otherwise


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
