"""Addresses of queue servers (``--queue-url``), told without their password."""

from urllib.parse import unquote, urlsplit

SCHEMES = ("redis", "rediss", "unix")
FORM = "redis://[:PASSWORD@]HOST[:PORT][/DATABASE], rediss://... for TLS, or unix:///PATH[?db=N]"


class BadAddress(ValueError):
    """The address is none of a queue server; the text holds nothing of it."""


def check_address(address: str) -> None:
    """Raise :class:`BadAddress` for what is no address of a queue server."""
    try:
        parts = urlsplit(address)
        database = parts.path.strip("/")
        is_good = parts.scheme in SCHEMES and (
            parts.path.startswith("/") and len(parts.path) > 1
            if parts.scheme == "unix"
            else bool(parts.hostname) and parts.port != 0 and (not database or database.isdigit())
        )
    except ValueError:
        is_good = False
    if not is_good:
        raise BadAddress(f"takes {FORM}")


def describe_address(address: str) -> str:
    """Where the server is, for messages: no user, no password, no options."""
    parts = urlsplit(address)
    if parts.scheme == "unix":
        return f"unix://{unquote(parts.path)}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or 6379}"
