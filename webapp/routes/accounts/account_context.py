"""The accounts, who acts on them, and what a caller may do with them."""

from flask import Blueprint, Response, g, request

from webapp.access.credentials import Caller
from webapp.accounts.accounts import Accounts
from webapp.accounts.audit import Actor
from webapp.accounts.credentials import TOKEN_KEY
from webapp.accounts.users import normalize_name
from webapp.errors import Forbidden
from webapp.routes.context import caller
from webapp.services import Services

PREFIX = "/api/v1"
USER_QUERY = {"user": {"type": "string", "description": "whose; an admin may name anybody"}}


def accounts_of(services: Services) -> Accounts:
    """The accounts. Raises ``RuntimeError`` without ``--accounts``."""
    if services.accounts is None:
        raise RuntimeError("The service runs without --accounts.")
    return services.accounts


def private_blueprint(name: str, url_prefix: str | None = PREFIX) -> Blueprint:
    """A blueprint whose answers nobody keeps."""
    routes = Blueprint(name, __name__, url_prefix=url_prefix)

    @routes.after_request
    def keep_nothing(answer: Response) -> Response:
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return routes


def address() -> str:
    """From where the request comes."""
    return request.remote_addr or ""


def actor_of(who: Caller) -> Actor:
    """A caller as the audit log names it."""
    return Actor(who.name, address(), g.get("request_id", ""))


def actor() -> Actor:
    """The caller of the current request as the audit log names it."""
    return actor_of(caller())


def own_or_named(accounts: Accounts) -> str:
    """The user that a request is about: ``?user=``, which is the owner's to ask, or the caller.

    Raises ``Forbidden``, and ``NothingThere`` for a caller without an account.
    """
    name = normalize_name(request.args.get("user", ""))
    if not name or name == caller().name:
        return accounts.require_own(caller()).name
    if not caller().is_owner:
        raise Forbidden("Only an admin may ask about another user's account.")
    return name


def require_login() -> None:
    """Refuse API tokens where a leaked one could make itself last. Raises ``Forbidden``."""
    if caller().key.startswith(TOKEN_KEY) and not caller().is_owner:
        raise Forbidden("An API token may not do this: log in with a name and password.")
