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

from filebrowser.access.gate import Place
from filebrowser.names import encode_name
from filebrowser.shares.contents import SharedEntry, entries_of
from filebrowser.shares.store import Share
from webapp.routes.files.pictures import PICTURES

PAGE_SIZE = 200  # entries
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


def visible_text(text: str) -> str:
    """A name for display: control and bidirectional characters are written out."""
    return "".join(
        f"<U+{ord(c):04X}>" if unicodedata.category(c) in ("Cf", "Cc", "Cs") else c for c in text
    )


PAGES = Environment(autoescape=True)
PAGES.filters["shown"] = visible_text
PAGE = PAGES.from_string(files("webapp").joinpath("pages", "share.html").read_text("utf-8"))


def page_texts() -> Mapping[str, str]:
    """The language that the browser would rather have; English where it has none of ours."""
    return WORDS[request.accept_languages.best_match(["en", "zh"]) or "en"]


def render_page(facts: Mapping[str, object], status: int = 200) -> Response:
    """The page of these facts."""
    text = PAGE.render({"title": "Easel", **facts, "words": page_texts()})
    answer = Response(text, status, content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["X-Frame-Options"] = "DENY"
    answer.vary.add("Accept-Language")
    return answer


def not_found_page() -> Response:
    """404, the same page for every reason."""
    return render_page({"gone": True}, 404)


def password_page(action: str, note: str = "", status: int = 200) -> Response:
    """The form for the password, which tells nothing of what lies behind it.

    ``note`` is the key of a sentence above it.
    """
    return render_page({"form": action, "note": note}, status)


def content_page(share: Share, inner: str, place: Place, handle: int) -> Response:
    """The page of an open file or folder (``handle``)."""
    facts = os.fstat(handle)
    context: dict[str, object] = {
        "title": encode_name(place.names[-1]),
        "expires": format_time(share.expires),
    }
    if stat.S_ISDIR(facts.st_mode):
        return render_page(context | folder_json(share, inner, place, handle))
    address = url_for("shared.content", name=share.id, path=inner or None)
    picture = PICTURES.get(os.path.splitext(place.names[-1])[1].lower(), "").startswith("image/")
    preview = url_for("shared.content", name=share.id, path=inner or None, inline=1)
    size = format_bytes(facts.st_size)
    return render_page(
        context | {"size": size, "download": address, "picture": picture and preview}
    )


def folder_json(share: Share, inner: str, place: Place, handle: int) -> dict[str, object]:
    """What the page of a folder says: one page of its entries."""
    offset = max(request.args.get("offset", 0, int), 0)
    total, entries = entries_of(place, handle, offset, PAGE_SIZE)
    inner = inner.strip("/")
    parent = inner.rpartition("/")[0]
    has_more = offset + PAGE_SIZE < total
    return {
        "folder": True,
        "total": total,
        "entries": [entry_row(share, inner, entry) for entry in entries],
        "up": url_for("shared.page", name=share.id, path=parent or None) if inner else None,
        "download": url_for("shared.archive", name=share.id, path=inner or None),
        "more": page_url(share, inner or None, offset + PAGE_SIZE) if has_more else None,
    }


def page_url(share: Share, inner: str | None, offset: int) -> str:
    """A later page of a folder."""
    return url_for("shared.page", name=share.id, path=inner, offset=offset)


def entry_row(share: Share, inner: str, entry: SharedEntry) -> dict[str, object]:
    """One line of a folder's page."""
    path = f"{inner}/{entry.name}".lstrip("/")
    route = "shared.page" if entry.is_folder else "shared.content"
    return {
        "name": entry.name,
        "folder": entry.is_folder,
        "href": url_for(route, name=share.id, path=path),
        "size": "" if entry.is_folder else format_bytes(entry.size),
    }


def format_time(seconds: float | None) -> str:
    """A time as the page writes it, "" for none."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if seconds else ""


def format_bytes(size: float) -> str:
    """A number of bytes for the eye: 1.4 GiB."""
    for unit in UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {UNITS[-1]}"
