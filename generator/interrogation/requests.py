"""Requests for captions and tags. No torch: the web process builds them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from generator.errors import ModelNotFound

CONFIG_FILE = "config.json"
"""What makes a folder a network's: transformers writes it beside the weights."""

Form = Literal["caption", "tags"]


@dataclass(frozen=True, slots=True)
class CaptionRules:
    """How a sentence is sought; AUTOMATIC1111's options ``interrogate_clip_*``."""

    beams: int = 1
    shortest: int = 24  # tokens
    longest: int = 48  # tokens


@dataclass(frozen=True, slots=True)
class TagRules:
    """How tags are chosen and written; AUTOMATIC1111's options ``deepbooru_*``."""

    threshold: float = 0.5  # 0..1
    alphabetic: bool = True  # else the surest first
    spaces: bool = True  # for underscores
    escaped: bool = True  # brackets and backslashes, which a prompt would read
    left_out: tuple[str, ...] = ()  # with spaces or underscores
    with_scores: bool = False  # "(house:0.912)"


@dataclass(frozen=True, slots=True)
class InterrogationRequest:
    """A picture to describe."""

    picture: str  # base64 of its file
    folder: str  # the network's
    form: Form = "caption"
    caption: CaptionRules = field(default_factory=CaptionRules)
    tags: TagRules = field(default_factory=TagRules)
    keep: bool = False  # leave the network in memory for the next question


def find_interrogation_folders(roots: Iterable[Path]) -> Iterator[Path]:
    """The networks' folders in ``roots``, in the order of their names; a root may be one itself."""
    for root in roots:
        if (root / CONFIG_FILE).is_file():
            yield root
        elif root.is_dir():
            yield from sorted(path.parent for path in root.glob(f"*/{CONFIG_FILE}"))


def find_interrogation_folder(roots: Iterable[Path]) -> Path:
    """The first of them. Raises :class:`ModelNotFound` saying where one would be looked for."""
    roots = tuple(roots)
    folder = next(find_interrogation_folders(roots), None)
    if folder is None:
        where = ", ".join(str(root) for root in roots)
        raise ModelNotFound(
            f"no network that describes pictures lies in {where}: put a folder there as "
            f"transformers saves it ({CONFIG_FILE}, the weights, a tokenizer and its image "
            "processor)"
        )
    return folder
