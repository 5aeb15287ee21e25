"""Canvas in unit coordinates (0..1, y down) and pen in an object's coordinates (-1..1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from training.palette import INK, RGB

SIZE = 256  # pixels, the finished picture unless another size is asked for
SUPERSAMPLING = 2  # drawn larger, then averaged: the only antialiasing

Point = tuple[float, float]


def gradient(top: RGB, bottom: RGB, side: int) -> Image.Image:
    """A sheet (side x side) that runs from ``top`` to ``bottom``."""
    share = np.linspace(0, 1, side)[:, None, None]  # (side, 1, 1)
    rows = np.array(top) * (1 - share) + np.array(bottom) * share  # (side, 1, 3)
    pixels = np.broadcast_to(rows, (side, side, 3)).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels))


@dataclass(frozen=True)
class Pen:
    """Draws one object: its box -1..1 lies around ``(x, y)`` with half-height ``reach`` (0..1).

    ``outlined`` draws every part with an ink line, for the drawing style of that name.
    """

    sheet: Image.Image
    x: float
    y: float
    reach: float
    outlined: bool = False
    mirrored: bool = False

    def _draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.sheet)

    def _point(self, point: Point) -> Point:
        side = -point[0] if self.mirrored else point[0]
        return (self.x + side * self.reach) * self.sheet.width, (
            self.y + point[1] * self.reach
        ) * self.sheet.width

    def _box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        px, py = self._point((x, y))
        wide, high = (
            abs(rx) * self.reach * self.sheet.width,
            abs(ry) * self.reach * self.sheet.width,
        )
        return px - wide, py - high, px + wide, py + high

    def _line_width(self) -> int:
        return max(2, round(0.007 * self.sheet.width))

    def _edge(self) -> RGB | None:
        return INK if self.outlined else None

    def oval(self, x: float, y: float, rx: float, ry: float, colour: RGB) -> None:
        """An ellipse around ``(x, y)``."""
        box, width = self._box(x, y, rx, ry), self._line_width()
        self._draw().ellipse(box, fill=colour, outline=self._edge(), width=width)

    def disc(self, x: float, y: float, radius: float, colour: RGB) -> None:
        """A circle around ``(x, y)``."""
        self.oval(x, y, radius, radius, colour)

    def hoop(self, x: float, y: float, radius: float, width: float, colour: RGB) -> None:
        """A circle's line, ``width`` inwards from ``radius``."""
        pixels = max(1, round(width * self.reach * self.sheet.width))
        self._draw().ellipse(self._box(x, y, radius, radius), outline=colour, width=pixels)

    def slab(self, x: float, y: float, rx: float, ry: float, colour: RGB, soft: float = 0) -> None:
        """A rectangle around ``(x, y)`` with half-sizes ``rx``, ``ry``; ``soft`` rounds corners."""
        box, edge, width = self._box(x, y, rx, ry), self._edge(), self._line_width()
        if soft:
            radius = soft * self.reach * self.sheet.width
            self._draw().rounded_rectangle(box, radius, fill=colour, outline=edge, width=width)
        else:
            self._draw().rectangle(box, fill=colour, outline=edge, width=width)

    def shape(self, points: Sequence[Point], colour: RGB) -> None:
        """A filled polygon."""
        placed = [self._point(point) for point in points]
        self._draw().polygon(placed, fill=colour)
        if self.outlined:
            self._draw().line([*placed, placed[0]], INK, self._line_width(), "curve")

    def stroke(self, points: Sequence[Point], width: float, colour: RGB) -> None:
        """A line of ``width`` (object units) through the points."""
        placed = [self._point(point) for point in points]
        self._draw().line(
            placed, colour, max(1, round(width * self.reach * self.sheet.width)), "curve"
        )

    def slice(
        self, x: float, y: float, radii: Point, angles: tuple[float, float], colour: RGB
    ) -> None:
        """A pie slice of the ellipse ``radii`` between ``angles`` (degrees, clockwise from 3)."""
        start, end = angles
        if self.mirrored:
            start, end = 180 - end, 180 - start
        box, edge, width = self._box(x, y, *radii), self._edge(), self._line_width()
        self._draw().pieslice(box, start, end, fill=colour, outline=edge, width=width)


def round_points(
    count: int, radius: float, start: float = -math.pi / 2, dent: float = 1.0
) -> list[Point]:
    """A regular polygon; with ``dent`` < 1 every second corner is drawn in: a star."""
    corners = count * 2 if dent < 1 else count
    points = []
    for corner in range(corners):
        reach = radius * (dent if corner % 2 and dent < 1 else 1)
        angle = start + 2 * math.pi * corner / corners
        points.append((reach * math.cos(angle), reach * math.sin(angle)))
    return points
