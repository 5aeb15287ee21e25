"""The thread that notices ended jobs and posts their webhooks, look by look."""

import ipaddress
import logging
from pathlib import Path

from tests.wait import TIMEOUT, Clock, wait_until
from tests.webapp.http.fetch_listener import answer, listen
from webapp.http.url_fetch import FetchRules
from webapp.jobs.job_book import ABANDONED_SECONDS, Delivery, JobBook, JobRecord
from webapp.jobs.job_follower import JobFollower, JobParts
from webapp.jobs.webhooks import WebhookPoster
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.drawn_pictures import DrawnPictures
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

RULES = FetchRules(allowed=(ipaddress.ip_network("127.0.0.1/32"),), seconds=TIMEOUT)
JOB = "a" * 32


class Following:
    """A follower whose looks a test makes, on files that outlive it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.store = SqliteStore(folder / "queue.db")
        self.book = JobBook(folder / "jobs.db", clock)
        poster = WebhookPoster(b"k" * 32, RULES, clock=clock)
        parts = JobParts(self.book, self.store, self.store, DrawnPictures(folder), poster)
        self.follower = JobFollower(parts, logging.getLogger("easel"))

    def attempts(self, count: int) -> Delivery:
        """The webhook after so many attempts."""
        found = wait_until(
            lambda: (
                each if (each := self.book.find_delivery(JOB)) and each.attempts == count else None
            )
        )
        wait_until(lambda: not self.follower._posting)
        return found

    def end(self) -> None:
        """As when the process ends."""
        self.follower.stop()
        self.book.close()
        self.store.close()


def test_a_webhook_that_failed_is_posted_again_when_it_is_due_also_by_the_next_process(
    tmp_path: Path,
) -> None:
    clock = Clock()
    first = Following(tmp_path, clock)
    with listen(answer(b"", status="500 No")) as receiver:
        address = f"http://127.0.0.1:{receiver.port}/"
        first.book.add(JobRecord(JOB, "ann", "/x", clock.now, "", None, address))
        first.store.put(Frame(JOB, "generate", b"", owner="ann"))
        first.book.confirm(JOB)
        first.follower.look()
        assert first.book.find_delivery(JOB) is None  # it waits
        lease = first.store.take(WorkerId("w"), (), 0.0)
        assert lease is not None
        first.store.answer(lease, Answer(422, b'{"detail": "no such model"}'), 0.0)
        first.follower.look()
        failed = first.attempts(1)
        assert b'"type":"job.failed"' in failed.body
        assert b"no such model" in failed.body
        first.follower.look()
        first.end()
        assert len(receiver.visits) == 1  # not due yet
        clock.skip(failed.due_at - clock.now + 1)
        second = Following(tmp_path, clock)
        second.follower.look()
        second.attempts(2)
        assert len(receiver.visits) == 2
        second.end()


def test_a_record_whose_frame_never_came_is_dropped(tmp_path: Path) -> None:
    clock = Clock()
    following = Following(tmp_path, clock)
    for job in ("a", "b"):
        following.book.add(JobRecord(job * 32, "ann", "/x", clock.now, "", f"key {job}"))
    following.store.put(Frame("b" * 32, "generate", b""))  # and its process died then
    following.follower.look()
    assert len(following.book.list_open()) == 2
    clock.skip(ABANDONED_SECONDS + 1)
    following.follower.look()
    assert [(each.id, each.confirmed) for each in following.book.list_open()] == [("b" * 32, True)]
    following.end()
