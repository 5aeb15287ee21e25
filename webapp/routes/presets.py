"""``/api/v1/presets``: whole forms of the page that the caller keeps under names."""

import base64
import json
from io import BytesIO
from typing import Annotated

from flask import Blueprint, Response, jsonify
from PIL import Image
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from typing_extensions import TypedDict

from filebrowser.pictures.decoded_size import decoded_bytes
from generator.pictures.base64_images import decode, open_header
from webapp.access.scopes import AccessScope, requires
from webapp.errors import BadValue
from webapp.gallery.presets import Preset, PresetChange
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.requests.coercion import to_dict
from webapp.requests.fields import read_body
from webapp.routes.context import caller, check_free_space, read_json_body
from webapp.routes.generation import picture_reader
from webapp.services import Services

THUMBNAIL_SIDE = 256  # pixels
MAX_FORM_BYTES = 256 * 1024
MAX_BODY_BYTES = 32 * 1024 * 1024
WRITTEN_BYTES = 1024 * 1024  # of the file, at most, by one change
QUALITY = 82  # of thumbnails

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Form = Annotated[dict[str, JsonValue], BeforeValidator(to_dict)]


class PresetFacts(TypedDict):
    """A preset; ``picture`` is the address of its thumbnail, ``changed`` seconds since 1970."""

    id: str
    name: str
    changed: float
    picture: str | None


class PresetList(TypedDict):
    """The caller's presets, the one that was changed last first."""

    presets: list[PresetFacts]


class WholePreset(PresetFacts):
    """A preset with its form."""

    form: dict[str, object]


class NewPreset(BaseModel):
    """The body of ``POST /api/v1/presets``; ``image``: base64 or an address, made smaller."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    form: Form
    image: str = ""


class PresetBody(BaseModel):
    """The body of ``PATCH /api/v1/presets/<id>``; left out: as it is. ``image`` "": none."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = None
    form: Form | None = None
    image: str | None = None


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("presets", __name__, url_prefix="/api/v1/presets")
    add_reading(routes, services)
    add_changes(routes, services)
    return routes


def add_reading(routes: Blueprint, services: Services) -> None:
    """Presets as they are."""
    store = services.presets

    @routes.get("")
    @requires(AccessScope.READ)
    @with_note(RouteNote("The caller's presets", answer=PresetList))
    def own() -> Response:
        """Without their forms."""
        return jsonify({"presets": [preset_json(one) for one in store.presets_of(caller().name)]})

    @routes.get("/<name>")
    @requires(AccessScope.READ)
    @with_note(RouteNote("A preset with its form", answer=WholePreset))
    def one(name: str) -> Response:
        """Others' are 404."""
        preset = store.get(caller().name, name)
        return jsonify({**preset_json(preset), "form": json.loads(store.form_of(preset))})

    @routes.get("/<name>/picture")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "A preset's thumbnail", content_type="image/webp",
            answer={"type": "string", "format": "binary"},
        )
    )  # fmt: skip
    def picture(name: str) -> Response:
        """Others' are 404."""
        response = Response(store.picture_of(store.get(caller().name, name)), 200)
        response.content_type = "image/webp"
        response.cache_control.private = True
        response.cache_control.max_age = 86_400  # another one has another address
        return response


def add_changes(routes: Blueprint, services: Services) -> None:
    """New presets, changed and deleted ones."""
    store = services.presets

    @routes.post("")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Keep a form as a preset", body=NewPreset, answer=PresetFacts))
    def keep() -> Response:
        """Under a name that no other preset of the caller's has."""
        body = read_body(NewPreset, read_json_body(most=MAX_BODY_BYTES))
        form, picture = form_text(body.form), thumbnail(services, body.image)
        check_free_space(services, WRITTEN_BYTES)
        preset = store.create(caller().name, body.name.strip(), form, picture)
        return jsonify(preset_json(preset))

    @routes.patch("/<name>")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Change a preset", body=PresetBody, answer=PresetFacts))
    def change(name: str) -> Response:
        """Its name, its form, its thumbnail."""
        preset = store.get(caller().name, name)
        body = read_body(PresetBody, read_json_body(most=MAX_BODY_BYTES))
        changes = PresetChange(
            None if body.name is None else body.name.strip(),
            None if body.form is None else form_text(body.form),
            None if body.image is None else thumbnail(services, body.image),
        )
        check_free_space(services, WRITTEN_BYTES)
        store.update(preset, changes)
        return jsonify(preset_json(store.get(caller().name, name)))

    @routes.delete("/<name>")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Delete a preset", answer=EMPTY_SCHEMA))
    def delete(name: str) -> Response:
        """For good; the page keeps it for its Undo."""
        store.delete(store.get(caller().name, name))
        return jsonify({})


def preset_json(preset: Preset) -> PresetFacts:
    """A preset without its form; the thumbnail's address changes with it."""
    picture = f"api/v1/presets/{preset.id}/picture?{preset.changed}"
    return {
        "id": preset.id,
        "name": preset.name,
        "changed": preset.changed,
        "picture": picture if preset.has_picture else None,
    }


def form_text(form: Form) -> str:
    """The form as it is kept. Raises ``BadValue``."""
    text = json.dumps(form, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > MAX_FORM_BYTES:
        raise BadValue(f"form: it has {size:,} bytes; at most {MAX_FORM_BYTES:,}.")
    return text


def thumbnail(services: Services, image: str) -> bytes:
    """A WebP of the picture, made small; nothing of nothing. Raises as ``picture_reader``."""
    if not image:
        return b""
    header = open_header(base64.b64decode(picture_reader(services)("image", image)))
    with services.decoding.hold(decoded_bytes(header, copies=2)):
        picture = decode(header)
        picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
        content = BytesIO()
        picture.save(content, "WEBP", quality=QUALITY)
    return content.getvalue()
