"""Addresses and schemes that proxies name, and whom they are believed from."""

from typing import Any

import pytest

from webapp.access.forwarded import PEER, ForwardedMiddleware, is_in_networks, parse_networks

TRUSTED = ("10.0.0.0/8", "::1/128")


def through(peer: str, **headers: str) -> dict[str, Any]:
    """What the app sees of a request."""
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        return []

    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"}
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    ForwardedMiddleware(app, parse_networks(TRUSTED))(environ, None)
    return seen[0]


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),  # the first anybody may write
        ("10.0.0.1", "203.0.113.7, 10.1.1.1", "203.0.113.7"),  # two proxies of ours
        ("10.0.0.1", "10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7, nonsense", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("", "198.51.100.1", ""),
    ],
)
def test_whose_request_it_is(peer: str, chain: str, client: str) -> None:
    seen = through(peer, x_forwarded_for=chain)
    assert (seen["REMOTE_ADDR"], seen[PEER]) == (client, peer)


def test_a_scheme_is_believed_of_proxies_alone_and_others_lose_what_they_claim() -> None:
    assert through("10.0.0.1", x_forwarded_proto="https")["wsgi.url_scheme"] == "https"
    assert through("10.0.0.1", x_forwarded_proto="gopher")["wsgi.url_scheme"] == "http"
    seen = through("1.2.3.4", x_forwarded_proto="https", forwarded="for=x", x_real_ip="9.9.9.9")
    assert seen["wsgi.url_scheme"] == "http"
    assert not [name for name in seen if name.startswith("HTTP_")]


def test_no_address_lies_in_no_network() -> None:
    assert not is_in_networks("", parse_networks(TRUSTED))
    assert not is_in_networks("unix", parse_networks(TRUSTED))
    assert is_in_networks("::1%lo", parse_networks(TRUSTED))
    with pytest.raises(ValueError, match="host bits"):
        parse_networks(["10.0.0.1/8"])
