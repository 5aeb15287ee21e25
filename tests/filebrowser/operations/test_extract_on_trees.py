"""Zips of honest packers: all of them comes, where it may, under the name that was asked for."""

import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, Root
from filebrowser.archive import make_archive
from filebrowser.operations.conflicts import Conflict
from filebrowser.operations.extract import ExtractLimits, extract_step
from filebrowser.operations.move import (
    FileStep,
    LeftOutReason,
    StepContext,
    StepResult,
    StepStatus,
)
from filebrowser.uploads.rules import ContentRules, FolderRule
from filebrowser.watch.file_events import FileEvent, FileEventKind
from tests.filebrowser.conftest import OWN_NAMES
from tests.filebrowser.file_trees import FileTree, read_tree, write_tree

Extract = Callable[..., StepResult]
ANYTHING, LIMITS = ContentRules(), ExtractLimits(spare=0)
PARTS = st.sampled_from(("a", "b", "c.txt", "猫", "A", "sub"))
TREES = st.dictionaries(
    st.lists(PARTS, min_size=1, max_size=3).map("/".join),
    st.none() | st.binary(max_size=30),
    max_size=6,
)


@pytest.fixture
def pack(data: Root) -> Callable[..., None]:
    """Writes ``x.zip`` of names and contents in their order; a name with a slash is a folder."""

    def write(*members: tuple[str, bytes]) -> None:
        with zipfile.ZipFile(data.path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members:
                info = zipfile.ZipInfo(name, (2020, 2, 3, 4, 5, 6))
                file.writestr(info, content, zipfile.ZIP_DEFLATED)

    return write


@pytest.fixture
def extract(data: Root, context: StepContext) -> Extract:
    """Takes ``x.zip`` apart into ``x``."""

    def run(
        conflict: Conflict | None = None,
        rules: ContentRules = ANYTHING,
        limits: ExtractLimits = LIMITS,
    ) -> StepResult:
        step = FileStep(Place(data, ("x.zip",)), Place(data, ()), "x")
        return extract_step(step, replace(context, conflict=conflict), rules, limits)

    return run


@settings(max_examples=25)
@given(tree=TREES)
def test_what_was_packed_here_is_the_same_when_it_is_taken_apart(tree: FileTree) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        root = Root("data", Path(folder), hidden=OWN_NAMES)
        (root.path / "set").mkdir()
        for name, content in tree.items():
            with suppress(NotADirectoryError, IsADirectoryError, FileExistsError):
                write_tree(root.path / "set", {name: content})  # unless a file is in its way
        before = read_tree(root.path / "set")
        access = FileAccess("ann", (root,))
        (root.path / "set.zip").write_bytes(b"".join(make_archive(access, ["/data/set"]).pieces))
        step = FileStep(Place(root, ("set.zip",)), Place(root, ()), "again")
        context = StepContext("key", None, lambda _: None, lambda _: None)
        result = extract_step(step, context, ANYTHING)
        assert result == StepResult("/data/set.zip", "/data/again", StepStatus.DONE)
        there = read_tree(root.path / "again" / "set")
    told_apart = len({name.casefold() for name in before}) < len(before)
    if told_apart:  # for systems that know no case
        assert sorted(filter(None, there.values())) == sorted(filter(None, before.values()))
    else:
        assert there == before


def test_times_of_files_and_folders_are_those_of_the_archive(
    data: Root, pack: Callable[..., None], extract: Extract
) -> None:
    pack(("set/a.txt", b"a"), ("set/", b""), ("untold/b.txt", b"b"))
    assert extract().status is StepStatus.DONE
    times = {
        name: (data.path / "x" / name).stat().st_mtime for name in ("set", "set/a.txt", "untold")
    }
    assert times["set"] == times["set/a.txt"] != times["untold"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "tree"),
    [
        ([("./a", b"1"), ("././b/./c", b"2")], {"a": b"1", "b": None, "b/c": b"2"}),
        ([("b//c", b"1"), ("b/d/", b"")], {"b": None, "b/c": b"1", "b/d": None}),
        ([("./", b""), ("a", b"1")], {"a": b"1"}),
        ([("a/", b""), ("a/", b""), ("a/b", b"")], {"a": None, "a/b": b""}),
        ([("only/", b"")], {"only": None}),
        ([], {}),
    ],
)
def test_odd_ways_to_say_the_same_name_mean_it(
    data: Root,
    pack: Callable[..., None],
    extract: Extract,
    members: list[tuple[str, bytes]],
    tree: FileTree,
) -> None:
    pack(*members)
    result = extract()
    assert (result.status, result.left_out) == (StepStatus.DONE, ())
    assert read_tree(data.path / "x", dotted=True) == tree


@pytest.mark.parametrize(
    ("conflict", "status", "to", "tree"),
    [
        (None, StepStatus.FAILED, None, {"x": None, "x/old": b"old", "x/a": b"old"}),
        (Conflict.SKIP, StepStatus.SKIPPED, None, {"x": None, "x/old": b"old", "x/a": b"old"}),
        (
            Conflict.RENAME,
            StepStatus.DONE,
            "/data/x (1)",
            {"x": None, "x/old": b"old", "x/a": b"old", "x (1)": None, "x (1)/a": b"new"},
        ),
        (
            Conflict.OVERWRITE,
            StepStatus.DONE,
            "/data/x",
            {"x": None, "x/old": b"old", "x/a": b"new"},
        ),
    ],
)
def test_a_folder_of_the_name_is_met_as_it_was_said(
    data: Root,
    pack: Callable[..., None],
    extract: Extract,
    events: list[FileEvent],
    conflict: Conflict | None,
    status: StepStatus,
    to: str | None,
    tree: FileTree,
) -> None:
    write_tree(data.path, {"x/old": b"old", "x/a": b"old"})
    pack(("a", b"new"))
    result = extract(conflict)
    assert (result.status, result.to) == (status, to)
    (data.path / "x.zip").unlink()
    assert read_tree(data.path) == tree
    assert [event.kind for event in events] == [FileEventKind.CREATED] * (status is StepStatus.DONE)
    assert os.listdir(data.path / ".trash") == []


def test_a_whole_archive_that_is_left_out_says_why_once_for_each(
    pack: Callable[..., None], extract: Extract
) -> None:
    pack(*((f"{number}:", b"") for number in range(7)))
    result = extract()
    assert (result.status, result.left_out_count) == (StepStatus.FAILED, 7)
    assert result.error.startswith("Nothing of the archive can be taken. 7 of 7 were left out")
    assert result.error.count("a colon") == 5
    assert "; ..." in result.error
    assert {each.reason for each in result.left_out} == {LeftOutReason.NAME}


def test_rules_of_a_folder_go_by_where_a_file_will_lie_and_not_by_where_it_grows(
    data: Root, pack: Callable[..., None], extract: Extract
) -> None:
    rules = ContentRules(
        (
            FolderRule("data", "x/pictures", frozenset({".png"})),
            FolderRule("data", ".trash", frozenset()),
        )
    )
    pack(("pictures/a.png", b"1"), ("pictures/b.txt", b"2"), ("c.txt", b"3"))
    result = extract(rules=rules)
    assert [(each.name, each.reason) for each in result.left_out] == [
        ("pictures/b.txt", LeftOutReason.KIND)
    ]
    assert read_tree(data.path / "x") == {"pictures": None, "pictures/a.png": b"1", "c.txt": b"3"}


@pytest.mark.parametrize(("easy", "status"), [(100, StepStatus.FAILED), (3000, StepStatus.DONE)])
def test_small_archives_may_swell_and_large_ones_only_so_far(
    data: Root, pack: Callable[..., None], extract: Extract, easy: int, status: StepStatus
) -> None:
    pack(*((f"{number}", bytes(1000)) for number in range(3)))
    limits = ExtractLimits(ratio=1, easy=easy, spare=0)
    size = (data.path / "x.zip").stat().st_size
    assert size < 1000
    result = extract(limits=limits)
    assert result.status is status
    assert (data.path / "x").exists() is (status is StepStatus.DONE)


def test_all_bytes_are_counted_for_who_watches_a_job(
    data: Root, pack: Callable[..., None], context: StepContext
) -> None:
    pack(("a", bytes(5000)), ("b", b"12"))
    counts: list[int] = []
    step = FileStep(Place(data, ("x.zip",)), Place(data, ()), "x")
    extract_step(step, replace(context, advance=counts.append), ANYTHING, LIMITS)
    assert sum(counts) == 5002


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x05\x06" + bytes(10)])
def test_what_is_no_zip_leaves_nothing(data: Root, extract: Extract, content: bytes) -> None:
    (data.path / "x.zip").write_bytes(content)
    result = extract()
    assert (result.status, result.error) == (StepStatus.FAILED, "This is no zip file.")
    assert read_tree(data.path) == {"x.zip": content}


def test_a_zip_within_a_file_of_another_kind_is_read_from_its_end(
    data: Root, extract: Extract
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a", b"1")
    (data.path / "x.zip").write_bytes(b"\x89PNG\r\n" * 40 + buffer.getvalue())
    assert extract().status is StepStatus.DONE
    assert read_tree(data.path / "x") == {"a": b"1"}


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_a_link_in_the_archives_place_is_not_opened(
    data: Root, extract: Extract, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "outside.zip", "w") as file:
        file.writestr("a", b"1")
    (data.path / "x.zip").symlink_to(tmp_path / "outside.zip")
    assert extract().status is StepStatus.FAILED
    assert not (data.path / "x").exists()
