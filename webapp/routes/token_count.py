"""Token count of a prompt, for the page (contract section 2.12)."""

from functools import cached_property

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, ValidationError

from generator.models.kinds import ModelKind
from generator.prompt.chunks import TokenCountOptions, Trigger, token_count
from generator.prompt.limits import check_prompt
from generator.prompt.styles import apply_named_styles, read_styles
from generator.prompt.tokenizer import Tokenizer, clip_tokenizer
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Refused
from webapp.http.openapi import RouteNote, with_note
from webapp.requests.coercion import Bool, Int, Str, Strings
from webapp.requests.fields import invalid_fields
from webapp.requests.ranges import MAX_PROMPT_LENGTH
from webapp.routes.context import read_json_body
from webapp.routes.model_entries import files_of
from webapp.services import Services
from webapp.settings.data_dir import styles_files

MAX_STEPS = 150  # variants that an alternation is spelled out in


class TokenCountQuery(BaseModel):
    """What was typed, and what changes how it is read."""

    prompt: Str = ""
    negative: Bool = False  # read as a negative prompt
    steps: Int = 20
    styles: Strings | None = None


class TokenCount(BaseModel):
    """``count`` tokens in a room of ``room``; ``text`` is "count/room"."""

    count: int
    room: int
    text: str


class PromptTokenizer:
    """The tokenizer, made at its first use: it takes 0.1 s and some 30 MB."""

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return clip_tokenizer()


def blueprint(services: Services) -> Blueprint:
    """The route of the token counter."""
    reader = PromptTokenizer()
    counting = Blueprint("counting", __name__, url_prefix="/internal")

    @counting.post("/token-count")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("How many tokens a prompt takes", body=TokenCountQuery, answer=TokenCount))
    def tokens() -> Response:
        """Count the longest variant of a prompt: after styles, comments and tags."""
        try:
            query = TokenCountQuery.model_validate(read_json_body())
        except ValidationError as error:
            raise invalid_fields(error) from None
        if len(query.prompt) > MAX_PROMPT_LENGTH:
            raise Refused(f"prompt: {len(query.prompt)} characters; at most {MAX_PROMPT_LENGTH}.")
        options = services.options.get()
        comments = bool(options["enable_prompt_comments"])
        styles = options["include_styles_into_token_counters"]
        text = styled_prompt(services, query, comments=comments) if styles else query.prompt
        settings = TokenCountOptions(
            steps=min(max(query.steps, 1), MAX_STEPS),
            backtrack=int(str(options["comma_padding_backtrack"])),
            triggers=embedding_triggers(services, reader.tokenizer),
            parse=options["emphasis"] != "None",
            comments=comments,
            old_scheduling=bool(options["use_old_scheduling"]),
        )
        check_prompt(text, settings.steps, "prompt", negative=query.negative)
        count, room = token_count(text, reader.tokenizer, settings, query.negative)
        return jsonify(TokenCount(count=count, room=room, text=f"{count}/{room}").model_dump())

    return counting


def styled_prompt(services: Services, query: TokenCountQuery, *, comments: bool) -> str:
    """The prompt with its styles; its own comments are taken out where there are ``comments``."""
    if not query.styles:
        return query.prompt
    styles = read_styles(styles_files(services.config))
    prompts = ("", query.prompt) if query.negative else (query.prompt, "")
    return apply_named_styles(*prompts, query.styles, styles, comments=comments)[
        int(query.negative)
    ]


def embedding_triggers(services: Services, tokenizer: Tokenizer) -> tuple[Trigger, ...]:
    """The embeddings, with how many tokens each takes."""
    vectors = (
        (file.stem, file.embedding.vectors) for file in files_of(services, ModelKind.EMBEDDING)
    )
    return tuple(
        Trigger(name, tuple(tokenizer.encode(name)), size) for name, size in vectors if size
    )
