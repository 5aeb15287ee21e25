"""Sizes of the second pass: contract section 5.1."""

import pytest

from generator.hires_size import Target, target
from generator.request import HiresFix


@pytest.mark.parametrize(
    ("scale", "resize", "wanted"),
    [
        (2.0, (0, 0), Target(1024, 1536)),
        (1.5, (0, 0), Target(768, 1152)),
        (2.0, (1024, 0), Target(1024, 1536)),
        (2.0, (0, 1024), Target(682, 1024)),
        (2.0, (1024, 1024), Target(1024, 1536, 0, 64)),
        (2.0, (512, 1024), Target(682, 1024, 21, 0)),
    ],
)
def test_targets(scale: float, resize: tuple[int, int], wanted: Target) -> None:
    fix = HiresFix(0.5, scale, *resize)
    assert target(fix, 512, 768) == wanted
