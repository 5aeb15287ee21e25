"""Extras (run by a worker) and PNG info (read in the web process)."""

import base64
from uuid import uuid4

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from filebrowser.pictures.image_open import reserve_decoding
from generator.pictures.base64_images import open_header
from generator.pictures.embedded_text import other_texts, read_infotext
from generator.prompt.styles import read_styles
from generator.workload import check_workload, enlarged_megapixels
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import EXTRAS, EXTRAS_REQUESTS, QueuedExtras
from webapp.queues.quotas import ASKED_TAG
from webapp.requests.extras import (
    ExtrasBatch,
    ExtrasFields,
    ExtrasSingle,
    PngInfoBody,
    read_batch_pictures,
    to_extras,
)
from webapp.requests.fields import read_body
from webapp.requests.infotext import parse_parameters
from webapp.routes import submission
from webapp.routes.context import caller, read_json_body, to_response
from webapp.routes.generation import is_lenient, picture_reader, request_context
from webapp.routes.tasks import ROUTE_TAG, TASK_TAG, new_task
from webapp.services import Services
from webapp.settings.data_dir import styles_files


class EnlargedPicture(TypedDict):
    """A picture in base64, and what was done in HTML."""

    html_info: str
    image: str


class EnlargedPictures(TypedDict):
    """Pictures in base64, and what was done in HTML."""

    html_info: str
    images: list[str]


class PngInfo(TypedDict):
    """A picture's infotext, its other texts, and the infotext taken apart."""

    info: str
    items: dict[str, object]
    parameters: dict[str, object]


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("extras", __name__, url_prefix="/sdapi/v1")

    @routes.post("/extra-single-image")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Enlarge a picture", body=ExtrasSingle, answer=EnlargedPicture))
    def single_image() -> Response:
        """Enlarge, and answer when it is done."""
        return to_response(
            submission.submit_and_wait(
                services,
                single_frame(
                    services,
                    read_body(ExtrasSingle, read_json_body(), lenient=is_lenient(services)),
                ),
            )
        )

    @routes.post("/extra-batch-images")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Enlarge pictures", body=ExtrasBatch, answer=EnlargedPictures))
    def batch_images() -> Response:
        """Enlarge, and answer when all are done."""
        return to_response(
            submission.submit_and_wait(
                services,
                batch_frame(
                    services, read_body(ExtrasBatch, read_json_body(), lenient=is_lenient(services))
                ),
            )
        )

    @routes.post("/png-info")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Read how a picture was made", body=PngInfoBody, answer=PngInfo))
    def png_info() -> Response:
        """The infotext of a picture, its other texts, and the infotext taken apart."""
        body = read_body(PngInfoBody, read_json_body())
        data = base64.b64decode(picture_reader(services)("image", body.image))
        image = open_header(data)
        with reserve_decoding(image, services.decoding):
            info = read_infotext(image)
            items = other_texts(image, info)
        styles = read_styles(styles_files(services.config)).values()
        parameters = parse_parameters(info, services.options.get(), styles)
        return jsonify({"info": info, "items": items, "parameters": parameters})

    return routes


def single_frame(services: Services, body: ExtrasSingle) -> Frame:
    """The frame that asks a worker to enlarge one picture."""
    return to_frame(services, body, [picture_reader(services)("image", body.image)], single=True)


def batch_frame(services: Services, body: ExtrasBatch) -> Frame:
    """The same for several, of which a worker decodes one at a time."""
    return to_frame(
        services,
        body,
        read_batch_pictures(body, picture_reader(services, most_in_all=None)),
        single=False,
    )


def to_frame(services: Services, body: ExtrasFields, images: list[str], *, single: bool) -> Frame:
    """Check a body; the frame that asks a worker for it."""
    options = services.options.get()
    job = QueuedExtras(
        to_extras(body, images, request_context(options, services)),
        single,
        str(options.get("samples_format", "png")),
        int(str(options.get("jpeg_quality", 80))),
    )
    sizes = [open_header(base64.b64decode(image)).size for image in images]
    megapixels = enlarged_megapixels(job.request, sizes)
    check_workload(megapixels, services.config.max_job_megapixel_steps, "Enlarging")
    task = new_task("extras")
    return Frame(
        id=uuid4().hex,
        kind=EXTRAS,
        body=EXTRAS_REQUESTS.dump_json(job),
        owner=caller().name,
        tags={TASK_TAG: task, ROUTE_TAG: "extras", ASKED_TAG: str(len(images))},
        work=megapixels,
    )
