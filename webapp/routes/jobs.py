"""``/api/v1/jobs``: posts a job, asks how it stands, cancels it. See docs/jobs.md."""

from dataclasses import replace
from http import HTTPStatus
from uuid import uuid4

from flask import Blueprint, Response, g, jsonify, request
from typing_extensions import TypedDict

from generator.request import Stop
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Draining, Forbidden, Refused
from webapp.http.openapi import RouteNote, with_note
from webapp.http.url_fetch import fetch_rules
from webapp.http.url_post import check_address
from webapp.jobs.entry_jobs import drop_result, find_entry_answer
from webapp.jobs.job_book import JobRecord
from webapp.jobs.job_ends import JOBS_ADDRESS
from webapp.jobs.webhooks import secret_of
from webapp.logs import bind, bound_value
from webapp.queues.contracts.frame import Frame
from webapp.queues.drain import is_draining
from webapp.queues.job_codec import GENERATE, PICTURES_TAG, REQUEST_TAG
from webapp.requests.fields import read_body
from webapp.requests.jobs import (
    JobBody,
    check_priority,
    digest_of,
    read_idempotency_key,
    read_switch,
)
from webapp.routes.context import caller, read_json_body, release_body, to_response
from webapp.routes.job_paths import find_path
from webapp.routes.job_states import (
    JobState,
    Prediction,
    job_state,
    look_up,
    predict,
    settled,
)
from webapp.routes.progress import answer_stopped
from webapp.routes.submission import models_tag
from webapp.services import Services
from webapp.settings.secret_files import session_key
from webapp.worker.stopped_jobs import stopped_answer

RESTORE_FIELD = "override_settings_restore_afterwards"
REPLAYED_HEADER = "Idempotent-Replayed"
WHAT_IS_TOLD = {"dry_run": {"type": "boolean", "default": False}}


class WebhookSecret(TypedDict):
    """What a caller's webhooks are signed with, for libraries of Standard Webhooks."""

    secret: str


class NoSuchJob(Refused):
    """There is no job of that id for this caller; ended ones are remembered for a day."""

    status = 404


class NotEnded(Refused):
    """The job has no answer yet."""

    status = 409


class AnswerGone(Refused):
    """The answer, or a picture, is kept no longer."""

    status = 410


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("api_jobs", __name__)
    add_posting(routes, services)
    add_state(routes, services)
    add_results(routes, services)
    return routes


def add_posting(routes: Blueprint, services: Services) -> None:
    """New jobs."""

    @routes.post(JOBS_ADDRESS)
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "Queue what another route would answer, and go on",
            body=JobBody,
            answer=Prediction,
            query=WHAT_IS_TOLD,
            also={"202": JobState},
        )
    )
    def post_job() -> Response:
        """202 and the job, once it is durable; ``?dry_run=1``: checked and predicted alone."""
        if is_draining(services.service_notices):
            raise Draining("The service is being stopped; send the request again in a moment.")
        data = read_json_body()
        body = read_body(JobBody, data)
        check_job(services, body)
        if read_switch("dry_run", request.args.get("dry_run", "")):
            return jsonify(predict(services, to_frame(services, without_effects(body), "")))
        key = read_idempotency_key(request.headers.get("Idempotency-Key"))
        record, replayed = submit(services, body, key, digest_of(data) if key else "")
        release_body()
        answer = jsonify(job_state(services, settled(services, record)))
        answer.status_code = HTTPStatus.ACCEPTED
        answer.headers["Location"] = f"{request.script_root}{JOBS_ADDRESS}/{record.id}"
        if replayed:
            answer.headers[REPLAYED_HEADER] = "true"
        return answer

    @routes.get("/api/v1/webhook-secret")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("What the caller's webhooks are signed with", answer=WebhookSecret))
    def webhook_secret() -> Response:
        """Of this caller alone; it changes with ``.easel/session.key``."""
        key = session_key(services.config.easel_dir)
        answer = jsonify({"secret": secret_of(key, caller().name)})
        answer.headers["Cache-Control"] = "no-store"
        return answer


def add_state(routes: Blueprint, services: Services) -> None:
    """How a job stands, and its end."""

    @routes.get(f"{JOBS_ADDRESS}/<name>")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("How a job stands", answer=JobState))
    def get_job(name: str) -> Response:
        """One of the caller's jobs; anybody's for the owner."""
        return jsonify(job_state(services, find_job(services, name)))

    @routes.delete(f"{JOBS_ADDRESS}/<name>")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Cancel a job, also while it runs", answer=JobState))
    def delete_job(name: str) -> Response:
        """A waiting job ends at once, a running one at its next step; an ended one is forgotten."""
        record = find_job(services, name)
        cancel(services, record)
        return jsonify(job_state(services, look_up(services, record.id) or record))


def add_results(routes: Blueprint, services: Services) -> None:
    """What became of a job."""

    @routes.get(f"{JOBS_ADDRESS}/<name>/result")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("What the job's own route would have answered"))
    def job_result(name: str) -> Response:
        """Status and body; 409 before the end, 410 when it is kept no longer."""
        record = find_job(services, name)
        if not record.outcome:
            raise NotEnded(
                f"The job {record.id} has not ended yet; ask {JOBS_ADDRESS}/{record.id}."
            )
        answer = services.sink.wait(record.id, 0) or find_entry_answer(services.entries, record.id)
        if answer is None:
            raise AnswerGone("The answer of this job is kept no longer; answers are, for an hour.")
        return to_response(answer)

    @routes.get(f"{JOBS_ADDRESS}/<name>/pictures/<number>")
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "A picture of a job as it was drawn",
            answer={"type": "string", "format": "binary"},
            content_type="image/png",
        )
    )
    def job_picture(name: str, number: str) -> Response:
        """Before plugins have changed it; the finished one is in the result."""
        record = find_job(services, name)
        known = number.isascii() and number.isdigit() and len(number) < 5
        data = services.drawn_pictures.read(record.id, int(number)) if known else None
        if data is None:
            raise NoSuchJob(
                f"The job {record.id} has drawn no picture {number[:20]!r}, or not yet."
            )
        return Response(data, content_type="image/png")


def check_job(services: Services, body: JobBody) -> None:
    """What is refused before the job's own body is looked at."""
    find_path(body.path)
    check_priority(body.priority)
    if body.priority > 0 and not caller().is_owner:
        raise Forbidden("priority: only the owner's jobs may go before others'; send 0 or less.")
    if body.webhook is None:
        return
    if not services.config.webhooks:
        raise Refused("webhook: posting to addresses of jobs is turned off (--no-webhooks).")
    check_address(body.webhook, "webhook", fetch_rules(services.config))


def without_effects(body: JobBody) -> JobBody:
    """The body for a dry run, which changes no options."""
    return body.model_copy(update={"body": {**body.body, RESTORE_FIELD: True}})


def to_frame(services: Services, body: JobBody, job: str) -> Frame:
    """The frame of a job, checked as its own route checks it."""
    frame = find_path(body.path)(services, body.body)
    g.extras = None  # a refusal from here on is ours
    kept = {PICTURES_TAG: "1"} if frame.kind == GENERATE else {}
    tags = {**frame.tags, **kept, **models_tag(services), REQUEST_TAG: bound_value("request")}
    return replace(frame, id=job or frame.id, priority=body.priority, tags=tags)


def submit(
    services: Services, body: JobBody, key: str | None, digest: str
) -> tuple[JobRecord, bool]:
    """Record and queue a job; whether its key had been used before for the same request."""
    book, owner = services.jobs, caller().name
    known = book.find_key(owner, key) if key else None
    if known is None:
        new = JobRecord(
            uuid4().hex, owner, body.path, book.clock(), digest, key, body.webhook or ""
        )
        frame = to_frame(services, body, new.id)
        known = book.add(new)
        if known.id == new.id:
            enqueue(services, frame)
            return replace(known, confirmed=True), False
    if known.digest != digest:
        raise Refused(
            "Idempotency-Key: it was used for another request; send this one under another key."
        )
    if not known.confirmed:  # whoever sent it first never heard whether it was queued
        enqueue(services, to_frame(services, body, known.id))
        known = replace(known, confirmed=True)
    return known, True


def enqueue(services: Services, frame: Frame) -> None:
    """Put a recorded job's frame; nothing is left of the record where that is refused."""
    bind(job=frame.id)
    try:
        services.job_limit.put(services.queue, frame, caller().scope)
    except Exception:
        services.jobs.remove(frame.id)
        raise
    services.jobs.confirm(frame.id)


def find_job(services: Services, name: str) -> JobRecord:
    """One of the caller's jobs, settled; anybody's for the owner. Raises ``NoSuchJob``."""
    record = look_up(services, name)
    if record is None or not (caller().is_owner or record.owner == caller().name):
        raise NoSuchJob(f"There is no job {name[:64]!r} of yours; ended ones are known for a day.")
    return record


def cancel(services: Services, record: JobRecord) -> None:
    """End a job that waits or runs; drop what is kept of one that has ended."""
    if record.outcome:
        services.sink.delete_answer(record.id)
        services.drawn_pictures.delete(record.id)
        drop_result(services.entries, record.id)
        return
    services.jobs.cancel(record)
    frame = services.queue.read_waiting_frame(record.id)
    if frame is not None and (
        answer_stopped(services, frame) or services.sink.answer_waiting(record.id, stopped_answer())
    ):
        return
    if services.queue.is_queued(record.id):
        services.stop_requests.request_stop(record.id, Stop.INTERRUPT)
        services.tasks.record_stop(record.id, Stop.INTERRUPT)
        return
    answer = stopped_answer()  # of an entry that is no frame yet
    services.entries.intake.finish_entry(record.id, answer.status, answer.body)
