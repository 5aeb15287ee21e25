"""Charges as JSON, and what a store knows of them when a job is answered or its worker dies."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from webapp.queues.contracts.charges import (
    GROUP_TAG,
    BusyTime,
    Charge,
    JobOutput,
    Outcome,
    StoredCharge,
)
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.worker_id import WorkerId

BUSY = "busy"
"""Value of ``what`` in the JSON of a ``BusyTime``."""

DROPPED = "charges_dropped"
"""Counter of charges that were not kept because too many wait for the ledger."""


def answered_charge(
    lease: Lease, answer: Answer, gpu_seconds: float, model: str, now: float, leased_at: float
) -> Charge:
    """The charge of a job that was leased at a time and is answered ``now``."""
    frame, output = lease.frame, answer.output or JobOutput()
    drawing = gpu_seconds if output.drawing_seconds is None else output.drawing_seconds
    return Charge(
        **_charged_frame(frame),
        delivery=lease.token,
        ended_at=now,
        gpu_seconds=gpu_seconds,
        drawing_seconds=min(drawing, gpu_seconds),
        queue_seconds=max(leased_at - frame.put_at, 0.0),
        model=model or frame.checkpoint,
        device=device_of(lease.worker),
        outcome=outcome_of(answer.status, output),
        status=answer.status,
        pictures=output.pictures,
        megapixel_steps=frame.work * output.done,
        stored_bytes=output.stored_bytes,
    )


def unanswered_charge(
    frame: Frame,
    worker: WorkerId,
    token: str,
    leased_at: float,
    ended_at: float,
    outcome: Outcome,
    gpu_seconds: float | None = None,
) -> Charge:
    """The charge of a delivery that nothing came of.

    ``gpu_seconds`` as its worker told them; None where it did not: all the time that it had it.
    """
    seconds = ended_at - leased_at if gpu_seconds is None else gpu_seconds
    return Charge(
        **_charged_frame(frame),
        delivery=token,
        ended_at=ended_at,
        gpu_seconds=max(seconds, 0.0),
        queue_seconds=max(leased_at - frame.put_at, 0.0),
        model=frame.checkpoint,
        device=device_of(worker),
        outcome=outcome,
        status=0,
    )


def _charged_frame(frame: Frame) -> dict[str, Any]:
    group = frame.tags.get(GROUP_TAG, "")
    return {"job": frame.id, "user": frame.owner, "group": group, "kind": frame.kind}


def outcome_of(status: int, output: JobOutput) -> Outcome:
    """How an answered job ended."""
    if output.stopped:
        return Outcome.STOPPED
    return Outcome.DONE if status < 400 else Outcome.FAILED


def device_of(worker: WorkerId) -> str:
    """The device of a worker, on which host: what a price is of."""
    return f"{worker.device}@{worker.host}" if worker.host else worker.device


def encode_charge(facts: Charge | BusyTime) -> str:
    """JSON of a charge, or of a worker's time."""
    kind = {"what": BUSY} if isinstance(facts, BusyTime) else {}
    return json.dumps(asdict(facts) | kind)


def busy_name(busy: BusyTime) -> str:
    """Under which name a store keeps a worker's time, one for each run of a worker and day."""
    return f"{busy.worker} {busy.day}"


def busy_key(name: str, text: str) -> str:
    """The key of a worker's time as it was read: its name and what was kept under it."""
    return f"{BUSY} {name}\n{text}"


def parse_busy_key(key: str) -> tuple[str, str] | None:
    """Name and text of a worker's time; None for the key of a charge."""
    kind, blank, rest = key.partition(" ")
    name, _, text = rest.partition("\n")
    return (name, text) if blank and kind == BUSY else None


def decode_charge(key: str, text: str) -> StoredCharge:
    """What :func:`encode_charge` wrote; a fact of another version that is not known is left out."""
    try:
        return StoredCharge(key, _read_facts(json.loads(text)))
    except (ValueError, TypeError, AttributeError):
        return StoredCharge(key, None)


def _read_facts(facts: Mapping[str, Any]) -> Charge | BusyTime:
    kind = BusyTime if facts.get("what") == BUSY else Charge
    known = {each.name: facts[each.name] for each in fields(kind) if each.name in facts}
    if "worker" in facts and kind is Charge:  # of the script that Redis runs
        known["device"] = device_of(WorkerId.parse(facts["worker"]))
    if "outcome" in known:
        known["outcome"] = Outcome(known["outcome"])
    return kind(**known)
