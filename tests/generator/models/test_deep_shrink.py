"""Larger pictures: composed as the checkpoint learned them, and only where that is wanted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from generator.models.checkpoint import Checkpoint, UNet2DConditionModel
from generator.models.deep_shrink import is_shrunk, shrink_features
from generator.models.index import trained_size
from generator.pictures.base64_images import write_base64
from generator.prompt.tokenizer import clip_tokenizer
from generator.request import GenerationRequest, HiresFix, Origin, Sampling, Seeds
from training import export
from training.companions.effects import make_engine
from training.sampling import SampleRequest, draw_with


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    network = UNet2DConditionModel(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        norm_num_groups=4,
        attention_head_dim=2,
    )
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def sides(unet: UNet2DConditionModel) -> Iterator[list[int]]:
    """The heights that the second level sees, call by call."""
    seen: list[int] = []
    handle = unet.down_blocks[1].register_forward_pre_hook(
        lambda _module, _args, named: seen.append(named["hidden_states"].shape[-2]),
        with_kwargs=True,
    )
    yield seen
    handle.remove()


def make_unet_call(
    unet: UNet2DConditionModel, size: tuple[int, int], time: float, learned: int | None
):  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    x, t = torch.randn(2, 4, *size), torch.full((2,), time)
    context = torch.randn(2, 5, 8)

    def run_unet() -> Tensor:
        return unet(x, t, context).sample  # type: ignore[no-any-return]

    with shrink_features(unet, x, t, learned):
        within = run_unet()
    return within, run_unet()


@pytest.mark.parametrize(
    ("size", "time", "learned"),
    [
        ((32, 32), 999, None),  # a checkpoint that says nothing
        ((32, 32), 999, 256),  # the size that it learned
        ((36, 64), 999, 256),  # hardly larger, if wider
        ((64, 64), 600, 256),  # where things stand is settled
    ],
)
def test_nothing_is_done_where_it_is_not_wanted(
    unet: UNet2DConditionModel, size: tuple[int, int], time: float, learned: int | None
) -> None:
    within, without = make_unet_call(unet, size, time, learned)
    assert torch.allclose(within, without, atol=1e-5)


@pytest.mark.parametrize(("size", "seen"), [((64, 64), 16), ((64, 96), 16), ((57, 51), 20)])
def test_inner_levels_see_the_learned_size(
    unet: UNet2DConditionModel, sides: list[int], size: tuple[int, int], seen: int
) -> None:
    sides.clear()
    within, without = make_unet_call(unet, size, 999, 256)
    assert within.shape == without.shape == (2, 4, *size)
    assert sides == [seen, -(-size[0] // 2)]
    assert not torch.allclose(within, without, atol=1e-3)


def test_an_error_leaves_the_network_as_it_was(unet: UNet2DConditionModel) -> None:
    x, t = torch.randn(2, 4, 64, 64), torch.full((2,), 999.0)
    with pytest.raises(RuntimeError), shrink_features(unet, x, t, 256):
        unet(x, t, torch.randn(2, 5, 9))
    within, without = make_unet_call(unet, (64, 64), 600, 256)
    assert torch.allclose(within, without, atol=1e-5)


def test_only_checkpoints_that_say_so_are_asked() -> None:
    assert trained_size({"easel.preferred_size": "256x256"}) == 256
    assert trained_size({"modelspec.resolution": "512x512"}) is None
    assert trained_size({"easel.preferred_size": "large"}) is None


def test_the_service_composes_what_begins_from_noise_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A larger pass of hires fix, and a picture to redraw, say themselves where things stand."""
    told: list[int | None] = []

    def record(x: Tensor, t: Tensor, learned: int | None) -> bool:
        told.append(learned)
        return is_shrunk(x, t, learned)

    monkeypatch.setattr("generator.job.noise_predictor.is_shrunk", record)
    engine = make_engine(export.FILE, [], tmp_path)
    plain = GenerationRequest(
        "a red house", Seeds(1), sampling=Sampling("Euler", steps=1), width=64, height=64
    )
    engine.run(plain)
    assert set(told) == {256}
    told.clear()
    engine.run(replace(plain, hires=HiresFix(0.8, steps=1)))
    assert (told[0], told[-1]) == (256, None)
    told.clear()
    engine.run(replace(plain, origin=Origin((write_base64(Image.new("RGB", (64, 64))),), 1.0)))
    assert set(told) == {None}


@pytest.fixture(scope="module")
def default() -> Checkpoint:
    return export.read(export.FILE)


def test_a_prompt_alone_is_composed_in_the_service(
    default: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps at 512 x 512 differ from those of the bare network."""
    wish = SampleRequest(("a red house",), (1,), steps=2, size=512)
    with_it = draw_with(default, clip_tokenizer(), wish)[0]
    monkeypatch.setattr("training.sampling.trained_size", lambda _told: None)
    without = draw_with(default, clip_tokenizer(), wish)[0]
    assert with_it.size == without.size == (512, 512)
    assert with_it.tobytes() != without.tobytes()
