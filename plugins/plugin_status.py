"""What became of a plugin, as both sides tell it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from plugins.discovery import DiscoveredPlugin, PluginOrigin


class State(StrEnum):
    """State of a plugin."""

    ON = "on"
    OFF = "off"  # disabled by the owner
    FAULTY = "faulty"  # cannot be used
    STRUCK = "struck"  # taken out: over its time too often


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """Status of one plugin, as the Extensions page shows it."""

    name: str
    title: str
    version: str
    licence: str
    description: str
    origin: PluginOrigin
    folder: Path
    state: State
    fault: str = ""  # why it is faulty or struck
    hooks: tuple[str, ...] = ()  # of this side
    permissions: tuple[str, ...] = ()
    seconds: float = 0.0  # its import and registration took
    strikes: int = 0
    last_error: str = ""


def status_of(plugin: DiscoveredPlugin, state: State, **facts: Any) -> PluginStatus:
    """A plugin that was found, in a state."""
    manifest = plugin.manifest
    return PluginStatus(
        name=plugin.name,
        title=manifest.display_name if manifest else plugin.name,
        version=manifest.version if manifest else "",
        licence=manifest.licence if manifest else "",
        description=manifest.description if manifest else "",
        origin=plugin.origin,
        folder=plugin.folder,
        state=state,
        permissions=tuple(manifest.permissions) if manifest else (),
        **facts,
    )
