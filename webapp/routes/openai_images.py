"""``POST /v1/images/generations`` and ``/v1/images/edits``: drawing in OpenAI's words."""

import base64
import json
from typing import Any, NotRequired

from flask import Blueprint, Response, request
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.errors import json_answer
from webapp.http.form_data import MULTIPART, is_multipart, read_form
from webapp.http.openapi import OPENAI_ERRORS, Base64, RouteNote, with_note
from webapp.queues.contracts.frame import Answer
from webapp.queues.job_codec import AnswerForm
from webapp.requests.fields import read_body
from webapp.requests.model_choice import find_exact_checkpoint
from webapp.requests.openai_edits import (
    JSON_FIELDS,
    ImageEdit,
    read_form_fields,
    read_json_fields,
    translate_edit,
)
from webapp.requests.openai_images import ImageGeneration, ImagesRequest, translate_generation
from webapp.routes import submission
from webapp.routes.context import read_body_bytes, read_json_body, to_response
from webapp.routes.files.pictures import relative_to_data_dir
from webapp.routes.generation import AnswerShape, is_lenient, picture_reader, to_frame
from webapp.routes.login import current_checkpoint, preferred_size
from webapp.routes.signed_links import path_for_everybody
from webapp.services import Services


class ImageEntry(TypedDict):
    """A picture, in base64 or by an address that opens for an hour."""

    b64_json: NotRequired[Base64]
    url: NotRequired[str]


class DrawingFacts(TypedDict):
    """What OpenAI has no word for; ``comments`` tell what was not done as asked."""

    model: str
    seeds: list[int]
    comments: list[str]


class ImagesAnswer(TypedDict):
    """OpenAI's answer, without ``usage``: there are no tokens."""

    created: int
    data: list[ImageEntry]
    background: str
    output_format: str
    size: str
    easel: DrawingFacts


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("openai_images", __name__, url_prefix="/v1/images")

    @routes.post("/generations")
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "Draw pictures from a prompt, as OpenAI's clients ask",
            body=ImageGeneration,
            answer=ImagesAnswer,
            errors=OPENAI_ERRORS,
        )
    )
    def generations() -> Response:
        """Draw, and answer when it is done."""
        body = read_body(ImageGeneration, read_json_body(), lenient=is_lenient(services))
        named = find_exact_checkpoint(services.registry, body.model) if body.model else None
        side = preferred_size(named or current_checkpoint(services))
        return draw(services, translate_generation(body, services.registry, side))

    @routes.post("/edits")
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "Draw pictures from pictures, as OpenAI's clients ask",
            body=ImageEdit,
            body_type=MULTIPART,
            answer=ImagesAnswer,
            errors=OPENAI_ERRORS,
        )
    )
    def edits() -> Response:
        """Draw, and answer when it is done."""
        body = read_body(ImageEdit, read_edit_fields(), lenient=is_lenient(services))
        reader = picture_reader(services)
        return draw(services, translate_edit(body, services.registry, reader))

    return routes


def read_edit_fields() -> object:
    """The fields of a form, or of JSON, with their pictures as texts."""
    content_type = request.headers.get("Content-Type", "")
    if not is_multipart(content_type):
        return read_json_fields(read_json_body())
    form = read_form(read_body_bytes(), content_type, JSON_FIELDS)
    return read_form_fields(form, lambda data: base64.b64encode(data).decode("ascii"))


def draw(services: Services, wanted: ImagesRequest) -> Response:
    """Queue a request, wait for it, and answer in OpenAI's form."""
    form: AnswerForm = "openai-urls" if wanted.linked else "openai"
    shape = AnswerShape(form, wanted.format, wanted.quality, wanted.remarks)
    answer = submission.submit_and_wait(services, to_frame(services, wanted.body, shape))
    return to_response(sign_links(services, answer) if wanted.linked else answer)


def sign_links(services: Services, answer: Answer) -> Answer:
    """An answer whose paths of pictures became whole addresses, open to whoever has them."""
    if answer.status != 200:
        return answer
    body: dict[str, Any] = json.loads(answer.body)
    body["data"] = [{"url": sign_picture(services, entry["url"])} for entry in body["data"]]
    return json_answer(answer.status, body)


def sign_picture(services: Services, path: str) -> str:
    """The signed address of a saved picture under the name that the caller asked."""
    inner = relative_to_data_dir(path, services.config)
    signed, _ = services.signer.sign(path_for_everybody(services, inner))
    forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
    scheme = "https" if forwarded == "https" else request.scheme
    return f"{scheme}://{request.host}{request.script_root}{signed}"
