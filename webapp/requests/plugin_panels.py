"""Plugins' entries in a body's ``alwayson_scripts``."""

from collections.abc import Mapping, Sequence
from typing import Any

from plugins.api import Input
from webapp.errors import Refused
from webapp.requests.context import RequestContext
from webapp.value_rules import has_type, is_in_range, is_number, unknown_choices


def read_panels(
    always_on: Mapping[str, object], context: RequestContext
) -> dict[str, dict[str, Any]]:
    """The fields of each plugin that is named, those that are left out with their defaults.

    Raises ``Refused`` naming plugin and field.
    """
    return {
        name: fields_of(name, always_on[name], context.panels[name])
        for name in always_on
        if name in context.panels
    }


def fields_of(name: str, argument: object, form: Sequence[Input]) -> dict[str, Any]:
    """The fields of one plugin: ``{"args": [...]}`` in the form's order, or fields by name.

    A plugin without a form gets what there is.
    """
    where = f"alwayson_scripts.{name}"
    if not isinstance(argument, Mapping):
        raise Refused(f"{where}: an object is expected.", "wrong_type", where, expected="dict")
    if not form:
        return dict(argument)
    values = by_position(where, argument["args"], form) if "args" in argument else dict(argument)
    known = {field.name: field for field in form}
    for key, value in values.items():
        if key not in known:
            raise Refused(
                f"{where}.{key}: there is no such field; {', '.join(known)}.",
                "unknown_field",
                where,
                value=key,
                known=[*known],
            )
        check_field(f"{where}.{key}", known[key], value)
    return {field.name: values.get(field.name, field.value) for field in form}


def by_position(where: str, args: object, form: Sequence[Input]) -> dict[str, Any]:
    """Arguments by the names of their places; those beyond the form are dropped (contract 1.8)."""
    if not isinstance(args, list):
        raise Refused(
            f"{where}.args: a list is expected.", "wrong_type", f"{where}.args", expected="list"
        )
    return {field.name: value for field, value in zip(form, args, strict=False)}


def check_field(where: str, field: Input, value: object) -> None:
    """Raise ``Refused`` for a value that the field does not take."""
    if field.kind == "number":
        check_number(where, field, value)
    elif field.kind == "switch" and not has_type(value, bool):
        raise wrong_type(where, "true or false", "bool", value)
    elif field.kind == "text" and not has_type(value, str):
        raise wrong_type(where, "text", "str", value)
    elif field.kind == "choice" and unknown_choices([value], field.choices):
        raise Refused(
            f"{where}: {value!r} is none of {', '.join(map(str, field.choices))}.",
            "unknown_name",
            where,
            value=value,
            known=[*field.choices],
        )


def check_number(where: str, field: Input, value: object) -> None:
    """Raise ``Refused`` for what is no number, or none between the field's limits."""
    if not is_number(value):
        raise wrong_type(where, "a number", "number", value)
    if not is_in_range(value, field.least, field.most):
        raise Refused(
            f"{where}: {value} is not between {field.least} and {field.most}.",
            "out_of_range",
            where,
            value=value,
            least=field.least,
            most=field.most,
        )


def wrong_type(where: str, words: str, expected: str, value: object) -> Refused:
    """The refusal of a value of another type than its field's."""
    text = f"{where}: expected {words}, not {value!r}."
    return Refused(text, "wrong_type", where, expected=expected, value=value)
