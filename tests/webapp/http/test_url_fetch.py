"""Addresses that callers name: what is fetched, and what is never even contacted."""

import ipaddress
import socket
import time
from dataclasses import replace

import pytest

from tests.wait import MAX_POLLS, POLL_SECONDS, TIMEOUT
from tests.webapp.http.fetch_listener import Handler, answer, listen
from webapp.errors import Refused
from webapp.http.url_fetch import FetchRules, fetch, is_link, is_public

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)
HERE = FetchRules(allowed=LOOPBACK, seconds=TIMEOUT)


def redirect(target: str) -> Handler:
    return answer(b"", status="302 Found", more=f"Location: {target}\r\n")


def test_a_picture_is_fetched_from_an_allowed_network() -> None:
    with listen(answer(PNG)) as server:
        assert fetch(f"http://127.0.0.1:{server.port}/a.png?x=1#frag", "image_link", HERE) == PNG
    assert server.visits[0].startswith(b"GET /a.png?x=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}".encode() in server.visits[0]


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    with listen(answer(PNG)) as server:
        answers = iter([["127.0.0.1"], ["10.0.0.1"]])
        link = f"http://pictures.example:{server.port}/"
        assert fetch(link, "image_link", HERE, lambda host, port: next(answers)) == PNG
        with pytest.raises(Refused, match="not a public address"):
            fetch(link, "image_link", HERE, lambda host, port: next(answers))
    assert b"Host: pictures.example" in server.visits[0]
    assert len(server.visits) == 1


LOCAL = (
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "https://127.0.0.1:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
)


@pytest.mark.parametrize("link", LOCAL)
def test_loopback_is_refused_in_every_spelling_and_never_contacted(link: str) -> None:
    with listen(answer(PNG)) as server, pytest.raises(Refused, match=r"^image_link: "):
        fetch(link.format(port=server.port), "image_link", FetchRules(seconds=TIMEOUT))
    assert server.visits == []


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("127.0.0.53", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:a00:1::1"),
        *("2001::1", "2001:db8::1", "not an address", ""),
    ],
)
def test_only_public_addresses_are_public(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(Refused, match="not a public address"):
        fetch("http://x.example/", "mask", FetchRules(), lambda host, port: [address])


def test_public_addresses_are_public() -> None:
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1::1")


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(Refused):
        fetch("http://x.example/", "mask", FetchRules(), lambda h, p: ["93.184.216.34", "10.0.0.1"])


@pytest.mark.parametrize(
    "link",
    [
        *("file:///etc/passwd", "ftp://x.example/a", "data:image/png;base64,AAAA", "gopher://x/"),
        *("http://", "http:///a", "http://[::1", "http://x:99999/", "http://x.example:abc/", "a"),
        "http://" + "x" * 9000,
    ],
)
def test_other_schemes_and_rubbish_are_refused(link: str) -> None:
    with pytest.raises(Refused, match=r"^image_link: "):
        fetch(link, "image_link", HERE, lambda host, port: ["127.0.0.1"])


def test_every_hop_of_a_redirect_is_checked() -> None:
    with listen(answer(PNG), "127.0.0.2") as hidden:
        targets = (f"http://127.0.0.2:{hidden.port}/", "file:///etc/passwd", "//10.0.0.1/a")
        for target in targets:
            with listen(redirect(target)) as server, pytest.raises(Refused):
                fetch(f"http://127.0.0.1:{server.port}/", "image_link", HERE)
            assert len(server.visits) == 1
    assert hidden.visits == []


def test_redirects_to_allowed_places_are_followed_but_not_for_ever() -> None:
    with (
        listen(answer(PNG)) as server,
        listen(redirect(f"http://127.0.0.1:{server.port}/b")) as first,
    ):
        assert fetch(f"http://127.0.0.1:{first.port}/a", "image_link", HERE) == PNG
    with listen(redirect("/again")) as loop, pytest.raises(Refused, match="redirects"):
        fetch(f"http://127.0.0.1:{loop.port}/", "image_link", HERE)
    assert len(loop.visits) == 6


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (answer(b"<html>", "text/html"), "no picture"),
        (answer(b"", status="404 Not Found"), "answered 404"),
        (answer(b"\x1f\x8b", more="Content-Encoding: gzip\r\n"), "compressed"),
        (answer(PNG * 3), "at most"),
        (lambda caller: caller.sendall(b"rubbish\r\n\r\n"), "did not answer"),
        (lambda caller: caller.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + PNG * 3), "more than"),
    ],
)
def test_what_is_no_picture_is_refused(handler: Handler, words: str) -> None:
    with listen(handler) as server, pytest.raises(Refused, match=words):
        fetch(f"http://127.0.0.1:{server.port}/", "image_link", replace(HERE, most_bytes=200))


@pytest.mark.parametrize("dripping", ["head", "body"])
def test_a_sender_that_drips_is_cut_off_in_time(dripping: str) -> None:
    def drip(caller: socket.socket) -> None:
        caller.sendall(b"HTTP/1.1 200 OK\r\n")
        if dripping == "body":
            caller.sendall(b"Content-Type: image/png\r\n\r\n")
        for _ in range(MAX_POLLS):
            dripped.append(caller.sendall(b"x"))
            time.sleep(POLL_SECONDS)

    dripped: list[None] = []
    with listen(drip) as server, pytest.raises(Refused, match="within"):
        fetch(f"http://127.0.0.1:{server.port}/", "image_link", replace(HERE, seconds=0.4))
    assert len(dripped) < MAX_POLLS / 2  # the fetcher hung up long before the end


def test_fetching_can_be_turned_off() -> None:
    with pytest.raises(Refused, match="--no-image-links"):
        fetch("http://93.184.216.34/", "image_link", FetchRules(enabled=False))


def test_what_an_address_looks_like() -> None:
    assert is_link("https://a.example/x.png")
    assert is_link("HTTP://a")
    assert not is_link("aHR0cDovLw==")
    assert not is_link("data:image/png;base64,AA")
