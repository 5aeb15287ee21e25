"""What every route needs of the current request: the services, the caller, the body."""

import json
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from flask import Response, current_app, g, request

from filebrowser.errors import Overloaded
from webapp.auth import Caller
from webapp.browsing import roots_of
from webapp.content_encoding import Inflated, encoding_of
from webapp.errors import Fault, Forbidden, InvalidFields, TooLarge
from webapp.queues.contracts import Answer
from webapp.request_json import check_values, decode_json, without_remarks
from webapp.scopes import OPENS, Scope

if TYPE_CHECKING:
    from webapp.job_limit import JobLimit
    from webapp.routes.tasks import Tasks
    from webapp.services import Services
    from webapp.waiting_limit import WaitingLimit

LARGEST_FORM = 1024 * 1024  # bytes of a form: a name and a password
SMALL = 64 * 1024  # bytes of a body that counts for nothing
PIECE = 128 * 1024  # bytes of a body that are read at once
GRACE = 10.0  # seconds before the rate of a large body counts
LEAST_RATE = 256 * 1024  # bytes a second
DISCARDING = 15.0  # seconds for which a body that is refused is still read
MOST_ECHOED = 200  # characters of a malformed body that the answer repeats


def services() -> "Services":
    """The services that the app was made of."""
    found: Services = current_app.extensions["easel.services"]
    return found


def tasks() -> "Tasks":
    """What the web process remembers of tasks."""
    found: Tasks = current_app.extensions["easel.tasks"]
    return found


def waiting_limit() -> "WaitingLimit":
    """The places for requests that wait for their answers."""
    found: WaitingLimit = current_app.extensions["easel.waiting"]
    return found


def job_limit() -> "JobLimit":
    """The limit on queued jobs, through which frames enter the queue."""
    found: JobLimit = current_app.extensions["easel.jobs"]
    return found


def check_room(size: int) -> None:
    """See that ``size`` bytes may come below the data directory. Raises ``NoRoom`` (507)."""
    here = services()
    with here.reserve(roots_of(here.config)[0], size) as room:
        room.take(size)  # until the tree is looked through again they count as written


def caller() -> Caller:
    """The authenticated caller of the current request."""
    found: Caller = g.caller
    return found


def require_owner() -> None:
    """Refuse callers who are not the service's owner. Raises ``Forbidden``."""
    if not caller().owner:
        raise Forbidden("Only the owner of the service may ask for this; use its token.")


def require(scope: Scope, what: str) -> None:
    """Refuse callers whose credential is too narrow for ``what``. Raises ``Forbidden``."""
    if scope not in OPENS[caller().scope]:
        raise Forbidden(f"{what}; this takes a credential for {scope}. See docs/access.md.")


def body_bytes(most: int | None = None) -> bytearray:
    """The whole body, of at most ``most`` bytes, within the memory that all requests share.

    One in gzip or deflate is unpacked, and counts as what it holds. It counts until
    :func:`release_body`, at the latest until the request ends. Raises ``TooLarge``,
    ``Overloaded``, ``SlowBody``, ``UnsupportedEncoding`` and ``MalformedBody``.
    """
    most = most or int(current_app.config["MAX_CONTENT_LENGTH"])
    length = request.content_length
    if length is not None and length > most:
        raise TooLarge(f"The body of the request has {length:,} bytes; at most {most:,}.")
    encoding = encoding_of(request.headers.get("Content-Encoding", ""))
    if encoding:
        return unpacked(Inflated(request.stream.read, encoding), most)
    body, stream, began = bytearray(), request.stream, time.monotonic()
    try:
        if length is not None:
            hold_memory(length)
        while piece := stream.read(PIECE if length is None else min(PIECE, length - len(body))):
            if length is None:
                hold_memory(len(piece))
                if len(body) + len(piece) >= most:  # there it would be cut in silence
                    raise TooLarge(f"The body of the request has more than {most:,} bytes.")
            body += piece
            check_pace(len(body), time.monotonic() - began)
    except Overloaded:
        body.clear()
        release_body()
        discard(stream)
        raise
    return body


def check_pace(received: int, seconds: float) -> None:
    """Who holds memory that others wait for must send quickly. Raises ``Overloaded``."""
    slow = seconds > GRACE and received < LEAST_RATE * seconds
    if slow and g.get("held_memory") and services().bodies.contended:
        raise Overloaded(
            f"The body came at less than {LEAST_RATE >> 10} KiB a second while others waited for "
            "the memory that it holds; send it again later."
        )


def discard(stream: IO[bytes]) -> None:
    """Read the rest of a body, for a while: most clients hear no answer before they sent it."""
    until = time.monotonic() + DISCARDING
    while time.monotonic() < until and stream.read(PIECE):
        pass


def unpacked(stream: Inflated, most: int) -> bytearray:
    """What a compressed body holds, of at most ``most`` bytes. Raises as :func:`body_bytes`."""
    body, began = bytearray(), time.monotonic()
    try:
        for piece in stream.pieces(PIECE):
            if len(body) + len(piece) > most:
                raise TooLarge(f"The body of the request holds more than {most:,} bytes.")
            hold_memory(len(piece))
            body += piece
            check_pace(len(body), time.monotonic() - began)
    except Overloaded:
        body.clear()
        release_body()
        discard(request.stream)
        raise
    return body


def hold_memory(size: int) -> None:
    """Count ``size`` bytes more for the current request. Raises ``Overloaded``.

    Small bodies are not counted, so that a stop is heard when memory is short.
    """
    held: list[int] = g.setdefault("held_memory", [])
    if size > SMALL or held:
        services().bodies.take(size)
        held.append(size)


def release_body() -> None:
    """The body of the current request, and what was made of it, is needed no longer."""
    for size in g.pop("held_memory", ()):
        services().bodies.give_back(size)


def json_body(*, required: bool = True, most: int | None = None) -> object:
    """The body as JSON, whatever its content type says; None when empty and not required.

    Raises ``InvalidFields`` as AUTOMATIC1111 words it (golden ``malformed_json``), and as
    :func:`body_bytes`.
    """
    data = body_bytes(most)
    if not data.strip():
        if not required:
            return None
        raise InvalidFields([Fault(("body",), "field required", "value_error.missing")])
    check_values(data)
    try:
        text = decode_json(data)
        del data  # a large body is there once or twice, not three times
        return json.loads(text)
    except json.JSONDecodeError as error:
        bare = without_remarks(text) if services().config.lenient else ""
        with suppress(ValueError, RecursionError):
            return json.loads(bare)
        raise InvalidFields([malformed(error)]) from None
    except (UnicodeDecodeError, ValueError, RecursionError):
        message = "There was an error parsing the body"
        raise InvalidFields([Fault(("body",), message, "value_error.jsondecode")]) from None


def malformed(error: json.JSONDecodeError) -> Fault:
    """The fault of a body that is not JSON, with the place where it stops being so."""
    context = {
        "msg": error.msg,
        "doc": error.doc[:MOST_ECHOED],
        "pos": error.pos,
        "lineno": error.lineno,
        "colno": error.colno,
    }
    return Fault(("body", error.pos), str(error), "value_error.jsondecode", context)


def response(answer: Answer) -> Response:
    """Flask's form of a stored answer."""
    return Response(answer.body, answer.status, content_type=answer.content_type)
