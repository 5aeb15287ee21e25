"""Maps to resize: a photograph, and lines."""

import numpy as np

from generator.control.map_resize import Pixels


def photograph(height: int, width: int) -> Pixels:
    return np.random.RandomState(0).randint(0, 256, (height, width, 3)).astype(np.uint8)


def lines(side: int = 64) -> Pixels:
    """A circle of one pixel, white on black."""
    map = np.zeros((side, side, 3), np.uint8)
    angles = np.linspace(0, 2 * np.pi, 720)
    rows = np.round(side / 2 + side / 3 * np.sin(angles)).astype(int)
    columns = np.round(side / 2 + side / 3 * np.cos(angles)).astype(int)
    map[rows, columns] = 255
    return map
