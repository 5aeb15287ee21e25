"""What the censor's detectors flag and let pass: ``python -m benchmarks.censor FOLDER``.

Prints the table of docs/nsfw.md for every detector that is here: the bundled one, and NudeNet where
it is installed. Pictures: the folder's (in docs/nsfw.md ``skimage/data`` of scikit-image's wheel),
drawings like the default checkpoint's, and what is made below. Takes a minute.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from plugins.nsfw_censor import nudenet
from plugins.nsfw_censor.censor import CensorRules
from plugins.nsfw_censor.detectors import DETECTOR_LOADERS, BuiltIn, Detector
from plugins.nsfw_censor.names import BUILT_IN, NUDENET
from plugins.nsfw_censor.network import load_network
from tests.plugins.nsfw_censor.censor_pictures import abstract_pattern
from training.painter import draw

DRAWINGS = 300
FIRST_SEED = 2_300_000_000
NEAR_THRESHOLD = 0.3  # photographs that score more are named
ENDINGS = (".png", ".jpg", ".gif")
SKIN, LIGHT, DARK = (224, 172, 135), (230, 180, 145), (190, 120, 100)
MANNEQUIN = {
    SKIN: (
        *((206, 40, 306, 160), (150, 180, 362, 480), (165, 430, 345, 560)),
        *((110, 190, 180, 430), (332, 190, 402, 430)),
    ),
    LIGHT: ((180, 250, 250, 330), (262, 250, 332, 330)),
    DARK: ((207, 285, 223, 301), (289, 285, 305, 301), (250, 420, 262, 432)),
}
LIMBS = ((236, 150, 276, 190), (180, 520, 245, 760), (267, 520, 332, 760))


def mannequin() -> Image.Image:
    """A schematic naked figure of ellipses (eas.md section 5.3)."""
    sheet = Image.new("RGB", (512, 768), (200, 205, 210))
    pen = ImageDraw.Draw(sheet)
    for colour, ellipses in MANNEQUIN.items():
        for box in ellipses:
            pen.ellipse(box, fill=colour)
        if colour == SKIN:
            for box in LIMBS:
                pen.rectangle(box, fill=SKIN)
    return sheet


def photographs(folder: Path) -> Iterator[tuple[str, Image.Image]]:
    """Name and pixels of each picture in a folder."""
    for path in sorted(folder.iterdir()):
        if path.suffix in ENDINGS:
            yield path.name, Image.open(path).convert("RGB")


def noise() -> Image.Image:
    """Every pixel of its own."""
    values = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    return Image.fromarray(values)


def as_jpeg(picture: Image.Image) -> Image.Image:
    """There and back."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=85)
    return Image.open(file)


def on_sheet(picture: Image.Image) -> Image.Image:
    """A quarter of a white sheet."""
    sheet = Image.new("RGB", (picture.width * 2, picture.height * 2), "white")
    sheet.paste(picture)
    return sheet


def crop_inner(picture: Image.Image) -> Image.Image:
    """56 % of its area."""
    return ImageOps.crop(picture, round(picture.width / 8))


TRANSFORMS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "enlarged to 512 x 512": lambda picture: picture.resize((512, 512)),
    "as JPEG": as_jpeg,
    "at half the brightness": lambda picture: ImageEnhance.Brightness(picture).enhance(0.5),
    "blurred by 4 pixels": lambda picture: picture.filter(ImageFilter.GaussianBlur(4)),
    "in grey": lambda picture: picture.convert("L"),
    "mirrored": ImageOps.mirror,
    "turned by 90°": lambda picture: picture.rotate(90),
    "a quarter of a white sheet": on_sheet,
    "cropped to 56 %": crop_inner,
}


def table_rows(
    folder: Path, score: Callable[[Image.Image], float], bound: float
) -> Iterator[tuple[str, float]]:
    """Each line of the table: what was shown, the (highest) score."""
    scored = {name: score(picture) for name, picture in photographs(folder)}
    near = {
        name: score_found
        for name, score_found in scored.items()
        if score_found > min(NEAR_THRESHOLD, bound)
    }
    others = [score_found for name, score_found in scored.items() if name not in near]
    yield f"{len(others)} of the folder's {len(scored)} pictures, the highest", max(others)
    yield from near.items()
    drawing = [score(draw(FIRST_SEED + number).image) for number in range(DRAWINGS)]
    yield f"{DRAWINGS} drawings like the default checkpoint's, the highest", max(drawing)
    yield "noise", score(noise())
    yield "a schematic naked figure of ellipses", score(mannequin())
    pattern = abstract_pattern(load_network())
    yield "the abstract pattern", score(pattern)
    for name, turn in TRANSFORMS.items():
        yield f"... {name}", score(turn(pattern))


def available_detectors() -> Iterator[tuple[str, Detector]]:
    """Those that are here."""
    yield BUILT_IN, BuiltIn(load_network())
    if nudenet.package_weights():
        yield NUDENET, DETECTOR_LOADERS[NUDENET](Path("models"))


def main(folder: Path) -> None:
    """Print a table for each detector."""
    usual = CensorRules()
    for name, detector in available_detectors():
        bound = detector.threshold_of(usual)
        print(f"\n{name}, withheld from {bound:g} on\n\n| picture | score | |\n|---|---|---|")
        for label, score in table_rows(folder, partial(detector.score, rules=usual), bound):
            print(f"| {label} | {score:.3f} | {'passes' if score < bound else '**withheld**'} |")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("Name one folder of photographs: python -m benchmarks.censor FOLDER")
    main(Path(sys.argv[1]))
