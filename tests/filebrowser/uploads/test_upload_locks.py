"""One sender at a time for each upload, the silent make way, and nobody takes all places."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from filebrowser.uploads import upload_locks
from filebrowser.uploads.errors import Busy, TooMany, TooManyInAll
from filebrowser.uploads.upload_locks import LOCK_TIMEOUT, STALE_SECONDS, UploadLock, UploadLocks
from tests.wait import TIMEOUT


@contextmanager
def sender(turns: UploadLocks, upload: str, owner: str = "ann") -> Iterator[threading.Event]:
    """Somebody from whom nothing comes until he is interrupted."""
    begun, interrupted = threading.Event(), threading.Event()

    def send() -> None:
        with turns.acquire(upload, owner, interrupted.set, sending=True):
            begun.set()
            interrupted.wait(TIMEOUT)

    thread = threading.Thread(target=send)
    thread.start()
    assert begun.wait(TIMEOUT)
    try:
        yield interrupted
    finally:
        interrupted.set()
        thread.join()


def test_the_silent_are_sent_away() -> None:
    turns = UploadLocks()
    with sender(turns, "a") as interrupted:
        turns.interrupt_silent(10**6)
        assert not interrupted.is_set()
        turns.interrupt_silent(0)
        assert interrupted.wait(TIMEOUT)


def test_who_throws_an_upload_away_waits_for_nobody() -> None:
    turns = UploadLocks()
    with (
        sender(turns, "a") as interrupted,
        turns.acquire("a", "ann", at_once=True),
    ):
        assert interrupted.is_set()
    assert turns.count_sending() == 0


def test_places_are_limited_by_owner_and_in_all() -> None:
    turns = UploadLocks(per_owner=1, in_all=2)
    with sender(turns, "a"), sender(turns, "b", "bob"):
        with pytest.raises(TooMany), turns.acquire("c", "ann", sending=True):
            pass
        with pytest.raises(TooManyInAll), turns.acquire("c", "cat", sending=True):
            pass
        with turns.acquire("c", "ann"):  # to ask takes no place
            pass


class Moments:
    """A clock that goes on with each look at it; ``lively`` gets bytes all the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lively: list[UploadLock] = []

    def monotonic(self) -> float:
        self.now += 0.05
        for lock in self.lively:
            lock.touched_at = self.now
        return self.now


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    """In place of the clock and of waiting: what takes seconds takes none."""
    made = Moments()
    monkeypatch.setattr(upload_locks, "time", SimpleNamespace(monotonic=made.monotonic))
    monkeypatch.setattr(upload_locks, "POLL_SECONDS", 0.0)
    return made


def test_while_bytes_keep_coming_another_sender_is_told_soon(moments: Moments) -> None:
    turns, interrupts = UploadLocks(), list[None]()
    with turns.acquire("a", "ann", lambda: interrupts.append(None), sending=True) as holder:
        moments.lively.append(holder)
        began = moments.now
        with pytest.raises(Busy, match="somewhere else"), turns.acquire("a", "ann", sending=True):
            pass
        assert STALE_SECONDS <= moments.now - began < LOCK_TIMEOUT
        assert interrupts == []
        assert turns.is_locked("a")


def test_a_silent_sender_is_interrupted_once_and_waited_for_so_long(moments: Moments) -> None:
    turns, interrupts = UploadLocks(), list[float]()
    with turns.acquire("a", "ann", lambda: interrupts.append(moments.now), sending=True) as holder:
        began = holder.touched_at
        with pytest.raises(Busy), turns.acquire("a", "ann"):
            pass
        assert [at - began >= STALE_SECONDS for at in interrupts] == [True]
        assert moments.now - began > LOCK_TIMEOUT


def test_who_only_asks_is_not_told_busy_by_the_first_look(moments: Moments) -> None:
    turns = UploadLocks()
    with turns.acquire("a", "ann") as holder:  # publishes a large file, perhaps
        moments.lively.append(holder)
        began = moments.now
        with pytest.raises(Busy), turns.acquire("a", "ann"):
            pass
        assert moments.now - began > LOCK_TIMEOUT


def test_at_once_interrupts_even_the_lively(moments: Moments) -> None:
    turns, interrupts = UploadLocks(), list[float]()
    with turns.acquire("a", "ann", lambda: interrupts.append(moments.now), sending=True) as holder:
        moments.lively.append(holder)
        began = moments.now
        with pytest.raises(Busy), turns.acquire("a", "ann", at_once=True):
            pass
        assert [at - began < STALE_SECONDS for at in interrupts] == [True]


def test_silence_is_counted_from_the_last_byte(moments: Moments) -> None:
    turns, interrupts = UploadLocks(), list[None]()
    with turns.acquire("a", "ann", lambda: interrupts.append(None), sending=True) as lock:
        moments.now += 50
        lock.touch()
        moments.now += 50
        turns.interrupt_silent(60)
        assert interrupts == []
        moments.now += 11
        turns.interrupt_silent(60)
        assert len(interrupts) == 1


def test_who_sends_nothing_is_never_sent_away(moments: Moments) -> None:
    turns, interrupts = UploadLocks(), list[None]()
    with turns.acquire("a", "ann", lambda: interrupts.append(None)):
        moments.now += 1000
        turns.interrupt_silent(60)
    assert interrupts == []


def test_a_lock_ends_with_its_holder_however_he_ends() -> None:
    turns = UploadLocks(per_owner=1)
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), turns.acquire("a", "ann", sending=True):
            assert (turns.is_locked("a"), turns.count_sending()) == (True, 1)
            raise error
        assert (turns.is_locked("a"), turns.count_sending()) == (False, 0)


def test_who_is_refused_a_place_holds_no_lock() -> None:
    turns = UploadLocks(per_owner=1)
    with turns.acquire("a", "ann", sending=True):
        with pytest.raises(TooMany, match="1 transfers"), turns.acquire("b", "ann", sending=True):
            pass
        assert not turns.is_locked("b")
        with turns.acquire("b", "bob", sending=True):
            assert turns.count_sending() == 2


def test_uploads_do_not_wait_for_one_another(moments: Moments) -> None:
    turns = UploadLocks()
    with turns.acquire("a", "ann", sending=True), turns.acquire("b", "ann", sending=True):
        assert turns.is_locked("a")
        assert turns.is_locked("b")
