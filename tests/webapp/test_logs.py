"""Lines say whose they are, cannot be forged, and hold no secret."""

import io
import json
import logging
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from tests.webapp.access.scoped_tokens import TOKENS, build_all_credentials
from tests.webapp.requests.request_pictures import PICTURE
from tests.webapp.worker.worker_bench import WorkerThread
from webapp.logs import (
    PLAIN_FORMAT,
    JsonLines,
    PlainLines,
    add_facts,
    bind,
    bind_for_block,
    start_log,
    unbind,
)
from webapp.queues.contracts.frame import Frame


class Written:
    """What a handler with one of our formatters has written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(formatter)
        self.handler.addFilter(add_facts)

    @property
    def lines(self) -> list[str]:
        """Line by line."""
        return self.stream.getvalue().splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        """JSON lines."""
        return [json.loads(line) for line in self.lines]


@pytest.fixture(params=["plain", "json"])
def log_lines(request: pytest.FixtureRequest) -> Iterator[Written]:
    """Everything that is logged meanwhile, down to debug, by whatever library."""
    written = Written(JsonLines() if request.param == "json" else PlainLines(PLAIN_FORMAT))
    root, easel = logging.getLogger(), logging.getLogger("easel")
    before = root.level, easel.level
    root.addHandler(written.handler)
    root.setLevel(logging.DEBUG)
    easel.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(written.handler)
    root.setLevel(before[0])
    easel.setLevel(before[1])


@pytest.fixture
def as_json(request: pytest.FixtureRequest) -> Iterator[Written]:
    """JSON lines of Easel's own loggers."""
    written, log = Written(JsonLines()), logging.getLogger("easel")
    before = log.level
    log.addHandler(written.handler)
    log.setLevel(logging.INFO)
    yield written
    log.removeHandler(written.handler)
    log.setLevel(before)


def test_every_answer_has_the_id_that_its_lines_have(build: Any, as_json: Written) -> None:
    house = build(api_log=True, time_log=True)
    asked = [
        ("GET", "/sdapi/v1/samplers", 200),
        ("GET", "/sdapi/v1/nothing", 404),
        ("DELETE", "/sdapi/v1/samplers", 405),
        ("POST", "/sdapi/v1/options", 422),
    ]
    for number, (method, path, status) in enumerate(asked):
        name = f"asked-{number}"
        answer = house.client().open(path, method=method, headers={"X-Request-Id": name})
        assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, name)
        mine = [event for event in as_json.events if event.get("request") == name]
        assert {event["user"] for event in mine if event["logger"] == "easel.api"} <= {"owner"}
        assert any(path in event["message"] for event in mine)
    assert all(event.get("request") for event in as_json.events)


def test_ids_are_made_where_they_cannot_be_taken_over(build: Any) -> None:
    house = build()
    for bad in ("", "a b", "x" * 65, "a;b"):
        given = house.client().get("/healthz", headers={"X-Request-Id": bad})
        assert re.fullmatch(r"[0-9a-f]{32}", given.headers["X-Request-Id"])
    house.app.config["MAX_CONTENT_LENGTH"] = 10
    too_long = house.client().post("/sdapi/v1/txt2img", data=b"x" * 20)
    assert too_long.status_code == 413
    assert too_long.headers["X-Request-Id"]


def test_a_full_disk_is_one_line_of_the_log(
    build: Any, as_json: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill() -> None:
        raise sqlite3.OperationalError("database or disk is full")

    house = build()
    monkeypatch.setattr(house.options, "get", fill)
    assert house.client().get("/sdapi/v1/options").status_code == 507
    event = next(event for event in as_json.events if event["level"] == "WARNING")
    assert "database or disk is full" in event["message"]
    assert not any("exception" in event for event in as_json.events)


def test_a_bug_is_500_with_its_id_in_the_log(
    build: Any, as_json: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = build()
    monkeypatch.setattr(house.options, "get", lambda: 1 / 0)
    answer = house.client().get("/sdapi/v1/options")
    assert answer.status_code == 500
    event = next(event for event in as_json.events if event["level"] == "ERROR")
    assert event["request"] == answer.headers["X-Request-Id"]
    assert "ZeroDivisionError" in event["exception"]


def test_a_worker_names_request_job_and_user(tmp_path: Any, as_json: Written) -> None:
    bench = WorkerThread(tmp_path, time_log=True)
    tags = {"request": "r-1"}
    bench.store.put(Frame("job-1", "nonsense", b"", owner="ann", tags=tags))
    bench.answer("job-1")
    bench.put("job-2")
    bench.answer("job-2")
    bench.end()
    mine = [event for event in as_json.events if event.get("job") == "job-1"]
    assert mine
    assert all((event["request"], event["user"]) == ("r-1", "ann") for event in mine)
    assert any("waited" in event["message"] and "worked" in event["message"] for event in mine)
    assert not [e for e in as_json.events if e.get("job") == "job-2" and e.get("request")]


def test_a_frame_carries_the_id_of_its_request(build: Any) -> None:
    house = build()
    seen: list[str] = []
    put = house.store.put

    def noting(frame: Frame, *words: Any) -> int:
        seen.append(frame.tags["request"])
        return int(put(frame, *words))

    house.store.put = noting
    body = {"width": 8, "height": 8}
    house.client().post("/sdapi/v1/txt2img", json=body, headers={"X-Request-Id": "mine"})
    assert seen == ["mine"]


def test_a_line_is_one_line() -> None:
    forged = "x\r\n2026-01-01 00:00:00,000 INFO easel: forged\u2028\x1b[31m"
    for formatter in (PlainLines(PLAIN_FORMAT), JsonLines()):
        written = Written(formatter)
        log = logging.Logger("easel.test")
        log.addHandler(written.handler)
        with bind_for_block(user=forged):
            log.warning("said %s", forged)
            try:
                raise ValueError(forged)
            except ValueError:
                log.exception("failed")
        text = written.stream.getvalue()
        assert "\x1b" not in text
        assert not any(line.startswith("2026-01-01 00:00:00") for line in text.splitlines())
        log.removeHandler(written.handler)


def test_json_lines_are_whole() -> None:
    written = Written(JsonLines())
    log = logging.Logger("easel.test")
    log.addHandler(written.handler)
    bind(request="r")
    bind(user="ann")
    log.warning("one")
    unbind()
    log.info("two")
    first, second = written.events
    assert first["time"].endswith("+00:00")
    assert (first["level"], first["logger"], first["message"]) == ("WARNING", "easel.test", "one")
    assert (first["request"], first["user"]) == ("r", "ann")
    assert set(second) == {"time", "level", "logger", "message"}


def test_start_log_tags_what_it_writes(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        log = start_log(as_json=True)
        with bind_for_block(job="j"):
            log.info("here")
        assert json.loads(capsys.readouterr().err)["job"] == "j"
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_no_secret_is_logged(build: Any, log_lines: Written) -> None:
    house = build(build_all_credentials(), api_log=True, time_log=True)
    client = house.client()
    client.post("/login", json={"username": "ann", "password": "wrong-password"})
    client.post("/login", json={"token": TOKENS["owner"]})
    cookie = client.get_cookie("session").value
    client.get("/sdapi/v1/samplers")
    client.post("/sdapi/v1/options", json={}, headers={"Origin": "https://evil.example"})
    owner = house.client(authorization=TOKENS["owner"])
    house.client(authorization="Bearer stolen-token-1234").get("/sdapi/v1/options")
    house.client(authorization="Basic YW5uOnB3MQ==").get("/sdapi/v1/options")
    house.client(authorization=TOKENS["read"]).post("/sdapi/v1/options", json={})
    path = house.data_dir / "outputs/a.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"picture")
    url = owner.get("/api/sign", query_string={"path": "outputs/a.png"}).get_json()["url"]
    house.client().get(url)
    house.client().get(url + "0")
    img2img = {"init_images": [PICTURE], "width": 8, "height": 8, "steps": 1}
    assert owner.post("/sdapi/v1/img2img", json=img2img).status_code == 200
    spoiled = PICTURE[:40] + "????" + PICTURE[40:]
    owner.post("/sdapi/v1/img2img", json={**img2img, "init_images": [spoiled]})
    owner.post("/sdapi/v1/png-info", json={"image": spoiled})
    owner.post("/sdapi/v1/txt2img", data=b'{"prompt": "a", "init": "' + PICTURE.encode())
    text = log_lines.stream.getvalue()
    signature = url.rpartition("=")[2]
    secrets = [*TOKENS.values(), "pw1", "wrong-password", "stolen-token", "YW5uOnB3MQ",
               cookie, cookie[:20], signature, signature[:16], PICTURE[30:60]]  # fmt: skip
    assert "img2img" in text
    assert [secret for secret in secrets if secret in text] == []


def test_what_libraries_quote_is_masked() -> None:
    written = Written(PlainLines(PLAIN_FORMAT))
    log = logging.Logger("gunicorn.error")
    log.addHandler(written.handler)
    log.warning("Error handling request GET /file=a.png?expires=1&signature=abcdef0123")
    log.warning("Invalid HTTP header: 'Authorization: Bearer hush-hush'")
    log.warning("headers {'Cookie': 'session=hush-hush', 'Host': 'x'}")
    assert "abcdef" not in written.stream.getvalue()
    assert "hush" not in written.stream.getvalue()
