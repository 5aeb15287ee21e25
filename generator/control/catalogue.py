"""Which ControlNets there are, and which one a name means (contract section 10.6). No torch."""

from collections.abc import Mapping, Sequence

from generator.control.modules import find_module
from generator.control.units import PLACE
from generator.errors import BadRequest, ModelNotFound
from generator.models.index import Index, ModelFile
from generator.models.kinds import SHELVES, Kind
from generator.models.registry import Registry
from generator.request import ControlUnit
from generator.unicode_names import to_nfc

NONE = "None"
NOT_CHOSEN = "You have not selected any ControlNet Model."


def listed(index: Index) -> Mapping[str, ModelFile]:
    """Every ControlNet under its name in the lists, ``stem [legacy hash]``, in order."""
    found: dict[str, ModelFile] = {}
    for file in index.of(Kind.CONTROLNET):
        found.setdefault(f"{file.stem} [{file.legacy_hash}]", file)
    return found


def find_model(index: Index, name: str) -> ModelFile:
    """The ControlNet that ``name`` means: a listed name, a stem, or a part of a listed name.

    Of several that contain it the shortest is meant. Raises :class:`ModelNotFound`.
    """
    names = listed(index)
    if name in names:
        return names[name]
    wanted = to_nfc(name).lower()
    for file in names.values():
        if to_nfc(file.stem).lower() == wanted:
            return file
    holding = [key for key in names if wanted in to_nfc(key).lower()]
    if wanted and holding:
        return names[min(holding, key=len)]
    here = f"Here are: {', '.join(names)}" if names else "There is no ControlNet yet"
    folder = SHELVES[Kind.CONTROLNET].made[0]
    raise ModelNotFound(f"model not found: {name}. {here}. Copy one into {folder}.", PLACE)


def model_of(unit: ControlUnit, registry: Registry) -> ModelFile | None:
    """The ControlNet that a unit draws with, None where it needs none.

    Looks at the disk again before it gives up. Raises :class:`ModelNotFound`, and
    :class:`BadRequest` where none is named.
    """
    module = find_module(unit.module)
    if module is not None and module.model_free:
        return None
    if unit.model in (NONE, ""):
        raise BadRequest(NOT_CHOSEN, PLACE)
    try:
        return find_model(registry.index, unit.model)
    except ModelNotFound:
        return find_model(registry.refresh(), unit.model)


def check_units(units: Sequence[ControlUnit], registry: Registry, has_picture: bool) -> None:
    """Refuse units whose ControlNet is not here, or that have no picture to look at.

    ``has_picture`` tells whether the job starts from one, as img2img does. Raises
    :class:`BadRequest` or :class:`ModelNotFound`.
    """
    for number, unit in enumerate(units):
        model_of(unit, registry)
        if unit.image is None and not has_picture:
            raise BadRequest(
                f"{PLACE}: controlnet is enabled but no input image is given "
                f"(enabled unit {number}); send one in image.",
                PLACE,
            )
