"""NudeNet's detector (YOLOv8), where its owner has installed it; run by onnxruntime.

Nothing of it is shipped: its weights are under the AGPL-3.0. What it was taught stands in the
file: the names of its classes, the side of its input.
"""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from generator.reasons import reason_of
from plugins.nsfw_censor.names import INSTALL_HINTS, NUDENET

PACKAGE = "nudenet"
EXPOSED_CLASSES = frozenset(
    {
        "ANUS_EXPOSED",
        "BUTTOCKS_EXPOSED",
        "FEMALE_BREAST_EXPOSED",
        "FEMALE_GENITALIA_EXPOSED",
        "MALE_GENITALIA_EXPOSED",
    }
)
"""The five of its 18 classes that are withheld (eas.md section 4.2)."""

BOX_ROWS = 4  # rows of its output before those of the classes


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """``run``: (1, 3, side, side) in 0..1 -> (1, 4 + classes, n), a column a box."""

    run: Callable[[np.ndarray], np.ndarray]
    classes: Sequence[str]
    side: int = 320  # pixels


def load_session(folder: Path) -> Session:
    """The first ``.onnx`` of a folder, else the package's own. Raises ``ValueError``."""
    absent = f"The detector {NUDENET} is chosen and not there: {INSTALL_HINTS[NUDENET]}."
    path = next(iter([*sorted(folder.glob("*.onnx")), *package_weights()]), None)
    if path is None or find_spec("onnxruntime") is None:
        raise ValueError(absent)
    import onnxruntime  # not one of Easel's own requirements

    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        classes = tuple(ast.literal_eval(metadata["names"]).values())
        side = ast.literal_eval(metadata.get("imgsz", "[320, 320]"))[0]
    except Exception as error:  # onnxruntime's errors have no root of their own but this
        raise ValueError(
            f"The detector {NUDENET} cannot be read: {path.name}: {reason_of(error)}"
        ) from error
    if not EXPOSED_CLASSES & set(classes):
        raise ValueError(f"{path.name} is none of {NUDENET}'s: it finds {', '.join(classes)}.")
    entry = session.get_inputs()[0].name
    return Session(lambda rows: np.asarray(session.run(None, {entry: rows})[0]), classes, int(side))


def package_weights() -> list[Path]:
    """Weights of the installed package; it is not imported, for it wants OpenCV."""
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    return [path for place in places or () for path in sorted(Path(place).glob("*.onnx"))]


def exposure_score(session: Session, picture: Image.Image) -> float:
    """The greatest confidence in any class of :data:`EXPOSED_CLASSES`, 0..1.

    Boxes that overlap need not be thinned out for that.
    """
    output = session.run(to_input(picture, session.side))[0]  # (4 + classes, n)
    if output.shape[0] != BOX_ROWS + len(session.classes):
        raise ValueError(f"{NUDENET}: {output.shape[0]} rows for {len(session.classes)} classes.")
    rows = [BOX_ROWS + at for at, name in enumerate(session.classes) if name in EXPOSED_CLASSES]
    return float(output[rows].max(initial=0.0))


def to_input(picture: Image.Image, side: int) -> np.ndarray:
    """(1, 3, side, side) in 0..1: the whole picture, black to the right or below."""
    image = picture.convert("RGB")
    square = Image.new("RGB", (max(image.size),) * 2)
    square.paste(image)
    small = square.resize((side, side), Image.Resampling.BILINEAR)
    values = np.asarray(small, dtype=np.float32) / 255  # (side, side, 3)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])
