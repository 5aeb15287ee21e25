"""Webhooks: where they are posted, retried, and given up."""

import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.wait import TIMEOUT, Clock
from tests.webapp.http.fetch_listener import Handler, answer, listen
from webapp.errors import Refused
from webapp.http.url_fetch import FetchRules
from webapp.http.url_post import check_address, post
from webapp.jobs.job_book import Delivery, DeliveryState, JobBook, JobRecord
from webapp.jobs.job_ends import ended_record, event_body
from webapp.jobs.webhooks import RETRY_SECONDS, WebhookPoster, secret_of, sign
from webapp.queues.contracts.frame import Answer

LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)
HERE = FetchRules(allowed=LOOPBACK, seconds=TIMEOUT)
OK = answer(b"", status="204 No Content")


def redirect(target: str, status: str = "307 Temporary Redirect") -> Handler:
    return answer(b"", status=status, more=f"Location: {target}\r\n")


def send(port: int, rules: FetchRules = HERE) -> int:
    return post(f"http://127.0.0.1:{port}/hook", "webhook", {"A": "b"}, b"{}", rules).status


def test_redirects_that_keep_the_post_are_followed_and_checked_at_each_hop() -> None:
    with listen(OK) as last, listen(redirect(f"http://127.0.0.1:{last.port}/next")) as first:
        assert send(first.port) == 204
        assert last.visits[0].startswith(b"POST /next HTTP/1.1\r\n")
    with listen(OK) as inside, listen(redirect(f"http://127.0.0.2:{inside.port}/")) as first:
        with pytest.raises(Refused, match=r"webhook: '127\.0\.0\.2' is not a public address"):
            send(first.port)
        assert inside.visits == []
    with listen(redirect("/elsewhere", "302 Found")) as first:
        assert send(first.port) == 302  # would become a GET
    with listen(redirect("/again")) as first, pytest.raises(Refused, match="5 redirects"):
        send(first.port)


def test_an_address_is_checked_before_the_job_is_taken() -> None:
    with pytest.raises(Refused, match=r"^webhook: .*not a public address"):
        check_address("http://10.1.2.3/", "webhook", HERE)
    with pytest.raises(Refused, match="not a public address"):
        check_address("http://x.example/", "webhook", HERE, lambda host, port: ["10.0.0.1"])
    check_address("http://x.example/", "webhook", HERE, lambda host, port: ["1.1.1.1"])


def test_failures_are_tried_again_later_each_time_and_then_given_up() -> None:
    clock = Clock(1000.0)
    poster = WebhookPoster(b"k" * 32, HERE, clock=clock)
    with listen(answer(b"no", status="500 No")) as receiver:
        delivery = Delivery("a" * 32, "ann", f"http://127.0.0.1:{receiver.port}/", b"{}")
        for number, pause in enumerate(RETRY_SECONDS, 1):
            delivery = poster.attempt(delivery)
            assert (delivery.attempts, delivery.due_at) == (number, 1000.0 + pause)
            assert delivery.state == DeliveryState.WAITING
        assert delivery.error == "webhook: the address answered 500"
        assert poster.attempt(delivery).state == DeliveryState.GIVEN_UP
    names = {line for visit in receiver.visits for line in visit.split(b"\r\n")}
    assert [name for name in names if name.startswith(b"webhook-id")] == [
        b"webhook-id: job_" + b"a" * 32
    ]
    with listen(answer(b"", status="410 Gone")) as receiver:
        wanted = replace(delivery, url=f"http://127.0.0.1:{receiver.port}/", attempts=0)
        assert poster.attempt(wanted).state == DeliveryState.GIVEN_UP


def test_a_signature_is_that_of_standard_webhooks() -> None:
    """The example of its specification."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_caller_has_a_secret_of_its_own() -> None:
    assert secret_of(b"k", "ann") != secret_of(b"k", "bob")
    assert secret_of(b"k", "ann") != secret_of(b"q", "ann")


def book_with(path: Path, clock: Clock, owners: str) -> JobBook:
    """A book with an ended job and its due webhook for each of ``owners``."""
    book = JobBook(path / "jobs.db", clock)
    for number, owner in enumerate(owners):
        record = JobRecord(f"{number:032x}", owner, "/x", clock.now, "", None, "http://x/")
        book.add(record)
        ended = ended_record(record, Answer(200, b"{}"), clock.now)
        book.end(ended, event_body(ended))
        book.end(replace(ended, status=500), b"a second end changes nothing")
    return book


def test_due_webhooks_of_one_owner_delay_no_others(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    book = book_with(tmp_path, clock, "aaab")
    due = book.list_due(2)
    assert sorted(each.owner for each in due) == ["a", "a", "b"]
    assert b"job.succeeded" in due[0].body
    book.note_attempt(replace(due[0], attempts=1, due_at=clock.now + 5, error="500"))
    assert due[0].job not in [each.job for each in book.list_due(9)]
    clock.skip(6)
    assert book.list_due(9)[-1].job == due[0].job  # those that never failed go first
    book.close()


def test_ended_jobs_are_forgotten_after_a_day_but_not_before_their_webhook(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    book = book_with(tmp_path, clock, "ab")
    book.note_attempt(replace(book.list_due(9)[0], state=DeliveryState.DELIVERED))
    clock.skip(24 * 3600 + 1)
    book.purge()
    assert [book.find(f"{number:032x}") is None for number in range(2)] == [True, False]
    book.close()


def test_a_key_is_its_owners(tmp_path: Path) -> None:
    book = JobBook(tmp_path / "jobs.db", Clock(5.0))
    first = JobRecord("a" * 32, "ann", "/x", 1.0, "d", "key")
    assert book.add(first) == first
    assert book.add(replace(first, id="b" * 32)) == first
    assert book.add(replace(first, id="c" * 32, owner="bob")).id == "c" * 32
    book.remove("a" * 32)  # its frame did not enter the queue
    assert book.find_key("ann", "key") is None
    book.close()
