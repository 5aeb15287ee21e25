"""Events for listeners: numbered, told once, and only of what a caller's trees show."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, Root
from filebrowser.watch import event_hub
from filebrowser.watch.debounce import FileChange
from filebrowser.watch.event_hub import (
    DUPLICATE_SECONDS,
    FileEventHub,
    event_from_change,
    visible_paths,
)
from filebrowser.watch.file_events import FileEvent, FileEventKind
from tests.filebrowser.file_trees import write_tree
from tests.wait import Clock, join_thread, wait_until

CREATED, CHANGED = FileEventKind.CREATED, FileEventKind.CHANGED
MOVED, DELETED = FileEventKind.MOVED, FileEventKind.DELETED


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The hub's clock, which stands."""
    clock = Clock(1000.0)
    monkeypatch.setattr(event_hub.time, "monotonic", clock)
    return clock


@pytest.fixture
def hub(clock: Clock) -> FileEventHub:
    return FileEventHub(most=5)


def created(root: Root, name: str) -> FileEvent:
    return FileEvent(CREATED, Place(root, (name,)))


def names_since(hub: FileEventHub, seq: int) -> list[str] | None:
    events = hub.since(seq, 0)
    return None if events is None else [each.event.place.names[-1] for each in events]


def test_events_are_numbered_and_come_with_what_is_there_now(hub: FileEventHub, data: Root) -> None:
    write_tree(data.path, {"a.png": b"four"})
    for name in ("a.png", "gone"):
        hub.publish(created(data, name))
    hub.publish(FileEvent(DELETED, Place(data, ("a.png",))))
    first, second, third = hub.since(0, 0) or ()
    assert [first.seq, second.seq, third.seq] == [1, 2, 3] == [1, 2, hub.latest]
    assert first.entry is not None
    assert (first.entry.name, first.entry.size) == ("a.png", 4)
    assert second.entry is third.entry is None
    assert third.event.kind is DELETED


def test_who_was_away_hears_the_rest_and_who_was_away_too_long_lists_again(
    hub: FileEventHub, data: Root
) -> None:
    for number in range(7):
        hub.publish(created(data, f"{number}"))
    assert names_since(hub, 5) == ["5", "6"]
    assert names_since(hub, 2) == ["2", "3", "4", "5", "6"]
    assert names_since(hub, 1) is None  # one of them is forgotten
    assert names_since(hub, 7) == []


@pytest.mark.parametrize("seq", [-1, 1, 10**9])
def test_a_number_of_another_process_means_to_list_again(hub: FileEventHub, seq: int) -> None:
    assert hub.since(seq, 0) is None
    assert FileEventHub().epoch != hub.epoch


def test_what_a_verb_told_is_no_news_from_the_watcher(
    hub: FileEventHub, data: Root, clock: Clock
) -> None:
    write_tree(data.path, {"a": b"1"})
    hub.publish(created(data, "a"))
    hub.publish(FileEvent(CHANGED, Place(data, ("a",))))
    assert hub.latest == 1
    clock.skip(DUPLICATE_SECONDS - 0.1)
    hub.publish(created(data, "a"))
    assert hub.latest == 1
    clock.skip(0.2)
    hub.publish(created(data, "a"))
    assert hub.latest == 2


def test_another_content_is_news_at_once(hub: FileEventHub, data: Root) -> None:
    write_tree(data.path, {"a": b"1"})
    hub.publish(created(data, "a"))
    (data.path / "a").write_bytes(b"longer")
    hub.publish(FileEvent(CHANGED, Place(data, ("a",))))
    assert hub.latest == 2
    (data.path / "a").unlink()
    hub.publish(FileEvent(DELETED, Place(data, ("a",))))
    hub.publish(FileEvent(DELETED, Place(data, ("a",))))
    assert hub.latest == 3


def test_a_move_makes_the_watchers_deletion_no_news(hub: FileEventHub, data: Root) -> None:
    write_tree(data.path, {"new": b"1"})
    old, new = Place(data, ("old",)), Place(data, ("new",))
    hub.publish(FileEvent(MOVED, new, old))
    hub.publish(FileEvent(DELETED, old))
    hub.publish(FileEvent(CREATED, new))
    assert hub.latest == 1


def test_the_same_place_under_another_roots_rules_is_the_same(
    hub: FileEventHub, data: Root
) -> None:
    write_tree(data.path, {"a": b"1"})
    hub.publish(created(data, "a"))
    hub.publish(created(replace(data, name="other", writable=False), "a"))
    assert hub.latest == 1


def test_memory_of_what_was_told_is_bounded(
    monkeypatch: pytest.MonkeyPatch, data: Root, clock: Clock
) -> None:
    monkeypatch.setattr(event_hub, "MAX_EVENTS", 10)
    hub = FileEventHub(most=10)
    for number in range(15):
        hub.publish(created(data, f"old{number}"))
    clock.skip(DUPLICATE_SECONDS + 1)
    for number in range(6):
        hub.publish(created(data, f"new{number}"))
    assert set(hub._last) == {data.path / f"new{number}" for number in range(6)}
    for number in range(100):
        hub.publish(created(data, f"flood{number}"))
    assert len(hub._last) <= 20


@pytest.fixture
def waiting(hub: FileEventHub) -> Iterator[tuple[threading.Thread, list[object]]]:
    """A listener that waits for the next event, and what it heard."""
    heard: list[object] = []
    thread = threading.Thread(target=lambda: heard.append(hub.since(0, 100)), daemon=True)
    thread.start()
    wait_until(lambda: hub._changed._waiters)  # type: ignore[attr-defined]
    yield thread, heard
    hub.wake()
    join_thread(thread)


def test_who_waits_is_woken_by_an_event(
    hub: FileEventHub, data: Root, waiting: tuple[threading.Thread, list[object]]
) -> None:
    hub.publish(created(data, "a"))
    join_thread(waiting[0])
    (events,) = waiting[1]
    assert [each.seq for each in events] == [1]  # type: ignore[attr-defined]


def test_who_waits_can_be_told_to_look_again(
    hub: FileEventHub, waiting: tuple[threading.Thread, list[object]]
) -> None:
    hub.wake()
    join_thread(waiting[0])
    assert waiting[1] == [[]]


@pytest.fixture
def nested(data: Root) -> dict[str, Root]:
    """A tree, a folder in it as a tree of its own, and one beside it."""
    write_tree(data.path, {"users/ann/a.png": b"", "users/bob/b.png": b"", "code/x": b""})
    return {
        "all": replace(data, hidden=data.hidden | {"code"}),
        "ann": Root("home", data.path / "users" / "ann"),
        "bob": Root("bobs", data.path / "users" / "bob"),
    }


def test_everybody_hears_by_their_own_paths(nested: dict[str, Root]) -> None:
    place = Place(nested["all"], ("users", "ann", "a.png"))
    both = FileAccess("ann", (nested["all"], nested["ann"]))
    assert visible_paths(both, place) == ("/data/users/ann/a.png", "/home/a.png")
    assert visible_paths(FileAccess("ann", (nested["ann"],)), place) == ("/home/a.png",)
    assert visible_paths(FileAccess("bob", (nested["bob"],)), place) == ()
    assert visible_paths(FileAccess("nobody", ()), place) == ()


def test_what_a_tree_hides_is_heard_of_by_nobody(nested: dict[str, Root]) -> None:
    for names in (("code", "x"), (".trash", "y"), ("code",)):
        assert visible_paths(FileAccess("ann", (nested["all"],)), Place(nested["all"], names)) == ()
    odd = Place(nested["all"], (os.fsdecode(b"bad\xff"),))
    assert visible_paths(FileAccess("ann", (nested["all"],)), odd) == (r"/data/bad\xff",)


def test_a_change_that_the_watcher_saw_is_an_event_of_its_place(data: Root) -> None:
    write_tree(data.path, {"set/new.png": b""})
    old, new = data.path / "set" / "old.png", data.path / "set" / "new.png"
    assert event_from_change(FileChange(new, MOVED, old), [data]) == FileEvent(
        MOVED, Place(data, ("set", "new.png")), Place(data, ("set", "old.png"))
    )
    assert event_from_change(FileChange(old, DELETED), [data]) == FileEvent(
        DELETED, Place(data, ("set", "old.png"))
    )


def test_what_comes_from_or_goes_to_where_nobody_looks_is_new_or_gone(
    data: Root, tmp_path: Path
) -> None:
    inside, outside = data.path / "a.png", tmp_path / "elsewhere" / "a.png"
    hidden = data.path / ".trash" / "0"
    place = Place(data, ("a.png",))
    inside.touch()
    for away in (outside, hidden):
        assert event_from_change(FileChange(inside, MOVED, away), [data]) == FileEvent(
            CREATED, place
        )
        assert event_from_change(FileChange(away, MOVED, inside), [data]) == FileEvent(
            DELETED, place
        )
        assert event_from_change(FileChange(away, CHANGED), [data]) is None
    assert event_from_change(FileChange(data.path, CHANGED), [data]) is None


def test_what_lies_behind_a_link_has_no_place_and_what_lies_in_a_folder_that_went_has(
    data: Root, tmp_path: Path
) -> None:
    (tmp_path / "far").mkdir()
    (data.path / "link").symlink_to(tmp_path / "far")
    assert event_from_change(FileChange(data.path / "link" / "a", CREATED), [data]) is None
    gone = data.path / "gone" / "a"
    assert event_from_change(FileChange(gone, DELETED), [data]) == FileEvent(
        DELETED, Place(data, ("gone", "a"))
    )
    hidden_and_gone = data.path / ".uploads" / "deep" / "a"
    assert event_from_change(FileChange(hidden_and_gone, DELETED), [data]) is None


def test_the_first_tree_that_shows_it_names_it(nested: dict[str, Root], data: Root) -> None:
    change = FileChange(data.path / "code" / "x", CREATED)
    assert event_from_change(change, [nested["all"]]) is None
    event = event_from_change(change, [nested["all"], data])
    assert event is not None
    assert event.place == Place(data, ("code", "x"))
