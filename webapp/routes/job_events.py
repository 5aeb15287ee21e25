"""``GET /api/v1/jobs/<id>/events``: a job as server-sent events, each picture as it is drawn."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response, request

from webapp.access.auth import login_checker
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.jobs.job_book import JobRecord
from webapp.jobs.job_ends import JOBS_ADDRESS
from webapp.queues.errors import QueueError
from webapp.routes.context import caller
from webapp.routes.events import format_event, stream_events
from webapp.routes.job_states import (
    JobState,
    drawn_numbers,
    job_state,
    look_up,
    picture_address,
)
from webapp.routes.jobs import find_job
from webapp.routes.submission import has_caller_left
from webapp.services import Services

LOOK_SECONDS = 0.5  # between looks; the end of a job is told at once
PING_SECONDS = 10.0  # of silence: proxies close what stays silent
RETRY_MS = 2000
END = "end"
"""The last event's name and id: who comes again with it is told that there is no more."""

PING = "ping"
Event = tuple[str, dict[str, Any], str]
"""Name, data and id."""


def blueprint(services: Services) -> Blueprint:
    """The route."""
    routes = Blueprint("job_events", __name__)

    @routes.get(f"{JOBS_ADDRESS}/<name>/events")
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "A stream of events: state, progress, picture, end, ping",
            content_type="text/event-stream",
        )
    )
    def events(name: str) -> Response:
        """Until the job has ended; pictures after ``Last-Event-ID`` alone."""
        record = find_job(services, name)
        last = request.headers.get("Last-Event-ID", "")
        if last == END:
            return Response(status=204)  # browsers ask no more then
        leave = services.watchers.enter(caller())
        has_login, environ = login_checker(), request.environ
        stream = event_stream(
            services,
            record,
            picture_after(last),
            lambda: has_login() and not has_caller_left(environ),
        )
        return stream_events(stream, leave)

    return routes


def picture_after(last: str) -> int:
    """The number of the last picture that a listener has seen, -1 for none."""
    return int(last) if last.isascii() and last.isdigit() and len(last) < 5 else -1


def event_stream(
    services: Services, record: JobRecord, seen: int, goes_on: Callable[[], bool]
) -> Iterator[str]:
    """The events as text, until the job ends, nobody listens, or the queue cannot be read."""
    watch = JobWatch(services, record, seen)
    yield f"retry: {RETRY_MS}\n\n"
    while goes_on():
        try:
            for event in watch.look():
                yield format_event(*event)
            if watch.over:
                return
            services.sink.wait(record.id, LOOK_SECONDS)
        except (QueueError, sqlite3.Error):  # the listener comes again; the log has told
            return


class JobWatch:
    """A job that somebody listens to, and what has been told of it."""

    def __init__(self, services: Services, record: JobRecord, seen: int = -1) -> None:
        self.services = services
        self.record = record
        self.seen = seen  # number of the last picture told
        self.over = False
        self.told: tuple[str, float] | None = None
        self.spoke_at = time.monotonic()

    def look(self) -> Iterator[Event]:
        """What is new. Raises ``QueueError`` and ``sqlite3.Error``."""
        now_known = look_up(self.services, self.record.id)
        if now_known is None:  # its result was taken out of the sink
            self.over = True
            return
        self.record = now_known
        state = job_state(self.services, now_known)
        for number in drawn_numbers(self.services, now_known.id):
            if number > self.seen:
                self.seen = number
                data = {"number": number, "url": picture_address(now_known.id, number)}
                yield "picture", data, str(number)
        if now_known.outcome:
            self.over = True
            yield END, {**state}, END
            return
        now = (f"{state['state']} {state['position']} {state['phase']}", state["progress"])
        if now != self.told or time.monotonic() - self.spoke_at > PING_SECONDS:
            yield change_event(state, self.told, now)
            self.told, self.spoke_at = now, time.monotonic()


def change_event(state: JobState, told: tuple[str, float] | None, now: tuple[str, float]) -> Event:
    """What has changed: the whole state, or how far a running job is; a ping where nothing has."""
    if told is None or told[0] != now[0]:
        return "state", {**state}, ""
    if told == now:
        return PING, {}, ""
    return "progress", {"progress": state["progress"], "eta": state["eta"]}, ""
