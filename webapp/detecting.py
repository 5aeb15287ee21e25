"""ControlNet's maps by themselves, in the worker. No Flask."""

import base64

from generator.pictures.saving import encode
from webapp.errors import json_answer
from webapp.queues.contracts import Answer
from webapp.queues.frames import DetectionJob


def detected(job: DetectionJob) -> Answer:
    """The maps of a job's pictures, in order, as PNG."""
    from generator.control.detecting import detect  # torch: only when it is asked for

    images = [base64.b64encode(encode(detect(unit))).decode("ascii") for unit in job.units]
    return json_answer(200, {"info": "Success", "images": images})
