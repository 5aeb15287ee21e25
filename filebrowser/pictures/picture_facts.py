"""Generation facts read from a picture; the application supplies the reader."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """How a picture was made; empty where it says nothing. ``infotext`` is the source."""

    infotext: str = ""
    prompt: str = ""
    negative: str = ""
    model: str = ""
    model_hash: str = ""
    loras: tuple[str, ...] = ()
    sampler: str = ""
    seed: int | None = None


FactsReader = Callable[[Image.Image], PictureFacts]
"""Reads an opened picture's header, decoding nothing."""


def read_nothing(_: Image.Image) -> PictureFacts:
    """A reader that returns no facts."""
    return PictureFacts()
