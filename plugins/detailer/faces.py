"""Where faces are: YuNet where the user has its file, else the small cascade of scikit-image.

YuNet (Wu et al., 2023; Apache-2.0): ``face_detection_yunet*.onnx`` or ``yunet*.onnx`` under
``models/detailer/``. The cascade (local binary patterns, 51 kB, from OpenCV) sees upright frontal
faces of photographs and errs more often.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL.Image import Image
from skimage.data import lbp_frontal_face_cascade_filename
from skimage.feature import Cascade

from plugins.api import Box
from plugins.detailer.detailer_options import FACE

FOLDER = "detailer"  # under models/
MIN_FACE_SHARE = 1 / 12  # of the shorter side: smaller faces are not looked for
CASCADE_SCORE = 0.5  # the cascade says yes or no
NEIGHBOURS = 6  # windows that must agree
MAX_OVERLAP = 0.3
MIN_YUNET_SCORE = 0.3


def find_faces(image: Image, models: Path) -> list[Box]:
    """Faces, the largest first."""
    network = next(iter(sorted((models / FOLDER).glob("*yunet*.onnx"))), None)
    boxes = _by_yunet(image, network) if network else _by_cascade(image)
    return sorted(boxes, key=lambda box: box.width * box.height, reverse=True)


def _by_yunet(image: Image, network: Path) -> list[Box]:
    pixels = np.asarray(image.convert("RGB"))[:, :, ::-1]  # (h, w, 3), BGR as OpenCV wants it
    detector = cv2.FaceDetectorYN.create(str(network), "", image.size, MIN_YUNET_SCORE)
    _, faces = detector.detect(np.ascontiguousarray(pixels))
    rows = [] if faces is None else faces.tolist()  # x, y, w, h, five points, score
    return [_box(row[:4], row[-1], image) for row in rows]


def _by_cascade(image: Image) -> list[Box]:
    side = min(image.size)
    least = max(24, round(side * MIN_FACE_SHARE))
    rows = Cascade(lbp_frontal_face_cascade_filename()).detect_multi_scale(
        img=np.asarray(image.convert("RGB")),
        scale_factor=1.2,
        step_ratio=1,
        min_size=(least, least),
        max_size=(side, side),
        min_neighbor_number=NEIGHBOURS,
    )
    boxes = [
        _box((each["c"], each["r"], each["width"], each["height"]), CASCADE_SCORE, image)
        for each in rows
    ]
    return _suppress_overlaps(boxes)


def _box(place: "list[float] | tuple[float, ...]", score: float, image: Image) -> Box:
    left, top = max(0, round(place[0])), max(0, round(place[1]))
    right = min(image.width, round(place[0] + place[2]))
    bottom = min(image.height, round(place[1] + place[3]))
    return Box(left, top, max(1, right - left), max(1, bottom - top), FACE, float(score))


def _suppress_overlaps(boxes: list[Box]) -> list[Box]:
    """The larger of two that lie on each other."""
    separate: list[Box] = []
    for box in sorted(boxes, key=lambda box: box.width * box.height, reverse=True):
        if all(_overlap(box, other) < MAX_OVERLAP for other in separate):
            separate.append(box)
    return separate


def _overlap(one: Box, other: Box) -> float:
    """The share of the smaller one that both cover."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    smaller = min(one.width * one.height, other.width * other.height)
    return max(width, 0) * max(height, 0) / smaller
