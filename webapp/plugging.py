"""Which plugins this process has, and what they read of the options. No Flask, no torch."""

import logging
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from plugins.finding import Origin
from plugins.host import Choice, Host, mark_hung
from plugins.nouns import Side
from plugins.watchdog import Leave
from webapp.shelves import folders_of
from webapp.version import VERSION

if TYPE_CHECKING:
    from webapp.config import Config
    from webapp.settings import Options

CENSOR = "nsfw-censor"
OFF_AT_FIRST = frozenset({CENSOR, "dynamicprompts", "pace"})
"""Shipped plugins that somebody turns on; the others are on until somebody turns them off."""

ORIGINS: Mapping[str, frozenset[Origin]] = MappingProxyType(
    {"extra": frozenset({Origin.SHIPPED}), "all": frozenset()}
)
"""What is left under a value of ``disable_all_extensions``."""


def host_of(
    side: Side,
    config: "Config",
    options: "Options",
    log: logging.Logger,
    *,
    may_leave: bool = False,
) -> Host:
    """The plugins of one process, loaded as flags and options say.

    ``may_leave``: a supervisor starts this process anew if a plugin makes it end.
    """
    leave = leaving(config, log) if may_leave else None
    places, own = folders_of(config), log.getChild("plugins")
    host = Host(side, config.data_dir, VERSION, options.of_plugin, own, places, leave)
    host.load(choice_of(config, options.get(), options.enabled_plugins()))
    return host


def leaving(config: "Config", log: logging.Logger) -> Leave:
    """Leaves the process for a plugin that hangs, which is kept out of the next one."""

    def leave(name: str, what: str) -> None:
        mark_hung(config.easel_dir, name, what)
        log.critical("plugin %s: %s hangs and hears nothing; leaving this process", name, what)
        logging.shutdown()
        os._exit(os.EX_TEMPFAIL)

    return leave


def choice_of(config: "Config", options: Mapping[str, Any], enabled: frozenset[str]) -> Choice:
    """What the flags and the options ``disabled_extensions`` and ``disable_all_extensions`` say."""
    scope = config.disable_extensions or str(options.get("disable_all_extensions", "none"))
    disabled = frozenset(map(str, options.get("disabled_extensions") or ()))
    disabled |= OFF_AT_FIRST - enabled
    origins = ORIGINS.get(scope, frozenset(Origin))
    # Whoever turned the censor on by the page wants it closed, too, when it cannot run.
    chosen = CENSOR not in disabled and Origin.SHIPPED in origins
    return Choice(
        disabled=disabled,
        required=frozenset({CENSOR}) if config.nsfw_censor or chosen else frozenset(),
        origins=origins,
    )
