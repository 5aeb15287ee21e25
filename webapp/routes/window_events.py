"""``GET /api/v1/events``: all that an open page follows, on one stream: models, files, its jobs.

Browsers allow six connections to a host, and each stream holds a thread here.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from flask import Blueprint, Response, request

from filebrowser.access.file_access import FileAccess, Right, check_rights
from filebrowser.watch.event_hub import FileEventHub
from webapp.access.auth import check_scope, login_checker
from webapp.access.scopes import AccessScope, requires
from webapp.errors import BadValue, NothingThere
from webapp.http.openapi import RouteNote, with_note
from webapp.queues.errors import QueueError
from webapp.routes.context import caller
from webapp.routes.events import format_event, stream_events
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.live import RETRY_MS, STREAM_SECONDS, file_events, last_seq, seq_of
from webapp.routes.files.params import flag_param
from webapp.routes.job_events import PING, PING_SECONDS, JobWatch
from webapp.routes.jobs import NoSuchJob, find_job
from webapp.routes.submission import has_caller_left
from webapp.services import Services

MAX_JOBS = 16
LOOK_SECONDS = 0.5  # between looks; a change of files, and the end of the first job, at once
QUERY: dict[str, dict[str, object]] = {
    "job": {"type": "array", "items": {"type": "string"}, "maxItems": MAX_JOBS},
    "files": {"type": "boolean"},
    "since": {"type": "string"},
}
NOTE = RouteNote(
    "A stream of events: models, change, again, state, progress, picture, end, ping, bye",
    query=QUERY,
    content_type="text/event-stream",
)


class Source(Protocol):
    """Something to listen to."""

    def look(self) -> Iterator[str]:
        """What is new, as text."""

    def wait(self, seconds: float) -> None:
        """Until there may be something new, so long at most."""


def blueprint(services: Services) -> Blueprint:
    """The route."""
    routes = Blueprint("window_events", __name__)

    @routes.get("/api/v1/events")
    @requires(AccessScope.READ)
    @with_note(NOTE)
    def events() -> Response:
        """Models always; of files and jobs what is asked for, and the caller may see."""
        names = request.args.getlist("job")
        if len(names) > MAX_JOBS:
            raise BadValue(f"job: {len(names)} jobs are asked for; one stream tells of {MAX_JOBS}.")
        jobs = list(job_sources(services, names))
        files = [file_source(services)] if flag_param("files") else []
        leave = services.watchers.enter(caller())
        models = ModelSource(services)
        has_login, environ = login_checker(), request.environ
        text = window_stream(
            [models, *files, *jobs], lambda: has_login() and not has_caller_left(environ)
        )
        return stream_events(text, models.close, leave)

    return routes


def window_stream(sources: Sequence[Source], goes_on: Callable[[], bool]) -> Iterator[str]:
    """The events as text, for a while; the browser asks anew, with its credential of then."""
    spoke_at = time.monotonic()
    end = spoke_at + STREAM_SECONDS
    yield f"retry: {RETRY_MS}\n\n"
    try:
        while time.monotonic() < end and goes_on():
            for source in sources:
                for text in source.look():
                    spoke_at = time.monotonic()
                    yield text
            if time.monotonic() - spoke_at > PING_SECONDS:
                spoke_at = time.monotonic()
                yield format_event(PING, {})
            awaited(sources).wait(LOOK_SECONDS)
    except (QueueError, sqlite3.Error):  # the log has told
        return
    yield format_event("bye", {})  # no connection is lost


def awaited(sources: Sequence[Source]) -> Source:
    """The one whose news are told at once: the first job that goes on, else files, else models."""
    going = [one for one in sources if not (isinstance(one, JobSource) and one.watch.over)]
    return next((one for one in going if isinstance(one, JobSource)), going[-1])


class ModelSource:
    """The registry of models."""

    def __init__(self, services: Services) -> None:
        self.registry = services.registry
        self.changed = threading.Event()
        self.changed.set()  # where it stands is told first
        self.close = self.registry.subscribe(lambda *_: self.changed.set())

    def look(self) -> Iterator[str]:
        """The revision, when it is new."""
        if self.changed.is_set():
            self.changed.clear()
            yield format_event("models", {"revision": self.registry.revision})

    def wait(self, seconds: float) -> None:
        """Until models change."""
        self.changed.wait(seconds)


class FileSource:
    """The files that the caller sees."""

    def __init__(self, hub: FileEventHub, access: FileAccess, began: int | None) -> None:
        self.hub, self.access = hub, access
        self.seq = hub.latest if began is None else began
        self.is_ready = began is not None

    def look(self) -> Iterator[str]:
        """What has happened since the last look; first, where one stands."""
        if not self.is_ready:
            self.is_ready = True
            yield format_event("ready", {}, f"{self.hub.epoch}-{self.seq}")
        happened = self.hub.since(self.seq, 0)
        yield from file_events(self.hub, self.access, "/", happened)
        self.seq = last_seq(self.hub, self.seq, happened)

    def wait(self, seconds: float) -> None:
        """Until something happens."""
        self.hub.since(self.seq, seconds)


class JobSource:
    """One of the caller's jobs."""

    def __init__(self, services: Services, watch: JobWatch) -> None:
        self.services, self.watch = services, watch

    def look(self) -> Iterator[str]:
        """Its events, each with its id."""
        if self.watch.over:
            return
        job = self.watch.record.id
        for name, data, _ in self.watch.look():
            if name != PING:
                yield format_event(name, {"job": job, **data})

    def wait(self, seconds: float) -> None:
        """Until it may have ended."""
        self.services.sink.wait(self.watch.record.id, seconds)


def job_sources(services: Services, names: Sequence[str]) -> Iterator[JobSource]:
    """Those of the jobs that are the caller's and known; of others nothing is told."""
    if names:
        check_scope(caller(), AccessScope.GENERATE)
    for name in dict.fromkeys(names):
        with suppress(NoSuchJob):
            yield JobSource(services, JobWatch(services, find_job(services, name)))


def file_source(services: Services) -> FileSource:
    """The caller's files, after ``Last-Event-ID``, else ``since``. Raises ``Forbidden``."""
    if services.filing is None:
        raise NothingThere("files: there is no file browser here (--no-filebrowser).")
    check_scope(caller(), AccessScope.FILES)
    access = caller_access(services)
    check_rights(access, [Right.VIEW])
    filing = services.file_services()
    since = request.headers.get("Last-Event-ID", "") or request.args.get("since", "")
    began = seq_of(since, filing.hub)
    filing.watch.start()
    return FileSource(filing.hub, access, began)
