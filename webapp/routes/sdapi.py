"""AUTOMATIC1111's routes beside the drawing: progress, interrupt, skip, options."""

import base64
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from generator.request import Stop
from webapp.errors import Fault, InvalidFields, Refused
from webapp.foreign_options import ignored, own_options
from webapp.openapi import EMPTY, NULL, Note, described
from webapp.requests.models_of import AUTOMATIC, drawable, here_or_refused
from webapp.routes.context import LARGEST_FORM, caller, json_body, services, tasks
from webapp.routes.tasks import ASYNC_TAG, Running, frames, route_of, running, task_of
from webapp.scopes import Scope, allowed
from webapp.stopped_jobs import STOPPED, stopped_before_it_began

if TYPE_CHECKING:
    from webapp.queues.contracts import Frame
    from webapp.services import Services

log = logging.getLogger("easel.web")
sdapi = Blueprint("sdapi", __name__, url_prefix="/sdapi/v1")

ONE_TASK = {"id_task": {"type": "string", "description": "this one alone, waiting or not"}}
"""Also as a key of a JSON body."""

PROGRESS = {
    "type": "object",
    "required": ["progress", "eta_relative", "state", "current_image", "textinfo"],
    "properties": {
        "progress": {"type": "number"},
        "eta_relative": {"type": "number"},
        "state": {"type": "object"},
        "current_image": {"type": "string", "format": "byte", "nullable": True},
        "textinfo": {"type": "string", "nullable": True},
    },
}


@sdapi.get("/progress")
@allowed(Scope.READ)
@described(
    Note(
        "How far the caller's running job is",
        answer=PROGRESS,
        query={"skip_current_image": {"type": "boolean", "default": False}},
    )
)
def progress() -> Response:
    """The state of the latest running job, or that of rest."""
    jobs = running(services(), caller())
    with_image = request.args.get("skip_current_image", "").lower() not in (
        "true",
        "1",
        "yes",
        "on",
    )
    return jsonify(busy(jobs[-1], with_image) if jobs else AT_REST)


AT_REST_STATE: dict[str, object] = {
    "skipped": False,
    "interrupted": False,
    "stopping_generation": False,
    "job": "",
    "job_count": 0,
    "job_timestamp": "0",
    "job_no": 0,
    "sampling_step": 0,
    "sampling_steps": 0,
}
AT_REST: dict[str, object] = {
    "progress": 0.0,
    "eta_relative": 0.0,
    "state": AT_REST_STATE,
    "current_image": None,
    "textinfo": None,
}


def busy(job: Running, with_image: bool) -> dict[str, object]:
    """What ``GET progress`` tells of a job in work (contract section 1.10)."""
    seen, asked = job.sighting, tasks().asked(job.frame.id)
    flags = {
        "skipped": asked is Stop.SKIP,
        "interrupted": asked is Stop.INTERRUPT,
        "stopping_generation": False,
    }
    if seen is None:
        state = flags | {"job": f"scripts_{route_of(job.frame)}", "job_count": -1}
        return {**AT_REST, "state": {**AT_REST_STATE, **state}}
    facts = seen.progress
    done = min(0.01 + fraction(job), 1.0)
    elapsed = time.time() - seen.started_at
    state = flags | {
        "job": facts.job,
        "job_count": facts.batches,
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", time.localtime(seen.started_at)),
        "job_no": facts.batch,
        "sampling_step": facts.step,
        "sampling_steps": facts.steps,
    }
    picture = base64.b64encode(seen.preview).decode() if seen.preview and with_image else None
    return {
        "progress": done,
        "eta_relative": max(elapsed / done - elapsed, 0.0),
        "state": state,
        "current_image": picture,
        "textinfo": facts.textinfo,
    }


def fraction(job: Running) -> float:
    """How much of a job is done, 0..1, by batches and steps."""
    if job.sighting is None:
        return 0.0
    facts = job.sighting.progress
    batches = max(facts.batches, 1)
    step = facts.step / facts.steps if facts.steps > 0 else 0.0
    return min((facts.batch + step) / batches, 1.0)


@sdapi.post("/interrupt")
@allowed(Scope.GENERATE)
@described(
    Note(
        "Stop the caller's running jobs; what is drawn so far is answered",
        query=ONE_TASK,
        answer=EMPTY,
    )
)
def interrupt() -> Response:
    """Ask the workers to stop; a task that is named and waits is answered at once.

    Without a name, jobs that wait and whose answer nobody waits for leave the queue too.
    """
    named = named_task()
    own = frames(services(), caller())
    if named is None:
        mine = [each for each in own if each.deliveries > 0 or is_forgotten(each)]
        ask(Stop.INTERRUPT, [each for each in mine if not dropped(each)])
    else:
        mine = [each for each in own if task_of(each) == named]
        ask(Stop.INTERRUPT, [each for each in mine if not (settled(each) or dropped(each))])
    return jsonify({})


@sdapi.post("/skip")
@allowed(Scope.GENERATE)
@described(Note("Stop the current batch and go on with the next", query=ONE_TASK, answer=NULL))
def skip() -> Response:
    """Ask the workers to go on with the next batch. Nothing happens to a task that waits."""
    named = named_task()
    jobs = [job.frame for job in running(services(), caller())]
    ask(Stop.SKIP, [job for job in jobs if named is None or task_of(job) == named])
    return jsonify(None)


def named_task() -> str | None:
    """The task that a request names, in its address or its JSON. Raises ``InvalidFields``."""
    named: object = request.args.get("id_task")
    if not named:
        body = told_body()
        named = body.get("id_task") if isinstance(body, dict) else None
    if named is not None and not isinstance(named, str):
        raise InvalidFields([Fault(("body", "id_task"), "str type expected", "type_error.str")])
    return named or None


def told_body() -> object:
    """The body as JSON; None for one that neither is nor says so: AUTOMATIC1111 reads none."""
    try:
        return json_body(required=False, most=LARGEST_FORM)
    except InvalidFields:
        if request.is_json:
            raise
        return None


def settled(frame: "Frame") -> bool:
    """Answer a waiting task that no worker has begun; whether that was done."""
    compose = STOPPED.get(frame.kind)
    waiting = services().stream.waiting_frame(frame.id) if compose else None
    if compose is None or waiting is None:
        return False
    return services().stream.settle(frame.id, compose(waiting))


def is_forgotten(job: "Frame") -> bool:
    """Whether a job is the caller's own and asynchronous: nobody waits for its answer."""
    return ASYNC_TAG in job.tags and job.owner == caller().name


def dropped(job: "Frame") -> bool:
    """Answer a waiting asynchronous job and take it out of the queue; False for any other."""
    waits = job.deliveries == 0 and ASYNC_TAG in job.tags
    return waits and services().stream.settle(job.id, stopped_before_it_began())


def ask(stop: Stop, jobs: Sequence["Frame"]) -> None:
    """Tell jobs to stop."""
    for job in jobs:
        services().board.ask_stop(job.id, stop)
        tasks().stop(job.id, stop)


@sdapi.get("/options")
@allowed(Scope.READ)
@described(Note("Every option with its value", answer={"type": "object"}))
def get_options() -> Response:
    """All options; the checkpoint is named even when nobody has chosen one."""
    return jsonify(options_told(services()))


def options_told(here: "Services") -> dict[str, object]:
    """Every option with its value, a checkpoint among them wherever there is one."""
    options = dict(here.options.get())
    first = here.registry.index.first_checkpoint
    if not options.get("sd_model_checkpoint") and first is not None:
        options["sd_model_checkpoint"] = first.title
    return options


@sdapi.post("/options")
@allowed(Scope.USER)
@described(Note("Change options", body={"type": "object"}, answer=NULL))
def set_options() -> Response:
    """Set each option of the body and save them all. Refuses the body whole, or takes it whole.

    A checkpoint that is not here, or with which nothing can be drawn, is refused with its reason.
    Options of other programs are left out; the header ``X-Easel-Ignored`` names them.
    """
    here = services()
    body = json_body()
    if not isinstance(body, dict):
        raise InvalidFields([Fault(("body",), "value is not a valid dict", "type_error.dict")])
    name, before = body.get("sd_model_checkpoint"), options_told(here)
    if name and name != before.get("sd_model_checkpoint"):  # a body of all options may come back
        chosen_vae = str(body.get("sd_vae") or before.get("sd_vae") or AUTOMATIC)
        body = body | {"sd_model_checkpoint": known_checkpoint(str(name), chosen_vae, here)}
    body, foreign = own_options(body, here.options.get())
    here.options.update(body)
    answer = jsonify(None)
    if foreign:
        log.warning("%s", ignored(foreign))
        plain = [name for name in foreign if name.isascii() and name.isidentifier()]
        answer.headers["X-Easel-Ignored"] = ", ".join(plain[:50])
    return answer


def known_checkpoint(name: str, chosen_vae: str, here: "Services") -> str:
    """The title of a checkpoint that is here and can be drawn with, else a refusal."""
    found = here_or_refused("sd_model_checkpoint", name, here.registry)
    if found is None:
        raise Refused(f"sd_model_checkpoint: model {name!r} not found")
    return drawable("sd_model_checkpoint", found, chosen_vae, here.registry).title
