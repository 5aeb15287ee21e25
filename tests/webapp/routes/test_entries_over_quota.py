"""Entries whose owner's quota is used up wait, and nobody else's do."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from webapp.queues.contracts.entries import Entry
from webapp.routes.predict.dispatcher import (
    QUOTA_RETRY_SECONDS,
    RETRY_SECONDS,
    EntryDispatcher,
)

Start = Callable[[str, list[tuple[str, str]]], Any]


class Intake:
    """Remembers what becomes of entries."""

    def __init__(self) -> None:
        self.acts: list[tuple[str, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values: self.acts.append((name, *values))


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [("7201", QUOTA_RETRY_SECONDS), ("5", RETRY_SECONDS), ("soon", RETRY_SECONDS)],
)
def test_an_entry_over_quota_waits_longer_than_one_for_a_place(
    retry_after: str, pause: float
) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("429 TOO MANY REQUESTS", [("Retry-After", retry_after)])
        return [b"{}"]

    intake = Intake()
    services: Any = SimpleNamespace(entries=SimpleNamespace(intake=intake))
    dispatcher = EntryDispatcher(SimpleNamespace(wsgi_app=app), services)  # type: ignore[arg-type]
    dispatcher.admit(Entry("request 1", b"{}", owner="ann", scope="user", path="sdapi/v1/txt2img"))
    assert intake.acts == [("give_back_entry", "request 1", pause)]
    assert dispatcher._passed_over() == ["ann"]
