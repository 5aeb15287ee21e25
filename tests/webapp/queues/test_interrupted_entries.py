"""Entries whose reading a store interrupted, that was away for a moment."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.wait import wait_until
from webapp.access.scopes import AccessScope
from webapp.queues.contracts.entries import INPUT, SINK, Entry, EntryQuery
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.errors import StoreUnavailable
from webapp.routes.predict import dispatcher as dispatcher_module
from webapp.routes.predict.dispatcher import EntryDispatcher

OUTAGES = 7  # more than deliveries after which an entry is a dead letter


def answer_done(environ: Any, start_response: Callable[..., object]) -> list[bytes]:
    """The app."""
    start_response("200 OK", [])
    return [b"done"]


def test_they_are_read_again_at_once_and_uncounted(
    make: Callable[..., QueueStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "WAIT_SECONDS", 0.01)
    store = make()
    intake, outages = store.entries.intake, list(range(OUTAGES))
    finish = intake.finish_entry

    def finish_entry(request_id: str, status: int, body: bytes) -> bool:
        if outages:
            outages.pop()
            raise StoreUnavailable("away")
        return finish(request_id, status, body)

    monkeypatch.setattr(intake, "finish_entry", finish_entry)
    store.entries.queue(INPUT).put(Entry("a", b"{}", path="x", scope=AccessScope.OWNER))
    services = SimpleNamespace(entries=store.entries, service_notices=store)
    app = SimpleNamespace(wsgi_app=answer_done)
    dispatcher = EntryDispatcher(cast(Any, app), cast(Any, services))
    dispatcher.start()
    try:
        (result,) = wait_until(lambda: store.entries.queue(SINK).get(EntryQuery()))
    finally:
        dispatcher.stop()
    assert (result.request_id, result.data, outages) == ("a", b"done", [])
