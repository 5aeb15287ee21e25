"""The Destination header: every name travels through wsgidav unchanged; nothing leads elsewhere."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsgidav.dav_error import DAVError

from filebrowser.dav.destination import check_dots, read_destination, restore_signs

NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1
).filter(lambda name: name not in (".", ".."))
HOST = "files.example:8080"


def read(header: str) -> str:
    """The path that a handler gets in the end."""
    environ = {"HTTP_DESTINATION": header, "HTTP_HOST": HOST}
    return restore_signs(unquote(read_destination(environ)))


@given(NAMES, st.sampled_from(("", f"http://{HOST}", f"https://{HOST.upper()}", f"//{HOST}")))
def test_any_name_arrives_as_it_was_sent(name: str, origin: str) -> None:
    assert read(f"{origin}/dav/data/{quote(name)}") == f"/dav/data/{name}"


@given(NAMES)
def test_wsgidav_sees_no_sign_that_it_would_cut_off(name: str) -> None:
    environ = {"HTTP_DESTINATION": f"/dav/{quote(name)}", "HTTP_HOST": HOST}
    path = unquote(read_destination(environ))
    assert not {";", "?", "#"} & set(path)


@pytest.mark.parametrize(
    ("header", "status", "reason"),
    [
        ("http://other.example/dav/a", 502, "stay on this host"),
        ("http://files.example/dav/a", 502, "stay on this host"),
        ("/dav/a?b", 400, "%3F"),
        ("/dav/a#b", 400, "%23"),
        ("/dav/%ff", 400, "not in UTF-8"),
        ("/dav/a%00b", 400, "control characters"),
        ("/dav/a%0d%0ab", 400, "control characters"),
        ("/dav/a\tb", 400, "control characters"),
        ("/dav/../a", 400, "does not go up"),
        ("/dav/%2e%2e/a", 400, "does not go up"),
        ("/dav/./a", 400, "does not go up"),
        ("/dav/..%5ca", 400, "does not go up"),
        ("http://[::1/dav/a", 400, "is no URL"),
    ],
)
def test_what_is_refused(header: str, status: int, reason: str) -> None:
    with pytest.raises(DAVError, match=reason) as refusal:
        read(header)
    assert refusal.value.value == status


@pytest.mark.parametrize("path", ["/a/..b/c", "/a/b../c", "/...", "/a.b/.c"])
def test_dots_within_names_are_names(path: str) -> None:
    check_dots(path)
