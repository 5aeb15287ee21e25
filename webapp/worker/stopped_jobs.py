"""Answers of jobs stopped before a worker took them. No Flask, no torch."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from generator.model_tools.recipes import WrittenModel, describe_written
from generator.request import Generation
from webapp.errors import json_answer
from webapp.queues import job_codec
from webapp.queues.contracts.frame import Answer, Frame
from webapp.worker.image_writer import SavedPictures
from webapp.worker.responses import compose_answer


def stopped_generation(frame: Frame) -> Answer:
    """As of a drawing that is interrupted in its first step, without a picture."""
    job = job_codec.decode_job(frame.body)
    generation = Generation(
        pictures=(),
        checkpoint_name=Path(frame.checkpoint.partition(" [")[0]).stem,
        checkpoint_hash=None,
        vae_name=None,
        vae_hash=None,
        clip_skip=job.request.options.CLIP_stop_at_last_layers,
        extra_parameters={},
        job_timestamp=time.strftime("%Y%m%d%H%M%S"),
        seconds=0.0,
        network_seconds=0.0,
        comments=("Stopped before it began.",),
        stopped=True,
    )
    return compose_answer(job, generation, SavedPictures())


def stopped_extras(frame: Frame) -> Answer:
    """The answer of an extras job that was stopped before it began."""
    single = job_codec.EXTRAS_REQUESTS.validate_json(frame.body).single
    no_images: dict[str, object] = {"image": ""} if single else {"images": []}
    return json_answer(200, {"html_info": "<p>Stopped before it began.</p>", **no_images})


def stopped_model() -> Answer:
    """The answer of a merge or a conversion that was stopped before it began."""
    written = WrittenModel(Path(), "", 0, 0.0, ("Stopped before it began.",), interrupted=True)
    return json_answer(200, describe_written(written))


def stopped_answer() -> Answer:
    """For whoever comes back for a job whose own form only its worker knows, such as a plugin's."""
    return json_answer(200, {"interrupted": True, "detail": "Stopped before it began."})


STOPPED_ANSWERS: Mapping[str, Callable[[Frame], Answer]] = MappingProxyType(
    {
        job_codec.GENERATE: stopped_generation,
        job_codec.EXTRAS: stopped_extras,
        job_codec.DETECT: lambda _: json_answer(200, {"images": [], "info": "Stopped"}),
        job_codec.MERGE_MODELS: lambda _: stopped_model(),
        job_codec.CONVERT_MODEL: lambda _: stopped_model(),
        job_codec.INTERROGATE: lambda _: json_answer(200, {"caption": ""}),
    }
)
"""By the frame's kind. Others, such as a plugin's, are answered by their worker in their turn."""
