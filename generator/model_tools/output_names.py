"""Names of merged and converted models: AUTOMATIC1111's where nobody gives one (contract 5.13)."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from generator.errors import BadRequest, ModelUnreadable
from generator.model_tools.recipes import MergeMode, ModelRecipe, Precision
from generator.models.index import ModelFile
from generator.models.kinds import WEIGHT_SUFFIXES, Folders
from generator.models.plain_files import check_name

SUFFIX = ".safetensors"
LONGEST_NAME = 255  # bytes that file systems take
ENDINGS = {9: ".inpainting", 8: ".instruct-pix2pix"}
"""What is added to the name, by the input channels of A where B has fewer."""


def output_path(
    recipe: ModelRecipe, files: Sequence[ModelFile], channels: int | None, folders: Folders
) -> Path:
    """The file to write. ``channels``: of A, where its first convolution is wider than B's.

    Raises :class:`BadRequest` naming the field ``name``.
    """
    name = recipe.name.strip()
    if name.lower().endswith(WEIGHT_SUFFIXES):
        name = str(PurePosixPath(name).with_suffix(""))
    stem = (name or default_name(recipe, files)) + ENDINGS.get(channels or 0, "")
    file_name = f"{stem}{SUFFIX}"
    try:
        check_name(file_name)
    except ModelUnreadable as error:
        raise BadRequest(f"name: {error}", "name") from None
    if "/" in file_name or "\\" in file_name or stem.startswith("."):
        raise BadRequest(
            f"name: {stem!r} is no name of a file: leave out slashes and the dot in front", "name"
        )
    if len(file_name.encode()) > LONGEST_NAME:
        raise BadRequest(f"name: {file_name[:60]!r}... is too long; give a shorter name", "name")
    path = folders.of(recipe.kind)[0] / file_name
    if path.exists() and not recipe.overwrite:
        raise BadRequest(
            f"name: {file_name} is there already; give another name, or allow overwriting", "name"
        )
    return path


def default_name(recipe: ModelRecipe, files: Sequence[ModelFile]) -> str:
    """``0.7(A) + 0.3(B)``, ``A + 0.3(B - C)``; of one model its name, and what is new about it."""
    names = [file.model_name for file in files]
    second = round(recipe.multiplier, 2)
    match recipe.mode:
        case MergeMode.WEIGHTED_SUM:
            return f"{round(1 - recipe.multiplier, 2)}({names[0]}) + {second}({names[1]})"
        case MergeMode.ADD_DIFFERENCE:
            return f"{names[0]} + {second}({names[1]} - {names[2]})"
    if files[0].path.suffix != SUFFIX:
        return names[0]
    keeps = recipe.form.precision is Precision.KEEP
    return f"{names[0]}-{'pruned' if keeps else recipe.form.precision}"
