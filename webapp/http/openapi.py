"""``/openapi.json``, generated from the routes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from flask import Flask
from pydantic import TypeAdapter, WithJsonSchema

from webapp.refusal_codes import CODES

Schema = Mapping[str, object]
Model = Any  # what pydantic makes a schema of: a model, a TypedDict, list[...] of one, ...
Base64 = Annotated[str, WithJsonSchema({"type": "string", "format": "byte"})]
CONVERTER = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NULL_SCHEMA: Schema = {"nullable": True, "description": "null"}
EMPTY_SCHEMA: Schema = {"type": "object", "maxProperties": 0}


@dataclass(frozen=True, slots=True)
class RouteNote:
    """The OpenAPI description of a route: summary, schemas of body and answer, query parameters."""

    summary: str
    body: Model | Schema | None = None
    body_required: bool = True
    body_type: str = "application/json"
    answer: Model | Schema = field(default_factory=dict)
    query: Mapping[str, Schema] = field(default_factory=dict)
    content_type: str = "application/json"
    public: bool = False
    also: Mapping[str, Model | Schema] = field(default_factory=dict)  # other statuses' answers
    also_type: str = "application/json"  # and their type
    errors: Mapping[str, Schema] | None = None  # by status, where they are not AUTOMATIC1111's


def with_note(note: RouteNote) -> Callable[[Any], Any]:
    """Attach a :class:`RouteNote` to a view function."""

    def attach(view: Any) -> Any:
        view.openapi_note = note
        return view

    return attach


def build_document(app: Flask, version: str) -> dict[str, object]:
    """The OpenAPI 3.0 document of every described route of ``app``."""
    schemas: dict[str, object] = dict(ERRORS)
    paths: dict[str, dict[str, object]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        note = getattr(app.view_functions[rule.endpoint], "openapi_note", None)
        if note is None:
            continue
        path = CONVERTER.sub(r"{\1}", rule.rule)
        for method in METHODS:
            if method in (rule.methods or ()):
                operation = operation_of(note, rule.endpoint, sorted(rule.arguments), schemas)
                paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.0.3",
        "info": {"title": "Easel", "version": version},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SECURITY},
        "security": [{name: []} for name in SECURITY],
    }


def operation_of(
    note: RouteNote, endpoint: str, arguments: list[str], schemas: dict[str, object]
) -> dict[str, object]:
    """One method of one path."""
    answer = {
        "description": "Success",
        "content": {note.content_type: {"schema": schema_reference(note.answer, schemas)}},
    }
    operation: dict[str, object] = {
        "operationId": endpoint.replace(".", "_"),
        "summary": note.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in arguments
        ]
        + [
            {"name": name, "in": "query", "schema": dict(schema)}
            for name, schema in note.query.items()
        ],
        "responses": {"200": answer} | other_responses(note, schemas),
    }
    if note.public:
        operation["security"] = []
    if note.body is not None:
        operation["requestBody"] = {
            "required": note.body_required,
            "content": {note.body_type: {"schema": schema_reference(note.body, schemas)}},
        }
    return operation


def other_responses(note: RouteNote, schemas: dict[str, object]) -> dict[str, object]:
    """Every answer but the good one."""
    responses = {
        status: {
            "description": "Not now",
            "content": {note.also_type: {"schema": schema_reference(schema, schemas)}},
        }
        for status, schema in note.also.items()
    }
    if note.errors is not None:
        return {**note.errors, **responses}
    return (REFUSED if note.public else UNAUTHORIZED | REFUSED) | responses


def schema_reference(schema: Model | Schema, schemas: dict[str, object]) -> dict[str, object]:
    """A schema in place, or a reference to a model's, which is added to ``schemas``.

    Raises ``ValueError`` where two models have one name.
    """
    if isinstance(schema, Mapping):
        return dict(schema)
    text = TypeAdapter(schema).json_schema(ref_template="#/components/schemas/{model}")
    models = text.pop("$defs", {})
    if isinstance(schema, type) and "properties" in text:
        name = str(text.get("title", schema.__name__))
        models[name], text = text, {"$ref": f"#/components/schemas/{name}"}
    for name, model in models.items():
        if schemas.setdefault(name, to_openapi_30(model)) != to_openapi_30(model):
            raise ValueError(f"Two models of the API have the name {name}.")
    return dict(to_openapi_30(text))


def to_openapi_30(schema: Any) -> Any:
    """JSON Schema 2020's ``anyOf [.., null]`` as OpenAPI 3.0's ``nullable``."""
    if isinstance(schema, list):
        return [to_openapi_30(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: to_openapi_30(value) for key, value in schema.items()}
    kinds = schema.get("anyOf")
    if isinstance(kinds, list) and {"type": "null"} in kinds:
        rest = [kind for kind in kinds if kind != {"type": "null"}]
        others = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**others, **(rest[0] if len(rest) == 1 else {"anyOf": rest}), "nullable": True}
    return schema


def error_response(description: str, name: str) -> dict[str, object]:
    """A response that is an error."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


REASON: Mapping[str, object] = {
    "code": {"$ref": "#/components/schemas/RefusalCode"},
    "field": {"type": "string", "description": "its path in the request, empty for none"},
    "values": {"type": "object", "description": "what was asked, and what may be"},
}
ERRORS: Schema = {
    "RefusalCode": {"type": "string", "enum": [*CODES]},
    "Reason": {"type": "object", "required": [*REASON], "properties": REASON},
    "Envelope": {
        "type": "object",
        "required": ["error", "detail", "body", "errors", *REASON],
        "properties": {
            "error": {"type": "string", "description": "the kind of error"},
            "detail": {"type": "string", "description": "the sentence to read"},
            "body": {"type": "string"},
            "errors": {"type": "string"},
            **REASON,
        },
    },
    "Faults": {
        "type": "object",
        "required": ["detail", *REASON],
        "properties": {
            **REASON,
            "others": {"type": "array", "items": {"$ref": "#/components/schemas/Reason"}},
            "detail": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["loc", "msg", "type"],
                    "properties": {
                        "loc": {"type": "array", "items": {}},
                        "msg": {"type": "string"},
                        "type": {"type": "string"},
                        "ctx": {"type": "object"},
                    },
                },
            },
        },
    },
    "Missing": {
        "type": "object",
        "required": ["detail"],
        "properties": {"detail": {"type": "string"}},
    },
    "Refusal": {
        "anyOf": [
            {"$ref": "#/components/schemas/Envelope"},
            {"$ref": "#/components/schemas/Faults"},
        ]
    },
    "OpenAiError": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": {"type": "string", "description": "the sentence to read"},
                    "type": {"type": "string"},
                    "param": {"type": "string", "nullable": True, "description": "the field"},
                    "code": {"type": "string", "nullable": True},
                },
            }
        },
    },
}
UNAUTHORIZED: dict[str, object] = {"401": error_response("No valid credential", "Envelope")}
REFUSED: dict[str, object] = {
    "404": error_response("There is nothing of that name", "Missing"),
    "422": error_response("The request cannot be carried out as written", "Refusal"),
    "default": error_response("Something failed", "Envelope"),
}
OPENAI_ERRORS: Mapping[str, Schema] = {
    "400": error_response("The request cannot be carried out as written", "OpenAiError"),
    "401": error_response("No valid credential", "OpenAiError"),
    "default": error_response("Something failed", "OpenAiError"),
}
PLAIN_ERRORS: Mapping[str, Schema] = {
    status: {
        "description": description,
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    for status, description in (
        ("400", "A parameter has no such value"),
        ("401", "No valid credential"),
        ("404", "There is nothing of that name"),
        ("default", "Something failed"),
    )
}
"""Of the queues, whose clients show an error's body as it is."""

SECURITY: Schema = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "the token, bare or after Bearer",
    },
    "basic": {"type": "http", "scheme": "basic"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
}
