"""Routes of the Extensions page, and routes that plugins declare.

What a plugin's route does is the plugin's; who may ask it is checked here.
"""

import json
import mimetypes
import os
from collections.abc import Mapping
from dataclasses import replace as with_fields
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict
from werkzeug.exceptions import MethodNotAllowed, NotFound

from filebrowser.access.gate import Root, open_place, parse_path
from filebrowser.errors import FileError
from filebrowser.file_response import ServeOptions
from plugins.api import Ask, Reply, Route, Task
from plugins.api import Scope as Whom
from plugins.discovery import PluginOrigin, find_plugins
from plugins.errors import HookFailed
from plugins.host import PluginStatus, State
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
from webapp.access.scopes import ALLOWED_SCOPES, AccessScope, requires
from webapp.errors import Forbidden, Refused
from webapp.http.content_policy import PAGE_POLICY, default_policy
from webapp.http.file_answer import answer_file
from webapp.http.openapi import RouteNote, with_note
from webapp.plugins.plugin_jobs import REPORTED_FIELDS
from webapp.plugins.web_plugins import (
    NoSuchPlugin,
    PluginDeclarations,
    normalize_path,
    part_json,
    setting_json,
    unloaded_status,
)
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.worker_commands import PLUGINS, WorkerCommand
from webapp.queues.frames import PLUGIN, PLUGIN_TASKS, QueuedPluginTask
from webapp.requests.coercion import Bool, Object
from webapp.requests.fields import read_body
from webapp.routes import submission
from webapp.routes.context import (
    caller,
    check_free_space,
    read_body_bytes,
    read_json_body,
    to_response,
)
from webapp.routes.tasks import ASYNC_TAG, ROUTE_TAG, TASK_TAG, new_task
from webapp.routes.worker_commands import send_to_all
from webapp.services import Services
from webapp.version import VERSION

if TYPE_CHECKING:
    from webapp.access.auth import Caller

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SCOPES: Mapping[Whom, AccessScope] = {
    Whom.OWNER: AccessScope.OWNER,
    Whom.CALLERS: AccessScope.GENERATE,
    Whom.READERS: AccessScope.READ,
}
ANYTHING: dict[str, object] = {}
MAX_PATH_LENGTH = 4096
TRUE_WORDS = ("1", "true", "yes", "on")


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
        services.plugins.reload()
        services.registry.set_plugin_folders(services.plugins.model_folders())
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


def add_own_routes(routes: Blueprint, services: Services) -> None:
    """The routes that plugins declare."""

    @routes.route("/plugins/<name>/<path:path>", methods=METHODS)
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "A plugin's own route",
            body={},
            body_required=False,
            answer=ANYTHING,
            query={"async": {"type": "boolean", "default": False}},
            content_type="*/*",
        )
    )
    def own_route(name: str, path: str) -> Response:
        """What the plugin replies, or what its worker part makes of the task it replies with."""
        standing = require_running(services, name)
        route = find_route(services, name, path)
        check_scope(route, caller())
        reply = call_route(services, standing, route)
        if isinstance(reply, Task):
            return submit_task(services, name, reply)
        own = isinstance(reply.body, bytes)
        body = reply.body if own else json.dumps(reply.body, ensure_ascii=False)
        answer = Response(body, reply.status, content_type=reply.content_type)
        if default_policy(reply.content_type):
            answer.headers["Content-Security-Policy"] = (
                PAGE_POLICY  # a plugin's page has scripts of its own
            )
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


def require_running(services: Services, name: str) -> PluginStatus:
    """A plugin that is on. Raises ``NotFound`` otherwise, as for any other address."""
    table = services.plugins.table
    standing = next((each for each in table.statuses if each.name == name), None)
    if standing is None or standing.state is not State.ON:
        raise NotFound
    return standing


def find_route(services: Services, name: str, path: str) -> Route:
    """The route of a plugin. Raises ``NotFound``, ``MethodNotAllowed``."""
    route = services.plugins.table.declared[name].routes.get(normalize_path(path))
    if route is None:
        raise NotFound
    if request.method not in route.methods and request.method != "HEAD":
        raise MethodNotAllowed(valid_methods=list(route.methods))
    return route


def check_scope(route: Route, who: "Caller") -> None:
    """Raise ``Forbidden`` where the caller's credential is too narrow for the route."""
    scope = SCOPES[route.scope]
    if scope not in ALLOWED_SCOPES[who.scope]:
        raise Forbidden(
            f"This credential is for {who.scope}; {request.method} {request.path} takes one for "
            f"{scope}. See docs/access.md."
        )


def call_route(services: Services, standing: PluginStatus, route: Route) -> Reply | Task:
    """What the plugin replies. Raises ``HookFailed`` naming it, ``BadRequest`` as it says."""
    who = caller()
    body = read_json_body(required=False) if request.method != "GET" else None
    ask = Ask(
        method=request.method,
        path=normalize_path(request.path.removeprefix(f"/plugins/{standing.name}")),
        query=dict(request.args),
        body=body,
        caller="" if who.is_owner else who.name,
        owner=who.is_owner,
    )
    reply = services.plugins.host.run(
        standing.name, f"the route {ask.path}", lambda: route.answer(ask)
    )
    if not isinstance(reply, Reply | Task):
        raise HookFailed(f"The plugin {standing.name!r} replied with no Reply and no Task.")
    return reply


def submit_task(services: Services, name: str, task: Task) -> Response:
    """Submit a plugin's task: its outcome, or with ``?async=1`` at once the task's id."""
    plugin_task = QueuedPluginTask(name, task.verb, task.body)
    frame = Frame(
        id=uuid4().hex,
        kind=PLUGIN,
        body=PLUGIN_TASKS.dump_json(plugin_task),
        owner=caller().name,
        tags={TASK_TAG: request.args.get("id_task") or new_task(name), ROUTE_TAG: name},
    )
    if request.args.get("async", "").lower() in TRUE_WORDS:
        frame = with_fields(
            frame, tags={**frame.tags, ASYNC_TAG: "1", **submission.models_tag(services)}
        )
        services.job_limit.put(services.queue, frame)
        services.tasks.follow(caller().name, frame.tags[TASK_TAG], frame.id)
        answer = jsonify({"id_task": frame.tags[TASK_TAG]})
        answer.status_code = 202
        return answer
    return to_response(submission.submit_and_wait(services, frame))


def plugins_json(services: Services) -> PluginList:
    """Every plugin, and what the page may do with them."""
    table = services.plugins.table
    running_count = sum(frame.deliveries > 0 for frame in services.queue.list_frames())
    return {
        "plugins": [
            plugin_json(services, each, table.declared.get(each.name))
            for each in services.plugins.statuses()
        ],
        "may_install": may_install(services),
        "running": running_count,
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
