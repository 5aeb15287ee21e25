"""Runs ControlNet preprocessors alone, in the worker. No Flask."""

import base64
from typing import TYPE_CHECKING, Protocol

from generator.hooks import Stage
from generator.job.output_filter import OutputFilter
from generator.pictures.picture_files import encode_picture
from webapp.errors import json_answer
from webapp.queues.contracts.frame import Answer
from webapp.queues.job_codec import QueuedDetection

if TYPE_CHECKING:
    from generator.control.annotators import Dials
    from generator.control.map_resize import Pixels
    from generator.control.modules import Module


class MapEngine(Protocol):
    """The part of the engine that runs preprocessors which are networks."""

    def draw_network_map(self, module: "Module", image: "Pixels", dials: "Dials") -> "Pixels": ...


def detect_maps(job: QueuedDetection, output_filter: OutputFilter, engine: MapEngine) -> Answer:
    """The maps of a job's pictures, in order, as PNG; each passes ``output_filter``."""
    from generator.control.detection import draw_control_map  # torch: only when it is asked for

    plugin_preprocessors = output_filter.listener.tools.preprocessors
    images = [
        output_filter.filter_image(
            draw_control_map(unit, plugin_preprocessors, engine.draw_network_map), Stage.MAP, None
        )
        for unit in job.units
    ]
    texts = [base64.b64encode(encode_picture(image)).decode("ascii") for image in images]
    return json_answer(200, {"info": "Success", "images": texts, **output_filter.facts})
