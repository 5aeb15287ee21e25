"""Names that wait for their bytes: for an hour, and so many."""

from pathlib import Path

import pytest

from filebrowser.access.gate import Place, Root
from filebrowser.dav import placeholders
from filebrowser.dav.locks import MAX_LOCK_SECONDS
from filebrowser.dav.placeholders import Placeholders
from filebrowser.errors import NoRoom

ROOT = Root("data", Path("/nowhere"))


def place(*names: str) -> Place:
    return Place(ROOT, names)


def test_a_name_without_bytes_is_forgotten_after_an_hour() -> None:
    now = 0.0
    waiting = Placeholders(lambda: now)
    waiting.add(place("models", "a"), "ann")
    waiting.set_time(place("models", "a"), 7)
    now = MAX_LOCK_SECONDS - 1
    found = waiting.find(place("models", "a"))
    assert (found and found.modified, len(waiting.in_folder(place("models")))) == (7, 1)
    assert waiting.in_folder(place()) == []
    now = MAX_LOCK_SECONDS + 1
    assert (waiting.find(place("models", "a")), waiting.in_folder(place("models"))) == (None, [])


def test_a_folder_takes_its_names_along() -> None:
    waiting = Placeholders()
    waiting.add(place("models", "a"), "ann")
    waiting.add(place("modelss", "a"), "ann")
    waiting.remove(place("models"))
    assert waiting.find(place("models", "a")) is None
    assert waiting.find(place("modelss", "a")) is not None


def test_there_are_so_many_of_one_and_so_many_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placeholders, "MAX_PER_OWNER", 2)
    monkeypatch.setattr(placeholders, "MAX_PLACEHOLDERS", 3)
    waiting = Placeholders()
    for name in ("a", "b"):
        waiting.add(place(name), "ann")
    with pytest.raises(NoRoom):
        waiting.add(place("c"), "ann")
    waiting.add(place("c"), "bob")
    with pytest.raises(NoRoom):
        waiting.add(place("d"), "bob")
