"""Detects the architecture of a set of tensors by names and shapes (contract section 5.11)."""

from bisect import bisect_left
from collections.abc import Iterable

from generator.models.families.architecture import PARTS, Architecture, Shapes
from generator.models.families.detection_table import CONV_IN, NETWORK_PREFIXES, RULES, Rule


def architecture_of(shapes: Shapes) -> Architecture:
    """The architecture of these tensors: that of the first row of the table which holds."""
    names = TensorNames(shapes)
    return next((rule.architecture for rule in RULES if holds(rule, names)), Architecture.UNKNOWN)


def describe_architecture(shapes: Shapes) -> str:
    """The label of their architecture; of a network alone, that the rest of it is missing.

    Of a U-Net that is none of ours its input channels are told.
    """
    architecture = architecture_of(shapes)
    if architecture is Architecture.OTHER_UNET:
        return f"a U-Net of {shapes[CONV_IN][1]} input channels"
    alone = architecture is Architecture.BARE_UNET or (
        architecture not in PARTS and not any(name.startswith(_WHOLE) for name in shapes)
    )
    return f"{architecture.label} (without text encoder and VAE)" if alone else architecture.label


def holds(rule: Rule, names: "TensorNames") -> bool:
    """Whether the tensors are as one row of the table says, whatever the other rows say."""
    return (
        all(names.has(name) for name in rule.required)
        and (not rule.one_of or any(names.has(name) for name in rule.one_of))
        and not any(names.has(name) for name in rule.forbidden)
        and all(names.side(name, axis) in sides for name, axis, sides in rule.sizes)
    )


class TensorNames:
    """The names and shapes of a file, to be looked up with and without a network's prefix."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = dict(_without_prefixes(shapes)) | dict(shapes)
        self._sorted = sorted(self._shapes)

    def has(self, pattern: str) -> bool:
        """Whether a tensor is called so.

        ``a.b.`` and ``a_`` stand for each name that begins so, ``*.c`` for each that ends so.
        """
        if pattern.startswith("*"):
            return any(name.endswith(pattern[1:]) for name in self._sorted)
        if not pattern.endswith((".", "_")):
            return pattern in self._shapes
        at = bisect_left(self._sorted, pattern)
        return at < len(self._sorted) and self._sorted[at].startswith(pattern)

    def side(self, name: str, axis: int) -> int | None:
        """How long a tensor is along an axis; None where it is not there or has no such axis."""
        shape = self._shapes.get(name, ())
        return shape[axis] if axis < len(shape) else None


_WHOLE = ("model.diffusion_model.", "conditioner.", "cond_stage_model.", "text_encoders.")
"""Names that only a file has which is laid out as a whole checkpoint, whether complete or not."""


def _without_prefixes(shapes: Shapes) -> Iterable[tuple[str, tuple[int, ...]]]:
    for name, shape in shapes.items():
        for prefix in NETWORK_PREFIXES:
            if name.startswith(prefix):
                yield name[len(prefix) :], shape
