"""The page's own routes: progress and answer of a task, pending tasks (contract 1.12)."""

import base64
import time
from typing import TypeVar

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, ValidationError

from generator.prompt.styles import read_styles
from webapp.auth import Caller
from webapp.coercion import Bool, Int, Str
from webapp.errors import Refused
from webapp.openapi import Note, described
from webapp.places import styles_files
from webapp.requests.fields import invalid
from webapp.requests.pasted import LONGEST, parameters_of
from webapp.routes.context import caller, json_body, response, services, tasks
from webapp.routes.sdapi import fraction
from webapp.routes.tasks import Running, answered, frames, task_of
from webapp.scopes import Scope, allowed

internal = Blueprint("internal", __name__, url_prefix="/internal")
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


@internal.post("/progress")
@allowed(Scope.GENERATE)
@described(Note("How far one task is", body=TaskQuery, answer=TaskProgress))
def task_progress() -> Response:
    """The state of one of the caller's tasks: queued, running, completed or unknown."""
    return jsonify(look(asked(TaskQuery), caller()).model_dump())


def asked(kind: type[Query]) -> Query:
    """The body as a query. Raises ``InvalidFields`` naming each wrong field."""
    try:
        return kind.model_validate(json_body())
    except ValidationError as error:
        raise invalid(error) from None


def look(query: TaskQuery, who: Caller) -> TaskProgress:
    """What there is to tell of a task (section 1.12: no offset of 0.01 here)."""
    here = services()
    known = list(frames(here, who))
    mine = next((frame for frame in known if task_of(frame) == query.id_task), None)
    if mine is None:
        ended = tasks().ended(who, query.id_task) or bool(answered(here, who, query.id_task))
        return TaskProgress(active=False, queued=False, completed=ended, textinfo="Waiting...")
    tasks().follow(who, query.id_task, mine.id)
    if mine.deliveries == 0:
        waiting = [frame.id for frame in known if frame.deliveries == 0]
        place = f"In queue: {waiting.index(mine.id) + 1}/{len(waiting)}"
        return TaskProgress(active=False, queued=True, completed=False, textinfo=place)
    return moving(Running(mine, here.board.sighting(mine.id)), query)


def moving(job: Running, query: TaskQuery) -> TaskProgress:
    """The state of a running job, with a preview that the page has not seen yet."""
    seen, done = job.sighting, fraction(job)
    if seen is None:
        return TaskProgress(active=True, queued=False, completed=False, progress=0.0)
    elapsed = time.time() - seen.started_at
    fresh = query.live_preview and seen.preview and seen.preview_id != query.id_live_preview
    uri = f"data:image/png;base64,{base64.b64encode(seen.preview or b'').decode()}"
    return TaskProgress(
        active=True,
        queued=False,
        completed=False,
        progress=done,
        eta=max(elapsed / done - elapsed, 0.0) if done else None,
        live_preview=uri if fresh else None,
        id_live_preview=seen.preview_id if fresh else query.id_live_preview,
        textinfo=seen.progress.textinfo,
    )


@internal.post("/answer")
@allowed(Scope.GENERATE)
@described(Note("The answer of a task whose asker has left", body=TaskName))
def task_answer() -> Response:
    """What a task of the caller's came to, once: for a page that was loaded again meanwhile."""
    stream, task = services().stream, asked(TaskName).id_task
    job = answered(services(), caller(), task)
    answer = stream.wait(job, 0) if job else None
    if job is None or answer is None:
        raise NoAnswer(f"id_task: no answer of {task!r} is kept.")
    stream.forget(job)
    return response(answer)


@internal.post("/infotext")
@allowed(Scope.GENERATE)
@described(Note("An infotext taken apart, as png-info does", body=InfotextBody))
def infotext() -> Response:
    """The parameters of a pasted text, what it leaves unsaid filled in."""
    text = asked(InfotextBody).infotext
    if len(text) > LONGEST:
        raise Refused(f"infotext: {len(text)} characters; at most {LONGEST}.")
    styles = read_styles(styles_files(services().config)).values()
    return jsonify({"parameters": parameters_of(text, services().options.get(), styles)})


@internal.get("/pending-tasks")
@allowed(Scope.GENERATE)
@described(Note("The tasks that wait or run", answer={"type": "object"}))
def pending_tasks() -> Response:
    """The caller's tasks in order of arrival."""
    ids = [task_of(frame) for frame in frames(services(), caller())]
    return jsonify({"size": len(ids), "tasks": ids})
