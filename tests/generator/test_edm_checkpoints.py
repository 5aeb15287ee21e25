"""Checkpoints with continuous noise draw: Playground v2.5 and CosXL, made of a tiny SDXL one."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.modules.module import register_module_forward_pre_hook

from generator.engine import Engine
from generator.errors import WrongArchitecture
from generator.hooks import NullListener
from generator.models.checkpoint import Checkpoint, load_checkpoint
from generator.models.families.architecture import Architecture
from generator.models.families.family import Prediction
from generator.models.kinds import ModelKind
from generator.models.registry import Folders, Registry
from generator.pictures.base64_images import write_base64
from generator.request import (
    GenerationRequest,
    HiresFix,
    Mask,
    Origin,
    Refiner,
    Sampling,
    Seeds,
    Snapshot,
)
from tests.parity.compare import psnr
from tests.parity.recorded_xl import CHECKPOINTS, make_models

MEAN, DEVIATION = [-1.5, 1.0, -1.0, 2.5], [8.0, 6.0, 6.5, 5.0]
MARKERS = {
    "playground": {"edm_mean": torch.tensor(MEAN), "edm_std": torch.tensor(DEVIATION)},
    "cosxl": {
        "edm_vpred.sigma_max": torch.tensor(110.0),
        "edm_vpred.sigma_min": torch.tensor(0.004),
    },
    "broken": {"edm_vpred.sigma_max": torch.tensor(-1.0)},
}
RANGES = {"playground": (0.002, 80.0, 0.5), "cosxl": (0.004, 110.0, 1.0)}
PICTURE = Image.fromarray(
    np.random.RandomState(0).randint(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
)
REQUEST = GenerationRequest(
    "a cat",
    Seeds(7),
    "dog",
    Sampling("Euler", steps=4),
    64,
    64,
    options=Snapshot(randn_source="CPU"),
)


class Levels(NullListener):
    """Keeps the noise levels of each pass."""

    def __init__(self) -> None:
        self.passes: list[Tensor] = []

    @property
    def follows_sampling(self) -> bool:
        return True

    def before_sampling(self, latent: Tensor, sigmas: Tensor, request: object) -> Tensor:
        self.passes.append(sigmas)
        return latent


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data") / CHECKPOINTS
    make_models(["tinyxl"], folder)
    tensors = load_file(folder / "tinyxl.safetensors")
    for name, markers in MARKERS.items():
        save_file(tensors | markers, folder / f"{name}.safetensors")
    return Engine(Registry(Folders.under(folder.parents[1])), listener=Levels())


@contextmanager
def unet_calls() -> Iterator[list[tuple[Tensor, Tensor]]]:
    """(latent, time) of each call of a U-Net while open."""
    calls: list[tuple[Tensor, Tensor]] = []

    def note(module: object, args: tuple[Any, ...]) -> None:
        if isinstance(module, UNet2DConditionModel):
            calls.append((args[0], args[1]))

    hook = register_module_forward_pre_hook(note)
    try:
        yield calls
    finally:
        hook.remove()


def draw(engine: Engine, name: str, **changes: Any) -> Image.Image:
    return engine.run(replace(REQUEST, checkpoint=name, **changes)).pictures[0].image


def load(engine: Engine, name: str) -> Checkpoint:
    file = engine._registry.find_checkpoint(name)
    return load_checkpoint(file, torch.device("cpu"), torch.float32)


def levels_of(engine: Engine) -> Tensor:
    listener = engine._listener
    assert isinstance(listener, Levels)
    return listener.passes[-1]


def test_they_are_told_by_name(engine: Engine) -> None:
    files = engine._registry.index.files_of(ModelKind.CHECKPOINT)
    kinds = {file.stem: file.architecture for file in files}
    assert kinds["playground"] is Architecture.PLAYGROUND
    assert (kinds["cosxl"], kinds["tinyxl"]) == (Architecture.COSXL, Architecture.SDXL)
    assert all(file.is_drawable for file in files)


@pytest.mark.parametrize("name", RANGES)
def test_text_to_picture_walks_the_whole_range(engine: Engine, name: str) -> None:
    low, high, data = RANGES[name]
    with unet_calls() as calls:
        image = draw(engine, name)
    levels = levels_of(engine)
    assert [float(levels[0]), float(levels[-2])] == pytest.approx([high, low], rel=1e-3)
    times = [float(time[0]) for _, time in calls]
    assert times == pytest.approx([math.log(float(each)) / 4 for each in levels[:-1]], abs=1e-4)
    assert float(calls[0][0].std()) == pytest.approx(
        1.0, abs=0.15
    )  # c_in makes it of unit variance
    assert psnr(image, draw(engine, "tinyxl")) < 40
    assert psnr(image, draw(engine, name)) >= 60
    loaded = load(engine, name)
    assert loaded.prediction is (Prediction.V if name == "cosxl" else Prediction.EDM)
    assert loaded.edm is not None
    assert loaded.edm.sigma_data == data


def test_playgrounds_latents_have_its_statistics(engine: Engine) -> None:
    config = load(engine, "playground").vae.config
    assert config.scaling_factor == 0.5
    assert (config.latents_mean, config.latents_std) == (MEAN, DEVIATION)


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_picture_to_picture_and_inpainting_start_from_the_picture(
    engine: Engine, name: str, sampler: str
) -> None:
    """A little noise leaves what the VAE makes of the picture, much of it does not."""
    origin = Origin((write_base64(PICTURE),), strength=0.0)
    sampling = Sampling(sampler, steps=8, guidance=1.0)
    kept = draw(engine, "tinyxl", origin=origin, sampling=Sampling("Euler", steps=8))
    still = draw(engine, name, origin=origin, sampling=sampling)
    free = draw(engine, name, origin=replace(origin, strength=0.9), sampling=sampling)
    assert psnr(still, kept) > psnr(free, kept) + 3
    white = np.zeros((64, 64, 3), np.uint8)
    white[:, 32:] = 255
    mask = Mask(write_base64(Image.fromarray(white)), 0, 0, fill=1, only_masked=False)
    repainted = draw(
        engine, name, origin=replace(origin, strength=0.9, mask=mask), sampling=sampling
    )
    left, right = (0, 0, 24, 64), (40, 0, 64, 64)
    assert psnr(repainted.crop(left), PICTURE.crop(left)) >= 40
    assert psnr(repainted.crop(right), PICTURE.crop(right)) < 25


def test_hires_fix_may_go_on_with_its_kin_but_a_refiner_may_not(engine: Engine) -> None:
    fix = HiresFix(scale=2.0, upscaler="Latent", strength=0.5, steps=2, checkpoint="tinyxl")
    assert draw(engine, "playground", hires=fix).size == (128, 128)
    with pytest.raises(WrongArchitecture, match=r"tinyxl.*playground.*of the same kind"):
        draw(engine, "playground", refiner=Refiner("tinyxl", 0.5))
    assert draw(engine, "cosxl", refiner=Refiner("tinyxl", 0.5)).size == (64, 64)


def test_a_marker_that_makes_no_sense_is_told(engine: Engine) -> None:
    with pytest.raises(Exception, match=r"broken.safetensors: its tensors edm_vpred"):
        draw(engine, "broken")
