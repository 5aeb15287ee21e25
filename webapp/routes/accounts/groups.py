"""Groups of users, and what users, groups and roles may take of the queue: for an admin."""

from collections.abc import Mapping

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.accounts.groups import Group, list_groups
from webapp.accounts.limits import Bounded, checked_limits, list_limits, read_limits
from webapp.accounts.users import normalize_name
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.requests.fields import read_body
from webapp.routes.accounts.account_context import accounts_of, actor, private_blueprint
from webapp.routes.context import MAX_FORM_BYTES, read_json_body
from webapp.services import Services


class GroupFacts(TypedDict):
    """A group; ``created`` in seconds since 1970."""

    name: str
    created: float
    members: list[str]


class GroupList(TypedDict):
    """All groups, by name."""

    groups: list[GroupFacts]


class NewGroup(BaseModel):
    """The body of ``POST /api/v1/groups``."""

    model_config = ConfigDict(extra="forbid")

    name: str


class LimitsBody(BaseModel):
    """The body of ``PUT /api/v1/limits/KIND/NAME``; what is null or left out bounds nothing."""

    model_config = ConfigDict(extra="forbid")

    weight: float | None = None
    priority: int | None = None
    running_jobs: int | None = None
    waiting_jobs: int | None = None
    job_megapixel_steps: float | None = None
    gpu_seconds_day: float | None = None
    gpu_seconds_month: float | None = None
    pictures_day: int | None = None
    pictures_month: int | None = None
    stored_bytes: int | None = None


class LimitsFacts(TypedDict):
    """Limits of a user, group or role, by name; those that are not named bound nothing."""

    kind: str
    name: str
    limits: dict[str, float]


class LimitsList(TypedDict):
    """All limits, by kind and name."""

    limits: list[LimitsFacts]


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = private_blueprint("groups")
    add_groups(routes, services)
    add_limits(routes, services)
    return routes


def add_groups(routes: Blueprint, services: Services) -> None:
    """Groups; users are put into them by their own route."""
    accounts = accounts_of(services)

    @routes.get("/groups")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("All groups of users", answer=GroupList))
    def every_group() -> Response:
        """By name, with their members."""
        return jsonify({"groups": [group_json(each) for each in list_groups(accounts.database)]})

    @routes.post("/groups")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Add a group", body=NewGroup, answer=EMPTY_SCHEMA))
    def add() -> Response:
        """409 for a name that is taken."""
        body = read_body(NewGroup, read_json_body(most=MAX_FORM_BYTES))
        accounts.add_group(actor(), normalize_name(body.name))
        return jsonify({})

    @routes.delete("/groups/<name>")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Remove a group and its limits", answer=EMPTY_SCHEMA))
    def remove(name: str) -> Response:
        """Its members stay, in no group."""
        accounts.remove_group(actor(), normalize_name(name))
        return jsonify({})


def add_limits(routes: Blueprint, services: Services) -> None:
    """Limits and quotas."""
    accounts = accounts_of(services)

    @routes.get("/limits")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("What users, groups and roles may take", answer=LimitsList))
    def every_limit() -> Response:
        """Those of whom something is said."""
        return jsonify({"limits": [limits_json(each) for each in list_limits(accounts.database)]})

    @routes.put("/limits/<kind>/<name>")
    @requires(AccessScope.OWNER)
    @with_note(
        RouteNote("Set what a user, group or role may take", body=LimitsBody, answer=LimitsFacts)
    )
    def set_limits(kind: str, name: str) -> Response:
        """In place of what was said before; for jobs that come from now on."""
        body = read_body(LimitsBody, read_json_body(most=MAX_FORM_BYTES))
        values: Mapping[str, float | None] = body.model_dump()
        name = normalize_name(name)
        accounts.set_limits(actor(), kind, name, checked_limits(kind, values))
        return jsonify(limits_json(Bounded(kind, name, read_limits(accounts.database, kind, name))))


def group_json(group: Group) -> GroupFacts:
    """A group as an admin sees it."""
    return {"name": group.name, "created": group.created, "members": list(group.members)}


def limits_json(one: Bounded) -> LimitsFacts:
    """Limits as an admin sees them."""
    return {"kind": one.kind, "name": one.name, "limits": dict(one.limits.told())}
