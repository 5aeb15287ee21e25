"""ControlNets for SDXL steer whole jobs, in both layouts, in every kind of job."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from generator.control.controlnets import ControlNetModel
from generator.control.units import PROMPT_FIRST
from generator.engine import Engine
from generator.errors import BadRequest, WrongArchitecture
from generator.request import (
    ControlUnit,
    GenerationRequest,
    HiresFix,
    Origin,
    Refiner,
    Sampling,
    Seeds,
    Snapshot,
)
from tests.generator.control import sdxl_controls
from tests.generator.control.conftest import SIZES, SQUARES, encode_pixels
from tests.parity.compare import psnr

PICTURE = encode_pixels(SQUARES)
REFINER = "tinyxl_refiner"
SD1_CHANNELS = {**SIZES, "cross_attention_dim": 768}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    data_dir = tmp_path_factory.mktemp("data")
    names = (sdxl_controls.CHECKPOINT, REFINER)
    checkpoint = sdxl_controls.make_checkpoints(data_dir, *names)
    control = sdxl_controls.controlnet_of(data_dir)
    zero = dict(control.state_dict())
    steering = sdxl_controls.randomise(zero)
    original = sdxl_controls.to_original(steering, checkpoint)
    sdxl_controls.save_control(data_dir, "zero", zero)
    sdxl_controls.save_control(data_dir, "diffusers", steering)
    sdxl_controls.save_control(data_dir, "original", original)
    lora = sdxl_controls.low_rank_of(original)
    sdxl_controls.save_control(data_dir, "low_rank", lora)
    sdxl_controls.save_control(data_dir, "merged", sdxl_controls.merge_by_hand(original, lora))
    unfit = lora | {"input_blocks.0.0.up": torch.zeros(9, 2)}
    sdxl_controls.save_control(data_dir, "unfit", unfit)
    for kinds in (6, 8):
        union = sdxl_controls.union_of(control, kinds)
        sdxl_controls.save_control(data_dir, f"union{kinds}", dict(union.state_dict()))
    sd1 = dict(ControlNetModel(**SD1_CHANNELS).state_dict())
    sdxl_controls.save_control(data_dir, "sd15_lines", sd1)
    return sdxl_controls.engine_over(data_dir)


def ask(*units: ControlUnit) -> GenerationRequest:
    return GenerationRequest(
        "a cat",
        Seeds(7),
        "dog",
        Sampling("Euler", steps=2),
        64,
        64,
        checkpoint=sdxl_controls.CHECKPOINT,
        controls=units,
        options=Snapshot(randn_source="CPU"),
    )


def draw(engine: Engine, *units: ControlUnit, **fields: object) -> Image.Image:
    return engine.run(replace(ask(*units), **fields)).pictures[0].image


def unit(model: str, **fields: object) -> ControlUnit:
    return replace(ControlUnit(model=model, image=PICTURE), **fields)


@pytest.fixture(scope="module")
def plain(engine: Engine) -> Image.Image:
    return draw(engine)


def test_one_of_zeros_changes_nothing(engine: Engine, plain: Image.Image) -> None:
    assert psnr(draw(engine, unit("zero")), plain) >= 60


def test_both_layouts_steer_alike(engine: Engine, plain: Image.Image) -> None:
    steered = draw(engine, unit("diffusers"))
    assert psnr(steered, plain) < 40
    assert psnr(steered, draw(engine, unit("original"))) >= 60
    soft = draw(engine, unit("diffusers", control_mode=PROMPT_FIRST))
    assert psnr(soft, steered) < psnr(soft, plain)


@pytest.mark.parametrize(
    "fields",
    [
        {"origin": Origin((PICTURE,), 0.9)},
        {"hires": HiresFix(0.7, 1.5)},
    ],
    ids=["img2img", "hires"],
)
def test_every_kind_of_job_is_steered(engine: Engine, fields: dict[str, object]) -> None:
    assert psnr(draw(engine, unit("diffusers"), **fields), draw(engine, **fields)) < 40


@pytest.mark.parametrize(
    "asked",
    [ControlUnit(model="diffusers"), ControlUnit("reference_only")],
    ids=["net", "reference"],
)
def test_units_end_where_a_refiner_of_another_family_takes_over(
    engine: Engine, asked: ControlUnit
) -> None:
    asked = replace(asked, image=PICTURE)
    fields = {
        "refiner": Refiner(REFINER, 0.3),  # draws the last two of four steps
        "sampling": Sampling("Euler", steps=4),
        "batches": 2,
    }
    request = replace(ask(asked), **fields)
    steered, alone = engine.run(request), engine.run(replace(request, controls=()))
    late = engine.run(replace(request, controls=(replace(asked, guidance_start=0.3),)))
    for number in range(2):
        assert psnr(steered.pictures[number].image, alone.pictures[number].image) < 45
        assert psnr(late.pictures[number].image, alone.pictures[number].image) >= 60
    (said,) = steered.comments
    assert "ended there" in said
    assert f"{REFINER}.safetensors is Stable Diffusion XL refiner" in said
    assert alone.comments == ()


def test_references_steer(engine: Engine, plain: Image.Image) -> None:
    referred = ControlUnit("reference_adain+attn", image=PICTURE)
    assert psnr(draw(engine, referred), plain) < 45


def test_a_control_lora_is_the_merged_controlnet(engine: Engine, plain: Image.Image) -> None:
    drawn = draw(engine, unit("low_rank"))
    assert psnr(drawn, draw(engine, unit("merged"))) >= 50
    assert psnr(drawn, plain) < 40
    assert psnr(drawn, draw(engine, unit("original"))) < 40


def test_a_control_lora_of_other_sizes_is_refused_naming_both(engine: Engine) -> None:
    with pytest.raises(WrongArchitecture, match=r"unfit\.safetensors.*tinyxl\.safetensors"):
        draw(engine, unit("unfit"))


def test_a_union_is_told_the_kind_of_map(engine: Engine, plain: Image.Image) -> None:
    hard = draw(engine, unit("union8", union_control_type="Hard Edge"))
    depth = draw(engine, unit("union8", union_control_type="Depth"))
    assert psnr(hard, plain) < 40
    assert psnr(hard, depth) < 50
    inverted = unit("union8", module="invert")
    named = replace(inverted, union_control_type="Hard Edge")
    assert psnr(draw(engine, inverted), draw(engine, named)) >= 60


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (unit("union8"), "no kind is named"),
        (unit("union6", module="tile_resample"), "for 6 kinds of maps; Tile is not among them"),
    ],
)
def test_a_kind_that_a_union_does_not_know_is_refused(
    engine: Engine, asked: ControlUnit, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        draw(engine, asked)


def test_one_for_another_family_is_refused_naming_both(engine: Engine) -> None:
    with pytest.raises(WrongArchitecture) as refused:
        draw(engine, unit("sd15_lines"))
    told = str(refused.value)
    for name in ("sd15_lines.safetensors", "tinyxl.safetensors"):
        assert name in told
    for kind in ("Stable Diffusion 1.x", "Stable Diffusion XL"):
        assert kind in told
