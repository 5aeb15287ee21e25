"""The plugins of the service: the Extensions page's routes, and those that plugins bring.

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
from werkzeug.exceptions import MethodNotAllowed, NotFound

from filebrowser.errors import FileError
from filebrowser.gate import Root, locate, open_place
from filebrowser.serving import Shown, respond
from plugins.errors import HookFailed
from plugins.finding import Origin, find_plugins
from plugins.host import Standing, State
from plugins.installing import (
    ENDINGS,
    LARGEST_ARCHIVE,
    LARGEST_WHOLE,
    WHEEL,
    install,
    install_folder,
    remove,
    unpacked_size,
)
from plugins.nouns import Ask, Reply, Route, Task
from plugins.nouns import Scope as Whom
from webapp.coercion import Bool, Object
from webapp.content_policy import PAGE, default_policy
from webapp.errors import Forbidden, Refused
from webapp.openapi import Note, described
from webapp.plugin_desk import (
    Declared,
    NoSuchPlugin,
    PluginDesk,
    clean,
    not_loaded,
    part_json,
    setting_json,
)
from webapp.plugin_tasks import SHOWN
from webapp.queues.contracts import PLUGINS, Errand, Frame
from webapp.queues.frames import PLUGIN, PLUGIN_TASKS, PluginTask
from webapp.requests.fields import read
from webapp.routes import road
from webapp.routes.context import (
    body_bytes,
    caller,
    check_room,
    job_limit,
    json_body,
    response,
    services,
    tasks,
)
from webapp.routes.errands import send
from webapp.routes.tasks import ASYNC_TAG, ROUTE_TAG, TASK_TAG, new_task
from webapp.scopes import OPENS, Scope, allowed
from webapp.version import VERSION

if TYPE_CHECKING:
    from webapp.auth import Caller

plugins = Blueprint("plugins", __name__)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SCOPES: Mapping[Whom, Scope] = {
    Whom.OWNER: Scope.OWNER,
    Whom.CALLERS: Scope.GENERATE,
    Whom.READERS: Scope.READ,
}
ENTRY = {"type": "object", "properties": {"name": {"type": "string"}}}
ALL = {"type": "object", "properties": {"plugins": {"type": "array", "items": ENTRY}}}
MODELS = {"type": "object", "properties": {"models": {"type": "object"}}}
ANYTHING: dict[str, object] = {}
LONGEST_PATH = 4096
YES = ("1", "true", "yes", "on")


class Change(BaseModel):
    """What the Extensions page changes of one plugin."""

    model_config = ConfigDict(extra="forbid")

    enabled: Bool | None = None
    settings: Object = {}


@plugins.get("/api/plugins")
@allowed(Scope.READ)
@described(Note("Every plugin, how it stands, what it brings to the page", answer=ALL))
def listing() -> Response:
    """Settings, folders and errors are told to the owner alone."""
    return jsonify(whole())


@plugins.post("/api/plugins/<name>")
@allowed(Scope.OWNER)
@described(Note("Turn a plugin on or off, set its options", body=Change, answer=ENTRY))
def change(name: str) -> Response:
    """On and off take effect at the next reload, options at once."""
    wanted = read(Change, json_body())
    desk().change(name, wanted.enabled, wanted.settings)
    return jsonify(entry(desk().of(name), desk().table.declared.get(name)))


@plugins.post("/api/plugins/reload")
@allowed(Scope.OWNER)
@described(Note("Load every plugin anew, here and in every worker", answer=ALL))
def reload() -> Response:
    """Workers do so between two jobs; answered when all have."""
    desk().reload()
    services().registry.look_also(desk().shelves())
    send(Errand(uuid4().hex, PLUGINS))
    return jsonify(whole())


@plugins.post("/api/plugins/install")
@allowed(Scope.OWNER)
@described(
    Note(
        "Bring a plugin as a zip or wheel, or from a folder; it runs after the next reload",
        query={
            "name": {"type": "string"},
            "replace": {"type": "boolean", "default": False},
            "folder": {"type": "string", "description": "a whole path on this machine"},
        },
        answer=ENTRY,
    )
)
def bring() -> Response:
    """The body is the archive, or ``folder`` is copied.

    403 under --listen without --enable-insecure-extension-access.
    """
    check_may_install()
    replace = request.args.get("replace", "").lower() in YES
    folder = request.args.get("folder", "")
    if folder:
        check_room(LARGEST_WHOLE)
        copied = install_folder(plain_path(folder), services().config.data_dir, replace=replace)
        return jsonify(entry(newcomer(copied.name), None))
    ending = request.args.get("name", "").lower()
    if ending and not ending.endswith(ENDINGS):
        raise Refused(f"name: {' or '.join(ENDINGS)} is expected.")
    data = bytes(body_bytes(LARGEST_ARCHIVE))
    wheel = ending.endswith(WHEEL)
    data_dir = services().config.data_dir
    check_room(unpacked_size(BytesIO(data)))
    manifest = install(BytesIO(data), data_dir, replace=replace, wheel=wheel)
    return jsonify(entry(newcomer(manifest.name), None))


@plugins.delete("/api/plugins/<name>")
@allowed(Scope.OWNER)
@described(Note("Delete a plugin's folder; it stops at the next reload", answer=ENTRY))
def delete(name: str) -> Response:
    """Those in the folder of extensions alone; packages are uninstalled by pip."""
    check_may_install()
    standing = newcomer(name)
    if standing.origin is not Origin.FOLDER:
        raise Refused(f"{name} is {standing.origin}: only folders of extensions are deleted here.")
    try:
        remove(standing.folder, services().config.data_dir)
    except FileNotFoundError:
        raise NoSuchPlugin(
            f"The folder of the plugin {name!r} is deleted already; the next reload forgets it."
        ) from None
    return jsonify(entry(standing, None))


def plain_path(text: str) -> Path:
    """A path that may be asked for. Raises ``Refused`` for what no path can be."""
    if "\0" in text or len(text) > LONGEST_PATH or not text.isprintable():
        raise Refused("folder: that is no path.")
    return Path(text)


def check_may_install() -> None:
    """Raise ``Forbidden`` where plugins are not brought by the page."""
    if not may_install():
        raise Forbidden(
            "Plugins are not installed by the page under --listen; start with "
            "--enable-insecure-extension-access, or put the folder into extensions/ yourself."
        )


def newcomer(name: str) -> Standing:
    """A plugin as it lies on the disk, loaded or not. Raises ``NoSuchPlugin``."""
    found = find_plugins(services().config.data_dir, VERSION)
    named = [each for each in found if each.name == name]
    if not named:
        return desk().table.of(name)
    best = named[-1]
    return not_loaded(best)


@plugins.get("/api/plugins/<name>/models")
@allowed(Scope.READ)
@described(
    Note(
        "Models in the folders that a plugin keeps, by its kinds",
        answer=MODELS,
        query={"update": {"type": "boolean", "default": False}},
    )
)
def models(name: str) -> Response:
    """As the watched folders are; ``update`` looks at them first."""
    here = services()
    fresh = request.args.get("update", "").lower() in YES
    running(name)
    others = (here.registry.refresh() if fresh else here.registry.index).others
    listed = {
        shelf.kind.partition("/")[2]: [
            {"name": model.name, "size": model.size} for model in others.get(shelf.kind, ())
        ]
        for shelf in desk().shelves(name)
    }
    return jsonify({"models": listed})


@plugins.get("/plugins/<name>/static/<path:file>")
@allowed(Scope.READ)
@described(Note("A file that a plugin ships for the page", content_type="*/*"))
def static(name: str, file: str) -> Response:
    """From the plugin's own folder ``static``, while it is on."""
    tree = Root(name, running(name).folder, writable=False)
    try:
        found = open_place(locate(f"{name}/static/{file}", [tree]))
    except FileError:
        raise NotFound from None
    if not S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise NotFound
    kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
    kind += "; charset=utf-8" if kind.startswith("text/") else ""
    answer = respond(found, Shown(file.rpartition("/")[2], kind, attachment=False))
    if not default_policy(kind):
        del answer.headers["Content-Security-Policy"]
    return answer


@plugins.route("/plugins/<name>/<path:path>", methods=METHODS)
@allowed(Scope.READ)
@described(
    Note(
        "A plugin's own route",
        body={},
        body_required=False,
        answer=ANYTHING,
        query={"async": {"type": "boolean", "default": False}},
        content_type="*/*",
    )
)
def own_route(name: str, path: str) -> Response:
    """What the plugin replies, or what its worker side makes of the task that it replies with."""
    standing = running(name)
    route = found(name, path)
    check_scope(route, caller())
    reply = asked(standing, route)
    if isinstance(reply, Task):
        return worked(name, reply)
    own = isinstance(reply.body, bytes)
    body = reply.body if own else json.dumps(reply.body, ensure_ascii=False)
    answer = Response(body, reply.status, content_type=reply.content_type)
    if default_policy(reply.content_type):
        answer.headers["Content-Security-Policy"] = PAGE  # a plugin's page has scripts of its own
    return answer


def desk() -> PluginDesk:
    """The plugins of this process."""
    return services().plugins


def running(name: str) -> Standing:
    """A plugin that is on. Raises ``NotFound`` otherwise, as for any other address."""
    table = desk().table
    standing = next((each for each in table.standings if each.name == name), None)
    if standing is None or standing.state is not State.ON:
        raise NotFound
    return standing


def found(name: str, path: str) -> Route:
    """The route of a plugin. Raises ``NotFound``, ``MethodNotAllowed``."""
    route = desk().table.declared[name].routes.get(clean(path))
    if route is None:
        raise NotFound
    if request.method not in route.methods and request.method != "HEAD":
        raise MethodNotAllowed(valid_methods=list(route.methods))
    return route


def check_scope(route: Route, who: "Caller") -> None:
    """Raise ``Forbidden`` where the caller's credential is too narrow for the route."""
    scope = SCOPES[route.scope]
    if scope not in OPENS[who.scope]:
        raise Forbidden(
            f"This credential is for {who.scope}; {request.method} {request.path} takes one for "
            f"{scope}. See docs/access.md."
        )


def asked(standing: Standing, route: Route) -> Reply | Task:
    """What the plugin replies. Raises ``HookFailed`` naming it, ``BadRequest`` as it says."""
    who = caller()
    body = json_body(required=False) if request.method != "GET" else None
    ask = Ask(
        method=request.method,
        path=clean(request.path.removeprefix(f"/plugins/{standing.name}")),
        query=dict(request.args),
        body=body,
        caller="" if who.owner else who.name,
        owner=who.owner,
    )
    reply = desk().host.run(standing.name, f"the route {ask.path}", lambda: route.answer(ask))
    if not isinstance(reply, Reply | Task):
        raise HookFailed(f"The plugin {standing.name!r} replied with no Reply and no Task.")
    return reply


def worked(name: str, task: Task) -> Response:
    """Submit a plugin's task: its outcome, or with ``?async=1`` at once the task's id."""
    here = services()
    wanted = PluginTask(name, task.verb, task.body)
    frame = Frame(
        id=uuid4().hex,
        kind=PLUGIN,
        body=PLUGIN_TASKS.dump_json(wanted),
        owner=caller().name,
        tags={TASK_TAG: request.args.get("id_task") or new_task(name), ROUTE_TAG: name},
    )
    if request.args.get("async", "").lower() in YES:
        frame = with_fields(frame, tags={**frame.tags, ASYNC_TAG: "1", **road.seen(here)})
        job_limit().put(here.stream, frame)
        tasks().follow(caller(), frame.tags[TASK_TAG], frame.id)
        answer = jsonify({"id_task": frame.tags[TASK_TAG]})
        answer.status_code = 202
        return answer
    return response(road.draw(here, frame))


def whole() -> dict[str, Any]:
    """Every plugin, and what the page may do with them."""
    here, table = services(), desk().table
    running = sum(frame.deliveries > 0 for frame in here.stream.waiting())
    return {
        "plugins": [entry(each, table.declared.get(each.name)) for each in desk().standings()],
        "may_install": may_install(),
        "running": running,
    }


def may_install() -> bool:
    """Whether this caller may bring plugins by the page (AUTOMATIC1111's rule)."""
    config = services().config
    return caller().owner and (config.extension_access or not config.listen)


def entry(standing: Standing, declared: Declared | None) -> dict[str, Any]:
    """One plugin, its workers' sides joined."""
    told = declared or Declared()
    owner = caller().owner
    own = services().options.of_plugin(standing.name) if owner else {}
    return {
        "name": standing.name,
        "title": standing.title,
        "version": standing.version,
        "licence": standing.licence,
        "description": standing.description,
        "origin": standing.origin,
        "folder": str(standing.folder) if owner else "",
        "state": standing.state,
        "enabled": desk().wants(standing),
        "fault": standing.fault,
        "hooks": list(standing.hooks),
        "permissions": list(standing.permissions),
        "seconds": round(standing.seconds, 4),
        "strikes": standing.strikes,
        "last_error": standing.last_error if owner else "",
        "parts": [part_json(part) for part in told.parts],
        "model_folders": [{"kind": f.kind, "folder": f.folder} for f in told.folders],
        "settings": [setting_json(each, own) for each in told.settings if owner],
        "workers": workers_of(standing.name, tell=owner),
    }


def workers_of(name: str, *, tell: bool) -> list[dict[str, Any]]:
    """How the plugin stands in each worker: its part there, what that took, what went wrong."""
    shown = services().board.plugins_shown()
    return [
        worker_entry(worker.partition("@")[0], dict(zip(SHOWN, plugins[name], strict=False)), tell)
        for worker, plugins in shown.items()
        if name in plugins
    ]


def worker_entry(worker: str, told: Mapping[str, str], tell: bool) -> dict[str, Any]:
    """One worker's side of a plugin."""
    return {
        "worker": worker,
        "state": told["state"],
        "fault": told["fault"],
        "hooks": told.get("hooks", "").split(),
        "seconds": float(told.get("seconds", 0)),
        "strikes": int(told.get("strikes", 0)),
        "last_error": told["last_error"] if tell else "",
    }
