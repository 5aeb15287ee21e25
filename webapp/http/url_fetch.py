"""Fetches pictures from URLs that a caller names, safe against SSRF.

Every hop is resolved once, every address of the answer must be public (or lie in a network of
``--allow-fetch-from``), and the connection goes to the address that was checked, so that DNS
rebinding gains nothing. Contract section 1.4; the vendor's ``image_link``.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

from webapp.errors import Refused

if TYPE_CHECKING:
    from webapp.settings.config import Config

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
T = TypeVar("T")

MAX_URL_LENGTH = 8192  # characters
MAX_REDIRECTS = 5
CHUNK_BYTES = 65536  # bytes read at once
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}
PICTURE_TYPES = ("image/", "application/octet-stream", "binary/octet-stream")
"""Object stores send pictures as octet streams; whether it is one is seen when it is decoded."""

TRANSLATION_NETWORKS = tuple(
    ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")
)
"""IPv6 networks that lead to IPv4 ones (NAT64, 6to4): what lies behind cannot be judged."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched. ``allowed`` networks are reached though they are not public."""

    enabled: bool = True  # False under --no-image-links
    allowed: tuple[Network, ...] = ()  # --allow-fetch-from
    most_bytes: int = 20 * 1024 * 1024
    seconds: float = 10.0  # for the whole fetch, all hops together


def fetch_rules(config: "Config") -> FetchRules:
    """What the flags let be fetched."""
    allowed = tuple(ipaddress.ip_network(text) for text in config.allow_fetch_from)
    return FetchRules(config.image_links, allowed)


def is_link(text: str) -> bool:
    """Whether a picture field holds an address rather than a picture."""
    return text[:8].lower().startswith(("http://", "https://"))


def addresses_of(host: str, port: int) -> Sequence[str]:
    """The addresses behind a name, as the system resolves it; odd spellings of numbers too."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in infos))


def fetch(url: str, field: str, rules: FetchRules, resolve: Resolve = addresses_of) -> bytes:
    """The bytes behind ``url``, which the request gave as ``field``.

    Raises ``Refused`` (422) naming the field for everything that is not a picture at a public
    http(s) address, too long, or too slow.
    """
    if not rules.enabled:
        raise Refused(
            f"{field}: fetching pictures by address is turned off (--no-image-links).",
            "address_refused",
        )
    attempt = PictureFetch(field, rules, resolve, time.monotonic() + rules.seconds)
    for _ in range(MAX_REDIRECTS + 1):
        outcome = attempt.get(url)
        if isinstance(outcome, bytes):
            return outcome
        url = urljoin(url, outcome)
    raise Refused(f"{field}: more than {MAX_REDIRECTS} redirects.", "address_refused")


def is_public(text: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether an address may be connected to."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:  # an IPv6 address with a zone is never public
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in network for network in allowed if network.version == address.version):
        return True
    if any(
        address in network for network in TRANSLATION_NETWORKS if network.version == address.version
    ):
        return False
    return address.is_global and not address.is_multicast


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """One request with its deadline. ``noun``: what is expected, "" for any answer at all."""

    field: str
    rules: FetchRules
    resolve: Resolve
    deadline: float  # time.monotonic()
    noun: str = "picture"

    def locate(self, url: str) -> tuple[SplitResult, int, str]:
        """Parts, port and checked address of one hop. Raises ``Refused``."""
        parts, port = self._parse_url(url)
        return parts, port, self._resolve_address(parts.hostname or "", port)

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        read: Callable[[http.client.HTTPConnection], T],
    ) -> T:
        """Ask one hop, and what ``read`` makes of its answer. Raises ``Refused``."""
        parts, port, address = self.locate(url)
        host = parts.hostname or ""
        connection = _open_pinned(parts.scheme, host, port, address, self._seconds_left())
        try:
            with _shut_down_after(connection, self._seconds_left()):
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request(method, path, body, dict(headers))
                return read(connection)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._seconds_left()
            expected = f" with a {self.noun}" if self.noun else ""
            raise self._error(
                f"{host} did not answer{expected} ({type(error).__name__})"
            ) from error
        finally:
            connection.close()

    def _parse_url(self, url: str) -> tuple[SplitResult, int]:
        if len(url) > MAX_URL_LENGTH:
            raise self._error(f"an address of {len(url)} characters; at most {MAX_URL_LENGTH}")
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise self._error("that is not an address") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise self._error("only http:// and https:// addresses are fetched")
        if parts.username is not None or parts.password is not None:
            raise self._error("an address with a user name in it is not fetched")
        return parts, port

    def _resolve_address(self, host: str, port: int) -> str:
        """One address of ``host``, all of which are allowed."""
        try:
            addresses = self.resolve(host, port)
        except (OSError, UnicodeError):
            raise self._error(f"the name {host!r} cannot be resolved") from None
        if not addresses or not all(is_public(a, self.rules.allowed) for a in addresses):
            # Which address it is stays untold: a stranger could map the network with it.
            raise self._error(
                f"{host!r} is not a public address; --allow-fetch-from lets networks in"
            )
        return addresses[0]

    def _seconds_left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self._error(
                f"no {self.noun or 'answer'} came within {self.rules.seconds:.0f} seconds"
            )
        return left

    def _error(self, what: str) -> Refused:
        return Refused(f"{self.field}: {what}.", "address_refused")


@dataclass(frozen=True, slots=True)
class PictureFetch(CheckedRequest):
    """A request for a picture."""

    def get(self, url: str) -> bytes | str:
        """The picture behind one hop, or the address that it points on to."""
        return self.exchange("GET", url, HEADERS, None, self._read_answer)

    def _read_answer(self, connection: http.client.HTTPConnection) -> bytes | str:
        answer = connection.getresponse()
        if answer.status in REDIRECTS and answer.headers.get("Location"):
            return str(answer.headers["Location"])
        if answer.status != 200:
            raise self._error(f"the address answered {answer.status}")
        kind = answer.headers.get("Content-Type", "application/octet-stream").strip().lower()
        if not kind.startswith(PICTURE_TYPES):
            raise self._error(f"the address answered {kind[:80]!r}, which is no picture")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise self._error("the address answered in a compressed form that was not asked for")
        return self._read_body(answer)

    def _read_body(self, answer: http.client.HTTPResponse) -> bytes:
        most, body = self.rules.most_bytes, bytearray()
        if (answer.length or 0) > most:
            raise self._error(f"a picture of {answer.length} bytes; at most {most}")
        while piece := answer.read1(CHUNK_BYTES):
            body += piece
            if len(body) > most:
                raise self._error(f"a picture of more than {most} bytes")
        self._seconds_left()  # a picture that was cut off by the clock is none
        return bytes(body)


class _PinnedHttp(http.client.HTTPConnection):
    """HTTP to an address that was checked, under the name that was asked for."""

    address = ""
    line: socket.socket | None = None  # ``sock`` is forgotten as soon as the answer begins

    def connect(self) -> None:
        self.line = self.sock = socket.create_connection((self.address, self.port), self.timeout)


class _PinnedHttps(_PinnedHttp):
    """The same over TLS; the certificate must be that of the name."""

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        # In two steps, so that the clock can end the handshake too.
        self.line = self.sock = context.wrap_socket(
            self.sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        self.sock.do_handshake()


def _open_pinned(scheme: str, host: str, port: int, address: str, timeout: float) -> _PinnedHttp:
    kind = _PinnedHttps if scheme == "https" else _PinnedHttp
    connection = kind(host, port, timeout=timeout)
    connection.address = address
    connection.default_port = 443 if scheme == "https" else 80  # left out of the Host header
    return connection


@contextmanager
def _shut_down_after(connection: _PinnedHttp, seconds: float) -> Iterator[None]:
    """Shut the connection at the end of its time, however slowly its peer drips."""

    def end() -> None:
        if connection.line is not None:
            with suppress(OSError):  # it is closed already
                connection.line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
