"""A web process of the API edition, with a worker that pretends, for tests of its queues."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.wait import TIMEOUT
from tests.webapp.http.websocket_client import WebSocketClient
from tests.webapp.web_process import WebProcess, web_process
from webapp.errors import json_answer
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

TOKEN = "owner-token-1"
ANN, BOB = "anns-token-2", "bobs-token-3"
PROTOBUF = "application/vnd.google.protobuf"
REQUEST_ID = "X-Eas-Queueservice-Request-Id"


@dataclass
class QueueService:
    """A running service; ``working`` lets its worker take frames."""

    web: WebProcess
    store: SqliteStore
    working: threading.Event = field(default_factory=threading.Event)
    drawn: list[str] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)  # of the worker

    def pause(self) -> None:
        """Let the worker finish what it has, and take nothing more."""
        self.working.clear()
        with self.turn:
            pass

    def ask(
        self, method: str, path: str, *, token: str = TOKEN, data: Any = None, **headers: str
    ) -> requests.Response:
        """Ask below ``/api/predict``; underscores in names of headers stand for dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent.setdefault("Authorization", token)
        url = f"{self.web.url}/api/predict/{path}"
        return requests.request(method, url, data=data, headers=sent, timeout=TIMEOUT)

    def put(self, path: str, data: Any, **options: Any) -> tuple[int, str]:
        """Put an entry; its index and request id."""
        answer = self.ask("POST", path, data=data, **options)
        assert answer.status_code == 200, answer.text
        return int(answer.json()), answer.headers[REQUEST_ID]

    def result(self, request_id: str, **options: Any) -> dict[str, Any]:
        """The entry of the sink that answers a request."""
        for _ in range(30):
            query = f"easel/sink?requestId={request_id}&_timeout_=5s&_raw_=false"
            answer = self.ask("GET", query, **options)
            if answer.status_code == 200:
                return dict(answer.json()[0])
        raise AssertionError(f"no result of {request_id}")

    def attributes(self, queue: str = "easel/sink", **options: Any) -> Mapping[str, str]:
        """A queue's attributes."""
        return dict(self.ask("GET", f"{queue}?_attrs_=true", **options).json())

    def watch(self, query: str, **headers: str) -> WebSocketClient:
        """A watch over a WebSocket."""
        named = {"Authorization": TOKEN, "Accept": PROTOBUF, **headers}
        return WebSocketClient(self.web.port, f"/api/predict/{query}", named)

    def empty(self) -> None:
        """Remove everything that other tests have left."""
        for queue in ("easel", "easel/sink"):
            last = self.attributes(queue)["stream.lastEntry"]
            self.ask("DELETE", f"{queue}?_trunc_=true&_index_={int(last) + 1}")

    def work(self, over: threading.Event) -> None:
        """Answer frames with what they are, while it is let."""
        while not over.is_set():
            self.working.wait(0.05)
            with self.turn:
                self.draw()

    def draw(self) -> None:
        """Answer the next frame, if one comes soon."""
        if self.working.is_set():
            lease = self.store.take(WorkerId("pretends"), (), 0.05)
            if lease is not None:
                self.drawn.append(lease.frame.id)
                body = json.loads(lease.frame.body)
                answer = {"images": [], "prompt": body["request"]["prompt"]}
                answer["parameters"] = {"image_url": "outputs/a.png"}
                self.store.answer(lease, json_answer(200, answer), 0.0)


@contextmanager
def queue_service(data_dir: Path, *flags: str) -> Iterator[QueueService]:
    """One that runs, its worker at work."""
    tokens = ("--generate-token", f"ann={ANN}", "--generate-token", f"bob={BOB}")
    given = ("--nowebui", "--async", "--token", TOKEN, *tokens, *flags)
    with web_process(data_dir, *given) as web:
        store, over = SqliteStore(data_dir / ".easel/queue.db"), threading.Event()
        service = QueueService(web, store)
        service.working.set()
        worker = threading.Thread(target=service.work, args=(over,))
        worker.start()
        try:
            yield service
        finally:
            over.set()
            service.working.set()
            worker.join()
            store.close()
