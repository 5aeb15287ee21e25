"""``GET /v1/models``: the checkpoints, in OpenAI's words."""

from typing import Literal

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from webapp.access.scopes import AccessScope, requires
from webapp.errors import UnknownModel
from webapp.http.openapi import OPENAI_ERRORS, RouteNote, with_note
from webapp.requests.model_choice import find_exact_checkpoint
from webapp.routes.model_entries import files_of
from webapp.services import Services

OWNER = "easel"


class OpenAiModel(TypedDict):
    """A checkpoint by its path below its folder; ``created`` in unix seconds."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAiModels(TypedDict):
    """Every checkpoint that can be drawn with."""

    object: Literal["list"]
    data: list[OpenAiModel]


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("openai_models", __name__, url_prefix="/v1/models")

    @routes.get("")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote("Checkpoints, as OpenAI's clients ask", answer=OpenAiModels, errors=OPENAI_ERRORS)
    )
    def list_models() -> Response:
        """Every checkpoint that can be drawn with."""
        files = files_of(services, ModelKind.CHECKPOINT)
        registry = services.registry
        entries = [
            model_json(file)
            for file in files
            if file.is_drawable or registry.plugin_family_of(file)
        ]
        return jsonify({"object": "list", "data": entries})

    @routes.get("/<path:name>")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "One checkpoint, as OpenAI's clients ask", answer=OpenAiModel, errors=OPENAI_ERRORS
        )
    )
    def show_model(name: str) -> Response:
        """The checkpoint of that name, title or hash; 404 where there is none."""
        file = find_exact_checkpoint(services.registry, name)
        if file is None:
            raise UnknownModel(
                f"The model {name[:80]!r} is not here; GET /v1/models lists those that are. A "
                "request that names another is drawn with the default checkpoint."
            )
        return jsonify(model_json(file))

    return routes


def model_json(file: ModelFile) -> OpenAiModel:
    """One entry of the list."""
    return {
        "id": file.name,
        "object": "model",
        "created": file.mtime_ns // 1_000_000_000,
        "owned_by": OWNER,
    }
