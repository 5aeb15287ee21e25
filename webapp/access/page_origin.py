"""Whether a request comes from a page of this service: Host, Origin and Sec-Fetch-Site."""

import ipaddress
from urllib.parse import urlsplit

from flask import request

from webapp.access.cors import AllowedOrigins, is_own
from webapp.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def check_host() -> None:
    """Refuse a ``Host`` that is no name of this machine's loopback."""
    name = host_name(request.host)
    if name in LOCAL_NAMES or name.endswith(".localhost") or is_loopback(name):
        return
    raise Forbidden(
        f"The host {name!r} is not known here. Without a token only localhost is answered: "
        "start with --token, or with --insecure to answer under every name."
    )


def check_origin(origins: AllowedOrigins) -> None:
    """Refuse what a page of another origin asks for.

    Browsers name the origin of every unsafe request. Where none does, ``Sec-Fetch-Site`` and
    ``Referer`` may still tell of another site; a program with a cookie sends none of the three.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        if request.method not in SAFE_METHODS and is_cross_site(origins):
            raise Forbidden("A page of another site may not ask for this.")
        return
    if not origins.trusts(origin) and not is_own_origin(origin):
        raise Forbidden(f"The origin {origin!r} may not ask for this; see --cors-allow-origins.")


def is_cross_site(origins: AllowedOrigins) -> bool:
    """Whether a request without ``Origin`` tells otherwise that another site's page sent it."""
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return True
    page = urlsplit(request.headers.get("Referer", ""))
    origin = f"{page.scheme}://{page.netloc}"
    return bool(page.netloc) and not is_own_origin(origin) and not origins.trusts(origin)


def is_untrusted_page(origins: AllowedOrigins) -> bool:
    """Whether a page asks that may call, but not with its visitor's login.

    A browser names no origin for the pictures and scripts of a page, but says that it is another.
    """
    origin = request.headers.get("Origin", "")
    if not origin:
        part = request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"
        return origins.allows_any and part and is_cross_site(origins)
    return origins.admits(origin) and not origins.trusts(origin) and not is_own_origin(origin)


def is_own_origin(origin: str) -> bool:
    """Whether pages of an origin are this service's.

    Anybody may say that a proxy speaks https to the browser: it makes the answer no milder.
    """
    forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
    return is_own(origin, request.host, secure="https" in (request.scheme, forwarded))


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without port and brackets, in lower case."""
    return (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()


def is_loopback(name: str) -> bool:
    """True for 127.0.0.0/8 and ::1 written as addresses."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
