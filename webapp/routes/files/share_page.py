"""The pages of shares, in Chinese or English, without a script."""

import os
import stat
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from types import MappingProxyType

from flask import Response, request, url_for
from jinja2 import Environment

from filebrowser.gate import Place
from filebrowser.names import show_name
from filebrowser.shares.contents import Entry, entries_of
from filebrowser.shares.store import Share
from webapp.routes.files.pictures import PICTURES

A_PAGE = 200  # entries
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; sandbox allow-forms allow-downloads allow-same-origin"
)
"""Nothing runs here, whatever a file is called; the form and the downloads are all there is."""

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "lang": "en",
            "protected": "This link asks for a password",
            "wrong": "That is not the password.",
            "wait": "Too many wrong passwords: wait a minute.",
            "password": "Password",
            "open": "Open",
            "gone": "This link leads nowhere",
            "gone_why": "It may be over or revoked, or what it led to is not there any more.",
            "entries": "entries",
            "until": "until",
            "download": "Download",
            "whole": "Download all as .zip",
            "up": "up",
            "more": "More",
        },
        "zh": {
            "lang": "zh-CN",
            "protected": "此链接需要密码",
            "wrong": "密码不正确。",
            "wait": "错误次数过多，请稍后再试。",
            "password": "密码",
            "open": "打开",
            "gone": "此链接无效",
            "gone_why": "它可能已过期或被撤销，或者所指的文件已不存在。",
            "entries": "项",
            "until": "有效期至",
            "download": "下载",
            "whole": "全部下载为 .zip",
            "up": "上一级",
            "more": "更多",
        },
    }
)


def shown(text: str) -> str:
    """A name for display: control and bidirectional characters are written out."""
    return "".join(
        f"<U+{ord(c):04X}>" if unicodedata.category(c) in ("Cf", "Cc", "Cs") else c for c in text
    )


PAGES = Environment(autoescape=True)
PAGES.filters["shown"] = shown
PAGE = PAGES.from_string(files("webapp").joinpath("pages", "share.html").read_text("utf-8"))


def words() -> Mapping[str, str]:
    """The language that the browser would rather have; English where it has none of ours."""
    return WORDS[request.accept_languages.best_match(["en", "zh"]) or "en"]


def html(facts: Mapping[str, object], status: int = 200) -> Response:
    """The page of these facts."""
    text = PAGE.render({"title": "Easel", **facts, "words": words()})
    answer = Response(text, status, content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["X-Frame-Options"] = "DENY"
    answer.vary.add("Accept-Language")
    return answer


def gone() -> Response:
    """404, the same page for every reason."""
    return html({"gone": True}, 404)


def form(action: str, note: str = "", status: int = 200) -> Response:
    """The form for the password, which tells nothing of what lies behind it.

    ``note`` is the key of a sentence above it.
    """
    return html({"form": action, "note": note}, status)


def listing(share: Share, inner: str, place: Place, found: int) -> Response:
    """The page of an open file or folder (``handle``)."""
    facts = os.fstat(found)
    told: dict[str, object] = {
        "title": show_name(place.names[-1]),
        "expires": moment(share.expires),
    }
    if stat.S_ISDIR(facts.st_mode):
        return html(told | folder(share, inner, place, found))
    address = url_for("shared.content", name=share.id, path=inner or None)
    picture = PICTURES.get(os.path.splitext(place.names[-1])[1].lower(), "").startswith("image/")
    preview = url_for("shared.content", name=share.id, path=inner or None, inline=1)
    size = bytes_of(facts.st_size)
    return html(told | {"size": size, "download": address, "picture": picture and preview})


def folder(share: Share, inner: str, place: Place, found: int) -> dict[str, object]:
    """What the page of a folder says: one page of its entries."""
    offset = max(request.args.get("offset", 0, int), 0)
    total, entries = entries_of(place, found, offset, A_PAGE)
    inner = inner.strip("/")
    above = inner.rpartition("/")[0]
    rest = offset + A_PAGE < total
    return {
        "folder": True,
        "total": total,
        "entries": [row(share, inner, entry) for entry in entries],
        "up": url_for("shared.page", name=share.id, path=above or None) if inner else None,
        "download": url_for("shared.archive", name=share.id, path=inner or None),
        "more": address(share, inner or None, offset + A_PAGE) if rest else None,
    }


def address(share: Share, inner: str | None, offset: int) -> str:
    """A later page of a folder."""
    return url_for("shared.page", name=share.id, path=inner, offset=offset)


def row(share: Share, inner: str, entry: Entry) -> dict[str, object]:
    """One line of a folder's page."""
    path = f"{inner}/{entry.name}".lstrip("/")
    route = "shared.page" if entry.folder else "shared.content"
    return {
        "name": entry.name,
        "folder": entry.folder,
        "href": url_for(route, name=share.id, path=path),
        "size": "" if entry.folder else bytes_of(entry.size),
    }


def moment(seconds: float | None) -> str:
    """A time as the page writes it, "" for none."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if seconds else ""


def bytes_of(size: float) -> str:
    """A number of bytes for the eye: 1.4 GiB."""
    for unit in UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {UNITS[-1]}"
