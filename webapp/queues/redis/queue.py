"""Requests in, leases out, in Redis."""

import json
import math
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import IntEnum
from typing import Any
from uuid import uuid4

from webapp.queues.contracts.charges import MAX_CHARGES
from webapp.queues.contracts.frame import Frame, Lease
from webapp.queues.contracts.queue import OwnerCheck, OwnerDepth, QueueDepth
from webapp.queues.counter_labels import MAX_LABEL_SETS
from webapp.queues.errors import QueueUnwritable
from webapp.queues.lease_expiry import LeaseExpiry
from webapp.queues.lost_worker import LEASE_RAN_OUT, worker_lost_answer, worker_lost_reason
from webapp.queues.redis.frame_rows import (
    frame_of,
    owner_depth_of,
    pace_fields,
    pace_of,
    seconds_of,
)
from webapp.queues.redis.matching import (
    MAX_CANDIDATES,
    MAX_IDLE,
    Backlog,
    account_of,
    account_rows,
    advance,
    backlog_of,
    choose_idle,
    is_top_held_back,
    top_priority,
)
from webapp.queues.redis.notifier import CHANNEL, RedisNotifier
from webapp.queues.redis.part import RedisPart
from webapp.queues.redis.server import PREFIX, RedisServer, json_of, text_of, texts_of
from webapp.queues.scheduler import Account, AccountKey, Match, choose_next
from webapp.queues.terms import LeaseTerms
from webapp.queues.worker_id import WorkerId

CAREFUL_TRIES = 5  # claims that are given up for a newer look at the accounts, of one take
RETRY_SECONDS = 0.002  # that losers wait at most, times their tries, so that they do not meet again
LEASED = 3  # parts of a reply that is a lease
IDLE_LOOKS = 3  # looks for which a worker waits that has said so; it says so at each of them
OFFER_SECONDS = 2.0  # in which a worker must come for what it was handed, or it goes to another
IDLE_POLL_SECONDS = 0.5  # seconds between looks of idle workers: leases end without a notification
CHARGE_TERMS = {"max_charges": MAX_CHARGES, "max_label_sets": MAX_LABEL_SETS}
MAX_TRIES = 50  # claims of one take; each that fails is another worker's success


class Wait(IntEnum):
    """How a worker waits, as the act ``wait_for_work`` replies."""

    QUIETLY = 0
    LOOKING = 1  # leases have run out: it may have to end them
    NOT_YET = 2  # frames wait


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
        self.work_notifier = RedisNotifier(
            server, notifier.log, f"{CHANNEL}:{uuid4().hex}", IDLE_POLL_SECONDS
        )

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

    def take(self, worker: WorkerId, loaded: Sequence[str], timeout: float) -> Lease | None:
        """Lease the next frame; see the contract."""
        lease = self._take_best(worker, loaded)
        if lease is not None or timeout <= 0:
            return lease
        return self._wait_and_take(worker, loaded, time.monotonic() + timeout)

    def _wait_and_take(self, worker: WorkerId, loaded: Sequence[str], until: float) -> Lease | None:
        """Lease what a put hands over, or what is found when there is something to look for."""
        token, looked_at = uuid4().hex, ""
        with self.work_notifier.subscribe(token) as subscription:
            while True:
                found, looked_at = self._wait_for_work(worker, token, loaded, looked_at)
                if isinstance(found, Lease):
                    return found
                if found is not Wait.QUIETLY and (lease := self._take_best(worker, loaded)):
                    if found is Wait.LOOKING:  # else no put knows of it
                        self._decline_offer(worker, token)
                    return lease
                if found is Wait.NOT_YET and time.monotonic() < until:
                    continue
                if not subscription.wait(until):
                    return self._stop_waiting(worker, token)

    def _wait_for_work(
        self, worker: WorkerId, token: str, loaded: Sequence[str], looked_at: str
    ) -> tuple["Lease | Wait", str]:
        """Tell puts that a worker waits, for a moment; what one has handed over by now.

        With it what is to be said as ``looked_at`` the next time, after a look in vain.
        """
        channel = self.work_notifier.channel
        facts = json.dumps({"worker": str(worker), "loaded": list(loaded), "channel": channel})
        try:
            seconds = IDLE_LOOKS * self.work_notifier.poll_seconds
            words = {"facts": facts, "seconds": seconds, "looked_at": looked_at}
            reply = self.run("wait_for_work", token=token, **words)
        except QueueUnwritable:
            return Wait.LOOKING, ""
        self._lease_expiry.expiry_cutoff(float(reply[0]))
        if len(reply) == LEASED:
            return self._lease_of(reply, worker, token), ""
        return Wait(reply[1]), text_of(reply[2]) if reply[2:] else ""

    def _stop_waiting(self, worker: WorkerId, token: str) -> Lease | None:
        """Tell puts that it waits no more; what one has handed over in the last moment."""
        with suppress(QueueUnwritable):  # then no put was stored either
            if reply := self.run("stop_waiting", token=token):
                return self._lease_of(reply, worker, token)
        return None

    def _decline_offer(self, worker: WorkerId, token: str) -> None:
        """Give back what was handed to one who has just found another frame."""
        if offered := self._stop_waiting(worker, token):
            self.release(offered)

    def _lease_of(self, reply: Sequence[Any], worker: WorkerId, token: str) -> Lease:
        now, row, body = reply
        return Lease(frame_of(row, body or b""), worker, token, float(now) + self.terms.seconds)

    def _take_best(self, worker: WorkerId, loaded: Sequence[str]) -> Lease | None:
        """Choose among what waits and claim it; anew where another was quicker."""
        for attempt in range(MAX_TRIES):
            backlog = self._look()
            cutoff = self._lease_expiry.expiry_cutoff(backlog.now)
            if backlog.has_expired_leases:
                self._end_expired(cutoff)
                backlog = self._look()
            if top_priority(backlog) == -math.inf:
                return None
            lease = self._claim_next(worker, backlog, loaded, is_careful=attempt < CAREFUL_TRIES)
            if lease is not None:
                return lease
            time.sleep(random.uniform(0, RETRY_SECONDS * attempt))
        return None

    def _claim_next(
        self, worker: WorkerId, backlog: Backlog, loaded: Sequence[str], *, is_careful: bool
    ) -> Lease | None:
        """Choose and claim, and where others have just made the same choice, the next best.

        None where what they did cannot be known without another look.
        """
        while (match := self._match(backlog, loaded)) is not None:
            reply = self._claim(worker, backlog, match, is_careful=is_careful)
            if isinstance(reply, Lease):
                return reply
            version, is_gone = reply
            top = top_priority(backlog)
            backlog = advance(backlog, match)
            if not is_gone or version != backlog.version or top_priority(backlog) < top:
                return None
        return None

    def _look(self) -> Backlog:
        """What waits, of the highest priority of which something may run."""
        backlog = self._look_at(every_class=False)
        return self._look_at(every_class=True) if is_top_held_back(backlog) else backlog

    def _look_at(self, *, every_class: bool) -> Backlog:
        age_cap = self.terms.match.age_cap
        look = self.run("look", limit=MAX_CANDIDATES, age_cap=age_cap, every_class=every_class)
        return backlog_of(json_of(look))

    def _match(self, backlog: Backlog, loaded: Sequence[str]) -> Match | None:
        return choose_next(
            backlog.candidates,
            backlog.turns,
            frozenset(loaded),
            backlog.now,
            self.terms.match,
            backlog.running,
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
        if len(reply) == LEASED:
            return self._lease_of(reply, worker, token)
        return int(reply[0]), bool(reply[1])

    def _end_expired(self, cutoff: float) -> None:
        """Take back what nobody came for, and what was not renewed before the cutoff."""
        moment = None if cutoff == float("-inf") else cutoff
        self.run("end_expired", cutoff=moment, **self._last_words(LEASE_RAN_OUT))

    def _last_words(self, cause: str) -> dict[str, Any]:
        """What is told of frames whose workers all died."""
        times = self.terms.max_delivery
        return {
            "why": worker_lost_reason(times, cause),
            "failure": worker_lost_answer(times, cause).body.decode(),
            **CHARGE_TERMS,
        }

    def next_checkpoint(self, loaded: Sequence[str]) -> str:
        """The checkpoint of the frame that would be leased now; "" where there is none."""
        match = self._match(self._look(), loaded)
        return match.frame.checkpoint if match is not None else ""

    def may_take(self) -> bool:
        """Whether a frame waits that may run now."""
        return self._match(self._look(), ()) is not None

    def renew(self, lease: Lease) -> bool:
        """Hold the lease for another term from now; False if it was lost."""
        return bool(self.run("renew", id=lease.frame.id, token=lease.token))

    def release(self, lease: Lease) -> None:
        """Give an unfinished frame back; this delivery does not count."""
        self.run("release", id=lease.frame.id, token=lease.token, **CHARGE_TERMS)

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
