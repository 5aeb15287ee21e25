"""Services, caller and body of the current request, for every route."""

import json
import time
from contextlib import suppress
from typing import IO

from flask import Response, current_app, g, request

from filebrowser.errors import Overloaded
from webapp.access.credentials import Caller
from webapp.access.eas_signature import body_fits
from webapp.access.scopes import AccessScope
from webapp.errors import Fault, Forbidden, InvalidFields, MalformedBody, TooLarge
from webapp.files.caller_rights import roots_of
from webapp.http.content_encoding import DecompressedStream, encoding_of
from webapp.http.request_json import check_values, decode_json, strip_comments
from webapp.queues.contracts.frame import Answer
from webapp.routes.body_names import describe_names
from webapp.services import Services

MAX_FORM_BYTES = 1024 * 1024  # bytes of a form: a name and a password
UNCOUNTED_BYTES = 64 * 1024  # bytes of a body that counts for nothing
CHUNK_BYTES = 128 * 1024  # bytes of a body that are read at once
RATE_GRACE_SECONDS = 10.0  # seconds before the rate of a large body counts
MIN_RATE = 256 * 1024  # bytes a second
DRAIN_SECONDS = 15.0  # seconds for which a body that is refused is still read
MAX_ECHOED = 200  # characters of a malformed body that the answer repeats


def current_services() -> "Services":
    """The services that the app was made of."""
    current: Services = current_app.extensions["easel.services"]
    return current


def check_free_space(services: Services, size: int) -> None:
    """See that ``size`` bytes may come below the data directory. Raises ``NoRoom`` (507)."""
    with services.reserve(roots_of(services.config)[0], size) as room:
        room.take(size)  # until the tree is looked through again they count as written


def caller() -> Caller:
    """The authenticated caller of the current request."""
    who: Caller = g.caller
    return who


def require_owner() -> None:
    """Refuse callers who are not the service's owner. Raises ``Forbidden``."""
    if not caller().is_owner:
        raise Forbidden("Only the owner of the service may ask for this; use its token.")


def require_scope(scope: AccessScope, what: str) -> None:
    """Refuse callers whose credential is too narrow for ``what``. Raises ``Forbidden``."""
    if not caller().may(scope):
        raise Forbidden(f"{what}; this takes a credential for {scope}. See docs/access.md.")


def read_body_bytes(most: int | None = None) -> bytearray:
    """The whole body, of at most ``most`` bytes, within the memory that all requests share.

    One in gzip or deflate is unpacked, and counts as what it holds. It counts until
    :func:`release_body`, at the latest until the request ends. Raises ``TooLarge``,
    ``Overloaded``, ``SlowBody``, ``UnsupportedEncoding`` and ``MalformedBody``.
    """
    body = _receive_body(most)
    if "content_md5" in g and not body_fits(g.content_md5, body):
        raise MalformedBody("Content-MD5 is not the digest of the body that came with it.")
    return body


def _receive_body(most: int | None) -> bytearray:
    most = most or int(current_app.config["MAX_CONTENT_LENGTH"])
    length = request.content_length
    if length is not None and length > most:
        raise TooLarge(f"The body of the request has {length:,} bytes; at most {most:,}.")
    encoding = encoding_of(request.headers.get("Content-Encoding", ""))
    if encoding:
        return decompress_body(DecompressedStream(request.stream.read, encoding), most)
    body, stream, began = bytearray(), request.stream, time.monotonic()
    try:
        if length is not None:
            hold_memory(length)
        while piece := stream.read(
            CHUNK_BYTES if length is None else min(CHUNK_BYTES, length - len(body))
        ):
            if length is None:
                hold_memory(len(piece))
                if len(body) + len(piece) >= most:  # there it would be cut in silence
                    raise TooLarge(f"The body of the request has more than {most:,} bytes.")
            body += piece
            check_body_rate(len(body), time.monotonic() - began)
    except Overloaded:
        body.clear()
        release_body()
        drain_body(stream)
        raise
    return body


def check_body_rate(received: int, seconds: float) -> None:
    """Who holds memory that others wait for must send quickly. Raises ``Overloaded``."""
    slow = seconds > RATE_GRACE_SECONDS and received < MIN_RATE * seconds
    if slow and g.get("held_memory") and current_services().bodies.is_contended:
        raise Overloaded(
            f"The body came at less than {MIN_RATE >> 10} KiB a second while others waited for "
            "the memory that it holds; send it again later."
        )


def drain_body(stream: IO[bytes]) -> None:
    """Read the rest of a body, for a while: most clients hear no answer before they sent it."""
    until = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < until and stream.read(CHUNK_BYTES):
        pass


def decompress_body(stream: DecompressedStream, most: int) -> bytearray:
    """What a compressed body holds, of at most ``most`` bytes. Raises as
    :func:`read_body_bytes`.
    """
    body, began = bytearray(), time.monotonic()
    try:
        for piece in stream.pieces(CHUNK_BYTES):
            if len(body) + len(piece) > most:
                raise TooLarge(f"The body of the request holds more than {most:,} bytes.")
            hold_memory(len(piece))
            body += piece
            check_body_rate(len(body), time.monotonic() - began)
    except Overloaded:
        body.clear()
        release_body()
        drain_body(request.stream)
        raise
    return body


def hold_memory(size: int) -> None:
    """Count ``size`` bytes more for the current request. Raises ``Overloaded``.

    Small bodies are not counted, so that a stop is heard when memory is short.
    """
    held: list[int] = g.setdefault("held_memory", [])
    if size > UNCOUNTED_BYTES or held:
        current_services().bodies.acquire(size)
        held.append(size)


def release_body() -> None:
    """The body of the current request, and what was made of it, is needed no longer."""
    for size in g.pop("held_memory", ()):
        current_services().bodies.release(size)


def read_json_body(*, required: bool = True, most: int | None = None) -> object:
    """The body as JSON, whatever its content type says; None when empty and not required.

    Raises ``InvalidFields`` as AUTOMATIC1111 words it (golden ``malformed_json``), and as
    :func:`read_body_bytes`.
    """
    body = parse_json_body(required, most)
    if isinstance(body, dict) and current_services().accounts is not None:
        g.body_names = describe_names(body)
    return body


def parse_json_body(required: bool, most: int | None) -> object:
    """As :func:`read_json_body`, which notes besides what the body is about."""
    data = read_body_bytes(most)
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
        bare = strip_comments(text) if current_services().config.lenient else ""
        with suppress(ValueError, RecursionError):
            return json.loads(bare)
        raise InvalidFields([malformed_fault(error)]) from None
    except (UnicodeDecodeError, ValueError, RecursionError):
        message = "There was an error parsing the body"
        raise InvalidFields([Fault(("body",), message, "value_error.jsondecode")]) from None


def malformed_fault(error: json.JSONDecodeError) -> Fault:
    """The fault of a body that is not JSON, with the place where it stops being so."""
    context = {
        "msg": error.msg,
        "doc": error.doc[:MAX_ECHOED],
        "pos": error.pos,
        "lineno": error.lineno,
        "colno": error.colno,
    }
    return Fault(("body", error.pos), str(error), "value_error.jsondecode", context)


def to_response(answer: Answer) -> Response:
    """Flask's form of a stored answer."""
    return Response(answer.body, answer.status, content_type=answer.content_type)
