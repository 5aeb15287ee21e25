"""``GET /api/files/events``: changes of files as server-sent events."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from filebrowser.live import Hub, Told, paths_of
from filebrowser.visit import Right, Visit, check_rights
from webapp.openapi import Note, described
from webapp.routes.context import caller
from webapp.routes.events import Listeners
from webapp.routes.files.asking import entry_json, folder_asked
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.filing import Filing

PING_SECONDS = 10.0
LASTS_SECONDS = 20.0
"""A stream ends then and the browser asks anew, with its credential: who lost it hears no more."""

RETRY_MS = 500
MOST_AT_ONCE = 500  # happenings; a listener who is further behind does better to list again
NOTE = Note(
    "A stream of events: ready, change, again, ping",
    query={"path": {"type": "string"}},
    content_type="text/event-stream",
)


def blueprint(filing: "Filing", most: int) -> Blueprint:
    """The route, for ``most`` listeners at a time."""
    live = Blueprint("live", __name__, url_prefix="/api/files")
    listeners = Listeners(most)

    @live.get("/events")
    @allowed(Scope.FILES)
    @described(NOTE)
    def events() -> Response:
        """Right: view. ``path`` leaves out what happens elsewhere."""
        here = visit()
        check_rights(here, [Right.VIEW])
        folder = folder_asked(here)
        below = f"/{folder.text}" if folder else "/"
        began = seq_of(request.headers.get("Last-Event-ID", ""), filing.hub)
        leave = listeners.enter(caller())
        filing.watching.start()
        answer = Response(told(filing.hub, here, below, began), content_type="text/event-stream")
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
        answer.call_on_close(leave)
        return answer

    return live


def seq_of(text: str, hub: Hub) -> int | None:
    """Where a listener stopped; None for one who comes anew, -1 for an unknown number."""
    if not text:
        return None
    epoch, _, number = text.partition("-")
    if epoch != hub.epoch or not (number.isascii() and number.isdigit()) or len(number) > 18:
        return -1
    return int(number)


def told(hub: Hub, here: Visit, below: str, began: int | None) -> Iterator[str]:
    """The events as text."""
    end = time.monotonic() + LASTS_SECONDS
    seq = hub.latest if began is None else began
    yield f"retry: {RETRY_MS}\n\n"
    if began is None:
        yield event("ready", {}, f"{hub.epoch}-{seq}")
    while time.monotonic() < end:
        news = hub.since(seq, min(PING_SECONDS, max(0.0, end - time.monotonic())))
        if news is None or len(news) > MOST_AT_ONCE:
            seq = hub.latest
            yield event("again", {}, f"{hub.epoch}-{seq}")
        elif not news:
            yield event("ping", {}, f"{hub.epoch}-{seq}")
        else:
            for each in news:
                yield from changes(each, here, below, hub.epoch)
            seq = news[-1].seq


def changes(one: Told, here: Visit, below: str, epoch: str) -> Iterator[str]:
    """One happening as this visit sees it: what leaves its trees is deleted, what comes created."""
    happening = one.happening
    now = [path for path in paths_of(here, happening.place) if within(path, below)]
    was = paths_of(here, happening.previous) if happening.previous is not None else ()
    was = tuple(path for path in was if within(path, below))
    kind = str(happening.what)
    if kind == "moved" and not was:
        kind = "created"
    for path in now or was:
        data = {
            "seq": one.seq,
            "kind": kind if now else "deleted",
            "path": path,
            "previous": was[0] if now and was else None,
            "entry": entry_json(one.entry) if one.entry is not None and now else None,
        }
        yield event("change", data, f"{epoch}-{one.seq}")


def within(path: str, below: str) -> bool:
    """Whether a path is, or lies below, another."""
    return below == "/" or path == below or path.startswith(f"{below}/")


def event(name: str, data: object, ident: str) -> str:
    """One event in the wire's form."""
    return f"event: {name}\nid: {ident}\ndata: {json.dumps(data)}\n\n"
