"""The web process's services: the only place that chooses implementations."""

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.uploads.reservations import Reserve
from filebrowser.uploads.uploads import Uploads
from filebrowser.watcher import Watcher
from generator.atomic_file import make_folders
from generator.models.registry import Registry
from webapp.auth import Credentials, credentials
from webapp.family import SUPERVISOR
from webapp.filing import Filing, filing_of
from webapp.logs import start_log
from webapp.places import open_store, token
from webapp.plugin_desk import PluginDesk
from webapp.queues.contracts import Board, Stream
from webapp.settings import Options, options_of
from webapp.shelves import registry_of
from webapp.state_folder import prepare_state_folder
from webapp.uploading import limits_of

if TYPE_CHECKING:
    from webapp.config import Config


@dataclass(frozen=True, slots=True)
class Services:
    """The services that routes use."""

    config: "Config"
    stream: Stream
    board: Board
    registry: Registry
    options: Options
    credentials: Credentials
    log: logging.Logger
    close: Callable[[], None]
    plugins: PluginDesk
    reserve: Reserve  # room on the disk and in the quota, for every door that writes
    decoding: MemoryBudget  # memory for decoding pictures, of all requests together
    bodies: MemoryBudget  # memory for their bodies
    filing: Filing | None = None  # None without --filebrowser


def build(config: "Config", **overrides: Any) -> Services:
    """The services of a process that serves HTTP, with their threads running.

    Call it after any fork; ``Services.close`` ends the threads. ``overrides`` take the place of
    services by name (``stream=``, ``registry=``, …); who brings one closes it. Raises ``TypeError``
    for a name that no service has.
    """
    if unknown := overrides.keys() - {field.name for field in fields(Services)}:
        raise TypeError(f"There is no service named {', '.join(sorted(unknown))}.")
    closing = ExitStack()
    log = overrides.get("log") or start_log(config.log_json)
    make_folders(config.data_dir)
    prepare_state_folder(config.easel_dir)
    if "stream" not in overrides:
        store = open_store(config, log.getChild("queue"))
        closing.callback(store.close)
        overrides = {"stream": store, "board": store, **overrides}
    if "registry" not in overrides:
        overrides["registry"] = _watched_registry(config, closing)
    registry: Registry = overrides["registry"]
    decoding = overrides.setdefault("decoding", MemoryBudget(config.decode_budget))
    overrides.setdefault("bodies", MemoryBudget(config.body_budget))
    if "filing" not in overrides and config.filebrowser:
        overrides["filing"] = filing_of(config, registry, decoding)
        closing.callback(overrides["filing"].close)
    filing: Filing | None = overrides.get("filing")
    uploads = filing.uploads if filing else Uploads(limits_of(config))
    overrides.setdefault("reserve", uploads.reservation)
    overrides.setdefault("options", options_of(config))
    if "plugins" not in overrides:
        overrides["plugins"] = _plugin_desk(config, overrides["options"], log, closing)
        registry.look_also(overrides["plugins"].shelves())
    overrides.setdefault("credentials", _credentials_of(config))
    return Services(**{"config": config, "log": log, "close": closing.close, **overrides})


def _watched_registry(config: "Config", closing: ExitStack) -> Registry:
    """The models, looked for anew whenever something changes below their folders."""
    registry = registry_of(config)
    closing.callback(registry.close)
    registry.start()
    watcher = Watcher(registry.folders.all(), config.watch, lambda _: registry.refresh())
    closing.callback(watcher.stop)
    watcher.start()
    return registry


def _plugin_desk(
    config: "Config", options: Options, log: logging.Logger, closing: ExitStack
) -> PluginDesk:
    desk = PluginDesk(config, options, log, may_leave=SUPERVISOR in os.environ)
    closing.callback(desk.close)
    return desk


def _credentials_of(config: "Config") -> Credentials:
    return credentials(
        token(config),
        config.api_auth,
        config.page_auth,
        insecure=config.insecure,
        narrow=config.narrow_tokens,
    )
