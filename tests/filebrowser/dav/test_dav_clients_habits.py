"""Habits of WebDAV's clients: their odd times, and the files that desktops lay beside one's own."""

import pytest
from wsgidav.dav_error import DAVError

from filebrowser.dav.side_files import is_owner_file, is_side_file
from filebrowser.dav.times import read_time
from filebrowser.file_times import MAX_SECONDS, SECOND

LATEST = (MAX_SECONDS - 1) * SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Tue, 01 Aug 2017 12:00:00 GMT", 1_501_588_800),
        ("2017-08-01T12:00:00Z", 1_501_588_800),
        ("1501588800", 1_501_588_800),
        ("0", 0),
    ],
)
def test_times_that_clients_set(text: str, seconds: int) -> None:
    assert read_time(text) == seconds * SECOND


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("-5", 0),
        ("Thu, 01 Jan 1601 00:00:00 GMT", 0),  # what Windows sends for no time
        ("99999999999", LATEST),
        ("Mon, 01 Jan 9999 00:00:00 GMT", LATEST),
    ],
)
def test_a_time_out_of_range_fails_no_copy(text: str, nearest: int) -> None:
    assert read_time(text) == nearest


@pytest.mark.parametrize("text", ["", "yesterday", "nan", "2017-13-45", "1e5e5", "inf inf"])
def test_what_is_no_time_is_a_conflict(text: str) -> None:
    with pytest.raises(DAVError) as refusal:
        read_time(text)
    assert refusal.value.value == 409


@pytest.mark.parametrize(
    "path",
    ["/data/.DS_Store", "/data/._a.png", "Thumbs.db", "/data/DESKTOP.INI", "/.Trashes/501/a.png",
     "/data/.Spotlight-V100", "/$RECYCLE.BIN/a", "/System Volume Information/x"],
)  # fmt: skip
def test_side_files_of_desktops(path: str) -> None:
    assert is_side_file(path)


@pytest.mark.parametrize(
    "path", ["/data/a.png", "/data/DS_Store", "/data/.hidden", "/data/trashes/a", "/a/_.png", "/"]
)
def test_files_of_users(path: str) -> None:
    assert not is_side_file(path)


@pytest.mark.parametrize(
    ("name", "is_owner"),
    [("~$letter.docx", True), (".~lock.letter.odt#", True), ("~$", False), (".~lock.#", False),
     ("letter.docx", False), ("a~$letter.docx", False), (".~lock.letter.odt", False)],
)  # fmt: skip
def test_owner_files_of_offices(name: str, is_owner: bool) -> None:
    assert is_owner_file(name) is is_owner
