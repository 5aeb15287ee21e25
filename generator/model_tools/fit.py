"""Whether models can be merged: one architecture, and the same shapes. No torch."""

from collections.abc import Mapping, Sequence

from generator.errors import BadRequest, WrongArchitecture
from generator.model_tools.averages import EMA
from generator.model_tools.recipes import MODELS_OF_MODE, ModelRecipe
from generator.models.families.architecture import Architecture
from generator.models.families.detection import architecture_of, describe_architecture
from generator.models.families.detection_table import CONV_IN, EDM_LATENTS, EDM_V_MAX, EDM_V_MIN

Shapes = Mapping[str, tuple[int, ...]]
LATENT_CHANNELS = 4  # that a U-Net for plain drawing reads
WIDER = {9: "inpainting", 8: "instruct-pix2pix"}
"""Input channels of A that may be merged with the four of B: A's others stay as they are."""
EDM_MARKERS = frozenset({*EDM_LATENTS, EDM_V_MIN, EDM_V_MAX})
POSITION_IDS = "position_ids"
MULTIPLIER_RANGE = (-2.0, 3.0)


def check_recipe(recipe: ModelRecipe) -> None:
    """Refuse a recipe that cannot be, whatever its files. Raises :class:`BadRequest`."""
    wanted = MODELS_OF_MODE[recipe.mode]
    if len(recipe.models) != wanted:
        raise BadRequest(
            f"models: {recipe.mode} takes {wanted} model{'s' * (wanted > 1)}, and "
            f"{len(recipe.models)} came",
            "models",
        )
    low, high = MULTIPLIER_RANGE
    if not low <= recipe.multiplier <= high:
        raise BadRequest(f"multiplier: {recipe.multiplier:g} is not in {low:g} to {high:g}")


def check_fit(files: Sequence[tuple[str, Shapes]]) -> int | None:
    """See that the files, each a name with its shapes, can be merged into the first.

    The input channels of A where B has fewer; None where all have the same. Raises
    :class:`WrongArchitecture` naming the two that do not fit.
    """
    first, first_shapes = files[0]
    wider = None
    for name, shapes in files[1:]:
        a, b = _input_channels(first_shapes), _input_channels(shapes)
        if a != b and b in WIDER and a == LATENT_CHANNELS:
            raise WrongArchitecture(
                f"When merging {WIDER[b]} model with a normal one, A must be the {WIDER[b]} model: "
                f"A is {first} ({a} input channels), and {name} has {b}"
            )
        if a in WIDER and b == LATENT_CHANNELS:
            wider = a
        _check_architecture(first, _plain(first_shapes), name, _plain(shapes))
        _check_shapes(first, first_shapes, name, shapes)
    return wider


def is_mergeable(name: str) -> bool:
    """Whether a tensor takes part in a merge; all others stay as A has them (contract 5.13)."""
    return "model" in name and POSITION_IDS not in name and not name.startswith(EMA)


def is_wider_input(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether A's tensor is B's with further input channels, as of the first convolution."""
    return (
        name == CONV_IN
        and len(a) == len(b) == 4
        and a[1] in WIDER
        and b[1] == LATENT_CHANNELS
        and (a[0], *a[2:]) == (b[0], *b[2:])
    )


def _check_architecture(first: str, a: Shapes, name: str, b: Shapes) -> None:
    if architecture_of(a) is not architecture_of(b):
        raise WrongArchitecture(
            f"{first} is {describe_architecture(a)} and {name} is {describe_architecture(b)}: only "
            "models of one architecture can be merged"
        )
    if architecture_of(a) is Architecture.UNKNOWN and not _share_names(a, b):
        raise WrongArchitecture(
            f"{first} and {name} have no tensor in common: only models of one architecture can be "
            "merged"
        )


def _check_shapes(first: str, a: Shapes, name: str, b: Shapes) -> None:
    for key, shape in a.items():
        other = b.get(key)
        if other is None or other == shape or not is_mergeable(key):
            continue
        if not is_wider_input(key, shape, other):
            raise WrongArchitecture(
                f"{key} is {list(shape)} in {first} and {list(other)} in {name}: only models of "
                "one architecture can be merged"
            )


def _share_names(a: Shapes, b: Shapes) -> bool:
    return any(is_mergeable(name) for name in a.keys() & b.keys())


def _input_channels(shapes: Shapes) -> int | None:
    shape = shapes.get(CONV_IN, ())
    return shape[1] if len(shape) == 4 else None


def _plain(shapes: Shapes) -> Shapes:
    """The shapes of a model for plain drawing: its first convolution, no markers of its noise."""
    shapes = {name: shape for name, shape in shapes.items() if name not in EDM_MARKERS}
    if _input_channels(shapes) not in WIDER:
        return shapes
    out, _, *sides = shapes[CONV_IN]
    return {**shapes, CONV_IN: (out, LATENT_CHANNELS, *sides)}
