"""Requests for captions and tags, and where the networks lie. No torch: the web process asks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from generator.errors import ModelNotFound

CONFIG_FILE = "config.json"
"""What makes a folder a network's: transformers writes it beside the weights."""

TAGS_FILE = "selected_tags.csv"
"""The names of a WD tagger's tags; its network is the ``.onnx`` beside it."""

DEEPDANBOORU_SUFFIXES = (".pt", ".pth", ".safetensors")
DEEPDANBOORU_NAMES = ("deepdanbooru", "resnet_custom")
"""In the name of its file: AUTOMATIC1111's is ``model-resnet_custom_v3.pt``."""

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
    network: str  # the path of its folder, or of its file
    form: Form = "caption"
    caption: CaptionRules = field(default_factory=CaptionRules)
    tags: TagRules = field(default_factory=TagRules)
    keep: bool = False  # leave the network in memory for the next question


def find_interrogation_networks(roots: Iterable[Path]) -> Iterator[Path]:
    """The networks in ``roots``, in the order of their names; a root may be one itself.

    Folders of transformers and of WD taggers, and files of DeepDanbooru.
    """
    for root in roots:
        if is_network_folder(root):
            yield root
        elif root.is_dir():
            yield from sorted(
                path for path in root.iterdir() if is_network_folder(path) or is_deepdanbooru(path)
            )


def is_network_folder(path: Path) -> bool:
    """Whether transformers, or a WD tagger's maker, wrote this folder."""
    return (path / CONFIG_FILE).is_file() or (path / TAGS_FILE).is_file()


def is_deepdanbooru(path: Path) -> bool:
    """Whether ``path`` is a file of DeepDanbooru for torch, by its name."""
    named = any(name in path.name.lower() for name in DEEPDANBOORU_NAMES)
    return named and path.suffix in DEEPDANBOORU_SUFFIXES and path.is_file()


def network_name(path: Path) -> str:
    """What a network is called by: its folder's name, or its file's without suffix."""
    return path.stem if path.suffix in DEEPDANBOORU_SUFFIXES else path.name


def find_interrogation_network(roots: Iterable[Path]) -> Path:
    """The first of them. Raises :class:`ModelNotFound` saying where one would be looked for."""
    roots = tuple(roots)
    network = next(find_interrogation_networks(roots), None)
    if network is None:
        where = ", ".join(str(root) for root in roots)
        raise ModelNotFound(
            f"no network that describes pictures lies in {where}: put a folder there as "
            f"transformers saves it ({CONFIG_FILE}, the weights, a tokenizer and its image "
            "processor)"
        )
    return network
