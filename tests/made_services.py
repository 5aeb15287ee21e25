"""Services of a web process over parts that a test made and closes."""

import logging

from generator.models.registry import Registry
from webapp.auth import Credentials
from webapp.config import Config
from webapp.plugin_desk import PluginDesk
from webapp.queues.sqlite import SqliteStore
from webapp.services import Services, build
from webapp.settings import Options

NOBODY = Credentials()


def services_over(
    config: Config,
    store: SqliteStore,
    registry: Registry,
    options: Options,
    credentials: Credentials = NOBODY,
) -> Services:
    """The services with this queue, these models and options; plugins may not end the process."""
    log = logging.getLogger("easel")
    return build(
        config,
        stream=store,
        board=store,
        registry=registry,
        options=options,
        credentials=credentials,
        log=log,
        plugins=PluginDesk(config, options, log),
    )
