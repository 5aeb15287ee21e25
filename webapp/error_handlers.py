"""Flask's error handlers: every exception leaves as an answer of ``webapp.errors``."""

import logging
import sqlite3
from logging import INFO, WARNING

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from filebrowser.errors import FileError
from generator.errors import GeneratorError
from generator.reasons import logged_cause
from webapp.errors import (
    InvalidFields,
    NotAuthenticated,
    Refused,
    TooLarge,
    TooManyTries,
    Unavailable,
    UnsupportedEncoding,
    WrongCredential,
    error_answer,
    json_answer,
    status_of,
)
from webapp.http.content_encoding import SUPPORTED_ENCODINGS
from webapp.http.openai_errors import openai_error
from webapp.middleware import logged_path
from webapp.queues.contracts.frame import Answer
from webapp.queues.errors import RETRY_AFTER, QueueError
from webapp.refusal_codes import Refusal
from webapp.requests.eas import EasStatus
from webapp.routes.context import current_services, to_response
from webapp.routes.login import login_form, wait_form
from webapp.routes.submission import CallerLeft
from webapp.worker.responses import compose_failure

log = logging.getLogger("easel.web")
EXPECTED_ERRORS = (GeneratorError, FileError, QueueError, Refused)
INSUFFICIENT_STORAGE = 507  # a full disk, whoever meets it, is no fault of ours
OPENAI_PATH = "/v1/"
CLIENT_CLOSED_REQUEST = 499
"""nginx's status of a request whose client left; seen in the log alone."""


def install(app: Flask) -> None:
    """Hang the handlers on the app."""
    app.register_error_handler(NotFound, handle_not_found)
    app.register_error_handler(MethodNotAllowed, handle_not_found)
    app.register_error_handler(RequestEntityTooLarge, handle_too_large)
    app.register_error_handler(HTTPException, handle_http_error)
    app.register_error_handler(NotAuthenticated, handle_unauthorized)
    app.register_error_handler(WrongCredential, handle_unauthorized)
    app.register_error_handler(TooManyTries, handle_throttled)
    app.register_error_handler(CallerLeft, handle_caller_left)
    app.register_error_handler(Exception, handle_error)
    app.after_request(translate_for_openai)


def translate_for_openai(answer: Response) -> Response:
    """Every error below ``/v1`` in OpenAI's form, whoever refused."""
    if answer.status_code < 400 or not f"{request.path}/".startswith(OPENAI_PATH):
        return answer
    stored = Answer(answer.status_code, answer.get_data())
    translated, headers = openai_error(stored, f"{request.method} {request.path}")
    answer.status_code = translated.status
    answer.set_data(translated.body)
    answer.content_type = translated.content_type
    answer.headers.update(headers)
    return answer


def handle_not_found(error: HTTPException) -> Response:
    """404 and 405, which AUTOMATIC1111 answers outside its envelope."""
    answer = to_response(json_answer(error.code or 404, {"detail": error.name.title()}))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(error.valid_methods)
    return answer


def handle_too_large(_: RequestEntityTooLarge) -> Response:
    """413."""
    return to_response(error_answer(TooLarge("The body of the request is too long.")))


def handle_http_error(error: HTTPException) -> Response:
    """What Flask itself refuses."""
    body = {"error": "HTTPException", "detail": error.name, "body": "", "errors": error.name}
    return to_response(json_answer(error.code or 500, body | Refusal("http_error").to_json()))


def handle_unauthorized(error: NotAuthenticated | WrongCredential) -> Response:
    """401; a browser that wants a page gets the login form with it.

    The challenge names Bearer for browsers, which would cover the page with a box for Basic.
    """
    wanted = request.method == "GET" and wants_page()
    answer = login_form(status=401) if wanted else to_response(error_answer(error))
    browser = "Sec-Fetch-Mode" in request.headers
    answer.headers["WWW-Authenticate"] = (
        'Bearer realm="easel"' if browser else 'Basic realm="easel"'
    )
    return answer


def wants_page() -> bool:
    """Whether a browser asks, for somebody who reads."""
    return "text/html" in request.headers.get("Accept", "")


def handle_throttled(error: TooManyTries) -> Response:
    """429 with the time to wait; a browser gets the login form with it."""
    answer = wait_form(error.wait) if wants_page() else to_response(error_answer(error))
    answer.headers["Retry-After"] = str(error.wait)
    return answer


def handle_caller_left(_: CallerLeft) -> Response:
    """Nobody reads this."""
    return Response("", CLIENT_CLOSED_REQUEST)


def handle_error(error: Exception) -> Response:
    """Everything else by the table of ``webapp.errors``; what is unexpected is logged whole.

    Where the data directory was taken away, that is what is told: all else follows from it.
    """
    if status_of(error) == 500 and (why := current_services().queue.loss_reason()):
        log.warning("%s %s: %r", request.method, logged_path(), error)
        error = Unavailable(f"{why} Send the request again in a moment.")
    status = status_of(error)
    if status >= 500 and status != INSUFFICIENT_STORAGE and not isinstance(error, EXPECTED_ERRORS):
        log.exception("%s %s failed", request.method, logged_path())
    elif not isinstance(error, InvalidFields):
        log.log(WARNING if status >= 500 else INFO, "%d %s%s", status, error, logged_cause(error))
    answer = to_response(compose_failure(error, g.get("extras"), EasStatus.REFUSED))
    usual_wait = RETRY_AFTER if isinstance(error, sqlite3.Error) else None
    wait = getattr(error, "retry_after", usual_wait)
    if wait is not None:
        answer.headers["Retry-After"] = str(wait)
    if isinstance(error, UnsupportedEncoding):
        answer.headers["Accept-Encoding"] = ", ".join(SUPPORTED_ENCODINGS)
    return answer
