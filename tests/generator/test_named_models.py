"""Names of models are looked up without anything being loaded."""

from dataclasses import replace
from pathlib import Path

import pytest

from generator.errors import BadRequest
from generator.models.registry import Folders, Registry
from generator.named_models import check_models
from generator.pictures.upscaler_names import find_upscaler
from generator.request import ControlUnit, GenerationRequest, HiresFix, Refiner, Seeds
from tests.webapp.conftest import write_model

PLAIN = GenerationRequest("a cat", Seeds(1))
LOST = {
    "checkpoint": {"checkpoint": "lost"},
    "VAE": {"vae": "lost"},
    "refiner": {"refiner": Refiner("lost", 0.8)},
    "second pass": {"hires": HiresFix(strength=0.5, checkpoint="lost")},
    "upscaler": {"hires": HiresFix(strength=0.5, upscaler="lost")},
    "ControlNet": {"controls": (ControlUnit(module="none", model="lost"),)},
}
FOUND = {
    "nothing": {},
    "its own VAE": {"vae": "None"},
    "latent": {"hires": HiresFix(strength=0.5, upscaler="Latent")},
    "all": {
        "checkpoint": "painter",
        "vae": "clear",
        "refiner": Refiner("painter", 0.8),
        "hires": HiresFix(strength=0.5, checkpoint="painter"),
    },
}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    write_model(tmp_path / "models/Stable-diffusion/painter.safetensors")
    write_model(tmp_path / "models/VAE/clear.safetensors")
    return Registry(Folders.under(tmp_path))


@pytest.mark.parametrize("what", LOST)
def test_what_is_not_here_is_told(registry: Registry, what: str) -> None:
    request = replace(PLAIN, **LOST[what])
    with pytest.raises(BadRequest, match="lost"):
        check_models(request, registry, lambda name: find_upscaler(registry, name))


@pytest.mark.parametrize("what", FOUND)
def test_what_is_here_passes(registry: Registry, what: str) -> None:
    request = replace(PLAIN, **FOUND[what])
    check_models(request, registry, lambda name: find_upscaler(registry, name))
