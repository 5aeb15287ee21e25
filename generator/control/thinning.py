"""Thins lines to one pixel. Greys are (H,W) arrays of 8 bits, white on black.

Thinning is the hit-or-miss transform with the L elements of Golay (1969), as in Gonzalez and
Woods, "Digital Image Processing", section 9.5; pruning is their end-point elements.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]  # (H,W)
Element = NDArray[np.int8]  # 1 white, -1 black, 0 either

MAX_ROUNDS = 32


def _four_rotations(*rows: list[list[int]]) -> tuple[Element, ...]:
    """Each element in its four directions, one direction after the other."""
    return tuple(np.rot90(np.array(row, np.int8), turn).copy() for turn in range(4) for row in rows)


EDGES = _four_rotations([[-1, -1, -1], [0, 1, 0], [1, 1, 1]], [[0, -1, -1], [1, 1, -1], [0, 1, 0]])
ENDS = _four_rotations(
    [[-1, -1, -1], [-1, 1, -1], [0, 0, -1]], [[-1, -1, -1], [-1, 1, -1], [-1, 0, 0]]
)
ACROSS = (  # a pixel's neighbours along the four directions
    np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]], np.uint8),
    np.array([[0, 1, 0], [0, 1, 0], [0, 1, 0]], np.uint8),
    np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.uint8),
    np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], np.uint8),
)


def keep_ridges(grey: Grey) -> Grey:
    """What is brightest across at least one direction; all else black."""
    best = np.zeros_like(grey)
    for line in ACROSS:
        peak = cv2.dilate(grey, line) == grey
        best[peak] = grey[peak]
    return best


def thin_lines(grey: Grey, prune: bool) -> Grey:
    """The white parts worn down to lines; ``prune`` takes their loose ends off afterwards."""
    white = grey
    for _ in range(MAX_ROUNDS):
        less = _remove_matches(white, EDGES)
        if np.array_equal(less, white):
            break
        white = less
    return _remove_matches(white, ENDS) if prune else white


def _remove_matches(white: Grey, elements: tuple[Element, ...]) -> Grey:
    for element in elements:
        hit = cv2.morphologyEx(white, cv2.MORPH_HITMISS, element)
        white = np.where(hit > 127, 0, white).astype(np.uint8)
    return white
