"""Rules of the censor (classes, thresholds, detectors), and the replacement picture."""

from dataclasses import dataclass
from enum import StrEnum

from PIL import Image, ImageFilter

from plugins.nsfw_censor.names import BUILT_IN, CLASSES, DETECTORS

BLUR_RADIUS_SHARE = 1 / 12
"""Radius of the blur in sides of the picture: shapes of limbs are gone, colours are left."""


class Action(StrEnum):
    """What happens to a picture that is found indecent."""

    BLACK = "black"
    BLUR = "blur"
    REJECT = "reject"  # the whole request fails, nothing is given out


@dataclass(frozen=True, slots=True)
class CensorRules:
    """``threshold``: the least sum of the probabilities of ``classes`` that is withheld, 0..1.

    One of ``detectors`` is enough; the third has a threshold of its own.
    """

    classes: tuple[str, ...] = ("hentai", "porn")
    threshold: float = 0.7
    action: Action = Action.BLACK
    detectors: tuple[str, ...] = (BUILT_IN,)
    nudenet_threshold: float = 0.25

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for what cannot be meant."""
        _check("Classes", self.classes, CLASSES)
        _check("Detectors", self.detectors, DETECTORS)
        for threshold in (self.threshold, self.nudenet_threshold):
            if not 0 < threshold <= 1:
                raise ValueError(f"A threshold of {threshold}; it lies above 0 and up to 1.")


def _check(what: str, chosen: tuple[str, ...], known: tuple[str, ...]) -> None:
    unknown = sorted(set(chosen) - set(known))
    if unknown or not chosen:
        raise ValueError(f"{what} {unknown or '[]'}; there are {', '.join(known)}.")


def replacement_of(picture: Image.Image, action: Action) -> Image.Image:
    """A picture of the same size and mode without what was to be seen, and without its texts."""
    if action is Action.BLUR:
        radius = max(picture.size) * BLUR_RADIUS_SHARE
        small = picture.convert("RGB").filter(ImageFilter.GaussianBlur(radius))
        return small.convert(picture.mode)
    black = Image.new("RGB", picture.size)
    return black.convert(picture.mode)
