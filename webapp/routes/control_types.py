"""ControlNet control types: preprocessors and files of each. No torch."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from generator.control.catalogue import NONE
from generator.control.modules import MODULES, Module

TAGS = (
    "All", "Canny", "Depth", "IP-Adapter", "Inpaint", "Instant-ID", "InstructP2P", "Lineart",
    "MLSD", "NormalMap", "OpenPose", "Recolor", "Reference", "Revision", "Scribble",
    "Segmentation", "Shuffle", "SoftEdge", "SparseCtrl", "T2I-Adapter", "Tile",
)  # fmt: skip
OTHER_WORDS = {
    "InstructP2P": ("ip2p",),
    "IP-Adapter": ("ip_adapter", "ipadapter"),
    "Instant-ID": ("instant_id", "instantid"),
    "NormalMap": ("normal",),
    "OpenPose": ("densepose",),
    "Scribble": ("sketch",),
    "Segmentation": ("seg",),
    "T2I-Adapter": ("t2i_adapter", "t2iadapter", "t2ia"),
    "Tile": ("blur",),
}
"""Words beside a tag's own by which a file's name tells what it is for."""


class ControlType(TypedDict):
    """Preprocessors' labels and models' names of one kind of control, and its defaults."""

    module_list: list[str]
    model_list: list[str]
    default_option: str
    default_model: str


def control_type(tag: str, names: list[str], modules: Sequence[Module] = MODULES) -> ControlType:
    """One kind of control: what belongs to it, and what to begin with."""
    if tag == "All":
        labels = [module.label for module in modules]
        return control_type_json(labels, [NONE, *names], labels[0], NONE)
    labels = [m.label for m in modules if tag in m.tags or m.name == "none"]
    words = (tag.lower(), *OTHER_WORDS.get(tag, ()))
    matching = [name for name in names if any(word in name.lower() for word in words)]
    proper = [label for label in labels[1:] if not label.startswith("invert")]
    newest = [name for name in matching if "11" in name.partition(" ")[0]]
    default = next(iter([*newest, *matching]), NONE)
    return control_type_json(labels, [NONE, *matching], next(iter(proper), labels[0]), default)


def control_type_json(labels: list[str], names: list[str], label: str, name: str) -> ControlType:
    """A kind of control as the route tells it."""
    return {
        "module_list": labels,
        "model_list": names,
        "default_option": label,
        "default_model": name,
    }
