"""Jobs of the job API as JSON: state, place, times, progress."""

import time
from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import TypedDict

from webapp.jobs.cold_start import LOADING, TEXTS, WORKING
from webapp.jobs.entry_jobs import find_entry_job
from webapp.jobs.job_book import JobRecord
from webapp.jobs.job_ends import JOBS_ADDRESS, settle
from webapp.jobs.queue_overview import Forecast, seconds_left
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.progress import JobProgress
from webapp.queues.job_limit import by_plan
from webapp.routes.context import caller
from webapp.services import Services

QUEUED, RUNNING = "queued", "running"


class WebhookState(TypedDict):
    """How far a job's webhook is; ``state``: waiting, delivered or given up."""

    url: str
    state: str
    attempts: int
    error: str | None


class JobState(TypedDict):
    """A job. ``state``: queued, running, succeeded, failed or cancelled; times in unix seconds.

    ``phase``: what it waits for while no worker is ready (worker-start, loading), or what a running
    one does (loading, working); null while it waits in line, and at its end. ``text``: in words.
    ``position`` among waiting jobs, from 1; ``eta``: seconds until its end; ``predicted_start`` and
    ``eta`` are null while no worker lives. ``progress``: 0..1. ``pictures``: addresses of those
    that are drawn, for an hour. ``result``: the address of the answer, for as long.
    """

    id: str
    path: str
    state: str
    created_at: float
    position: int | None
    predicted_start: float | None
    eta: float | None
    progress: float
    phase: str | None
    text: str | None
    pictures: list[str]
    ended_at: float | None
    status: int | None
    error: str | None
    result: str | None
    webhook: WebhookState | None


class Prediction(TypedDict):
    """What ``?dry_run=1`` tells of a job that was checked and not queued.

    ``predicted_seconds`` of work; start and end in unix seconds, null while no worker lives.
    """

    dry_run: bool
    position: int
    predicted_seconds: float
    predicted_start: float | None
    predicted_end: float | None


def look_up(services: Services, job: str) -> JobRecord | None:
    """A job as it stands now, also one that came as an entry of the vendor's queue protocol."""
    record = services.jobs.find(job)
    return settled(services, record) if record else find_entry_job(services.entries, job)


def settled(services: Services, record: JobRecord) -> JobRecord:
    """The record as the queue has it now."""
    return settle(record, services.jobs, services.queue, services.sink)


def job_state(services: Services, record: JobRecord) -> JobState:
    """All that is told of a job; ``record`` is settled."""
    state: JobState = {
        "id": record.id,
        "path": record.path,
        "state": record.outcome or QUEUED,
        "created_at": record.created_at,
        "position": None,
        "predicted_start": None,
        "eta": None,
        "progress": 1.0 if record.outcome else 0.0,
        "phase": None,
        "text": None,
        "pictures": picture_addresses(services, record.id),
        "ended_at": record.ended_at or None,
        "status": record.status or None,
        "error": record.error or None,
        "result": f"{JOBS_ADDRESS}/{record.id}/result" if record.status else None,
        "webhook": webhook_state(services, record),
    }
    if record.outcome:
        return state
    return add_running(services, state) or add_waiting(services, state) or state


def add_running(services: Services, state: JobState) -> JobState | None:
    """What is told of a running job; None for another."""
    if not services.queue.is_running(state["id"]):
        return None
    progress = services.progress.read_progress(state["id"])
    view = services.overview.view()
    frame = view.running.get(state["id"]) or view.waiting.get(state["id"])  # taken since
    if progress is not None:
        state["progress"] = progress.share_done
        state["text"] = progress.progress.textinfo
    state["phase"] = WORKING if has_begun(progress) else LOADING
    if frame is not None:
        state["eta"] = seconds_left(progress, frame.predicted_seconds, time.time())
    state["state"] = RUNNING
    return state


def has_begun(progress: JobProgress | None) -> bool:
    """Whether a running job is past the loading of its weights."""
    if progress is None:
        return False
    return not progress.progress.textinfo or progress.progress.step > 0


def add_waiting(services: Services, state: JobState) -> JobState | None:
    """What is told of a waiting job; None for another."""
    view = services.overview.view()
    frame = view.waiting.get(state["id"]) or services.queue.read_waiting_frame(state["id"])
    if frame is None:
        return None
    forecast = view.forecast(frame)
    state["position"] = forecast.position
    state["predicted_start"], state["eta"] = start_and_eta(forecast)
    if view.cold_start:
        state["phase"], state["text"] = view.cold_start, TEXTS[view.cold_start]
    return state


def start_and_eta(forecast: Forecast) -> tuple[float | None, float | None]:
    """When a waiting job begins, in unix seconds, and seconds until its end."""
    start = None if forecast.wait is None else time.time() + forecast.wait
    return start, None if forecast.wait is None else forecast.wait + forecast.seconds


def predict(services: Services, frame: Frame) -> Prediction:
    """What queueing a frame of the caller's now would come to."""
    seconds = services.queue.predict_seconds(frame.kind, frame.checkpoint, frame.work)
    plan = services.job_limit.plans.plan_of(frame.owner, caller().scope)
    services.job_limit.check_plan(services.queue, frame, plan)
    frame = replace(by_plan(frame, plan), predicted_seconds=seconds)
    forecast = services.overview.view().forecast(frame)
    start, eta = start_and_eta(forecast)
    return {
        "dry_run": True,
        "position": forecast.position,
        "predicted_seconds": forecast.seconds,
        "predicted_start": start,
        "predicted_end": None if eta is None else time.time() + eta,
    }


def picture_addresses(services: Services, job: str) -> list[str]:
    """Where the drawn pictures of a job are, in their order."""
    return [picture_address(job, number) for number in drawn_numbers(services, job)]


def picture_address(job: str, number: int) -> str:
    """Where one picture is."""
    return f"{JOBS_ADDRESS}/{job}/pictures/{number}"


def drawn_numbers(services: Services, job: str) -> Sequence[int]:
    """The numbers of the pictures that are drawn."""
    return services.drawn_pictures.numbers(job)


def webhook_state(services: Services, record: JobRecord) -> WebhookState | None:
    """How far the webhook of a job is; None without one."""
    if not record.webhook:
        return None
    delivery = services.jobs.find_delivery(record.id) if record.outcome else None
    return {
        "url": record.webhook,
        "state": delivery.state if delivery else "waiting",
        "attempts": delivery.attempts if delivery else 0,
        "error": (delivery.error or None) if delivery else None,
    }
