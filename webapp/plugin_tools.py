"""What plugins bring to draw with, in the words of the engine's own tables. No Flask, no torch."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from generator.atomic_file import write_atomically
from generator.control.modules import Module, find_module
from generator.scripts.catalogue import SCRIPTS, Argument, Entry, Kind
from plugins.nouns import Input, Preprocessor, Script

SINGULAR: Mapping[str, str] = MappingProxyType(
    {
        "samplers": "sampler",
        "schedules": "schedule",
        "upscalers": "upscaler",
        "scripts": "script",
        "preprocessors": "preprocessor",
    }
)
"""Kinds of what plugins bring, and what one of each is called."""

KINDS: Mapping[str, Kind] = MappingProxyType(
    {"text": Kind.TEXT, "number": Kind.NUMBER, "switch": Kind.SWITCH, "choice": Kind.WORD}
)
OWN = frozenset(entry.title for entries in SCRIPTS.values() for entry in entries)
OFFERED = "plugins-offered.json"  # in .easel

log = logging.getLogger("easel.web")


def entries(scripts: Iterable[Script], route: str) -> tuple[Entry, ...]:
    """The scripts of one route as the catalogue has its own; a title of ours is not taken over."""
    found: dict[str, Entry] = {}
    for script in scripts:
        title = script.title.lower()
        if route in script.routes and title not in OWN:
            found.setdefault(title, Entry(title, arguments(script.inputs)))
    return tuple(found.values())


def arguments(inputs: Sequence[Input]) -> tuple[Argument, ...]:
    """The fields of a form as arguments by position."""
    return tuple(argument(each) for each in inputs)


def argument(field: Input) -> Argument:
    """One field; a number whose value and step are whole takes whole numbers."""
    kind = KINDS.get(field.kind, Kind.TEXT)
    if kind is Kind.NUMBER and type(field.value) is int and type(field.step or 1) is int:
        kind = Kind.WHOLE
    words = tuple(map(str, field.choices)) if kind is Kind.WORD else None
    return Argument(
        field.label or field.name, field.value, kind, field.least, field.most, field.step, words
    )


def modules(preprocessors: Iterable[Preprocessor]) -> dict[str, Module]:
    """The preprocessors by name; a name or label of ours is not taken over."""
    found: dict[str, Module] = {}
    for each in preprocessors:
        if find_module(each.name) is None and find_module(each.label) is None:
            module = Module(
                each.name, each.label, tuple(each.tags), each.a, each.b, each.resolution,
                runs=True, brought=True,
            )  # fmt: skip
            found.setdefault(each.name, module)
    return found


class Offers:
    """Remembers on disk which plugin provided which name, for errors while that plugin is off."""

    def __init__(self, easel_dir: Path) -> None:
        self.path = easel_dir / OFFERED
        self.known = self._read()  # kind -> name in lower case -> plugin

    def of(self, kind: str, name: str) -> str:
        """The plugin that brought this name when it was last on, "" for none."""
        return self.known.get(kind, {}).get(name.lower(), "")

    def remember(self, offered: Iterable[tuple[str, str, str]]) -> None:
        """Note (kind, name, plugin), for the time when the plugin is off."""
        before = json.dumps(self.known, sort_keys=True)
        for kind, name, plugin in offered:
            self.known.setdefault(kind, {})[name.lower()] = plugin
        if json.dumps(self.known, sort_keys=True) != before:
            self._write()

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            read = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(kind): {str(k): str(v) for k, v in of.items()} for kind, of in read.items()}
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}  # then refusals tell less

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, json.dumps(self.known).encode())
        except OSError as error:
            log.warning("what plugins bring is not remembered: %s", error)
