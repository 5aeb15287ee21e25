"""Notices that a job has ended, and says how. No Flask."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from webapp.jobs.job_book import JobBook, JobRecord, Outcome
from webapp.queues.contracts.frame import Answer
from webapp.queues.contracts.queue import Queue
from webapp.queues.contracts.sink import Sink

MAX_ERROR = 1000  # characters of an error's sentence
LOST = "The job left the queue and no answer of it is kept; the log may say why. Send it again."
JOBS_ADDRESS = "/api/v1/jobs"


def settle(record: JobRecord, book: JobBook, queue: Queue, sink: Sink) -> JobRecord:
    """The job as it stands; its end is kept where it has come, once."""
    if record.outcome or not record.confirmed or queue.is_queued(record.id):
        return record
    answer = sink.wait(record.id, 0)
    if answer is None and (queue.loss_reason() or queue.is_queued(record.id)):
        return record
    ended = ended_record(record, answer, book.clock())
    book.end(ended, event_body(ended))
    return book.find(record.id) or ended


def ended_record(record: JobRecord, answer: Answer | None, now: float) -> JobRecord:
    """The record of a job with this answer; without one it is lost."""
    if record.cancelled:
        outcome = Outcome.CANCELLED
    elif answer is not None and answer.status < 400:
        outcome = Outcome.SUCCEEDED
    else:
        outcome = Outcome.FAILED
    error = error_text(answer) if outcome is Outcome.FAILED else ""
    status = answer.status if answer else 0
    return replace(record, outcome=outcome, status=status, error=error, ended_at=now)


def error_text(answer: Answer | None) -> str:
    """The sentence of a failed job's answer."""
    if answer is None:
        return LOST
    try:
        detail = json.loads(answer.body).get("detail", "")
    except (ValueError, AttributeError):
        detail = ""
    text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
    return text[:MAX_ERROR] or f"The job was answered {answer.status}."


def event_body(record: JobRecord) -> bytes:
    """What a webhook posts of an ended job."""
    facts = {
        "type": f"job.{record.outcome}",
        "timestamp": iso_time(record.ended_at),
        "data": {
            "id": record.id,
            "path": record.path,
            "state": str(record.outcome),
            "status": record.status,
            "error": record.error or None,
            "created_at": record.created_at,
            "ended_at": record.ended_at,
            "result": f"{JOBS_ADDRESS}/{record.id}/result" if record.status else None,
        },
    }
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


def iso_time(moment: float) -> str:
    """Unix seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
