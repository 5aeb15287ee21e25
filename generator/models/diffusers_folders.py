"""Checkpoints as diffusers saves them: a folder with ``model_index.json`` and one for each network.

Of each network the safetensors are taken, whole or in shards, the plain variant before ``.fp16``
and others. No torch, and nothing here reads a tensor.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from generator.errors import ModelUnreadable
from generator.models.plain_files import (
    MOST_INTEGER,
    FileStamp,
    check_name,
    read_text,
    stamp_of,
    stat_plain,
)

INDEX = "model_index.json"
CONFIG, SCHEDULER_CONFIG = "config.json", "scheduler/scheduler_config.json"
UNET, VAE, TEXT, SECOND_TEXT = "unet", "vae", "text_encoder", "text_encoder_2"
NETWORKS = (UNET, VAE, TEXT, SECOND_TEXT, "text_encoder_3", "transformer", "transformer_2", "prior")
"""The parts that weights are read of; others (tokenizers, a safety checker) are passed over."""
SUFFIX, PICKLE_SUFFIX = ".safetensors", ".bin"
_WEIGHTS = re.compile(
    r"(?P<base>diffusion_pytorch_model|model)(?P<variant>\.\w+)?"
    r"(-(?P<number>\d{5})-of-(?P<count>\d{5}))?(?P<late_variant>\.\w+)?\.safetensors"
)
MOST_SHARDS = 1000
_FIRST_VARIANTS = ("", ".fp16", ".bf16", ".fp32")  # others by name; a training's averages last
_INNER = re.compile(r"(diffusion_pytorch_model|pytorch_model|model)[.\w-]*")


@dataclass(frozen=True, slots=True)
class ModelPart:
    """A file of weights in such a folder."""

    part: str  # "unet"
    path: Path


@dataclass(frozen=True, slots=True)
class FolderLook:
    """What a look at a folder tells: its files of weights, and their state all together."""

    parts: tuple[ModelPart, ...]
    stamp: FileStamp


def is_stray_part(folder: Path, name: str) -> bool:
    """Whether a file is one network's of such a folder, whose ``model_index.json`` is not here."""
    return folder.name in NETWORKS and _INNER.fullmatch(name) is not None


def look_at(folder: Path) -> FolderLook:
    """The weights of the folder as they lie there now.

    Raises :class:`ModelUnreadable`, naming the folder and the part, where one is missing, and
    OSError.
    """
    parts = tuple(each for part in _listed_networks(folder) for each in _weights(folder, part))
    told = [folder / INDEX, folder / SCHEDULER_CONFIG]
    told += [folder / name / CONFIG for name in dict.fromkeys(each.part for each in parts)]
    states = [(str(each.path.relative_to(folder)), stamp_of(each.path.stat())) for each in parts]
    configs = [(str(path.relative_to(folder)), _stamp_or_none(path)) for path in told]
    seen = blake2b(repr((states, configs)).encode(), digest_size=8).digest()
    stamps = [stamp for _, stamp in states]
    size = sum(stamp[0] for stamp in stamps)
    newest, changed = (max(stamp[place] for stamp in stamps) for place in (1, 3))
    return FolderLook(parts, (size, newest, int.from_bytes(seen) & MOST_INTEGER, changed))


def title_of(folder: Path, part: ModelPart) -> str:
    """A file of the folder as messages name it: ``NAME/unet/diffusion_pytorch_model...``."""
    return f"{folder.name}/{part.path.relative_to(folder).as_posix()}"


def _listed_networks(folder: Path) -> tuple[str, ...]:
    """The networks that ``model_index.json`` says the folder has; at least one."""
    networks = tuple(name for name in NETWORKS if _is_used(_read_index(folder).get(name)))
    if not networks:
        raise ModelUnreadable(
            f"{folder.name}: its {INDEX} names no network that weights are read of "
            f"({', '.join(NETWORKS)}). Copy the folder again, or move it elsewhere"
        )
    return networks


def _is_used(component: object) -> bool:
    """``["diffusers", "UNet2DConditionModel"]``; ``[null, null]`` is a part that is not used."""
    return isinstance(component, list) and len(component) == 2 and None not in component


def _read_index(folder: Path) -> Mapping[str, object]:
    try:
        content = json.loads(read_text(folder / INDEX))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ModelUnreadable(
            f"{folder.name}: its {INDEX} is no JSON object. It is still being copied, or damaged: "
            "copy it again"
        )
    return content


def _weights(folder: Path, part: str) -> Iterator[ModelPart]:
    """The files of one network: one, or all shards of one variant."""
    files = _names_in(folder, part)
    found: dict[tuple[str, str], dict[int, str]] = {}
    for name in files:
        match = _WEIGHTS.fullmatch(name)
        if match is not None:
            variant = match["variant"] or match["late_variant"] or ""
            shards = found.setdefault((variant, match["count"] or ""), {})
            shards[int(match["number"] or 1)] = name
    if not found:
        raise _no_weights(folder, part, files)
    (variant, count), shards = min(found.items(), key=lambda each: _preference(*each[0]))
    wanted = int(count or 1)
    missing = [number for number in range(1, min(wanted, MOST_SHARDS) + 1) if number not in shards]
    if missing or wanted > MOST_SHARDS:
        raise ModelUnreadable(
            f"{folder.name} is incomplete: of its part {part}{variant} {len(shards)} of {wanted} "
            "files are there. It is still being copied, or the copy broke off: copy it again"
        )
    for number in sorted(shards):
        if f"{shards[number]}.aria2" in files:
            raise ModelUnreadable(
                f"{folder.name}/{part}/{shards[number]}: its download is not finished"
            )
        yield ModelPart(part, folder / part / shards[number])


def _names_in(folder: Path, part: str) -> Sequence[str]:
    """The plain files of a part, by name. Raises :class:`ModelUnreadable` for a name of no text."""
    try:
        with os.scandir(folder / part) as listing:
            entries = [entry for entry in listing if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    try:
        for entry in entries:
            check_name(entry.name)
            if entry.name.endswith(SUFFIX):
                stat_plain(entry)
    except ModelUnreadable as error:
        raise ModelUnreadable(f"{folder.name}/{part}/{error}") from error
    return sorted(entry.name for entry in entries)


def _no_weights(folder: Path, part: str, files: Sequence[str]) -> ModelUnreadable:
    if any(name.endswith(PICKLE_SUFFIX) for name in files):
        return ModelUnreadable(
            f"{folder.name}: its part {part} holds weights as {PICKLE_SUFFIX} alone, which are not "
            f"read in such a folder. Take those with {SUFFIX}"
        )
    return ModelUnreadable(
        f"{folder.name} is incomplete: its {INDEX} names the part {part}, and no weights are "
        "there. It is still being copied, or the copy broke off: copy it again"
    )


def _preference(variant: str, count: str) -> tuple[int, int, str, str]:
    """Sorts variants: the plain one first, one file before shards."""
    place = _FIRST_VARIANTS.index(variant) if variant in _FIRST_VARIANTS else len(_FIRST_VARIANTS)
    return ("ema" in variant, place, count, variant)


def _stamp_or_none(path: Path) -> FileStamp | None:
    try:
        return stamp_of(path.stat())
    except OSError:
        return None
