"""CORS: the origins whose pages may call from a browser, and our own. No Flask."""

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

ANY_ORIGIN, NULL_ORIGIN = "*", "null"
"""What stands for every origin; the origin of sandboxed frames, files and redirects."""

ORIGIN_PATTERN = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\\\s]+)/?", re.IGNORECASE)
PORTS = {"http": 80, "https": 443}
PROBE_ORIGINS = tuple(
    f"{scheme}://{host}{port}"
    for scheme in PORTS
    for host in ("qzxjvkwqy.com", "qzxjvkwqy.invalid", "a1.qzx-jvk7.org", "203.0.113.77")
    for port in ("", ":8443")
)
"""Origins that nobody means: a pattern that fits one of them fits whoever wants to come."""


@dataclass(frozen=True)
class AllowedOrigins:
    """Origins of ``--cors-allow-origins`` and ``--cors-allow-origins-regex``; none by default.

    Pages of a trusted origin may use the visitor's login. ``*``, ``null`` and a pattern that
    matches any origin let pages call only with credentials that they send themselves.
    """

    names: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        """Whether anybody may."""
        return bool(self.names) or self.pattern is not None

    @property
    def allows_any(self) -> bool:
        """Whether pages of every origin may call."""
        return ANY_ORIGIN in self.names or self.matches_strangers

    @cached_property
    def matches_strangers(self) -> bool:
        """Whether the pattern fits any origin."""
        return self.pattern is not None and any(map(self.pattern.fullmatch, PROBE_ORIGINS))

    def trusts(self, origin: str) -> bool:
        """Whether a page of this origin (scheme, host, port) may use the visitor's login."""
        parsed = parse_origin(origin)
        if parsed is None:
            return False
        if any(parsed == parse_origin(name) for name in self.names):
            return True
        return self.matches(origin) and not self.matches_strangers

    def admits(self, origin: str) -> bool:
        """Whether a page of this origin may call, if only with credentials of its own."""
        if self.allows_any or self.trusts(origin):
            return True
        return origin == NULL_ORIGIN and (NULL_ORIGIN in self.names or self.matches(NULL_ORIGIN))

    def matches(self, origin: str) -> bool:
        """Whether the pattern fits the whole of an origin."""
        return self.pattern is not None and self.pattern.fullmatch(origin) is not None


def parse_origin(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin; None for what is none, such as ``null``."""
    match = ORIGIN_PATTERN.fullmatch(origin)
    if match is None:
        return None
    scheme = match[1].lower()
    host_port = host_and_port(match[2], scheme)
    return (scheme, *host_port) if host_port else None


def host_and_port(text: str, scheme: str) -> tuple[str, int] | None:
    """Host in lower case and port of ``host[:port]``, the scheme's where none is named."""
    try:
        split = urlsplit(f"//{text}")
        port = split.port or PORTS.get(scheme, 0)
    except ValueError:
        return None
    return ((split.hostname or "").rstrip("."), port) if split.hostname else None


def is_own(origin: str, host: str, secure: bool) -> bool:
    """Whether a page of ``origin`` is the service's that is asked as ``host``.

    Host and port are the same, and so is the scheme; but a page under https may come to a service
    that speaks http to the proxy before it. ``secure``: the service is known to be under https.
    """
    parsed = parse_origin(origin)
    if parsed is None or parsed[0] not in PORTS or (secure and parsed[0] != "https"):
        return False
    return parsed[1:] == host_and_port(host, parsed[0])
