"""Users: an admin lists, adds, changes and removes them, and ends their logins."""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.access.secret import Secret
from webapp.accounts.roles import Role
from webapp.accounts.users import User, find_user, list_users, normalize_name
from webapp.errors import NothingThere
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.jobs.user_jobs import stop_user_jobs
from webapp.requests.fields import read_body
from webapp.routes.accounts.account_context import accounts_of, actor, private_blueprint
from webapp.routes.accounts.me import LONGEST
from webapp.routes.context import MAX_FORM_BYTES, read_json_body
from webapp.services import Services

Password = Annotated[SecretStr, Field(max_length=LONGEST)]


class UserFacts(TypedDict):
    """A user; times in seconds since 1970. ``password``: whether there is one.

    ``group``: null where it is in none.
    """

    name: str
    role: Role
    group: str | None
    created: float
    disabled: bool
    password: bool


class UserList(TypedDict):
    """All users, by name."""

    users: list[UserFacts]


class EndedLogins(TypedDict):
    """How many logins ended."""

    ended: int


class NewUser(BaseModel):
    """The body of ``POST /api/v1/users``. Without a password: comes by a proxy or OIDC provider."""

    model_config = ConfigDict(extra="forbid")

    name: str
    role: Role = Role.MEMBER
    password: Password | None = None
    group: str = ""


class ChangedUser(BaseModel):
    """The body of ``PATCH /api/v1/users/NAME``: what is to change; ``group`` "" for none."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    group: str | None = None
    disabled: bool | None = None
    password: Password | None = None


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = private_blueprint("users")
    add_list(routes, services)
    add_changes(routes, services)
    add_removal(routes, services)
    return routes


def add_list(routes: Blueprint, services: Services) -> None:
    """All users and one of them; a new one."""
    accounts = accounts_of(services)

    @routes.get("/users")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("All users", answer=UserList))
    def everybody() -> Response:
        """By name, without removed ones."""
        return jsonify({"users": [user_json(each) for each in list_users(accounts.database)]})

    @routes.post("/users")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Add a user", body=NewUser, answer=UserFacts))
    def add() -> Response:
        """409 for a name that is, or was ever, taken."""
        body = read_body(NewUser, read_json_body(most=MAX_FORM_BYTES))
        name = normalize_name(body.name)
        password, group = to_secret(body.password), normalize_name(body.group)
        return jsonify(user_json(accounts.add_user(actor(), name, body.role, password, group)))

    @routes.get("/users/<name>")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("One user", answer=UserFacts))
    def one(name: str) -> Response:
        """404 where there is none."""
        user = find_user(accounts.database, normalize_name(name))
        if user is None:
            raise NothingThere("There is no such user.")
        return jsonify(user_json(user))


def add_changes(routes: Blueprint, services: Services) -> None:
    """What changes a user."""
    accounts = accounts_of(services)

    @routes.patch("/users/<name>")
    @requires(AccessScope.OWNER)
    @with_note(
        RouteNote("Change a user's role, password or group, or disable it", body=ChangedUser,
                  answer=UserFacts)
    )  # fmt: skip
    def change(name: str) -> Response:
        """End the user's logins; disabled, its jobs too. 409 for the only admin."""
        body = read_body(ChangedUser, read_json_body(most=MAX_FORM_BYTES))
        name, password = normalize_name(name), to_secret(body.password)
        group = None if body.group is None else normalize_name(body.group)
        if group is not None and body.model_fields_set == {"group"}:
            user = accounts.set_group(actor(), name, group)
        else:
            user = accounts.change_user(actor(), name, body.role, body.disabled, password, group)
        if not user.is_enabled:
            stop_jobs(services, user.name)
        return jsonify(user_json(user))

    @routes.delete("/users/<name>/logins")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("End all logins of a user", answer=EndedLogins))
    def end_logins(name: str) -> Response:
        """Its tokens go on."""
        return jsonify({"ended": accounts.revoke_logins(actor(), normalize_name(name))})


def add_removal(routes: Blueprint, services: Services) -> None:
    """What removes a user."""
    accounts = accounts_of(services)

    @routes.delete("/users/<name>")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Remove a user", answer=EMPTY_SCHEMA))
    def remove(name: str) -> Response:
        """Logins, tokens and jobs end; the log stays, and the name is given to nobody else."""
        accounts.remove_user(actor(), normalize_name(name))
        stop_jobs(services, normalize_name(name))
        return jsonify({})


def stop_jobs(services: Services, name: str) -> None:
    """End a user's jobs."""
    stop_user_jobs(services.queue, services.sink, services.stop_requests, name)


def to_secret(text: SecretStr | None) -> Secret | None:
    """A body's password in the type that is passed on."""
    return None if text is None else Secret(text.get_secret_value())


def user_json(user: User) -> UserFacts:
    """A user as an admin sees it; never the hash."""
    return {
        "name": user.name,
        "role": user.role,
        "group": user.group or None,
        "created": user.created,
        "disabled": not user.is_enabled,
        "password": user.has_password,
    }
