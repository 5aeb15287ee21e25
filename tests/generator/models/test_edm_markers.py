"""What the markers of a checkpoint with continuous noise tell, and what is made of bad ones."""

import pytest

from generator.errors import ModelUnreadable
from generator.model_tools.fit import check_fit
from generator.models.families.family import LatentFormat, Prediction
from generator.models.families.ldm.edm import Edm, read_edm
from tests.generator.models.architecture_fixtures import XL_TEXT, unet

LATENT = LatentFormat(scale=0.13025)
PLAYGROUND = {
    "edm_mean": [-1.6574, 1.886, -1.383, 2.5155],
    "edm_std": [8.4927, 5.9022, 6.5498, 5.2299],
}
HIGH, LOW = "edm_vpred.sigma_max", "edm_vpred.sigma_min"


def read(markers: dict[str, list[float]]) -> Edm | None:
    return read_edm("a.safetensors", {"model.x", *markers}, markers.__getitem__, LATENT)


def test_playground_tells_its_latents_and_cosxl_its_range() -> None:
    assert read({}) is None
    assert read({"edm_mean": [0.0] * 4}) is None
    playground = read(PLAYGROUND)
    assert playground is not None
    assert (playground.latent.scale, playground.prediction) == (0.5, Prediction.EDM)
    assert playground.latent.mean == tuple(PLAYGROUND["edm_mean"])
    assert playground.latent.deviation == tuple(PLAYGROUND["edm_std"])
    noise = playground.noise
    assert (noise.sigma_min, noise.sigma_max, noise.sigma_data) == (0.002, 80.0, 0.5)
    assert noise.schedule == "Karras"
    cosxl = read({HIGH: [130.0], LOW: [0.01]})
    assert cosxl is not None
    assert (cosxl.latent, cosxl.prediction) == (LATENT, Prediction.V)
    assert (cosxl.noise.sigma_min, cosxl.noise.sigma_max, cosxl.noise.sigma_data) == (0.01, 130, 1)
    alone = read({HIGH: [120.0]})
    assert alone is not None
    assert alone.noise.sigma_min == 0.002


@pytest.mark.parametrize(
    "markers",
    [
        PLAYGROUND | {"edm_std": [1.0, 1.0, 1.0, 0.0]},
        PLAYGROUND | {"edm_std": [1.0, 1.0, 1.0, float("nan")]},
        PLAYGROUND | {"edm_mean": []},
        PLAYGROUND | {"edm_mean": [float("inf")] * 4},
        PLAYGROUND | {"edm_std": [1.0] * 16},
        {HIGH: [0.001]},
        {HIGH: [1.0, 2.0]},
        {HIGH: [float("inf")]},
        {HIGH: [80.0], LOW: [80.0]},
        {HIGH: [80.0], LOW: [-1.0]},
    ],
)
def test_markers_that_make_no_sense_are_told(markers: dict[str, list[float]]) -> None:
    with pytest.raises(ModelUnreadable, match=r"a\.safetensors: its tensors edm_"):
        read(markers)


def test_they_merge_with_their_kin() -> None:
    plain = unet(4, 2048) | XL_TEXT
    assert check_fit([("cosxl", plain | {HIGH: ()}), ("xl", plain)]) is None
