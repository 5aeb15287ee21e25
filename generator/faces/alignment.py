"""Cuts a face out of a picture, upright and 512 pixels large, and puts it back with soft edges."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator.faces.face import Face, Pixels

SIDE = 512  # pixels of an aligned face
TEMPLATE = np.array(
    [
        (192.98138, 239.94708),
        (318.90277, 240.1936),
        (256.63416, 314.01935),
        (201.26117, 371.41043),
        (313.08905, 371.15118),
    ]
)
"""Where the points of a face lie in an aligned one, as in FFHQ."""
OUTSIDE = (132, 133, 135)  # what stands for pixels beyond the picture's edge; RGB
BORDER = 10  # pixels of an aligned face that are never put back
BLUR = (101, 11.0)  # of the mask of a face's pixels, twice: kernel's side, sigma
LEAST_EYE_DISTANCE = 5.0  # pixels; nearer eyes are of a face that is too small or seen aside


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """A face cut out, and the way back."""

    pixels: Pixels  # (512,512,3)
    back: NDArray[np.float64]  # (2,3): from it to the picture


def is_large_enough(face: Face) -> bool:
    """Whether the eyes lie apart."""
    return bool(np.linalg.norm(face.points[0] - face.points[1]) >= LEAST_EYE_DISTANCE)


def align(picture: Pixels, face: Face) -> AlignedFace | None:
    """``face`` turned, scaled and moved onto the template; None where its points allow none."""
    there, _ = cv2.estimateAffinePartial2D(face.points, TEMPLATE, method=cv2.LMEDS)
    if there is None or not np.isfinite(there).all():
        return None
    pixels = cv2.warpAffine(picture, there, (SIDE, SIDE), borderValue=OUTSIDE)
    back = np.asarray(cv2.invertAffineTransform(there), np.float64)
    return AlignedFace(np.asarray(pixels, np.uint8), back)


def put_back(
    picture: Pixels, aligned: AlignedFace, restored: Pixels, face_pixels: NDArray | None
) -> Pixels:
    """``picture`` with the face ``restored`` (512,512,3) in its place.

    ``face_pixels`` (512,512) is 1 where the face is; None takes a square with soft edges.
    """
    box = _box_of(aligned.back, picture.shape[:2])
    if box is None:
        return picture
    rows, columns = box
    size = (columns.stop - columns.start, rows.stop - rows.start)  # w, h
    back = aligned.back.copy()
    back[:, 2] -= (columns.start, rows.start)
    drawn = cv2.warpAffine(restored, back, size).astype(np.float32)
    if face_pixels is None:
        opacity = _square_opacity(back, size)
    else:
        soft = cv2.warpAffine(_soften(face_pixels), back, size, flags=cv2.INTER_AREA)
        opacity = np.asarray(soft, np.float32)
    opacity = opacity[:, :, None]
    result = picture.copy()
    result[rows, columns] = (opacity * drawn + (1 - opacity) * picture[rows, columns]).astype(
        np.uint8
    )
    return result


def _box_of(back: NDArray[np.float64], size: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Rows and columns of a picture of ``size`` (h, w) that an aligned face reaches."""
    corners = np.array([(0, 0, 1), (SIDE, 0, 1), (0, SIDE, 1), (SIDE, SIDE, 1)]) @ back.T
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, (size[1], size[0]))
    if (low >= high).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _soften(face_pixels: NDArray) -> NDArray[np.float32]:
    """A mask with soft edges, nothing at its border."""
    side, sigma = BLUR
    mask = face_pixels.astype(np.float32)
    for _ in range(2):
        mask = np.asarray(cv2.GaussianBlur(mask, (side, side), sigma), np.float32)
    soft = np.zeros_like(mask)
    inner = slice(BORDER, -BORDER)
    soft[inner, inner] = mask[inner, inner]
    return soft


def _square_opacity(back: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    """A square's opacity in a picture: its edges fade over a twentieth of its side and more."""
    square = cv2.warpAffine(np.ones((SIDE, SIDE), np.float32), back, size)
    square = cv2.erode(square, np.ones((2, 2), np.uint8))
    edge = int(float(square.sum()) ** 0.5) // 20
    if edge:
        square = cv2.erode(square, np.ones((2 * edge, 2 * edge), np.uint8))
    return np.asarray(cv2.GaussianBlur(square, (2 * edge + 1, 2 * edge + 1), 0), np.float32)
