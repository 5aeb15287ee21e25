"""What every route needs of the current request: the services, the caller, the body."""

import json
from typing import TYPE_CHECKING

from flask import Response, current_app, g, request

from webapp.auth import Caller
from webapp.errors import Fault, Forbidden, InvalidFields, TooLarge
from webapp.queues.contracts import Answer
from webapp.scopes import OPENS, Scope

if TYPE_CHECKING:
    from webapp.routes.tasks import Tasks
    from webapp.services import Services
    from webapp.waiting_limit import WaitingLimit

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


def caller() -> Caller:
    """Who asks, as the gate found out."""
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


def json_body(*, required: bool = True) -> object:
    """The body as JSON, whatever its content type says; None when empty and not required.

    Raises ``InvalidFields`` as AUTOMATIC1111 words it (golden ``malformed_json``).
    """
    data = request.get_data(cache=False)
    # A body without a length is cut at the limit in silence.
    if request.content_length is None and len(data) >= current_app.config["MAX_CONTENT_LENGTH"]:
        raise TooLarge("The body of the request is too long.")
    if not data.strip():
        if not required:
            return None
        raise InvalidFields([Fault(("body",), "field required", "value_error.missing")])
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
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
