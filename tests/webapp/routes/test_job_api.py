"""``/api/v1/jobs`` through a real web process: posted, followed, cancelled, told by webhook."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.wait import TIMEOUT, wait_until
from tests.webapp.routes.job_service import (
    ANN,
    BOB,
    HELD,
    JOBS,
    OWNER,
    READER,
    Events,
    JobService,
    WindowEvents,
    decode_pictures,
    run_job_service,
)

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobService]:
    with run_job_service(tmp_path_factory.mktemp("jobs")) as running:
        yield running


@pytest.fixture(autouse=True)
def _leave_nothing_running(service: JobService) -> Iterator[None]:
    """A test that fails shall not keep the worker from those after it."""
    yield
    wait_until(lambda: not interrupt_all(service))


def interrupt_all(service: JobService) -> int:
    """Stop what runs; how many jobs were there."""
    size = int(service.ask("GET", "/internal/pending-tasks").json["size"])
    if size:
        service.ask("POST", "/sdapi/v1/interrupt", {})
    return size


def test_a_job_is_posted_and_its_result_is_that_of_the_route(service: JobService) -> None:
    posted = service.post(body={"n_iter": 2}, token=ANN)
    assert posted.status == 202
    job = posted.json["id"]
    assert posted.headers["Location"] == f"{JOBS}/{job}"
    state = service.settle(job)
    assert (state["state"], state["status"], state["progress"]) == ("succeeded", 200, 1.0)
    result = service.ask("GET", state["result"], token=ANN)
    assert result.status == 200
    assert len(decode_pictures(result)) == 2
    assert json.loads(result.json["info"])["prompt"] == "a boat"
    first = service.ask("GET", state["pictures"][0], token=ANN)
    assert (first.headers["Content-Type"], first.body[:8]) == ("image/png", PNG)
    forgotten = service.ask("DELETE", f"{JOBS}/{job}", token=ANN)
    assert forgotten.json["pictures"] == []
    assert service.ask("GET", state["result"], token=ANN).status == 410


def test_events_tell_each_picture_as_it_is_drawn(service: JobService) -> None:
    job = service.post(HELD, body={"n_iter": 2}).json["id"]
    events = Events(service, job)
    assert events.answer.headers["Content-Type"].startswith("text/event-stream")
    service.gate.places.release()
    picture = events.until("picture")
    assert picture == {"number": 0, "url": f"{JOBS}/{job}/pictures/0"}
    running = service.state(job)
    assert (running["state"], len(running["pictures"])) == ("running", 1)
    assert 0.5 <= running["progress"] < 1
    assert service.ask("GET", picture["url"]).body.startswith(PNG)
    service.gate.places.release()
    assert events.until("picture")["number"] == 1
    assert events.until("end")["state"] == "succeeded"
    events.close()
    again = Events(service, job, last="0")
    assert [name for name, _ in again] == ["picture", "end"]
    assert Events(service, job, last="end").answer.status == 204


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_at_its_next_step(
    service: JobService,
) -> None:
    running = service.post(HELD).json["id"]
    service.wait_for(running, "running")
    waiting = service.post("never drawn").json["id"]
    behind = service.post("drawn", priority=-5).json["id"]
    wait_until(lambda: [service.state(j)["position"] for j in (waiting, behind)] == [1, 2])
    cancelled = service.ask("DELETE", f"{JOBS}/{waiting}").json
    assert (cancelled["state"], cancelled["status"]) == ("cancelled", 200)
    service.ask("DELETE", f"{JOBS}/{running}")
    assert service.settle(running)["state"] == "cancelled"
    assert service.settle(behind)["state"] == "succeeded"
    drawn = [each.prompt for each in service.bench.engine.runs]
    assert "never drawn" not in drawn


def test_a_key_makes_a_repeated_post_the_same_job_also_after_kill_9(service: JobService) -> None:
    key = {"Idempotency-Key": "order-17"}
    first = service.post("once", headers=key, token=ANN)
    service.process.kill_serving()
    service.process.wait()
    second = service.post("once", headers=key, token=ANN)
    assert (second.status, second.json["id"]) == (202, first.json["id"])
    assert second.headers["Idempotent-Replayed"] == "true"
    other = service.post("another", headers=key, token=ANN)
    assert other.status == 422
    assert "another key" in other.json["detail"]
    bobs = service.post("once", headers=key, token=BOB).json["id"]
    assert bobs != first.json["id"]
    for job in (first.json["id"], bobs):
        service.settle(job)
    assert [each.prompt for each in service.bench.engine.runs].count("once") == 2


def test_a_dry_run_predicts_and_leaves_nothing(service: JobService) -> None:
    service.settle(service.post("a measure").json["id"])
    ask = {"override_settings": {"samples_format": "jpg"}, "steps": 4}
    ask["override_settings_restore_afterwards"] = False

    def predict() -> dict[str, object] | None:
        told: dict[str, object] = service.post("dry", query="?dry_run=1", body=ask).json
        return told if told["predicted_seconds"] and told["position"] == 1 else None

    told = wait_until(predict)  # what was counted a moment ago is seen soon
    assert told["dry_run"] is True
    assert told["predicted_end"] >= told["predicted_start"]
    assert service.ask("GET", "/sdapi/v1/options").json["samples_format"] == "png"
    assert service.ask("GET", "/internal/pending-tasks").json["size"] == 0
    assert "dry" not in [each.prompt for each in service.bench.engine.runs]


def test_others_jobs_are_nobodys_business_but_the_owners(service: JobService) -> None:
    job = service.post(token=ANN).json["id"]
    for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/result"), ("DELETE", "")):
        assert service.ask(method, f"{JOBS}/{job}{path}", token=BOB).status == 404
        assert service.ask(method, f"{JOBS}/{job}{path}", token=READER).status == 403
    assert service.settle(job)["state"] == "succeeded"


def test_workers_are_listed_with_models_and_heartbeat(service: JobService) -> None:
    job = service.post(HELD, token=ANN).json["id"]
    service.wait_for(job, "running")

    def worker(token: str) -> dict[str, object]:
        seen = service.ask("GET", "/api/v1/workers", token=token).json["workers"]
        return dict(seen[0]) if seen else {"job": "unseen"}

    own = wait_until(lambda: found if (found := worker(OWNER))["job"] == job else None)
    assert (own["device"], own["host"], own["pid"]) == ("cpu", "test", 1)
    assert (own["models"], own["state"]) == (["sd [0123456789]"], "working")
    seen = worker(READER)
    assert (seen["job"], seen["host"], seen["pid"], seen["id"]) == (None, None, None, own["id"])
    assert worker(ANN)["job"] == job
    service.gate.places.release()
    service.settle(job)


BAD = [
    ({"path": "/sdapi/v1/options"}, 422, "/sdapi/v1/txt2img"),
    ({"priority": 101}, 422, "priority"),
    ({"priority": 1}, 403, "owner"),
    ({"webhook": "http://10.0.0.1/x"}, 422, "webhook: "),
    ({"webhook": "ftp://example.com/x"}, 422, "webhook: "),
    ({"webhook": "http://user@127.0.0.1/"}, 422, "webhook: "),
    ({"body": "text"}, 422, "body"),
    ({"prority": 1}, 422, "prority"),
    ({"body": {"steps": 0}}, 422, "steps"),
    ({"query": "?dry_run=maybe"}, 400, "dry_run"),
    ({"headers": {"Idempotency-Key": "a b"}}, 400, "Idempotency-Key"),
]


@pytest.mark.parametrize(("wrong", "status", "told"), BAD, ids=lambda value: str(value)[:40])
def test_bad_requests_are_refused_and_leave_nothing(
    service: JobService, wrong: dict[str, object], status: int, told: str
) -> None:
    if isinstance(wrong.get("body"), str):
        reply = service.ask("POST", JOBS, {"path": "/sdapi/v1/txt2img", **wrong}, ANN)
    else:
        reply = service.post(token=ANN, **wrong)  # type: ignore[arg-type]
    assert (reply.status, told in reply.body.decode()) == (status, True), reply.body
    assert service.ask("GET", "/internal/pending-tasks", token=ANN).json["size"] == 0


def test_an_unknown_job_and_an_early_result(service: JobService) -> None:
    assert service.ask("GET", f"{JOBS}/{'0' * 32}").status == 404
    job = service.post(HELD).json["id"]
    assert service.ask("GET", f"{JOBS}/{job}/result").status == 409
    assert service.ask("GET", f"{JOBS}/{job}/pictures/0").status == 404
    assert service.ask("GET", f"{JOBS}/{job}/pictures/..%2f..").status == 404
    service.gate.places.release()
    service.settle(job)


@dataclass
class Receiver:
    """Takes webhooks. ``hangs``: the first one gets no answer before the test's end."""

    port: int = 0
    hangs: bool = False
    took: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receive(*, hangs: bool = False) -> Iterator[Receiver]:
    """A receiver on a port of this machine."""
    receiver = Receiver(hangs=hangs)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.took.append((dict(self.headers.items()), body))
            if receiver.hangs and len(receiver.took) == 1:
                receiver.ended.wait(TIMEOUT)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver would check it, by the scheme of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return headers["webhook-signature"] == f"v1,{wanted}"


def test_a_webhook_is_signed_and_survives_kill_9_of_the_web_process(service: JobService) -> None:
    secret = service.ask("GET", "/api/v1/webhook-secret", token=ANN).json["secret"]
    with receive(hangs=True) as receiver:
        address = f"http://127.0.0.1:{receiver.port}/hook?a=1"
        job = service.post(token=ANN, webhook=address).json["id"]
        wait_until(lambda: receiver.took, message="the webhook was never posted")
        service.process.kill_serving()  # it has had no answer yet
        service.process.wait()
        wait_until(lambda: len(receiver.took) == 2, message="it was not posted again")
        (first, _), (second, body) = receiver.took
        state = wait_until(
            lambda: (
                hook if (hook := service.state(job)["webhook"])["state"] == "delivered" else None
            )
        )
    assert first["webhook-id"] == second["webhook-id"] == f"job_{job}"
    assert is_signed(secret, second, body)
    assert not is_signed(secret, second, body + b" ")
    other = service.ask("GET", "/api/v1/webhook-secret", token=BOB).json["secret"]
    assert other != secret
    event = json.loads(body)
    assert (event["type"], event["data"]["id"]) == ("job.succeeded", job)
    assert event["data"]["result"] == f"{JOBS}/{job}/result"
    assert (state["attempts"], state["error"]) == (1, None)


def test_watchers_are_capped_for_each_caller_and_in_all(service: JobService) -> None:
    job = service.post(HELD, token=ANN).json["id"]
    path = f"{JOBS}/{job}/events"
    anns = [Events(service, job, ANN) for _ in range(2)]  # half of --max-watchers 4
    refused = service.ask("GET", path, token=ANN)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
    others = [Events(service, job) for _ in range(2)]
    refused = service.ask("GET", "/api/events")  # watchers of every kind count together
    assert (refused.status, "--max-watchers" in refused.body.decode()) == (503, True)
    assert service.ask("GET", "/sdapi/v1/samplers").status == 200
    others[0].close()
    wait_until(lambda: try_to_watch(service, job), message="no place came free")
    service.gate.places.release()
    for each in (*anns, others[1]):
        assert each.until("end")["state"] == "succeeded"
        each.close()


def try_to_watch(service: JobService, job: str) -> bool:
    """Whether a watcher is let in."""
    events = Events(service, job)
    events.close()
    return events.answer.status == 200


def test_one_stream_tells_a_window_of_its_jobs_files_and_models(service: JobService) -> None:
    theirs = service.post(HELD, token=BOB).json["id"]
    first, second = (service.post(HELD, token=ANN).json["id"] for _ in range(2))
    query = f"files=1&job={theirs}&job={first}&job={second}&job=none"
    events = WindowEvents(service, query)
    anns = WindowEvents(service, f"job={theirs}&job={first}&job={second}", ANN)
    assert events.until("models")["revision"] >= 0
    assert anns.until("state")["job"] == first  # of others' jobs nothing is told
    made = service.ask("POST", "/api/files/folder", {"path": "/data/outputs/new"})
    assert made.status < 300
    assert events.until("change")["path"].startswith("/data/outputs")
    service.gate.places.release(3)
    pictures, ends = [], []
    for name, data in anns:
        pictures += [data["job"]] * (name == "picture")
        ends += [data["job"]] * (name == "end")
        if len(ends) == 2:
            break
    assert (sorted(pictures), sorted(ends)) == (sorted([first, second]),) * 2
    assert {events.until("end")["job"] for _ in range(3)} == {theirs, first, second}
    for each in (events, anns):
        each.close()
    many = "&".join("job=x" for _ in range(17))
    assert service.ask("GET", f"/api/v1/events?{many}").status == 400
