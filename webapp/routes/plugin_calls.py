"""The routes that plugins declare.

What such a route does is the plugin's; who may ask it is checked here.
"""

import json
from collections.abc import Mapping
from dataclasses import replace as with_fields
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from generator.models.kinds import ModelKind
from plugins.api import Ask, Reply, Route, Task
from plugins.api import Scope as Whom
from plugins.errors import HookFailed
from plugins.plugin_status import PluginStatus, State
from webapp.access.auth import check_scope
from webapp.access.scopes import AccessScope, requires
from webapp.http.content_policy import PAGE_POLICY, default_policy
from webapp.http.openapi import RouteNote, with_note
from webapp.plugins.web_plugins import (
    normalize_path,
)
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import PLUGIN, PLUGIN_TASKS, QueuedPluginTask
from webapp.routes import submission
from webapp.routes.context import (
    caller,
    read_json_body,
    to_response,
)
from webapp.routes.tasks import ASYNC_TAG, ROUTE_TAG, TASK_TAG, new_task
from webapp.services import Services

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SCOPES: Mapping[Whom, AccessScope] = {
    Whom.OWNER: AccessScope.OWNER,
    Whom.CALLERS: AccessScope.GENERATE,
    Whom.READERS: AccessScope.READ,
}
ANYTHING: dict[str, object] = {}
TRUE_WORDS = ("1", "true", "yes", "on")


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
        check_scope(caller(), SCOPES[route.scope])
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
        checkpoints=known_checkpoints(services),
    )
    reply = services.plugins.host.run(
        standing.name, f"the route {ask.path}", lambda: route.answer(ask)
    )
    if not isinstance(reply, Reply | Task):
        raise HookFailed(f"The plugin {standing.name!r} replied with no Reply and no Task.")
    return reply


def known_checkpoints(services: Services) -> frozenset[str] | None:
    """Stems of the checkpoints that the caller may know of; None for all."""
    if not services.trees.current().name:
        return None
    files = services.registry.index.files_of(ModelKind.CHECKPOINT)
    return frozenset(file.stem for file in files)


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
        services.job_limit.put(services.queue, frame, caller().scope)
        services.tasks.follow(caller().name, frame.tags[TASK_TAG], frame.id)
        answer = jsonify({"id_task": frame.tags[TASK_TAG]})
        answer.status_code = 202
        return answer
    return to_response(submission.submit_and_wait(services, frame))
