"""Whose request a reverse proxy passes on: address and scheme, from proxies of the flags alone."""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

PEER = "easel.peer"
"""Key of a request's environment: the address that the connection itself came from."""

FORWARDED_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST",
                     "HTTP_X_FORWARDED_PORT", "HTTP_X_REAL_IP", "HTTP_FORWARDED")  # fmt: skip
SCHEMES = frozenset({"http", "https"})


def parse_networks(networks: Iterable[str]) -> tuple[Network, ...]:
    """The networks of a flag. Raises ``ValueError``."""
    return tuple(ipaddress.ip_network(network) for network in networks)


def is_in_networks(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks; what is no address does not."""
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return any((mapped or peer) in network for network in networks)


class ForwardedMiddleware:
    """WSGI middleware that believes ``X-Forwarded-For`` and ``-Proto`` of proxies in ``networks``.

    What others send of the kind is taken out before anybody reads it.
    """

    def __init__(self, app: Wsgi, networks: Sequence[Network]) -> None:
        self.app, self.networks = app, networks

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass the request on, with the address of the client."""
        peer = environ[PEER] = environ.get("REMOTE_ADDR", "")
        if is_in_networks(peer, self.networks):
            environ["REMOTE_ADDR"] = self._client(environ.get("HTTP_X_FORWARDED_FOR", ""), peer)
            scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
            if scheme in SCHEMES:
                environ["wsgi.url_scheme"] = scheme
        else:
            for name in FORWARDED_HEADERS:
                environ.pop(name, None)
        return self.app(environ, start_response)

    def _client(self, chain: str, peer: str) -> str:
        """The last address that no trusted proxy has: what stands before it anybody may write."""
        client = peer
        for address in reversed([each.strip() for each in chain.split(",")]):
            try:
                ipaddress.ip_address(address.partition("%")[0])
            except ValueError:
                break
            client = address
            if not is_in_networks(address, self.networks):
                break
        return client
