"""The drawing routes: txt2img and img2img."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from flask import Blueprint, Response, g, request

from generator.request import GenerationRequest
from webapp import eas, uploads
from webapp.errors import Refused
from webapp.fetching import fetch_rules
from webapp.foreign_options import own_options
from webapp.openapi import Note, described
from webapp.queues.contracts import Frame
from webapp.queues.frames import GENERATE, EasExtras, GenerationJob, encode
from webapp.requests.accepting import Accepted, accept
from webapp.requests.fields import DrawingBody, read
from webapp.requests.given import Given
from webapp.requests.img2img import Img2Img
from webapp.requests.saving import origins_dir, room_for, saving, unsaved
from webapp.requests.txt2img import Txt2Img
from webapp.routes import road
from webapp.routes.context import (
    caller,
    check_room,
    hold_memory,
    json_body,
    require,
    response,
    services,
)
from webapp.routes.tasks import ROUTE_TAG, TASK_TAG, new_task
from webapp.scopes import Scope, allowed
from webapp.settings import without_nulls
from webapp.version import INFOTEXT_VERSION

if TYPE_CHECKING:
    from webapp.services import Services

drawing = Blueprint("drawing", __name__, url_prefix="/sdapi/v1")

PICTURES = {
    "type": "object",
    "required": ["images", "parameters", "info"],
    "properties": {
        "images": {"type": "array", "items": {"type": "string", "format": "byte"}},
        "parameters": {"type": "object"},
        "info": {"type": "string", "description": "a JSON object as text"},
    },
}


@drawing.post("/txt2img")
@allowed(Scope.GENERATE)
@described(Note("Draw pictures from a prompt", body=Txt2Img, answer=PICTURES))
def txt2img() -> Response:
    """Draw, and answer when it is done."""
    return response(road.draw(services(), to_frame(read(Txt2Img, json_body(), lenient=lenient()))))


@drawing.post("/img2img")
@allowed(Scope.GENERATE)
@described(Note("Draw pictures from pictures and a prompt", body=Img2Img, answer=PICTURES))
def img2img() -> Response:
    """Draw, and answer when it is done."""
    return response(road.draw(services(), to_frame(read(Img2Img, json_body(), lenient=lenient()))))


def lenient() -> bool:
    """Whether bodies are read as generously as AUTOMATIC1111's clients are used to."""
    return services().config.lenient


def to_frame(body: DrawingBody) -> Frame:
    """Check a body; the frame that asks a worker for it."""
    here = services()
    options = here.options.get()
    g.extras = eas.named(body.alwayson_scripts)  # a refusal is told in their form too
    accepted = accept(body, given(options, here))
    task = task_name(accepted)
    places = (here.config.data_dir, here.config.mount_paths)
    save = saving(accepted, options, *places)
    job = GenerationJob(
        request=accepted.request if save else unsaved(accepted.request),
        route=body.route,
        echo=accepted.echo,
        send_images=body.send_images,
        save=save and replace(save, spare=here.config.upload_spare),
        origins_dir=origins_dir(accepted, options, *places),
        extras=with_task(accepted.extras, task),
        answer_format=str(options.get("samples_format", "png")),
        answer_quality=int(str(options.get("jpeg_quality", 80))),
    )
    if save or job.origins_dir:
        check_room(room_for(accepted.request))
    keep_overrides(accepted.body, here)
    return frame_of(job, task, here)


def reader(most_in_all: int | None = uploads.MOST_IN_ALL) -> uploads.PictureReader:
    """Reads the pictures of a body, fetching those that are addresses as the flags allow."""
    here = services()
    rules = fetch_rules(here.config)
    return uploads.PictureReader(rules, here.decoding, most_in_all, hold_memory)


def given(options: Mapping[str, object], here: "Services") -> Given:
    """The request context: what the body is checked against."""
    return Given(
        options,
        here.registry,
        user_name(),
        INFOTEXT_VERSION,
        here.config.lenient,
        reader(),
        here.plugins.panels(),
        here.plugins.choices,
        here.plugins.scripts,
        here.plugins.modules(),
        here.plugins.away,
        here.config.max_job_megapixel_steps,
    )


def task_name(accepted: Accepted) -> str:
    """The task's id: the caller's own, the vendor's in the body or the address, or a new one."""
    body, extras = accepted.body, accepted.extras
    named = body.force_task_id or (extras and extras.id_task) or request.args.get("task_id")
    if named and len(named) > eas.LONGEST_PATH:
        raise Refused(f"task_id: at most {eas.LONGEST_PATH} characters.")
    return named or new_task(body.route)


def with_task(extras: EasExtras | None, task: str) -> EasExtras | None:
    """The vendor's extras with the task's id filled in."""
    if extras is None:
        return None
    return EasExtras(**{**{name: getattr(extras, name) for name in eas.NAMES}, "id_task": task})


def user_name() -> str:
    """The caller's name as the infotext may tell it; the owner has none."""
    who = caller()
    return "" if who.owner else who.name


def keep_overrides(body: DrawingBody, here: "Services") -> None:
    """Change the options for good where the request says that they shall not be restored."""
    if body.override_settings and body.override_settings_restore_afterwards is False:
        require(Scope.USER, "override_settings_restore_afterwards: false changes the options")
        own, _ = own_options(body.override_settings, here.options.get())
        here.options.update(without_nulls(own) if here.config.lenient else own)


def frame_of(job: GenerationJob, task: str, here: "Services") -> Frame:
    """The frame that carries a job."""
    return Frame(
        id=uuid4().hex,
        kind=GENERATE,
        body=encode(job),
        owner=caller().name,
        checkpoint=title_of(job.request, here),
        tags={TASK_TAG: task, ROUTE_TAG: job.route},
    )


def title_of(wanted: GenerationRequest, here: "Services") -> str:
    """The title by which a worker says that it holds the checkpoint; "" where any will do."""
    if not wanted.checkpoint:
        return ""
    return here.registry.find_checkpoint(wanted.checkpoint).title
