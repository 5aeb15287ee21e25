"""Checks a recipe by the headers of its files alone, before it is queued. No torch."""

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.model_tools.convertible import check_convertible
from generator.model_tools.fit import check_fit, check_recipe
from generator.model_tools.output_names import output_path
from generator.model_tools.recipes import MODELS_OF_MODE, ModelRecipe, Precision
from generator.models.embedding_facts import read_shapes
from generator.models.families.ldm.keys import old_text_name
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.registry import Registry
from generator.reasons import reason_of

LARGEST_GROWTH = 4  # times: from fp8 to fp32


def find_models(recipe: ModelRecipe, registry: Registry) -> list[ModelFile]:
    """The files of a recipe. Raises :class:`ModelNotFound`; quantised ones are refused."""
    if recipe.kind is ModelKind.CHECKPOINT:
        files = [registry.find_chosen(name) for name in recipe.models]
    else:
        files = [registry.find(recipe.kind, name) for name in recipe.models]
    for file in files:
        if file.parts:
            raise WrongArchitecture(
                f"{file.name} is a folder of diffusers; merging and converting read single files. "
                "Draw with it as it is, or take the model as one .safetensors"
            )
        if file.weight_format is not None:
            raise WrongArchitecture(
                f"{file.name} is quantised as {file.weight_format.label}; such weights are neither "
                "merged nor converted here: take the file in fp16 or bf16"
            )
    return files


def check_at_door(recipe: ModelRecipe, registry: Registry) -> int:
    """Refuse what cannot be; at most how many bytes will be written.

    Writing checks again, and what headers do not tell. Raises :class:`BadRequest` and
    :class:`ModelUnreadable`.
    """
    check_recipe(recipe)
    files = find_models(recipe, registry)
    vae = registry.find_vae(recipe.form.vae) if recipe.form.vae else None
    shapes = [(file.name, _shapes(file)) for file in files]
    is_merge = MODELS_OF_MODE[recipe.mode] > 1
    wider = check_fit(shapes) if is_merge else None
    if not is_merge and registry.plugin_family_of(files[0]) is None:
        check_convertible(files[0], shapes[0][1])
    output_path(recipe, files, wider, registry.folders)
    grows = recipe.form.precision is Precision.FP32
    return files[0].size * (LARGEST_GROWTH if grows else 1) + (vae.size if vae else 0)


def _shapes(file: ModelFile) -> dict[str, tuple[int, ...]]:
    try:
        return {old_text_name(name): shape for name, shape in read_shapes(file).items()}
    except OSError as error:
        raise ModelUnreadable(f"{file.name}: {reason_of(error)}") from error
