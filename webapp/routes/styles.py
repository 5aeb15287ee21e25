"""``/api/styles``: creates, changes and deletes styles."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ValidationError

from generator.database import lock_file
from generator.errors import CannotSave
from generator.prompt.style_edits import delete_style, save_style
from generator.prompt.styles import COMMENT, Style, read_styles
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Fault, InvalidFields, UnknownStyle
from webapp.http.openapi import RouteNote, with_note
from webapp.requests.coercion import Str
from webapp.requests.fields import invalid_fields
from webapp.requests.ranges import MAX_PROMPT_LENGTH
from webapp.routes.context import read_json_body
from webapp.routes.model_entries import StyleEntry
from webapp.routes.models import styles_json
from webapp.services import Services
from webapp.settings.data_dir import styles_files

MAX_NAME_LENGTH = 200
MAX_STYLES = 2000  # styles
QUERY = {"name": {"type": "string", "description": "the style to throw away"}}


class StyleBody(BaseModel):
    """A style; one of its name is replaced. ``previous`` is the name it had before."""

    name: Str
    prompt: Str = ""
    negative_prompt: Str = ""
    previous: Str | None = None


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("styling", __name__, url_prefix="/api/styles")

    @routes.put("")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("Make or change a style; all styles", body=StyleBody, answer=list[StyleEntry])
    )
    def keep() -> Response:
        """Write it to the file it comes from, a new one to the first."""
        try:
            style = StyleBody.model_validate(read_json_body())
        except ValidationError as error:
            raise invalid_fields(error) from None
        name = check_style(style)
        previous = style.previous or ""
        with locked_styles(services, previous):
            files = styles_files(services.config)
            styles_by_name = read_styles(files)
            if previous and name != previous and name in styles_by_name:
                raise field_error("name", f"there is a style {name!r} already")
            if len(styles_by_name) >= MAX_STYLES and name not in styles_by_name and not previous:
                raise field_error(
                    "name", f"there are {MAX_STYLES} styles already; throw one away first"
                )
            save_style(files, Style(name, style.prompt, style.negative_prompt), previous)
        return jsonify(styles_json(services))

    @routes.delete("")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("Throw a style away; those that are left", answer=list[StyleEntry], query=QUERY)
    )
    def drop() -> Response:
        """Remove it from its file."""
        name = request.args.get("name", "")
        with locked_styles(services, name):
            delete_style(styles_files(services.config), name)
        return jsonify(styles_json(services))

    return routes


@contextmanager
def locked_styles(services: Services, name: str) -> Iterator[None]:
    """One change at a time. Raises ``UnknownStyle``, ``CannotSave``."""
    with lock_file(services.config.easel_dir / "styles"):
        try:
            yield
        except KeyError:
            raise UnknownStyle(f"There is no style {name[:MAX_NAME_LENGTH]!r}.") from None
        except OSError as error:
            raise CannotSave(f"The style cannot be written: {error.strerror}.") from error


def check_style(style: StyleBody) -> str:
    """The name of a style that can be kept. Raises ``InvalidFields``."""
    name = style.name.strip()
    if not name or name.startswith(COMMENT) or not name.isprintable():
        raise field_error("name", f"a line of text is expected that does not begin with {COMMENT}")
    if len(name) > MAX_NAME_LENGTH:
        raise field_error("name", f"{len(name)} characters; at most {MAX_NAME_LENGTH}")
    for field in ("prompt", "negative_prompt"):
        text = getattr(style, field)
        if len(text) > MAX_PROMPT_LENGTH or "\0" in text:
            raise field_error(field, f"text of at most {MAX_PROMPT_LENGTH} characters is expected")
    return name


def field_error(field: str, message: str) -> InvalidFields:
    """422 naming the field."""
    return InvalidFields([Fault(("body", field), message, "value_error")])
