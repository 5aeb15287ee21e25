"""The plugins of the web process: what they declared, and what the Extensions page changes.

What they declare (routes, parts of the page, settings) is asked once, when they are loaded, and
kept as a frozen whole. So a request never meets plugins that are half loaded: it goes on with the
table that it began with.
"""

import logging
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from generator.control.modules import Module
from generator.models.others import OtherShelf
from generator.scripts.catalogue import Entry
from plugins.finding import Found, Origin, find_plugins
from plugins.host import Host, Standing, State, forget_hung, standing_of
from plugins.nouns import (
    Input,
    Metric,
    ModelFolder,
    Part,
    Preprocessor,
    Route,
    Script,
    Setting,
    Side,
    Slot,
)
from webapp.errors import Refused
from webapp.plugging import CENSOR, OFF_AT_FIRST, choice_of, host_of
from webapp.plugin_tools import SINGULAR, Offers, entries, modules
from webapp.version import VERSION

if TYPE_CHECKING:
    from webapp.config import Config
    from webapp.settings import Options


class NoSuchPlugin(Refused):
    """No plugin of this name was found."""

    status = 404


@dataclass(frozen=True, slots=True)
class Declared:
    """What one plugin declared when it was loaded."""

    routes: Mapping[str, Route] = field(default_factory=dict)  # by path
    parts: Sequence[Part] = ()
    settings: Sequence[Setting] = ()
    folders: Sequence[ModelFolder] = ()
    metrics: Sequence[Metric] = ()
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scripts: Sequence[Script] = ()
    preprocessors: Sequence[Preprocessor] = ()

    @property
    def panel(self) -> Sequence[Input]:
        """The fields of its form under the prompt."""
        return next((part.form for part in self.parts if part.slot is Slot.PANEL), ())

    @property
    def offered(self) -> Iterator[tuple[str, str]]:
        """Kind and name of everything that it brings to draw with."""
        for kind, names in self.choices.items():
            yield from ((kind, str(name)) for name in names)
        yield from (("scripts", each.title) for each in self.scripts)
        yield from (("preprocessors", each.name) for each in self.preprocessors)


@dataclass(frozen=True, slots=True)
class Table:
    """Every plugin as of one loading, shipped ones first."""

    standings: tuple[Standing, ...] = ()
    declared: Mapping[str, Declared] = field(default_factory=dict)  # those that are on

    def of(self, name: str) -> Standing:
        """How one plugin stands. Raises :class:`NoSuchPlugin`."""
        found = next((each for each in self.standings if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in self.standings)
            raise NoSuchPlugin(f"There is no plugin {name!r}. Here are: {known or 'none'}.")
        return found


class PluginDesk:
    """The plugins of the web process: their declarations and settings. Thread-safe."""

    def __init__(
        self,
        config: "Config",
        options: "Options",
        log: logging.Logger,
        *,
        may_leave: bool = False,
    ) -> None:
        self.config = config
        self.log = log
        self.options = options
        self._loading = threading.Lock()
        self.host = host_of(Side.WEB, config, options, log, may_leave=may_leave)
        self.offers = Offers(config.easel_dir)
        self.table = self._asked()
        self.make_folders()

    def _asked(self) -> Table:
        """What the plugins that are on declare, remembered for when they are off."""
        table = table_of(self.host)
        self.offers.remember(
            (kind, name, plugin)
            for plugin, declared in table.declared.items()
            for kind, name in declared.offered
        )
        return table

    def reload(self) -> None:
        """Load the web side anew, as options and folders are now."""
        with self._loading:
            enabled = self.options.enabled_plugins()
            forget_hung(self.config.easel_dir)
            self.host.load(choice_of(self.config, self.options.get(), enabled))
            self.table = self._asked()
            self.make_folders()

    def make_folders(self) -> None:
        """Make the folders that plugins keep models in, so that people find them."""
        models = self.config.models_dir or self.config.data_dir / "models"
        for name, declared in self.table.declared.items():
            for each in declared.folders:
                if not plain_name(each.folder):
                    self.log.warning("plugin %s: %r is no folder's name", name, each.folder)
                    continue
                try:
                    (models / each.folder).mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    self.log.warning("The folder %s cannot be made: %s", each.folder, error)

    def shelves(self, name: str | None = None) -> tuple[OtherShelf, ...]:
        """Where plugins, or one of them, keep models; a kind is told with the plugin's name."""
        models = self.config.models_dir or self.config.data_dir / "models"
        return tuple(
            OtherShelf(
                kind_of(plugin, each), models / each.folder, tuple(each.suffixes), each.folders
            )
            for plugin, declared in self.table.declared.items()
            for each in declared.folders
            if name in (None, plugin) and plain_name(each.folder)
        )

    def marked(self, names: Container[str]) -> str:
        """The folder, "models/Voices", for a file with tensors of these names; "" for none."""
        for declared in self.table.declared.values():
            for each in declared.folders:
                if each.marks and plain_name(each.folder) and all(m in names for m in each.marks):
                    return f"models/{each.folder}"
        return ""

    def close(self) -> None:
        """Tell every plugin that it ends."""
        self.host.stop()

    def standings(self) -> tuple[Standing, ...]:
        """How they stand now: strikes and errors since the loading are told too.

        What came to the disk since then is off until the next reload, or faulty.
        """
        loaded = self.host.standings or self.table.standings
        here = {(each.name, each.folder) for each in loaded}
        found = find_plugins(self.config.data_dir, VERSION)
        new = [each for each in found if (each.name, each.folder) not in here]
        return (*loaded, *map(not_loaded, new))

    def of(self, name: str) -> Standing:
        """How one plugin stands, loaded or not. Raises :class:`NoSuchPlugin`."""
        found = next((each for each in self.standings() if each.name == name), None)
        return found or self.table.of(name)

    def wants(self, standing: Standing) -> bool:
        """Whether a plugin is on from the next reload on, as options, flags and disk are now."""
        choice = choice_of(self.config, self.options.get(), self.options.enabled_plugins())
        gone = standing.origin is Origin.FOLDER and not standing.folder.is_dir()
        return choice.wants(standing.name, standing.origin) and not gone

    def change(self, name: str, enabled: bool | None, settings: Mapping[str, object]) -> None:
        """Turn a plugin on or off at the next reload, and set some of its settings now.

        Raises ``Refused`` naming what does not fit.
        """
        standing = self.of(name)
        checked = self.checked(standing, settings)
        if enabled is False and name == CENSOR and self.config.nsfw_censor:
            raise Refused(f"enabled: {name} is required by a start flag.")
        if enabled is not None:
            self._turn(name, enabled)
        if checked:
            own = {**self.options.of_plugin(name), **checked}
            self.options.update_plugins(self.options.enabled_plugins(), {name: own})

    def checked(self, standing: Standing, settings: Mapping[str, object]) -> Mapping[str, object]:
        """The settings where each is one of the plugin's and fits it. Raises ``Refused``."""
        declared = self.table.declared.get(standing.name, Declared())
        known = {setting.name: setting for setting in declared.settings}
        for name, value in settings.items():
            if name not in known:
                raise Refused(
                    f"settings.{name}: {standing.name} has no such setting; it has "
                    f"{', '.join(known) or 'none while it is off'}."
                )
            check_setting(known[name], value)
        return settings

    def _turn(self, name: str, enabled: bool) -> None:
        disabled = set(map(str, self.options.get().get("disabled_extensions") or []))  # type: ignore[call-overload]
        turned = set(self.options.enabled_plugins())
        (disabled.discard if enabled else disabled.add)(name)
        if name in OFF_AT_FIRST:
            (turned.add if enabled else turned.discard)(name)
        self.options.update({"disabled_extensions": sorted(disabled)})
        self.options.update_plugins(frozenset(turned), {})

    # -- what others ask ------------------------------------------------------------------------

    def panels(self) -> Mapping[str, Sequence[Input]]:
        """Plugins that a request may name in ``alwayson_scripts``, with the fields they take."""
        return {name: declared.panel for name, declared in self.table.declared.items()}

    def metrics(self) -> Iterable[tuple[str, Metric]]:
        """Every number of every plugin."""
        for name, declared in self.table.declared.items():
            for metric in declared.metrics:
                yield name, metric

    def choices(self, kind: str) -> tuple[str, ...]:
        """Names of one kind that plugins bring, such as "samplers"."""
        found = (declared.choices.get(kind, ()) for declared in self.table.declared.values())
        return tuple(dict.fromkeys(str(name) for names in found for name in names))

    def scripts(self, route: str) -> tuple[Entry, ...]:
        """Scripts of one route that plugins bring."""
        declared = self.table.declared.values()
        return entries((script for each in declared for script in each.scripts), route)

    def modules(self) -> Mapping[str, Module]:
        """Preprocessors that plugins bring, by name."""
        declared = self.table.declared.values()
        return modules(module for each in declared for module in each.preprocessors)

    def away(self, kind: str, name: str) -> str:
        """Which plugin provided a name, in words, if it is not on now; "" where none is known."""
        plugin = self.offers.of(kind, name)
        if not plugin or plugin in self.table.declared:
            return ""
        return f"The {SINGULAR[kind]} {name!r} belongs to the plugin {plugin!r}, which is not on."


def not_loaded(found: Found) -> Standing:
    """A plugin as it lies on the disk."""
    return standing_of(found, State.FAULTY if found.fault else State.OFF, fault=found.fault)


def table_of(host: Host) -> Table:
    """Collect the declarations of every plugin that is on; values of a wrong type are left out."""
    on = [each.name for each in host.standings if each.state is State.ON]
    return Table(host.standings, {name: declared_by(name, host) for name in on})


def declared_by(name: str, host: Host) -> Declared:
    """What one plugin declares."""

    def listed(hook: str, kind: type) -> tuple[Any, ...]:
        told = host.ask_one(name, hook)
        found = tuple(told) if isinstance(told, Iterable) else ()
        return tuple(each for each in found if isinstance(each, kind))

    choices = host.ask_one(name, "choices")
    return Declared(
        routes=MappingProxyType({clean(each.path): each for each in listed("routes", Route)}),
        parts=listed("parts", Part),
        settings=listed("settings", Setting),
        folders=listed("model_folders", ModelFolder),
        metrics=listed("metrics", Metric),
        choices=choices if isinstance(choices, Mapping) else {},
        scripts=listed("scripts", Script),
        preprocessors=listed("preprocessors", Preprocessor),
    )


def kind_of(plugin: str, folder: ModelFolder) -> str:
    """What the registry calls a kind of a plugin's models."""
    return f"{plugin}/{folder.kind}"


def plain_name(name: str) -> bool:
    """Whether a name is that of one folder."""
    return bool(name) and name not in (".", "..") and not {"/", "\\", "\0"} & set(name)


def clean(path: str) -> str:
    """A route's path as requests have it."""
    return "/" + path.strip("/")


def check_setting(setting: Setting, value: object) -> None:
    """Raise ``Refused`` for a value that is none of the setting's."""
    where = f"settings.{setting.name}"
    several = isinstance(setting.value, list) and isinstance(value, list)
    for one in value if several else [value]:  # type: ignore[attr-defined]
        if setting.choices and one not in setting.choices:
            raise Refused(f"{where}: {one!r} is none of {', '.join(map(str, setting.choices))}.")
    kind = type(setting.value)
    numeric = kind in (int, float)
    fits = isinstance(value, int | float) if numeric else isinstance(value, kind)
    if setting.value is not None and (not fits or (numeric and isinstance(value, bool))):
        raise Refused(f"{where}: expected {NAMED.get(kind, kind.__name__)}, not {value!r}.")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low = setting.least if setting.least is not None else value
        high = setting.most if setting.most is not None else value
        if not low <= value <= high:
            raise Refused(f"{where}: {value} is not between {setting.least} and {setting.most}.")


NAMED: Mapping[type, str] = MappingProxyType(
    {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list",
     dict: "an object"}
)  # fmt: skip


def part_json(part: Part) -> dict[str, Any]:
    """A part as the page gets it."""
    return {**asdict(part), "form": [asdict(each) for each in part.form]}


def setting_json(setting: Setting, own: Mapping[str, object]) -> dict[str, Any]:
    """A setting with its value in force."""
    return {
        "name": setting.name,
        "value": own.get(setting.name, setting.value),
        "default": setting.value,
        "help": setting.help,
        "choices": list(setting.choices),
        "least": setting.least,
        "most": setting.most,
    }
