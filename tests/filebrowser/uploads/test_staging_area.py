"""What waits on the disk: made, read again and thrown away, whatever others left beside it."""

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filebrowser.access.gate import UMASK_VARIABLE, Root
from filebrowser.errors import NotAFile, NotAllowed, NotHere
from filebrowser.uploads import staging_area
from filebrowser.uploads.records import (
    RECORD_ADAPTER,
    Conflict,
    Upload,
    UploadKind,
    UploadSpec,
    UploadState,
)
from filebrowser.uploads.upload_index import load_upload_index
from tests.filebrowser.uploads.conftest import HIDDEN, Disk

ID = "0123456789abcdef" * 2
UPLOAD = Upload(ID, "ann", UploadSpec("/data/a", 3), 1.0, 2.0)


@pytest.fixture
def root(memory_folder: Path) -> Root:
    return Root("data", memory_folder, hidden=HIDDEN)


@pytest.fixture
def here(root: Root) -> Path:
    """The folder of one upload."""
    staging_area.create_upload(root, ID)
    return root.path / ".uploads" / ID


def save(root: Root, upload: Upload) -> None:
    with staging_area.open_upload(root, ID) as folder:
        staging_area.save_record(folder, upload)


def load(root: Root) -> Upload | None:
    with staging_area.open_upload(root, ID) as folder:
        return staging_area.load_record(folder)


def test_names_of_uploads_cannot_be_guessed() -> None:
    names = {staging_area.new_id() for _ in range(50)}
    assert len(names) == 50
    assert all(staging_area.ID_PATTERN.fullmatch(name) for name in names)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../.uploads/" + ID, ID[:-1], ID + "0", ID.upper(), ID + "\n", "g" * 32]
)
def test_only_names_of_uploads_are_opened(root: Root, here: Path, name: str) -> None:
    (here.parent / name).mkdir(exist_ok=True)
    with pytest.raises(NotHere), staging_area.open_upload(root, name):
        pass


@pytest.mark.parametrize("left", ["a link", "a file", "nothing"])
def test_what_is_no_folder_is_no_upload(root: Root, here: Path, left: str) -> None:
    staging_area.delete_upload(root, ID)
    if left == "a link":
        here.symlink_to(root.path)
    elif left == "a file":
        here.write_bytes(b"")
    with pytest.raises(NotHere), staging_area.open_upload(root, ID):
        pass


def test_what_waits_is_the_services_alone(
    root: Root, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(root, UPLOAD)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (here.parent, here)}
    assert modes == {".uploads": 0o700, ID: 0o700}
    assert (here / "info.json").stat().st_mode & 0o777 == 0o600
    assert (here / "data").stat().st_mode & 0o777 == 0o640  # the file's, once it is published
    monkeypatch.setenv(UMASK_VARIABLE, "077")
    staging_area.create_upload(root, other := ID[::-1])
    assert (here.parent / other / "data").stat().st_mode & 0o777 == 0o600


def test_a_folder_of_uploads_that_is_a_link_is_not_followed(root: Root, tmp_path: Path) -> None:
    (root.path / ".uploads").symlink_to(tmp_path)
    with pytest.raises(NotAFile):
        staging_area.create_upload(root, ID)
    assert list(tmp_path.iterdir()) == []


def test_a_tree_that_cannot_be_written_keeps_no_uploads(root: Root) -> None:
    for other in (replace(root, writable=False), replace(root, hidden=frozenset())):
        with pytest.raises(NotAllowed):
            staging_area.create_upload(other, ID)
    assert list(root.path.iterdir()) == []


def test_an_upload_is_made_once(root: Root, here: Path) -> None:
    with pytest.raises(FileExistsError):
        staging_area.create_upload(root, ID)
    staging_area.delete_upload(root, ID)
    assert not here.exists()
    staging_area.delete_upload(root, ID)  # no fault where there is nothing


def test_an_upload_is_thrown_away_with_whatever_lies_in_it(root: Root, here: Path) -> None:
    (here / "more" / "deep").mkdir(parents=True)
    (here / "more" / "link").symlink_to("/")
    staging_area.delete_upload(root, ID)
    assert staging_area.list_upload_ids(root) == []


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
BYTES = st.integers(0, 2**62)
UPLOADS = st.builds(
    Upload,
    id=st.just(ID),
    owner=TEXTS,
    order=st.builds(
        UploadSpec,
        *(TEXTS, st.none() | BYTES),
        conflict=st.none() | st.sampled_from(Conflict),
        sha256=TEXTS,
        note=TEXTS,
        part=st.sampled_from(UploadKind),
        made_of=TEXTS,
        modified=st.none() | BYTES,
        parts=st.lists(TEXTS, max_size=3).map(tuple),
    ),
    created=st.floats(0, 1e11),
    touched=st.floats(0, 1e11),
    state=st.sampled_from(UploadState),
    durable=BYTES,
    boot=TEXTS,
    trusted=st.none() | BYTES,
    reserved=st.booleans(),
    path=TEXTS,
    inode=BYTES,
    fault=TEXTS,
)


@given(UPLOADS)
def test_a_record_comes_back_as_it_was_written(upload: Upload) -> None:
    assert RECORD_ADAPTER.validate_json(RECORD_ADAPTER.dump_json(upload)) == upload


def test_a_record_is_replaced_whole(root: Root, here: Path) -> None:
    save(root, UPLOAD)
    changed = replace(UPLOAD, state=UploadState.DONE, path="/data/a")
    save(root, changed)
    assert load(root) == changed
    assert sorted(os.listdir(here)) == ["data", "info.json"]


def test_a_record_that_cannot_be_written_leaves_the_old_one(
    root: Root, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(root, UPLOAD)

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            save(root, replace(UPLOAD, owner="bob"))
    assert load(root) == UPLOAD
    assert sorted(os.listdir(here)) == ["data", "info.json"]


def test_records_of_other_versions_are_read(root: Root, here: Path) -> None:
    (here / "info.json").write_text(
        f'{{"id": "{ID}", "owner": "ann", "created": 1, "touched": 2, "later": {{"field": 1}},'
        ' "order": {"path": "/data/a", "length": 3}}'
    )
    assert load(root) == UPLOAD


Leave = Callable[[Path], object]
LEFT: dict[str, Leave] = {
    "nothing": lambda path: None,
    "an empty file": lambda path: path.write_bytes(b""),
    "half a record": lambda path: path.write_bytes(RECORD_ADAPTER.dump_json(UPLOAD)[:-9]),
    "other JSON": lambda path: path.write_text("[1, 2]"),
    "a wrong type": lambda path: path.write_text('{"id": 7}'),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\0"),
    "a folder": lambda path: path.mkdir(),
    "a link": lambda path: path.symlink_to("data"),
    "a pipe": lambda path: os.mkfifo(path),
    "another's record": lambda path: path.write_bytes(
        RECORD_ADAPTER.dump_json(replace(UPLOAD, id=ID[::-1]))
    ),
}


@pytest.mark.parametrize("leave", LEFT.values(), ids=LEFT)
def test_what_has_no_record_of_its_own_is_taken_away(root: Root, here: Path, leave: Leave) -> None:
    leave(here / "info.json")
    assert load_upload_index(root).records == {}
    assert not here.exists()


def test_what_is_no_upload_is_left_where_it_is(root: Root, here: Path) -> None:
    save(root, UPLOAD)
    (here.parent / "reserve.bin").write_bytes(b"kept")
    (here.parent / "notes").mkdir()
    assert [*load_upload_index(root).records] == [ID]
    assert sorted(os.listdir(here.parent)) == sorted([ID, "notes", "reserve.bin"])


def test_a_file_in_the_place_of_an_upload_is_taken_away(root: Root, here: Path) -> None:
    (here.parent / ID[::-1]).write_bytes(b"")
    save(root, UPLOAD)
    assert [*load_upload_index(root).records] == [ID]
    assert os.listdir(here.parent) == [ID]


def test_bytes_that_came_later_than_the_record_says_keep_an_upload(root: Root, here: Path) -> None:
    save(root, UPLOAD)
    os.utime(here / "data", (5000, 5000))
    assert load_upload_index(root).records[ID].touched == 5000
    (here / "data").unlink()
    assert load_upload_index(root).records[ID].touched == UPLOAD.touched


def test_a_time_to_come_keeps_no_upload_for_ever(root: Root, here: Path) -> None:
    save(root, UPLOAD)
    os.utime(here / "data", (2**32, 2**32))
    assert load_upload_index(root).records[ID].touched <= time.time()


def test_blocks_are_set_aside_and_the_size_stays(root: Root, here: Path) -> None:
    with (here / "data").open("r+b") as data:
        if not staging_area.preallocate(data.fileno(), 1 << 20):
            pytest.skip("this file system sets nothing aside")
    facts = (here / "data").stat()
    assert facts.st_size == 0
    assert facts.st_blocks * 512 >= 1 << 20


def test_where_nothing_can_be_set_aside_nothing_is_and_other_errors_are_told(here: Path) -> None:
    device = os.open("/dev/null", os.O_RDWR)
    assert not staging_area.preallocate(device, 100)
    assert staging_area.preallocate(device, 0)  # nothing is wanted
    os.close(device)
    with pytest.raises(OSError, match="Bad file descriptor"):
        staging_area.preallocate(device, 100)


def test_a_disk_that_sets_nothing_aside_counts_what_is_to_come(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_area, "preallocate", lambda *_: False)
    name = disk.begin(length=100)
    disk.append(name, 0, bytes(30))
    index = disk.uploads._index_of(disk.root)
    assert index.bytes_unreserved(index.get(name)) == 70


def test_a_machine_that_tells_no_boot_is_taken_for_the_same(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert staging_area.boot_id() == staging_area.boot_id()
    monkeypatch.setattr(staging_area, "BOOT_ID", disk.path / "none")
    assert staging_area.boot_id() == ""
    name = disk.begin(length=6)
    disk.append(name, 0, b"abc")
    assert disk.reopen().offset(name) == 3
