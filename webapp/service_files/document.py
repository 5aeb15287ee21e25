"""From JSON to the keys of the table: dotted and nested spellings, lists, kinds of values."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from webapp.service_files.errors import BadServiceFile, quote
from webapp.service_files.key_table import KEYS_BY_SPELLING, ServiceKey
from webapp.value_rules import is_in_range, is_number

ANY = "*"
LIST = "[]"
SWITCH_TEXTS: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})
INDEX = re.compile(r"\[(\d+)\]")


def _prefixes() -> frozenset[str]:
    """Every path above a key of the table: ``storage``, ``storage[]``, ``storage[].oss``."""
    found = set()
    for spelling in KEYS_BY_SPELLING:
        parts = spelling.replace(LIST, f".{LIST}").split(".")
        for length in range(1, len(parts)):
            found.add(".".join(parts[:length]).replace(f".{LIST}", LIST))
    return frozenset(found)


PREFIXES = _prefixes()


@dataclass(frozen=True, slots=True)
class GivenValue:
    """A value of the file. ``place`` is where it stands, with dots and numbers."""

    key: ServiceKey
    place: str
    value: Any

    @property
    def value_text(self) -> str:
        """The value for people."""
        return "(not shown)" if self.key.is_secret else quote(self.value)


@dataclass(frozen=True, slots=True)
class ServiceDocument:
    """All values of a file, by the table's name of their key and the numbers in its lists."""

    values: Mapping[tuple[str, tuple[int, ...]], GivenValue] = field(default_factory=dict)
    lengths: Mapping[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)

    def find(self, name: str, *numbers: int) -> GivenValue | None:
        """What stands at a key of the table."""
        return self.values.get((name, numbers))

    def get(self, name: str, *numbers: int, default: Any = None) -> Any:
        """Its value."""
        given = self.find(name, *numbers)
        return default if given is None else given.value

    def count(self, name: str, *numbers: int) -> int:
        """How many elements a list has."""
        return self.lengths.get((name, numbers), 0)


def read_document(content: Mapping[str, Any]) -> ServiceDocument:
    """The keys of a file. Raises :class:`BadServiceFile` where one is at fault."""
    values: dict[tuple[str, tuple[int, ...]], GivenValue] = {}
    lengths: dict[tuple[str, tuple[int, ...]], int] = {}
    for path, place, value in _walk(content, "", ""):
        numbers = tuple(map(int, INDEX.findall(place)))
        if path.endswith(LIST):
            _add_length(lengths, path.removesuffix(LIST), numbers, place)
            continue
        key = _key_of(path)
        given = GivenValue(key, place, _convert(key, place, value))
        name = place if key.name.endswith(ANY) else key.name
        other = values.setdefault((name, numbers), given)
        if other.value != given.value:
            raise BadServiceFile(
                f"{other.place} is {other.value_text}, and {place}, which is the same, is "
                f"{given.value_text}. Take one out."
            )
    return ServiceDocument(values, lengths)


def _add_length(
    lengths: dict[tuple[str, tuple[int, ...]], int],
    name: str,
    numbers: tuple[int, ...],
    place: str,
) -> None:
    *outer, number = numbers
    lengths[name, tuple(outer)] = max(number + 1, lengths.get((name, tuple(outer)), 0))


def _walk(value: Any, path: str, place: str) -> Iterator[tuple[str, str, Any]]:
    """Every leaf with its path in the table and its place in the file; elements of lists too."""
    if value is None:
        return
    if path in KEYS_BY_SPELLING or _free_parent(path):
        yield path, place, value
    elif isinstance(value, Mapping):
        if f"{path}{LIST}" in PREFIXES:
            raise BadServiceFile(f"{place} is an object; a list is expected: [{{...}}].")
        for name, inner in value.items():
            yield from _walk_name(inner, path, place, name)
    elif isinstance(value, list) and f"{path}{LIST}" in PREFIXES:
        for number, inner in enumerate(value):
            if not isinstance(inner, Mapping):
                raise BadServiceFile(
                    f"{place}[{number}] is {quote(inner)}; an object is expected: {{...}}."
                )
            yield f"{path}{LIST}", f"{place}[{number}]", inner
            yield from _walk(inner, f"{path}{LIST}", f"{place}[{number}]")
    else:
        kind = "a list of objects" if f"{path}{LIST}" in PREFIXES else "an object"
        raise BadServiceFile(f"{place} is {quote(value)}; {kind} is expected.")


def _walk_name(inner: Any, path: str, place: str, name: str) -> Iterator[tuple[str, str, Any]]:
    """One key of an object; its dots part names, as nested objects do."""
    for part in name.split("."):
        path, place = f"{path}.{part}".lstrip("."), f"{place}.{part}".lstrip(".")
        if _free_parent(path) is not None:
            place = f"{place}{name.partition(part)[2]}"
            break
        if LIST in part or (path not in PREFIXES and path not in KEYS_BY_SPELLING):
            raise BadServiceFile(_unknown_message(path, place))
    yield from _walk(inner, path, place)


def _free_parent(path: str) -> str | None:
    """The row ``name.*`` under which a path falls that has no row of its own."""
    if path in KEYS_BY_SPELLING or path in PREFIXES:
        return None
    parts = path.split(".")
    return next(
        (
            row
            for length in range(len(parts) - 1, 0, -1)
            if (row := f"{'.'.join(parts[:length])}.{ANY}") in KEYS_BY_SPELLING
        ),
        None,
    )


def _key_of(path: str) -> ServiceKey:
    return KEYS_BY_SPELLING[_free_parent(path) or path]


def _unknown_message(path: str, place: str) -> str:
    """An unknown key with the nearest of its neighbours, else the nearest anywhere."""
    parent, _, name = path.rpartition(".")
    depth = path.count(".")
    neighbours = {
        parts[depth].removesuffix(LIST): ".".join(parts[: depth + 1])
        for spelling in KEYS_BY_SPELLING
        if len(parts := spelling.split(".")) > depth and ".".join(parts[:depth]) == parent
    }
    everywhere = {spelling.rpartition(".")[2]: spelling for spelling in KEYS_BY_SPELLING}
    for names, cutoff in ((neighbours, 0.6), (everywhere, 0.8)):
        if near := difflib.get_close_matches(name, [*names], n=1, cutoff=cutoff):
            return f"Unknown key {quote(place)}. Did you mean {names[near[0]].removesuffix(LIST)}?"
    return f"Unknown key {quote(place)}. See docs/service-keys.md."


def _convert(key: ServiceKey, place: str, value: Any) -> Any:
    """The value in its row's kind. Raises :class:`BadServiceFile`."""
    if key.kind == "any":
        return value
    if key.kind == "switch" and isinstance(value, str):
        value = SWITCH_TEXTS.get(value.lower(), value)
    if key.kind == "texts" and isinstance(value, str):
        value = [value]
    if not _fits(key, value):
        found = "(not shown)" if key.is_secret else quote(value)
        raise BadServiceFile(f"{place} is {found}; {key.takes} is expected.")
    return value


def _fits(key: ServiceKey, value: Any) -> bool:
    if key.kind in ("integer", "number"):
        kinds = int if key.kind == "integer" else int | float
        return (
            is_number(value)
            and isinstance(value, kinds)
            and is_in_range(value, key.least, key.most)
        )
    if key.kind == "texts":
        return isinstance(value, list) and all(isinstance(part, str) for part in value)
    return isinstance(value, bool if key.kind == "switch" else str)
