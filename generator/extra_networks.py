"""Extra networks named by a prompt's ``<kind:name:...>`` tags (contract section 2.6)."""

import math
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from generator.errors import ModelNotFound
from generator.models.adapter_files import Adapter, AdapterCache
from generator.models.adapters import AppliedAdapter
from generator.models.hypernetworks import Hypernetwork, read_hypernetwork
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.registry import Registry
from generator.prompt.block_weights import KEY as BLOCKS_KEY
from generator.prompt.block_weights import BlockWeights, read_block_weights
from generator.prompt.conditioning import TextualInversion
from generator.prompt.grammar import LORA_KINDS, ExtraNetworkTag, parse_extra_networks
from generator.prompt.limits import check_weight
from generator.request import Snapshot

HYPERNETWORK_KINDS = ("hypernet",)
STRENGTH_NAMES = ("te", "unet", "dyn")  # a LoRA's numbers, in their places
USUAL_STRENGTH = 4.0  # strengths beyond are taken as they are, and remarked upon


@dataclass(frozen=True, slots=True, eq=False)
class BundledEmbedding:
    """A textual inversion stored inside a LoRA file."""

    inversion: TextualInversion
    lora: str  # as the prompt names it


@dataclass(frozen=True, slots=True)
class ExtraNetworks:
    """The extra networks that the tags of a prompt name, loaded."""

    adapters: tuple[AppliedAdapter, ...] = ()
    hypernetworks: tuple[tuple[Hypernetwork, float], ...] = ()  # with their strengths
    hashes: str = ""  # for the infotext: "name: 12hex, name2: 12hex"
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What tags named in vain: names by what to say of them ("Lora not found")."""
    embeddings: tuple[BundledEmbedding, ...] = ()  # textual inversions inside the LoRAs
    remarks: tuple[str, ...] = ()  # what the caller should know of them, in sentences


@dataclass(frozen=True, slots=True)
class LoraStrengths:
    """The numbers of one LoRA tag."""

    text: float = 1.0
    unet: float = 1.0
    rank_limit: int | None = None
    blocks: BlockWeights | None = None  # None: all blocks alike


def load_extra_networks(
    registry: Registry,
    adapter_cache: AdapterCache,
    tags: Sequence[ExtraNetworkTag],
    device: torch.device,
    dtype: torch.dtype,
    pause: Callable[[], None] = lambda: None,
) -> ExtraNetworks:
    """Read what ``tags`` name; LoRAs and hypernetworks not found are listed, not fatal.

    A tag in which anything cannot be read is not applied, and listed. A LoRA met twice is
    merged once, with its last strengths twice, as AUTOMATIC1111 counts; with other weights by
    block it is another. ``pause`` is called before each file. Raises what it,
    :meth:`AdapterCache.read` and :func:`read_hypernetwork` raise.
    """
    lora_tags, unread_loras = _read_tags(tags, LORA_KINDS)
    hypernetwork_tags, unread_hypernetworks = _read_tags(tags, HYPERNETWORK_KINDS)
    hypernetwork_strengths = dict(hypernetwork_tags)
    lora_files = {name: _find_network(registry, ModelKind.LORA, name) for name in dict(lora_tags)}
    hypernetwork_files = {
        name: _find_network(registry, ModelKind.HYPERNETWORK, name)
        for name in hypernetwork_strengths
    }
    adapters: dict[str, Adapter] = {}
    for name, file in lora_files.items():
        pause()
        if file is not None:
            adapters[name] = adapter_cache.read(file)
    hypernetworks: list[tuple[Hypernetwork, float]] = []
    for name, file in hypernetwork_files.items():
        pause()
        if file is not None:
            strength = hypernetwork_strengths[name].text
            hypernetworks.append((read_hypernetwork(file, device, dtype), strength))
    return ExtraNetworks(
        adapters=tuple(_applied_adapters(lora_tags, adapters)),
        hypernetworks=tuple(hypernetworks),
        hashes=", ".join(
            filter(None, (_hash_entry(registry, name, adapters[name].file) for name in adapters))
        ),
        missing=_non_empty(
            {
                "Lora not found": _missing_names(lora_files),
                "Hypernetwork not found": _missing_names(hypernetwork_files),
                "Lora strength not read": unread_loras,
                "Hypernetwork strength not read": unread_hypernetworks,
            }
        )
        | _unknown_tags(tags),
        embeddings=tuple(_bundled_embeddings(adapters)),
        remarks=(
            *_strength_remarks(lora_tags, adapters),
            *_broken_files(registry, ModelKind.LORA, lora_files),
            *_broken_files(registry, ModelKind.HYPERNETWORK, hypernetwork_files),
        ),
    )


def _non_empty(names: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {kind: tuple(listed) for kind, listed in names.items() if listed}


def _distinct_loras(
    tags: Sequence[tuple[str, LoraStrengths]],
) -> dict[tuple[str, BlockWeights | None], LoraStrengths]:
    """The last strengths of each LoRA; one with other weights by block is another."""
    return {(name, strengths.blocks): strengths for name, strengths in tags}


def _applied_adapters(
    tags: Sequence[tuple[str, LoraStrengths]], adapters: Mapping[str, Adapter]
) -> Iterator[AppliedAdapter]:
    times = Counter((name, strengths.blocks) for name, strengths in tags)
    for (name, blocks), own in _distinct_loras(tags).items():
        if name in adapters:
            yield AppliedAdapter(
                adapters[name], own.text, own.unet, own.rank_limit, times[name, blocks], blocks
            )


def _strength_remarks(
    strengths: Sequence[tuple[str, LoraStrengths]], adapters: Container[str]
) -> Iterator[str]:
    """A sentence about each LoRA that is added with an unusual strength."""
    for (name, _), strength in _distinct_loras(strengths).items():
        largest = max(strength.text, strength.unet, key=abs)
        if name in adapters and abs(largest) > USUAL_STRENGTH:
            yield (
                f"The strength of the LoRA {name} is {largest:g}; beyond "
                f"{USUAL_STRENGTH:g} pictures mostly fall apart."
            )


def add_bundled_embeddings(
    own: Sequence[TextualInversion], bundled: Sequence[BundledEmbedding], width: int
) -> tuple[TextualInversion, ...]:
    """The inversions to encode with; one of the embeddings' folder goes before a LoRA's."""
    taken = {inversion.name for inversion in own}
    more = {
        word.inversion.name: word.inversion
        for word in reversed(bundled)
        if word.inversion.name not in taken and word.inversion.vectors.shape[1] == width
    }
    return (*own, *more.values())


def add_default_networks(prompt: str, options: Snapshot) -> str:
    """``prompt`` with tags for the networks that the options always add, unless it has them."""
    defaults = (("hypernet", options.sd_hypernetwork), ("lora", options.sd_lora))
    _, tags = parse_extra_networks(prompt)
    mentioned = {(tag.kind, *tag.positional_arguments[:1]) for tag in tags}
    for kind, name in defaults:
        if name not in ("", "None") and (kind, name) not in mentioned:
            prompt += f"<{kind}:{name}:{options.extra_networks_default_multiplier}>"
    return prompt


def read_strengths(tag: ExtraNetworkTag) -> LoraStrengths | None:
    """``<lora:name:te:unet:dyn>``, positional or named; None where anything cannot be read.

    That is what is no finite number, and what has another name or place: ``start=...`` of an
    extension would change when a LoRA acts, so the rest alone is not what was asked. Raises
    :class:`BadRequest` for a number beyond any sense, and for weights by block that cannot be read.
    """
    blocks = read_block_weights(tag)
    texts = (
        dict(zip(STRENGTH_NAMES, tag.positional_arguments[1:], strict=False)) | tag.named_arguments
    )
    if blocks is not None:
        del texts[BLOCKS_KEY]
    if len(tag.positional_arguments) > 1 + len(STRENGTH_NAMES) or not texts.keys() <= set(
        STRENGTH_NAMES
    ):
        return None
    try:
        numbers = {name: float(text) for name, text in texts.items()}
    except ValueError:
        return None
    if not all(map(math.isfinite, numbers.values())):
        return None
    for number in numbers.values():
        check_weight(number, ":".join(tag.arguments))
    text = numbers.get("te", 1.0)
    rank_limit = int(numbers.get("dyn", 0)) or None
    return LoraStrengths(text, numbers.get("unet", text), rank_limit, blocks)


def _read_tags(
    tags: Sequence[ExtraNetworkTag], kinds: Container[str]
) -> tuple[list[tuple[str, LoraStrengths]], tuple[str, ...]]:
    """Name and strengths of each tag of some kinds, and the tags that cannot be read."""
    own = [tag for tag in tags if tag.kind in kinds and tag.positional_arguments]
    read = [(tag, read_strengths(tag)) for tag in own]
    odd = dict.fromkeys(":".join(tag.arguments) for tag, strengths in read if strengths is None)
    return [
        (tag.positional_arguments[0], strengths) for tag, strengths in read if strengths
    ], tuple(odd)


def _unknown_tags(tags: Sequence[ExtraNetworkTag]) -> dict[str, tuple[str, ...]]:
    """Tags of no kind that is known, and those without a name."""
    known = (*LORA_KINDS, *HYPERNETWORK_KINDS)
    odd = dict.fromkeys(
        ":".join((tag.kind, *tag.arguments))
        for tag in tags
        if tag.kind not in known or not tag.positional_arguments
    )
    return {"Tag not read": tuple(odd)} if odd else {}


def _find_network(registry: Registry, kind: ModelKind, name: str) -> ModelFile | None:
    try:
        return registry.find(kind, name)
    except ModelNotFound:
        return None


def _missing_names(files: Mapping[str, ModelFile | None]) -> list[str]:
    return [name for name, file in files.items() if file is None]


def _broken_files(
    registry: Registry, kind: ModelKind, files: Mapping[str, ModelFile | None]
) -> Iterator[str]:
    """Why those that are there under their name were not found."""
    for reason in (registry.why_rejected(kind, name) for name in _missing_names(files)):
        if reason:
            yield f"{reason.rstrip('.')}."


def _bundled_embeddings(adapters: Mapping[str, Adapter]) -> Iterator[BundledEmbedding]:
    for lora, adapter in adapters.items():
        for name, vectors in adapter.embeddings.items():
            yield BundledEmbedding(TextualInversion(name, vectors), lora)


def _hash_entry(registry: Registry, name: str, file: ModelFile) -> str:
    short = registry.ensure_hashes(file).network_hash
    return f"{name.replace(':', '').replace(',', '')}: {short}" if short else ""
