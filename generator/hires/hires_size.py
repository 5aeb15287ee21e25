"""Sizes in pixels of hires fix (contract section 5.1). No torch: request checks use it."""

from dataclasses import dataclass

from generator.request import HiresFix

CELL = 8  # pixels of a picture to one cell of its latent


@dataclass(frozen=True, slots=True)
class HiresSize:
    """What the latent is enlarged to, and what is then cut off around the middle."""

    width: int  # pixels
    height: int
    cut_x: int = 0  # latent cells
    cut_y: int = 0


def second_pass_size(fix: HiresFix, width: int, height: int) -> HiresSize:
    """The second pass's size for a first pass of ``width`` x ``height`` pixels."""
    to_x, to_y = fix.resize_width, fix.resize_height
    if not to_x and not to_y:
        return HiresSize(int(width * fix.scale), int(height * fix.scale))
    if not to_y:
        return HiresSize(to_x, to_x * height // width)
    if not to_x:
        return HiresSize(to_y * width // height, to_y)
    if width / height < to_x / to_y:  # cover, then cut
        covering = to_x * height // width
        return HiresSize(to_x, covering, 0, (covering - to_y) // CELL)
    covering = to_y * width // height
    return HiresSize(covering, to_y, (covering - to_x) // CELL, 0)
