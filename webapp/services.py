"""The web process's services: the only place that chooses implementations."""

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.uploads.reservations import ReserveSpace
from filebrowser.uploads.upload_store import UploadStore
from filebrowser.watch.watcher import Watcher
from generator.atomic_file import make_folders
from generator.models.registry import Registry
from webapp.access.auth import Credentials, build_credentials
from webapp.files.file_services import FileServices, create_file_services
from webapp.files.upload_policy import limits_of
from webapp.logs import start_log
from webapp.plugins.model_registry import registry_of
from webapp.plugins.web_plugins import WebPlugins
from webapp.process_tree import SUPERVISOR_VARIABLE
from webapp.queues.contracts import Board, Stream
from webapp.settings.data_dir import open_store, service_token
from webapp.settings.option_store import OptionStore, options_of
from webapp.settings.state_folder import prepare_state_folder

if TYPE_CHECKING:
    from webapp.settings.config import Config


@dataclass(frozen=True, slots=True)
class Services:
    """The services that routes use."""

    config: "Config"
    stream: Stream
    board: Board
    registry: Registry
    options: OptionStore
    credentials: Credentials
    log: logging.Logger
    close: Callable[[], None]
    plugins: WebPlugins
    reserve: ReserveSpace  # room on the disk and in the quota, for every door that writes
    decoding: MemoryBudget  # memory for decoding pictures, of all requests together
    bodies: MemoryBudget  # memory for their bodies
    filing: FileServices | None = None  # None without --filebrowser


def build_services(config: "Config", **overrides: Any) -> Services:
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
        overrides["filing"] = create_file_services(config, registry, decoding)
        closing.callback(overrides["filing"].close)
    file_services: FileServices | None = overrides.get("filing")
    uploads = file_services.uploads if file_services else UploadStore(limits_of(config))
    overrides.setdefault("reserve", uploads.reserve)
    overrides.setdefault("options", options_of(config))
    if "plugins" not in overrides:
        overrides["plugins"] = _create_web_plugins(config, overrides["options"], log, closing)
        registry.set_plugin_folders(overrides["plugins"].model_folders())
    overrides.setdefault("credentials", _read_credentials(config))
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


def _create_web_plugins(
    config: "Config", options: OptionStore, log: logging.Logger, closing: ExitStack
) -> WebPlugins:
    web_plugins = WebPlugins(config, options, log, may_leave=SUPERVISOR_VARIABLE in os.environ)
    closing.callback(web_plugins.close)
    return web_plugins


def _read_credentials(config: "Config") -> Credentials:
    return build_credentials(
        service_token(config),
        config.api_auth,
        config.page_auth,
        insecure=config.insecure,
        narrow=config.narrow_tokens,
    )
