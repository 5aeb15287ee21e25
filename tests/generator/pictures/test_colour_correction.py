"""Colour correction: the colours of one picture, the luminosity of another."""

import numpy as np
from PIL import Image

from generator.pictures.colour_correction import LUMINOSITY, histogram_of, match_colours


def cloud(seed: int, tint: tuple[float, float, float]) -> Image.Image:
    rows = np.linspace(0, 1, 48)[:, None, None] + np.zeros((1, 48, 1))
    noise = np.random.default_rng(seed).random((48, 48, 1)) * 0.3
    return Image.fromarray(((0.7 * rows + noise) * np.array(tint) * 255).astype(np.uint8))


def luminosity(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float64) @ LUMINOSITY


def test_takes_the_colours_and_keeps_the_light() -> None:
    red, grey = cloud(1, (1.0, 0.4, 0.4)), cloud(2, (0.8, 0.8, 0.8))
    found = match_colours(grey, histogram_of(red))
    means = np.asarray(found, np.float64).mean((0, 1))
    assert means[0] > 1.4 * means[1]
    assert np.abs(luminosity(found) - luminosity(grey)).mean() < 2


def test_its_own_colours_change_nothing_to_speak_of() -> None:
    image = cloud(3, (0.9, 0.6, 0.3))
    found = np.asarray(match_colours(image, histogram_of(image)), np.float64)
    assert np.abs(found - np.asarray(image, np.float64)).max() <= 5


def test_levels_are_those_of_opencv() -> None:
    # cv2.cvtColor(..., cv2.COLOR_RGB2LAB) of five colours
    rgb = [[200, 100, 50], [0, 0, 0], [255, 255, 255], [10, 200, 30], [30, 10, 220]]
    lab = [(137, 164, 173), (0, 128, 128), (255, 128, 128), (180, 57, 193), (73, 198, 34)]
    for colour, wanted in zip(rgb, lab, strict=True):
        shares = histogram_of(Image.new("RGB", (1, 1), tuple(colour))).shares
        assert tuple(int(np.argmax(channel)) for channel in shares) == wanted
