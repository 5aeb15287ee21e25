"""What the web process works with: the only place that chooses implementations."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from webapp.config import Config


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a route may ask for."""

    config: "Config"
    stream: Stream
    board: Board
    registry: Registry
    options: Options
    credentials: Credentials
    log: logging.Logger
    close: Callable[[], None]
    plugins: PluginDesk
    filing: Filing | None = None  # None without --filebrowser


def build(config: "Config") -> Services:
    """The services of a process that serves HTTP, with their threads running.

    Call it after any fork; ``Services.close`` ends the threads.
    """
    log = start_log(config.log_json)
    make_folders(config.data_dir)
    prepare_state_folder(config.easel_dir)
    store = open_store(config, log.getChild("queue"))
    registry = registry_of(config)
    registry.start()
    watcher = Watcher(registry.folders.all(), config.watch, lambda _: registry.refresh())
    watcher.start()
    filing = filing_of(config, registry) if config.filebrowser else None

    options = options_of(config)
    plugins = PluginDesk(config, options, log, may_leave=SUPERVISOR in os.environ)
    registry.look_also(plugins.shelves())

    def close() -> None:
        plugins.close()
        if filing is not None:
            filing.close()
        watcher.stop()
        registry.close()
        store.close()

    return Services(
        config=config,
        stream=store,
        board=store,
        registry=registry,
        options=options,
        credentials=credentials(
            token(config),
            config.api_auth,
            config.page_auth,
            insecure=config.insecure,
            narrow=config.narrow_tokens,
        ),
        log=log,
        close=close,
        plugins=plugins,
        filing=filing,
    )
