"""Extras and PNG info: pictures enlarged by a worker, and the text inside a picture read here."""

import base64
from uuid import uuid4

from flask import Blueprint, Response, jsonify

from filebrowser.pictures.opening import decoding
from generator.pictures.embedded_text import other_texts, read_infotext
from generator.pictures.reading import open_header
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
        info = read_infotext(image)
        items = other_texts(image, info)
    styles = read_styles(styles_files(services().config)).values()
    parameters = parameters_of(info, services().options.get(), styles)
    return jsonify({"info": info, "items": items, "parameters": parameters})
