"""The file of shares: what is written stays, damage costs the links and never the start."""

import logging
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from filebrowser.shares.store import Share, ShareStore
from tests.conftest import memory_disk
from tests.filebrowser.shares.conftest import Desk


def make_share(
    name: str, owner: str = "ann", made: float = 0.0, expires: float | None = None
) -> Share:
    return Share(name, owner, "data/a", "1-2-3", False, made, expires, None)


def test_a_share_comes_back_as_it_was_kept(desk: Desk) -> None:
    share = Share("Ünique-id_", "ann", "data/名前/a'b.txt", "a-b-c", True, 1.25, 99.5, "$argon2id$")
    desk.store.add(share)
    assert desk.store.get(share.id) == share
    assert isinstance(desk.store.get(share.id).folder, bool)  # type: ignore[union-attr]


@pytest.mark.parametrize("asked", ["", "ABC", "abc ", "ab", "abcd", "%", "a_c", "' OR 1=1 --"])
def test_only_the_exact_id_is_found(desk: Desk, asked: str) -> None:
    desk.store.add(make_share("abc"))
    assert desk.store.get(asked) is None
    assert not desk.store.remove(asked, "ann")
    assert desk.store.get("abc") is not None


def test_an_id_is_given_once(desk: Desk) -> None:
    desk.store.add(make_share("abc"))
    with pytest.raises(sqlite3.IntegrityError):
        desk.store.add(make_share("abc", "bob"))
    assert desk.store.shares_of("bob") == ()


def test_two_processes_see_the_same_shares(desk: Desk, database: Path) -> None:
    other = ShareStore(database)
    desk.store.add(make_share("abc"))
    assert other.get("abc") is not None
    assert other.remove("abc", "ann")
    assert desk.store.get("abc") is None
    other.close()


def test_a_closed_store_opens_its_file_again(desk: Desk) -> None:
    desk.store.add(make_share("abc"))
    desk.store.close()
    desk.store.close()
    assert desk.store.get("abc") is not None


@pytest.mark.parametrize("found", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 5000])
def test_a_damaged_file_is_put_aside_and_the_service_starts(
    database: Path, found: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    database.parent.mkdir()
    database.write_bytes(found)
    with caplog.at_level(logging.ERROR):
        store = ShareStore(database)
    store.add(make_share("abc"))
    assert store.get("abc") is not None
    store.close()
    (aside,) = database.parent.glob("shares.db.damaged-*[0-9]")
    assert aside.read_bytes() == found
    assert aside.name in caplog.text


def test_tables_of_another_program_are_put_aside(database: Path) -> None:
    database.parent.mkdir()
    with sqlite3.connect(database) as other:
        other.execute("CREATE TABLE shares (id TEXT, path TEXT)")
    other.close()
    store = ShareStore(database)
    store.add(make_share("abc"))
    store.close()
    assert len([*database.parent.glob("shares.db.damaged-*[0-9]")]) == 1


def test_a_file_of_a_later_version_is_kept_beside(database: Path) -> None:
    database.parent.mkdir()
    with sqlite3.connect(database) as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    ShareStore(database).close()
    (aside,) = database.parent.glob("shares.db.damaged-*[0-9]")
    with sqlite3.connect(aside) as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (99,)
    kept.close()


def test_damage_that_shows_in_use_is_mended(desk: Desk, database: Path) -> None:
    desk.store.add(make_share("abc"))
    desk.store.close()
    size = database.stat().st_size
    database.write_bytes(database.read_bytes()[:100] + b"\xff" * (size - 100))
    assert desk.store.get("abc") is None
    desk.store.add(make_share("def"))
    assert [share.id for share in desk.store.shares_of("ann")] == ["def"]


def test_a_link_that_somebody_was_told_of_survives_a_power_cut(desk: Desk) -> None:
    asked = desk.store._database.call(lambda rows: rows.execute("PRAGMA synchronous").fetchone())
    assert asked == (2,)  # FULL: every commit waits for the disk


def test_only_the_service_reads_the_file(desk: Desk, database: Path) -> None:
    desk.store.add(make_share("abc"))
    assert [path.name for path in database.parent.iterdir() if path.stat().st_mode & 0o077] == []


OWNERS = st.sampled_from(["ann", "bob", "cat"])


class ShareStoreMachine(RuleBasedStateMachine):
    """A store beside a dictionary, through any order of calls and restarts."""

    shares = Bundle("shares")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=memory_disk())
        self.path = Path(self.folder.name) / "shares.db"
        self.store = ShareStore(self.path)
        self.kept: dict[str, Share] = {}
        self.added = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(target=shares, owner=OWNERS, expires=st.none() | st.integers(1, 9))
    def add(self, owner: str, expires: int | None) -> Share:
        self.added += 1
        share = make_share(f"id {self.added}", owner, float(self.added), expires)
        self.store.add(share)
        self.kept[share.id] = share
        return share

    @rule(share=shares, who=OWNERS)
    def remove(self, share: Share, who: str) -> None:
        is_owners = self.kept.get(share.id) is not None and share.owner == who
        assert self.store.remove(share.id, who) is is_owners
        if is_owners:
            del self.kept[share.id]

    @rule(share=shares)
    def get(self, share: Share) -> None:
        assert self.store.get(share.id) == self.kept.get(share.id)

    @rule(now=st.integers(0, 10))
    def sweep(self, now: int) -> None:
        self.store.sweep(now)
        self.kept = {
            name: share
            for name, share in self.kept.items()
            if share.expires is None or share.expires > now
        }

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = ShareStore(self.path)

    @invariant()
    def each_owner_has_what_is_kept(self) -> None:
        for owner in ("ann", "bob", "cat"):
            own = [share for share in self.kept.values() if share.owner == owner]
            assert [*self.store.shares_of(owner)] == own[::-1]  # the newest first


TestShareStoreMachine = ShareStoreMachine.TestCase
TestShareStoreMachine.settings = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
