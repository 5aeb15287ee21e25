"""Requests in, leases out, in Redis."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.queue import OwnerCheck, OwnerDepth, QueueDepth
from webapp.queues.redis.frame_rows import (
    frame_of,
    owner_depth_of,
    pace_fields,
    pace_of,
    seconds_of,
)
from webapp.queues.redis.leasing import LeasingPart
from webapp.queues.redis.matching import (
    MAX_IDLE,
    Backlog,
    account_of,
    account_rows,
    backlog_of,
    choose_idle,
)
from webapp.queues.redis.server import PREFIX, json_of, text_of
from webapp.queues.scheduler import Account, AccountKey

OFFER_SECONDS = 2.0  # in which a worker must come for what it was handed, or it goes to another


class RedisQueue(LeasingPart):
    """See the contract of ``Queue``."""

    def put(
        self,
        frame: Frame,
        entry_tags: Mapping[str, str] | None = None,
        check: OwnerCheck | None = None,
    ) -> int:
        """Store a frame; see the contract. Raises ``QueueFull``, ``StoreUnavailable``.

        Where nothing waits but a worker, that one gets the frame in the same act, by the same rule.
        """
        facts = {
            "id": frame.id,
            "kind": frame.kind,
            "owner": frame.owner,
            "checkpoint": frame.checkpoint,
            "priority": str(frame.priority),
            "tags": json.dumps(dict(frame.tags)),
            "work": frame.work,
            "weight": frame.weight,
            "sharing": frame.sharing.to_text(),
        }
        names = pace_fields(frame.kind, frame.checkpoint)
        own, of_kind, backlog, *held = self.run("survey", frame=facts, paces=names, limit=MAX_IDLE)
        if check is not None:
            check(owner_depth_of(held))
        facts["predicted_seconds"] = predicted = seconds_of(
            frame.work, pace_of(own), pace_of(of_kind)
        )
        offer = self._offer(backlog_of(json_of(backlog)), predicted) if backlog else None
        words = {"frame": facts, "offer": offer, "entry_tags": entry_tags and dict(entry_tags)}
        return int(self.run("put", frame.body, **words))

    def _offer(self, backlog: Backlog, predicted: float) -> Mapping[str, Any] | None:
        """The idle worker that gets the only frame, and the accounts after that."""
        (candidate,) = backlog.candidates
        worker = choose_idle(backlog, candidate.checkpoint)
        backlog = replace(backlog, candidates=[replace(candidate, predicted=predicted)])
        match = self._match(backlog, tuple(worker.loaded))
        if match is None:
            return None
        return {
            "token": worker.token,
            "version": backlog.version,
            "accounts": account_rows(match),
            "seconds": OFFER_SECONDS,
        }

    def cancel(self, frame_id: str) -> bool:
        """Remove a waiting frame; False if it is leased or gone."""
        return bool(self.run("cancel", id=frame_id))

    def read_waiting_frame(self, frame_id: str) -> Frame | None:
        """A frame that waits, its body included; None if it is leased or gone."""
        reply = self.run("read_waiting", id=frame_id)
        return None if reply is None else frame_of(reply[0], reply[1] or b"")

    def list_frames(self, owner: str | None = None) -> Sequence[Frame]:
        """Waiting and leased frames in order of arrival, without their bodies."""
        frames: list[Frame] = []
        while rows := json_of(
            self.run("list_frames", owner=owner, after=frames[-1].index if frames else 0)
        ):
            frames += [frame_of(row, b"") for row in rows]
        return frames

    def is_queued(self, frame_id: str) -> bool:
        """Whether the frame still waits or is worked on."""
        with self.server.explain_errors():
            return bool(self.server.client.exists(f"{PREFIX}frame:{frame_id}"))

    def is_running(self, frame_id: str) -> bool:
        """Whether a worker works on the frame."""
        with self.server.explain_errors():
            return bool(self.server.client.hexists(f"{PREFIX}frame:{frame_id}", "worker"))

    def depth(self) -> QueueDepth:
        """How many frames wait and run, of everybody."""
        now, stored, waiting, oldest = self.run("depth")
        age = max(float(now) - float(oldest), 0.0) if oldest else 0.0
        return QueueDepth(waiting, stored - waiting, age)

    def owner_depth(self, owner: str, kind: str) -> OwnerDepth:
        """One owner's frames of a kind, and the bytes of all its bodies; see the contract."""
        with self.server.explain_errors():
            key = f"{PREFIX}held:{owner}"
            held = self.server.client.hmget(key, [f"n:{kind}", "bytes"])
        return owner_depth_of(held)

    def predict_seconds(self, kind: str, checkpoint: str, work: float) -> float:
        """GPU seconds that such a job will take, by jobs that have ended."""
        with self.server.explain_errors():
            paces: Any = self.server.client.hmget(f"{PREFIX}paces", pace_fields(kind, checkpoint))
        return seconds_of(work, *map(pace_of, paces))

    def accounts(self) -> Mapping[AccountKey, Account]:
        """Every account; see the contract."""
        with self.server.explain_errors():
            priorities: Any = self.server.client.hkeys(f"{PREFIX}rounds")
            turns: list[Any] = [
                self.server.client.hgetall(f"{PREFIX}turns:{text_of(each)}") for each in priorities
            ]
        return {
            (int(priority), text_of(owner)): account_of(*text_of(text).split())
            for priority, known in zip(priorities, turns, strict=True)
            for owner, text in known.items()
        }

    def loss_reason(self) -> str:
        """Never: a new process asks the same server, whatever has become of it."""
        return ""
