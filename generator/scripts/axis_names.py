"""What an x/y/z plot can vary, by name. No torch (contract section 9.6).

What each does to a request lies in ``axes.py`` under the same names.
"""

from dataclasses import dataclass
from enum import StrEnum

TXT2IMG, IMG2IMG = "txt2img", "img2img"
BOTH = (TXT2IMG, IMG2IMG)
CHECKPOINTS, VAES, UPSCALERS, STYLES, CONTROLS, MODULES = (
    "checkpoints",
    "vaes",
    "upscalers",
    "styles",
    "controls",
    "modules",
)


class Kind(StrEnum):
    """How the values of an axis are written."""

    NOTHING = "nothing"
    WHOLE = "a whole number"  # ranges too: 1-5, 1-10 (+2), 1-10 [5]
    NUMBER = "a number"  # ranges too
    TEXT = "text"
    ORDER = "words, of which every order is drawn"


class Shown(StrEnum):
    """How a value stands in the legend."""

    NOT = "not"
    LABELLED = "labelled"  # "Steps: 20"
    PLAIN = "plain"
    FILE = "file"  # the last part of a path
    LIST = "list"  # with commas


@dataclass(frozen=True, slots=True)
class AxisName:
    """One axis. The costlier it is to change its value, the less often that is done."""

    label: str
    kind: Kind
    shown: Shown = Shown.LABELLED
    cost: float = 0.0
    routes: tuple[str, ...] = BOTH


_W, _N, _T = Kind.WHOLE, Kind.NUMBER, Kind.TEXT
AXES: tuple[AxisName, ...] = (
    AxisName("Nothing", Kind.NOTHING, Shown.NOT),
    AxisName("Seed", _W),
    AxisName("Var. seed", _W),
    AxisName("Var. strength", _N),
    AxisName("Steps", _W),
    AxisName("Hires steps", _W, routes=(TXT2IMG,)),
    AxisName("CFG Scale", _N),
    AxisName("Image CFG Scale", _N, routes=(IMG2IMG,)),
    AxisName("Prompt S/R", _T, Shown.PLAIN),
    AxisName("Prompt order", Kind.ORDER, Shown.LIST),
    AxisName("Sampler", _T, Shown.PLAIN),
    AxisName("Hires sampler", _T, routes=(TXT2IMG,)),
    AxisName("Checkpoint name", _T, Shown.FILE, cost=1.0),
    AxisName("Negative Guidance minimum sigma", _N),
    AxisName("Sigma Churn", _N),
    AxisName("Sigma min", _N),
    AxisName("Sigma max", _N),
    AxisName("Sigma noise", _N),
    AxisName("Schedule type", _T),
    AxisName("Schedule min sigma", _N),
    AxisName("Schedule max sigma", _N),
    AxisName("Schedule rho", _N),
    AxisName("Beta schedule alpha", _N),
    AxisName("Beta schedule beta", _N),
    AxisName("Eta", _N),
    AxisName("Clip skip", _W),
    AxisName("Denoising", _N),
    AxisName("Initial noise multiplier", _N),
    AxisName("Extra noise", _N),
    AxisName("Hires upscaler", _T, routes=(TXT2IMG,)),
    AxisName("Cond. Image Mask Weight", _N, routes=(IMG2IMG,)),
    AxisName("VAE", _T, cost=0.7),
    AxisName("Styles", _T),
    AxisName("UniPC Order", _W, cost=0.5),
    AxisName("Face restore", _T, Shown.PLAIN),
    AxisName("Token merging ratio", _N),
    AxisName("Token merging ratio high-res", _N),
    AxisName("Always discard next-to-last sigma", _T),
    AxisName("SGM noise multiplier", _T),
    AxisName("Refiner checkpoint", _T, Shown.FILE, cost=1.0),
    AxisName("Refiner switch at", _N),
    AxisName("RNG source", _T),
    AxisName("FP8 mode", _T, cost=0.9),
    AxisName("Size", _T),
    AxisName("[ControlNet] Enabled", _T),
    AxisName("[ControlNet] Model", _T, cost=0.9),
    AxisName("[ControlNet] Weight", _N),
    AxisName("[ControlNet] Guidance Start", _N),
    AxisName("[ControlNet] Guidance End", _N),
    AxisName("[ControlNet] Control Mode", _T),
    AxisName("[ControlNet] Resize Mode", _T),
    AxisName("[ControlNet] Preprocessor", _T),
    AxisName("[ControlNet] Pre Resolution", _W),
    AxisName("[ControlNet] Pre Threshold A", _N),
    AxisName("[ControlNet] Pre Threshold B", _N),
)
"""In AUTOMATIC1111's order; a request names an axis by its place among those of its route."""


def axis_labels(route: str) -> tuple[str, ...]:
    """The labels of a route's axes, in order."""
    return tuple(axis.label for axis in AXES if route in axis.routes)


def find_axis(label: str) -> AxisName:
    """The axis of a label. Raises ``KeyError``."""
    return {axis.label: axis for axis in AXES}[label]
