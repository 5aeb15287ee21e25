"""What PROPFIND tells of an entry, below HTTP: for any name, time and question it is XML."""

import errno
import xml.etree.ElementTree as ET
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsgidav.dav_error import DAVError

from filebrowser import errors
from filebrowser.dav.errors import translate_errors
from filebrowser.dav.files import empty_facts
from filebrowser.dav.properties import (
    MAX_NAMES_LENGTH,
    MAX_PROPERTIES,
    PROPERTIES,
    DiskSpace,
    PropfindEntry,
    read_propfind,
)
from filebrowser.dav.side_files import is_side_file
from filebrowser.dav.times import read_time
from filebrowser.file_times import MAX_SECONDS, SECOND
from filebrowser.uploads.errors import Busy, TooMany, TooManyInAll
from tests.filebrowser.dav.conftest import DAV


def make_entry(name: str = "a.txt", folder: bool = False, seconds: int = 0) -> PropfindEntry:
    disk = DiskSpace(5, 6) if folder else DiskSpace()
    return PropfindEntry(name, "/dav/x", folder, empty_facts(seconds * SECOND), True, disk)


def ask(body: str | None, one: PropfindEntry) -> dict[str, dict[str, ET.Element]]:
    """By status: the properties of one entry."""
    text = read_propfind(None if body is None else ET.fromstring(body)).format_response(one)
    top = ET.fromstring(f'<top xmlns:D="DAV:">{text}</top>')
    return {
        (each.findtext(f"{DAV}status") or "").split()[1]: {
            inner.tag: inner for inner in each.find(f"{DAV}prop") or ()
        }
        for each in top.iter(f"{DAV}propstat")
    }


@given(st.text(min_size=1, max_size=20))
def test_any_name_is_told_in_xml(name: str) -> None:
    shown = ask(None, make_entry(name))["200"][f"{DAV}displayname"].text
    assert shown is None or "\0" not in shown
    if name.isprintable():
        assert shown == name


@given(st.integers(0, MAX_SECONDS - 1))
def test_times_are_dates_of_http_and_of_the_internet(seconds: int) -> None:
    told = ask(None, make_entry(seconds=seconds))["200"]
    assert told[f"{DAV}getlastmodified"].text == formatdate(seconds, usegmt=True)
    assert read_time(told[f"{DAV}creationdate"].text or "") == seconds * SECOND


@pytest.mark.parametrize("seconds", [-(10**18), -1, 10**18])
def test_times_that_no_calendar_has_are_told_as_the_nearest(seconds: int) -> None:
    told = ask(None, make_entry(seconds=seconds))["200"]
    assert (told[f"{DAV}getlastmodified"].text or "").endswith("GMT")


def test_files_and_folders_have_properties_of_their_own() -> None:
    file, folder = (ask(None, make_entry(folder=is_folder))["200"] for is_folder in (False, True))
    only_file = {"getcontentlength", "getcontenttype", "getetag"}
    only_folder = {"quota-used-bytes", "quota-available-bytes"}
    assert {name.removeprefix(DAV) for name in file.keys() - folder.keys()} == only_file
    assert {name.removeprefix(DAV) for name in folder.keys() - file.keys()} == only_folder
    assert folder[f"{DAV}quota-available-bytes"].text == "6"
    assert [each.tag for each in folder[f"{DAV}resourcetype"]] == [f"{DAV}collection"]


def test_the_top_has_neither_times_nor_sizes() -> None:
    top = PropfindEntry("", "/dav/", True, None, False, DiskSpace())
    assert {name.removeprefix(DAV) for name in ask(None, top)["200"]} == {
        "resourcetype",
        "displayname",
    }


NAMESPACES = st.sampled_from(["DAV:", "urn:x", 'a"b<&>', "http://ü.example/?a=1&b=2"])
LOCALS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)


@given(st.lists(st.tuples(NAMESPACES, LOCALS), min_size=1, max_size=10))
def test_whatever_is_asked_for_is_found_or_missing(names: list[tuple[str, str]]) -> None:
    body = ET.Element(f"{DAV}propfind")
    prop = ET.SubElement(body, f"{DAV}prop")
    tags = {f"{{{namespace}}}{local}" for namespace, local in names}
    for tag in tags:
        ET.SubElement(prop, tag)
    told = ask(ET.tostring(body, encoding="unicode"), make_entry())
    found, missing = told.get("200", {}), told.get("404", {})
    assert found.keys() | missing.keys() == tags
    assert found.keys() <= PROPERTIES.keys()


def query(inner: str) -> str:
    return f'<propfind xmlns="DAV:">{inner}</propfind>'


def test_names_alone_and_all_that_there_is() -> None:
    names = ask(query("<propname/>"), make_entry())["200"]
    assert names.keys() == ask(query("<allprop/>"), make_entry())["200"].keys()
    assert {each.text for each in names.values()} == {None}
    more = ask(query('<allprop/><include><own xmlns="u"/></include>'), make_entry())
    assert "404" not in more  # nobody complains of what only might be there


def test_what_an_entry_lacks_alone_is_told_as_missing() -> None:
    assert ask(query("<prop><none/></prop>"), make_entry()).keys() == {"404"}
    assert ask(query("<prop/>"), make_entry()) == {"200": {}}


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<allprop/><propname/>",
        "<other/>",
        f"<prop>{''.join(f'<a{number}/>' for number in range(MAX_PROPERTIES + 1))}</prop>",
        f"<prop><{'a' * MAX_NAMES_LENGTH}/></prop>",
    ],
)
def test_questions_that_are_none(inner: str) -> None:
    with pytest.raises(DAVError) as refusal:
        read_propfind(ET.fromstring(query(inner)))
    assert refusal.value.value == 400


def test_a_property_that_is_asked_for_twice_is_told_once() -> None:
    told = ask(query("<prop>" + "<getetag/>" * (MAX_PROPERTIES + 1) + "</prop>"), make_entry())
    assert [*told["200"]] == [f"{DAV}getetag"]


STATUSES = [
    (errors.NotHere("x"), 404),
    (errors.NotAFile("x"), 403),
    (errors.NotAllowed("x"), 403),
    (errors.BadPath("x"), 400),
    (errors.BadTime("x"), 400),
    (errors.TooMuch("x"), 507),
    (errors.TooBig("x"), 413),
    (errors.WrongContent("x"), 415),
    (errors.NoRoom("x"), 507),
    (TooMany("x"), 503),
    (TooManyInAll("x"), 503),
    (errors.Taken("x"), 409),
    (Busy("x"), 409),
    (OSError(errno.ENOSPC, "x", "/srv/own/path"), 507),
    (OSError(errno.EDQUOT, "x"), 507),
    (OSError(errno.EEXIST, "x", "/srv/own/path"), 409),
    (OSError(errno.ENOTEMPTY, "x"), 409),
    (OSError(errno.EACCES, "x", "/srv/own/path"), 403),
    (OSError(errno.EROFS, "x"), 403),
    (OSError(errno.EIO, "x", "/srv/own/path"), 500),
    (OSError("x"), 500),
]


@pytest.mark.parametrize(("error", "status"), STATUSES)
def test_errors_are_told_by_their_status_and_without_our_paths(
    error: Exception, status: int
) -> None:
    with pytest.raises(DAVError) as refusal, translate_errors():
        raise error
    assert refusal.value.value == status
    assert refusal.value.context_info
    assert "/srv" not in refusal.value.context_info


def test_a_fault_of_ours_is_no_error_of_the_caller() -> None:
    with pytest.raises(ZeroDivisionError), translate_errors():
        raise ZeroDivisionError


@given(st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | st.text(max_size=30))
def test_a_time_is_in_range_or_a_conflict(text: float | str) -> None:
    try:
        time = read_time(str(text))
    except DAVError as error:
        status = error.value
    else:
        assert 0 <= time < MAX_SECONDS * SECOND
        return
    assert status == 409


@given(st.text(max_size=20), st.booleans())
def test_names_below_a_side_folder_are_side_files_whatever_their_case(
    name: str, upper: bool
) -> None:
    folder = "$Recycle.Bin"
    path = f"/data/{folder.upper() if upper else folder.lower()}/{name or 'x'}"
    assert is_side_file(path)
    assert not is_side_file(f"/data/models/{folder}.png")
