"""Generation facts read from a picture; the application supplies the reader."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, slots=True)
class Told:
    """How a picture was made; empty where it says nothing. ``infotext`` is the source."""

    infotext: str = ""
    prompt: str = ""
    negative: str = ""
    model: str = ""
    model_hash: str = ""
    loras: tuple[str, ...] = ()
    sampler: str = ""
    seed: int | None = None


Teller = Callable[[Image.Image], Told]
"""Reads an opened picture's header, decoding nothing."""


def silent(_: Image.Image) -> Told:
    """A reader that returns no facts."""
    return Told()
