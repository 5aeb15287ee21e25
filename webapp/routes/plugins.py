"""Routes of the Extensions page; ``plugin_calls`` has those that plugins declare."""

import mimetypes
import os
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict
from werkzeug.exceptions import NotFound

from filebrowser.access.gate import Root, open_place, parse_path
from filebrowser.errors import FileError
from filebrowser.file_response import ServeOptions
from plugins.discovery import PluginOrigin, find_plugins
from plugins.installer import (
    ENDINGS,
    MAX_ARCHIVE_BYTES,
    MAX_UNPACKED_BYTES,
    WHEEL,
    install,
    install_folder,
    remove_plugin,
    unpacked_size,
)
from plugins.plugin_status import PluginStatus
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Forbidden, Refused
from webapp.http.content_policy import default_policy
from webapp.http.file_answer import answer_file
from webapp.http.openapi import RouteNote, with_note
from webapp.plugins.web_plugins import (
    NoSuchPlugin,
    unloaded_status,
)
from webapp.queues.contracts.worker_commands import PLUGINS, WorkerCommand
from webapp.requests.coercion import Bool, Object
from webapp.requests.fields import read_body
from webapp.routes.context import (
    check_free_space,
    read_body_bytes,
    read_json_body,
)
from webapp.routes.plugin_calls import TRUE_WORDS, add_own_routes, require_running
from webapp.routes.plugin_facts import (
    PluginFacts,
    PluginList,
    PluginModels,
    may_install,
    plugin_json,
    plugins_json,
)
from webapp.routes.worker_commands import send_to_all
from webapp.services import Services
from webapp.version import VERSION

MAX_PATH_LENGTH = 4096


class PluginChange(BaseModel):
    """What the Extensions page changes of one plugin."""

    model_config = ConfigDict(extra="forbid")

    enabled: Bool | None = None
    settings: Object = {}


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("plugins", __name__)
    add_overview(routes, services)
    add_installation(routes, services)
    add_removal(routes, services)
    add_plugin_files(routes, services)
    add_own_routes(routes, services)
    return routes


def add_overview(routes: Blueprint, services: Services) -> None:
    """What plugins there are and how they stand; on, off, options, reload."""

    @routes.get("/api/plugins")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote("Every plugin, how it stands, what it brings to the page", answer=PluginList)
    )
    def listing() -> Response:
        """Settings, folders and errors are told to the owner alone."""
        return jsonify(plugins_json(services))

    @routes.post("/api/plugins/<name>")
    @requires(AccessScope.OWNER)
    @with_note(
        RouteNote("Turn a plugin on or off, set its options", body=PluginChange, answer=PluginFacts)
    )
    def change(name: str) -> Response:
        """On and off take effect at the next reload, options at once."""
        wanted = read_body(PluginChange, read_json_body())
        services.plugins.change(name, wanted.enabled, wanted.settings)
        return jsonify(
            plugin_json(
                services,
                services.plugins.status_of(name),
                services.plugins.table.declared.get(name),
            )
        )

    @routes.post("/api/plugins/reload")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Load every plugin anew, here and in every worker", answer=PluginList))
    def reload() -> Response:
        """Workers do so between two jobs; answered when all have."""
        services.plugin_reload.reload()
        send_to_all(services, WorkerCommand(uuid4().hex, PLUGINS))
        return jsonify(plugins_json(services))


def add_installation(routes: Blueprint, services: Services) -> None:
    """Bringing a plugin."""

    @routes.post("/api/plugins/install")
    @requires(AccessScope.OWNER)
    @with_note(
        RouteNote(
            "Bring a plugin as a zip or wheel, or from a folder; it runs after the next reload",
            query={
                "name": {"type": "string"},
                "replace": {"type": "boolean", "default": False},
                "folder": {"type": "string", "description": "a whole path on this machine"},
            },
            answer=PluginFacts,
        )
    )
    def bring() -> Response:
        """The body is the archive, or ``folder`` is copied.

        403 under --listen without --enable-insecure-extension-access.
        """
        check_may_install(services)
        replace = request.args.get("replace", "").lower() in TRUE_WORDS
        folder = request.args.get("folder", "")
        if folder:
            check_free_space(services, MAX_UNPACKED_BYTES)
            installed = install_folder(to_path(folder), services.config.data_dir, replace=replace)
            return jsonify(plugin_json(services, find_on_disk(services, installed.name), None))
        archive_name = request.args.get("name", "").lower()
        if archive_name and not archive_name.endswith(ENDINGS):
            raise Refused(f"name: {' or '.join(ENDINGS)} is expected.")
        data = bytes(read_body_bytes(MAX_ARCHIVE_BYTES))
        wheel = archive_name.endswith(WHEEL)
        data_dir = services.config.data_dir
        check_free_space(services, unpacked_size(BytesIO(data)))
        manifest = install(BytesIO(data), data_dir, replace=replace, wheel=wheel)
        return jsonify(plugin_json(services, find_on_disk(services, manifest.name), None))


def add_removal(routes: Blueprint, services: Services) -> None:
    """Deleting a plugin."""

    @routes.delete("/api/plugins/<name>")
    @requires(AccessScope.OWNER)
    @with_note(
        RouteNote("Delete a plugin's folder; it stops at the next reload", answer=PluginFacts)
    )
    def delete(name: str) -> Response:
        """Those in the folder of extensions alone; packages are uninstalled by pip."""
        check_may_install(services)
        standing = find_on_disk(services, name)
        if standing.origin is not PluginOrigin.FOLDER:
            raise Refused(
                f"{name} is {standing.origin}: only folders of extensions are deleted here."
            )
        try:
            remove_plugin(standing.folder, services.config.data_dir)
        except FileNotFoundError:
            raise NoSuchPlugin(
                f"The folder of the plugin {name!r} is deleted already; the next reload forgets it."
            ) from None
        return jsonify(plugin_json(services, standing, None))


def add_plugin_files(routes: Blueprint, services: Services) -> None:
    """A plugin's models, and what it ships for the page."""

    @routes.get("/api/plugins/<name>/models")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "Models in the folders that a plugin keeps, by its kinds",
            answer=PluginModels,
            query={"update": {"type": "boolean", "default": False}},
        )
    )
    def models(name: str) -> Response:
        """As the watched folders are; ``update`` looks at them first."""
        fresh = request.args.get("update", "").lower() in TRUE_WORDS
        require_running(services, name)
        others = (services.registry.refresh() if fresh else services.registry.index).plugin_models
        listed = {
            shelf.kind.partition("/")[2]: [
                {"name": model.name, "size": model.size} for model in others.get(shelf.kind, ())
            ]
            for shelf in services.plugins.model_folders(name)
        }
        return jsonify({"models": listed})

    @routes.get("/plugins/<name>/static/<path:file>")
    @requires(AccessScope.READ)
    @with_note(RouteNote("A file that a plugin ships for the page", content_type="*/*"))
    def static(name: str, file: str) -> Response:
        """From the plugin's own folder ``static``, while it is on."""
        root = Root(name, require_running(services, name).folder, writable=False)
        try:
            handle = open_place(parse_path(f"{name}/static/{file}", [root]))
        except FileError:
            raise NotFound from None
        if not S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise NotFound
        kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
        kind += "; charset=utf-8" if kind.startswith("text/") else ""
        answer = answer_file(handle, ServeOptions(file.rpartition("/")[2], kind, attachment=False))
        if not default_policy(kind):
            del answer.headers["Content-Security-Policy"]
        return answer


def to_path(text: str) -> Path:
    """A path that may be asked for. Raises ``Refused`` for what no path can be."""
    if "\0" in text or len(text) > MAX_PATH_LENGTH or not text.isprintable():
        raise Refused("folder: that is no path.")
    return Path(text)


def check_may_install(services: Services) -> None:
    """Raise ``Forbidden`` where plugins are not brought by the page."""
    if not may_install(services):
        raise Forbidden(
            "Plugins are not installed by the page under --listen; start with "
            "--enable-insecure-extension-access, or put the folder into extensions/ yourself."
        )


def find_on_disk(services: Services, name: str) -> PluginStatus:
    """A plugin as it lies on the disk, loaded or not. Raises ``NoSuchPlugin``."""
    plugins_on_disk = find_plugins(services.config.data_dir, VERSION)
    matches = [each for each in plugins_on_disk if each.name == name]
    if not matches:
        return services.plugins.table.status_of(name)
    newest = matches[-1]
    return unloaded_status(newest)
