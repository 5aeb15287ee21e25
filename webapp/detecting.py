"""ControlNet's maps by themselves, in the worker. No Flask."""

import base64
from collections.abc import Callable

from PIL.Image import Image

from generator.pictures.saving import encode
from webapp.errors import json_answer
from webapp.queues.contracts import Answer
from webapp.queues.frames import DetectionJob


def unchanged(image: Image) -> Image:
    """Lets a picture out as it is."""
    return image


def detected(job: DetectionJob, release: Callable[[Image], Image] = unchanged) -> Answer:
    """The maps of a job's pictures, in order, as PNG; ``release`` has the last word on each."""
    from generator.control.detecting import detect  # torch: only when it is asked for

    images = [release(detect(unit)) for unit in job.units]
    texts = [base64.b64encode(encode(image)).decode("ascii") for image in images]
    return json_answer(200, {"info": "Success", "images": texts})
