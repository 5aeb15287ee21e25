"""Content-Security-Policy of every answer."""

import base64
import hashlib
import re
from functools import lru_cache

PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",  # pictures of answers, masks that are drawn
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
"""What the page may load and run: its own files, so that no text in a picture becomes a script."""

EMPTY_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
"""For all that brings no policy of its own, error pages too: it is shown and runs nothing."""

INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)
PART_TYPES = (
    "image/",
    "audio/",
    "video/",
    "font/",
    "text/css",
    "text/javascript",
    "application/wasm",
)
"""Kinds that a page takes in, and that open nothing when they are looked at alone."""


@lru_cache(maxsize=256)
def default_policy(content_type: str) -> str:
    """The policy of an answer that has none; "" for scripts, styles, fonts, pictures and sounds.

    An SVG is a document when it is opened by itself, so it has one.
    """
    kind = content_type.partition(";")[0].strip().lower()
    part = kind.startswith(PART_TYPES) or kind.endswith("/javascript")
    return "" if part and kind != "image/svg+xml" else EMPTY_POLICY


def policy_of(html: str) -> str:
    """The policy of a page of ours whose scripts and styles stand in it: those alone run."""
    digests: dict[str, list[str]] = {"style": [], "script": []}
    for kind, text in INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        digests[kind].append(f"'sha256-{digest}'")
    return "; ".join(
        (
            "default-src 'none'",
            *(f"{kind}-src {' '.join(hashes)}" for kind, hashes in digests.items() if hashes),
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )
