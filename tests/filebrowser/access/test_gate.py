"""The gate: what opens, and the many ways in which nothing does."""

import os
import socket
import threading
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from filebrowser.access import gate
from filebrowser.access.gate import (
    UNICODE_FORMS,
    Place,
    Root,
    find_place,
    open_file,
    open_parent,
    open_place,
    parse_path,
)
from filebrowser.errors import BadPath, NotAFile, NotAllowed, NotHere
from tests.descriptors import open_below

Open = Callable[[int, Sequence[str], int, int], int]


@pytest.fixture(params=["kernel", "walking"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both roads; the second as on a kernel without openat2."""
    if request.param == "walking":

        def absent(root: int, names: Sequence[str], flags: int, mode: int) -> int:
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(gate, "open_by_kernel", absent)
    return str(request.param)


@pytest.fixture
def tree(tmp_path: Path) -> Root:
    """A root ``data`` beside which lies what nobody may reach."""
    inside = tmp_path / "data"
    (inside / "outputs" / "day").mkdir(parents=True)
    (inside / "outputs" / "day" / "a.png").write_bytes(b"inside")
    (inside / ".easel").mkdir()
    (inside / ".easel" / "token").write_text("secret")
    (inside / "extensions").mkdir()
    (tmp_path / "data2").mkdir()
    (tmp_path / "data2" / "b.png").write_bytes(b"outside")
    (tmp_path / "secret").write_bytes(b"outside")
    return Root("data", inside, hidden=frozenset({".easel"}), sealed=frozenset({"extensions"}))


def read(place: Place) -> bytes:
    found = open_place(place)
    with os.fdopen(found, "rb") as file:
        return file.read()


def test_a_folder_is_no_file_and_costs_no_descriptor(tree: Root) -> None:
    before = open_below(tree.path)
    with (
        pytest.raises(NotAFile, match="is a folder"),
        open_file(parse_path("data/outputs", [tree])),
    ):
        pass
    with open_file(parse_path("data/outputs/day/a.png", [tree])) as file:
        assert file.read() == b"inside"
    assert open_below(tree.path) == before


def test_a_file_is_read_by_either_road(tree: Root, road: str) -> None:
    assert read(parse_path("data/outputs/day/a.png", [tree])) == b"inside"
    assert read(parse_path("//data//outputs/day//a.png/", [tree])) == b"inside"


def test_directories_open_too_and_the_root_itself(tree: Root, road: str) -> None:
    for path, held in (("data", "outputs"), ("data/outputs", "day")):
        found = open_place(parse_path(path, [tree]))
        try:
            assert held in os.listdir(found)
        finally:
            os.close(found)


@pytest.mark.parametrize(
    "name",
    [
        *("..", ".", "．．", "a\\b", "a\0b", "a\nb", "\x7f", "C:", "a:b", "con", "NUL.txt", "lpt1"),
        *("a.", "a ", "x" * 256, "ü" * 128, "\ud800"),
    ],
)
def test_names_that_nothing_should_have(name: str, tree: Root) -> None:
    for path in (f"data/{name}", f"data/{name}/a.png", f"data/outputs/{name}"):
        with pytest.raises(BadPath):
            parse_path(path, [tree])


@pytest.mark.parametrize(
    "path",
    [
        *("data/../secret", "data/outputs/../../secret", "../secret", "data/..", "file:///etc"),
        "data/" + "a/" * 64 + "a",
        "data/" + "x" * 5000,
    ],
)
def test_paths_that_lead_elsewhere(path: str, tree: Root) -> None:
    with pytest.raises(BadPath):
        parse_path(path, [tree])


@pytest.mark.parametrize(
    "path", ["", "/", "data2/b.png", "dat/outputs", "/etc/passwd", "DATA/x", "%2e%2e/secret"]
)
def test_unknown_roots_do_not_exist(path: str, tree: Root) -> None:
    with pytest.raises(NotHere):
        parse_path(path, [tree])


@pytest.mark.parametrize("name", [".easel", ".EASEL", ".Easel"])
def test_hidden_names_do_not_exist_in_any_case(name: str, tree: Root) -> None:
    with pytest.raises(NotHere):
        parse_path(f"data/{name}/token", [tree])


def test_a_missing_file_is_not_here(tree: Root, road: str) -> None:
    with pytest.raises(NotHere):
        open_place(parse_path("data/outputs/none.png", [tree]))


@pytest.mark.parametrize("target", ["../secret", "/etc/hostname", "outputs/day/a.png", "nowhere"])
def test_links_are_never_followed(target: str, tree: Root, road: str) -> None:
    (tree.path / "link").symlink_to(target)
    with pytest.raises(NotAFile):
        open_place(parse_path("data/link", [tree]))
    with pytest.raises(NotAFile):
        open_place(parse_path("data/link", [tree]), os.O_WRONLY | os.O_CREAT)
    assert not (tree.path / "nowhere").exists()


@pytest.mark.parametrize("target", ["..", "outputs", "/"])
def test_a_link_on_the_way_is_refused(target: str, tree: Root, road: str) -> None:
    (tree.path / "way").symlink_to(target)
    for path in ("data/way/secret", "data/way/day/a.png", "data/way/data2/b.png"):
        with pytest.raises(NotAFile):
            open_place(parse_path(path, [tree]))
    with pytest.raises(NotAFile), open_parent(parse_path("data/way/new.png", [tree])):
        pass


def test_the_root_may_be_a_link_of_its_owner(tree: Root, tmp_path: Path, road: str) -> None:
    (tmp_path / "alias").symlink_to(tree.path)
    root = Root("data", tmp_path / "alias")
    assert read(parse_path("data/outputs/day/a.png", [root])) == b"inside"


def test_pipes_sockets_and_devices_are_refused_at_once(tree: Root, road: str) -> None:
    os.mkfifo(tree.path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree.path / "socket"))
        for name in ("pipe", "socket"):
            for flags in (os.O_RDONLY, os.O_WRONLY):
                with pytest.raises(NotAFile):
                    open_place(parse_path(f"data/{name}", [tree]), flags)


def test_what_is_read_only_stays_as_it_is(tree: Root, road: str) -> None:
    shared = Root("shared", tree.path, writable=False)
    for place in (
        parse_path("shared/outputs/day/a.png", [shared]),
        parse_path("data/extensions/evil.py", [tree]),
        parse_path("data/EXTENSIONS/evil.py", [tree]),
        parse_path("data", [tree]),
    ):
        with pytest.raises(NotAllowed):
            open_place(place, os.O_RDWR | os.O_CREAT)
        with pytest.raises(NotAllowed), open_parent(place):
            pass
    assert list((tree.path / "extensions").iterdir()) == []


def test_new_files_are_made_for_their_owner_alone(tree: Root, road: str) -> None:
    os.close(
        open_place(parse_path("data/outputs/new", [tree]), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    )
    assert (tree.path / "outputs" / "new").stat().st_mode & 0o777 == 0o600


def test_verbs_get_the_parent_and_a_name(tree: Root, road: str) -> None:
    with open_parent(parse_path("data/outputs/day/a.png", [tree])) as (folder, name):
        os.rename(name, "b.png", src_dir_fd=folder, dst_dir_fd=folder)
    assert (tree.path / "outputs" / "day" / "b.png").read_bytes() == b"inside"


def test_no_descriptor_is_left_open(tree: Root, road: str) -> None:
    (tree.path / "link").symlink_to("..")
    before = open_below(tree.path.parent)
    for path in ("data/outputs/day/a.png", "data/link/x", "data/none/x", "data/outputs/none"):
        try:
            os.close(open_place(parse_path(path, [tree])))
        except (NotAFile, NotHere):
            continue
    assert open_below(tree.path.parent) == before


def test_a_link_swapped_in_at_any_moment_never_leads_out(tree: Root, road: str) -> None:
    """Checklist 13: a directory and a link to the outside trade places all the time."""
    (tree.path / "real").mkdir()
    (tree.path / "real" / "secret").write_bytes(b"inside")
    (tree.path / "evil").symlink_to("..")
    stopped = threading.Event()

    def swap() -> None:
        while not stopped.is_set():
            os.rename(tree.path / "real", tree.path / "aside")
            os.rename(tree.path / "evil", tree.path / "real")
            os.rename(tree.path / "real", tree.path / "evil")
            os.rename(tree.path / "aside", tree.path / "real")

    swapper = threading.Thread(target=swap)
    swapper.start()
    place, seen = parse_path("data/real/secret", [tree]), set()
    try:
        for _ in range(10_000):
            try:
                seen.add(read(place))
            except (NotAFile, NotHere) as error:
                seen.add(type(error).__name__.encode())
    finally:
        stopped.set()
        swapper.join()
    assert b"outside" not in seen
    assert b"inside" in seen


def test_a_hidden_name_is_hidden_in_both_forms(tmp_path: Path) -> None:
    for form, other_form in (UNICODE_FORMS, UNICODE_FORMS[::-1]):
        here = tmp_path / form
        here.mkdir()
        kept, other = (unicodedata.normalize(each, "clé.pem") for each in (form, other_form))
        (here / kept).write_text("secret")
        root = Root("data", here, hidden=frozenset({kept}))
        for asked in (kept, other):
            with pytest.raises(NotHere):
                open_place(find_place(f"data/{asked}", [root]))
        assert find_place(f"data/{other}", [Root("data", here)]).names == (kept,)
        assert find_place("data/né", [Root("data", here)]).names == ("né",)
    (tmp_path / "linké").symlink_to("/etc/passwd")
    asked = unicodedata.normalize("NFD", "linké")
    place = find_place(f"data/{asked}", [Root("data", tmp_path)])
    with pytest.raises(NotAFile):
        open_place(place)
