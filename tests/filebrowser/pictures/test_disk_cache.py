"""The cache of files: bounded, the least used goes first, and nothing is lost by a restart."""

import os
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from filebrowser.pictures.disk_cache import STAMP_SECONDS, DiskCache

MOST = 100
NAMES = st.sampled_from(("aa1", "aa2", "bb1", "cc1"))


class CacheMachine(RuleBasedStateMachine):
    """The cache beside an ordered dictionary."""

    @initialize(folder=st.builds(lambda: None))
    def start(self, folder: None) -> None:
        self.folder = Path(os.environ["EASEL_TEST_CACHE"]) / os.urandom(8).hex()
        self.cache = DiskCache(self.folder, MOST)
        self.kept: OrderedDict[str, bytes] = OrderedDict()

    @rule(name=NAMES, size=st.integers(1, MOST + 20))
    def put(self, name: str, size: int) -> None:
        data = os.urandom(size)
        self.cache.put(name, data)
        self.kept[name] = data
        self.kept.move_to_end(name)
        while sum(map(len, self.kept.values())) > MOST:
            self.kept.popitem(last=False)

    @rule(name=NAMES)
    def get(self, name: str) -> None:
        assert self.cache.get(name) == self.kept.get(name)
        if name in self.kept:
            self.kept.move_to_end(name)

    @invariant()
    def the_disk_holds_what_is_kept(self) -> None:
        files = {path.name: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        assert files == dict(self.kept)


def test_the_cache_is_as_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_TEST_CACHE", str(tmp_path))
    CacheMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=15)
    CacheMachine.TestCase("runTest").runTest()


def test_a_restart_goes_by_the_times_of_the_files(tmp_path: Path) -> None:
    for age, name in ((300, "aa1"), (100, "aa2"), (200, "bb1")):
        DiskCache(tmp_path, MOST).put(name, b"x" * 40)
        path = next(tmp_path.rglob(name))
        os.utime(path, (path.stat().st_mtime - age, path.stat().st_mtime - age))
        (tmp_path / "zz.part").touch()
    cache = DiskCache(tmp_path, MOST)
    cache.put("cc1", b"y" * 40)
    assert [name for name in ("aa1", "aa2", "bb1", "cc1") if cache.get(name)] == ["aa2", "cc1"]


def test_parts_of_writes_that_broke_off_go_when_they_are_old(tmp_path: Path) -> None:
    young, old = tmp_path / "young.part", tmp_path / "old.part"
    young.touch()
    old.touch()
    os.utime(old, (1, 1))
    DiskCache(tmp_path, MOST).put("aa1", b"x")
    assert young.exists()
    assert not old.exists()


def test_use_is_stamped_once_an_hour(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, MOST)
    cache.put("aa1", b"x")
    path = tmp_path / "aa" / "aa1"
    long_ago = path.stat().st_mtime - 2 * STAMP_SECONDS
    os.utime(path, (long_ago, long_ago))
    assert cache.get("aa1") == b"x"
    stamped = path.stat().st_mtime
    assert stamped > long_ago + STAMP_SECONDS
    just_now = stamped - STAMP_SECONDS / 2
    os.utime(path, (just_now, just_now))
    cache.get("aa1")
    assert path.stat().st_mtime == just_now


def test_nothing_is_kept_where_the_disk_has_no_room_or_no_folder(tmp_path: Path) -> None:
    full = DiskCache(tmp_path / "full", MOST, spare=1 << 60)
    full.put("aa1", b"x")
    assert full.get("aa1") is None
    (tmp_path / "file").touch()
    broken = DiskCache(tmp_path / "file", MOST)
    broken.put("aa1", b"x")
    assert broken.get("aa1") is None


def test_an_empty_or_strange_entry_is_none(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, MOST)
    (tmp_path / "aa" / "aa1").mkdir(parents=True)
    (tmp_path / "aa" / "aa2").touch()
    assert cache.get("aa1") is None
    assert cache.get("aa2") is None
