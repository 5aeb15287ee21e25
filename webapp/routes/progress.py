"""AUTOMATIC1111's routes beside the drawing: progress, interrupt, skip; options by ``options``."""

import base64
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from generator.request import Stop
from webapp.access.credentials import Caller
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Fault, InvalidFields
from webapp.http.openapi import EMPTY_SCHEMA, NULL_SCHEMA, Base64, RouteNote, with_note
from webapp.jobs.cold_start import TEXTS
from webapp.routes.context import MAX_FORM_BYTES, caller, read_json_body
from webapp.routes.options import add_options
from webapp.routes.tasks import ASYNC_TAG, RunningJob, frames_of, route_of, running_jobs, task_of
from webapp.services import Services
from webapp.worker.stopped_jobs import STOPPED_ANSWERS, stopped_answer

if TYPE_CHECKING:
    from webapp.queues.contracts.frame import Frame

ONE_TASK = {"id_task": {"type": "string", "description": "this one alone, waiting or not"}}
"""Also as a key of a JSON body."""


class ProgressState(TypedDict):
    """Where the latest running job stands, in AUTOMATIC1111's words."""

    skipped: bool
    interrupted: bool
    stopping_generation: bool
    job: str
    job_count: int
    job_timestamp: str
    job_no: int
    sampling_step: int
    sampling_steps: int


class ProgressAnswer(TypedDict):
    """How far it is: 0 to 1, seconds that are left, and a picture in base64."""

    progress: float
    eta_relative: float
    state: ProgressState
    current_image: Base64 | None
    textinfo: str | None


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("sdapi", __name__, url_prefix="/sdapi/v1")
    add_progress(routes, services)
    add_interrupt(routes, services)
    add_skip(routes, services)
    add_options(routes, services)
    return routes


def add_progress(routes: Blueprint, services: Services) -> None:
    """How far the running job is."""

    @routes.get("/progress")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "How far the caller's running job is",
            answer=ProgressAnswer,
            query={"skip_current_image": {"type": "boolean", "default": False}},
        )
    )
    def progress() -> Response:
        """The state of the latest running job, or that of rest."""
        jobs = running_jobs(services, caller())
        with_image = request.args.get("skip_current_image", "").lower() not in (
            "true",
            "1",
            "yes",
            "on",
        )
        if jobs:
            return jsonify(progress_json(services, jobs[-1], with_image))
        return jsonify({**IDLE_PROGRESS, "textinfo": cold_start_text(services, caller())})


def add_interrupt(routes: Blueprint, services: Services) -> None:
    """Stop jobs."""

    @routes.post("/interrupt")
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "Stop the caller's running jobs; what is drawn so far is answered",
            query=ONE_TASK,
            answer=EMPTY_SCHEMA,
        )
    )
    def interrupt() -> Response:
        """Ask the workers to stop; a task that is named and waits is answered at once.

        Without a name, jobs that wait and whose answer nobody waits for leave the queue too.
        """
        task = read_task_id()
        own = frames_of(services, caller())
        if task is None:
            mine = [each for each in own if each.deliveries > 0 or is_unattended(each)]
            request_stop(
                services,
                Stop.INTERRUPT,
                [each for each in mine if not drop_waiting(services, each)],
            )
        else:
            mine = [each for each in own if task_of(each) == task]
            request_stop(
                services,
                Stop.INTERRUPT,
                [
                    each
                    for each in mine
                    if not (answer_stopped(services, each) or drop_waiting(services, each))
                ],
            )
        return jsonify({})


def add_skip(routes: Blueprint, services: Services) -> None:
    """Stop batches."""

    @routes.post("/skip")
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "Stop the current batch and go on with the next", query=ONE_TASK, answer=NULL_SCHEMA
        )
    )
    def skip() -> Response:
        """Ask the workers to go on with the next batch. Nothing happens to a task that waits."""
        task = read_task_id()
        jobs = [job.frame for job in running_jobs(services, caller())]
        request_stop(
            services, Stop.SKIP, [job for job in jobs if task is None or task_of(job) == task]
        )
        return jsonify(None)


IDLE_STATE: ProgressState = {
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
IDLE_PROGRESS: ProgressAnswer = {
    "progress": 0.0,
    "eta_relative": 0.0,
    "state": IDLE_STATE,
    "current_image": None,
    "textinfo": None,
}


def progress_json(services: Services, job: RunningJob, with_image: bool) -> ProgressAnswer:
    """What ``GET progress`` tells of a job in work (contract section 1.10)."""
    job_progress, stop = job.progress, services.tasks.stop_requested(job.frame.id)
    state: ProgressState = {
        **IDLE_STATE,
        "skipped": stop is Stop.SKIP,
        "interrupted": stop is Stop.INTERRUPT,
    }
    if job_progress is None:
        state = {**state, "job": f"scripts_{route_of(job.frame)}", "job_count": -1}
        return {**IDLE_PROGRESS, "state": state}
    facts = job_progress.progress
    done = min(0.01 + fraction_done(job), 1.0)
    elapsed = time.time() - job_progress.started_at
    state = {
        **state,
        "job": facts.job,
        "job_count": facts.batches,
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", time.localtime(job_progress.started_at)),
        "job_no": facts.batch,
        "sampling_step": facts.step,
        "sampling_steps": facts.steps,
    }
    picture = (
        base64.b64encode(job_progress.preview).decode()
        if job_progress.preview and with_image
        else None
    )
    return {
        "progress": done,
        "eta_relative": max(elapsed / done - elapsed, 0.0),
        "state": state,
        "current_image": picture,
        "textinfo": facts.textinfo,
    }


def cold_start_text(services: Services, who: Caller) -> str | None:
    """What a caller's waiting jobs wait for while no worker is ready; None where one is."""
    phase = services.overview.view().cold_start
    if not phase or all(frame.is_leased for frame in frames_of(services, who)):
        return None
    return TEXTS[phase]


def fraction_done(job: RunningJob) -> float:
    """How much of a job is done, 0..1; nothing before its worker has told of it."""
    return job.progress.share_done if job.progress else 0.0


def read_task_id() -> str | None:
    """The task that a request names, in its address or its JSON. Raises ``InvalidFields``."""
    task: object = request.args.get("id_task")
    if not task:
        body = read_optional_json()
        task = body.get("id_task") if isinstance(body, dict) else None
    if task is not None and not isinstance(task, str):
        raise InvalidFields([Fault(("body", "id_task"), "str type expected", "type_error.str")])
    return task or None


def read_optional_json() -> object:
    """The body as JSON; None for one that neither is nor says so: AUTOMATIC1111 reads none."""
    try:
        return read_json_body(required=False, most=MAX_FORM_BYTES)
    except InvalidFields:
        if request.is_json:
            raise
        return None


def answer_stopped(services: Services, frame: "Frame") -> bool:
    """Answer a waiting task that no worker has begun; whether that was done."""
    compose = STOPPED_ANSWERS.get(frame.kind)
    waiting = services.queue.read_waiting_frame(frame.id) if compose else None
    if compose is None or waiting is None:
        return False
    return services.sink.answer_waiting(frame.id, compose(waiting))


def is_unattended(job: "Frame") -> bool:
    """Whether a job is the caller's own and asynchronous: nobody waits for its answer."""
    return ASYNC_TAG in job.tags and job.owner == caller().name


def drop_waiting(services: Services, job: "Frame") -> bool:
    """Answer a waiting asynchronous job and take it out of the queue; False for any other."""
    waits = not job.is_leased and ASYNC_TAG in job.tags
    return waits and services.sink.answer_waiting(job.id, stopped_answer())


def request_stop(services: Services, stop: Stop, jobs: Sequence["Frame"]) -> None:
    """Tell jobs to stop."""
    for job in jobs:
        services.stop_requests.request_stop(job.id, stop)
        services.tasks.record_stop(job.id, stop)
