"""The service's own small files: whole or as they were, private, and damaged ones put aside."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from filebrowser import atomic_file
from filebrowser.access.gate import Place, Root
from filebrowser.atomic_file import (
    MAX_DAMAGED_FILES,
    put_aside,
    read_place,
    sync_folder,
    write_path,
    write_place,
)
from filebrowser.errors import NotAFile, NotAllowed, NotHere


def refuse(number: int) -> Callable[..., None]:
    """A system call that answers with this error."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is there already, readable for all."""
    file = tmp_path / "own" / "state.json"
    file.parent.mkdir()
    file.write_bytes(b"before")
    file.chmod(0o644)
    return file


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_a_file_is_replaced_by_a_private_one(path: Path) -> None:
    os.link(path, path.with_name("other name"))
    write_path(path, b"after")
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_name("other name").read_bytes() == b"before"  # a new file, not the old one
    assert sorted(os.listdir(path.parent)) == ["other name", "state.json"]


def test_folders_on_the_way_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    write_path(tmp_path / "a" / "b" / "c", b"")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b""
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    write_path(link, b"after")
    assert not link.is_symlink()
    assert path.read_bytes() == b"before"


@pytest.mark.usefixtures("no_descriptor_leaks")
@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_write_that_fails_leaves_what_was_there_and_no_draft(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    monkeypatch.setattr(os, call, refuse(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        write_path(path, b"after")
    monkeypatch.undo()
    assert path.read_bytes() == b"before"
    assert os.listdir(path.parent) == ["state.json"]


@pytest.mark.parametrize(
    ("number", "refused"),
    [
        *((errno.EINVAL, False), (errno.ENOTSUP, False), (errno.ENOSYS, False)),
        *((errno.EPERM, False), (errno.EIO, True), (errno.ENOSPC, True)),
    ],
)
def test_a_bucket_that_cannot_sync_folders_is_trusted_and_a_broken_disk_is_not(
    monkeypatch: pytest.MonkeyPatch, number: int, refused: bool
) -> None:
    monkeypatch.setattr(os, "fsync", refuse(number))
    if not refused:
        sync_folder(0)
        return
    with pytest.raises(OSError, match=os.strerror(number)):
        sync_folder(0)


def test_a_judged_place_is_written_and_read_back(data: Root) -> None:
    place = Place(data, ("a",))
    write_place(place, b"some bytes")
    assert read_place(place) == b"some bytes"
    assert read_place(place, 4) == b"some"


def test_a_place_is_judged_by_the_gate(data: Root) -> None:
    (data.path / "link").symlink_to("nowhere")
    (data.path / "folder").mkdir()
    with pytest.raises(NotHere):
        read_place(Place(data, ("none",)))
    for name in ("link", "folder"):
        with pytest.raises(NotAFile):
            read_place(Place(data, (name,)))
    with pytest.raises(NotAllowed):
        write_place(Place(Root("data", data.path, writable=False), ("a",)), b"")
    assert sorted(os.listdir(data.path)) == ["folder", "link"]


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The times by which files are put aside, the next one first; the last one stays."""
    times = ["20261130-000001"]
    monkeypatch.setattr(
        atomic_file.time, "strftime", lambda _: times.pop(0) if len(times) > 1 else times[0]
    )
    return times


@pytest.mark.usefixtures("moments")
def test_a_damaged_file_is_kept_under_a_name_that_says_when(path: Path) -> None:
    aside = put_aside(path)
    assert aside.name == "state.json.damaged-20261130-000001"
    assert aside.read_bytes() == b"before"
    assert not path.exists()


@pytest.mark.usefixtures("moments")
def test_two_of_one_second_are_told_apart(path: Path) -> None:
    names = []
    for _ in range(3):
        path.write_bytes(b"x")
        names.append(put_aside(path).name.rpartition("-000001")[2])
    assert names == ["", "-2", "-3"]


@pytest.mark.parametrize("name", ["state.json", "st[ae]te*.json"])
def test_of_many_only_the_latest_stay_with_what_belongs_to_them(
    tmp_path: Path, moments: list[str], name: str
) -> None:
    path = tmp_path / "many" / name
    path.parent.mkdir()
    moments[:] = [f"20261130-00000{number}" for number in range(5)]
    for number in range(5):
        path.write_bytes(str(number).encode())
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").write_bytes(str(number).encode())
        put_aside(path)
    kept = sorted(each for each in os.listdir(path.parent) if each[-1].isdigit())
    assert kept == [f"{name}.damaged-20261130-00000{n}" for n in (2, 3, 4)]
    assert len(kept) == MAX_DAMAGED_FILES
    beside = sorted(each for each in os.listdir(path.parent) if not each[-1].isdigit())
    assert beside == [f"{each}{ending}" for each in kept for ending in ("-shm", "-wal")]


def test_other_names_that_look_alike_are_left_alone(path: Path, moments: list[str]) -> None:
    moments[:] = [f"20261130-00000{number}" for number in range(5)]
    others = [path.with_name(name) for name in ("other.json.damaged-1", "state_json.damaged-1")]
    (path.parent / "state.json.damaged-0").mkdir()
    for other in others:
        other.touch()
    for _ in range(5):
        path.write_bytes(b"x")
        put_aside(path)
    assert all(map(Path.exists, others))
    assert (path.parent / "state.json.damaged-0").is_dir()


def test_a_folder_in_the_way_goes_aside_with_all_it_holds(tmp_path: Path) -> None:
    (tmp_path / "state" / "deep").mkdir(parents=True)
    aside = put_aside(tmp_path / "state")
    assert (aside / "deep").is_dir()
    assert aside.name.startswith("state.damaged-" + time.strftime("%Y"))


def test_what_is_not_there_cannot_be_put_aside(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        put_aside(tmp_path / "none")
    assert os.listdir(tmp_path) == []
