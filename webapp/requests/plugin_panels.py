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
        raise Refused(f"{where}: an object is expected.")
    if not form:
        return dict(argument)
    values = by_position(where, argument["args"], form) if "args" in argument else dict(argument)
    known = {field.name: field for field in form}
    for key, value in values.items():
        if key not in known:
            raise Refused(f"{where}.{key}: there is no such field; {', '.join(known)}.")
        check_field(f"{where}.{key}", known[key], value)
    return {field.name: values.get(field.name, field.value) for field in form}


def by_position(where: str, args: object, form: Sequence[Input]) -> dict[str, Any]:
    """Arguments by the names of their places; those beyond the form are dropped (contract 1.8)."""
    if not isinstance(args, list):
        raise Refused(f"{where}.args: a list is expected.")
    return {field.name: value for field, value in zip(form, args, strict=False)}


def check_field(where: str, field: Input, value: object) -> None:
    """Raise ``Refused`` for a value that the field does not take."""
    if field.kind == "number":
        check_number(where, field, value)
    elif field.kind == "switch" and not has_type(value, bool):
        raise Refused(f"{where}: expected true or false, not {value!r}.")
    elif field.kind == "text" and not has_type(value, str):
        raise Refused(f"{where}: expected text, not {value!r}.")
    elif field.kind == "choice" and unknown_choices([value], field.choices):
        raise Refused(f"{where}: {value!r} is none of {', '.join(map(str, field.choices))}.")


def check_number(where: str, field: Input, value: object) -> None:
    """Raise ``Refused`` for what is no number, or none between the field's limits."""
    if not is_number(value):
        raise Refused(f"{where}: expected a number, not {value!r}.")
    if not is_in_range(value, field.least, field.most):
        raise Refused(f"{where}: {value} is not between {field.least} and {field.most}.")
