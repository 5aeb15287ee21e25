"""What stays of the old picture, step by step and at the end."""

import pytest
import torch

from generator.request import SoftInpainting
from generator.sampling.mask_blend import HardBlend, SoftBlend

OLD = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(1))
NEW = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(2))


def mask(value: float) -> torch.Tensor:
    return torch.full((1, 1, 3, 3), value)


def level(value: float) -> torch.Tensor:
    return torch.full((2,), value)


def test_a_hard_blend_is_the_same_at_each_level_and_at_the_end() -> None:
    blend = HardBlend(OLD, mask(0.25))
    wanted = 0.25 * NEW + 0.75 * OLD
    assert torch.allclose(blend(NEW, level(9.0)), wanted)
    assert torch.allclose(blend.finish(NEW), wanted)


@pytest.mark.parametrize(("value", "wanted"), [(1.0, NEW), (0.0, OLD)])
def test_a_soft_blend_keeps_both_ends(value: float, wanted: torch.Tensor) -> None:
    blend = SoftBlend(OLD, mask(value), SoftInpainting())
    assert torch.allclose(blend(NEW, level(2.0)), wanted, atol=1e-3)


def test_a_soft_blend_gives_way_as_noise_leaves() -> None:
    blend = SoftBlend(OLD, mask(0.5), SoftInpainting())
    near = [(blend(NEW, level(s)) - NEW).norm() for s in (10.0, 1.0, 0.1, 0.01)]
    assert near == sorted(near, reverse=True)
    assert torch.equal(blend.finish(NEW), NEW)


def test_a_soft_blend_keeps_the_length_of_its_parts() -> None:
    unit = OLD / OLD.norm(dim=1, keepdim=True)
    other = NEW / NEW.norm(dim=1, keepdim=True)
    mixed = SoftBlend(unit, mask(0.5), SoftInpainting(contrast_boost=32))(other, level(2.0))
    assert mixed.norm(dim=1).numpy() == pytest.approx(1.0, abs=1e-3)
