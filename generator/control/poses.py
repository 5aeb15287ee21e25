"""Draws openpose maps from keypoints (contract 1.15, 10.8). No torch.

Keypoints are COCO's 18 in openpose's order: nose, neck, right arm, left arm, right leg, left leg,
eyes, ears; 21 for a hand, wrist first, four for each finger; any number for a face. Cao et al.
2017, "Realtime multi-person 2D pose estimation".
"""

import colorsys
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
FINGERS = tuple(
    (0 if joint == 0 else finger * 4 + joint, finger * 4 + joint + 1)
    for finger in range(5)
    for joint in range(4)
)
JOINTS, HAND = 18, 21
LIMB_BRIGHTNESS = 0.6  # limbs are darker than the joints on them
LIMB_RADIUS = 4  # pixels: half a limb's width, a joint's radius
CORNERS = 40  # of the polygon that stands for an ellipse
WHITE: Colour = (255, 255, 255)
HAND_JOINT: Colour = (0, 0, 255)


@dataclass(frozen=True, slots=True)
class Person:
    """Keypoints as x, y, confidence after one another; in pixels, or all in 0..1."""

    body: Sequence[float]
    hands: Sequence[Sequence[float]] = ()
    face: Sequence[float] = ()


def draw_skeletons(people: Sequence[Person], width: int, height: int) -> Image.Image:
    """The people on black, ``width`` x ``height`` pixels, RGB. Unseen keypoints are left out."""
    image = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(image)
    for person in people:
        _draw_body(pen, to_points(person.body, width, height, JOINTS))
        for hand in person.hands:
            _draw_hand(pen, to_points(hand, width, height, HAND))
        for point in to_points(person.face, width, height, len(person.face) // 3):
            if point is not None:
                _draw_dot(pen, point, 3, WHITE)
    return image


def to_points(numbers: Sequence[float], width: int, height: int, count: int) -> list[Point | None]:
    """``count`` points in pixels, None for those that are missing or of no confidence."""
    rows = list(zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=False))
    # Numbers of 0..1 are shares of the canvas; in pixels they would all be one dot.
    shares = all(0 <= part <= 1 for x, y, _ in rows for part in (x, y))
    across, down = (width, height) if shares else (1, 1)
    points: list[Point | None] = [(x * across, y * down) if c > 0 else None for x, y, c in rows]
    return (points + [None] * count)[:count]


def hue_at(place: int, of: int) -> Colour:
    """The colour at ``place`` of ``of`` around the wheel, red first."""
    red, green, blue = colorsys.hsv_to_rgb(place / of, 1.0, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_body(pen: ImageDraw.ImageDraw, points: Sequence[Point | None]) -> None:
    for place, (start, end) in enumerate(_point_pairs(points, LIMBS)):
        if start is not None and end is not None:
            red, green, blue = (int(part * LIMB_BRIGHTNESS) for part in hue_at(place, JOINTS))
            pen.polygon(_ellipse_between(start, end), fill=(red, green, blue))
    for place, point in enumerate(points):
        if point is not None:
            _draw_dot(pen, point, LIMB_RADIUS, hue_at(place, JOINTS))


def _draw_hand(pen: ImageDraw.ImageDraw, points: Sequence[Point | None]) -> None:
    for place, (start, end) in enumerate(_point_pairs(points, FINGERS)):
        if start is not None and end is not None:
            pen.line((*start, *end), fill=hue_at(place, len(FINGERS)), width=2)
    for point in points:
        if point is not None:
            _draw_dot(pen, point, LIMB_RADIUS, HAND_JOINT)


def _point_pairs(
    points: Sequence[Point | None], pairs: Sequence[tuple[int, int]]
) -> Iterator[tuple[Point | None, Point | None]]:
    return ((points[start], points[end]) for start, end in pairs)


def _ellipse_between(start: Point, end: Point) -> list[Point]:
    """The outline of an ellipse from one point to another."""
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    half = math.dist(start, end) / 2
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    turns = (2 * math.pi * corner / CORNERS for corner in range(CORNERS))
    return [
        (
            middle[0]
            + half * math.cos(t) * math.cos(angle)
            - LIMB_RADIUS * math.sin(t) * math.sin(angle),
            middle[1]
            + half * math.cos(t) * math.sin(angle)
            + LIMB_RADIUS * math.sin(t) * math.cos(angle),
        )
        for t in turns
    ]


def _draw_dot(pen: ImageDraw.ImageDraw, point: Point, radius: float, colour: Colour) -> None:
    x, y = point
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
