"""``GET /api/events``: server-sent events for the open page."""

import json
import threading
import time
from collections.abc import Callable, Iterator

from flask import Blueprint, Response

from webapp.access.auth import login_checker
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.http.thread_admission import mark_waiting
from webapp.routes.context import caller
from webapp.services import Services

PING_SECONDS = 15.0
CHECK_SECONDS = 1.0  # between looks whether the login still holds


def blueprint(services: Services) -> Blueprint:
    """The route of the events."""
    events = Blueprint("events", __name__)

    @events.get("/api/events")
    @requires(AccessScope.READ)
    @with_note(RouteNote("A stream of events: models, ping", content_type="text/event-stream"))
    def stream() -> Response:
        """Tell of every change of the registry, and ping every 15 s; until the login ends."""
        registry, changed = services.registry, threading.Event()
        leave = services.watchers.enter(caller())
        unsubscribe = registry.subscribe(lambda *_: changed.set())
        text = event_stream(changed, lambda: registry.revision, login_checker())
        return stream_events(text, unsubscribe, leave)

    return events


def event_stream(
    changed: threading.Event, revision: Callable[[], int], is_valid: Callable[[], bool]
) -> Iterator[str]:
    """The events as text: where the registry stands now, then each change, and pings."""
    yield format_event("models", {"revision": revision()})
    spoke_at = time.monotonic()
    while is_valid():
        if changed.wait(CHECK_SECONDS):
            changed.clear()
            yield format_event("models", {"revision": revision()})
        elif time.monotonic() - spoke_at < PING_SECONDS:
            continue
        else:
            yield format_event("ping", {})
        spoke_at = time.monotonic()


def stream_events(text: Iterator[str], *on_close: Callable[[], object]) -> Response:
    """An answer of server-sent events, for which a thread waits; ``on_close`` follows its end."""
    mark_waiting()
    answer = Response(text, content_type="text/event-stream")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
    for act in on_close:
        answer.call_on_close(act)
    return answer


def format_event(name: str, data: object, ident: str = "") -> str:
    """One event in the wire's form; a client that comes again tells the last ``ident``."""
    line = f"id: {ident}\n" if ident else ""
    return f"event: {name}\n{line}data: {json.dumps(data)}\n\n"
