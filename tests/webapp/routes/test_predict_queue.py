"""The vendor's queue protocol through a real web process of the API edition."""

import base64
import hashlib
import hmac
import json
import struct
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.wait import TIMEOUT, wait_until
from tests.webapp.http.websocket_client import Refused
from tests.webapp.routes.queue_service import (
    ANN,
    BOB,
    PROTOBUF,
    REQUEST_ID,
    TOKEN,
    QueueService,
    queue_service,
)
from webapp.http.entry_wire import encode_frame, encode_list
from webapp.queues.contracts.entries import Entry
from webapp.queues.entry_terms import MAX_OWN_GROUPS

TXT2IMG = "easel/sdapi/v1/txt2img"
MAX_ENTRIES, MAX_OWN, MAX_JOBS = 400, 12, 3


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueService]:
    """One service for all tests here."""
    folder = tmp_path_factory.mktemp("queues") / "data"
    flags = ("--max-queue-entries", str(MAX_ENTRIES), "--max-queued-jobs", str(MAX_JOBS))
    flags += ("--max-user-entries", str(MAX_OWN))
    plans = ("--max-queued-jobs-of", "generate=2", "--gpu-share", "generate=0.5")
    with queue_service(folder, *flags, *plans) as service:
        yield service


@pytest.fixture
def service(running: QueueService) -> QueueService:
    """The service with empty queues and a worker at work."""
    running.working.set()
    running.empty()
    return running


def wire(index: int, request_id: str, data: bytes) -> bytes:
    """An entry without tags of its own, as the client gets it."""
    return encode_frame(Entry(request_id, data, {"requestId": request_id}, index=index))


# -- drawing ------------------------------------------------------------------------------------


def test_guide_s_request_is_queued_and_its_result_comes_to_the_sink(service: QueueService) -> None:
    body = {"prompt": "futuristic city skyline", "steps": 30, "alwayson_scripts": {}}
    index, request_id = service.put(f"{TXT2IMG}?task_id=job_001", json.dumps(body))
    assert index > 0
    found = service.result(request_id)
    assert found["tags"] == {"task_id": "job_001", "requestId": request_id}
    assert json.loads(base64.b64decode(found["data"]))["prompt"] == "futuristic city skyline"
    wait_until(lambda: service.attributes("easel")["stream.length"] == "0")


def test_task_of_the_body_is_a_tag_of_the_result(service: QueueService) -> None:
    body = {"prompt": "girls", "alwayson_scripts": {"id_task": "14837", "save_dir": "tmp/outputs"}}
    _, request_id = service.put(TXT2IMG, json.dumps(body))
    assert service.result(request_id)["tags"]["task_id"] == "14837"


def test_refused_body_has_the_synchronous_answer_and_its_status(service: QueueService) -> None:
    wrong = {"steps": "many"}
    _, request_id = service.put(f"{TXT2IMG}?task_id=t", json.dumps(wrong))
    direct = requests.post(
        f"{service.web.url}/sdapi/v1/txt2img",
        json=wrong,
        headers={"Authorization": TOKEN},
        timeout=TIMEOUT,
    )
    found = service.result(request_id)
    assert found["tags"]["lastCode"] == str(direct.status_code) == "422"
    assert json.loads(base64.b64decode(found["data"])) == direct.json()


def test_entry_for_no_path_is_told_where_it_belongs(service: QueueService) -> None:
    _, request_id = service.put("easel", "[{}]")
    found = service.result(request_id)
    assert found["tags"]["lastCode"] == "404"
    assert b"/api/predict/easel/sdapi/v1/txt2img" in base64.b64decode(found["data"])


def test_route_that_queues_nothing_answers_into_the_sink(service: QueueService) -> None:
    _, request_id = service.put("easel/internal/token-count", json.dumps({"prompt": "a cat"}))
    found = service.result(request_id)
    assert "lastCode" not in found["tags"]
    assert json.loads(base64.b64decode(found["data"]))


def test_waiting_entry_can_be_searched_and_deleted_and_is_not_drawn(service: QueueService) -> None:
    service.pause()
    first, first_id = service.put(TXT2IMG, '{"prompt": "a"}')
    second, second_id = service.put(TXT2IMG, '{"prompt": "b"}')
    found = service.ask("GET", f"easel?_search_=true&_index_={second}").json()
    assert found == {"IsPending": False, "WaitCount": 1}
    wait_until(lambda: service.store.is_queued(first_id) and service.store.is_queued(second_id))
    assert service.ask("DELETE", f"easel?_indexes_={first}").text == "OK"
    service.working.set()
    service.result(second_id)
    assert first_id not in service.drawn
    assert service.ask("GET", f"easel?_search_=true&_index_={first}").status_code == 404


def test_entries_wait_for_room_among_the_jobs_of_their_caller(service: QueueService) -> None:
    service.pause()
    ids = [service.put(TXT2IMG, json.dumps({"prompt": f"{n}"}))[1] for n in range(MAX_JOBS + 2)]
    wait_until(lambda: service.store.depth().waiting == MAX_JOBS)
    _, anns = service.put(TXT2IMG, '{"prompt": "ann\'s"}', token=ANN)
    wait_until(lambda: service.store.is_queued(anns))
    assert service.store.depth().waiting == MAX_JOBS + 1
    service.working.set()
    assert {service.result(each)["tags"]["requestId"] for each in (*ids, anns)} == {*ids, anns}


def test_jobs_of_entries_cost_and_count_as_those_of_the_routes(service: QueueService) -> None:
    """By the same megapixel-steps, with the share and within the cap of their caller's role."""
    service.pause()
    body = json.dumps({"prompt": "a", "steps": 30, "width": 512, "height": 512})
    ids = [service.put(TXT2IMG, body, token=ANN)[1] for _ in range(3)]
    service.put(TXT2IMG, body, token=BOB)
    wait_until(lambda: service.store.depth().waiting == 3)
    anns = service.store.list_frames("ann")
    assert [frame.id for frame in anns] == ids[:2]
    for frame in (*anns, *service.store.list_frames("bob")):
        assert frame.work == pytest.approx(30 * 512 * 512 / 1e6, rel=0.01)
        assert frame.predicted_seconds == pytest.approx(
            service.store.predict_seconds("generate", frame.checkpoint, frame.work)
        )
        assert frame.weight == 0.5
    service.working.set()
    service.result(ids[2])


def test_queued_entries_outlive_a_killed_web_process(service: QueueService) -> None:
    service.pause()
    ids = [service.put(TXT2IMG, json.dumps({"prompt": f"{n}"}))[1] for n in range(5)]
    service.web.kill_serving()
    service.web.wait()
    service.working.set()
    assert {service.result(each)["tags"]["requestId"] for each in ids} == set(ids)
    assert sorted(each for each in service.drawn if each in ids) == sorted(ids)


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "nobody?_attrs_=true", 404, "Known: easel"),
        ("POST", "easel/sdapi/v1/txt2imgg", 404, "/sdapi/v1/txt2imgg"),
        ("POST", "easel/sdapi/v1/sd-models", 405, "takes no POST"),
        ("POST", "easel/login", 404, "Nothing can be queued"),
        ("POST", "easel/api/predict/easel", 404, "Nothing can be queued"),
        ("GET", "easel?_index_=abc", 400, "_index_"),
        ("GET", "easel?_timeout_=soon", 400, "_timeout_"),
        ("GET", "easel?_nothing_=1", 400, "_nothing_"),
        ("PUT", "easel/sink", 400, "_indexes_"),
        ("DELETE", "easel/sink", 400, "_indexes_"),
        ("PUT", "easel/sink?_indexes_=1&_negative_=true&_code_=low", 400, "_code_"),
    ],
)
def test_refusals_are_plain_sentences(
    service: QueueService, method: str, path: str, status: int, words: str
) -> None:
    answer = service.ask(method, path, data="x" if method == "POST" else None)
    assert answer.status_code == status
    assert words in answer.text
    assert not answer.text.startswith("{")


def test_entry_that_is_too_long_is_refused_with_the_remedy(service: QueueService) -> None:
    answer = service.ask("POST", TXT2IMG, data=b"x" * 8193)
    assert answer.status_code == 413
    assert "image_link" in answer.text
    assert "save_dir" in answer.text
    assert service.attributes("easel")["stream.length"] == "0"
    service.put("easel/sink", b"x" * 8192)


def test_full_queue_is_429_without_a_side_effect(service: QueueService) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: service.put("easel/sink", f"{n}"), range(MAX_ENTRIES)))
    for queue in ("easel/sink", TXT2IMG):
        answer = service.ask("POST", queue, data="more")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
        assert "sink" in answer.text
    assert service.attributes()["stream.length"] == str(MAX_ENTRIES)
    assert service.attributes("easel")["stream.length"] == "0"


def test_one_caller_s_share_is_429_with_their_number_and_leaves_the_others_theirs(
    service: QueueService,
) -> None:
    for n in range(MAX_OWN):
        service.put("easel/sink", f"{n}", token=ANN)
    for queue in ("easel/sink", TXT2IMG):
        answer = service.ask("POST", queue, token=ANN, data="more")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
        assert f"The sink holds {MAX_OWN} entries of yours" in answer.text
        assert "--max-user-entries" in answer.text
    assert service.attributes(token=ANN)["stream.length"] == str(MAX_OWN)
    assert service.attributes("easel")["stream.length"] == "0"
    for token in (BOB, TOKEN):
        service.put("easel/sink", "mine", token=token)


SOCKET = {
    "Connection": "Upgrade", "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


@pytest.mark.parametrize("headers", [{}, SOCKET])
def test_one_group_too_many_is_429_before_a_watch_begins(
    service: QueueService, headers: dict[str, str]
) -> None:
    index, _ = service.put("easel/sink", "ann's", token=ANN)
    with service.watch("easel/sink?_watch_=true&_auto_commit_=false"):  # its group waits for it
        for n in range(MAX_OWN_GROUPS):
            named = {"X_EAS_QueueService_Redis_Gid": f"g{n}"}
            answer = service.ask("PUT", f"easel/sink?_indexes_={index}", token=ANN, **named)
            assert answer.status_code == 200
        named = {"X_EAS_QueueService_Redis_Gid": "another", **headers}
        answer = service.ask("GET", "easel/sink?_watch_=true", token=ANN, **named)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
        assert f"You have {MAX_OWN_GROUPS} groups here" in answer.text
        assert "X-EAS-QueueService-Redis-Gid" in answer.text


# -- who asks -----------------------------------------------------------------------------------


def signed(token: str, path: str, body: bytes) -> dict[str, str]:
    """The headers of the vendor's signature."""
    digest, date = hashlib.md5(body).hexdigest(), "Mon, 30 Nov 2026 17:00:00 GMT"
    text = f"POST\n{digest}\napplication/octet-stream\n{date}\n/api/predict/{path}"
    key = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    return {
        "Content_MD5": digest,
        "Date": date,
        "Content_Type": "application/octet-stream",
        "Authorization": f"EAS {base64.b64encode(key).decode()}",
    }


def test_both_forms_of_authorization(service: QueueService) -> None:
    assert service.ask("POST", "easel/sink", token="", data="x").status_code == 401
    assert service.ask("POST", "easel/sink", token="wrong", data="x").status_code == 401
    for token in (TOKEN, ANN):
        headers = signed(token, "easel/sink", b"x")
        assert service.ask("POST", "easel/sink", data=b"x", **headers).status_code == 200
        assert service.ask("POST", "easel/sink", data=b"y", **headers).status_code == 400
        assert service.ask("POST", "easel", data=b"x", **headers).status_code == 401
    forged = signed("somebody's", "easel/sink", b"x")
    assert service.ask("POST", "easel/sink", data=b"x", **forged).status_code == 401


def test_callers_see_their_own_entries_and_the_owner_all(service: QueueService) -> None:
    index, request_id = service.put("easel/sink", "ann's", token=ANN)
    assert service.ask("GET", "easel/sink", token=BOB).status_code == 204
    service.ask("DELETE", f"easel/sink?_indexes_={index}", token=BOB)
    service.ask("PUT", f"easel/sink?_indexes_={index}", token=BOB)
    service.ask("DELETE", f"easel/sink?_trunc_=true&_index_={index + 1}", token=BOB)
    assert service.attributes(token=BOB)["stream.length"] == "0"
    assert service.ask("POST", "easel/sink?_eos_=true", token=BOB).status_code == 403
    with service.watch("easel/sink?_watch_=true") as watch:
        assert watch.messages(1) == [wire(index, request_id, b"ann's")]


def test_narrow_credential_queues_only_for_what_it_opens(service: QueueService) -> None:
    answer = service.ask("POST", "easel/sdapi/v1/options", token=ANN, data="{}")
    assert answer.status_code == 403
    assert "docs/access.md" in answer.text


def test_pages_of_other_sites_take_nothing_away(service: QueueService) -> None:
    service.put("easel/sink", "kept")
    assert service.ask("GET", "easel/sink", Sec_Fetch_Site="cross-site").status_code == 403
    assert service.attributes()["stream.length"] == "1"


def test_discovery_tells_the_address(service: QueueService) -> None:
    root = f"{service.web.url}/api/v1/servicediscovery/upstreams"
    found = requests.get(f"{root}/easel?internal=true", timeout=TIMEOUT).json()
    upstream = {"ip": "127.0.0.1", "port": service.web.port, "weight": 100}
    assert found == {"endpoints": {"items": [upstream]}}
    assert requests.get(f"{root}/nobody", timeout=TIMEOUT).status_code == 404


# -- get ----------------------------------------------------------------------------------------


def test_get_in_every_encoding(service: QueueService) -> None:
    index, request_id = service.put("easel/sink?task_id=t", "abc")
    kept = "easel/sink?_auto_delete_=false"
    raw = service.ask("GET", kept)
    assert (raw.content, raw.headers["Content-Type"]) == (b"abc", "application/octet-stream")
    tags = {"task_id": "t", "requestId": request_id}
    listed = service.ask("GET", f"{kept}&_raw_=false").json()
    data = base64.b64encode(b"abc").decode()
    assert listed == [{"index": index, "message": "", "tags": tags, "data": data}]
    proto = service.ask("GET", f"{kept}&_raw_=false", Accept=PROTOBUF)
    assert proto.content == encode_list([Entry(request_id, b"abc", tags, index=index)])
    assert proto.headers["Content-Type"] == PROTOBUF


def test_get_takes_an_entry_along_once(service: QueueService) -> None:
    ids = {service.put("easel/sink", f"{n}")[1] for n in range(20)}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: service.ask("GET", "easel/sink?_raw_=false"), range(25)))
    got = [answer.json()[0]["tags"]["requestId"] for answer in answers if answer.status_code == 200]
    assert sorted(got) == sorted(ids)
    assert [answer.status_code for answer in answers].count(204) == 5
    assert service.attributes()["stream.length"] == "0"


def test_get_waits_for_a_result_and_answers_before_its_client_gives_up(
    service: QueueService,
) -> None:
    name = uuid.uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        query = f"easel/sink?task_id={name}&_timeout_=30s"
        waiting = pool.submit(service.ask, "GET", query)
        service.put("easel/sink", "another's")
        service.put(f"easel/sink?task_id={name}", "mine")
        assert waiting.result(TIMEOUT).content == b"mine"
    empty = service.ask("GET", f"easel/sink?task_id={name}&_timeout_=1s")
    assert (empty.status_code, empty.content) == (204, b"")
    assert empty.elapsed.total_seconds() < TIMEOUT


# -- watch --------------------------------------------------------------------------------------


def test_watch_sends_what_is_there_and_what_comes_and_answers_pings(service: QueueService) -> None:
    before = [service.put("easel/sink", f"{n}") for n in range(3)]
    with service.watch("easel/sink?_watch_=true&_index_=0&_window_=5&_auto_commit_=true") as watch:
        assert watch.messages(3) == [wire(*put, f"{n}".encode()) for n, put in enumerate(before)]
        assert watch.ping(b"ping") == b"ping"
        put = service.put("easel/sink", "later")
        assert watch.messages(1) == [wire(*put, b"later")]
        wait_until(lambda: service.attributes()["stream.length"] == "0")


def test_window_of_a_watch_and_commits(service: QueueService) -> None:
    puts = [service.put("easel/sink", f"{n}") for n in range(6)]
    query = "easel/sink?_watch_=true&_index_=0&_window_=2&_auto_commit_=false"
    with service.watch(query, **{"X-EAS-QueueService-Redis-Uid": "u1"}) as watch:
        for n, put in enumerate(puts):
            assert watch.messages(1) == [wire(*put, f"{n}".encode())]
            if n == 1:
                lines = service.attributes().values()
                (line,) = (each for each in lines if each.startswith("Id: eas.u1,"))
                assert "Pending: 2, Status: Running" in line
                assert "Slots: 0," in line
            if n:  # the one before
                assert service.ask("PUT", f"easel/sink?_indexes_={puts[n - 1][0]}").text == "OK"
        service.ask("PUT", f"easel/sink?_indexes_={puts[-1][0]}")
        assert service.attributes()["stream.length"] == "0"


def test_client_that_connects_anew_gets_what_it_had_not_committed(service: QueueService) -> None:
    puts = [service.put("easel/sink", f"{n}") for n in range(3)]
    query = "easel/sink?_watch_=true&_index_=0&_window_=5&_auto_commit_=false"
    headers = {"X-EAS-QueueService-Redis-Uid": "back"}
    with service.watch(query, **headers) as watch:
        watch.messages(3)
        service.ask("PUT", f"easel/sink?_indexes_={puts[0][0]}")
        with service.watch(query, **headers) as again:  # the first connection still stands
            assert again.messages(2) == [wire(*puts[1], b"1"), wire(*puts[2], b"2")]
            assert watch.ends()


def test_watch_of_plain_http(service: QueueService) -> None:
    put = service.put("easel/sink", "abc")
    url = f"{service.web.url}/api/predict/easel/sink?_watch_=true&_auto_commit_=true"
    headers = {"Authorization": TOKEN, "Accept": PROTOBUF}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        expected = wire(*put, b"abc")
        (length,) = struct.unpack(">I", answer.raw.read(4))
        assert answer.raw.read(length) == expected
    wait_until(lambda: service.attributes()["stream.length"] == "0")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("nobody?_watch_=true", 404, "Known: easel"),
        ("easel/sink?_watch_=true&_window_=x", 400, "_window_"),
    ],
)
def test_refused_handshake_says_why(
    service: QueueService, query: str, status: int, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refusal, service.watch(query):
        pass
    assert refusal.value.status == status


def test_negative_commits_end_in_the_rear_queue(service: QueueService) -> None:
    index, _ = service.put("easel/sink?task_id=dead", "abc")
    query = "easel/sink?_watch_=true&_window_=5&_auto_commit_=false"
    headers = {"X-EAS-QueueService-Redis-Uid": "u2"}
    rear = {"X_EAS_QueueService_Access_Rear": "true"}
    with service.watch(query, **headers) as watch:
        for _ in range(5):
            watch.messages(1)
            service.ask(
                "PUT",
                f"easel/sink?_indexes_={index}&_negative_=true",
                data={"_code_": "Busy", "_reason_": "no room"},
                X_EAS_QueueService_Redis_Uid="u2",
            )
        wait_until(lambda: service.attributes()["stream.length"] == "0")
    (dead,) = service.ask("GET", "easel/sink?_raw_=false", **rear).json()
    assert dead["tags"]["task_id"] == "dead"
    assert "Busy: no room" in dead["message"]


# -- facts --------------------------------------------------------------------------------------


def test_counts_priorities_and_attributes(service: QueueService) -> None:
    service.pause()
    service.put("easel/sink?k=v", "a")
    service.put("easel/sink?k=v&_priority_=1", "b")
    service.put("easel/sink", "c", X_EAS_QueueService_Redis_Priority="1")
    counts = ("_count_=true", "_count_=true&_priority_=1", "_count_=true&k=v")
    assert [service.ask("GET", f"easel/sink?{each}").text for each in counts] == ["3", "2", "2"]
    found = service.attributes()
    assert all(isinstance(value, str) for value in found.values())
    assert (found["meta.state"], found["meta.maxPayloadBytes"]) == ("Normal", "8192")
    assert found["meta.header.user"] == "X-EAS-QueueService-Redis-Uid"
    proto = service.ask("GET", "easel/sink?_attrs_=true", Accept=PROTOBUF)
    assert b"meta.header.user" in proto.content
    assert proto.content[:1] == b"\x0a"


def test_end_of_stream_and_a_new_beginning(service: QueueService) -> None:
    service.put("easel/sink", "last")
    assert service.ask("POST", "easel/sink?_eos_=true").text == "OK"
    try:
        refused = service.ask("POST", "easel/sink", data="late")
        assert refused.status_code == 409
        assert "_eos_=false" in refused.text
        with service.watch("easel/sink?_watch_=true&_auto_commit_=true") as watch:
            assert len(watch.messages(1)) == 1
            assert watch.ends()
        assert service.attributes()["meta.state"] == "Closed"
    finally:
        service.ask("POST", "easel/sink?_eos_=false")
    assert REQUEST_ID in service.ask("POST", "easel/sink", data="again").headers


# -- what docs/queue.md states ------------------------------------------------------------------


def test_every_form_of_a_bare_token_is_taken(service: QueueService) -> None:
    basic = base64.b64encode(f":{TOKEN}".encode()).decode()
    for form in (TOKEN, f"Bearer {TOKEN}", f"Basic {basic}"):
        assert service.ask("POST", "easel/sink", data="x", Authorization=form).status_code == 200


def test_head_takes_nothing_along(service: QueueService) -> None:
    service.put("easel/sink", "kept")
    answer = service.ask("HEAD", "easel/sink")
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, "4")
    assert service.attributes()["stream.length"] == "1"


def test_jobs_have_the_priority_of_their_entries(service: QueueService) -> None:
    service.pause()
    plain, first = (
        service.put(f"{TXT2IMG}?{query}", '{"prompt": "a"}')[1]
        for query in ("task_id=plain", "_priority_=3&task_id=first")
    )
    wait_until(lambda: len(service.store.list_frames()) == 2)
    assert {frame.id: frame.priority for frame in service.store.list_frames()} == {
        plain: 0,
        first: 3,
    }
    service.working.set()
    assert service.result(first)["tags"]["task_id"] == "first"
    service.result(plain)
    assert service.drawn[-2:] == [first, plain]


def test_lists_have_the_length_that_was_asked_for_and_minus_one_is_the_newest(
    service: QueueService,
) -> None:
    ids = [service.put("easel/sink", f"{n}")[1] for n in range(5)]
    kept = "easel/sink?_auto_delete_=false&_raw_=false&_length_="
    found = [entry["tags"]["requestId"] for entry in service.ask("GET", f"{kept}3").json()]
    assert found == ids[:3]
    assert len(service.ask("GET", f"{kept}1000").json()) == 5
    (newest,) = service.ask("GET", f"{kept}1&_index_=-1").json()
    assert newest["tags"]["requestId"] == ids[-1]
