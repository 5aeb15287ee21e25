"""Loads the plugins of every web process anew. No Flask, no torch."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from generator.models.registry import Registry
from webapp.plugins.web_plugins import WebPlugins

if TYPE_CHECKING:
    from webapp.nodes.feed import Feed, Message

PLUGINS_TOPIC = "plugins"  # of what web processes tell each other


@dataclass(frozen=True, slots=True)
class PluginReload:
    """The plugins of this process, their models in its registry, and the other processes.

    ``follow`` lets the lists of models that users have know of what the registry has now.
    """

    plugins: WebPlugins
    registry: Registry
    feed: "Feed | None" = None
    follow: Callable[[], None] = lambda: None
    _process: bytes = field(default_factory=lambda: uuid4().bytes)

    def reload(self) -> None:
        """Load them anew here, and have the others do so."""
        self.load()
        if self.feed is not None:
            self.feed.send(PLUGINS_TOPIC, self._process)

    def load(self) -> None:
        """Load them anew here, as options and folders are now."""
        self.plugins.reload()
        self.registry.set_plugin_folders(self.plugins.model_folders())
        self.registry.set_plugin_families(self.plugins.families())
        self.follow()

    def hear(self, message: "Message") -> None:
        """Another process was told to load its plugins anew."""
        if message.data != self._process:
            threading.Thread(target=self.load, name="plugin-reload", daemon=True).start()
