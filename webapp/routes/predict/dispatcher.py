"""Makes frames of the entries of the input: each is posted to the path that it is for.

The request is made inside this process, through the whole app, so that an entry is read and
refused exactly as a request to that path. Where the route puts a frame into the queue, that one
stands for the entry and its answer goes into the sink; every other answer is the result itself.
"""

import io
import json
import logging
import sqlite3
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from werkzeug.datastructures import Headers

from webapp.access.auth import INNER_CALLER
from webapp.access.credentials import Caller
from webapp.access.scopes import AccessScope
from webapp.queues.contracts.entries import REQUEST_ID_TAG, Entry
from webapp.queues.drain import is_draining
from webapp.queues.errors import QueueError
from webapp.routes.submission import ENTRY, ENTRY_QUEUED

if TYPE_CHECKING:
    from flask import Flask

    from webapp.services import Services

THREADS = 4  # entries whose pictures have to be fetched from elsewhere hold up no others
WAIT_SECONDS = 2.0  # between two looks at whether to end
RETRY_SECONDS = 1.0  # before an entry is tried again that the queue had no room for
QUOTA_RETRY_SECONDS = 15.0  # ... whose owner's quota is used up: it resets much later
LONG_WAIT = 60  # seconds of a Retry-After that only a quota asks for
BUSY_STATUSES = frozenset({429, 503})
NO_PATH = 404

log = logging.getLogger("easel.entries")


@dataclass(frozen=True, slots=True)
class InnerAnswer:
    """What a request inside the process came to; ``queued``: a frame stands for its entry.

    ``retry_after``: seconds, 0 where it says none.
    """

    status: int
    body: bytes
    queued: bool
    retry_after: int = 0


@dataclass(slots=True)
class EntryDispatcher:
    """Threads that take entries of the input, as long as the process serves."""

    app: "Flask"
    services: "Services"
    _over: threading.Event = field(default_factory=threading.Event)
    _busy: dict[str, float] = field(default_factory=dict)  # owners, until when they are passed over
    _threads: list[threading.Thread] = field(default_factory=list)
    _recovery: threading.Lock = field(default_factory=threading.Lock)
    _has_recovered: bool = False

    def start(self) -> None:
        """Begin, with what an earlier process has left."""
        for number in range(THREADS):
            thread = threading.Thread(target=self._run, name=f"entries-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End, after the entries that are being read."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        intake = self.services.entries.intake
        unfinished: Entry | None = None
        while not self._over.is_set():
            try:
                self._recover_once()
                if unfinished is not None:  # or it would wait until its lease ends
                    intake.give_back_entry(unfinished.request_id, 0.0)
                    unfinished = None
                if is_draining(self.services.worker_commands):
                    self._over.wait(WAIT_SECONDS)
                    continue
                unfinished = intake.take_entry(self._passed_over(), WAIT_SECONDS)
                if unfinished is not None:
                    self.admit(unfinished)
                    unfinished = None
            except (QueueError, sqlite3.Error, OSError) as error:
                log.warning("The input cannot be read now: %s", error)
                self._over.wait(WAIT_SECONDS)

    def _recover_once(self) -> None:
        """Take up what an earlier process has left, as soon as the store is there."""
        with self._recovery:
            if not self._has_recovered:
                self.services.entries.intake.recover()
                self._has_recovered = True

    def _passed_over(self) -> list[str]:
        now = time.monotonic()
        return [owner for owner, until in list(self._busy.items()) if until > now]

    def admit(self, entry: Entry) -> None:
        """Post an entry to its path, and note what came of it."""
        intake = self.services.entries.intake
        answer = self._post(entry)
        if answer.queued:
            return
        if answer.status in BUSY_STATUSES:
            is_quota = answer.retry_after > LONG_WAIT
            pause = QUOTA_RETRY_SECONDS if is_quota else RETRY_SECONDS
            intake.give_back_entry(entry.request_id, pause)
            self._busy[entry.owner] = time.monotonic() + pause
        else:
            intake.finish_entry(entry.request_id, answer.status, answer.body)

    def _post(self, entry: Entry) -> InnerAnswer:
        if not entry.path:
            return pathless_answer(self.services.config.service_name)
        environ = entry_environ(entry)
        status, retry_after = [0], [0]

        def start_response(line: str, headers: Any, exc_info: Any = None) -> Any:
            status[0] = int(line.partition(" ")[0])
            retry_after[0] = Headers(headers).get("Retry-After", 0, type=int)
            return lambda data: None

        parts = self.app.wsgi_app(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        queued = bool(environ.get(ENTRY_QUEUED))
        return InnerAnswer(status[0], body, queued, retry_after[0])


def pathless_answer(service: str) -> InnerAnswer:
    """The result of an entry that names no path."""
    text = (
        "The entry names no path of the service; put it to, for example, "
        f"/api/predict/{service}/sdapi/v1/txt2img."
    )
    body = {"error": "HTTPException", "detail": text, "body": "", "errors": text}
    return InnerAnswer(NO_PATH, json.dumps(body).encode(), queued=False)


def entry_environ(entry: Entry) -> dict[str, Any]:
    """The WSGI environment of a POST of the entry to its path, by the caller who put it.

    Its tags are the query, as its client sent them.
    """
    tags = {name: value for name, value in entry.tags.items() if name != REQUEST_ID_TAG}
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/{entry.path}".encode().decode("latin-1"),
        "QUERY_STRING": urlencode(tags),
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(entry.data)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_X_REQUEST_ID": entry.request_id,
        "HTTP_IDEMPOTENCY_KEY": entry.request_id,  # read twice, it is one job of the job API
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(entry.data),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        INNER_CALLER: Caller(entry.owner, AccessScope(entry.scope)),
        ENTRY: entry,
    }
