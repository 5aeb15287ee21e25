"""How plugins stand, as the Extensions page is told."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from plugins.plugin_status import PluginStatus
from webapp.plugins.plugin_jobs import REPORTED_FIELDS
from webapp.plugins.web_plugins import (
    PluginDeclarations,
    part_json,
    setting_json,
)
from webapp.routes.context import (
    caller,
)
from webapp.services import Services


class PluginFolder(TypedDict):
    """A folder of models that a plugin keeps."""

    kind: str
    folder: str


class PluginWorkerFacts(TypedDict):
    """How a plugin stands in one worker."""

    worker: str
    state: str
    fault: str
    hooks: list[str]
    seconds: float
    strikes: int
    last_error: str


class PluginFacts(TypedDict):
    """How a plugin stands, and what it brings to the page."""

    name: str
    title: str
    version: str
    licence: str
    description: str
    origin: str
    folder: str
    state: str
    enabled: bool
    fault: str
    hooks: list[str]
    permissions: list[str]
    seconds: float
    strikes: int
    last_error: str
    parts: list[dict[str, Any]]
    model_folders: list[PluginFolder]
    settings: list[dict[str, Any]]
    workers: list[PluginWorkerFacts]


class PluginList(TypedDict):
    """Every plugin, whether this caller may bring more, and how many jobs run."""

    plugins: list[PluginFacts]
    may_install: bool
    running: int


class PluginModelFile(TypedDict):
    """A file in a plugin's folder of models; ``size`` in bytes."""

    name: str
    size: int


class PluginModels(TypedDict):
    """A plugin's models by its kinds."""

    models: dict[str, list[PluginModelFile]]


def plugins_json(services: Services) -> PluginList:
    """Every plugin, and what the page may do with them."""
    table = services.plugins.table
    return {
        "plugins": [
            plugin_json(services, each, table.declared.get(each.name))
            for each in services.plugins.statuses()
        ],
        "may_install": may_install(services),
        "running": services.queue.depth().running,
    }


def may_install(services: Services) -> bool:
    """Whether this caller may bring plugins by the page (AUTOMATIC1111's rule)."""
    config = services.config
    return caller().is_owner and (config.extension_access or not config.listen)


def plugin_json(
    services: Services, standing: PluginStatus, declared: PluginDeclarations | None
) -> PluginFacts:
    """One plugin, its workers' sides joined."""
    parts = declared or PluginDeclarations()
    owner = caller().is_owner
    settings = services.options.plugin_settings(standing.name) if owner else {}
    return {
        "name": standing.name,
        "title": standing.title,
        "version": standing.version,
        "licence": standing.licence,
        "description": standing.description,
        "origin": standing.origin,
        "folder": str(standing.folder) if owner else "",
        "state": standing.state,
        "enabled": services.plugins.will_be_on(standing),
        "fault": standing.fault,
        "hooks": list(standing.hooks),
        "permissions": list(standing.permissions),
        "seconds": round(standing.seconds, 4),
        "strikes": standing.strikes,
        "last_error": standing.last_error if owner else "",
        "parts": [part_json(part) for part in parts.parts],
        "model_folders": [{"kind": f.kind, "folder": f.folder} for f in parts.folders],
        "settings": [setting_json(each, settings) for each in parts.settings if owner],
        "workers": workers_json(services, standing.name, tell=owner),
    }


def workers_json(services: Services, name: str, *, tell: bool) -> list[PluginWorkerFacts]:
    """How the plugin stands in each worker: its part there, what that took, what went wrong."""
    states = services.plugin_states.plugin_states()
    return [
        worker_json(worker.device, dict(zip(REPORTED_FIELDS, plugins[name], strict=False)), tell)
        for worker, plugins in states.items()
        if name in plugins
    ]


def worker_json(worker: str, state: Mapping[str, str], tell: bool) -> PluginWorkerFacts:
    """One worker's side of a plugin."""
    return {
        "worker": worker,
        "state": state["state"],
        "fault": state["fault"],
        "hooks": state.get("hooks", "").split(),
        "seconds": float(state.get("seconds", 0)),
        "strikes": int(state.get("strikes", 0)),
        "last_error": state["last_error"] if tell else "",
    }
