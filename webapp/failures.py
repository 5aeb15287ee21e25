"""Flask's error handlers: every exception leaves as an answer of ``webapp.errors``."""

import logging
from logging import INFO, WARNING

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from filebrowser.errors import FileError
from generator.errors import GeneratorError
from generator.reasons import logged_cause
from webapp.answers import failure
from webapp.content_encoding import TAKEN
from webapp.eas import Status
from webapp.errors import (
    InvalidFields,
    NotAuthenticated,
    Refused,
    TooLarge,
    TooManyTries,
    Unavailable,
    UnsupportedEncoding,
    WrongCredential,
    envelope,
    json_answer,
    status_of,
)
from webapp.queues.errors import QueueError
from webapp.routes.context import response, services
from webapp.routes.login import form, wait_form
from webapp.routes.road import CallerLeft
from webapp.traffic import logged_path

log = logging.getLogger("easel.web")
FORESEEN = (GeneratorError, FileError, QueueError, Refused)
NO_ROOM = 507  # a full disk, whoever meets it, is no fault of ours
NOBODY_READS = 499
"""nginx's status of a request whose client left; seen in the log alone."""


def install(app: Flask) -> None:
    """Hang the handlers on the app."""
    app.register_error_handler(NotFound, plain)
    app.register_error_handler(MethodNotAllowed, plain)
    app.register_error_handler(RequestEntityTooLarge, too_large)
    app.register_error_handler(HTTPException, other_http)
    app.register_error_handler(NotAuthenticated, unauthorized)
    app.register_error_handler(WrongCredential, unauthorized)
    app.register_error_handler(TooManyTries, throttled)
    app.register_error_handler(CallerLeft, left)
    app.register_error_handler(Exception, failed)


def plain(error: HTTPException) -> Response:
    """404 and 405, which AUTOMATIC1111 answers outside its envelope."""
    answer = response(json_answer(error.code or 404, {"detail": error.name.title()}))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(error.valid_methods)
    return answer


def too_large(_: RequestEntityTooLarge) -> Response:
    """413."""
    return response(envelope(TooLarge("The body of the request is too long.")))


def other_http(error: HTTPException) -> Response:
    """What Flask itself refuses."""
    body = {"error": "HTTPException", "detail": error.name, "body": "", "errors": error.name}
    return response(json_answer(error.code or 500, body))


def unauthorized(error: NotAuthenticated | WrongCredential) -> Response:
    """401; a browser that wants a page gets the login form with it.

    The challenge names Bearer for browsers, which would cover the page with a box for Basic.
    """
    wanted = request.method == "GET" and wants_page()
    answer = form(status=401) if wanted else response(envelope(error))
    browser = "Sec-Fetch-Mode" in request.headers
    answer.headers["WWW-Authenticate"] = (
        'Bearer realm="easel"' if browser else 'Basic realm="easel"'
    )
    return answer


def wants_page() -> bool:
    """Whether a browser asks, for somebody who reads."""
    return "text/html" in request.headers.get("Accept", "")


def throttled(error: TooManyTries) -> Response:
    """429 with the time to wait; a browser gets the login form with it."""
    answer = wait_form(error.wait) if wants_page() else response(envelope(error))
    answer.headers["Retry-After"] = str(error.wait)
    return answer


def left(_: CallerLeft) -> Response:
    """Nobody reads this."""
    return Response("", NOBODY_READS)


def failed(error: Exception) -> Response:
    """Everything else by the table of ``webapp.errors``; what is unexpected is logged whole.

    Where the data directory was taken away, that is what is told: all else follows from it.
    """
    if status_of(error) == 500 and (why := services().stream.lost()):
        log.warning("%s %s: %r", request.method, logged_path(), error)
        error = Unavailable(f"{why} Send the request again in a moment.")
    status = status_of(error)
    if status >= 500 and status != NO_ROOM and not isinstance(error, FORESEEN):
        log.exception("%s %s failed", request.method, logged_path())
    elif not isinstance(error, InvalidFields):
        log.log(WARNING if status >= 500 else INFO, "%d %s%s", status, error, logged_cause(error))
    answer = response(failure(error, g.get("extras"), Status.REFUSED))
    wait = getattr(error, "retry_after", None)
    if wait is not None:
        answer.headers["Retry-After"] = str(wait)
    if isinstance(error, UnsupportedEncoding):
        answer.headers["Accept-Encoding"] = ", ".join(TAKEN)
    return answer
