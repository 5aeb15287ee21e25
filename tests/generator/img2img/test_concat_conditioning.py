"""Checkpoints that look at more than the latent: for inpainting, and InstructPix2Pix."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from generator import default_checkpoint
from generator.engine import Engine
from generator.img2img.concat_conditioning import ConcatConditioning, make_channel_adder
from generator.models.checkpoint import load_checkpoint
from generator.models.registry import Folders, Registry
from generator.request import (
    GenerationRequest,
    HiresFix,
    Mask,
    Origin,
    Picture,
    Sampling,
    Seeds,
    Snapshot,
)
from generator.sampling.predictor import GuidanceSide, Rows
from tests.image_compare import is_same_drawing
from tests.parity.compare import psnr

CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"
DEFAULT = Path(default_checkpoint.__file__).with_name("easel-default.safetensors")
SIZE = 64


def write_widened_checkpoint(to: Path, extra: int, strength: float) -> None:
    """The default checkpoint with ``extra`` input channels of random weights."""
    with safe_open(DEFAULT, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    weight = tensors[CONV_IN]
    torch.manual_seed(0)
    more = torch.randn(weight.shape[0], extra, *weight.shape[2:]) * strength
    tensors[CONV_IN] = torch.cat([weight, more.to(weight)], dim=1)
    save_file(tensors, to, metadata)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    torch.set_num_threads(1)
    data_dir = tmp_path_factory.mktemp("data")
    folder = data_dir / "models/Stable-diffusion"
    folder.mkdir(parents=True)
    for kind, extra in (("inpainting", 5), ("editing", 4)):
        write_widened_checkpoint(folder / f"{kind}-blind.safetensors", extra, 0.0)
        write_widened_checkpoint(folder / f"{kind}.safetensors", extra, 0.1)
    (folder / "plain.safetensors").symlink_to(DEFAULT)
    return Registry(Folders.under(data_dir), None)


@pytest.fixture(scope="module")
def engine(registry: Registry) -> Engine:
    return Engine(registry)


def picture(colour: str, box_colour: str | None = None) -> str:
    image = Image.new("RGB", (SIZE, SIZE), colour)
    if box_colour:
        image.paste(box_colour, (16, 16, 48, 48))
    data = io.BytesIO()
    image.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


REQUEST = GenerationRequest(
    prompt="a red house on green grass",
    seeds=Seeds(7),
    sampling=Sampling("Euler", steps=2),
    width=SIZE,
    height=SIZE,
    options=Snapshot(randn_source="CPU"),
)
INPAINT = replace(
    REQUEST,
    origin=Origin(
        (picture("#4080c0", "#c04020"),),
        strength=1.0,
        mask=Mask(picture("#000000", "#ffffff"), 0, 0, fill=1, only_masked=False),
    ),
)
EDIT = replace(REQUEST, origin=Origin((picture("#4080c0", "#c04020"),), strength=1.0))

Drawn = Callable[[str, GenerationRequest], Picture]


@pytest.fixture(scope="module")
def draw_with_checkpoint(engine: Engine) -> Drawn:
    return lambda name, request: engine.run(replace(request, checkpoint=name)).pictures[0]


@pytest.mark.parametrize(
    "request_", [REQUEST, INPAINT, EDIT], ids=["txt2img", "inpaint", "img2img"]
)
@pytest.mark.parametrize("kind", ["inpainting-blind", "editing-blind"])
def test_channels_without_weight_change_nothing(
    draw_with_checkpoint: Drawn, kind: str, request_: GenerationRequest
) -> None:
    assert is_same_drawing(
        draw_with_checkpoint(kind, request_).image, draw_with_checkpoint("plain", request_).image
    )


def test_an_inpainting_checkpoint_sees_what_is_around_the_mask(draw_with_checkpoint: Drawn) -> None:
    plain, seeing = (draw_with_checkpoint(name, INPAINT).image for name in ("plain", "inpainting"))
    assert psnr(plain, seeing) < 40
    around = replace(INPAINT.origin, images=(picture("#c0c020", "#c04020"),))
    assert (
        psnr(seeing, draw_with_checkpoint("inpainting", replace(INPAINT, origin=around)).image) < 30
    )


@pytest.mark.parametrize(("weight", "hidden"), [(1.0, True), (0.5, False)])
def test_what_is_under_the_mask_is_hidden(registry: Registry, weight: float, hidden: bool) -> None:
    file = registry.find_checkpoint("inpainting")
    checkpoint = load_checkpoint(file, torch.device("cpu"), torch.float32)
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., 16:48, 16:48] = 1
    seen = []
    for level in (-0.5, 0.5):
        pixels = torch.zeros(1, 3, SIZE, SIZE) + level * mask
        beside = make_channel_adder(
            checkpoint, checkpoint.vae, ConcatConditioning((8, 8), pixels, mask, weight)
        )
        assert beside is not None
        seen.append(
            beside(
                torch.zeros(2, 4, 8, 8),
                Rows((0, 0), (GuidanceSide.POSITIVE, GuidanceSide.NEGATIVE)),
            )
        )
    assert seen[0].shape == (2, 9, 8, 8)
    assert seen[0][:, 4, 2:6, 2:6].min() == 1
    assert seen[0][:, 4].sum() == 2 * 16
    assert torch.equal(*seen) is hidden


def test_the_mask_weight_lets_it_see_under_the_mask(draw_with_checkpoint: Drawn) -> None:
    half = replace(INPAINT, options=replace(INPAINT.options, inpainting_mask_weight=0.5))
    other = replace(half.origin, images=(picture("#4080c0", "#20c040"),))
    one, two = (draw_with_checkpoint("inpainting", r) for r in (half, replace(half, origin=other)))
    inside = [np.asarray(p.image.crop((16, 16, 48, 48)), float) for p in (one, two)]
    assert np.abs(inside[0] - inside[1]).mean() > 0.5
    assert "Conditional mask weight: 0.5" in one.infotext


def test_an_inpainting_checkpoint_draws_without_a_picture(engine: Engine) -> None:
    found = engine.run(replace(REQUEST, checkpoint="inpainting"))
    assert found.facts == {"is_using_inpainting_conditioning": True}
    assert "Conditional mask weight: 1.0" in found.pictures[0].infotext
    larger = replace(REQUEST, hires=HiresFix(0.5, upscaler="Lanczos"), checkpoint="inpainting")
    assert engine.run(larger).pictures[0].image.size == (2 * SIZE, 2 * SIZE)


def test_an_editing_checkpoint_follows_the_picture(draw_with_checkpoint: Drawn) -> None:
    def follow(scale: float | None, colour: str = "#c04020") -> Picture:
        origin = replace(EDIT.origin, images=(picture("#4080c0", colour),), image_guidance=scale)
        return draw_with_checkpoint("editing", replace(EDIT, origin=origin))

    plain, once, more = draw_with_checkpoint("plain", EDIT), follow(None), follow(3.0)
    assert psnr(plain.image, once.image) < 40
    assert psnr(once.image, more.image) < 40
    assert is_same_drawing(follow(1.0).image, once.image)
    assert psnr(more.image, follow(3.0, "#20c040").image) < 40
    assert "CFG scale: 7.0, Image CFG scale: 3.0, Seed: 7" in more.infotext
    assert "Image CFG" not in plain.infotext
