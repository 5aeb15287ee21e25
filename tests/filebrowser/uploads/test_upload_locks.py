"""One sender at a time for each upload, the silent make way, and nobody takes all places."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from filebrowser.uploads.errors import TooMany, TooManyInAll
from filebrowser.uploads.upload_locks import UploadLocks
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
