"""Frames are leased to workers, in Redis: whose turn it is, and how workers wait for work."""

import json
import math
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Any
from uuid import uuid4

from webapp.queues.contracts.charges import MAX_CHARGES
from webapp.queues.contracts.frame import Lease
from webapp.queues.counter_labels import MAX_LABEL_SETS
from webapp.queues.errors import QueueUnwritable
from webapp.queues.joint_jobs import Head, may_join
from webapp.queues.lease_expiry import LeaseExpiry
from webapp.queues.lost_worker import LEASE_RAN_OUT, worker_lost_answer, worker_lost_reason
from webapp.queues.redis.frame_rows import frame_of
from webapp.queues.redis.matching import (
    MAX_CANDIDATES,
    Backlog,
    account_rows,
    advance,
    backlog_of,
    is_top_held_back,
    top_priority,
)
from webapp.queues.redis.notifier import CHANNEL, RedisNotifier
from webapp.queues.redis.part import RedisPart
from webapp.queues.redis.server import PREFIX, RedisServer, json_of, text_of, texts_of
from webapp.queues.scheduler import Match, choose_next
from webapp.queues.terms import LeaseTerms
from webapp.queues.worker_id import WorkerId

CAREFUL_TRIES = 5  # claims that are given up for a newer look at the accounts, of one take
RETRY_SECONDS = 0.002  # that losers wait at most, times their tries, so that they do not meet again
LEASED = 3  # parts of a reply that is a lease
IDLE_LOOKS = 3  # looks for which a worker waits that has said so; it says so at each of them
IDLE_POLL_SECONDS = 0.5  # seconds between looks of idle workers: leases end without a notification
CHARGE_TERMS = {"max_charges": MAX_CHARGES, "max_label_sets": MAX_LABEL_SETS}
MAX_TRIES = 50  # claims of one take; each that fails is another worker's success


class Wait(IntEnum):
    """How a worker waits, as the act ``wait_for_work`` replies."""

    QUIETLY = 0
    LOOKING = 1  # leases have run out: it may have to end them
    NOT_YET = 2  # frames wait


class LeasingPart(RedisPart):
    """The part of ``Queue`` about leases; see its contract."""

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

    def take(
        self,
        worker: WorkerId,
        loaded: Sequence[str],
        timeout: float,
        running: str | None = None,
    ) -> Lease | None:
        """Lease the next frame; see the contract."""
        until = time.monotonic() + timeout
        if running is not None:
            return self._wait_and_join(loaded, worker, until, running)
        lease = self._take_best(worker, loaded)
        if lease is not None or timeout <= 0:
            return lease
        return self._wait_and_take(worker, loaded, until)

    def _wait_and_join(
        self, loaded: Sequence[str], worker: WorkerId, until: float, running: str
    ) -> Lease | None:
        """Lease the next frame where it may join; puts wake who waits, and hand it nothing."""
        token = uuid4().hex
        with self.work_notifier.subscribe(token) as subscription:
            while True:
                self._wait_to_join(worker, token)  # first: what is put meanwhile wakes it
                lease = self._choose(worker, loaded, running)
                if lease is Head.CANNOT_JOIN:
                    return None
                if lease is not None or not subscription.wait(until):
                    return lease

    def _wait_to_join(self, worker: WorkerId, token: str) -> None:
        facts = json.dumps({"worker": str(worker), "channel": self.work_notifier.channel})
        seconds = IDLE_LOOKS * self.work_notifier.poll_seconds
        with suppress(QueueUnwritable):  # then it looks for itself now and then
            self.run("wait_to_join", token=token, facts=facts, seconds=seconds)

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
        lease = self._choose(worker, loaded, None)
        return lease if isinstance(lease, Lease) else None

    def _choose(
        self, worker: WorkerId, loaded: Sequence[str], running: str | None
    ) -> Lease | Head | None:
        """Choose among what waits and claim it; anew where another was quicker."""
        for attempt in range(MAX_TRIES):
            backlog = self._look()
            cutoff = self._lease_expiry.expiry_cutoff(backlog.now)
            if backlog.has_expired_leases:
                self._end_expired(cutoff)
                backlog = self._look()
            if top_priority(backlog) == -math.inf:
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
            top = top_priority(backlog)
            backlog = advance(backlog, match)
            if not is_gone or version != backlog.version or top_priority(backlog) < top:
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

    def renew(self, lease: Lease, gpu_seconds: float | None = None) -> bool:
        """Hold the lease for another term from now; False if it was lost."""
        words = {"id": lease.frame.id, "token": lease.token, "gpu_seconds": gpu_seconds}
        return bool(self.run("renew", **words))

    def release(self, lease: Lease, gpu_seconds: float | None = None) -> None:
        """Give an unfinished frame back; this delivery does not count."""
        words = {"id": lease.frame.id, "token": lease.token, "gpu_seconds": gpu_seconds}
        self.run("release", **words, **CHARGE_TERMS)

    def release_worker(self, worker: WorkerId, how: str = "") -> int:
        """Take back all that a dead worker held, this delivery counted; how many frames it was."""
        words = self._last_words(how or LEASE_RAN_OUT)
        return int(self.run("release_worker", worker=str(worker), **words))

    def lease_holders(self) -> Sequence[WorkerId]:
        """The workers that hold leases now, dead ones too."""
        return [WorkerId.parse(name) for name in sorted(texts_of(self.run("lease_holders")))]
