"""Plugins: their interface (hooks and types), discovery, loading and isolation.

A plugin is a folder with ``easel-plugin.toml`` and one or both of ``web.py`` (runs in the web
process, where torch is refused) and ``worker.py`` (runs beside the networks). Its functions are
marked with :data:`hook`; they take any of the arguments their hook names.
"""

from typing import Final

import pluggy

from plugins.api import ROOM

hook: Final = pluggy.HookimplMarker(ROOM)
"""Marks a function of a plugin as its implementation of the hook of the same name."""
