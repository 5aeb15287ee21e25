"""Who may share what, how long a link leads there, and what ends it."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from filebrowser.access.file_access import Right
from filebrowser.access.gate import Root
from filebrowser.errors import BadPath, NotAFile, NotAllowed, NotHere
from filebrowser.shares import actions
from filebrowser.shares.actions import find_share, list_shares, open_shared, revoke_share
from filebrowser.shares.store import ShareStore
from tests.descriptors import open_below
from tests.filebrowser.shares.conftest import Desk


def test_a_shared_file_is_read_through_its_link(desk: Desk) -> None:
    share = desk.share("/data/work/a.txt")
    assert (share.owner, share.path, share.folder) == ("ann", "data/work/a.txt", False)
    assert (share.made, share.expires, share.password) == (desk.now, None, None)
    assert desk.read(share) == b"letters"


def test_a_shared_folder_opens_with_everything_below_it(desk: Desk) -> None:
    share = desk.share("data/work/")
    assert share.folder
    assert desk.names(share) == ["a.txt", "sub"]
    assert desk.names(share, "sub") == ["b.txt"]
    assert desk.read(share, "/sub/b.txt") == b"more letters"


def test_no_two_links_have_one_name_and_none_can_be_guessed(desk: Desk) -> None:
    names = {desk.share("/data/work/a.txt").id for _ in range(20)}
    assert len(names) == 20
    assert min(map(len, names)) >= 21  # 128 bits


def test_a_link_ends_when_its_time_is_over_and_not_before(desk: Desk) -> None:
    share = desk.share("/data/work/a.txt", lifetime=60.0)
    desk.now += 59.9
    assert desk.read(share) == b"letters"
    desk.now += 0.1
    with pytest.raises(NotHere, match="no such share"):
        find_share(share.id, desk.store, desk.now)


def test_a_link_without_an_end_outlives_all_others(desk: Desk) -> None:
    share = desk.share("/data/work/a.txt")
    desk.now += 100 * 365 * 86400
    assert desk.read(share) == b"letters"


def test_time_is_the_machines_where_nobody_tells_another(desk: Desk) -> None:
    past = desk.share("/data/work/a.txt", lifetime=60.0)  # in 1970
    with pytest.raises(NotHere):
        find_share(past.id, desk.store)
    assert list_shares(desk.callers["ann"], desk.store) == ()


def test_owners_see_and_revoke_their_own_links_alone(desk: Desk) -> None:
    ann, bob = desk.callers["ann"], desk.callers["bob"]
    share = desk.share("/data/work/a.txt")
    assert list_shares(ann, desk.store, desk.now) == (share,)
    assert list_shares(bob, desk.store, desk.now) == ()
    with pytest.raises(NotHere, match="of yours"):
        revoke_share(bob, share.id, desk.store)
    revoke_share(ann, share.id, desk.store)
    with pytest.raises(NotHere, match="of yours"):
        revoke_share(ann, share.id, desk.store)
    with pytest.raises(NotHere):
        desk.read(share)


def test_links_are_listed_the_newest_first_without_those_that_are_over(desk: Desk) -> None:
    made = []
    for lifetime in (None, 5.0, 100.0):
        made.append(desk.share("/data/work/a.txt", lifetime=lifetime))
        desk.now += 3
    assert list_shares(desk.callers["ann"], desk.store, desk.now) == (made[2], made[0])


@pytest.mark.parametrize("missing", [Right.VIEW, Right.DOWNLOAD, Right.SHARE])
def test_nobody_shares_what_he_could_not_give_himself(desk: Desk, missing: Right) -> None:
    share = desk.share("/data/work/a.txt")
    ann = desk.callers["ann"]
    desk.callers["ann"] = replace(ann, rights=ann.rights - {missing})
    with pytest.raises(NotAllowed, match=missing.value):
        desk.share("/data/work/a.txt")
    with pytest.raises(NotHere, match="nothing here"):  # nor do his older links lead there
        desk.read(share)


def test_without_the_right_to_share_links_are_neither_listed_nor_revoked(desk: Desk) -> None:
    share = desk.share("/data/work/a.txt")
    viewer = replace(desk.callers["ann"], rights=frozenset({Right.VIEW}))
    with pytest.raises(NotAllowed):
        list_shares(viewer, desk.store)
    with pytest.raises(NotAllowed):
        revoke_share(viewer, share.id, desk.store)
    assert desk.read(share) == b"letters"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/data", NotAllowed),
        ("/", NotHere),
        ("/elsewhere/a.txt", NotHere),
        ("/data/work/none.txt", NotHere),
        ("/data/work/secret.txt", NotHere),
        ("/data/work/a.txt/inner", NotAFile),
        ("/data/work/link", NotAFile),
        ("/data/work/pipe", NotAFile),
        ("/data/" + "n/" * 80, BadPath),
    ],
)
def test_what_cannot_be_shared(desk: Desk, path: str, error: type[Exception]) -> None:
    (desk.folder / "work" / "secret.txt").write_bytes(b"hidden")
    (desk.folder / "work" / "link").symlink_to("a.txt")
    os.mkfifo(desk.folder / "work" / "pipe")
    with pytest.raises(error):
        desk.share(path)
    assert desk.store.shares_of("ann") == ()


def test_an_owner_has_so_many_links_and_those_that_are_over_count_for_none(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MAX_SHARES", 2)
    desk.share("/data/work/a.txt", lifetime=10.0)
    kept = desk.share("/data/work/a.txt")
    with pytest.raises(NotAllowed, match="2 links are there"):
        desk.share("/data/work/sub")
    desk.share("/data/work/sub", who="bob")
    desk.now += 10
    desk.share("/data/work/sub")
    revoke_share(desk.callers["ann"], kept.id, desk.store)
    desk.share("/data/work/a.txt")


Change = Callable[[Path], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda work: (work / "a.txt").unlink(),
        lambda work: (work / "a.txt").rename(work / "b.txt"),
        lambda work: ((work / "a.txt").unlink(), (work / "a.txt").write_bytes(b"another's")),
        lambda work: ((work / "b").write_bytes(b"other"), (work / "b").rename(work / "a.txt")),
        lambda work: ((work / "a.txt").unlink(), (work / "a.txt").mkdir()),
        lambda work: ((work / "a.txt").unlink(), (work / "a.txt").symlink_to("sub/b.txt")),
        lambda work: work.rename(work.with_name("moved")),
    ],
    ids=["deleted", "renamed", "made anew", "replaced", "a folder", "a link", "folder moved"],
)
def test_a_link_leads_to_the_very_file_that_was_shared_or_nowhere(
    desk: Desk, change: Change
) -> None:
    share = desk.share("/data/work/a.txt")
    change(desk.folder / "work")
    with pytest.raises(NotHere) as refusal:
        desk.read(share)
    assert str(refusal.value) == "There is nothing here."  # not a word about where it lies


def test_a_file_that_is_written_to_stays_shared(desk: Desk) -> None:
    share = desk.share("/data/work/a.txt")
    with (desk.folder / "work" / "a.txt").open("ab") as file:
        file.write(b" and digits")
    assert desk.read(share) == b"letters and digits"


def test_a_file_that_comes_back_to_its_name_is_shared_again(desk: Desk) -> None:
    share = desk.share("/data/work/a.txt")
    work = desk.folder / "work"
    (work / "a.txt").rename(work / "b.txt")
    with pytest.raises(NotHere):
        desk.read(share)
    (work / "b.txt").rename(work / "a.txt")
    assert desk.read(share) == b"letters"


@pytest.mark.parametrize(
    "inner", ["none", "../other.txt", "..", ".", "sub/../a.txt", "link", "a.txt/x", "secret", "\0"]
)
def test_visitors_of_a_folder_do_not_leave_it(desk: Desk, inner: str) -> None:
    work = desk.folder / "work"
    (desk.folder / "other.txt").write_bytes(b"not shared")
    (work / "secret").write_bytes(b"hidden")
    (work / "link").symlink_to("../other.txt")
    with pytest.raises((NotHere, BadPath)):
        desk.read(desk.share("/data/work"), inner)


def test_there_is_nothing_below_a_file(desk: Desk) -> None:
    share = desk.share("/data/work/a.txt")
    with pytest.raises(NotHere):
        desk.read(share, "sub/b.txt")
    assert desk.read(share, "/") == b"letters"  # a slash alone is the file itself


@pytest.mark.parametrize("left", ["the owner", "the tree"])
def test_a_link_ends_with_its_owner_and_his_tree(desk: Desk, left: str, tmp_path: Path) -> None:
    share = desk.share("/data/work")
    if left == "the owner":
        del desk.callers["ann"]
    else:
        others = (Root("other", tmp_path),)
        desk.callers["ann"] = replace(desk.callers["ann"], roots=others)
    with pytest.raises(NotHere):
        desk.read(share, "a.txt")


def test_a_visitor_who_finds_nothing_leaves_no_file_open(desk: Desk) -> None:
    share = desk.share("/data/work/a.txt")
    folder = desk.share("/data/work")
    replacement = desk.folder / "work" / "b"
    replacement.write_bytes(b"other")
    replacement.rename(desk.folder / "work" / "a.txt")
    before = open_below(desk.folder)
    for each, inner in ((share, ""), (folder, "none"), (folder, "sub/none")):
        with pytest.raises(NotHere):
            open_shared(each, inner, desk.callers.get)
    assert open_below(desk.folder) == before


def test_a_password_is_kept_as_a_hash_alone(desk: Desk, database: Path) -> None:
    share = desk.share("/data/work/a.txt", password="open, sesame")
    assert share.password is not None
    assert desk.passwords.verify_password(share.password, "open, sesame")
    assert not desk.passwords.verify_password(share.password, "open, barley")
    desk.store.close()
    files = [path.read_bytes() for path in database.parent.iterdir()]
    assert not [content for content in files if b"sesame" in content]


def test_an_empty_password_is_none(desk: Desk) -> None:
    assert desk.share("/data/work/a.txt", password="").password is None


def test_links_outlive_the_process_that_made_them(desk: Desk, database: Path) -> None:
    share = desk.share("/data/work/sub", password="word", lifetime=60.0)
    desk.store.close()
    desk.store = ShareStore(database)
    assert find_share(share.id, desk.store, desk.now) == share
    assert desk.names(share) == ["b.txt"]
