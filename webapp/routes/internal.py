"""The page's own routes: progress and answer of a task, pending tasks (contract 1.12)."""

import base64
import time
from typing import TypeVar

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from generator.pictures.infotext_parser import MAX_INFOTEXT_LENGTH
from generator.prompt.styles import read_styles
from webapp.access.credentials import Caller
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Refused
from webapp.http.openapi import RouteNote, with_note
from webapp.jobs.cold_start import TEXTS
from webapp.requests.coercion import Bool, Int, Str
from webapp.requests.fields import invalid_fields
from webapp.requests.infotext import parse_parameters
from webapp.routes.context import caller, read_json_body, to_response
from webapp.routes.progress import fraction_done
from webapp.routes.tasks import RunningJob, find_answered_job, frames_of, task_of
from webapp.services import Services
from webapp.settings.data_dir import styles_files

Query = TypeVar("Query", bound=BaseModel)


class TaskQuery(BaseModel):
    """Which task, and which preview the page has already."""

    id_task: Str
    id_live_preview: Int = -1
    live_preview: Bool = True


class TaskName(BaseModel):
    """One of the caller's tasks."""

    id_task: Str


class InfotextBody(BaseModel):
    """The text that a picture was made with, pasted without its picture."""

    infotext: Str


class NoAnswer(Refused):
    """Nothing is kept of a task: it never was, was answered, or ended too long ago."""

    status = 404


class TaskProgress(BaseModel):
    """How far a task is; ``live_preview`` is a data URI, sent once per preview."""

    active: bool
    queued: bool
    completed: bool
    progress: float | None = None
    eta: float | None = None
    live_preview: str | None = None
    id_live_preview: int = -1
    textinfo: str | None = None


class InfotextParameters(TypedDict):
    """An infotext taken apart."""

    parameters: dict[str, object]


class PendingTasks(TypedDict):
    """The caller's tasks that wait or run, in order of arrival."""

    size: int
    tasks: list[str]


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("internal", __name__, url_prefix="/internal")

    @routes.post("/progress")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("How far one task is", body=TaskQuery, answer=TaskProgress))
    def task_progress() -> Response:
        """The state of one of the caller's tasks: queued, running, completed or unknown."""
        return jsonify(task_state(services, read_query(TaskQuery), caller()).model_dump())

    @routes.post("/answer")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("The answer of a task whose asker has left", body=TaskName))
    def task_answer() -> Response:
        """What a task of the caller's came to, once: for a page that was loaded again meanwhile."""
        sink, task = services.sink, read_query(TaskName).id_task
        job = find_answered_job(services, caller(), task)
        answer = sink.wait(job, 0) if job else None
        if job is None or answer is None:
            raise NoAnswer(f"id_task: no answer of {task!r} is kept.")
        sink.delete_answer(job)
        return to_response(answer)

    @routes.post("/infotext")
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "An infotext taken apart, as png-info does",
            body=InfotextBody,
            answer=InfotextParameters,
        )
    )
    def infotext() -> Response:
        """The parameters of a pasted text, what it leaves unsaid filled in."""
        text = read_query(InfotextBody).infotext
        if len(text) > MAX_INFOTEXT_LENGTH:
            raise Refused(f"infotext: {len(text)} characters; at most {MAX_INFOTEXT_LENGTH}.")
        styles = read_styles(styles_files(services.config)).values()
        return jsonify({"parameters": parse_parameters(text, services.options.get(), styles)})

    @routes.get("/pending-tasks")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("The tasks that wait or run", answer=PendingTasks))
    def pending_tasks() -> Response:
        """The caller's tasks in order of arrival."""
        ids = [task_of(frame) for frame in frames_of(services, caller())]
        return jsonify({"size": len(ids), "tasks": ids})

    return routes


def read_query(kind: type[Query]) -> Query:
    """The body as a query. Raises ``InvalidFields`` naming each wrong field."""
    try:
        return kind.model_validate(read_json_body())
    except ValidationError as error:
        raise invalid_fields(error) from None


def task_state(services: Services, query: TaskQuery, who: Caller) -> TaskProgress:
    """What there is to tell of a task (section 1.12: no offset of 0.01 here)."""
    queued = list(frames_of(services, who))
    mine = next((frame for frame in queued if task_of(frame) == query.id_task), None)
    if mine is None:
        has_ended = services.tasks.has_ended(
            None if who.is_owner else who.name, query.id_task
        ) or bool(find_answered_job(services, who, query.id_task))
        return TaskProgress(active=False, queued=False, completed=has_ended, textinfo="Waiting...")
    services.tasks.follow(who.name, query.id_task, mine.id)
    if not mine.is_leased:
        waiting = [frame.id for frame in queued if not frame.is_leased]
        position = f"In queue: {waiting.index(mine.id) + 1}/{len(waiting)}"
        if phase := services.overview.view().cold_start:
            position = f"{position}. {TEXTS[phase]}"
        return TaskProgress(active=False, queued=True, completed=False, textinfo=position)
    return running_state(RunningJob(mine, services.progress.read_progress(mine.id)), query)


def running_state(job: RunningJob, query: TaskQuery) -> TaskProgress:
    """The state of a running job, with a preview that the page has not seen yet."""
    job_progress, share_done = job.progress, fraction_done(job)
    if job_progress is None:
        return TaskProgress(active=True, queued=False, completed=False, progress=0.0)
    elapsed = time.time() - job_progress.started_at
    is_new_preview = (
        query.live_preview
        and job_progress.preview
        and job_progress.preview_id != query.id_live_preview
    )
    uri = f"data:image/png;base64,{base64.b64encode(job_progress.preview or b'').decode()}"
    return TaskProgress(
        active=True,
        queued=False,
        completed=False,
        progress=share_done,
        eta=max(elapsed / share_done - elapsed, 0.0) if share_done else None,
        live_preview=uri if is_new_preview else None,
        id_live_preview=job_progress.preview_id if is_new_preview else query.id_live_preview,
        textinfo=job_progress.progress.textinfo,
    )
