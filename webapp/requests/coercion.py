"""Types that coerce as pydantic v1 did, as AUTOMATIC1111's API does (contract section 1.3).

Numeric strings become numbers, floats are truncated where an integer is wanted, 0/1 and "true"
become booleans. The errors carry pydantic v1's messages and types, which its clients know.
"""

import math
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

TRUE_WORDS = frozenset({"1", "true", "t", "yes", "y", "on"})
FALSE_WORDS = frozenset({"0", "false", "f", "no", "n", "off"})


def check_not_none(value: object) -> None:
    """Refuse NULL where a field does not take it."""
    if value is None:
        raise PydanticCustomError("type_error.none.not_allowed", "none is not an allowed value")


def to_int(value: object) -> int:
    """An integer from a number (truncated), a boolean or a decimal string."""
    check_not_none(value)
    if isinstance(value, int | float | str):
        try:
            return int(value)
        except (ValueError, OverflowError):
            pass
    raise PydanticCustomError("type_error.integer", "value is not a valid integer")


def to_float(value: object) -> float:
    """A finite number from a number, a boolean or a numeric string."""
    check_not_none(value)
    if isinstance(value, int | float | str):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise PydanticCustomError("type_error.float", "value is not a valid float")


def to_bool(value: object) -> bool:
    """A boolean from 0/1 or one of the usual words."""
    check_not_none(value)
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, str | int) else ""
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise PydanticCustomError("type_error.bool", "value could not be parsed to a boolean")


def to_str(value: object) -> str:
    """A string, or a number written as one; not lone surrogates, which no file can hold."""
    check_not_none(value)
    if not isinstance(value, str | int | float):
        raise PydanticCustomError("type_error.str", "str type expected")
    return check_unicode(str(value))


def check_unicode(text: str) -> str:
    """A text that files and databases can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise PydanticCustomError("value_error.unicode", "string is not valid Unicode") from None
    return text


def check_all_unicode(value: object) -> None:
    """Refuse lone surrogates wherever they stand in a list or an object, names included."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            check_unicode(item)
        elif isinstance(item, dict):
            stack += [*item, *item.values()]
        elif isinstance(item, list):
            stack += item


def to_list(value: object) -> list[object]:
    """A list, nothing else, of texts that are Unicode."""
    check_not_none(value)
    if not isinstance(value, list):
        raise PydanticCustomError("type_error.list", "value is not a valid list")
    check_all_unicode(value)
    return value


def to_dict(value: object) -> dict[str, object]:
    """An object, nothing else, of texts that are Unicode."""
    check_not_none(value)
    if not isinstance(value, dict):
        raise PydanticCustomError("type_error.dict", "value is not a valid dict")
    check_all_unicode(value)
    return value


Int = Annotated[int, BeforeValidator(to_int, json_schema_input_type=int)]
Float = Annotated[float, BeforeValidator(to_float, json_schema_input_type=float)]
Bool = Annotated[bool, BeforeValidator(to_bool, json_schema_input_type=bool)]
Str = Annotated[str, BeforeValidator(to_str, json_schema_input_type=str)]
Strings = Annotated[list[Str], BeforeValidator(to_list)]
Anything = Annotated[
    list[object], BeforeValidator(to_list), WithJsonSchema({"type": "array", "items": {}})
]
Object = Annotated[dict[str, object], BeforeValidator(to_dict), WithJsonSchema({"type": "object"})]
