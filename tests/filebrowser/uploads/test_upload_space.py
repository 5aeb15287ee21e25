"""Room for uploads: quota, spare, largest file, and what is promised to several at once."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filebrowser.errors import NoRoom, TooBig
from filebrowser.uploads import reservations, space, upload_index
from filebrowser.uploads.errors import TooMany
from filebrowser.uploads.records import UploadKind, UploadSpec
from filebrowser.uploads.reservations import RESERVE_STEP, reserve_unlimited
from filebrowser.uploads.space import UploadLimits, measure_usage
from filebrowser.uploads.upload_session import UploadChunk
from tests.filebrowser.uploads.conftest import Disk
from tests.wait import Clock

MakeDisk = Callable[..., Disk]


@pytest.fixture
def with_limits(memory_folder: Path) -> MakeDisk:
    """A disk whose limits are those given; none is left free."""
    return lambda **limits: Disk(memory_folder, UploadLimits(**{"spare": 0} | limits))


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which sums of sizes grow old."""
    clock = Clock(1000.0)
    for module in (space, upload_index):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock, time=clock))
    return clock


def test_a_file_larger_than_any_may_be_is_refused_at_its_announcement(
    with_limits: MakeDisk,
) -> None:
    disk = with_limits(largest=1000)
    with pytest.raises(TooBig, match="1,001 bytes; at most 1,000"):
        disk.begin(length=1001)
    name = disk.begin(length=None)
    with pytest.raises(TooBig):
        disk.send(name, UploadChunk(0, length=1001), b"")
    with pytest.raises(TooBig):
        disk.append(name, 0, bytes(1001))
    assert disk.append(name, 0, bytes(1000)) == 1000


def test_a_part_of_the_disk_stays_free(with_limits: MakeDisk) -> None:
    disk = with_limits(spare=1 << 60)
    with pytest.raises(NoRoom, match="the disk has room for 0 more"):
        disk.begin(length=1)
    with pytest.raises(NoRoom):  # a name takes room, too
        disk.begin(length=0)
    assert disk.waiting() == []


def test_a_quota_counts_what_is_there_and_what_is_promised(with_limits: MakeDisk) -> None:
    disk = with_limits(quota=1000)
    (disk.path / "there.bin").write_bytes(bytes(300))
    first = disk.begin("/data/1.bin", 400)
    with pytest.raises(NoRoom, match="of the quota of 1,000 bytes 300 are left"):
        disk.begin("/data/2.bin", 301)
    second = disk.begin("/data/2.bin", 300)
    disk.append(first, 0, bytes(400))  # what was promised has room whatever comes
    disk.append(second, 0, bytes(300))
    with pytest.raises(NoRoom, match=" 0 are left"):
        disk.begin("/data/3.bin", 1)


def test_room_comes_back_when_an_upload_is_thrown_away(with_limits: MakeDisk) -> None:
    disk = with_limits(quota=1000)
    name = disk.begin("/data/1.bin", 1000)
    with pytest.raises(NoRoom):
        disk.begin("/data/2.bin", 1)
    disk.uploads.delete(disk.visit, name)
    disk.begin("/data/2.bin", 1000)


def test_bytes_of_an_upload_without_a_length_are_counted_as_they_come(
    with_limits: MakeDisk,
) -> None:
    disk = with_limits(quota=1000)
    name = disk.begin("/data/1.bin", None)
    disk.append(name, 0, bytes(400))
    with pytest.raises(NoRoom):
        disk.begin("/data/2.bin", 601)
    with pytest.raises(NoRoom, match="1000 bytes are kept"):
        disk.send(name, UploadChunk(400), bytes(700))
    assert disk.offset(name) == 1000
    assert disk.send(name, UploadChunk(1000, 0, length=1000), b"").is_complete


def test_a_length_that_has_no_room_is_not_taken(with_limits: MakeDisk) -> None:
    disk = with_limits(quota=1000)
    name = disk.begin("/data/1.bin", None)
    disk.append(name, 0, b"abc")
    with pytest.raises(NoRoom):
        disk.send(name, UploadChunk(3, 0, length=1001), b"")
    assert disk.record(name).length is None
    disk.append(name, 3, bytes(997), length=1000)
    assert (disk.path / "a/b.png").exists() is False
    assert (disk.path / "1.bin").stat().st_size == 1000


def test_so_many_uploads_of_one_owner_are_begun(with_limits: MakeDisk) -> None:
    disk = with_limits(begun=2)
    disk.put("/data/whole.txt", b"x")
    for number in range(2):
        disk.begin(f"/data/{number}.txt", 3)
    with pytest.raises(TooMany, match="2 uploads of yours"):
        disk.begin("", 3, part=UploadKind.PARTIAL)
    bob = replace(disk.visit, who="bob")
    assert disk.uploads.begin(bob, UploadSpec("/data/bob.txt", 3)).owner == "bob"


def test_a_sum_is_added_up_anew_before_it_refuses(with_limits: MakeDisk, seconds: Clock) -> None:
    disk = with_limits(quota=1000)
    (disk.path / "large.bin").write_bytes(bytes(900))
    disk.begin("/data/1.bin", 100)
    (disk.path / "large.bin").unlink()
    with pytest.raises(NoRoom):
        disk.begin("/data/2.bin", 500)  # the sum is not a second old
    seconds.skip(space.USAGE_MAX_AGE / 2)
    disk.begin("/data/2.bin", 500)


def test_an_old_sum_lets_nobody_in_for_longer_than_a_minute(
    with_limits: MakeDisk, seconds: Clock
) -> None:
    disk = with_limits(quota=1000)
    disk.begin("/data/1.bin", 1)
    (disk.path / "large.bin").write_bytes(bytes(990))  # by another program
    seconds.skip(space.USAGE_MAX_AGE + 1)
    with pytest.raises(NoRoom):
        disk.begin("/data/2.bin", 10)


def test_a_published_file_counts_at_once(with_limits: MakeDisk, seconds: Clock) -> None:
    disk = with_limits(quota=1000)
    disk.put("/data/1.bin", bytes(600))
    with pytest.raises(NoRoom, match="400 are left"):
        disk.begin("/data/2.bin", 401)


def measure(folder: Path, *ours: str) -> int:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return measure_usage(fd, ours).size
    finally:
        os.close(fd)


def test_what_is_the_services_own_counts_for_nobody_but_the_trash_does(tmp_path: Path) -> None:
    for number, name in enumerate(
        (".uploads/a", ".trash/b", ".easel-1/c", "work/.uploads/d", "work/e", "f")
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(10**number))
    assert measure(tmp_path, ".uploads", ".trash", ".easel*") == 111_010
    assert measure(tmp_path) == 111_111


def test_a_sum_follows_no_link_and_outlives_files_that_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "large").write_bytes(bytes(10**6))
    (tmp_path / "tree" / "a").write_bytes(bytes(100))
    (tmp_path / "tree" / "leaving").write_bytes(bytes(100))
    (tmp_path / "tree" / "link").symlink_to("../large")
    (tmp_path / "tree" / "loop").symlink_to(".")
    real = os.stat

    def stat(name: str, **more: object) -> os.stat_result:
        if name == "leaving":
            raise FileNotFoundError(name)
        return real(name, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(space.os, "stat", stat)
    assert 100 <= measure(tmp_path / "tree") < 200


def test_other_doors_take_from_the_same_room(with_limits: MakeDisk) -> None:
    disk = with_limits(quota=1000)
    with disk.uploads.reserve(disk.root, 600) as room:
        with pytest.raises(NoRoom):
            disk.begin("/data/1.bin", 401)
        name = disk.begin("/data/1.bin", 400)
        with pytest.raises(NoRoom), disk.uploads.reserve(disk.root, 1):
            pass
        room.take(600)
        (disk.path / "copy.bin").write_bytes(bytes(600))
        with pytest.raises(NoRoom):
            room.take(1)
    (disk.path / "copy.bin").unlink()  # the copy failed, and took its bytes away
    disk.uploads.delete(disk.visit, name)
    with disk.uploads.reserve(disk.root, 1000):
        pass


def test_room_is_offered_as_far_as_it_goes(with_limits: MakeDisk, seconds: Clock) -> None:
    disk = with_limits(quota=1000)
    with disk.uploads.reserve(disk.root) as one, disk.uploads.reserve(disk.root) as other:
        assert one.offer(300) == 300
        assert other.offer(300) == 0  # the first has all of it by now, a step being larger
        one.take(300)
        assert one.offer(2000) == 700
    seconds.skip(2)
    with disk.uploads.reserve(disk.root) as again:  # nothing of it was written
        assert again.offer(2000) == 1000


def test_a_step_that_does_not_fit_falls_back_to_what_is_needed(
    with_limits: MakeDisk, monkeypatch: pytest.MonkeyPatch, seconds: Clock
) -> None:
    monkeypatch.setattr(reservations, "RESERVE_STEP", 300)
    disk = with_limits(quota=1000)
    with disk.uploads.reserve(disk.root) as room:
        for _ in range(10):
            room.take(100)
        with pytest.raises(NoRoom):
            room.take(1)


def test_without_limits_everything_fits(tmp_path: Path) -> None:
    with reserve_unlimited(Disk(tmp_path).root, 1 << 60) as room:
        room.take(1 << 60)
        assert room.offer(1 << 60) == 1 << 60


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["take", "offer"]), st.integers(0, 400)),
        max_size=20,
    ),
    step=st.sampled_from([1, 100, RESERVE_STEP]),
)
def test_several_doors_never_take_more_than_there_is(
    with_limits: MakeDisk,
    monkeypatch: pytest.MonkeyPatch,
    seconds: Clock,
    steps: list[tuple[int, str, int]],
    step: int,
) -> None:
    monkeypatch.setattr(reservations, "RESERVE_STEP", step)
    disk, taken = with_limits(quota=1000), 0
    with (
        disk.uploads.reserve(disk.root) as a,
        disk.uploads.reserve(disk.root) as b,
        disk.uploads.reserve(disk.root) as c,
    ):
        for door, verb, count in steps:
            room = (a, b, c)[door]
            if verb == "offer":
                fits = room.offer(count)
                assert 0 <= fits <= count
                room.take(fits)  # what was offered can be taken, come what may
                taken += fits
                continue
            try:
                room.take(count)
            except NoRoom:
                continue
            taken += count
        assert taken <= 1000
