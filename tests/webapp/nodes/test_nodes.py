"""Two web processes behind Debian's nginx: what one begins the other tells, ends and goes on with.

Redis and PostgreSQL are one each; each web process and worker runs in namespaces of its own where
the system lets them. Requests through nginx go to one node after the other: none is anybody's own.
"""

import base64
import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import requests

from tests.filebrowser.dav.conftest import LOCK_BODY
from tests.wait import TIMEOUT, result_of, wait_until
from tests.webapp.conftest import write_checkpoint
from tests.webapp.http.websocket_client import WebSocketClient
from tests.webapp.nodes.node_site import TOKEN, Node, NodeSite, node_site, read_events
from webapp.queues.redis.server import PREFIX

WORDS = "five wet maps hum"
TXT2IMG = "/sdapi/v1/txt2img"
UPLOADS = "/api/files/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
MIB = 1 << 20
LONG = 400  # steps: 20 s


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeSite]:
    with node_site(tmp_path_factory.mktemp("nodes")) as running:
        yield running


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    """For requests that take a while."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_a_login_holds_at_every_node_until_it_is_ended_at_one(site: NodeSite) -> None:
    first, second = site.nodes
    user = {"name": "ann", "role": "member", "password": WORDS}
    assert site.ask("POST", f"{first.url}/api/v1/users", json=user).ok
    login = {"username": "ann", "password": WORDS}
    entered = requests.post(f"{first.url}/api/v1/login", json=login, timeout=TIMEOUT)
    cookie = {"Cookie": entered.headers["Set-Cookie"].partition(";")[0]}

    def who(url: str) -> int:
        return requests.get(f"{url}/api/v1/me", headers=cookie, timeout=TIMEOUT).status_code

    assert [who(second.url), who(first.url), who(site.url), who(site.url)] == [200] * 4
    gone = requests.post(f"{first.url}/api/v1/logout", headers=cookie, timeout=TIMEOUT)
    assert gone.ok, gone.text
    assert [who(second.url), who(first.url), who(site.url), who(site.url)] == [401] * 4


def test_wrong_passwords_count_at_all_nodes_whatever_address_a_client_names(
    site: NodeSite,
) -> None:
    def guess(url: str, address: str) -> int:
        body = {"username": "bob", "password": "wrong"}
        named = {"X-Forwarded-For": address}
        return requests.post(
            f"{url}/api/v1/login", json=body, headers=named, timeout=TIMEOUT
        ).status_code

    spoofed = [guess(site.url, f"203.0.113.{number}") for number in range(12)]
    assert spoofed == [401] * 10 + [429] * 2
    from_nodes = {guess(node.url, "203.0.113.99") for node in site.nodes}  # as nginx would say
    assert from_nodes == {401}


def test_progress_and_stops_of_another_node_s_job(site: NodeSite, pool: ThreadPoolExecutor) -> None:
    drawn = [
        pool.submit(site.ask, "POST", site.url + TXT2IMG, json=site.draw_body()) for _ in range(4)
    ]
    assert [len(result_of(each).json()["images"]) for each in drawn] == [1] * 4
    first, second = site.nodes
    body = site.draw_body(LONG, force_task_id="task-of-ann")
    running = pool.submit(site.ask, "POST", first.url + TXT2IMG, json=body)

    def told(url: str) -> Any:
        return site.ask("GET", f"{url}/sdapi/v1/progress").json()

    wait_until(lambda: told(second.url)["current_image"])
    assert told(site.url)["state"]["sampling_steps"] == LONG
    query = {"id_task": "task-of-ann"}
    assert site.ask("POST", f"{second.url}/internal/progress", json=query).json()["active"]
    assert site.ask("POST", f"{second.url}/sdapi/v1/interrupt", json={}).ok
    assert len(result_of(running).json()["images"]) == 1
    ended = [site.ask("POST", f"{each.url}/internal/progress", json=query) for each in site.nodes]
    assert [each.json()["completed"] for each in ended] == [True, True]


def test_an_entry_of_one_node_comes_to_a_watch_through_nginx(site: NodeSite) -> None:
    address = f"{site.nodes[0].url}/api/predict/easel{TXT2IMG}?task_id=far"
    assert site.ask("POST", address, json=site.draw_body()).ok
    query = "_watch_=true&_index_=0&_window_=1&_auto_commit_=true&task_id=far"
    port = int(site.url.rpartition(":")[2])
    with WebSocketClient(port, f"/api/predict/easel/sink?{query}", site.owner) as watch:
        (entry,) = watch.messages(1)
    assert b'"images"' in entry or b"images" in base64.b64decode(json.loads(entry)[0]["data"])


def test_a_job_of_one_node_is_told_and_followed_at_the_other(site: NodeSite) -> None:
    first, second = site.nodes
    body = {"path": TXT2IMG, "body": site.draw_body(40)}
    posted = site.ask("POST", f"{first.url}/api/v1/jobs", json=body)
    assert posted.status_code == 202, posted.text
    job = f"/api/v1/jobs/{posted.json()['id']}"
    with site.ask("GET", f"{second.url}{job}/events", stream=True) as stream:
        names = {name for name, _, _ in read_events(stream)}
    assert {"state", "end"} <= names
    assert site.ask("GET", f"{second.url}{job}").json()["state"] == "succeeded"
    assert len(site.ask("GET", f"{second.url}{job}/result").json()["images"]) == 1


def test_file_events_of_one_node_are_told_at_the_other_also_after_a_reconnection(
    site: NodeSite,
) -> None:
    first, second = site.nodes

    def make(node: Node, path: str) -> None:
        made = site.ask("POST", f"{node.url}/api/files/folder", json={"path": path})
        assert made.ok, made.text

    address = f"{site.url}/api/files/events?path=/data/outputs"  # through nginx: unbuffered
    with site.ask("GET", address, stream=True) as stream:
        assert stream.ok, stream.text
        events = read_events(stream)
        assert next(events)[0] == "ready"
        make(first, "/data/outputs/one")
        make(second, "/data/outputs/two")
        found = take_changes(events, 2)
    assert [data["path"] for _, data, _ in found] == ["/data/outputs/one", "/data/outputs/two"]
    make(first, "/data/outputs/three")
    for node in site.nodes:
        address = f"{node.url}/api/files/events?path=/data/outputs"
        last = {"Last-Event-ID": found[0][2]}
        with site.ask("GET", address, headers=last, stream=True) as stream:
            missed = [data["path"] for _, data, _ in take_changes(read_events(stream), 2)]
        assert missed == ["/data/outputs/two", "/data/outputs/three"]


def take_changes(events: Iterator[Any], count: int) -> list[Any]:
    """The next so many changes; nobody is told to list again."""
    found: list[Any] = []
    while len(found) < count:
        name, data, ident = next(events)
        assert name in ("change", "ping"), name
        if name == "change":
            found.append((name, data, ident))
    return found


def test_a_model_that_one_node_takes_is_drawn_with_by_all(site: NodeSite, tmp_path: Path) -> None:
    first, second = site.nodes
    model = write_checkpoint(tmp_path / "came.safetensors", {"v": "3"}).read_bytes()
    place = begin_upload(site, first, "/data/models/Stable-diffusion/came.safetensors", model)
    sent = site.ask("PATCH", second.url + place, data=model, headers=piece_at(0))
    assert sent.status_code == 204, sent.text

    def names(node: Node) -> set[str]:
        listed = site.ask("GET", f"{node.url}/sdapi/v1/sd-models").json()
        return {each["model_name"] for each in listed}

    wait_until(lambda: all("came" in names(node) for node in site.nodes))
    chosen = {"override_settings": {"sd_model_checkpoint": "came"}}
    assert site.ask("POST", first.url + TXT2IMG, json=site.draw_body(2, **chosen)).ok


def test_a_sender_who_is_silent_at_one_node_gives_way_at_the_other(
    site: NodeSite, pool: ThreadPoolExecutor
) -> None:
    first, second = site.nodes
    data = os.urandom(3 * MIB)
    place = begin_upload(site, first, "/data/outputs/taken-over.txt", data)
    over = threading.Event()
    stalled = send_and_stall(site, pool, first.url + place, data[: 2 * MIB], over)
    wait_until(lambda: is_taken(site, place), message="nobody sends")
    offset = offset_at(site, second, place)
    assert MIB < offset <= 2 * MIB
    rest = site.ask("PATCH", second.url + place, data=data[offset:], headers=piece_at(offset))
    assert rest.status_code == 204, rest.text
    assert (site.data_dir / "outputs/taken-over.txt").read_bytes() == data
    over.set()
    wait_until(stalled.done)


def test_webdav_locks_and_announced_names_hold_at_every_node(
    site: NodeSite, tmp_path: Path
) -> None:
    first, second = site.nodes
    place = "/dav/data/outputs/locked.txt"
    body = LOCK_BODY.format("exclusive")
    locked = site.ask("LOCK", first.url + place, data=body, headers={"Timeout": "Second-60"})
    assert locked.status_code in (200, 201), locked.text
    token = {"If": f"({locked.headers['Lock-Token']})"}
    assert site.ask("PUT", second.url + place, data=b"x").status_code == 423
    assert site.ask("PUT", second.url + place, data=b"y", headers=token).status_code in (201, 204)
    freed = {"Lock-Token": locked.headers["Lock-Token"]}
    assert site.ask("UNLOCK", second.url + place, headers=freed).status_code == 204
    assert site.ask("PUT", site.url + place, data=b"z").status_code == 204
    model = write_checkpoint(tmp_path / "dav.safetensors").read_bytes()
    place = "/dav/data/models/Stable-diffusion/dav.safetensors"
    assert site.ask("PUT", first.url + place, data=b"").status_code == 201
    shown = site.ask("PROPFIND", second.url + place, headers={"Depth": "0"})
    assert shown.status_code == 207, shown.text
    assert site.ask("PUT", second.url + place, data=model).status_code in (201, 204)
    assert site.ask("GET", site.url + place).content == model


def test_options_and_shares_of_one_node_hold_at_the_other(site: NodeSite) -> None:
    first, second = site.nodes
    changed = {"CLIP_stop_at_last_layers": 2}
    assert site.ask("POST", f"{first.url}/sdapi/v1/options", json=changed).ok
    told = site.ask("GET", f"{second.url}/sdapi/v1/options").json()
    assert told["CLIP_stop_at_last_layers"] == 2
    (site.data_dir / "outputs/shared.txt").write_text("shared")
    body = {"path": "/data/outputs/shared.txt"}
    share = site.ask("POST", f"{first.url}/api/files/shares", json=body)
    assert share.ok, share.text
    page = requests.get(f"{second.url}/s/{share.json()['id']}", timeout=TIMEOUT)
    assert page.ok
    assert "shared.txt" in page.text


def test_no_node_shows_the_owner_s_token(site: NodeSite) -> None:
    for node in site.nodes:
        log = site.data_dir.with_name(f"{node.name}.log").read_text()
        assert TOKEN not in log


def test_another_node_goes_on_with_an_upload_whose_node_was_killed(
    site: NodeSite, pool: ThreadPoolExecutor
) -> None:
    first = site.nodes[0]
    data = os.urandom(8 * MIB)
    place = begin_upload(site, first, "/data/outputs/killed.txt", data)
    over = threading.Event()
    stalled = send_and_stall(site, pool, first.url + place, data[: 5 * MIB], over)
    wait_until(lambda: stored_bytes(site, place) >= 4 * MIB)
    first.kill()
    wait_until(lambda: not is_listening(first))  # its last process may outlive the first one
    over.set()
    wait_until(stalled.done)
    assert stalled.exception() is not None
    offset = offset_at(site, site, place)  # through nginx, which finds one node dead
    assert 4 * MIB <= offset <= 5 * MIB
    rest = site.ask("PATCH", site.url + place, data=data[offset:], headers=piece_at(offset))
    assert rest.status_code == 204, rest.text
    found = (site.data_dir / "outputs/killed.txt").read_bytes()
    assert hashlib.sha256(found).digest() == hashlib.sha256(data).digest()
    drawn = site.ask("POST", site.url + TXT2IMG, json=site.draw_body())
    assert drawn.status_code == 200, drawn.text  # one node is enough
    assert site.ask("GET", site.url + UPLOADS).json()["uploads"] == []


def begin_upload(site: NodeSite, node: Node, path: str, data: bytes) -> str:
    """Where the bytes of a new upload go; their SHA-256 is told before."""
    folder, _, name = path.rpartition("/")
    told = {"folder": folder, "filename": name, "sha256": hashlib.sha256(data).hexdigest()}
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in told.items())
    headers = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": metadata}
    begun = site.ask("POST", node.url + UPLOADS, headers=headers)
    assert begun.status_code == 201, begun.text
    return begun.headers["Location"]


def piece_at(offset: int) -> dict[str, str]:
    """The headers of a piece."""
    return {**PIECE, "Upload-Offset": str(offset)}


def offset_at(site: NodeSite, where: Any, place: str) -> int:
    """How many bytes a node has, as tus asks; a client asks again where it is told to wait."""
    answers: list[requests.Response] = []

    def is_told() -> bool:
        answers.append(site.ask("HEAD", where.url + place, headers=TUS))
        return answers[-1].status_code == 200

    wait_until(is_told, message="no offset")
    return int(answers[-1].headers["Upload-Offset"])


def is_listening(node: Node) -> bool:
    """Whether anything of the node takes connections."""
    address = urlsplit(node.url)
    try:
        socket.create_connection((str(address.hostname), address.port or 80), timeout=1).close()
    except OSError:
        return False
    return True


def is_taken(site: NodeSite, place: str) -> bool:
    """Whether some node has the turn at an upload."""
    with redis.Redis.from_url(site.queue.address) as client:
        return bool(client.exists(f"{PREFIX}turn:{place.rpartition('/')[2]}"))


def stored_bytes(site: NodeSite, place: str) -> int:
    """Bytes of an upload on the disk."""
    name = place.rpartition("/")[2]
    return sum(each.stat().st_size for each in site.data_dir.rglob(f".uploads/{name}/data"))


def send_and_stall(
    site: NodeSite, pool: ThreadPoolExecutor, url: str, data: bytes, over: threading.Event
) -> "Future[requests.Response]":
    """A piece whose sender says no word after these bytes, until it is ``over``."""

    def body() -> Iterator[bytes]:
        yield data
        over.wait(TIMEOUT)

    return pool.submit(site.ask, "PATCH", url, data=body(), headers=piece_at(0))
