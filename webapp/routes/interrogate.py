"""``POST /sdapi/v1/interrogate``: captions and tags for a picture (contract 1.11, 5.14)."""

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from generator.interrogation.requests import (
    CaptionRules,
    Form,
    InterrogationRequest,
    TagRules,
    find_interrogation_networks,
    is_deepdanbooru,
    network_name,
)
from generator.models.kinds import ModelKind
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Refused
from webapp.http.openapi import RouteNote, with_note
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import INTERROGATE, INTERROGATIONS
from webapp.requests.coercion import Str
from webapp.requests.fields import read_body
from webapp.routes import submission
from webapp.routes.context import caller, read_json_body, to_response
from webapp.routes.generation import picture_reader
from webapp.routes.tasks import ROUTE_TAG, TASK_TAG, new_task
from webapp.services import Services

MODELS: Mapping[str, tuple[ModelKind, Form]] = {
    "clip": (ModelKind.BLIP, "caption"),
    "blip": (ModelKind.BLIP, "caption"),
    "deepdanbooru": (ModelKind.TAGGER, "tags"),
    "deepbooru": (ModelKind.TAGGER, "tags"),  # what its page calls it
}
"""AUTOMATIC1111's names -> where the network lies, and what it gives."""

PLACES: Mapping[ModelKind, str] = {
    ModelKind.BLIP: "a folder, as transformers saves it (BLIP, Florence-2), into models/BLIP",
    ModelKind.TAGGER: "a WD tagger's folder (model.onnx, selected_tags.csv), DeepDanbooru's "
    "model-resnet_custom_v3.pt, or a folder as transformers saves it, into models/taggers",
}
"""What goes where in the data directory."""


class CaptionAnswer(TypedDict):
    """Words for a picture."""

    caption: str


class InterrogateBody(BaseModel):
    """A picture, and which network shall describe it: a word for a kind, or its own name."""

    model_config = ConfigDict(extra="ignore")

    image: Str = ""
    model: Str = "clip"


class NoSuchModel(Refused):
    """AUTOMATIC1111's answer to a name that it does not know."""

    status = 404


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("describing", __name__, url_prefix="/sdapi/v1")

    @routes.post("/interrogate")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Words for a picture", body=InterrogateBody, answer=CaptionAnswer))
    def interrogate() -> Response:
        """Checked as AUTOMATIC1111 checks it: the picture first, then the name of the model."""
        return to_response(
            submission.submit_and_wait(
                services, to_frame(services, read_body(InterrogateBody, read_json_body()))
            )
        )

    return routes


def to_frame(services: Services, body: InterrogateBody) -> Frame:
    """The question as a worker gets it."""
    picture = picture_reader(services)("image", body.image)
    question = question_of(picture, body.model, services)
    return Frame(
        id=uuid4().hex,
        kind=INTERROGATE,
        body=INTERROGATIONS.dump_json(question),
        owner=caller().name,
        tags={TASK_TAG: new_task("interrogate"), ROUTE_TAG: "interrogate"},
    )


def question_of(picture: str, model: str, services: Services) -> InterrogationRequest:
    """What the worker is asked. Raises ``NoSuchModel`` and, where no network is, ``Refused``."""
    network, form = find_network(model, services)
    options = services.options.get()
    return InterrogationRequest(
        picture,
        str(network),
        form,
        caption_rules(options),
        tag_rules(options),
        keep=bool(options["interrogate_keep_models_in_memory"]),
    )


def find_network(model: str, services: Services) -> tuple[Path, Form]:
    """The network of a kind, the first by its name, or the one that is called ``model``."""
    here = {
        kind: list(find_interrogation_networks(services.registry.folders.of(kind)))
        for kind in PLACES
    }
    if model not in MODELS:
        for kind, form in dict.fromkeys(MODELS.values()):
            for network in here[kind]:
                if network_name(network) == model:
                    return network, form
        raise NoSuchModel("Model not found")
    kind, form = MODELS[model]
    if not here[kind]:  # the name is right, so this is no 404
        raise Refused(
            f"model: {model!r} needs a network that describes pictures, and none is here: put "
            f"{PLACES[kind]}."
        )
    own = filter(is_deepdanbooru, here[kind])
    return next(own, here[kind][0]), form


def caption_rules(options: Mapping[str, object]) -> CaptionRules:
    """From the options ``interrogate_clip_*``."""
    names = (
        "interrogate_clip_num_beams",
        "interrogate_clip_min_length",
        "interrogate_clip_max_length",
    )
    return CaptionRules(*(int(str(options[name])) for name in names))


def tag_rules(options: Mapping[str, object]) -> TagRules:
    """From the options ``deepbooru_*``."""
    left_out = str(options["deepbooru_filter_tags"]).split(",")
    return TagRules(
        threshold=float(str(options["interrogate_deepbooru_score_threshold"])),
        alphabetic=bool(options["deepbooru_sort_alpha"]),
        spaces=bool(options["deepbooru_use_spaces"]),
        escaped=bool(options["deepbooru_escape"]),
        left_out=tuple(tag.strip() for tag in left_out if tag.strip()),
        with_scores=bool(options["interrogate_return_ranks"]),
    )
