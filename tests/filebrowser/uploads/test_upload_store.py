"""Uploads below HTTP: what stays after crashes, power cuts and full disks, and what expires."""

import errno
import hashlib
import io
import os
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filebrowser.errors import NoRoom, NotHere
from filebrowser.uploads import publish, staging_area, write_pipeline
from filebrowser.uploads.errors import TooMany
from filebrowser.uploads.records import Conflict, UploadKind, UploadSpec, UploadState
from filebrowser.uploads.upload_session import UploadChunk
from filebrowser.uploads.upload_store import UploadStore
from tests.filebrowser.uploads.conftest import CONTENT, LIMITS, Died, Disk, dying


def test_the_next_process_goes_on(disk: Disk) -> None:
    name = disk.begin()
    assert disk.append(name, 0, CONTENT[:70_000]) == 70_000
    assert disk.reopen().offset(name) == 70_000
    assert disk.append(name, 70_000, CONTENT[70_000:]) == len(CONTENT)
    assert (disk.path / "a/b.png").read_bytes() == CONTENT
    assert [str(each.kind) for each in disk.told] == ["created"]
    assert disk.reopen().offset(name) == len(CONTENT)
    assert len(disk.told) == 1


def test_after_a_power_cut_only_what_was_waited_for_counts(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = disk.begin()
    disk.append(name, 0, CONTENT[:70_000])
    assert disk.offset(name) == 70_000  # whoever was told so can count on it
    disk.append(name, 70_000, CONTENT[70_000:90_000])
    monkeypatch.setattr(staging_area, "boot_id", lambda: "another boot")
    assert disk.reopen().offset(name) == 70_000
    disk.append(name, 70_000, CONTENT[70_000:])
    assert (disk.path / "a/b.png").read_bytes() == CONTENT


def test_a_running_sum_and_one_read_anew_agree(disk: Disk) -> None:
    right = hashlib.sha256(CONTENT).hexdigest()
    for path, restart in (("/data/one.png", False), ("/data/two.png", True)):
        name = disk.begin(path, sha256=right)
        disk.append(name, 0, CONTENT[:1000])
        if restart:
            disk.reopen()
        disk.append(name, 1000, CONTENT[1000:])
        assert disk.uploads.peek(disk.visit, name).upload.state is UploadState.DONE


@pytest.mark.parametrize("policy", [None, *Conflict])
@pytest.mark.parametrize(
    ("where", "name"),
    [
        (staging_area, "save_record"),
        (publish, "make_folders"),
        (publish, "rename_noreplace"),
        (publish.os, "rename"),
        (publish.os, "unlink"),
        (publish.os, "fsync"),
        (publish.os, "fdatasync"),
    ],
)
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_whenever_the_process_dies_at_the_end_there_is_one_file(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, policy: Conflict | None, where: Any, name: str,
    call: int,
) -> None:  # fmt: skip
    upload = disk.begin(conflict=policy)
    disk.append(upload, 0, CONTENT[:-1])
    with monkeypatch.context() as patched:
        dying(patched, where, name, call)
        with suppress(Died):
            disk.append(upload, len(CONTENT) - 1, CONTENT[-1:])
    disk.reopen().uploads.sweep(disk.visit.roots)  # as the next process does at its start
    offset = disk.offset(upload)
    if offset < len(CONTENT):
        disk.append(upload, offset, CONTENT[offset:])
    assert [path.name for path in (disk.path / "a").iterdir()] == ["b.png"]
    assert (disk.path / "a/b.png").read_bytes() == CONTENT
    assert disk.uploads.peek(disk.visit, upload).upload.state is UploadState.DONE
    assert not list(disk.path.glob(".uploads/*/data"))


def test_what_was_never_quite_begun_leaves_nothing(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        dying(patched, staging_area, "save_record", 1)
        with pytest.raises(Died):
            disk.begin()
    assert list(disk.path.glob(".uploads/*"))
    disk.reopen().uploads.sweep(disk.visit.roots)
    assert not list(disk.path.glob(".uploads/*"))


def test_a_full_disk(small_disk: Path) -> None:
    disk = Disk(small_disk)
    with pytest.raises(NoRoom):
        disk.begin(length=2 << 20)
    long = CONTENT * 5
    name = disk.begin(length=None)  # no length, no room set aside
    with pytest.raises(NoRoom, match="bytes are kept"):
        disk.append(name, 0, long)
    kept = disk.offset(name)
    assert 500_000 < kept < 1 << 20
    assert not (small_disk / "a").exists()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    disk.append(name, kept, long[kept:])
    told = UploadChunk(len(long), 0, len(long))
    disk.uploads.append(disk.visit, name, told, io.BytesIO().readinto)
    assert (small_disk / "a/b.png").read_bytes() == long


def test_room_that_was_set_aside_is_there_when_the_disk_fills(small_disk: Path) -> None:
    disk = Disk(small_disk)
    name = disk.begin()
    with (
        (small_disk / "filler").open("wb", buffering=0) as filler,
        pytest.raises(OSError, match="No space"),
    ):
        while True:
            filler.write(bytes(4096))
    with pytest.raises(NoRoom, match="waits to appear"):  # all its bytes are here
        disk.append(name, 0, CONTENT)
    (small_disk / "filler").unlink()
    assert disk.offset(name) == len(CONTENT)
    assert (small_disk / "a/b.png").read_bytes() == CONTENT


def test_a_disk_that_says_no_in_the_middle(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the two above, for those who may not mount."""
    name = disk.begin()
    real = os.pwrite

    def write(data: int, block: Any, offset: int) -> int:
        if offset >= 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(data, block[: 100_000 - offset], offset)

    with monkeypatch.context() as patched:
        patched.setattr(write_pipeline.os, "pwrite", write)
        with pytest.raises(NoRoom, match="100000 bytes are kept"):
            disk.append(name, 0, CONTENT)
    assert disk.reopen().offset(name) == 100_000
    disk.append(name, 100_000, CONTENT[100_000:])
    assert (disk.path / "a/b.png").read_bytes() == CONTENT


@pytest.mark.parametrize("words", [0, 1], ids=["before it", "after it"])
def test_a_disk_without_room_for_a_word_on_a_piece(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, words: int
) -> None:
    """The bytes would fit; what is written down of a checked piece does not."""
    name = disk.begin()
    disk.append(name, 0, CONTENT[:1000])
    piece = CONTENT[1000:2000]
    checked = UploadChunk(1000, len(piece), checksum=("sha256", hashlib.sha256(piece).digest()))
    save, saved = staging_area.save_record, []

    def no_room(*given: Any) -> None:
        if len(saved) >= words:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(save(*given))

    with monkeypatch.context() as patched:
        patched.setattr(staging_area, "save_record", no_room)
        with pytest.raises(NoRoom, match="1000 bytes are kept"):
            disk.uploads.append(disk.visit, name, checked, io.BytesIO(piece).readinto)
        assert disk.offset(name) == 1000
    assert disk.reopen().offset(name) == 1000
    disk.append(name, 1000, CONTENT[1000:])
    assert (disk.path / "a/b.png").read_bytes() == CONTENT


def test_a_target_on_another_disk(disk: Disk) -> None:
    place = disk.path / "other"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("only root may mount another disk")
    try:
        for policy, name in ((None, "b.png"), (Conflict.RENAME, "b (1).png")):
            upload = disk.begin("/data/other/b.png", conflict=policy)
            disk.append(upload, 0, CONTENT)
            assert (place / name).read_bytes() == CONTENT
        assert sorted(path.name for path in place.iterdir()) == ["b (1).png", "b.png"]
        assert not list(disk.path.glob(".uploads/*/data"))
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_what_has_expired_is_gone_and_its_room_free(memory_folder: Path) -> None:
    disk = Disk(memory_folder, replace(LIMITS, keep=100.0, begun=2))
    first, second = disk.begin("/data/1.png"), disk.begin("/data/2.png")
    with pytest.raises(TooMany):
        disk.begin("/data/3.png")
    disk.now += 60
    disk.append(second, 0, CONTENT[:10])
    for each in disk.path.glob(".uploads/*/data"):
        os.utime(each, (0, 0))
    disk.now += 60
    with pytest.raises(NotHere):
        disk.offset(first)
    disk.uploads.sweep(disk.visit.roots)
    assert [path.name for path in disk.path.glob(".uploads/*")] == [second]
    disk.begin("/data/3.png")


def test_records_that_others_left_are_not_believed(disk: Disk) -> None:
    name = disk.begin()
    (disk.path / ".uploads" / name / "info.json").write_text("{")
    with pytest.raises(NotHere):
        disk.reopen().offset(name)
    assert not list(disk.path.glob(".uploads/*"))


def test_a_final_upload_is_put_together_once(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was reached before the process died, and as often as somebody asks again."""
    parts = [disk.begin("", 3, part=UploadKind.PARTIAL) for _ in range(2)]
    for name, content in zip(parts, (b"one", b"two"), strict=True):
        disk.append(name, 0, content)
    order = UploadSpec("/data/a/joined.png", None)
    with monkeypatch.context() as patched:
        patched.setattr(UploadStore, "delete", lambda *_: None)  # who is dead tidies nothing up
        patched.setattr(UploadStore, "_copy_parts", die)
        with pytest.raises(Died):
            disk.uploads.join(disk.visit, order, parts)
    for _ in range(2):
        disk.reopen()
        made = [disk.uploads.join(disk.visit, order, parts) for _ in range(2)]
        assert {each.id for each in made} == {made[0].id}
        assert (disk.path / "a" / "joined.png").read_bytes() == b"onetwo"
    assert staging_area.list_upload_ids(disk.visit.roots[0]) == [made[0].id]
    with pytest.raises(NotHere):
        disk.uploads.join(replace(disk.visit, who="bob"), order, parts)
    disk.now += disk.limits.keep * 2
    with pytest.raises(NotHere):
        disk.uploads.join(disk.visit, order, parts)


def die(*_: Any) -> None:
    raise Died
