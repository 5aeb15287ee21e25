"""Words for a picture (contract sections 1.11 and 5.14): asked for rightly, and not there yet."""

from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict

from webapp.coercion import Str
from webapp.errors import NotBuilt, Refused
from webapp.openapi import Note, described
from webapp.requests.fields import read
from webapp.routes.context import json_body
from webapp.routes.drawing import reader

describing = Blueprint("describing", __name__, url_prefix="/sdapi/v1")
MODELS = ("clip", "deepdanbooru")
CAPTION = {"type": "object", "properties": {"caption": {"type": "string"}}}


class Interrogation(BaseModel):
    """A picture, and which network shall describe it."""

    model_config = ConfigDict(extra="ignore")

    image: Str = ""
    model: Str = "clip"


class NoSuchModel(Refused):
    """AUTOMATIC1111 knows two names."""

    status = 404


@describing.post("/interrogate")
@described(Note("Words for a picture: 501, not there yet", body=Interrogation, answer=CAPTION))
def interrogate() -> Response:
    """Checked as AUTOMATIC1111 checks it: the picture first, then the name of the model."""
    body = read(Interrogation, json_body())
    reader()("image", body.image)
    if body.model not in MODELS:
        raise NoSuchModel("Model not found")
    raise NotBuilt(
        f"The picture is fine, but Easel has no network yet that describes pictures ({body.model} "
        "was asked for), and weights under models/ do not change that. POST /sdapi/v1/png-info "
        "tells the prompt of a picture that carries it."
    )
