"""``GET /api/events``: server-sent events for the open page."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from flask import Blueprint, Response

from webapp.access.auth import login_checker
from webapp.access.credentials import Caller
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Unavailable
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.context import caller
from webapp.services import Services

PING_SECONDS = 15.0
MAX_EVENT_STREAMS = 48  # pages that listen at once; each holds one of the web process's threads


class StreamLimit:
    """Limits open event streams, each of which holds a thread; half of them per caller.

    The owner may open all.
    """

    def __init__(self, max_streams: int) -> None:
        self.max_streams = max_streams
        self.by_caller: Counter[str] = Counter()
        self.lock = threading.Lock()

    def enter(self, who: Caller) -> Callable[[], None]:
        """Take a stream's place; returns what gives it back. Raises ``Unavailable``."""
        most = self.max_streams if who.is_owner else max(1, self.max_streams // 2)
        with self.lock:
            if self.by_caller.total() >= self.max_streams or self.by_caller[who.name] >= most:
                raise Unavailable("Too many pages listen already; this one may ask instead.")
            self.by_caller[who.name] += 1
        return partial(self.leave, who.name)

    def leave(self, name: str) -> None:
        """Give a place back."""
        with self.lock:
            self.by_caller[name] -= 1
            self.by_caller += Counter()  # forgets whoever has none


def blueprint(services: Services) -> Blueprint:
    """The route of the events, for ``MAX_EVENT_STREAMS`` pages at a time."""
    events = Blueprint("events", __name__)
    stream_limit = StreamLimit(MAX_EVENT_STREAMS)

    @events.get("/api/events")
    @requires(AccessScope.READ)
    @with_note(RouteNote("A stream of events: models, ping", content_type="text/event-stream"))
    def stream() -> Response:
        """Tell of every change of the registry, and ping every 15 s; until one has logged out."""
        registry, changed = services.registry, threading.Event()
        leave = stream_limit.enter(caller())
        unsubscribe = registry.subscribe(lambda *_: changed.set())
        text = event_stream(changed, lambda: registry.revision, login_checker(services.credentials))
        answer = Response(text, content_type="text/event-stream")
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
        answer.call_on_close(unsubscribe)
        answer.call_on_close(leave)
        return answer

    return events


def event_stream(
    changed: threading.Event, revision: Callable[[], int], is_valid: Callable[[], bool]
) -> Iterator[str]:
    """The events as text: where the registry stands now, then each change, and pings."""
    yield format_event("models", {"revision": revision()})
    while is_valid():
        if changed.wait(PING_SECONDS):
            changed.clear()
            yield format_event("models", {"revision": revision()})
        else:
            yield format_event("ping", {})


def format_event(name: str, data: object) -> str:
    """One event in the wire's form."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
