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
from generator.data_folders import MODELS_FOLDER
from generator.models.families.family import Family
from generator.models.plugin_models import PluginModelFolder
from generator.scripts.catalogue import ScriptEntry
from plugins.api import (
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
from plugins.discovery import DiscoveredPlugin, PluginOrigin, find_plugins
from plugins.host import Host
from plugins.hung_mark import clear_hung
from plugins.plugin_status import PluginStatus, State, status_of
from webapp.errors import Refused
from webapp.plugins.plugin_catalogue import KIND_LABELS, PluginCatalogue, script_entries, to_modules
from webapp.plugins.plugin_factory import CENSOR, OFF_BY_DEFAULT, create_host, read_choice
from webapp.plugins.setting_values import check_setting
from webapp.version import VERSION

if TYPE_CHECKING:
    from webapp.settings.config import Config
    from webapp.settings.option_store import OptionStore


class NoSuchPlugin(Refused):
    """No plugin of this name was found."""

    status = 404


@dataclass(frozen=True, slots=True)
class PluginDeclarations:
    """What one plugin declared when it was loaded."""

    routes: Mapping[str, Route] = field(default_factory=dict)  # by path
    parts: Sequence[Part] = ()
    settings: Sequence[Setting] = ()
    folders: Sequence[ModelFolder] = ()
    metrics: Sequence[Metric] = ()
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scripts: Sequence[Script] = ()
    preprocessors: Sequence[Preprocessor] = ()
    families: Sequence[Family] = ()

    @property
    def panel_form(self) -> Sequence[Input]:
        """The fields of its form under the prompt."""
        return next((part.form for part in self.parts if part.slot is Slot.PANEL), ())

    @property
    def offered_names(self) -> Iterator[tuple[str, str]]:
        """Kind and name of everything that it brings to draw with."""
        for kind, names in self.choices.items():
            yield from ((kind, str(name)) for name in names)
        yield from (("scripts", each.title) for each in self.scripts)
        yield from (("preprocessors", each.name) for each in self.preprocessors)


@dataclass(frozen=True, slots=True)
class PluginTable:
    """Every plugin as of one loading, shipped ones first."""

    statuses: tuple[PluginStatus, ...] = ()
    declared: Mapping[str, PluginDeclarations] = field(default_factory=dict)  # those that are on

    def status_of(self, name: str) -> PluginStatus:
        """How one plugin stands. Raises :class:`NoSuchPlugin`."""
        status = next((each for each in self.statuses if each.name == name), None)
        if status is None:
            known = ", ".join(each.name for each in self.statuses)
            raise NoSuchPlugin(f"There is no plugin {name!r}. Here are: {known or 'none'}.")
        return status


class WebPlugins:
    """The plugins of the web process: their declarations and settings. Thread-safe."""

    def __init__(
        self,
        config: "Config",
        options: "OptionStore",
        log: logging.Logger,
        *,
        may_leave: bool = False,
    ) -> None:
        self.config = config
        self.log = log
        self.options = options
        self._reload_lock = threading.Lock()
        self.host = create_host(Side.WEB, config, options, log, may_leave=may_leave)
        self.catalogue = PluginCatalogue(config.easel_dir)
        self.table = self._collect_table()
        self.make_folders()

    def _collect_table(self) -> PluginTable:
        """What the plugins that are on declare, remembered for when they are off."""
        table = build_table(self.host)
        self.catalogue.remember(
            (kind, name, plugin)
            for plugin, declared in table.declared.items()
            for kind, name in declared.offered_names
        )
        return table

    def reload(self) -> None:
        """Load the web side anew, as options and folders are now."""
        with self._reload_lock:
            enabled = self.options.enabled_plugins()
            clear_hung(self.config.easel_dir)
            self.host.load(read_choice(self.config, self.options.get(), enabled))
            self.table = self._collect_table()
            self.make_folders()

    def make_folders(self) -> None:
        """Make the folders that plugins keep models in, so that people find them."""
        models = self.config.models_folder
        for name, declared in self.table.declared.items():
            for each in declared.folders:
                if not is_folder_name(each.folder):
                    self.log.warning("plugin %s: %r is no folder's name", name, each.folder)
                    continue
                try:
                    (models / each.folder).mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    self.log.warning("The folder %s cannot be made: %s", each.folder, error)

    def model_folders(self, name: str | None = None) -> tuple[PluginModelFolder, ...]:
        """Where plugins, or one of them, keep models; a kind is told with the plugin's name."""
        models = self.config.models_folder
        return tuple(
            PluginModelFolder(
                model_kind(plugin, each), models / each.folder, tuple(each.suffixes), each.folders
            )
            for plugin, declared in self.table.declared.items()
            for each in declared.folders
            if name in (None, plugin) and is_folder_name(each.folder)
        )

    def folder_for_tensors(self, names: Container[str]) -> str:
        """The folder, "models/Voices", for a file with tensors of these names; "" for none."""
        for declared in self.table.declared.values():
            for each in declared.folders:
                if (
                    each.marks
                    and is_folder_name(each.folder)
                    and all(m in names for m in each.marks)
                ):
                    return f"{MODELS_FOLDER}/{each.folder}"
        return ""

    def close(self) -> None:
        """Tell every plugin that it ends."""
        self.host.stop()

    def statuses(self) -> tuple[PluginStatus, ...]:
        """How they stand now: strikes and errors since the loading are told too.

        What came to the disk since then is off until the next reload, or faulty.
        """
        loaded = self.host.standings or self.table.statuses
        known = {(each.name, each.folder) for each in loaded}
        on_disk = find_plugins(self.config.data_dir, VERSION)
        new = [each for each in on_disk if (each.name, each.folder) not in known]
        return (*loaded, *map(unloaded_status, new))

    def status_of(self, name: str) -> PluginStatus:
        """How one plugin stands, loaded or not. Raises :class:`NoSuchPlugin`."""
        status = next((each for each in self.statuses() if each.name == name), None)
        return status or self.table.status_of(name)

    def will_be_on(self, standing: PluginStatus) -> bool:
        """Whether a plugin is on from the next reload on, as options, flags and disk are now."""
        choice = read_choice(self.config, self.options.get(), self.options.enabled_plugins())
        gone = standing.origin is PluginOrigin.FOLDER and not standing.folder.is_dir()
        return choice.is_wanted(standing.name, standing.origin) and not gone

    def change(self, name: str, enabled: bool | None, settings: Mapping[str, object]) -> None:
        """Turn a plugin on or off at the next reload, and set some of its settings now.

        Raises ``Refused`` naming what does not fit.
        """
        standing = self.status_of(name)
        valid_settings = self.check_settings(standing, settings)
        if enabled is False and name == CENSOR and self.config.nsfw_censor:
            raise Refused(f"enabled: {name} is required by a start flag.")
        if enabled is not None:
            self._set_enabled(name, enabled)
        if valid_settings:
            own = {**self.options.plugin_settings(name), **valid_settings}
            self.options.update_plugins(self.options.enabled_plugins(), {name: own})

    def check_settings(
        self, standing: PluginStatus, settings: Mapping[str, object]
    ) -> Mapping[str, object]:
        """The settings where each is one of the plugin's and fits it. Raises ``Refused``."""
        declared = self.table.declared.get(standing.name, PluginDeclarations())
        known = {setting.name: setting for setting in declared.settings}
        for name, value in settings.items():
            if name not in known:
                raise Refused(
                    f"settings.{name}: {standing.name} has no such setting; it has "
                    f"{', '.join(known) or 'none while it is off'}.",
                    "unknown_field",
                    value=name,
                    known=[*known],
                )
            check_setting(known[name], value)
        return settings

    def _set_enabled(self, name: str, enabled: bool) -> None:
        disabled = set(map(str, self.options.get().get("disabled_extensions") or []))  # type: ignore[call-overload]
        enabled_plugins = set(self.options.enabled_plugins())
        (disabled.discard if enabled else disabled.add)(name)
        if name in OFF_BY_DEFAULT:
            (enabled_plugins.add if enabled else enabled_plugins.discard)(name)
        self.options.update({"disabled_extensions": sorted(disabled)})
        self.options.update_plugins(frozenset(enabled_plugins), {})

    # -- what others ask ------------------------------------------------------------------------

    def panel_forms(self) -> Mapping[str, Sequence[Input]]:
        """Plugins that a request may name in ``alwayson_scripts``, with the fields they take."""
        return {name: declared.panel_form for name, declared in self.table.declared.items()}

    def metrics(self) -> Iterable[tuple[str, Metric]]:
        """Every number of every plugin."""
        for name, declared in self.table.declared.items():
            for metric in declared.metrics:
                yield name, metric

    def choices(self, kind: str) -> tuple[str, ...]:
        """Names of one kind that plugins bring, such as "samplers"."""
        names_of_plugins = (
            declared.choices.get(kind, ()) for declared in self.table.declared.values()
        )
        return tuple(dict.fromkeys(str(name) for names in names_of_plugins for name in names))

    def scripts(self, route: str) -> tuple[ScriptEntry, ...]:
        """Scripts of one route that plugins bring."""
        declared = self.table.declared.values()
        return script_entries((script for each in declared for script in each.scripts), route)

    def preprocessors(self) -> Mapping[str, Module]:
        """Preprocessors that plugins bring, by name."""
        declared = self.table.declared.values()
        return to_modules(module for each in declared for module in each.preprocessors)

    def families(self) -> tuple[Family, ...]:
        """Families of checkpoints that plugins bring."""
        declared = self.table.declared.values()
        return tuple(family for each in declared for family in each.families)

    def absent_plugin(self, kind: str, name: str) -> str:
        """Which plugin provided a name, in words, if it is not on now; "" where none is known."""
        plugin = self.catalogue.plugin_for(kind, name)
        if not plugin or plugin in self.table.declared:
            return ""
        return (
            f"The {KIND_LABELS[kind]} {name!r} belongs to the plugin {plugin!r}, which is not on."
        )


class ShippedPlugins(WebPlugins):
    """Those that Easel ships, for users who do not share the others (``--root-extensions``)."""

    def __init__(self, everything: WebPlugins) -> None:
        self.config, self.log, self.options = everything.config, everything.log, everything.options
        self.host, self.catalogue = everything.host, everything.catalogue
        self._everything = everything

    @property
    def table(self) -> PluginTable:  # type: ignore[override]
        """Those that are shipped, as of the last loading of all."""
        table = self._everything.table
        shipped = tuple(each for each in table.statuses if each.origin is PluginOrigin.SHIPPED)
        names = {each.name for each in shipped}
        declared = {name: each for name, each in table.declared.items() if name in names}
        return PluginTable(shipped, declared)

    def statuses(self) -> tuple[PluginStatus, ...]:
        """How they stand now."""
        everything = self._everything.statuses()
        return tuple(each for each in everything if each.origin is PluginOrigin.SHIPPED)

    def absent_plugin(self, kind: str, name: str) -> str:
        """Nothing: what others bring is not told."""
        return ""


def unloaded_status(plugin: DiscoveredPlugin) -> PluginStatus:
    """A plugin as it lies on the disk."""
    return status_of(plugin, State.FAULTY if plugin.fault else State.OFF, fault=plugin.fault)


def build_table(host: Host) -> PluginTable:
    """Collect the declarations of every plugin that is on; values of a wrong type are left out."""
    on = [each.name for each in host.standings if each.state is State.ON]
    return PluginTable(host.standings, {name: collect_declarations(name, host) for name in on})


def collect_declarations(name: str, host: Host) -> PluginDeclarations:
    """What one plugin declares."""

    def collect(hook: str, kind: type) -> tuple[Any, ...]:
        answer = host.ask_one(name, hook)
        values = tuple(answer) if isinstance(answer, Iterable) else ()
        return tuple(each for each in values if isinstance(each, kind))

    choices = host.ask_one(name, "choices")
    return PluginDeclarations(
        routes=MappingProxyType(
            {normalize_path(each.path): each for each in collect("routes", Route)}
        ),
        parts=collect("parts", Part),
        settings=collect("settings", Setting),
        folders=collect("model_folders", ModelFolder),
        metrics=collect("metrics", Metric),
        choices=choices if isinstance(choices, Mapping) else {},
        scripts=collect("scripts", Script),
        preprocessors=collect("preprocessors", Preprocessor),
        families=collect("families", Family),
    )


def model_kind(plugin: str, folder: ModelFolder) -> str:
    """What the registry calls a kind of a plugin's models."""
    return f"{plugin}/{folder.kind}"


def is_folder_name(name: str) -> bool:
    """Whether a name is that of one folder."""
    return bool(name) and name not in (".", "..") and not {"/", "\\", "\0"} & set(name)


def normalize_path(path: str) -> str:
    """A route's path as requests have it."""
    return "/" + path.strip("/")


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
