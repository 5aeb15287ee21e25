"""How far a picture grows at each side, for both kinds of outpainting."""

from dataclasses import dataclass
from math import ceil

from PIL import Image, ImageDraw

from generator.errors import BadRequest

SIDE_MULTIPLE = 64  # pixels: sides of outpainted pictures are multiples of it
LONGEST_SIDE = 4096


@dataclass(frozen=True, slots=True)
class Growth:
    """Pixels at each side, and the size of what comes of it."""

    left: int
    right: int
    up: int
    down: int
    size: tuple[int, int]

    def old_box(self, softness: tuple[int, int]) -> tuple[int, int, int, int]:
        """The old picture's box in the new one, ``softness`` pixels smaller where it grew."""
        x, y = softness
        width, height = self.size
        return (
            self.left + (x if self.left else 0),
            self.up + (y if self.up else 0),
            width - self.right - (x if self.right else 0),
            height - self.down - (y if self.down else 0),
        )


def compute_growth(size: tuple[int, int], pixels: int, directions: tuple[str, ...]) -> Growth:
    """A picture of ``size`` grown by ``pixels``, and by what is left to the next multiple of 64.

    Raises :class:`BadRequest` where nothing grows, or too much.
    """
    if not directions:
        raise BadRequest(
            "Outpainting direction: none is chosen.",
            "script_args",
            "missing",
            label="Outpainting direction",
        )
    left, right, up, down = (pixels if d in directions else 0 for d in _ORDER)
    width = ceil((size[0] + left + right) / SIDE_MULTIPLE) * SIDE_MULTIPLE
    height = ceil((size[1] + up + down) / SIDE_MULTIPLE) * SIDE_MULTIPLE
    if max(width, height) > LONGEST_SIDE:
        raise BadRequest(
            f"Outpainting: {width} x {height} pixels; at most {LONGEST_SIDE} a side.",
            "script_args",
            "too_many_pixels",
            width=width,
            height=height,
            most=LONGEST_SIDE,
        )
    left, right = _share_room(left, right, width - size[0])
    up, down = _share_room(up, down, height - size[1])
    return Growth(left, right, up, down, (width, height))


_ORDER = ("left", "right", "up", "down")


def _share_room(first: int, second: int, room: int) -> tuple[int, int]:
    """All of ``room`` for two sides, in proportion to what they asked for."""
    if first:
        first = first * room // (first + second)
    return first, room - first if second else second


def mask_outside(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """A mask that is black in ``box``, its right and lower edge included."""
    mask = Image.new("L", size, 255)
    if box[2] >= box[0] and box[3] >= box[1]:
        ImageDraw.Draw(mask).rectangle(box, fill=0)
    return mask
