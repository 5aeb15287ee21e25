"""The page's static files, built by ``npm run build``; an explanation where they are missing."""

import gzip
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory
from werkzeug.security import safe_join

from webapp.access.scopes import AccessScope, requires
from webapp.errors import Unavailable
from webapp.http.content_policy import PAGE_POLICY
from webapp.services import Services

INDEX = "index.html"
YEAR_SECONDS = 31_536_000
NOT_BUILT = (
    "The page is not built yet: run `npm ci && npm run build` in static/, or start Easel with "
    "./webui.sh, which does it. The API answers all the same."
)
CACHED_FILES = 256
MIN_GZIP_BYTES = 1000
COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")


def blueprint(services: Services) -> Blueprint:
    """The routes of the page, from ``Services.built_page``."""
    built = services.built_page
    pages = Blueprint("pages", __name__)
    gzipped = lru_cache(CACHED_FILES)(gzip_file)  # each file once a process

    @pages.get("/")
    @requires(AccessScope.READ)
    def index() -> Response:
        """The page; never cached, so that a new build is seen at once."""
        if not (built / INDEX).is_file():
            raise Unavailable(NOT_BUILT)
        answer = send_from_directory(built, INDEX)
        answer.headers["Cache-Control"] = "no-cache"
        answer.headers["Content-Security-Policy"] = PAGE_POLICY
        return answer

    @pages.get("/assets/<path:name>")
    @requires(AccessScope.READ)
    def asset(name: str) -> Response:
        """A file whose name carries the hash of its content: cached for good."""
        answer = send_from_directory(built / "assets", name, max_age=YEAR_SECONDS)
        answer.headers["Cache-Control"] = f"private, max-age={YEAR_SECONDS}, immutable"
        path = safe_join(str(built / "assets"), name)
        if path is not None and wants_gzip(answer):
            return gzip_answer(answer, gzipped(path, Path(path).stat().st_mtime_ns))
        return answer

    @pages.get("/favicon.<suffix>")
    @requires(AccessScope.READ)
    def favicon(suffix: str) -> Response:
        """The page's icon, where the build has one."""
        return send_from_directory(built, f"favicon.{suffix}")

    return pages


def wants_gzip(answer: Response) -> bool:
    """Whether a whole text goes to a client that takes gzip."""
    return (
        answer.status_code == 200
        and (answer.content_type or "").startswith(COMPRESSIBLE)
        and (answer.content_length or 0) >= MIN_GZIP_BYTES
        and request.accept_encodings["gzip"] > 0
    )


def gzip_file(path: str, mtime_ns: int) -> bytes:
    """A file in gzip; ``mtime_ns`` tells its states apart."""
    return gzip.compress(Path(path).read_bytes(), 9, mtime=0)


def gzip_answer(answer: Response, data: bytes) -> Response:
    """The answer with its file in gzip."""
    answer.direct_passthrough = False
    answer.set_data(data)
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers.pop("Accept-Ranges", None)
    answer.set_etag(f"{answer.get_etag()[0]}-gzip")
    answer.vary.add("Accept-Encoding")
    return answer
