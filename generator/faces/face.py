"""A face in a picture."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (H,W,3), RGB


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """Where a face is: eyes, tip of the nose, corners of the mouth, each pair left first as one
    looks at the picture.
    """

    points: NDArray[np.float64]  # (5,2): x, y in pixels of the picture
    score: float  # how sure the detector is, 0..1


FindFaces = Callable[[Pixels], list[Face]]
"""The faces of a picture, the surest first."""
