"""The metadata of a merged model, with the recipe as AUTOMATIC1111 writes it. No torch."""

import json
from collections.abc import Mapping, Sequence

from generator.model_tools.recipes import MergeMode, ModelRecipe, Precision
from generator.models.index import ModelFile
from generator.models.torch_to_safetensors import FACTS

RECIPE, MODELS = "sd_merge_recipe", "sd_merge_models"
OF_ONE_FILE = (FACTS, "modelspec.hash_sha256", "modelspec.thumbnail", "sshs_model_hash")
"""What is true of the file alone that it was written into."""
LARGEST_HISTORY = 1 << 20  # characters; of longer ones the recipes of the parts are left out


def compose_metadata(
    recipe: ModelRecipe, files: Sequence[ModelFile], wider_input: int | None
) -> dict[str, str]:
    """What the files say of themselves (C over B over A), ``format``, and the recipe."""
    metadata = {
        key: text for file in files for key, text in file.metadata.items() if key not in OF_ONE_FILE
    }
    metadata["format"] = "pt"
    if recipe.note_recipe:
        metadata[RECIPE] = json.dumps(describe_recipe(recipe, files, wider_input))
        metadata[MODELS] = json.dumps(describe_models(files))
    return metadata


def describe_recipe(
    recipe: ModelRecipe, files: Sequence[ModelFile], wider_input: int | None
) -> dict[str, object]:
    """AUTOMATIC1111's keys, and ours for what it does not know."""
    hashes = [file.sha256 for file in files] + [None] * 3
    form = recipe.form
    return {
        "type": "webui",
        "primary_model_hash": hashes[0],
        "secondary_model_hash": hashes[1],
        "tertiary_model_hash": hashes[2],
        "interp_method": str(recipe.mode),
        "multiplier": recipe.multiplier if recipe.mode is not MergeMode.NO_INTERPOLATION else 0,
        "save_as_half": form.precision is Precision.FP16,
        "custom_name": recipe.name,
        "config_source": list(type(form.config)).index(form.config),
        "bake_in_vae": form.vae or "None",
        "discard_weights": form.discard,
        "is_inpainting": wider_input == 9,
        "is_instruct_pix2pix": wider_input == 8,
        "easel_precision": str(form.precision),
        "easel_ema": str(form.ema),
    }


def describe_models(files: Sequence[ModelFile]) -> dict[str, object]:
    """Each model by its hash, with the recipe that it came from, and those that it came from."""
    models: dict[str, object] = {}
    for file in files:
        if file.sha256 is None:  # under --no-hashing nobody could tell which one it was
            continue
        models[file.sha256] = {
            "name": file.name,
            "legacy_hash": file.legacy_hash,
            RECIPE: _parse(file.metadata, RECIPE) or None,
        }
        models.update(_parse(file.metadata, MODELS))
    return models


def _parse(metadata: Mapping[str, str], key: str) -> dict[str, object]:
    text = metadata.get(key, "")
    if len(text) > LARGEST_HISTORY:
        return {}
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
