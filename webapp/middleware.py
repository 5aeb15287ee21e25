"""Work before and after every request: path normalisation, ids, times, gzip, CORS, log lines."""

import gzip
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from flask import Flask, Response, g, request
from werkzeug.datastructures import Headers

from webapp.access.auth import PREDICT_PATH
from webapp.access.cors import ANY_ORIGIN, NULL_ORIGIN, AllowedOrigins
from webapp.http.content_policy import default_policy
from webapp.http.request_body import check_body
from webapp.logs import bind, unbind
from webapp.routes.context import release_body

if TYPE_CHECKING:
    from webapp.settings.config import Config

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
MIN_GZIP_BYTES = 1000
"""Bytes from which an answer is compressed, as AUTOMATIC1111 does."""

GZIP_LEVEL = 1
"""Base64 of pictures hardly shrinks: level 1 takes its 25 % and costs a tenth of level 9."""

COMPRESSIBLE = ("application/json", "text/", "image/svg+xml", "application/javascript")
LOGGED_PATHS = ("/sdapi", "/v1/")
"""What ``--api-log`` tells of: AUTOMATIC1111's API and OpenAI's."""

REQUEST_ID = re.compile(r"[\w.:-]{1,64}")
PREDICT = "/api/predict/"
OPENING_PATH = re.compile(r"^/(s|invite)/[^/]+")
SLASHES = re.compile(r"/{2,}")

log = logging.getLogger("easel.api")


class PathMiddleware:
    """WSGI middleware that normalises a path before it is routed.

    Doubled and trailing slashes are removed, ``--subpath`` is taken off, and the ``image_url`` of a
    picture, which is a path below one of ``picture_roots``, becomes ``/file=``.
    ``gateway`` is the prefix under which the vendor's clients know the service; "" where that is a
    queue.
    """

    def __init__(
        self, app: Wsgi, root_path: str, picture_roots: Sequence[str] = (), gateway: str = ""
    ) -> None:
        self.app = app
        self.picture_roots = tuple(f"{root}/" for root in picture_roots)
        self.gateway = gateway
        self.root = "/" + root_path.strip("/") if root_path.strip("/") else ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass the request on with its path put straight."""
        path = SLASHES.sub("/", environ.get("PATH_INFO") or "/")
        if self.root:
            environ["SCRIPT_NAME"] = self.root
            if path == self.root or path.startswith(self.root + "/"):
                path = path.removeprefix(self.root)
        if path.startswith(PREDICT):
            environ[PREDICT_PATH] = path.rstrip("/")
            if self.gateway and f"{path}/".startswith(f"{self.gateway}/"):
                path = path.removeprefix(self.gateway) or "/"
        if path.startswith(self.picture_roots):
            path = f"/file={path}"
        environ["PATH_INFO"] = path.rstrip("/") or "/"
        check_body(environ)
        return self.app(environ, start_response)


def install(app: Flask, config: "Config") -> None:
    """Hang what is done before and after each request on the app."""
    app.before_request(begin_request)
    app.teardown_appcontext(lambda _: unbind())
    app.teardown_request(lambda _: release_body())
    if origins := config.origins:
        app.before_request(answer_preflight)
        app.after_request(lambda answer: add_cors_headers(answer, origins))
    app.after_request(compress_answer)
    app.after_request(lambda answer: finish_request(answer, config))


def begin_request() -> None:
    """Note when a request came, and by which name it is known."""
    g.began = time.perf_counter()
    sent_id = request.headers.get("X-Request-Id", "")
    g.request_id = sent_id if REQUEST_ID.fullmatch(sent_id) else uuid4().hex
    unbind()  # this thread has answered others
    bind(request=g.request_id)


def answer_preflight() -> Response | None:
    """Answer a CORS preflight; ``add_cors_headers`` adds what is allowed."""
    asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    return Response(status=204) if asks else None


def add_cors_headers(answer: Response, origins: AllowedOrigins) -> Response:
    """Let pages of the allowed origins read the answer (``--cors-allow-origins``).

    Only those of trusted origins may have asked with cookies.
    """
    origin = request.headers.get("Origin", "")
    answer.vary.add("Origin")
    if origin and origins.admits(origin):
        if origins.trusts(origin):
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Allow-Credentials"] = "true"
        else:
            answer.headers["Access-Control-Allow-Origin"] = (
                ANY_ORIGIN if origins.allows_any else NULL_ORIGIN
            )
        answer.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
        wanted = request.headers.get("Access-Control-Request-Headers", "*")
        answer.headers["Access-Control-Allow-Headers"] = wanted
    return answer


def compress_answer(answer: Response) -> Response:
    """Gzip a long text for a client that takes it."""
    if (
        answer.is_streamed
        or answer.direct_passthrough
        or answer.headers.get("Content-Encoding")
        or not (answer.content_type or "").startswith(COMPRESSIBLE)
    ):
        return answer
    add_vary(answer.headers, "Accept-Encoding")
    data = answer.get_data()
    if len(data) >= MIN_GZIP_BYTES and request.accept_encodings["gzip"] > 0:
        answer.set_data(gzip.compress(data, GZIP_LEVEL, mtime=0))
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def add_vary(headers: Headers, name: str) -> None:
    """Tell caches that the answer depends on a header of the request; most have no such yet."""
    known = headers.get("Vary")
    if known is None:
        headers.add("Vary", name)
    elif name.lower() not in known.lower():
        headers["Vary"] = f"{known}, {name}"


def finish_request(answer: Response, config: "Config") -> Response:
    """Name the request and its time in the answer, and log it where the flags ask for that."""
    seconds = time.perf_counter() - g.get("began", time.perf_counter())
    add_headers(answer.headers, g.get("request_id", ""), seconds)
    if config.api_log and request.path.startswith(LOGGED_PATHS):
        log.info(api_line(answer, seconds))
    if config.time_log:
        log.info("%s %s took %.4f s", request.method, logged_path(), seconds)
    return answer


def add_headers(headers: Headers, request_id: str, seconds: float) -> None:
    """Add what every answer has. Its own headers are looked through once: they are a list."""
    known = {name.lower(): value for name, value in headers}
    if "x-process-time" in known or "x-request-id" in known:
        headers.remove("X-Process-Time")
        headers.remove("X-Request-Id")
    headers.add("X-Process-Time", str(round(seconds, 4)))
    headers.add("X-Request-Id", request_id)
    if "x-content-type-options" not in known:
        headers.add("X-Content-Type-Options", "nosniff")
    if "x-frame-options" not in known:
        headers.add("X-Frame-Options", "SAMEORIGIN")
    if "content-security-policy" not in known:
        policy = default_policy(known.get("content-type", ""))
        if policy:
            headers.add("Content-Security-Policy", policy)


def logged_path() -> str:
    """The path as a log may have it: the name of a share, or an invitation's code, opens it."""
    return OPENING_PATH.sub(r"/\1/***", request.path)


def api_line(answer: Response, seconds: float) -> str:
    """The line of ``--api-log`` (contract section 1.1)."""
    protocol = request.environ.get("SERVER_PROTOCOL", "HTTP/1.1").lower()
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    return (
        f"API {now} {answer.status_code} {protocol} {request.method} {request.path} "
        f"{request.remote_addr} {seconds:.4f}"
    )
