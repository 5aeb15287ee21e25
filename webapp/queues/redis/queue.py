"""Requests in, leases out, in Redis."""

import json
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from webapp.queues.contracts.frame import Frame, Lease
from webapp.queues.contracts.queue import OwnerDepth, QueueDepth
from webapp.queues.cost_model import predict_seconds
from webapp.queues.joint_jobs import Head, may_join
from webapp.queues.lease_expiry import LeaseExpiry
from webapp.queues.lost_worker import LEASE_RAN_OUT, worker_lost_answer, worker_lost_reason
from webapp.queues.notifier import WORK_TOPIC
from webapp.queues.redis.matching import (
    MAX_CANDIDATES,
    Backlog,
    account_of,
    account_rows,
    advance,
    backlog_of,
    has_class,
)
from webapp.queues.redis.notifier import RedisNotifier
from webapp.queues.redis.part import RedisPart
from webapp.queues.redis.server import PREFIX, RedisServer, json_of, text_of, texts_of
from webapp.queues.scheduler import Account, AccountKey, Match, choose_next
from webapp.queues.terms import ANY_CHECKPOINT, LeaseTerms
from webapp.queues.worker_id import WorkerId

CAREFUL_TRIES = 5  # claims that are given up for a newer look at the accounts, of one take
RETRY_SECONDS = 0.002  # that losers wait at most, times their tries, so that they do not meet again
CLAIM_FAILED = 2  # parts of the reply to a claim that came too late
MAX_TRIES = 50  # claims of one take; each that fails is another worker's success


class RedisQueue(RedisPart):
    """See the contract of ``Queue``."""

    def __init__(
        self,
        server: RedisServer,
        notifier: RedisNotifier,
        terms: LeaseTerms,
        answer_seconds: float,
    ) -> None:
        super().__init__(server, notifier, terms, answer_seconds)
        self._lease_expiry = LeaseExpiry(terms.seconds)

    def put(self, frame: Frame) -> int:
        """Store a frame; see the contract. Raises ``QueueFull``, ``StoreUnavailable``."""
        facts = {
            "id": frame.id,
            "kind": frame.kind,
            "owner": frame.owner,
            "checkpoint": frame.checkpoint,
            "priority": str(frame.priority),
            "tags": json.dumps(dict(frame.tags)),
            "work": frame.work,
            "weight": frame.weight,
            "predicted_seconds": self.predict_seconds(frame.kind, frame.checkpoint, frame.work),
        }
        return int(self.run("put", frame.body, frame=facts))

    def take(
        self,
        worker: WorkerId,
        loaded: Sequence[str],
        timeout: float,
        running: str | None = None,
    ) -> Lease | None:
        """Lease the next frame; see the contract."""
        until = time.monotonic() + timeout
        with self.notifier.subscribe(WORK_TOPIC) as subscription:
            while True:
                lease = self._take_best(worker, loaded, running)
                if lease is Head.CANNOT_JOIN:
                    return None
                if lease is not None or not subscription.wait(until):
                    return lease

    def _take_best(
        self, worker: WorkerId, loaded: Sequence[str], running: str | None
    ) -> Lease | Head | None:
        """Choose among what waits and claim it; anew where another was quicker."""
        for attempt in range(MAX_TRIES):
            backlog = self._look()
            cutoff = self._lease_expiry.expiry_cutoff(backlog.now)
            if backlog.has_expired_leases and cutoff > float("-inf"):
                self._end_expired(cutoff)
                backlog = self._look()
            if not backlog.candidates:
                return None
            is_careful = attempt < CAREFUL_TRIES
            lease = self._claim_next(worker, backlog, loaded, running, is_careful=is_careful)
            if lease is not None:
                return lease
            time.sleep(random.uniform(0, RETRY_SECONDS * attempt))
        return None

    def _claim_next(
        self,
        worker: WorkerId,
        backlog: Backlog,
        loaded: Sequence[str],
        running: str | None,
        *,
        is_careful: bool,
    ) -> Lease | Head | None:
        """Choose and claim, and where others have just made the same choice, the next best.

        None where what they did cannot be known without another look.
        """
        while (match := self._match(backlog, loaded)) is not None:
            if not self._may_join(backlog.ids[match.frame.index], running):
                return Head.CANNOT_JOIN
            reply = self._claim(worker, backlog, match, is_careful=is_careful)
            if isinstance(reply, Lease):
                return reply
            version, is_gone = reply
            top = max(each.priority for each in backlog.candidates)
            backlog = advance(backlog, match)
            if not is_gone or version != backlog.version or not has_class(backlog, top):
                return None
        return None

    def _may_join(self, frame_id: str, running: str | None) -> bool:
        """The rule for one that waits; True for one that has gone, which cannot be claimed."""
        if running is None:
            return True
        with self.server.explain_errors():
            key = f"{PREFIX}frame:{frame_id}"
            tags, deliveries = self.server.client.hmget(key, ["tags", "deliveries"])
        return tags is None or may_join(json.loads(tags), int(deliveries or 0), running)

    def _look(self) -> Backlog:
        age_cap = self.terms.match.age_cap
        return backlog_of(json_of(self.run("look", limit=MAX_CANDIDATES, age_cap=age_cap)))

    def _match(self, backlog: Backlog, loaded: Sequence[str]) -> Match | None:
        return choose_next(
            backlog.candidates, backlog.turns, frozenset(loaded), backlog.now, self.terms.match
        )

    def _claim(
        self, worker: WorkerId, backlog: Backlog, match: Match, *, is_careful: bool
    ) -> Lease | tuple[int, bool]:
        """Lease a frame that still waits; if ``is_careful`` only while the accounts are the same.

        Else their version now, and whether the frame is gone.

        Without that care two workers may be charged as one: better than none for a worker that
        always comes too late.
        """
        token = uuid4().hex
        reply = self.run(
            "claim",
            id=backlog.ids[match.frame.index],
            worker=str(worker),
            token=token,
            version=backlog.version if is_careful else None,
            accounts=account_rows(match),
        )
        if len(reply) == CLAIM_FAILED:
            return int(reply[0]), bool(reply[1])
        now, row, body = reply
        return Lease(frame_of(row, body or b""), worker, token, float(now) + self.terms.seconds)

    def _end_expired(self, cutoff: float) -> None:
        self.run("end_expired", cutoff=cutoff, **self._last_words(LEASE_RAN_OUT))

    def _last_words(self, cause: str) -> dict[str, str]:
        """What is told of frames whose workers all died."""
        times = self.terms.max_delivery
        return {
            "why": worker_lost_reason(times, cause),
            "failure": worker_lost_answer(times, cause).body.decode(),
        }

    def next_checkpoint(self, loaded: Sequence[str]) -> str:
        """The checkpoint of the frame that would be leased now; "" where there is none."""
        match = self._match(self._look(), loaded)
        return match.frame.checkpoint if match is not None else ""

    def renew(self, lease: Lease) -> bool:
        """Hold the lease for another term from now; False if it was lost."""
        return bool(self.run("renew", id=lease.frame.id, token=lease.token))

    def release(self, lease: Lease) -> None:
        """Give an unfinished frame back; this delivery does not count."""
        self.run("release", id=lease.frame.id, token=lease.token)

    def release_worker(self, worker: WorkerId, how: str = "") -> int:
        """Take back all that a dead worker held, this delivery counted; how many frames it was."""
        words = self._last_words(how or LEASE_RAN_OUT)
        return int(self.run("release_worker", worker=str(worker), **words))

    def lease_holders(self) -> Sequence[WorkerId]:
        """The workers that hold leases now, dead ones too."""
        return [WorkerId.parse(name) for name in sorted(texts_of(self.run("lease_holders")))]

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
        return OwnerDepth(int(held[0] or 0), int(held[1] or 0))

    def predict_seconds(self, kind: str, checkpoint: str, work: float) -> float:
        """GPU seconds that such a job will take, by jobs that have ended."""
        own, of_kind = self.read_paces(kind, checkpoint)
        return predict_seconds(work, of_kind if own is None else own)

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

    def read_paces(self, kind: str, checkpoint: str) -> tuple[float | None, float | None]:
        """Seconds a megapixel-step: with a checkpoint, and with any."""
        names = [pace_field(kind, checkpoint), pace_field(kind, ANY_CHECKPOINT)]
        with self.server.explain_errors():
            own, of_kind = self.server.client.hmget(f"{PREFIX}paces", names)
        return (float(own) if own else None, float(of_kind) if of_kind else None)

    def loss_reason(self) -> str:
        """Never: a new process asks the same server, whatever has become of it."""
        return ""


def pace_field(kind: str, checkpoint: str) -> str:
    """The field of a kind and checkpoint in the hash ``paces``."""
    return f"{kind}:{checkpoint}"


def frame_of(row: Sequence[Any], body: bytes) -> Frame:
    """A frame from the columns of ``FRAME`` in ``scripts/4_match.lua``."""
    frame_id, kind, owner, checkpoint, priority, tags, index, put_at, deliveries, *match = row
    work, weight, predicted = map(float, match)
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
    )
