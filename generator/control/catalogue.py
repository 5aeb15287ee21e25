"""Lists ControlNet files and finds one by name (contract section 10.6). No torch."""

from collections.abc import Mapping, Sequence

from generator.control.image_prompt_files import check_files
from generator.control.modules import find_module
from generator.control.network_files import find_network_files
from generator.control.units import CONTROLNET_FIELD
from generator.errors import BadRequest, ModelNotFound
from generator.models.index import ModelFile, ModelIndex
from generator.models.kinds import FOLDERS_BY_KIND, ModelKind
from generator.models.registry import Registry
from generator.request import ControlUnit
from generator.unicode_names import to_nfc

NONE = "None"
NOT_CHOSEN = "You have not selected any ControlNet Model."


def models_by_title(index: ModelIndex) -> Mapping[str, ModelFile]:
    """Every ControlNet under its name in the lists, ``stem [legacy hash]``, in order."""
    files_by_title: dict[str, ModelFile] = {}
    for file in index.files_of(ModelKind.CONTROLNET):
        files_by_title.setdefault(f"{file.stem} [{file.legacy_hash}]", file)
    return files_by_title


def find_model(index: ModelIndex, name: str) -> ModelFile:
    """The ControlNet that ``name`` means: a listed name, a stem, or a part of a listed name.

    Of several that contain it the shortest is meant. Raises :class:`ModelNotFound`.
    """
    files_by_title = models_by_title(index)
    if name in files_by_title:
        return files_by_title[name]
    wanted = to_nfc(name).lower()
    for file in files_by_title.values():
        if to_nfc(file.stem).lower() == wanted:
            return file
    matching_titles = [key for key in files_by_title if wanted in to_nfc(key).lower()]
    if wanted and matching_titles:
        return files_by_title[min(matching_titles, key=len)]
    here = (
        f"Here are: {', '.join(files_by_title)}" if files_by_title else "There is no ControlNet yet"
    )
    folder = FOLDERS_BY_KIND[ModelKind.CONTROLNET].created[0]
    raise ModelNotFound(
        f"model not found: {name}. {here}. Copy one into {folder}.",
        CONTROLNET_FIELD,
        value=name,
        known=[*files_by_title],
    )


def model_of(unit: ControlUnit, registry: Registry) -> ModelFile | None:
    """The ControlNet that a unit draws with, None where it needs none.

    Looks at the disk again before it gives up. Raises :class:`ModelNotFound`, and
    :class:`BadRequest` where none is named.
    """
    module = find_module(unit.module)
    if module is not None and module.model_free:
        return None
    if unit.model in (NONE, ""):
        raise BadRequest(NOT_CHOSEN, CONTROLNET_FIELD, "missing", other="model")
    try:
        return find_model(registry.index, unit.model)
    except ModelNotFound:
        index = registry.refresh()
    reason = registry.why_rejected(ModelKind.CONTROLNET, unit.model)
    if reason:
        raise ModelNotFound(
            f"{CONTROLNET_FIELD}: {unit.model[:80]!r} is there but cannot be used: {reason}.",
            CONTROLNET_FIELD,
            "model_unusable",
            value=unit.model,
        )
    return find_model(index, unit.model)


def check_units(units: Sequence[ControlUnit], registry: Registry, has_picture: bool) -> None:
    """Refuse units whose ControlNet or preprocessor is not here, or that lack a picture.

    So are IP-Adapters whose image encoder is not. ``has_picture`` tells whether the job starts
    from a picture, as img2img does. Raises :class:`BadRequest`, :class:`ModelNotFound` and
    :class:`generator.errors.ModelUnreadable`.
    """
    for number, unit in enumerate(units):
        try:
            _check_unit(unit, number, registry)
        except BadRequest as error:
            error.values["unit"] = number
            raise
        if unit.image is None and not has_picture:
            raise BadRequest(
                f"{CONTROLNET_FIELD}: controlnet is enabled but no input image is given "
                f"(enabled unit {number}); send one in image.",
                CONTROLNET_FIELD,
                "no_picture",
                unit=number,
            )


def _check_unit(unit: ControlUnit, number: int, registry: Registry) -> None:
    module = find_module(unit.module)
    if module is not None:  # else a plugin's
        find_network_files(module, registry, f"{CONTROLNET_FIELD}: module of unit {number}")
    file = model_of(unit, registry)
    if file and module and module.is_image_prompt:
        check_files(module, file, registry)
