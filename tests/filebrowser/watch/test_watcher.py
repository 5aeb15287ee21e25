"""The watcher on a real disk, by inotify and by polling: told soon, told once, never half."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from watchdog.observers import Observer

from filebrowser.watch.file_events import FileEventKind
from filebrowser.watch.watcher import FileChange, Watcher
from tests.wait import TIMEOUT, retry_after_stalls

PROMISE = 2.0  # seconds from the last byte to the telling
EITHER = pytest.mark.parametrize("mode", ["inotify", "poll"])


class Ear:
    """Collects what is told, and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, FileChange]] = []
        self._news = threading.Condition()

    def __call__(self, changes: Sequence[FileChange]) -> None:
        with self._news:
            self.heard += [(time.monotonic(), change) for change in changes]
            self._news.notify_all()

    def wait(self, path: Path, kind: FileEventKind) -> float:
        """When ``path`` was told to have become ``kind``; fails when it is not."""

        def time_of_event() -> float | None:
            times = [t for t, each in self.heard if (each.path, each.kind) == (path, kind)]
            return times[0] if times else None

        with self._news:
            assert self._news.wait_for(lambda: time_of_event() is not None, TIMEOUT), self.heard
            return time_of_event() or 0.0

    def of(self, path: Path) -> list[FileEventKind]:
        """All that was told of a path."""
        return [each.kind for _, each in self.heard if each.path == path]


Watch = Callable[..., Ear]


@pytest.fixture
def watch() -> Iterator[Watch]:
    watchers: list[Watcher] = []

    def begin(root: Path, mode: str) -> Ear:
        ear = Ear()
        watchers.append(Watcher([root], mode, ear))
        watchers[-1].start()
        assert watchers[-1].modes.get(root, "off") == mode
        return ear

    yield begin
    for watcher in watchers:
        watcher.stop()


@EITHER
def test_a_slow_copy_is_told_once_and_whole(watch: Watch, tmp_path: Path, mode: str) -> None:
    ear = watch(tmp_path, mode)

    def copy_slowly(number: int) -> None:
        slow = tmp_path / f"slow{number}"
        with slow.open("wb") as file:
            for _ in range(12):
                file.write(b"piece")
                file.flush()
                time.sleep(0.15)
                assert ear.of(slow) == []
        done = time.monotonic()
        assert ear.wait(slow, FileEventKind.CREATED) - done < PROMISE
        time.sleep(0.7)
        assert ear.of(slow) == [FileEventKind.CREATED]

    retry_after_stalls(copy_slowly)


@EITHER
def test_the_life_of_a_file(watch: Watch, tmp_path: Path, mode: str) -> None:
    ear, part, whole = watch(tmp_path, mode), tmp_path / ".part", tmp_path / "whole"
    part.write_bytes(b"bytes")
    part.rename(whole)
    ear.wait(whole, FileEventKind.CREATED)
    part.write_bytes(b"other bytes")
    part.replace(whole)
    ear.wait(whole, FileEventKind.CHANGED)
    whole.rename(tmp_path / "named")
    ear.wait(tmp_path / "named", FileEventKind.MOVED)
    (tmp_path / "named").unlink()
    ear.wait(tmp_path / "named", FileEventKind.DELETED)
    assert ear.of(part) == []


@EITHER
def test_folders_come_and_go(
    watch: Watch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, mode: str
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "set"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "a").write_bytes(b"a")
    ear = watch(tmp_path, mode)
    outside.rename(tmp_path / "set")
    ear.wait(tmp_path / "set" / "deep" / "a", FileEventKind.CREATED)
    (tmp_path / "set" / "deep" / "b").write_bytes(b"b")
    ear.wait(tmp_path / "set" / "deep" / "b", FileEventKind.CREATED)
    (tmp_path / "set").rename(outside)
    ear.wait(tmp_path / "set" / "deep" / "a", FileEventKind.DELETED)
    shutil.copytree(outside, tmp_path / "copy")
    ear.wait(tmp_path / "copy" / "deep" / "b", FileEventKind.CREATED)
    shutil.rmtree(tmp_path / "copy")
    ear.wait(tmp_path / "copy" / "deep" / "b", FileEventKind.DELETED)


def test_what_a_link_leads_to_is_watched(
    watch: Watch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (tmp_path / "link").symlink_to(elsewhere)
    ear = watch(tmp_path, "inotify")
    (elsewhere / "a").write_bytes(b"a")
    ear.wait(tmp_path / "link" / "a", FileEventKind.CREATED)


@EITHER
def test_a_link_made_while_running_is_followed(
    watch: Watch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, mode: str
) -> None:
    far, further = tmp_path_factory.mktemp("far"), tmp_path_factory.mktemp("further")
    (far / "old").write_bytes(b"a")
    ear = watch(tmp_path, mode)

    def link(number: int) -> None:
        place = tmp_path / f"link{number}"
        place.symlink_to(far)
        (far / f"loop{number}").symlink_to(tmp_path)
        ear.wait(place / "old", FileEventKind.CREATED)
        (far / f"nested{number}").symlink_to(further)
        time.sleep(0.5)
        seen = (place / f"new{number}", place / f"nested{number}" / f"deep{number}")
        for path in (far / f"new{number}", further / f"deep{number}"):
            path.write_bytes(b"whole")
        done = time.monotonic()
        for path in seen:
            assert ear.wait(path, FileEventKind.CREATED) - done < PROMISE
        (further / f"deep{number}").unlink()
        done = time.monotonic()
        assert ear.wait(seen[1], FileEventKind.DELETED) - done < PROMISE
        place.unlink()
        ear.wait(seen[0], FileEventKind.DELETED)
        (far / f"nested{number}").unlink()

    retry_after_stalls(link)


def test_only_so_many_links_are_watched(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filebrowser.watch.watcher.MAX_LINKED", 3)
    for number in range(5):
        (tmp_path / f"link{number}").symlink_to(tmp_path_factory.mktemp("far"))
    with Watcher([tmp_path], "inotify", lambda _: None) as watcher:
        assert len(watcher.modes) == 1 + 3


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sometimes.*auto"):
        Watcher([tmp_path], "sometimes", lambda _: None)


def test_off_watches_nothing(watch: Watch, tmp_path: Path) -> None:
    ear = watch(tmp_path, "off")
    (tmp_path / "a").write_bytes(b"a")
    time.sleep(0.3)
    assert ear.heard == []


def test_a_listener_that_fails_does_not_stop_the_watch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()

    def failing(changes: Sequence[FileChange]) -> None:
        ear(changes)
        raise RuntimeError("listener broke")

    with Watcher([tmp_path], "inotify", failing):
        (tmp_path / "a").write_bytes(b"a")
        ear.wait(tmp_path / "a", FileEventKind.CREATED)
        (tmp_path / "b").write_bytes(b"b")
        ear.wait(tmp_path / "b", FileEventKind.CREATED)
    assert "listener to file changes failed" in caplog.text


def test_polling_takes_over_where_inotify_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Observer, "schedule", refuse)
    ear = Ear()
    with caplog.at_level(logging.WARNING), Watcher([tmp_path], "auto", ear) as watcher:
        assert watcher.modes == {tmp_path: "poll"}
        (tmp_path / "a").write_bytes(b"a")
        ear.wait(tmp_path / "a", FileEventKind.CREATED)
    assert "cannot be watched by inotify" in caplog.text


def test_a_network_mount_inside_a_local_folder_is_polled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "nas").mkdir()
    mounts = {Path("/"): "ext4", tmp_path / "nas": "nfs4"}
    monkeypatch.setattr("filebrowser.watch.watcher.read_mounts", lambda: mounts)
    with Watcher([tmp_path], "auto", lambda _: None) as watcher:
        assert watcher.modes == {tmp_path: "inotify", tmp_path / "nas": "poll"}


def test_no_thread_outlives_the_watcher(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    for mode in ("inotify", "poll"):
        with Watcher([tmp_path], mode, lambda _: None):
            (tmp_path / mode).write_bytes(b"a")
            time.sleep(0.2)
    assert set(threading.enumerate()) <= before
