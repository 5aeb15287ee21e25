"""Samplers, schedules, upscalers, scripts and preprocessors of plugins. No Flask, no torch."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from generator.atomic_file import write_atomically
from generator.control.modules import Module, find_module
from generator.scripts.catalogue import SCRIPTS, Argument, ArgumentKind, ScriptEntry
from plugins.api import Input, Preprocessor, Script

KIND_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "samplers": "sampler",
        "schedules": "schedule",
        "upscalers": "upscaler",
        "scripts": "script",
        "preprocessors": "preprocessor",
    }
)
"""Kinds of what plugins bring, and what one of each is called."""

KINDS: Mapping[str, ArgumentKind] = MappingProxyType(
    {
        "text": ArgumentKind.TEXT,
        "number": ArgumentKind.NUMBER,
        "switch": ArgumentKind.SWITCH,
        "choice": ArgumentKind.WORD,
    }
)
OWN_TITLES = frozenset(entry.title for entries in SCRIPTS.values() for entry in entries)
OFFERED_FILE = "plugins-offered.json"  # in .easel

log = logging.getLogger("easel.web")


def script_entries(scripts: Iterable[Script], route: str) -> tuple[ScriptEntry, ...]:
    """The scripts of one route as the catalogue has its own; a title of ours is not taken over."""
    entries_by_title: dict[str, ScriptEntry] = {}
    for script in scripts:
        title = script.title.lower()
        if route in script.routes and title not in OWN_TITLES:
            entries_by_title.setdefault(title, ScriptEntry(title, form_arguments(script.inputs)))
    return tuple(entries_by_title.values())


def form_arguments(inputs: Sequence[Input]) -> tuple[Argument, ...]:
    """The fields of a form as arguments by position."""
    return tuple(to_argument(each) for each in inputs)


def to_argument(field: Input) -> Argument:
    """One field; a number whose value and step are whole takes whole numbers."""
    kind = KINDS.get(field.kind, ArgumentKind.TEXT)
    if kind is ArgumentKind.NUMBER and type(field.value) is int and type(field.step or 1) is int:
        kind = ArgumentKind.WHOLE
    words = tuple(map(str, field.choices)) if kind is ArgumentKind.WORD else None
    return Argument(
        field.label or field.name, field.value, kind, field.least, field.most, field.step, words
    )


def to_modules(preprocessors: Iterable[Preprocessor]) -> dict[str, Module]:
    """The preprocessors by name; a name or label of ours is not taken over."""
    modules_by_name: dict[str, Module] = {}
    for each in preprocessors:
        if find_module(each.name) is None and find_module(each.label) is None:
            module = Module(
                each.name, each.label, tuple(each.tags), each.a, each.b, each.resolution,
                runs=True, from_plugin=True,
            )  # fmt: skip
            modules_by_name.setdefault(each.name, module)
    return modules_by_name


class PluginCatalogue:
    """Remembers on disk which plugin provided which name, for errors while that plugin is off."""

    def __init__(self, easel_dir: Path) -> None:
        self.path = easel_dir / OFFERED_FILE
        self.plugins_by_name = self._read()  # kind -> name in lower case -> plugin

    def plugin_for(self, kind: str, name: str) -> str:
        """The plugin that brought this name when it was last on, "" for none."""
        return self.plugins_by_name.get(kind, {}).get(name.lower(), "")

    def remember(self, offered: Iterable[tuple[str, str, str]]) -> None:
        """Note (kind, name, plugin), for the time when the plugin is off."""
        before = json.dumps(self.plugins_by_name, sort_keys=True)
        for kind, name, plugin in offered:
            self.plugins_by_name.setdefault(kind, {})[name.lower()] = plugin
        if json.dumps(self.plugins_by_name, sort_keys=True) != before:
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
            write_atomically(self.path, json.dumps(self.plugins_by_name).encode())
        except OSError as error:
            log.warning("what plugins bring is not remembered: %s", error)
