"""WD taggers (SmilingWolf) as their maker publishes them: ``model.onnx``, ``selected_tags.csv``.

onnxruntime runs them, where it is installed.
"""

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from generator.interrogation.describe import Describer
from generator.interrogation.requests import TAGS_FILE, InterrogationRequest
from generator.interrogation.tags import RATING_PREFIX, tags_to_prompt
from generator.reasons import reason_of

RATINGS = "9"  # the category of words for how decent a picture is
LARGEST_LIST = 1 << 23  # bytes
RUNTIME = "onnxruntime"  # none of Easel's own requirements


def load_onnx_tagger(folder: Path) -> Describer:
    """The tagger of ``folder``. Raises ValueError saying what is missing or does not fit."""
    tags = read_tags(folder / TAGS_FILE)
    network = next(iter(sorted(folder.glob("*.onnx"))), None)
    if network is None:
        raise ValueError(f"no .onnx lies beside its {TAGS_FILE}: put the tagger's model.onnx there")
    session = open_session(network)
    (entry,) = session.get_inputs()
    side = side_of(entry.shape)
    scored = session.get_outputs()[0].shape[-1]
    if scored != len(tags):
        raise ValueError(f"{network.name} scores {scored} tags, {TAGS_FILE} names {len(tags)}")

    def describe(picture: Image.Image, question: InterrogationRequest) -> str:
        scores = np.asarray(session.run(None, {entry.name: to_input(picture, side)})[0])[0]
        return tags_to_prompt(dict(zip(tags, map(float, scores), strict=True)), question.tags)

    return Describer(describe, None, network.stat().st_size)


def open_session(network: Path) -> Any:
    """onnxruntime's session of a file, on the CPU."""
    if find_spec(RUNTIME) is None:
        raise ValueError(f"{RUNTIME} is not installed here: pip install {RUNTIME}")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no root of their own but this
        raise ValueError(f"{network.name} is no network that {RUNTIME} runs") from error


def side_of(shape: list[Any]) -> int:
    """The pixels a side of an input (rows, side, side, 3)."""
    if len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2] or not isinstance(shape[1], int):
        raise ValueError(f"its input {shape} is none of a WD tagger: (1, side, side, 3)")
    return shape[1]


def to_input(picture: Image.Image, side: int) -> NDArray[np.float32]:
    """(1, side, side, 3), 0..255, blue first: the whole picture on a white square."""
    square = Image.new("RGB", (max(picture.size),) * 2, "white")
    square.paste(
        picture, ((square.width - picture.width) // 2, (square.height - picture.height) // 2)
    )
    small = square.resize((side, side), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(small, np.float32)[None, :, :, ::-1])


def read_tags(file: Path) -> list[str]:
    """The names in a ``selected_tags.csv``, ratings marked as such. Raises ValueError."""
    if file.stat().st_size > LARGEST_LIST:
        raise ValueError(f"its {file.name} is larger than {LARGEST_LIST} bytes")
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return [
                f"{RATING_PREFIX}{row['name']}" if row["category"] == RATINGS else row["name"]
                for row in csv.DictReader(lines)
            ]
    except (KeyError, csv.Error, UnicodeError) as error:
        reason = reason_of(error, "it has no columns name and category")
        raise ValueError(f"its {file.name} cannot be read: {reason}") from error
