"""Sizes of the second pass: contract section 5.1."""

import pytest

from generator.hires.hires_size import HiresSize, second_pass_size
from generator.request import HiresFix


@pytest.mark.parametrize(
    ("scale", "resize", "wanted"),
    [
        (2.0, (0, 0), HiresSize(1024, 1536)),
        (1.5, (0, 0), HiresSize(768, 1152)),
        (2.0, (1024, 0), HiresSize(1024, 1536)),
        (2.0, (0, 1024), HiresSize(682, 1024)),
        (2.0, (1024, 1024), HiresSize(1024, 1536, 0, 64)),
        (2.0, (512, 1024), HiresSize(682, 1024, 21, 0)),
    ],
)
def test_targets(scale: float, resize: tuple[int, int], wanted: HiresSize) -> None:
    fix = HiresFix(0.5, scale, *resize)
    assert second_pass_size(fix, 512, 768) == wanted
