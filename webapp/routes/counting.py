"""How many tokens a prompt takes, as the page shows while one types (contract section 2.12)."""

from functools import cached_property

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, ValidationError

from generator.models.kinds import Kind
from generator.prompt.chunks import Counting, Trigger, token_count
from generator.prompt.limits import check_prompt
from generator.prompt.styles import read_styles, styled
from generator.prompt.tokenizer import Tokenizer, clip_tokenizer
from webapp.coercion import Bool, Int, Str, Strings
from webapp.errors import Refused
from webapp.openapi import Note, described
from webapp.places import styles_files
from webapp.requests.fields import invalid
from webapp.requests.ranges import LONGEST_PROMPT
from webapp.routes.context import json_body, services
from webapp.routes.models import of
from webapp.scopes import Scope, allowed

MOST_STEPS = 150  # variants that an alternation is spelled out in


class Prompt(BaseModel):
    """What was typed, and what changes how it is read."""

    prompt: Str = ""
    negative: Bool = False  # read as a negative prompt
    steps: Int = 20
    styles: Strings | None = None


class Tokens(BaseModel):
    """``count`` tokens in a room of ``room``; ``text`` is "count/room"."""

    count: int
    room: int
    text: str


class Reader:
    """The tokenizer, made at its first use: it takes 0.1 s and some 30 MB."""

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return clip_tokenizer()


def blueprint(reader: Reader) -> Blueprint:
    """The route of the token counter."""
    counting = Blueprint("counting", __name__, url_prefix="/internal")

    @counting.post("/token-count")
    @allowed(Scope.GENERATE)
    @described(Note("How many tokens a prompt takes", body=Prompt, answer=Tokens))
    def tokens() -> Response:
        """Count the longest variant of a prompt: after styles, comments and tags."""
        try:
            asked = Prompt.model_validate(json_body())
        except ValidationError as error:
            raise invalid(error) from None
        if len(asked.prompt) > LONGEST_PROMPT:
            raise Refused(f"prompt: {len(asked.prompt)} characters; at most {LONGEST_PROMPT}.")
        options = services().options.get()
        comments = bool(options["enable_prompt_comments"])
        styles = options["include_styles_into_token_counters"]
        text = whole(asked, comments=comments) if styles else asked.prompt
        how = Counting(
            steps=min(max(asked.steps, 1), MOST_STEPS),
            backtrack=int(str(options["comma_padding_backtrack"])),
            triggers=triggers(reader.tokenizer),
            parse=options["emphasis"] != "None",
            comments=comments,
            old_scheduling=bool(options["use_old_scheduling"]),
        )
        check_prompt(text, how.steps, "prompt", negative=asked.negative)
        count, room = token_count(text, reader.tokenizer, how, asked.negative)
        return jsonify(Tokens(count=count, room=room, text=f"{count}/{room}").model_dump())

    return counting


def whole(asked: Prompt, *, comments: bool) -> str:
    """The prompt with its styles; its own comments are taken out where there are ``comments``."""
    if not asked.styles:
        return asked.prompt
    known = read_styles(styles_files(services().config))
    prompts = ("", asked.prompt) if asked.negative else (asked.prompt, "")
    return styled(*prompts, asked.styles, known, comments=comments)[int(asked.negative)]


def triggers(tokenizer: Tokenizer) -> tuple[Trigger, ...]:
    """The embeddings, with how many tokens each takes."""
    sized = ((file.stem, file.embedding.vectors) for file in of(Kind.EMBEDDING))
    return tuple(Trigger(name, tuple(tokenizer.encode(name)), size) for name, size in sized if size)
