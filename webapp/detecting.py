"""Runs ControlNet preprocessors alone, in the worker. No Flask."""

import base64

from generator.hooks import Stage
from generator.pictures.saving import encode
from generator.releasing import Releaser
from webapp.errors import json_answer
from webapp.queues.contracts import Answer
from webapp.queues.frames import DetectionJob


def detected(job: DetectionJob, way_out: Releaser) -> Answer:
    """The maps of a job's pictures, in order, as PNG; each passes ``output_filter``."""
    from generator.control.detecting import detect  # torch: only when it is asked for

    brought = way_out.listener.tools.preprocessors
    images = [way_out.let_out(detect(unit, brought), Stage.MAP, None) for unit in job.units]
    texts = [base64.b64encode(encode(image)).decode("ascii") for image in images]
    return json_answer(200, {"info": "Success", "images": texts, **way_out.facts})
