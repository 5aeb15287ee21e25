"""What may be done at a place: hidden, read-only and fixed names, and folders that are made."""

import os
import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filebrowser.access.file_access import ALL_RIGHTS, FileAccess, Right, check_rights
from filebrowser.access.gate import (
    UMASK_VARIABLE,
    Place,
    Root,
    hidden_name_matcher,
    is_inside,
    make_folders,
    open_own_folder,
    open_parent,
    open_parent_to_read,
    open_place,
    parse_path,
    set_mode,
    split_path,
    stat_place,
)
from filebrowser.errors import BadPath, FileError, NotAFile, NotAllowed, NotHere
from filebrowser.names import check_name, decode_shown_name, encode_name

NAMES = st.sampled_from(("a", "A", "ab", "b", ".x", "keys1", "Keys2", "a.txt"))
PATHS = st.lists(NAMES, max_size=3).map(tuple)
PATTERNS = st.frozensets(
    st.sampled_from(("a", ".x", "a/b", "keys*", "a/keys*", "b/?b", "[ab]/a.txt", "ab/b/a")),
    max_size=3,
)


def matches(names: tuple[str, ...], pattern: str) -> bool:
    parts = pattern.split("/")
    return len(names) == len(parts) and all(
        fnmatchcase(name.casefold(), part) for name, part in zip(names, parts, strict=True)
    )


def prefixes(names: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    return (names[:depth] for depth in range(1, len(names) + 1))


def within(names: tuple[str, ...], patterns: frozenset[str]) -> bool:
    """Whether the place, or one above it, is what a pattern means."""
    return any(matches(each, pattern) for each in prefixes(names) for pattern in patterns)


def leads_to(names: tuple[str, ...], patterns: frozenset[str]) -> bool:
    """Whether what a pattern means may lie below the place."""
    heads = ("/".join(p.split("/")[: len(names)]) for p in patterns if p.count("/") >= len(names))
    return any(matches(names, head) for head in heads) if names else bool(patterns)


@given(names=PATHS, hidden=PATTERNS, sealed=PATTERNS, fixed=PATTERNS, writable=st.booleans())
def test_a_place_allows_what_its_patterns_leave(
    names: tuple[str, ...],
    hidden: frozenset[str],
    sealed: frozenset[str],
    fixed: frozenset[str],
    writable: bool,
) -> None:
    root = Root("data", Path("/nowhere"), writable, hidden, sealed, fixed)
    path = "/".join(("data", *names))
    if within(names, hidden):
        with pytest.raises(NotHere):
            parse_path(path, [root])
        return
    place = parse_path(path, [root])
    creatable = (
        bool(names)
        and writable
        and not within(names, sealed)
        and not leads_to(names, hidden | sealed)
    )
    assert place.is_creatable is creatable
    stays = leads_to(names, fixed) or any(matches(names, each) for each in fixed)
    assert place.writable is (creatable and not stays)


@given(names=PATHS, name=NAMES, hidden=PATTERNS)
def test_a_listing_hides_just_what_the_gate_does(
    names: tuple[str, ...], name: str, hidden: frozenset[str]
) -> None:
    root = Root("data", Path("/nowhere"), hidden=hidden)
    if within(names, hidden):
        return
    is_hidden = bool(hidden_name_matcher(Place(root, names))(name))
    try:
        parse_path("/".join(("data", *names, name)), [root])
    except NotHere:
        assert is_hidden
    else:
        assert not is_hidden


@given(st.binary(min_size=1, max_size=30))
def test_each_name_of_a_disk_has_one_way_to_be_asked_for(raw: bytes) -> None:
    raw = raw.replace(b"/", b"_").replace(b"\0", b"_")
    name = os.fsdecode(raw)
    if name in (".", ".."):
        return
    shown = encode_name(name)
    assert decode_shown_name(shown) == name
    assert "/" not in shown
    assert not {"Cc", "Cs"} & set(map(unicodedata.category, shown))
    place = parse_path(f"data/{shown}", [Root("data", Path("/nowhere"))])
    assert place.names == (name,)
    assert place.text == f"data/{shown}"


@given(st.text(max_size=30))
def test_a_path_is_split_into_names_that_may_be_given_or_refused(path: str) -> None:
    try:
        names = split_path(path)
    except BadPath:
        return
    assert "/".join(names) == "/".join(filter(None, path.split("/")))
    for name in names:
        check_name(name)


def test_folders_are_made_on_the_way_and_nothing_is_followed(data: Root, tmp_path: Path) -> None:
    make_folders(Place(data, ("a", "b", "c")), 0o755)
    make_folders(Place(data, ("a", "b")))
    assert (data.path / "a" / "b" / "c").is_dir()
    (data.path / "link").symlink_to(tmp_path)
    (data.path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(NotAFile):
            make_folders(Place(data, (name, "new")))
        with pytest.raises(NotAFile):
            make_folders(Place(data, (name,)))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (("code", "new"), NotAllowed),
        (("a", "CON"), BadPath),
        (("a", "b:c"), BadPath),
        (("trailing ",), BadPath),
    ],
)
def test_folders_that_may_not_be_are_not_made(
    data: Root, names: tuple[str, ...], error: type[FileError]
) -> None:
    root = replace(data, sealed=frozenset({"code"}))
    with pytest.raises(error):
        make_folders(Place(root, names))
    assert not Path(data.path, *names).exists()


def test_a_fixed_folder_is_made_again_and_is_not_moved(data: Root) -> None:
    root = replace(data, fixed=frozenset({"models/Lora"}))
    make_folders(Place(root, ("models", "Lora", "mine")))
    for names in (("models",), ("models", "Lora")):
        with (
            pytest.raises(NotAllowed, match="the service needs it"),
            open_parent(Place(root, names)),
        ):
            pass
    with open_parent(Place(root, ("models", "Lora", "mine"))) as (_, name):
        assert name == "mine"


@pytest.mark.parametrize(
    ("umask", "mode", "result"), [("022", 0o666, 0o644), ("077", 0o755, 0o700), ("0", 0o777, 0o777)]
)
def test_new_things_have_their_mode_less_the_services_umask(
    data: Root, monkeypatch: pytest.MonkeyPatch, umask: str, mode: int, result: int
) -> None:
    monkeypatch.setenv(UMASK_VARIABLE, umask)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    os.close(open_place(Place(data, ("a",)), flags, mode))
    assert stat.S_IMODE((data.path / "a").stat().st_mode) == result
    make_folders(Place(data, ("set",)), mode)
    assert stat.S_IMODE((data.path / "set").stat().st_mode) == result


def test_a_file_system_without_modes_is_no_failure(
    data: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno_of[0], "")

    errno_of = [1]
    monkeypatch.setattr(os, "fchmod", refuse)
    set_mode(0, 0o600)
    errno_of[0] = 5
    with pytest.raises(OSError, match="5"):
        set_mode(0, 0o600)


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_the_services_own_folder_is_made_private_and_kept_so(data: Root, tmp_path: Path) -> None:
    for _ in range(2):
        with open_own_folder(data, ".uploads") as folder:
            assert os.listdir(folder) == []
        (data.path / ".uploads").chmod(0o755)
    with open_own_folder(data, ".uploads"):
        assert stat.S_IMODE((data.path / ".uploads").stat().st_mode) == 0o700
    for root, name in ((data, "shown"), (replace(data, writable=False), ".uploads")):
        with pytest.raises(NotAllowed), open_own_folder(root, name):
            pass
    (data.path / ".trash").symlink_to(tmp_path)
    with pytest.raises(NotAFile), open_own_folder(data, ".trash"):
        pass


def test_a_folder_is_inside_itself_and_those_above_it(data: Root) -> None:
    make_folders(Place(data, ("a", "b")))
    make_folders(Place(data, ("c",)))
    ids = {}
    for name in ("a", "a/b", "c"):
        facts = (data.path / name).stat()
        ids[name] = (facts.st_dev, facts.st_ino)
    inner = os.open(data.path / "a" / "b", os.O_RDONLY)
    try:
        assert [is_inside(inner, ids[name]) for name in ("a/b", "a", "c")] == [True, True, False]
    finally:
        os.close(inner)


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_a_root_that_is_gone_is_not_here_and_one_is_no_entry_of_another(data: Root) -> None:
    gone = Root("gone", data.path / "gone")
    for act in (stat_place, lambda place: open_parent_to_read(place).__enter__()):
        with pytest.raises(NotHere):
            act(Place(gone, ("a",)))
    with pytest.raises(NotAllowed, match="whole tree"), open_parent_to_read(Place(data, ())):
        pass


@pytest.mark.parametrize("number", [13, 1, 30])
def test_what_the_system_forbids_inside_is_said_as_that(data: Root, number: int) -> None:
    def change() -> None:
        with open_parent(Place(data, ("a",))):
            raise OSError(number, "")

    with pytest.raises(NotAllowed, match="The system does not let 'data/a' be changed"):
        change()


@given(st.frozensets(st.sampled_from(Right)), st.frozensets(st.sampled_from(Right)))
def test_just_the_missing_rights_are_named(have: frozenset[Right], need: frozenset[Right]) -> None:
    access = FileAccess("ann", (), have)
    if need <= have:
        check_rights(access, need)
        check_rights(replace(access, rights=ALL_RIGHTS), need)
        return
    with pytest.raises(NotAllowed) as refusal:
        check_rights(access, need)
    named = str(refusal.value).partition("right to ")[2].rstrip(".").split(", ")
    assert named == sorted(need - have)
