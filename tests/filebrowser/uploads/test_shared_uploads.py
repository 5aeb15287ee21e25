"""Uploads that several processes take into the same folders, one after the other."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from filebrowser.errors import NotHere
from filebrowser.uploads import staging_area
from filebrowser.uploads.errors import Busy, TooMany
from filebrowser.uploads.records import UploadState
from filebrowser.uploads.upload_index import BEGUN_SECONDS
from filebrowser.uploads.upload_locks import UploadLock, no_interrupt
from filebrowser.uploads.upload_session import UploadChunk
from filebrowser.uploads.upload_store import UploadStore
from tests.filebrowser.shared_turns import MemoryTurns
from tests.filebrowser.uploads.conftest import CONTENT, Disk
from tests.wait import result_of, wait_until


@pytest.fixture
def turns() -> MemoryTurns:
    return MemoryTurns()


def as_node(disk: Disk, turns: MemoryTurns) -> Disk:
    """One more process over the disk's tree."""
    node = Disk(disk.path, disk.limits)
    node.uploads = UploadStore(
        disk.limits, on_published=node.told.append, clock=lambda: disk.now, shared=turns
    )
    return node


@pytest.fixture
def nodes(disk: Disk, turns: MemoryTurns) -> tuple[Disk, Disk]:
    """Two of them, which have both looked at the tree."""
    both = as_node(disk, turns), as_node(disk, turns)
    for node in both:
        assert node.uploads.list_unfinished(node.visit) == []
    return both


def test_each_process_goes_on_where_the_other_was(nodes: tuple[Disk, Disk]) -> None:
    here, there = nodes
    name = here.begin(sha256="")
    assert there.append(name, 0, CONTENT[:1000]) == 1000
    assert here.offset(name) == 1000
    assert here.append(name, 1000, CONTENT[1000:2000]) == 2000
    assert [each.offset for each in there.uploads.list_unfinished(there.visit)] == [2000]
    assert there.append(name, 2000, CONTENT[2000:]) == len(CONTENT)
    assert here.record(name).state is UploadState.DONE
    assert (here.path / "a/b.png").read_bytes() == CONTENT
    assert (here.told, len(there.told)) == ([], 1)


def test_what_one_process_acknowledged_is_safe_for_a_machine_of_another_boot(
    nodes: tuple[Disk, Disk], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = nodes
    name = here.begin()
    here.append(name, 0, CONTENT[:10])
    assert here.record(name).durable == 10
    monkeypatch.setattr(staging_area, "boot_id", lambda: "another machine's")
    assert there.offset(name) == 10


def test_one_process_throws_away_what_the_other_began(nodes: tuple[Disk, Disk]) -> None:
    here, there = nodes
    name = here.begin()
    there.uploads.delete(there.visit, name)
    with pytest.raises(NotHere):
        here.offset(name)
    assert here.uploads.list_unfinished(here.visit) == []


def test_a_lively_sender_of_another_process_is_not_disturbed(
    nodes: tuple[Disk, Disk], turns: MemoryTurns
) -> None:
    here, there = nodes
    name = here.begin()
    asked: list[int] = []
    sender = UploadLock("ann", lambda: asked.append(1), sending=True)
    turns.held[name] = sender
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            sender.touch()
            time.sleep(0.01)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(send)
        with pytest.raises(Busy):
            there.append(name, 0, CONTENT)
        over.set()
    there.uploads.sweep(there.visit.roots)  # passes over what is held
    assert asked == []
    sender.touched_at -= 60
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(there.append, name, 0, CONTENT)
        wait_until(lambda: asked)
        turns.leave(name, sender)
        assert result_of(waiting) == len(CONTENT)


def test_a_sender_cut_short_by_the_death_of_its_process_is_followed_by_another(
    nodes: tuple[Disk, Disk], turns: MemoryTurns
) -> None:
    here, there = nodes
    name = here.begin()
    pieces = iter([CONTENT[:5000]])

    def source(memory: memoryview) -> int:
        data = next(pieces, b"")
        if not data:
            raise KeyboardInterrupt  # the process ends here, for all that its store knows
        memory[: len(data)] = data
        return len(data)

    with pytest.raises(KeyboardInterrupt):
        here.uploads.append(here.visit, name, UploadChunk(0), source)
    turns.held[name] = UploadLock("ann", no_interrupt, sending=True)
    turns.forget()
    offset = there.offset(name)
    assert offset == 5000
    assert there.append(name, offset, CONTENT[offset:]) == len(CONTENT)


def test_a_folder_that_another_process_makes_at_this_moment_stays(
    disk: Disk, turns: MemoryTurns
) -> None:
    folder = disk.path / ".uploads" / ("a" * 32)
    folder.mkdir(parents=True)
    as_node(disk, turns).uploads.list_unfinished(disk.visit)
    assert folder.is_dir()
    old = time.time() - BEGUN_SECONDS - 1
    os.utime(folder, (old, old))
    as_node(disk, turns).uploads.list_unfinished(disk.visit)
    assert not folder.exists()


def test_uploads_begun_at_all_processes_count_together(
    disk: Disk, turns: MemoryTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = as_node(disk, turns), as_node(disk, turns)
    for node in (here, there):
        object.__setattr__(node.uploads, "limits", type(disk.limits)(spare=0, begun=2))
    here.begin("/data/a/1.png")
    there.begin("/data/a/2.png")
    with pytest.raises(TooMany):
        here.begin("/data/a/3.png")
