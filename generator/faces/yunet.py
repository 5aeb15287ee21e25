"""Finds faces by YuNet (Wu et al., 2023), which OpenCV runs."""

from pathlib import Path

import cv2
import numpy as np

from generator.errors import ModelUnreadable
from generator.faces.face import Face, Pixels
from generator.reasons import reason_of

LONG_SIDE = 1280  # pixels that the network sees of a picture, at most
LEAST_SCORE = 0.9  # OpenCV's own bound


def find_faces(network: Path, picture: Pixels) -> list[Face]:
    """The faces of ``picture``, the surest first.

    Raises :class:`ModelUnreadable` where OpenCV cannot run the file.
    """
    scale = max(max(picture.shape[:2]) / LONG_SIDE, 1.0)
    height, width = (max(int(side / scale), 1) for side in picture.shape[:2])
    seen = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    blue_first = np.ascontiguousarray(seen[:, :, ::-1])
    try:
        detector = cv2.FaceDetectorYN.create(str(network), "", (width, height), LEAST_SCORE)
        _, rows = detector.detect(blue_first)
    except cv2.error as error:
        raise ModelUnreadable(
            f"{network.name} cannot be run by OpenCV: {reason_of(error)}. Take "
            "face_detection_yunet_2023mar.onnx of OpenCV's zoo."
        ) from error
    if rows is None:
        return []
    faces = [  # x, y, w, h, five points, score
        Face(np.asarray(row[4:14], np.float64).reshape(5, 2) * scale, float(row[14]))
        for row in rows
    ]
    return sorted(faces, key=lambda face: -face.score)
