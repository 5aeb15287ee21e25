"""The page's static files, built by ``npm run build``; an explanation where they are missing."""

import gzip
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory
from werkzeug.security import safe_join

from webapp.content_policy import PAGE
from webapp.errors import Unavailable
from webapp.scopes import Scope, allowed

INDEX = "index.html"
A_YEAR = 31_536_000
NOT_BUILT = (
    "The page is not built yet: run `npm ci && npm run build` in static/, or start Easel with "
    "./webui.sh, which does it. The API answers all the same."
)
FILES_KEPT = 256
LEAST_GZIP = 1000
COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")


def blueprint(built: Path) -> Blueprint:
    """The routes of the page, for the folder ``built`` that holds index.html and assets/."""
    pages = Blueprint("pages", __name__)
    zipped = lru_cache(FILES_KEPT)(compressed)  # each file once a process

    @pages.get("/")
    @allowed(Scope.READ)
    def index() -> Response:
        """The page; never cached, so that a new build is seen at once."""
        if not (built / INDEX).is_file():
            raise Unavailable(NOT_BUILT)
        answer = send_from_directory(built, INDEX)
        answer.headers["Cache-Control"] = "no-cache"
        answer.headers["Content-Security-Policy"] = PAGE
        return answer

    @pages.get("/assets/<path:name>")
    @allowed(Scope.READ)
    def asset(name: str) -> Response:
        """A file whose name carries the hash of its content: cached for good."""
        answer = send_from_directory(built / "assets", name, max_age=A_YEAR)
        answer.headers["Cache-Control"] = f"private, max-age={A_YEAR}, immutable"
        path = safe_join(str(built / "assets"), name)
        if path is not None and wants_gzip(answer):
            return zipped_answer(answer, zipped(path, Path(path).stat().st_mtime_ns))
        return answer

    @pages.get("/favicon.<suffix>")
    @allowed(Scope.READ)
    def favicon(suffix: str) -> Response:
        """The page's icon, where the build has one."""
        return send_from_directory(built, f"favicon.{suffix}")

    return pages


def wants_gzip(answer: Response) -> bool:
    """Whether a whole text goes to a client that takes gzip."""
    return (
        answer.status_code == 200
        and (answer.content_type or "").startswith(COMPRESSIBLE)
        and (answer.content_length or 0) >= LEAST_GZIP
        and request.accept_encodings["gzip"] > 0
    )


def compressed(path: str, mtime_ns: int) -> bytes:
    """A file in gzip; ``mtime_ns`` tells its states apart."""
    return gzip.compress(Path(path).read_bytes(), 9, mtime=0)


def zipped_answer(answer: Response, data: bytes) -> Response:
    """The answer with its file in gzip."""
    answer.direct_passthrough = False
    answer.set_data(data)
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers.pop("Accept-Ranges", None)
    answer.set_etag(f"{answer.get_etag()[0]}-gzip")
    answer.vary.add("Accept-Encoding")
    return answer


def default_build() -> Path:
    """``static/dist`` of the checkout or of the installed package."""
    return Path(__file__).resolve().parents[2] / "static" / "dist"
