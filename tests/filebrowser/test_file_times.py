"""Times as clients write them, and in zips."""

import errno
import os
import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filebrowser.errors import BadTime
from filebrowser.file_times import (
    MAX_SECONDS,
    SECOND,
    copy_times,
    is_valid_time,
    parse_time,
    set_time,
    set_time_of_name,
)
from filebrowser.zip_times import EXTENDED, FIRST, LAST, NTFS, extra_fields, read_time, write_times

IN_2017 = 1_501_588_800  # 1 August, noon, UTC


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1501588800", IN_2017 * SECOND),
        ("1501588800.5", IN_2017 * SECOND + SECOND // 2),
        ("1501588800250", IN_2017 * SECOND + SECOND // 4),
        (" 1501588800000.125 ", IN_2017 * SECOND + 125_000),
        ("2017-08-01T12:00:00Z", IN_2017 * SECOND),
        ("2017-08-01T14:00:00.001+02:00", IN_2017 * SECOND + 1_000_000),
        ("2017-08-01 12:00:00", IN_2017 * SECOND),
        ("Tue, 01 Aug 2017 12:00:00 GMT", IN_2017 * SECOND),
        ("0", 0),
        ("1970-01-01T00:00:00.005Z", 5_000_000),
        (str(MAX_SECONDS - 1), (MAX_SECONDS - 1) * SECOND),
    ],
)
def test_times_that_count(text: str, nanoseconds: int) -> None:
    assert parse_time(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "NaN", "inf", "-1", "-1501588800000", "1e9", "0x10", "soon", "1_000", "١٢", "9" * 30),
        *(
            str(MAX_SECONDS),
            "253402300799",
            "253402300799000",
            "9999-12-31T23:59:59Z",
            "1969-12-31",
        ),
        *("0001-01-01T00:00:00+14:00", "Mon, 01 Jan 9999 00:00:00 GMT", "2017-13-01"),
    ],
)
def test_times_that_no_file_is_given(text: str) -> None:
    with pytest.raises(BadTime, match="is no time that a file can have"):
        parse_time(text)


@pytest.mark.parametrize(
    "seconds", [0, 1, 86_400 * 200, 315_532_800, IN_2017, 2**31 - 1, 2**31, MAX_SECONDS - 1]
)
def test_a_zip_keeps_times(seconds: int) -> None:
    moment, extra = write_times(seconds * SECOND + 999)
    assert read_time(moment, extra) == seconds * SECOND + (900 if seconds >= 2**31 else 0)
    local = time.localtime(seconds)[:6]
    assert moment == max(local, FIRST)
    assert dict(extra_fields(extra)).keys() == {EXTENDED if seconds < 2**31 else NTFS}


def test_times_that_a_zip_cannot_hold_are_the_nearest() -> None:
    for seconds, nearest in ((-(10**10), FIRST), (10**11, LAST), (2**62 // SECOND, LAST)):
        moment, extra = write_times(seconds * SECOND)
        assert moment == nearest
        assert len(extra) in (9, 36)


def test_a_zip_without_a_time_tells_none() -> None:
    for moment in ((1980, 0, 0, 0, 0, 0), (2017, 2, 31, 0, 0, 0), (2017, 15, 1, 31, 63, 62)):
        assert read_time(moment, b"") is None
    noon = (2017, 8, 1, 12, 0, 0)
    local = int(time.mktime((*noon, 0, 0, -1))) * SECOND
    assert read_time(noon, b"") == local
    before_1970 = struct.pack("<HHBl", EXTENDED, 5, 1, -5)
    accessed_alone = struct.pack("<HHBl", EXTENDED, 5, 2, 5)
    cut_off = struct.pack("<HHB", EXTENDED, 5, 1)
    for extra in (before_1970, accessed_alone, cut_off, b"UT"):
        assert read_time(noon, extra) == local


@given(st.integers(0, MAX_SECONDS - 1), st.integers(-12, 14))
def test_one_moment_is_the_same_however_it_is_written(seconds: int, hours: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    elsewhere = moment.isoformat()[:19]
    zone = f"{'-' if hours < 0 else '+'}{abs(hours):02}:00"
    shifted = (moment + timedelta(hours=hours)).replace(tzinfo=None).isoformat() + zone
    for text in (str(seconds), f"{seconds}.0", f"+{seconds}", moment.isoformat(), elsewhere):
        assert parse_time(text) == seconds * SECOND, text
    assert parse_time(shifted) == seconds * SECOND
    assert parse_time(format_datetime(moment, usegmt=True)) == seconds * SECOND
    if seconds * 1000 >= 253_402_300_800:
        assert parse_time(str(seconds * 1000)) == seconds * SECOND


@given(st.text(max_size=20) | st.from_regex(r"[0-9:TZ+. -]{1,25}"))
def test_any_text_is_a_time_that_a_file_can_have_or_refused(text: str) -> None:
    try:
        nanoseconds = parse_time(text)
    except BadTime:
        return
    assert is_valid_time(nanoseconds)


@given(st.integers(-(2**40), 2**40) | st.integers(0, 2**33))
def test_a_time_goes_through_a_zip_to_the_second_or_is_not_told(seconds: int) -> None:
    moment, extra = write_times(seconds * SECOND)
    read = read_time(moment, extra)
    if 0 <= seconds < MAX_SECONDS:
        assert read == seconds * SECOND
    else:
        assert read is None or is_valid_time(read)


@given(st.binary(max_size=40))
def test_no_extra_field_breaks_a_reader(extra: bytes) -> None:
    for kind, part in extra_fields(extra):
        assert struct.pack("<HH", kind, len(part)) + part in extra  # as long as it says
    told = read_time((2017, 8, 1, 12, 0, 0), extra)
    assert told is not None
    assert is_valid_time(told)


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine nine hours east of Greenwich."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_a_clients_time_without_a_zone_is_utc_and_a_zips_own_is_the_local_one() -> None:
    assert parse_time("2017-08-01 12:00:00") == IN_2017 * SECOND
    assert read_time((2017, 8, 1, 21, 0, 0), b"") == IN_2017 * SECOND
    moment, extra = write_times(IN_2017 * SECOND)
    assert moment == (2017, 8, 1, 21, 0, 0)
    assert read_time(moment, extra) == IN_2017 * SECOND


def test_the_most_exact_time_that_counts_is_taken() -> None:
    noon = (2017, 8, 1, 12, 0, 0)
    unix = struct.pack("<HHBl", EXTENDED, 5, 1, 1_000_000_001)
    ticks = 1_000_000_002 * 10**7 + 116_444_736_000_000_000
    windows = struct.pack("<HHLHHQQQ", NTFS, 32, 0, 1, 24, ticks, 0, 0)
    other = struct.pack("<HH3s", 0x7875, 3, b"uid")
    for extra, seconds in (
        (unix + windows, 1_000_000_001),
        (windows + unix, 1_000_000_001),
        (other + windows, 1_000_000_002),
        (windows[:-20], None),
    ):
        told = read_time(noon, extra)
        assert told == (seconds * SECOND if seconds else read_time(noon, b""))


def test_times_are_set_of_what_is_open_and_of_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    fd, folder = os.open(tmp_path / "a", os.O_RDONLY), os.open(tmp_path, os.O_RDONLY)
    try:
        set_time(fd, 5 * SECOND)
        set_time_of_name(folder, "link", 7 * SECOND)
        copy_times(folder, os.fstat(fd))
    finally:
        os.close(fd)
        os.close(folder)
    assert [(tmp_path / name).lstat().st_mtime for name in ("a", "link", ".")] == [5, 7, 5]
    assert (tmp_path / "a").stat().st_atime == 5


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL])
def test_a_bucket_that_keeps_no_times_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errors[0], "refused")

    errors = [number]
    monkeypatch.setattr(os, "utime", refuse)
    set_time(0, 5)
    set_time_of_name(0, "a", 5)
    errors[0] = errno.EIO
    for act in (lambda: set_time(0, 5), lambda: set_time_of_name(0, "a", 5)):
        with pytest.raises(OSError, match="refused"):
            act()
