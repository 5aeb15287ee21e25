"""Drives a service by the vendor's Python SDK; run by the Python of a virtual environment with it.

``python eas_sdk_client.py HOST:PORT TOKEN SERVICE [PUTS]``; exits with 1 where something is amiss.
It imports nothing of Easel: eas-prediction pins an old protobuf.
"""

import json
import sys
import threading
import time
from collections.abc import Callable

from eas_prediction import QueueClient

CASES: list[Callable[..., None]] = []
TASKS = 8


def case(act: Callable[..., None]) -> Callable[..., None]:
    """One of the cases, in order."""
    CASES.append(act)
    return act


def make_client(endpoint: str, token: str, name: str) -> QueueClient:
    """A client as the guide makes it."""
    client = QueueClient(endpoint, name)
    client.set_token(token)
    client.init()
    client.set_timeout(30000)
    return client


def empty(queue: QueueClient) -> None:
    """Truncate a queue."""
    queue.truncate(int(queue.attributes()["stream.lastEntry"]) + 1)


def length(queue: QueueClient) -> int:
    """How many entries a queue holds."""
    return int(queue.attributes()["stream.length"])


def take(queue: QueueClient, count: int, window: int, *, auto: bool) -> list:
    """So many entries of a watch, committed."""
    watcher, found = queue.watch(0, window, auto_commit=auto), []
    for frame in watcher.run():
        found.append(frame)
        if not auto:
            queue.commit(frame.index)
        if len(found) == count:
            break
    watcher.close()
    return found


@case
def put_and_get(sink: QueueClient, **_: object) -> None:
    """By request id, index and tags."""
    empty(sink)
    for how in ("request id", "index", "tags"):
        index, request_id = sink.put("abc", {"mine": "1"})
        wanted = {
            "request id": {"request_id": request_id},
            "index": {"index": index},
            "tags": {"tags": {"mine": "1"}},
        }[how]
        (frame,) = sink.get(**wanted)
        assert (frame.data, frame.tags["requestId"]) == (b"abc", request_id), how
        assert length(sink) == 0, how
    assert sink.get(timeout="1s") == []


@case
def truncate_and_delete(sink: QueueClient, **_: object) -> None:
    """Nothing is left below an index; deleted entries are gone."""
    empty(sink)
    indexes = [int(sink.put(str(n))[0]) for n in range(10)]
    assert length(sink) == 10
    sink.truncate(indexes[5])
    assert length(sink) == 5
    sink.delete(indexes[5:7])
    assert length(sink) == 3
    sink.truncate(indexes[-1] + 1)
    assert length(sink) == 0


@case
def watch_in_order(sink: QueueClient, **_: object) -> None:
    """Windows 1 and 5, commits by hand and automatic."""
    empty(sink)
    for window in (1, 5):
        for auto in (False, True):
            for n in range(20):
                sink.put(str(n))
            found = take(sink, 20, window, auto=auto)
            assert [int(frame.data) for frame in found] == list(range(20)), (window, auto)
            until = time.monotonic() + 20
            while length(sink) and time.monotonic() < until:
                time.sleep(0.05)
            assert length(sink) == 0, (window, auto)


@case
def puts_during_a_watch(sink: QueueClient, puts: int, **_: object) -> None:
    """None lost, none doubled, while the connection is cut twice."""
    empty(sink)
    sent, got = [], []
    reader = make_client(sink.endpoint_name, sink.token, sink.service_name)

    def send() -> None:
        sent.extend(sink.put("[{}]")[1] for _ in range(puts))

    thread = threading.Thread(target=send)
    thread.start()
    watcher = reader.watch(0, 5, auto_commit=False)
    cuts = {puts // 3, 2 * puts // 3}
    for frame in watcher.run():
        if frame.tags["requestId"] in got[-5:]:  # sent again since its commit was under way
            continue
        got.append(frame.tags["requestId"])
        reader.commit(frame.index)
        if len(got) in cuts:
            reader.watch_sock.abort()
        if len(got) == puts:
            break
    watcher.close()
    thread.join()
    assert len(got) == len(set(got)) == puts, (len(got), len(set(got)), puts)
    assert set(sent) == set(got)
    assert length(sink) == 0


@case
def drawing(requests: QueueClient, sink: QueueClient, **_: object) -> None:
    """The guide's request and subscription."""
    empty(sink)
    body = {"prompt": "futuristic city skyline", "steps": 2, "width": 64, "height": 64}
    body["alwayson_scripts"] = {"save_dir": "outputs"}
    sent = {requests.put(json.dumps(body), {"task_id": f"job_{n}"})[1] for n in range(TASKS)}
    found = take(sink, TASKS, 5, auto=True)
    assert {frame.tags["requestId"] for frame in found} == sent
    assert {frame.tags["task_id"] for frame in found} == {f"job_{n}" for n in range(TASKS)}
    for frame in found:
        assert "lastCode" not in frame.tags, frame.data[:500]
        assert json.loads(frame.data)["parameters"]["image_url"], frame.data[:500]


def main(endpoint: str, token: str, service: str, puts: str = "200") -> None:
    """Run every case."""
    sink = make_client(endpoint, token, f"{service}/sink")
    requests = make_client(endpoint, token, f"{service}/sdapi/v1/txt2img")
    for each in CASES:
        began = time.monotonic()
        each(sink=sink, requests=requests, puts=int(puts))
        print(f"{each.__name__}: {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
