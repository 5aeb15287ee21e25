"""Extras and PNG info: pictures enlarged by a worker, and the text inside a picture read here."""

import base64
from collections.abc import Mapping
from uuid import uuid4

from flask import Blueprint, Response, jsonify

from filebrowser.pictures.opening import decoding
from generator.pictures.saving import PARAMETERS, open_header, read_infotext
from generator.prompt.styles import read_styles
from generator.workload import check_workload, enlarged_megapixels
from webapp.openapi import Note, described
from webapp.places import styles_files
from webapp.queues.contracts import Frame
from webapp.queues.frames import EXTRAS, EXTRAS_JOBS, ExtrasJob
from webapp.requests.extras import (
    ExtrasBatch,
    ExtrasFields,
    ExtrasSingle,
    PngInfoBody,
    batch_pictures,
    to_extras,
)
from webapp.requests.fields import read
from webapp.requests.pasted import parameters_of
from webapp.routes import road
from webapp.routes.context import caller, json_body, response, services
from webapp.routes.drawing import given, lenient, reader
from webapp.routes.tasks import ROUTE_TAG, TASK_TAG, new_task
from webapp.scopes import Scope, allowed

extras = Blueprint("extras", __name__, url_prefix="/sdapi/v1")

TEXT = {"type": "string"}
SINGLE = {"type": "object", "properties": {"html_info": TEXT, "image": TEXT}}
SEVERAL = {
    "type": "object",
    "properties": {"html_info": TEXT, "images": {"type": "array", "items": TEXT}},
}
INFO = {
    "type": "object",
    "properties": {"info": TEXT, "items": {"type": "object"}, "parameters": {"type": "object"}},
}
UNTOLD = frozenset(
    {
        *("jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "exif", "loop", "photoshop"),
        *("background", "timestamp", "duration", "progressive", "progression", "icc_profile"),
        "chromaticity",
    }
)
"""Entries of a picture's header that say nothing about how it was made (contract 6.3)."""


@extras.post("/extra-single-image")
@allowed(Scope.GENERATE)
@described(Note("Enlarge a picture", body=ExtrasSingle, answer=SINGLE))
def single_image() -> Response:
    """Enlarge, and answer when it is done."""
    return response(
        road.draw(services(), single_frame(read(ExtrasSingle, json_body(), lenient=lenient())))
    )


@extras.post("/extra-batch-images")
@allowed(Scope.GENERATE)
@described(Note("Enlarge pictures", body=ExtrasBatch, answer=SEVERAL))
def batch_images() -> Response:
    """Enlarge, and answer when all are done."""
    return response(
        road.draw(services(), batch_frame(read(ExtrasBatch, json_body(), lenient=lenient())))
    )


def single_frame(body: ExtrasSingle) -> Frame:
    """The frame that asks a worker to enlarge one picture."""
    return to_frame(body, [reader()("image", body.image)], single=True)


def batch_frame(body: ExtrasBatch) -> Frame:
    """The same for several, of which a worker decodes one at a time."""
    return to_frame(body, batch_pictures(body, reader(most_in_all=None)), single=False)


def to_frame(body: ExtrasFields, images: list[str], *, single: bool) -> Frame:
    """Check a body; the frame that asks a worker for it."""
    here = services()
    options = here.options.get()
    job = ExtrasJob(
        to_extras(body, images, given(options, here)),
        single,
        str(options.get("samples_format", "png")),
        int(str(options.get("jpeg_quality", 80))),
    )
    sizes = [open_header(base64.b64decode(image)).size for image in images]
    asked = enlarged_megapixels(job.request, sizes)
    check_workload(asked, here.config.max_job_megapixel_steps, "Enlarging")
    task = new_task("extras")
    return Frame(
        id=uuid4().hex,
        kind=EXTRAS,
        body=EXTRAS_JOBS.dump_json(job),
        owner=caller().name,
        tags={TASK_TAG: task, ROUTE_TAG: "extras"},
    )


@extras.post("/png-info")
@allowed(Scope.GENERATE)
@described(Note("Read how a picture was made", body=PngInfoBody, answer=INFO))
def png_info() -> Response:
    """The infotext of a picture, its other texts, and the infotext taken apart."""
    body = read(PngInfoBody, json_body())
    data = base64.b64decode(reader()("image", body.image))
    image = open_header(data)
    with decoding(image, services().decoding):
        info, items = read_infotext(image), other_texts(image.info)
    styles = read_styles(styles_files(services().config)).values()
    parameters = parameters_of(info, services().options.get(), styles)
    return jsonify({"info": info, "items": items, "parameters": parameters})


def other_texts(header: Mapping[str | tuple[int, int], object]) -> dict[str, object]:
    """What else a picture's header says in words or numbers."""
    return {
        str(key): value
        for key, value in header.items()
        if key != PARAMETERS and key not in UNTOLD and isinstance(value, str | int | float)
    }
