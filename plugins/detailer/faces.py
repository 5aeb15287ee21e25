"""Face detection: YuNet where the user has its file, else OpenCV's small cascade.

YuNet (Wu et al., 2023; Apache-2.0): ``face_detection_yunet*.onnx`` or ``yunet*.onnx`` under
``models/detailer/``. The cascade (local binary patterns, 52 kB, beside this module) sees upright
frontal faces of photographs and errs more often.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL.Image import Image

from plugins.api import Box
from plugins.detailer.detailer_options import FACE

FOLDER = "detailer"  # under models/
CASCADE = Path(__file__).with_name("lbpcascade_frontalface.xml")
MIN_FACE_SHARE = 1 / 12  # of the shorter side: smaller faces are not looked for
CASCADE_SCORE = 0.5  # the cascade says yes or no
NEIGHBOURS = 6  # windows that must agree
CASCADE_SCALE = 1.1  # between two sizes of the window; 1.2 misses 8 % more
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
    if not hasattr(cv2, "CascadeClassifier"):  # other packages ask for opencv-python, which has not
        raise RuntimeError(
            "the OpenCV that is installed finds no faces: install opencv-contrib-python-headless "
            "again, or put YuNet's file into models/detailer/"
        )
    side = min(image.size)
    least = max(24, round(side * MIN_FACE_SHARE))
    found = cv2.CascadeClassifier(str(CASCADE)).detectMultiScale(
        np.asarray(image.convert("L")),
        CASCADE_SCALE,
        NEIGHBOURS,
        minSize=(least, least),
        maxSize=(side, side),
    )
    boxes = [_box(tuple(map(int, place)), CASCADE_SCORE, image) for place in found]
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
