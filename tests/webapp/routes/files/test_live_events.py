"""The stream of file events goes on while its login holds, and says so now and then."""

import pytest

from filebrowser.access.file_access import FileAccess
from filebrowser.watch.event_hub import FileEventHub
from webapp.routes.files import live


def test_a_stream_of_file_events_ends_with_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHECK_SECONDS", 0.001)
    looks = iter([True, True, False])
    access = FileAccess("ann", ())
    told = list(live.event_stream(FileEventHub(), access, "/", None, lambda: next(looks)))
    assert len(told) == 2
    assert "event: ready" in told[1]


def test_a_silent_stream_pings_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHECK_SECONDS", 0.001)
    monkeypatch.setattr(live, "PING_SECONDS", 0.0)
    looks = iter([True] * 3 + [False])
    access = FileAccess("ann", ())
    told = list(live.event_stream(FileEventHub(), access, "/", None, lambda: next(looks)))
    assert ["event: ping" in each for each in told] == [False, False, True, True, True]
