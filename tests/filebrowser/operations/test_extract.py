"""Zips that somebody made to do harm, and what is left of them: nothing (checklist 52)."""

import os
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root
from filebrowser.operations.extract import ExtractLimits, extract_step
from filebrowser.operations.move import (
    FileStep,
    LeftOutReason,
    StepContext,
    StepResult,
    StepStatus,
    plan_steps,
)
from filebrowser.uploads.rules import ContentRules, FolderRule
from filebrowser.watch.file_events import FileEvent

SMALL = ExtractLimits(entries=50, size=8 << 20, ratio=20, easy=1 << 20, index=1 << 20, spare=0)
RULES = ContentRules((FolderRule("data", "", frozenset({".txt", ".png", ".safetensors", ".zip"})),))
Make = Callable[[zipfile.ZipFile], None]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    return Root("data", tmp_path / "data", hidden=frozenset({".trash", ".easel"}))


def extract(root: Root, make: Make, limits: ExtractLimits = SMALL) -> StepResult:
    with zipfile.ZipFile(root.path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        make(archive)
    return taken_apart(root, limits)


def taken_apart(root: Root, limits: ExtractLimits = SMALL) -> StepResult:
    events: list[FileEvent] = []
    visit = FileAccess("ann", (root,))
    (step,) = plan_steps(visit, ["/data/x.zip"], "/data/x", False, exactly=True)
    assert isinstance(step, FileStep)
    return extract_step(
        step, StepContext("key", None, lambda _: None, events.append), RULES, limits
    )


def nothing_is_left(root: Root) -> bool:
    inside = {str(path.relative_to(root.path)) for path in root.path.rglob("*")}
    beside = {path.name for path in root.path.parent.iterdir()}
    return inside <= {"x.zip", ".trash"} and beside == {"data", "secret.txt"}


def link(archive: zipfile.ZipFile, name: str, to: str) -> None:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, to)


def device(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("null.txt")
    info.external_attr = (stat.S_IFCHR | 0o666) << 16
    archive.writestr(info, "")


def through_a_link(archive: zipfile.ZipFile) -> None:
    link(archive, "way", "..")
    archive.writestr("way/secret.txt", "changed")


def twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("a.txt", "one")
    with pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.txt", "two")


def add_locked_file(archive: zipfile.ZipFile) -> None:
    archive.writestr("locked.txt", "secret")
    archive.filelist[-1].flag_bits |= 1


def add_damaged_file(archive: zipfile.ZipFile) -> None:
    archive.writestr("damaged.txt", "as it was packed")
    archive.filelist[-1].CRC ^= 1


def file_as_folder(archive: zipfile.ZipFile) -> None:
    archive.writestr("a.txt", "one")
    archive.writestr("a.txt/b.txt", "two")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda z: z.writestr("../secret.txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("a/../../secret.txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("/etc/evil.txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("..\\secret.txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("back\\slash.txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("a\\x3ab.txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("C:/evil.txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("sub/CON.txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("a\n.txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("trailing.txt ", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("x" * 300 + ".txt", "changed"), LeftOutReason.NAME),
        (lambda z: z.writestr("d/" * 80 + "a.txt", "changed"), LeftOutReason.NAME),
        (lambda z: link(z, "link.txt", "/etc/passwd"), LeftOutReason.LINK),
        (lambda z: z.writestr("x.txt", "x", zipfile.ZIP_LZMA), LeftOutReason.PACKING),
        (lambda z: z.writestr("large.txt", bytes(9 << 20)), LeftOutReason.TOO_LARGE),
        (lambda z: z.writestr("evil.py", "import os"), LeftOutReason.KIND),
        (lambda z: z.writestr("fake.safetensors", b"PK not what it says"), LeftOutReason.KIND),
        *(
            (device, LeftOutReason.LINK),
            (twice, LeftOutReason.TWICE),
            (file_as_folder, LeftOutReason.TWICE),
        ),
        *((add_locked_file, LeftOutReason.LOCKED), (add_damaged_file, LeftOutReason.DAMAGED)),
    ],
)
def test_members_that_lead_elsewhere(root: Root, make: Make, reason: LeftOutReason) -> None:
    def all_of_it(archive: zipfile.ZipFile) -> None:
        archive.writestr("first.txt", "good")
        make(archive)
        archive.writestr("sub/last.txt", "good too")

    done = extract(root, all_of_it)
    assert (done.status, done.left_out_count) == (StepStatus.DONE, 1), done
    (left,) = done.left_out
    assert left.reason is reason
    assert left.name[:80] in done.error or repr(left.name)[1:80] in done.error
    assert left.error in done.error
    came = {str(path.relative_to(root.path / "x")) for path in (root.path / "x").rglob("*.*")}
    assert came - {"a.txt"} == {"first.txt", "sub/last.txt"}
    assert (root.path / "x" / "sub" / "last.txt").read_text() == "good too"
    assert (root.path.parent / "secret.txt").read_text() == "secret"
    assert {path.name for path in root.path.parent.iterdir()} == {"data", "secret.txt"}


def test_nothing_comes_of_an_archive_in_which_nothing_can_be_taken(root: Root) -> None:
    done = extract(root, lambda z: [link(z, "way", ".."), z.writestr("a:b.txt", "x")])
    assert (done.status, done.left_out_count) == (StepStatus.FAILED, 2)
    assert [each.name for each in done.left_out] == ["way", "a:b.txt"]
    assert "a:b.txt" in done.error
    assert nothing_is_left(root)


def test_a_file_through_a_link_lies_in_a_folder(root: Root) -> None:
    done = extract(root, through_a_link)
    assert (done.status, [each.name for each in done.left_out]) == (StepStatus.DONE, ["way"])
    assert (root.path / "x" / "way" / "secret.txt").read_text() == "changed"
    assert (root.path.parent / "secret.txt").read_text() == "secret"


def test_many_that_are_left_out_are_counted_and_some_named(root: Root) -> None:
    def many(archive: zipfile.ZipFile) -> None:
        for name in ("ok", *(f"{number}:" for number in range(300))):
            archive.writestr(f"{name}.txt", "")

    done = extract(root, many, replace(SMALL, entries=1000))
    assert (done.status, done.left_out_count, len(done.left_out)) == (StepStatus.DONE, 300, 100)
    assert done.error.startswith("300 of 301 were left out: '0:.txt'")


@pytest.mark.parametrize(
    "make",
    [
        lambda z: z.writestr("zeros.txt", bytes(9 << 20)),
        lambda z: [z.writestr(f"{n}.txt", bytes(1 << 20)) for n in range(9)],
        lambda z: [z.writestr(f"{n}.txt", b"") for n in range(51)],
    ],
)
def test_bombs(root: Root, make: Make) -> None:
    done = extract(root, make)
    assert done.status is StepStatus.FAILED
    assert nothing_is_left(root)


def test_a_bomb_that_lies_of_its_size(root: Root) -> None:
    """The directory says 10 bytes; what is counted is what comes."""
    with zipfile.ZipFile(root.path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.txt", bytes(9 << 20))
    data = bytearray((root.path / "x.zip").read_bytes())
    at = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)
    (root.path / "x.zip").write_bytes(data)
    assert taken_apart(root).status is StepStatus.FAILED
    assert nothing_is_left(root)


def test_a_directory_that_announces_a_million_files(root: Root) -> None:
    with zipfile.ZipFile(root.path / "x.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    data = bytearray((root.path / "x.zip").read_bytes())
    struct.pack_into("<HH", data, data.rfind(b"PK\x05\x06") + 8, 65535, 65535)
    (root.path / "x.zip").write_bytes(data)
    assert "65535" in taken_apart(root).error
    assert nothing_is_left(root)


def test_damage(root: Root) -> None:
    with zipfile.ZipFile(root.path / "x.zip", "w") as archive:
        archive.writestr("a.txt", b"a" * 1000)
    whole = (root.path / "x.zip").read_bytes()
    for data in (b"", b"no zip", whole[:600], whole.replace(b"a" * 100, b"b" * 100)):
        (root.path / "x.zip").write_bytes(data)
        assert taken_apart(root).status is StepStatus.FAILED
        assert nothing_is_left(root)


def test_a_full_disk_leaves_nothing(root: Root) -> None:
    done = extract(root, lambda z: z.writestr("a.txt", "a"), ExtractLimits(spare=1 << 62))
    assert (done.status, "room" in done.error) == (StepStatus.FAILED, True)
    assert nothing_is_left(root)


def test_what_no_upload_could_bring_is_left_out(root: Root) -> None:
    def make(archive: zipfile.ZipFile) -> None:
        archive.writestr("good.txt", "good")
        archive.writestr("evil.py", "import os")
        archive.writestr("fake.safetensors", b"PK not what it says")
        info = zipfile.ZipInfo("sub/tool.txt")
        info.external_attr = (stat.S_IFREG | 0o4777) << 16
        archive.writestr(info, "x")

    done = extract(root, make)
    assert done.status is StepStatus.DONE
    assert ("evil.py" in done.error, "fake.safetensors" in done.error) == (True, True)
    assert sorted(os.listdir(root.path / "x")) == ["good.txt", "sub"]
    assert (root.path / "x" / "sub" / "tool.txt").stat().st_mode & 0o7111 == 0
    assert nothing_is_left(root) is False


def test_a_zip_in_a_zip_stays_one(root: Root) -> None:
    done = extract(root, lambda z: z.writestr("inner.zip", b"PK\x03\x04 nobody looks into it"))
    assert done.status is StepStatus.DONE
    assert os.listdir(root.path / "x") == ["inner.zip"]
