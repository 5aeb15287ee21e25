"""Answers in Redis, until they are read or expire."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from webapp.queues.charge_codec import answered_charge, encode_charge
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.cost_model import SMOOTHING, pace_of_job
from webapp.queues.counter_labels import (
    bounded_label_key,
    job_labels,
    label_key,
)
from webapp.queues.errors import AnswerTooLarge, QueueError
from webapp.queues.redis.frame_rows import pace_fields
from webapp.queues.redis.leasing import CHARGE_TERMS
from webapp.queues.redis.queue import RedisQueue
from webapp.queues.redis.server import PREFIX, text_of
from webapp.queues.terms import DONE, MAX_PACES, PURGE_SECONDS

MAX_ANSWER_BYTES = 500_000_000  # bytes; a text of Redis has 512 MiB


class RedisSink(RedisQueue):
    """See the contract of ``Sink``; it answers what the queue has leased."""

    _purged_at = 0.0

    def answer(self, lease: Lease, answer: Answer, gpu_seconds: float, model: str = "") -> bool:
        """Store the answer, remove the frame, count the job; False if the lease was lost."""
        if len(answer.body) > MAX_ANSWER_BYTES:
            raise AnswerTooLarge(
                f"The answer has {len(answer.body):,} bytes; at most {MAX_ANSWER_BYTES:,} can be "
                "kept. Ask for fewer pictures, or with save_images and without send_images: files "
                "that were saved are there."
            )
        frame, leased_at = lease.frame, lease.expires - self.terms.seconds
        charge = answered_charge(lease, answer, gpu_seconds, model, 0.0, leased_at)
        is_stored = self.run(
            "answer",
            answer.body,
            id=frame.id,
            token=lease.token,
            status=answer.status,
            content_type=answer.content_type,
            gpu_seconds=gpu_seconds,
            counts=job_counts(frame, answer.status, gpu_seconds, model),
            **CHARGE_TERMS,
            charge=encode_charge(charge),
            paces=pace_fields(frame.kind, frame.checkpoint) if answer.status == DONE else (),
            pace=pace_of_job(frame.work, gpu_seconds),
            smoothing=SMOOTHING,
        )
        if time.monotonic() - self._purged_at >= PURGE_SECONDS:
            self._purged_at = time.monotonic()
            self.purge()
        return bool(is_stored)

    def answer_waiting(self, frame_id: str, answer: Answer) -> bool:
        """Answer a waiting frame in a worker's stead, uncounted; False if it is leased or gone."""
        return bool(
            self.run(
                "answer_waiting",
                answer.body,
                id=frame_id,
                status=answer.status,
                content_type=answer.content_type,
            )
        )

    def wait(self, frame_id: str, timeout: float) -> Answer | None:
        """The answer once it is there, or None after ``timeout`` seconds."""
        until = time.monotonic() + timeout
        with self.notifier.subscribe(frame_id) as subscription:
            while True:
                reply = self.run("read_answer", id=frame_id)
                if reply is not None:
                    return answer_of(reply)
                if not subscription.wait(until):
                    return None

    def find_answered(self, tag: str, value: str, owner: str | None = None) -> str | None:
        """The newest frame with this tag whose answer is kept; see the contract."""
        found = self.run("find_answered", tag=tag, value=value, owner=owner)
        return None if found is None else text_of(found)

    def delete_answer(self, frame_id: str) -> None:
        """Drop an answer that its only reader has got, before it expires."""
        try:
            with self.server.explain_errors():
                self.server.client.delete(f"{PREFIX}answer:{frame_id}")
        except QueueError as error:  # the reader has it: that is no failure of his
            self.notifier.log.warning(
                "an answer that was read stays in the queue for now: %s", error
            )

    _cursors: Mapping[str, str] = {}

    def purge(self) -> None:
        """Forget some of what has had its time."""
        cursors = self.run(
            "purge",
            cursors=dict(self._cursors),
            age_cap=self.terms.match.age_cap,
            quantum=self.terms.match.quantum,
            max_paces=MAX_PACES,
        )
        self._cursors = {text_of(priority): text_of(cursor) for priority, cursor in cursors}


def job_counts(
    frame: Frame, status: int, gpu_seconds: float, model: str
) -> list[tuple[str, str, str, float | None]]:
    """What is counted of an answered job: name, labels, their bounded form, amount.

    The amount that is left out is the seconds that it waited.
    """
    labels = job_labels(frame, model)
    jobs = {**labels, "kind": frame.kind, "status": str(status)}
    counts: list[tuple[str, Mapping[str, str], float | None]] = [
        ("jobs", jobs, 1.0),
        ("job_wait_seconds", labels, None),
        ("job_gpu_seconds", labels, gpu_seconds),
    ]
    return [(name, label_key(each), bounded_label_key(each), n) for name, each, n in counts]


def answer_of(row: Sequence[Any]) -> Answer:
    """An answer from what the act ``read_answer`` replies."""
    status, content_type, index, frame_id, tags, _, body = row
    return Answer(
        int(status),
        body,
        text_of(content_type),
        int(index),
        text_of(frame_id),
        json.loads(tags),
    )
