"""OpenAI's form of an error, for the routes below ``/v1``. No Flask.

``{"error": {"message", "type", "param", "code"}}``, made of an answer of ``webapp.errors``. What is
refused because of its fields is 400, as OpenAI's clients expect, not 422.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from webapp.errors import json_answer
from webapp.queues.contracts.frame import Answer

VALIDATION, BAD_REQUEST = 422, 400
TYPES = MappingProxyType(
    {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
)
"""By status; others are ``invalid_request_error``, or ``server_error`` from 500 on."""

CODES = MappingProxyType(
    {
        401: "invalid_api_key",
        403: "forbidden",
        404: "model_not_found",
        405: "method_not_supported",
        409: "job_stopped",
        413: "request_too_large",
        429: "rate_limit_exceeded",
        503: "service_unavailable",
        507: "disk_full",
    }
)
"""By status; of others the kind of error is the code."""

UNKNOWN_URL = "unknown_url"

FAULT_CODES = (
    ("value_error.missing", "missing_required_parameter"),
    ("value_error.jsondecode", "invalid_json"),
    ("type_error", "invalid_type"),
)
"""By the beginning of a fault's kind."""

NAMELESS = frozenset({"HTTPException", "Refused", "BadRequest"})
"""Kinds of error that say no more than the status."""

OWN_NAMES = MappingProxyType({"init_images": "image", "sd_model_checkpoint": "model"})
"""Fields of AUTOMATIC1111 that are made of a field of OpenAI's."""

FIELD = re.compile(r"([A-Za-z_][\w.\[\]]{0,99}): ")
WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
NO_SECOND_TRY = frozenset({409, 500, 507})
"""Statuses of failures that another try meets again; OpenAI's clients try them thrice otherwise."""


def openai_error(answer: Answer, asked: str) -> tuple[Answer, Mapping[str, str]]:
    """An error answer in OpenAI's form, and headers that come with it.

    ``asked`` is the request's method and path, for addresses that are not here.
    """
    status = BAD_REQUEST if answer.status == VALIDATION else answer.status
    message, param, code = describe(read_body(answer.body), status, asked)
    error = {
        "message": message,
        "type": TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error"),
        "param": param,
        "code": code,
    }
    headers = {"x-should-retry": "false"} if status in NO_SECOND_TRY else {}
    return json_answer(status, {"error": error}), headers


def read_body(body: bytes) -> dict[str, object]:
    """The object in an answer; empty where it is a page or a text."""
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def describe(
    body: Mapping[str, object], status: int, asked: str
) -> tuple[str, str | None, str | None]:
    """Message, field and code of an error of ours."""
    detail, kind = body.get("detail"), str(body.get("error", ""))
    if isinstance(detail, list) and detail:
        return describe_faults(detail)
    if status in (404, 405) and not kind:
        if status == 404:
            return f"There is no route {asked}.", None, UNKNOWN_URL
        return f"The route takes no such method: {asked}.", None, CODES[status]
    message = detail if isinstance(detail, str) and detail else f"The request failed: {status}."
    found = FIELD.match(message) if status == BAD_REQUEST else None
    if found is None:
        return message, None, code_of(kind, status)
    name = OWN_NAMES.get(found[1], found[1])
    return f"{name}: {message[found.end() :]}", name, code_of(kind, status)


def describe_faults(faults: list[dict[str, object]]) -> tuple[str, str | None, str]:
    """The same of pydantic's list; field and code are the first fault's."""
    names = [field_of(fault) for fault in faults]
    message = "; ".join(
        f"{name or 'body'}: {fault.get('msg', '')}"
        for name, fault in zip(names, faults, strict=True)
    )
    kind = str(faults[0].get("type", ""))
    code = next((code for start, code in FAULT_CODES if kind.startswith(start)), "invalid_value")
    return message, names[0], code


def field_of(fault: Mapping[str, object]) -> str | None:
    """The field that a fault is about; None for the whole body, or a place in its text."""
    location = fault.get("loc")
    parts = location[1:] if isinstance(location, list) else []
    if not parts or not isinstance(parts[0], str):
        return None
    return ".".join(str(part) for part in (OWN_NAMES.get(parts[0], parts[0]), *parts[1:]))


def code_of(kind: str, status: int) -> str | None:
    """The kind of an error as OpenAI would write it (``model_not_found``), else the status's."""
    if status in CODES:
        return CODES[status]
    if kind and kind not in NAMELESS:
        return WORDS.sub("_", kind).lower()
    return "invalid_value" if status == BAD_REQUEST else None
