"""Names of new models, and the recipe in their metadata, as AUTOMATIC1111 writes them."""

import json
from pathlib import Path

import pytest

from generator.errors import BadRequest
from generator.model_tools.output_names import default_name, output_path
from generator.model_tools.recipe_metadata import (
    LARGEST_HISTORY,
    MODELS,
    OF_ONE_FILE,
    RECIPE,
    compose_metadata,
    describe_models,
    describe_recipe,
)
from generator.model_tools.recipes import (
    ConfigSource,
    EmaChoice,
    MergeMode,
    ModelRecipe,
    OutputForm,
    Precision,
)
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.registry import Folders

SUM, DIFFERENCE = MergeMode.WEIGHTED_SUM, MergeMode.ADD_DIFFERENCE


def model(name: str, sha256: str | None = None, **metadata: str) -> ModelFile:
    path = Path("/m") / name
    return ModelFile(
        ModelKind.CHECKPOINT, name, path, 0, 0, 0, sha256=sha256, metadata=metadata
    )  # fmt: skip


FILES = [model("a.safetensors", "aa"), model("sub/b.ckpt", "bb"), model("c.safetensors")]


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (ModelRecipe(("a", "b"), SUM, 0.3), "0.7(a) + 0.3(sub_b)"),
        (ModelRecipe(("a", "b"), SUM, 1 / 3), "0.67(a) + 0.33(sub_b)"),
        (ModelRecipe(("a", "b", "c"), DIFFERENCE, 1.0), "a + 1.0(sub_b - c)"),
        (ModelRecipe(("a",)), "a-pruned"),
        (ModelRecipe(("a",), form=OutputForm(Precision.BF16)), "a-bf16"),
    ],
)
def test_names_where_nobody_gives_one(recipe: ModelRecipe, name: str) -> None:
    assert default_name(recipe, FILES) == name


def test_a_converted_pickle_keeps_its_name() -> None:
    assert default_name(ModelRecipe(("b",)), FILES[1:]) == "sub_b"


@pytest.mark.parametrize(
    ("given", "channels", "written"),
    [("mine", None, "mine"), (" mine.ckpt ", None, "mine"), ("mine.safetensors", None, "mine"),
     ("v1.5", None, "v1.5"), ("mine", 9, "mine.inpainting"), ("mine", 8, "mine.instruct-pix2pix"),
     ("", None, "a-pruned")],
)  # fmt: skip
def test_names_that_are_given(
    tmp_path: Path, given: str, channels: int | None, written: str
) -> None:
    recipe = ModelRecipe(("a",), name=given)
    path = output_path(recipe, FILES, channels, Folders.under(tmp_path))
    assert path.name == f"{written}.safetensors"
    assert path.parent == Folders.under(tmp_path).of(ModelKind.CHECKPOINT)[0]


@pytest.mark.parametrize("given", ["../x", "a/b", "a\\b", ".hidden", "a\nb", "\ud800", "é" * 130])
def test_names_that_cannot_be(tmp_path: Path, given: str) -> None:
    with pytest.raises(BadRequest, match=r"^name: ") as refusal:
        output_path(ModelRecipe(("a",), name=given), FILES, None, Folders.under(tmp_path))
    assert str(tmp_path) not in str(refusal.value)


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    folders = Folders.under(tmp_path)
    path = output_path(ModelRecipe(("a",), name="x"), FILES, None, folders)
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(BadRequest, match=r"x\.safetensors is there already"):
        output_path(ModelRecipe(("a",), name="x"), FILES, None, folders)
    again = ModelRecipe(("a",), name="x", overwrite=True)
    assert output_path(again, FILES, None, folders) == path


def test_a_recipe_has_a1111s_keys() -> None:
    form = OutputForm(Precision.FP16, EmaChoice.KEEP, "v.pt", "^x", ConfigSource.B)
    recipe = ModelRecipe(("a", "b"), SUM, 0.25, "mine", form)
    assert describe_recipe(recipe, FILES[:2], 9) == {
        "type": "webui", "primary_model_hash": "aa", "secondary_model_hash": "bb",
        "tertiary_model_hash": None, "interp_method": "Weighted sum", "multiplier": 0.25,
        "save_as_half": True, "custom_name": "mine", "config_source": 1, "bake_in_vae": "v.pt",
        "discard_weights": "^x", "is_inpainting": True, "is_instruct_pix2pix": False,
        "easel_precision": "fp16", "easel_ema": "keep",
    }  # fmt: skip


def test_a_conversion_has_no_multiplier() -> None:
    told = describe_recipe(ModelRecipe(("a",), multiplier=0.7), FILES[:1], 8)
    assert (told["multiplier"], told["bake_in_vae"], told["save_as_half"]) == (0, "None", False)
    assert (told["is_inpainting"], told["is_instruct_pix2pix"]) == (False, True)


def test_metadata_of_the_later_files_win_and_what_is_of_one_file_goes() -> None:
    own = dict.fromkeys(OF_ONE_FILE, "x")
    files = [model("a.safetensors", **own, who="a", only="a", format="np"), model("b", who="b")]
    told = compose_metadata(ModelRecipe(("a", "b"), SUM, note_recipe=False), files, None)
    assert told == {"who": "b", "only": "a", "format": "pt"}
    noted = compose_metadata(ModelRecipe(("a", "b"), SUM), files, None)
    assert json.loads(noted[RECIPE])["type"] == "webui"
    assert json.loads(noted[MODELS]) == {}  # nothing is hashed


def test_the_history_of_the_parts_comes_along() -> None:
    recipe = {"type": "webui"}
    merged = model(
        "m.safetensors", "mm",
        **{RECIPE: json.dumps(recipe), MODELS: json.dumps({"old": {"name": "o"}})},
    )  # fmt: skip
    told = describe_models([merged, FILES[0], FILES[2]])
    assert set(told) == {"mm", "old", "aa"}
    assert told["mm"] == {"name": "m.safetensors", "legacy_hash": None, RECIPE: recipe}
    assert told["old"] == {"name": "o"}


@pytest.mark.parametrize(
    "text", ["{", "[1]", "3", "[" * 100_000, f'{{"x": "{"y" * LARGEST_HISTORY}"}}']
)
def test_a_history_that_is_broken_or_too_long_is_left_out(text: str) -> None:
    told = describe_models([model("m", "mm", **{RECIPE: text, MODELS: text})])
    assert told == {"mm": {"name": "m", "legacy_hash": None, RECIPE: None}}
