"""Frames, and what is known of their owners and paces, as Redis keeps them."""

import json
from collections.abc import Sequence
from typing import Any

from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.queue import OwnerDepth
from webapp.queues.cost_model import predict_seconds
from webapp.queues.redis.matching import sharing_of
from webapp.queues.redis.server import text_of
from webapp.queues.terms import ANY_CHECKPOINT


def owner_depth_of(held: Sequence[Any]) -> OwnerDepth:
    """What an owner has, from two fields of the hash ``held:<owner>``."""
    frames, body_bytes = held
    return OwnerDepth(int(frames or 0), int(body_bytes or 0))


def pace_fields(kind: str, checkpoint: str) -> list[str]:
    """The fields of a kind, with a checkpoint and with any, in the hash ``paces``."""
    return [f"{kind}:{each}" for each in (checkpoint, ANY_CHECKPOINT)]


def pace_of(value: bytes | None) -> float | None:
    """A pace as it is stored."""
    return float(value) if value else None


def seconds_of(work: float, own: float | None, of_kind: float | None) -> float:
    """GPU seconds of some work, by the pace with its checkpoint or, where none is known, any."""
    return predict_seconds(work, of_kind if own is None else own)


def frame_of(row: Sequence[Any], body: bytes) -> Frame:
    """A frame from the columns of ``FRAME`` in ``scripts/4_match.lua``."""
    frame_id, kind, owner, checkpoint, priority, tags, index, put_at, *rest = row
    deliveries, worker, *figures, sharing = rest
    work, weight, predicted = map(float, figures)
    return Frame(
        id=text_of(frame_id),
        kind=text_of(kind),
        body=body,
        owner=text_of(owner),
        checkpoint=text_of(checkpoint),
        priority=int(priority),
        tags=json.loads(tags),
        index=int(index),
        put_at=float(put_at),
        deliveries=int(deliveries),
        work=work,
        weight=weight,
        predicted_seconds=predicted,
        is_leased=worker not in (None, False),  # in a list from JSON, in one frame from Redis
        sharing=sharing_of(sharing),
    )
