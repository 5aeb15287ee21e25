"""What a caller may ask of uploads, and what each answer means."""

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access.file_access import Right
from filebrowser.access.gate import Root
from filebrowser.errors import (
    BadPath,
    NotAFile,
    NotAllowed,
    NotHere,
    Taken,
    TooBig,
    WrongContent,
)
from filebrowser.uploads.errors import Over, WrongChecksum, WrongOffset, WrongRequest
from filebrowser.uploads.records import Conflict, UploadKind, UploadSpec, UploadState
from filebrowser.uploads.rules import ContentRules, FolderRule
from filebrowser.uploads.upload_session import CHECKSUMS, UploadChunk
from tests.filebrowser.uploads.conftest import CONTENT, Disk, checksum_of

RULES = ContentRules((FolderRule("data", "models", frozenset({".safetensors"}), "Models only."),))


def test_a_file_is_seen_when_its_last_byte_came_and_not_before(disk: Disk) -> None:
    name = disk.begin("/data/new/folder/b.png", 6)
    assert disk.append(name, 0, b"abc") == 3
    assert not (disk.path / "new").exists()
    assert disk.append(name, 3, b"def") == 6
    assert (disk.path / "new/folder/b.png").read_bytes() == b"abcdef"
    record = disk.record(name)
    assert (record.state, record.path) == (UploadState.DONE, "/data/new/folder/b.png")
    assert [(str(event.kind), event.place.text) for event in disk.told] == [
        ("created", "data/new/folder/b.png")
    ]


def test_a_file_without_bytes_is_there_at_once(disk: Disk) -> None:
    upload = disk.uploads.begin(disk.visit, UploadSpec("/data/empty.txt", 0))
    assert upload.state is UploadState.DONE
    assert (disk.path / "empty.txt").read_bytes() == b""


@pytest.mark.parametrize("offset", [0, 2, 4, 100])
def test_a_piece_begins_where_the_bytes_end(disk: Disk, offset: int) -> None:
    name = disk.begin(length=6)
    disk.append(name, 0, b"abc")
    with pytest.raises(WrongOffset, match="3 bytes are here"):
        disk.append(name, offset, b"xyz")
    assert disk.offset(name) == 3


def test_no_more_bytes_come_than_were_announced(disk: Disk) -> None:
    name = disk.begin(length=6)
    disk.append(name, 0, b"abc")
    with pytest.raises(TooBig, match="4 more bytes are announced, and 3 are missing"):
        disk.append(name, 3, b"defg")
    with pytest.raises(TooBig, match="none of this piece is kept"):
        disk.send(name, UploadChunk(3), b"defg")  # nobody told how long the piece is
    assert disk.offset(name) == 3
    assert disk.append(name, 3, b"def") == 6


def test_bytes_that_came_before_the_connection_broke_are_kept(disk: Disk) -> None:
    name = disk.begin(length=6)
    waiting = [b"ab", b"c"]

    def source(room: memoryview) -> int:
        if not waiting:
            raise ConnectionResetError("gone")
        piece = waiting.pop(0)
        room[: len(piece)] = piece
        return len(piece)

    assert disk.uploads.append(disk.visit, name, UploadChunk(0, 6), source).offset == 3
    assert disk.append(name, 3, b"def") == 6
    assert (disk.path / "a/b.png").read_bytes() == b"abcdef"


def test_who_may_no_longer_send_is_stopped_and_what_came_is_kept(disk: Disk) -> None:
    name = disk.begin(length=6)

    def refuse() -> None:
        raise NotAllowed("signed out meanwhile")

    with pytest.raises(NotAllowed, match="signed out"):
        disk.send(name, UploadChunk(0, 3), b"abc", check_continue=refuse)
    assert disk.offset(name) == 3


@pytest.mark.parametrize("name", CHECKSUMS)
def test_a_piece_with_another_checksum_is_thrown_away(disk: Disk, name: str) -> None:
    upload = disk.begin(length=6)
    disk.append(upload, 0, b"abc", checksum=checksum_of(b"abc", name))
    with pytest.raises(WrongChecksum, match="Send them again"):
        disk.append(upload, 3, b"dxf", checksum=checksum_of(b"def", name))
    assert disk.offset(upload) == 3
    disk.append(upload, 3, b"def", checksum=checksum_of(b"def", name))
    assert (disk.path / "a/b.png").read_bytes() == b"abcdef"


def test_a_piece_that_breaks_off_before_its_checksum_is_thrown_away(disk: Disk) -> None:
    name = disk.begin(length=6)
    piece = UploadChunk(0, 6, checksum=checksum_of(b"abcdef"))
    assert disk.send(name, piece, b"abcd").offset == 0  # no error: the client knows it broke
    assert disk.send(name, piece, b"abcdef").is_complete


def test_a_checked_piece_that_is_stopped_is_thrown_away(disk: Disk) -> None:
    name = disk.begin(length=6)

    def refuse() -> None:
        raise NotAllowed("no more")

    piece = UploadChunk(0, 3, checksum=checksum_of(b"abc"))
    with pytest.raises(NotAllowed):
        disk.send(name, piece, b"abc", check_continue=refuse)
    assert disk.offset(name) == 0


def test_another_file_than_was_announced_is_thrown_away_and_may_come_anew(disk: Disk) -> None:
    name = disk.begin(length=6, sha256=hashlib.sha256(b"abcdef").hexdigest())
    disk.append(name, 0, b"abc")
    with pytest.raises(WrongChecksum, match="from its first byte"):
        disk.append(name, 3, b"dxf")
    assert disk.offset(name) == 0
    assert not (disk.path / "a").exists()
    disk.append(name, 0, b"abc")
    disk.append(name, 3, b"def")
    assert (disk.path / "a/b.png").read_bytes() == b"abcdef"


def test_a_length_may_be_told_with_a_later_piece(disk: Disk) -> None:
    name = disk.begin(length=None)
    disk.append(name, 0, b"abc")
    assert disk.record(name).length is None
    status = disk.send(name, UploadChunk(3, 3, length=9), b"def")
    assert (status.offset, status.upload.length, status.is_complete) == (6, 9, False)
    disk.append(name, 6, b"ghi", length=9)  # the same again is no fault
    assert (disk.path / "a/b.png").read_bytes() == b"abcdefghi"


def test_a_length_of_all_that_is_here_ends_the_upload(disk: Disk) -> None:
    name = disk.begin(length=None)
    disk.append(name, 0, b"abc")
    assert disk.send(name, UploadChunk(3, 0, length=3), b"").is_complete
    assert (disk.path / "a/b.png").read_bytes() == b"abc"


@pytest.mark.parametrize("length", [2, 0])
def test_a_length_shorter_than_what_is_here_is_refused(disk: Disk, length: int) -> None:
    name = disk.begin(length=None)
    disk.append(name, 0, b"abc")
    with pytest.raises(WrongRequest, match="3 bytes are here"):
        disk.send(name, UploadChunk(3, 0, length=length), b"")
    assert disk.record(name).length is None


def test_a_length_is_told_once(disk: Disk) -> None:
    name = disk.begin(length=6)
    with pytest.raises(WrongRequest, match="cannot be another"):
        disk.append(name, 0, b"abc", length=7)
    assert disk.offset(name) == 0


def test_where_a_file_is_already_the_caller_is_asked(disk: Disk) -> None:
    (disk.path / "b.png").write_bytes(b"old")
    with pytest.raises(Taken, match="skip, overwrite or rename"):
        disk.begin("/data/b.png")
    assert disk.waiting() == []


def test_a_file_that_is_skipped_takes_no_bytes_and_no_room(disk: Disk) -> None:
    (disk.path / "b.png").write_bytes(b"old")
    name = disk.begin("/data/b.png", 3, conflict=Conflict.SKIP)
    status = disk.uploads.status(disk.visit, name)
    assert (status.upload.state, status.is_complete) == (UploadState.SKIPPED, True)
    assert status.upload.path == "/data/b.png"
    assert disk.append(name, 3, b"") == 3
    assert (disk.path / "b.png").read_bytes() == b"old"
    assert not list(disk.path.glob(".uploads/*/data"))
    assert disk.told == []


def test_skip_is_decided_again_when_the_bytes_are_here(disk: Disk) -> None:
    name = disk.begin("/data/b.png", 3, conflict=Conflict.SKIP)
    (disk.path / "b.png").write_bytes(b"old")
    disk.append(name, 0, b"new")
    assert disk.record(name).state is UploadState.SKIPPED
    assert (disk.path / "b.png").read_bytes() == b"old"


def test_overwriting_replaces_the_file_in_one_step_and_says_so(disk: Disk) -> None:
    (disk.path / "b.png").write_bytes(b"old")
    with (disk.path / "b.png").open("rb") as reader:
        disk.put("/data/b.png", b"new", conflict=Conflict.OVERWRITE)
        assert reader.read() == b"old"  # who had it open reads on
    assert (disk.path / "b.png").read_bytes() == b"new"
    assert [str(event.kind) for event in disk.told] == ["changed"]


def test_both_are_kept_under_numbered_names(disk: Disk) -> None:
    for content in (b"1", b"2", b"3"):
        disk.put("/data/b.png", content, conflict=Conflict.RENAME)
    (disk.path / "b (3).png").symlink_to("nowhere")  # a link is something, too
    last = disk.put("/data/b.png", b"4", conflict=Conflict.RENAME)
    assert last.path == "/data/b (4).png"
    found = {path.name: path.read_bytes() for path in disk.path.iterdir() if path.is_file()}
    assert found == {"b.png": b"1", "b (1).png": b"2", "b (2).png": b"3", "b (4).png": b"4"}


def test_a_name_taken_while_bytes_came_is_not_written_over(disk: Disk) -> None:
    name = disk.begin("/data/b.png", 3)
    (disk.path / "b.png").write_bytes(b"other")
    disk.append(name, 0, b"new")
    assert disk.record(name).path == "/data/b (1).png"
    assert (disk.path / "b.png").read_bytes() == b"other"


def test_a_folder_is_not_overwritten_and_the_bytes_wait_for_its_end(disk: Disk) -> None:
    (disk.path / "b.png").mkdir()
    name = disk.begin("/data/b.png", 3, conflict=Conflict.OVERWRITE)
    with pytest.raises(Taken, match="is a folder"):
        disk.append(name, 0, b"new")
    with pytest.raises(Taken, match="is a folder"):
        disk.offset(name)
    (disk.path / "b.png").rmdir()
    assert disk.reopen().offset(name) == 3
    assert (disk.path / "b.png").read_bytes() == b"new"


def test_a_file_has_the_time_that_its_client_told(disk: Disk) -> None:
    disk.put("/data/old.txt", b"x", modified=1_234_567_890_123_456_789)
    assert (disk.path / "old.txt").stat().st_mtime_ns == 1_234_567_890_123_456_789
    disk.put("/data/epoch.txt", b"x", modified=0)
    assert (disk.path / "epoch.txt").stat().st_mtime_ns == 0


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/other/b.png", NotHere),
        ("/data", NotAllowed),
        ("/data/", NotAllowed),
        ("/data/.uploads/b.png", NotHere),
        ("/data/.Trash/b.png", NotHere),
        ("/data/code/b.png", NotAllowed),
        ("/data/../b.png", BadPath),
        ("/data/a:b.png", BadPath),
        ("/data/con.png", BadPath),
        ("/data/b.png.", BadPath),
        ("/data/" + "n" * 256, BadPath),
        ("", NotHere),
    ],
)
def test_names_that_no_upload_can_have(disk: Disk, path: str, error: type[Exception]) -> None:
    root = replace(disk.root, sealed=frozenset({"code"}))
    disk.visit = replace(disk.visit, roots=(root,))
    with pytest.raises(error):
        disk.begin(path, 3)
    assert disk.waiting() == []


def test_a_file_in_the_way_of_a_folder_is_told_and_nothing_is_lost(disk: Disk) -> None:
    (disk.path / "a").write_bytes(b"a file")
    with pytest.raises(NotAFile):
        disk.begin("/data/a/b.png", 3)
    (disk.path / "a").unlink()
    name = disk.begin("/data/a/b.png", 3)
    (disk.path / "a").write_bytes(b"came meanwhile")
    with pytest.raises(NotAFile):
        disk.append(name, 0, b"new")
    (disk.path / "a").unlink()
    assert disk.offset(name) == 3
    assert (disk.path / "a/b.png").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("rights", "conflict", "allowed"),
    [
        ({Right.CREATE}, None, True),
        ({Right.CREATE}, Conflict.RENAME, True),
        ({Right.CREATE}, Conflict.OVERWRITE, False),
        ({Right.CREATE, Right.MODIFY}, Conflict.OVERWRITE, True),
        (frozenset(Right) - {Right.CREATE}, None, False),
    ],
)
def test_rights_that_an_upload_takes(
    disk: Disk, rights: set[Right], conflict: Conflict | None, allowed: bool
) -> None:
    disk.visit = replace(disk.visit, rights=frozenset(rights))
    if allowed:
        assert disk.put("/data/b.png", b"new", conflict=conflict).state is UploadState.DONE
    else:
        with pytest.raises(NotAllowed, match="right to"):
            disk.begin("/data/b.png", 3, conflict=conflict)


def test_a_tree_that_may_only_be_read_takes_no_upload(disk: Disk) -> None:
    (disk.path / "read").mkdir()
    fixed = Root("read", disk.path / "read", writable=False)
    disk.visit = replace(disk.visit, roots=(fixed, disk.root))
    with pytest.raises(NotAllowed, match="cannot be written"):
        disk.begin("/read/b.png")
    disk.begin("", 3, part=UploadKind.PARTIAL)  # a part waits in a tree that can be written
    disk.visit = replace(disk.visit, roots=(fixed,))
    with pytest.raises(NotAllowed, match="Nothing may be written"):
        disk.begin("", 3, part=UploadKind.PARTIAL)
    assert not list((disk.path / "read").iterdir())


Verb = Callable[[Disk, str], object]
VERBS: dict[str, Verb] = {
    "status": lambda disk, name: disk.uploads.status(disk.visit, name),
    "peek": lambda disk, name: disk.uploads.peek(disk.visit, name),
    "append": lambda disk, name: disk.append(name, 0, b"abc"),
    "delete": lambda disk, name: disk.uploads.delete(disk.visit, name),
    "join": lambda disk, name: disk.uploads.join(disk.visit, UploadSpec("/data/j", None), [name]),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_uploads_of_others_are_as_absent_as_none(disk: Disk, verb: Verb) -> None:
    name = disk.begin(length=3)
    ann, disk.visit = disk.visit, replace(disk.visit, who="bob")
    for asked in (name, "0" * 32, "", "../data", name.upper() + "x"):
        with pytest.raises(NotHere, match="There is no upload"):
            verb(disk, asked)
    assert disk.uploads.list_unfinished(disk.visit) == []
    disk.visit = ann
    assert disk.offset(name) == 0


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_who_lost_the_right_to_create_does_nothing_more(disk: Disk, verb: Verb) -> None:
    name = disk.begin(length=3)
    ann, disk.visit = disk.visit, replace(disk.visit, rights=frozenset({Right.VIEW}))
    with pytest.raises(NotAllowed):
        verb(disk, name)
    disk.visit = ann
    assert disk.offset(name) == 0


def test_an_upload_that_is_thrown_away_is_gone(disk: Disk) -> None:
    name = disk.begin(length=6)
    disk.append(name, 0, b"abc")
    disk.uploads.delete(disk.visit, name)
    assert disk.waiting() == []
    with pytest.raises(NotHere):
        disk.uploads.delete(disk.visit, name)
    assert disk.reopen().uploads.list_unfinished(disk.visit) == []


def test_a_file_outlives_the_record_of_its_upload(disk: Disk) -> None:
    upload = disk.put("/data/b.png", b"new")
    disk.uploads.delete(disk.visit, upload.id)
    assert (disk.path / "b.png").read_bytes() == b"new"


def test_an_ended_upload_says_so_to_who_asks_again(disk: Disk) -> None:
    upload = disk.put("/data/b.png", b"new")
    (disk.path / "b.png").unlink()  # its owner has moved it away
    for store in (disk, disk.reopen()):
        assert store.append(upload.id, 3, b"") == 3
        assert store.record(upload.id).state is UploadState.DONE
    assert not (disk.path / "b.png").exists()


def test_unfinished_uploads_are_listed_the_latest_first(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = disk.begin("/data/1.png", 6), disk.begin("/data/2.png", 6, note="mine")
    disk.begin("", 3, part=UploadKind.PARTIAL)
    disk.put("/data/3.png", b"whole")
    disk.append(first, 0, b"abc")
    listed = disk.uploads.list_unfinished(disk.visit)
    assert [(each.upload.id, each.offset) for each in listed] == [(first, 3), (second, 0)]
    assert listed[1].upload.order.note == "mine"


def test_parts_are_joined_in_the_order_that_is_asked_for(disk: Disk) -> None:
    one, two, three = disk.put_parts([CONTENT[:1000], b"", CONTENT[1000:]])
    order = UploadSpec("/data/joined.png", None, sha256=hashlib.sha256(CONTENT).hexdigest())
    joined = disk.uploads.join(disk.visit, order, [one, two, three])
    assert (joined.state, joined.length) == (UploadState.DONE, len(CONTENT))
    assert (disk.path / "joined.png").read_bytes() == CONTENT
    assert disk.waiting() == [joined.id]  # the parts ended with it


def test_one_part_may_be_joined_with_itself(disk: Disk) -> None:
    (part,) = disk.put_parts([b"ab"])
    disk.uploads.join(disk.visit, UploadSpec("/data/j.txt", None), [part, part])
    assert (disk.path / "j.txt").read_bytes() == b"abab"


def test_joining_other_bytes_than_were_announced_loses_no_part(disk: Disk) -> None:
    parts = disk.put_parts([b"one", b"two"])
    order = UploadSpec("/data/j.txt", None, sha256=hashlib.sha256(b"onetwo").hexdigest())
    with pytest.raises(WrongChecksum):
        disk.uploads.join(disk.visit, order, parts[::-1])
    assert sorted(parts) == disk.waiting()
    assert disk.uploads.join(disk.visit, order, parts).state is UploadState.DONE


def test_what_is_no_whole_part_is_not_joined(disk: Disk) -> None:
    whole, (part,) = disk.begin(length=3), disk.put_parts([b"one"])
    begun = disk.begin("", 6, part=UploadKind.PARTIAL)
    disk.append(begun, 0, b"two")
    order = UploadSpec("/data/j.txt", None)
    for parts, reason in (([part, whole], "is no part"), ([part, begun], "is not whole")):
        with pytest.raises(WrongRequest, match=reason):
            disk.uploads.join(disk.visit, order, parts)
    assert disk.waiting() == sorted([whole, part, begun])
    assert not (disk.path / "j.txt").exists()


def test_a_joined_upload_takes_no_bytes_of_its_own(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = disk.uploads.join(disk.visit, UploadSpec("/data/j", None), disk.put_parts([b"one"]))
    with pytest.raises(NotAllowed, match="no bytes of its own"):
        disk.append(joined.id, 3, b"more")


def test_joining_where_a_file_is_follows_the_policy(disk: Disk) -> None:
    (disk.path / "j").write_bytes(b"old")
    with pytest.raises(Taken):
        disk.uploads.join(disk.visit, UploadSpec("/data/j", None), disk.put_parts([b"one"]))
    spec = UploadSpec("/data/j", None, Conflict.SKIP)
    skipped = disk.uploads.join(disk.visit, spec, disk.put_parts([b"one"]))
    assert skipped.state is UploadState.SKIPPED
    spec = UploadSpec("/data/j", None, Conflict.OVERWRITE)
    disk.uploads.join(disk.visit, spec, disk.put_parts([b"one"]))
    assert (disk.path / "j").read_bytes() == b"one"


def test_a_name_that_may_not_lie_there_is_refused_before_a_byte_comes(memory_folder: Path) -> None:
    disk = Disk(memory_folder, rules=RULES)
    with pytest.raises(WrongContent, match=r"may not lie in /data/models\. Models only\."):
        disk.begin("/data/models/a.png")
    with pytest.raises(WrongContent, match="safetensors"):  # an empty one is none
        disk.begin("/data/models/a.safetensors", 0)


def test_content_that_is_not_what_its_name_says_is_refused_for_good(memory_folder: Path) -> None:
    disk = Disk(memory_folder, rules=RULES)
    name = disk.begin("/data/models/a.safetensors", 20)
    with pytest.raises(WrongContent):
        disk.append(name, 0, b"not a model, surely.")
    assert not list(disk.path.glob(".uploads/*/data"))  # its bytes take no more room
    for store in (disk, disk.reopen()):
        for verb in (store.offset, lambda name: store.append(name, 20, b"")):  # noqa: B023
            with pytest.raises(Over, match="safetensors"):
                verb(name)
        assert store.record(name).state is UploadState.REFUSED
    assert disk.uploads.list_unfinished(disk.visit) == []
    assert not (disk.path / "models").exists()


def test_refused_content_does_not_replace_what_is_there(memory_folder: Path) -> None:
    disk = Disk(memory_folder, rules=RULES)
    (memory_folder / "models").mkdir()
    (memory_folder / "models" / "a.safetensors").write_bytes(b"the old model")
    name = disk.begin("/data/models/a.safetensors", 3, conflict=Conflict.OVERWRITE)
    with pytest.raises(WrongContent):
        disk.append(name, 0, b"new")
    assert (memory_folder / "models" / "a.safetensors").read_bytes() == b"the old model"
    assert disk.told == []


def test_who_hears_of_a_file_and_fails_does_not_lose_it(disk: Disk) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("the listener is broken")

    disk.uploads._completion.on_published = fail
    name = disk.begin("/data/b.png", 3)
    with pytest.raises(RuntimeError):
        disk.append(name, 0, b"new")
    assert (disk.path / "b.png").read_bytes() == b"new"
    assert disk.reopen().record(name).state is UploadState.DONE


def test_two_trees_keep_their_uploads_apart(disk: Disk) -> None:
    (disk.path / "second").mkdir()
    other = Root("other", disk.path / "second", hidden=disk.root.hidden)
    disk.visit = replace(disk.visit, roots=(disk.root, other))
    name = disk.begin("/other/b.png", 6)
    assert os.listdir(disk.path / "second" / ".uploads") == [name]
    disk.append(name, 0, b"abc")
    disk.reopen()
    assert [each.offset for each in disk.uploads.list_unfinished(disk.visit)] == [3]
    source = io.BytesIO(b"def").readinto
    alone = replace(disk.visit, roots=(disk.root,))
    with pytest.raises(NotHere):  # who lost the tree lost its uploads
        disk.uploads.append(alone, name, UploadChunk(3, 3), source)
    disk.append(name, 3, b"def")
    assert (disk.path / "second" / "b.png").read_bytes() == b"abcdef"


@pytest.mark.parametrize("kind", [UploadKind.WHOLE, UploadKind.PARTIAL])
def test_what_is_told_of_an_upload_comes_back(disk: Disk, kind: UploadKind) -> None:
    path = "/data/ü.png" if kind is UploadKind.WHOLE else ""
    name = disk.begin(path, 7, note="filename dw==", made_of="final;/a /b", part=kind)
    for store in (disk, disk.reopen()):
        order = store.record(name).order
        assert (order.path, order.length, order.note) == (path, 7, "filename dw==")
        assert (order.made_of, order.part) == ("final;/a /b", kind)
