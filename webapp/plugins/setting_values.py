"""Whether a value is one of a plugin's setting."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from plugins.api import Setting
from webapp.errors import Refused
from webapp.value_rules import has_type, is_in_range, is_number, unknown_choices


def check_setting(setting: Setting, value: object) -> None:
    """Raise ``Refused`` for a value that is none of the setting's."""
    where = f"settings.{setting.name}"
    several = isinstance(setting.value, list) and isinstance(value, list)
    values: list[Any] = value if several else [value]  # type: ignore[assignment]
    unknown = unknown_choices(values, setting.choices) if setting.choices else []
    if unknown:
        raise Refused(
            f"{where}: {unknown[0]!r} is none of {', '.join(map(str, setting.choices))}.",
            "unknown_name",
            value=unknown[0],
            known=[*setting.choices],
        )
    kind = type(setting.value)
    if setting.value is not None and not has_type(value, kind):
        text = f"{where}: expected {TYPE_NAMES.get(kind, kind.__name__)}, not {value!r}."
        raise Refused(text, "wrong_type", expected=kind.__name__, value=value)
    if is_number(value) and not is_in_range(value, setting.least, setting.most):
        raise Refused(
            f"{where}: {value} is not between {setting.least} and {setting.most}.",
            "out_of_range",
            value=value,
            least=setting.least,
            most=setting.most,
        )


TYPE_NAMES: Mapping[type, str] = MappingProxyType(
    {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list",
     dict: "an object"}
)  # fmt: skip
