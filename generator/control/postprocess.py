"""Changes that units make to a finished picture (contract section 10.5)."""

import cv2
import numpy as np
from PIL import Image

from generator.control.prepared_unit import PreparedUnit


def apply_unit_to_picture(image: Image.Image, ready: PreparedUnit, seam: int) -> Image.Image:
    """``image`` with what the unit keeps; ``seam`` is how many pixels its border is soft over.

    ``inpaint_only`` keeps what it was not to repaint, ``recolor_*`` the map's brightness.
    """
    name = ready.module.name
    if name == "inpaint_only":
        return _keep_known_pixels(image, ready, seam)
    if name.startswith("recolor"):
        return _replace_brightness(image, ready)
    return image


def _keep_known_pixels(image: Image.Image, ready: PreparedUnit, seam: int) -> Image.Image:
    pixels = ready.map_at(image.size)
    mask = np.where(pixels[..., 3] > 127, 1.0, 0.0).astype(np.float32)  # (H,W)
    if seam > 0:
        square = np.ones((seam, seam), np.uint8)
        mask = np.asarray(cv2.blur(cv2.dilate(mask, square), (seam, seam)))
    new, old = np.asarray(image, np.float32), pixels[..., :3].astype(np.float32)
    share = mask[..., None]
    mixed = share * new + (1 - share) * old
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _replace_brightness(image: Image.Image, ready: PreparedUnit) -> Image.Image:
    """The picture's hue and colour with the map as lightness or value.

    Red and blue trade places on the way, as they do in the map.
    """
    light = ready.module.name == "recolor_luminance"
    there, back, channel = (
        (cv2.COLOR_BGR2LAB, cv2.COLOR_LAB2BGR, 0)
        if light
        else (cv2.COLOR_BGR2HSV, cv2.COLOR_HSV2BGR, 2)
    )
    parts = np.array(cv2.cvtColor(np.asarray(image), there))
    parts[..., channel] = ready.map_at(image.size)[..., 0]
    return Image.fromarray(np.asarray(cv2.cvtColor(parts, back), np.uint8))
