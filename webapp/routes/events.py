"""``GET /api/events``: what the open page is told without asking (server-sent events)."""

import json
import threading
from collections.abc import Callable, Iterator

from flask import Blueprint, Response

from webapp.auth import watch
from webapp.errors import Unavailable
from webapp.openapi import Note, described
from webapp.routes.context import services
from webapp.scopes import Scope, allowed

PING_SECONDS = 15.0


class Listeners:
    """Counts open streams: each holds a thread of the web process."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0
        self.lock = threading.Lock()

    def enter(self) -> None:
        """Take a place, or raise ``Unavailable``; the page then falls back to asking."""
        with self.lock:
            if self.open >= self.most:
                raise Unavailable("Too many pages listen already; this one may ask instead.")
            self.open += 1

    def leave(self) -> None:
        """Give the place back."""
        with self.lock:
            self.open -= 1


def blueprint(most: int) -> Blueprint:
    """The route of the events, for ``most`` pages at a time."""
    events = Blueprint("events", __name__)
    listeners = Listeners(most)

    @events.get("/api/events")
    @allowed(Scope.READ)
    @described(Note("A stream of events: models, ping", content_type="text/event-stream"))
    def stream() -> Response:
        """Tell of every change of the registry, and ping every 15 s; until one has logged out."""
        registry, changed = services().registry, threading.Event()
        listeners.enter()
        unsubscribe = registry.subscribe(lambda *_: changed.set())
        text = told(changed, lambda: registry.revision, watch())
        answer = Response(text, content_type="text/event-stream")
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
        answer.call_on_close(unsubscribe)
        answer.call_on_close(listeners.leave)
        return answer

    return events


def told(
    changed: threading.Event, revision: Callable[[], int], stands: Callable[[], bool]
) -> Iterator[str]:
    """The events as text: where the registry stands now, then each change, and pings."""
    yield event("models", {"revision": revision()})
    while stands():
        if changed.wait(PING_SECONDS):
            changed.clear()
            yield event("models", {"revision": revision()})
        else:
            yield event("ping", {})


def event(name: str, data: object) -> str:
    """One event in the wire's form."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
