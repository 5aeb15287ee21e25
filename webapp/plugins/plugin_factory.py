"""Builds the plugin host of a process, with its options. No Flask, no torch."""

import logging
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from plugins.api import Side
from plugins.call_timeouts import Leave
from plugins.discovery import PluginOrigin
from plugins.host import Choice, Host
from plugins.hung_mark import mark_hung
from webapp.plugins.model_registry import folders_of
from webapp.version import VERSION

if TYPE_CHECKING:
    from webapp.settings.config import Config
    from webapp.settings.option_store import OptionStore

CENSOR = "nsfw-censor"
OFF_BY_DEFAULT = frozenset({CENSOR, "dynamicprompts", "pace"})
"""Shipped plugins that somebody turns on; the others are on until somebody turns them off."""

ORIGINS_BY_SCOPE: Mapping[str, frozenset[PluginOrigin]] = MappingProxyType(
    {"extra": frozenset({PluginOrigin.SHIPPED}), "all": frozenset()}
)
"""What is left under a value of ``disable_all_extensions``."""


def create_host(
    side: Side,
    config: "Config",
    options: "OptionStore",
    log: logging.Logger,
    *,
    may_leave: bool = False,
) -> Host:
    """The plugins of one process, loaded as flags and options say.

    ``may_leave``: a supervisor starts this process anew if a plugin makes it end.
    """
    leave = make_leave(config, log) if may_leave else None
    places, plugin_log = folders_of(config), log.getChild("plugins")
    host = Host(side, config.data_dir, VERSION, options.plugin_settings, plugin_log, places, leave)
    host.load(read_choice(config, options.get(), options.enabled_plugins()))
    return host


def make_leave(config: "Config", log: logging.Logger) -> Leave:
    """Leaves the process for a plugin that hangs, which is kept out of the next one."""

    def leave(name: str, what: str) -> None:
        mark_hung(config.easel_dir, name, what)
        log.critical("plugin %s: %s hangs and hears nothing; leaving this process", name, what)
        logging.shutdown()
        os._exit(os.EX_TEMPFAIL)

    return leave


def read_choice(config: "Config", options: Mapping[str, Any], enabled: frozenset[str]) -> Choice:
    """What the flags and the options ``disabled_extensions`` and ``disable_all_extensions`` say."""
    scope = config.disable_extensions or str(options.get("disable_all_extensions", "none"))
    disabled = frozenset(map(str, options.get("disabled_extensions") or ()))
    disabled |= OFF_BY_DEFAULT - enabled
    origins = ORIGINS_BY_SCOPE.get(scope, frozenset(PluginOrigin))
    # Whoever turned the censor on by the page wants it closed, too, when it cannot run.
    censor_enabled = CENSOR not in disabled and PluginOrigin.SHIPPED in origins
    return Choice(
        disabled=disabled,
        required=frozenset({CENSOR}) if config.nsfw_censor or censor_enabled else frozenset(),
        origins=origins,
    )
