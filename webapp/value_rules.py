"""Whether a value fits what declares it: options, flags, plugins' settings and forms.

Each caller has its own words for a value that does not fit, and converts spellings beforehand.
"""

from collections.abc import Collection, Iterable
from typing import TypeGuard, TypeVar

T = TypeVar("T")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether this is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def has_type(value: object, kind: type) -> bool:
    """Whether a value is of this type; int and float both take any number."""
    return is_number(value) if kind in (int, float) else isinstance(value, kind)


def is_in_range(value: float, least: float | None, most: float | None) -> bool:
    """Whether a number lies between the limits, both included; None is no limit. NaN never does."""
    low = value if least is None else least
    high = value if most is None else most
    return low <= value <= high


def unknown_choices(values: Iterable[T], choices: Collection[object]) -> list[T]:
    """Those of ``values`` that are none of ``choices``, in their order."""
    return [value for value in values if value not in choices]
