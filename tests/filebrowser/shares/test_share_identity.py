"""Identity and passwords: what makes a file the same one, and a word the right one."""

import errno
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from argon2 import PasswordHasher

from filebrowser.shares import identity, passwords
from filebrowser.shares.identity import birth_time_ns, identity_of, inode_generation
from filebrowser.shares.passwords import MAX_HASHING, MAX_PASSWORD_LENGTH, SharePasswords
from tests.wait import join_thread


def identity_at(path: Path) -> str:
    fd = os.open(path, os.O_RDONLY)
    try:
        return identity_of(fd)
    finally:
        os.close(fd)


def test_another_name_a_link_and_new_bytes_change_no_identity(tree: Path) -> None:
    path = tree / "work" / "a.txt"
    before = identity_at(path)
    os.link(path, tree / "linked")
    path = path.rename(tree / "moved.txt")
    path.write_bytes(b"other bytes, and more of them")
    assert identity_at(path) == identity_at(tree / "linked") == before


def test_each_file_has_its_own_identity_though_an_inode_is_handed_out_again(tree: Path) -> None:
    seen = set()
    for _ in range(20):
        path = tree / "again"
        path.write_bytes(b"same")
        seen.add(identity_at(path))
        path.unlink()
    assert len(seen) == 20


def test_folders_have_an_identity_too(tree: Path) -> None:
    before = identity_at(tree / "work")
    (tree / "work" / "new.txt").write_bytes(b"")
    assert identity_at(tree / "work") == before
    assert identity_at(tree / "work" / "sub") != before


@pytest.fixture
def plain_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that tells neither generation nor birth."""
    monkeypatch.setattr(identity, "inode_generation", lambda fd: 0)
    monkeypatch.setattr(identity, "birth_time_ns", lambda fd: 0)


def test_where_nothing_is_told_a_file_is_known_by_its_size_and_time(
    tree: Path, plain_disk: None
) -> None:
    path = tree / "work" / "a.txt"
    os.utime(path, ns=(0, 1000))
    before = identity_at(path)
    assert identity_at(path.rename(tree / "b.txt")) == before
    os.utime(tree / "b.txt", ns=(0, 1001))
    assert identity_at(tree / "b.txt") != before


def test_where_nothing_is_told_a_folder_stays_itself_when_files_come(
    tree: Path, plain_disk: None
) -> None:
    before = identity_at(tree / "work")
    (tree / "work" / "new.txt").write_bytes(b"")
    assert identity_at(tree / "work") == before


@pytest.mark.parametrize("number", [errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_generations_has_none(
    tree: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "not supported")

    monkeypatch.setattr(identity.fcntl, "ioctl", refuse)
    fd = os.open(tree, os.O_RDONLY)
    assert inode_generation(fd) == 0
    os.close(fd)


def test_a_broken_disk_is_no_missing_generation(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(identity.fcntl, "ioctl", refuse)
    with pytest.raises(OSError, match="broken"):
        identity_at(tree)


def test_a_birth_is_told_in_nanoseconds_or_as_zero(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = os.open(tree / "work", os.O_RDONLY)
    born = birth_time_ns(fd)
    assert born == 0 or abs(born - time.time_ns()) < 3600 * 10**9
    monkeypatch.setattr(identity.ctypes, "CDLL", lambda *_, **__: SimpleNamespace())
    assert birth_time_ns(fd) == 0  # a C library without statx
    os.close(fd)


@pytest.fixture
def quick() -> SharePasswords:
    """With the least work for each hash."""
    made = SharePasswords()
    made.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return made


def test_each_hash_has_a_salt_of_its_own_and_the_strength_that_is_asked_for() -> None:
    made = SharePasswords()
    encoded = made.hash_password("word")
    assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert encoded != made.hash_password("word")
    assert made.verify_password(encoded, "word")


@pytest.mark.parametrize("wrong", ["", "Word", "word ", "wor", "wordword", "wörd"])
def test_another_word_does_not_open(quick: SharePasswords, wrong: str) -> None:
    assert not quick.verify_password(quick.hash_password("word"), wrong)


def test_anything_opens_what_has_no_password(quick: SharePasswords) -> None:
    assert quick.verify_password(None, "")
    assert quick.verify_password(None, "anything")


@pytest.mark.parametrize("encoded", ["", "word", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$x$y"])
def test_a_damaged_hash_opens_for_nobody(quick: SharePasswords, encoded: str) -> None:
    assert not quick.verify_password(encoded, "word")
    assert not quick.verify_password(encoded, "")


def test_the_longest_password_is_told_from_one_that_ends_otherwise(quick: SharePasswords) -> None:
    longest = "ö" * MAX_PASSWORD_LENGTH
    encoded = quick.hash_password(longest)
    assert quick.verify_password(encoded, longest)
    assert not quick.verify_password(encoded, longest[:-1] + "o")
    assert not quick.verify_password(encoded, longest[:-1])


class CountingHasher:
    """Notes how many are at work at once; two must meet before either goes on."""

    def __init__(self) -> None:
        self.meeting = threading.Barrier(MAX_HASHING)
        self.lock = threading.Lock()
        self.working = self.most = 0

    def hash(self, password: str) -> str:
        with self.lock:
            self.working += 1
            self.most = max(self.most, self.working)
        self.meeting.wait()
        with self.lock:
            self.working -= 1
        return password

    def verify(self, encoded: str, password: str) -> bool:
        return encoded == self.hash(password)


def test_memory_for_hashes_is_bounded_however_many_ask() -> None:
    made, hasher = SharePasswords(), CountingHasher()
    made.hasher = hasher  # type: ignore[assignment]
    threads = [threading.Thread(target=made.hash_password, args=("word",)) for _ in range(3)]
    threads += [threading.Thread(target=made.verify_password, args=("a", "b")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join_thread(thread)
    assert hasher.most == passwords.MAX_HASHING


def test_a_place_is_given_back_after_a_wrong_word(quick: SharePasswords) -> None:
    encoded = quick.hash_password("word")
    for _ in range(MAX_HASHING + 1):
        assert not quick.verify_password(encoded, "other")
    assert quick.verify_password(encoded, "word")
