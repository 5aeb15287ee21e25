"""``GET /api/v1/queue``: who waits, and why. Everybody sees their own jobs, the owner all."""

import time
from collections.abc import Iterable

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.jobs.queue_overview import QueueView, seconds_left
from webapp.jobs.wait_reasons import WaitReason, find_reasons
from webapp.queues.contracts.frame import Frame
from webapp.queues.quotas import QuotaFacts, facts_of
from webapp.routes.context import caller
from webapp.routes.job_states import QUEUED, RUNNING, start_and_eta
from webapp.routes.tasks import route_of, task_of
from webapp.services import Services

MOST_TOLD = 200  # jobs in an answer


class ReasonFacts(TypedDict):
    """Why a job waits, ``kind``: a ``WaitKind`` (docs/scheduling.md).

    ``others`` and ``own``: jobs that go first, of others and of its owner. ``limit``: jobs at once.
    """

    kind: str
    text: str
    others: int
    own: int
    limit: int | None
    group: str | None


class QueuedJob(TypedDict):
    """A job in the queue. ``state``: queued or running; times in unix seconds, ``eta`` in seconds.

    ``position`` among all that wait, from 1; ``predicted_start`` and ``eta`` are null while no
    worker lives. ``reason`` is null for a running one.
    """

    id: str
    task: str
    route: str
    user: str
    group: str | None
    state: str
    priority: int
    created_at: float
    predicted_seconds: float
    position: int | None
    predicted_start: float | None
    eta: float | None
    reason: ReasonFacts | None


class OtherJobs(TypedDict):
    """How many jobs of others there are."""

    waiting: int
    running: int


class QueueFacts(TypedDict):
    """The queue. ``jobs``: the caller's, everybody's for the owner, running ones first.

    ``left_out``: how many of these are not told. ``workers``: those that take jobs.
    """

    waiting: int
    running: int
    workers: int
    others: OtherJobs
    jobs: list[QueuedJob]
    left_out: int
    quotas: list[QuotaFacts]


def blueprint(services: Services) -> Blueprint:
    """The route."""
    routes = Blueprint("queue_view", __name__)

    @routes.get("/api/v1/queue")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Who waits, and why", answer=QueueFacts))
    def queue() -> Response:
        """The caller's jobs with their places; of others' the number alone, but for the owner."""
        answer = jsonify(queue_facts(services, services.overview.view()))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return routes


def queue_facts(services: Services, view: QueueView) -> QueueFacts:
    """What the caller may know of a look at the queue."""
    who, now = caller(), time.time()
    waiting, running = visible(view.waiting.values()), visible(view.running.values())
    waiting.sort(key=lambda frame: view.forecast(frame).position)
    reasons = find_reasons(view)
    jobs = [running_job(services, frame, now) for frame in running]
    jobs += [waiting_job(view, frame, reasons[frame.id]) for frame in waiting[:MOST_TOLD]]
    plan = services.job_limit.plans.plan_of(who.name, who.scope)
    frames = [*view.waiting.values(), *view.running.values()]
    amounts = services.job_limit.quotas.amounts(who.name, plan, frames, now)
    own_waiting, own_running = (
        sum(frame.owner == who.name for frame in some.values())
        for some in (view.waiting, view.running)
    )
    return {
        "waiting": len(view.waiting),
        "running": len(view.running),
        "workers": len(view.outlook.workers),
        "others": {
            "waiting": len(view.waiting) - own_waiting,
            "running": len(view.running) - own_running,
        },
        "jobs": jobs[:MOST_TOLD],
        "left_out": max(len(waiting) + len(running) - MOST_TOLD, 0),
        "quotas": [facts_of(each) for each in amounts],
    }


def visible(frames: Iterable[Frame]) -> list[Frame]:
    """Those of which the caller may know more than their number."""
    who = caller()
    return [frame for frame in frames if who.is_owner or frame.owner == who.name]


def waiting_job(view: QueueView, frame: Frame, reason: WaitReason) -> QueuedJob:
    """A job that waits."""
    forecast = view.forecast(frame)
    start, eta = start_and_eta(forecast)
    job = job_json(frame, QUEUED)
    job["position"], job["predicted_start"], job["eta"] = forecast.position, start, eta
    job["reason"] = {
        "kind": reason.kind,
        "text": reason.text(),
        "others": reason.others,
        "own": reason.own,
        "limit": reason.limit,
        "group": reason.group,
    }
    return job


def running_job(services: Services, frame: Frame, now: float) -> QueuedJob:
    """A job that runs."""
    job = job_json(frame, RUNNING)
    progress = services.progress.read_progress(frame.id)
    job["eta"] = seconds_left(progress, frame.predicted_seconds, now)
    return job


def job_json(frame: Frame, state: str) -> QueuedJob:
    """What is told of both."""
    return {
        "id": frame.id,
        "task": task_of(frame),
        "route": route_of(frame),
        "user": frame.owner,
        "group": frame.sharing.group or None,
        "state": state,
        "priority": frame.priority,
        "created_at": frame.put_at,
        "predicted_seconds": frame.predicted_seconds,
        "position": None,
        "predicted_start": None,
        "eta": None,
        "reason": None,
    }
