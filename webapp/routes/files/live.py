"""``GET /api/files/events``: changes of files as server-sent events."""

import time
from collections.abc import Callable, Iterator, Sequence

from flask import Blueprint, Response, request

from filebrowser.access.file_access import FileAccess, Right, check_rights
from filebrowser.watch.event_hub import FileEventHub, NumberedEvent, visible_paths
from webapp.access.auth import login_checker
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.context import caller
from webapp.routes.events import CHECK_SECONDS, format_event, stream_events
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import entry_json, folder_param
from webapp.services import Services

PING_SECONDS = 10.0
STREAM_SECONDS = 20.0
"""A stream ends then and the browser asks anew, with its credential and what that now opens."""

RETRY_MS = 500
MAX_EVENTS = 500  # happenings; a listener who is further behind does better to list again
NOTE = RouteNote(
    "A stream of events: ready, change, again, ping",
    query={"path": {"type": "string"}},
    content_type="text/event-stream",
)


def blueprint(services: Services) -> Blueprint:
    """The route."""
    filing = services.file_services()
    live = Blueprint("live", __name__, url_prefix="/api/files")

    @live.get("/events")
    @requires(AccessScope.FILES)
    @with_note(NOTE)
    def events() -> Response:
        """Right: view. ``path`` leaves out what happens elsewhere."""
        access = caller_access(services)
        check_rights(access, [Right.VIEW])
        folder = folder_param(access)
        below = f"/{folder.text}" if folder else "/"
        began = seq_of(request.headers.get("Last-Event-ID", ""), filing.hub)
        filing.watch.start()
        leave = services.watchers.enter(caller())
        text = event_stream(filing.hub, access, below, began, login_checker())
        return stream_events(text, leave)

    return live


def seq_of(text: str, hub: FileEventHub) -> int | None:
    """Where a listener stopped; None for one who comes anew, -1 for an unknown number."""
    if not text:
        return None
    epoch, _, number = text.partition("-")
    if epoch != hub.epoch or not (number.isascii() and number.isdigit()) or len(number) > 18:
        return -1
    return int(number)


def event_stream(
    hub: FileEventHub,
    access: FileAccess,
    below: str,
    began: int | None,
    is_valid: Callable[[], bool],
) -> Iterator[str]:
    """The events as text, while the login holds."""
    spoke_at = time.monotonic()
    end = spoke_at + STREAM_SECONDS
    seq = hub.latest if began is None else began
    yield f"retry: {RETRY_MS}\n\n"
    if began is None:
        yield format_event("ready", {}, f"{hub.epoch}-{seq}")
    while time.monotonic() < end and is_valid():
        new_events = hub.since(seq, min(CHECK_SECONDS, max(0.0, end - time.monotonic())))
        if new_events == [] and time.monotonic() - spoke_at < PING_SECONDS:
            continue
        spoke_at = time.monotonic()
        if new_events == []:
            yield format_event("ping", {}, f"{hub.epoch}-{seq}")
        yield from file_events(hub, access, below, new_events)
        seq = last_seq(hub, seq, new_events)


def file_events(
    hub: FileEventHub, access: FileAccess, below: str, happened: Sequence[NumberedEvent] | None
) -> Iterator[str]:
    """What has happened, as text: ``again`` where it is too much to remember or to tell."""
    if happened is None or len(happened) > MAX_EVENTS:
        yield format_event("again", {}, f"{hub.epoch}-{hub.latest}")
        return
    for each in happened:
        yield from change_events(each, access, below, hub.epoch)


def last_seq(hub: FileEventHub, seq: int, happened: Sequence[NumberedEvent] | None) -> int:
    """Where a listener stands who was at ``seq`` and has been told of these."""
    if happened is None:
        return hub.latest
    return happened[-1].seq if happened else seq


def change_events(one: NumberedEvent, access: FileAccess, below: str, epoch: str) -> Iterator[str]:
    """One happening as this visit sees it: what leaves its trees is deleted, what comes created."""
    happening = one.event
    paths = [path for path in visible_paths(access, happening.place) if is_below(path, below)]
    previous_paths = (
        visible_paths(access, happening.previous) if happening.previous is not None else ()
    )
    previous_paths = tuple(path for path in previous_paths if is_below(path, below))
    kind = str(happening.kind)
    if kind == "moved" and not previous_paths:
        kind = "created"
    for path in paths or previous_paths:
        data = {
            "seq": one.seq,
            "kind": kind if paths else "deleted",
            "path": path,
            "previous": previous_paths[0] if paths and previous_paths else None,
            "entry": entry_json(one.entry) if one.entry is not None and paths else None,
        }
        yield format_event("change", data, f"{epoch}-{one.seq}")


def is_below(path: str, below: str) -> bool:
    """Whether a path is, or lies below, another."""
    return below == "/" or path == below or path.startswith(f"{below}/")
