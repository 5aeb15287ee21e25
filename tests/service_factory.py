"""Services of a web process over parts that a test made and closes."""

import logging

from generator.models.registry import Registry
from webapp.access.credentials import Credentials
from webapp.plugins.web_plugins import WebPlugins
from webapp.queues.contracts.queue_store import QueueStore
from webapp.services import Services, build_services
from webapp.settings.config import Config
from webapp.settings.option_store import OptionStore

NO_CREDENTIALS = Credentials()


def make_services(
    config: Config,
    store: QueueStore,
    registry: Registry,
    options: OptionStore,
    credentials: Credentials = NO_CREDENTIALS,
) -> Services:
    """The services with this queue, these models and options; plugins may not end the process."""
    log = logging.getLogger("easel")
    return build_services(
        config,
        store=store,
        registry=registry,
        options=options,
        credentials=credentials,
        log=log,
        plugins=WebPlugins(config, options, log),
    )
