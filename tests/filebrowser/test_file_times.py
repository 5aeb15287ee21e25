"""Times as clients write them, and in zips."""

import struct
import time

import pytest

from filebrowser.errors import BadTime
from filebrowser.file_times import MAX_SECONDS, SECOND, parse_time
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
