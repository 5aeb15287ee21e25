"""Which weights a new model has: running averages, what a training keeps, a baked VAE, fit."""

import pytest

from generator.errors import BadRequest, WrongArchitecture
from generator.model_tools.averages import average_name, choose_weights
from generator.model_tools.baked_vae import bake_vae
from generator.model_tools.fit import (
    check_fit,
    check_recipe,
    is_mergeable,
    is_wider_input,
)
from generator.model_tools.recipes import MODELS_OF_MODE, EmaChoice, MergeMode, ModelRecipe
from generator.models.families.detection_table import CONV_IN
from generator.models.families.ldm.keys import vae_names
from generator.models.families.ldm.sizes import VAE
from generator.models.header import TensorEntry
from tests.generator.models.ldm_shapes import vae_shapes

WEIGHT = "model.diffusion_model.out.2.weight"
AVERAGE = "model_ema.diffusion_modelout2weight"
Shapes = dict[str, tuple[int, ...]]


def entries(shapes: Shapes, kind: str = "F32") -> dict[str, TensorEntry]:
    return {name: TensorEntry(kind, shape, 0, 4) for name, shape in shapes.items()}


def chosen(shapes: Shapes, ema: EmaChoice) -> tuple[dict[str, TensorEntry], list[str]]:
    return choose_weights("a.ckpt", entries(shapes), ema)


def test_the_name_of_an_average_has_no_dots() -> None:
    assert average_name(WEIGHT) == AVERAGE
    assert average_name("first_stage_model.quant_conv.weight") == ""
    assert average_name("betas") == ""


@pytest.mark.parametrize("ema", EmaChoice)
def test_the_state_of_a_training_is_left_out_whatever_becomes_of_averages(ema: EmaChoice) -> None:
    state: Shapes = {
        "optimizer_states.0": (1,), "lr_schedulers.x": (1,), "callbacks.y": (1,), "loops.z": (1,),
        "ema_state.decay": (),
    }  # fmt: skip
    weights, notes = chosen({WEIGHT: (2,), AVERAGE: (2,), **state}, ema)
    assert not state.keys() & weights.keys()
    assert notes[0].startswith("5 tensors of a training's state")


def test_averages_are_dropped_and_that_is_told() -> None:
    weights, notes = chosen({WEIGHT: (2,), AVERAGE: (2,), "model_ema.decay": ()}, EmaChoice.DROP)
    assert set(weights) == {WEIGHT}
    assert notes == ["2 running averages (model_ema.) were left out."]
    assert chosen({WEIGHT: (2,)}, EmaChoice.DROP)[1] == []


def test_averages_are_kept() -> None:
    weights, notes = chosen({WEIGHT: (2,), AVERAGE: (2,)}, EmaChoice.KEEP)
    assert set(weights) == {WEIGHT, AVERAGE}
    assert notes == []


def test_averages_take_the_places_of_weights_of_their_shape() -> None:
    other, odd = "model.diffusion_model.in.weight", "model.odd"
    shapes: Shapes = {WEIGHT: (2,), AVERAGE: (2,), other: (3,), odd: (4,), "model_ema.odd": (5,)}
    tensors = entries(shapes)
    tensors[AVERAGE] = TensorEntry("F16", (2,), 8, 12)
    weights, notes = choose_weights("a", tensors, EmaChoice.USE)
    assert set(weights) == {WEIGHT, other, odd}
    assert weights[WEIGHT] is tensors[AVERAGE]
    assert weights[odd] is tensors[odd]  # its average is of another shape
    assert notes == ["1 tensors are the training's running averages."]


@pytest.mark.parametrize("shapes", [{WEIGHT: (2,)}, {WEIGHT: (2,), AVERAGE: (3,)}])
def test_averages_that_are_not_there_cannot_be_used(shapes: Shapes) -> None:
    with pytest.raises(BadRequest, match=r"^ema: a\.ckpt keeps no running averages"):
        chosen(shapes, EmaChoice.USE)


@pytest.mark.parametrize("form", ["bare", "whole", "diffusers"])
def test_a_vae_is_baked_whatever_its_names(form: str) -> None:
    whole = vae_shapes((32, 64))
    named = {
        "whole": whole,
        "bare": {name.removeprefix(VAE): shape for name, shape in whole.items()},
        "diffusers": {new: whole[old] for old, new in vae_names(whole).items()},
    }
    more: Shapes = {"loss.logvar": (), "model_ema.decay": ()}
    baked = bake_vae("v", entries(named[form] | more), entries(whole | {WEIGHT: (2,)}))
    assert {name: entry.shape for name, entry in baked.items()} == whole


def test_a_vae_comes_into_a_model_that_has_none() -> None:
    shapes = vae_shapes((32,))
    assert set(bake_vae("v", entries(shapes), entries({WEIGHT: (2,)}))) == set(shapes)


@pytest.mark.parametrize(
    "shapes",
    [{"decoder.odd.weight": (1,)}, {"encoder.conv_in.weight": (32, 3, 3, 3)}, {"x": (1,)}, {}],
)
def test_what_is_no_vae_of_such_a_checkpoint(shapes: Shapes) -> None:
    with pytest.raises(WrongArchitecture, match="vae: v holds no VAE"):
        bake_vae("v", entries(shapes), entries(vae_shapes((32,))))


def test_a_vae_of_other_latents_is_refused() -> None:
    with pytest.raises(WrongArchitecture, match="a VAE of another kind"):
        bake_vae("v", entries(vae_shapes((32,), latent=16)), entries(vae_shapes((32,))))


@pytest.mark.parametrize("mode", MergeMode)
def test_a_mode_takes_so_many_models(mode: MergeMode) -> None:
    for count in range(5):
        recipe = ModelRecipe(("m",) * count, mode)
        if count == MODELS_OF_MODE[mode]:
            check_recipe(recipe)
        else:
            with pytest.raises(BadRequest, match=rf"takes {MODELS_OF_MODE[mode]} .*{count} came"):
                check_recipe(recipe)


@pytest.mark.parametrize(
    ("multiplier", "fits"),
    [(-2.0, True), (0.0, True), (3.0, True), (-2.01, False), (3.01, False), (float("nan"), False),
     (float("inf"), False)],
)  # fmt: skip
def test_a_multiplier_has_a_range(multiplier: float, fits: bool) -> None:
    recipe = ModelRecipe(("a", "b"), MergeMode.WEIGHTED_SUM, multiplier)
    if fits:
        check_recipe(recipe)
    else:
        with pytest.raises(BadRequest, match="is not in -2 to 3"):
            check_recipe(recipe)


@pytest.mark.parametrize(
    ("name", "takes_part"),
    [
        (WEIGHT, True), ("first_stage_model.quant_conv.weight", True),
        ("cond_stage_model.transformer.text_model.x", True), ("alphas_cumprod", False),
        ("cond_stage_model.x.position_ids", False), (AVERAGE, False),
    ],
)  # fmt: skip
def test_what_takes_part_in_a_merge(name: str, takes_part: bool) -> None:
    assert is_mergeable(name) is takes_part


@pytest.mark.parametrize(
    ("name", "a", "b", "wider"),
    [
        (CONV_IN, (8, 9, 3, 3), (8, 4, 3, 3), True), (CONV_IN, (8, 8, 3, 3), (8, 4, 3, 3), True),
        (CONV_IN, (8, 5, 3, 3), (8, 4, 3, 3), False), (CONV_IN, (8, 9, 3, 3), (8, 8, 3, 3), False),
        (CONV_IN, (8, 9, 3, 3), (7, 4, 3, 3), False), (CONV_IN, (8, 9, 3, 3), (8, 4, 1, 1), False),
        (CONV_IN, (8, 9), (8, 4), False), (WEIGHT, (8, 9, 3, 3), (8, 4, 3, 3), False),
    ],
)  # fmt: skip
def test_wider_first_convolutions(
    name: str, a: tuple[int, ...], b: tuple[int, ...], wider: bool
) -> None:
    assert is_wider_input(name, a, b) is wider


def sd1(inputs: int = 4, **more: tuple[int, ...]) -> Shapes:
    return {CONV_IN: (8, inputs, 3, 3), WEIGHT: (4, 8, 3, 3), **more}


@pytest.mark.parametrize(
    ("a", "b", "wider"), [(4, 4, None), (9, 9, None), (8, 8, None), (9, 4, 9), (8, 4, 8)]
)
def test_models_that_fit(a: int, b: int, wider: int | None) -> None:
    assert check_fit([("a", sd1(a)), ("b", sd1(b))]) == wider


@pytest.mark.parametrize("inputs", [8, 9])
def test_the_wider_model_must_be_the_first(inputs: int) -> None:
    with pytest.raises(
        WrongArchitecture, match=rf"A is a \(4 input channels\), and b has {inputs}"
    ):
        check_fit([("a", sd1()), ("b", sd1(inputs))])
    with pytest.raises(
        WrongArchitecture, match=rf"A is a \(4 input channels\), and c has {inputs}"
    ):
        check_fit([("a", sd1()), ("b", sd1()), ("c", sd1(inputs))])


def test_inpainting_and_editing_do_not_fit() -> None:
    with pytest.raises(WrongArchitecture, match=r"\[8, 9, 3, 3\] in a and \[8, 8, 3, 3\] in b"):
        check_fit([("a", sd1(9)), ("b", sd1(8))])


def test_shapes_count_where_both_have_a_tensor_that_takes_part() -> None:
    position = "cond_stage_model.position_ids"
    a, b = sd1(**{position: (1, 77), "model.only_a": (3,)}), sd1(**{position: (77,)})
    assert check_fit([("a", a), ("b", b)]) is None
    with pytest.raises(WrongArchitecture, match=r"\[3\] in a and \[4\] in b"):
        check_fit([("a", a), ("b", {**b, "model.only_a": (4,)})])


def test_other_architectures_do_not_fit_and_both_are_named() -> None:
    xl = sd1() | {"conditioner.embedders.1.model.ln_final.weight": (4,)}
    with pytest.raises(WrongArchitecture, match=r"a is Stable Diffusion 1\.x.* and x is .*XL"):
        check_fit([("a", sd1()), ("x", xl)])


def test_unknown_models_fit_where_they_share_names() -> None:
    assert check_fit([("a", {"model.x": (1,)}), ("b", {"model.x": (1,), "y": (2,)})]) is None
    with pytest.raises(WrongArchitecture, match="no tensor in common"):
        check_fit([("a", {"model.x": (1,), "betas": (1,)}), ("b", {"betas": (1,)})])
