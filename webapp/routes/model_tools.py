"""``/api/models``: merges and converts models, by the queue."""

from uuid import uuid4

from flask import Blueprint, Response
from typing_extensions import TypedDict

from generator.model_tools.door import check_at_door
from generator.model_tools.recipes import ModelRecipe
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import CONVERT_MODEL, MERGE_MODELS, MODEL_RECIPES
from webapp.requests.fields import read_body
from webapp.requests.model_tools import ConvertBody, MergeBody, read_conversion, read_merge
from webapp.routes import submission
from webapp.routes.context import caller, check_free_space, read_json_body, to_response
from webapp.routes.tasks import ROUTE_TAG, TASK_TAG, new_task
from webapp.services import Services


class WrittenModelAnswer(TypedDict):
    """The new file, relative to the folder of its kind; none where it was interrupted."""

    name: str
    size: int
    seconds: float
    notes: list[str]
    interrupted: bool


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("model_tools", __name__, url_prefix="/api/models")

    @routes.post("/merge")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Merge checkpoints", body=MergeBody, answer=WrittenModelAnswer))
    def merge() -> Response:
        """Answered when the file is there, or when it is interrupted: ``/internal/progress``."""
        body = read_body(MergeBody, read_json_body())
        return submit(services, MERGE_MODELS, read_merge(body), body.id_task)

    @routes.post("/convert")
    @requires(AccessScope.OWNER)
    @with_note(
        RouteNote("Write a model as safetensors", body=ConvertBody, answer=WrittenModelAnswer)
    )
    def convert() -> Response:
        """Likewise."""
        body = read_body(ConvertBody, read_json_body())
        return submit(services, CONVERT_MODEL, read_conversion(body), body.id_task)

    return routes


def submit(services: Services, kind: str, recipe: ModelRecipe, task: str | None) -> Response:
    """Check a recipe, put it into the queue, wait for its answer; the new model is listed then."""
    check_free_space(services, check_at_door(recipe, services.registry))
    frame = Frame(
        id=uuid4().hex,
        kind=kind,
        body=MODEL_RECIPES.dump_json(recipe),
        owner=caller().name,
        tags={TASK_TAG: task or new_task(kind), ROUTE_TAG: kind},
    )
    answer = to_response(submission.submit_and_wait(services, frame))
    services.registry.refresh()
    return answer
