"""``/api/styles``: named pieces of prompts are made, changed and thrown away."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ValidationError

from generator.database import alone
from generator.errors import CannotSave
from generator.prompt.keeping_styles import drop_style, put_style
from generator.prompt.styles import COMMENT, Style, read_styles
from webapp.coercion import Str
from webapp.errors import Fault, InvalidFields, UnknownStyle
from webapp.openapi import Note, described
from webapp.places import styles_files
from webapp.requests.fields import invalid
from webapp.requests.ranges import LONGEST_PROMPT
from webapp.routes.context import json_body, services
from webapp.routes.models import LIST, styles_told
from webapp.scopes import Scope, allowed

LONGEST_NAME = 200
MOST = 2000  # styles
QUERY = {"name": {"type": "string", "description": "the style to throw away"}}

styling = Blueprint("styling", __name__, url_prefix="/api/styles")


class StyleBody(BaseModel):
    """A style; one of its name is replaced. ``previous`` is the name it had before."""

    name: Str
    prompt: Str = ""
    negative_prompt: Str = ""
    previous: Str | None = None


@styling.put("")
@allowed(Scope.USER)
@described(Note("Make or change a style; all styles", body=StyleBody, answer=LIST))
def keep() -> Response:
    """Write it to the file it comes from, a new one to the first."""
    try:
        asked = StyleBody.model_validate(json_body())
    except ValidationError as error:
        raise invalid(error) from None
    name = checked(asked)
    previous = asked.previous or ""
    with writing(previous):
        files = styles_files(services().config)
        known = read_styles(files)
        if previous and name != previous and name in known:
            raise wrong("name", f"there is a style {name!r} already")
        if len(known) >= MOST and name not in known and not previous:
            raise wrong("name", f"there are {MOST} styles already; throw one away first")
        put_style(files, Style(name, asked.prompt, asked.negative_prompt), previous)
    return jsonify(styles_told())


@styling.delete("")
@allowed(Scope.USER)
@described(Note("Throw a style away; those that are left", answer=LIST, query=QUERY))
def drop() -> Response:
    """Remove it from its file."""
    name = request.args.get("name", "")
    with writing(name):
        drop_style(styles_files(services().config), name)
    return jsonify(styles_told())


@contextmanager
def writing(name: str) -> Iterator[None]:
    """One change at a time. Raises ``UnknownStyle``, ``CannotSave``."""
    with alone(services().config.easel_dir / "styles"):
        try:
            yield
        except KeyError:
            raise UnknownStyle(f"There is no style {name[:LONGEST_NAME]!r}.") from None
        except OSError as error:
            raise CannotSave(f"The style cannot be written: {error.strerror}.") from error


def checked(asked: StyleBody) -> str:
    """The name of a style that can be kept. Raises ``InvalidFields``."""
    name = asked.name.strip()
    if not name or name.startswith(COMMENT) or not name.isprintable():
        raise wrong("name", f"a line of text is expected that does not begin with {COMMENT}")
    if len(name) > LONGEST_NAME:
        raise wrong("name", f"{len(name)} characters; at most {LONGEST_NAME}")
    for field in ("prompt", "negative_prompt"):
        text = getattr(asked, field)
        if len(text) > LONGEST_PROMPT or "\0" in text:
            raise wrong(field, f"text of at most {LONGEST_PROMPT} characters is expected")
    return name


def wrong(field: str, message: str) -> InvalidFields:
    """422 naming the field."""
    return InvalidFields([Fault(("body", field), message, "value_error")])
