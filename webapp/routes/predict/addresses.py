"""Which queue an address of ``/api/predict`` names, and for whom; paths to queue for."""

from dataclasses import dataclass

from flask import current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from webapp.access.cors import AllowedOrigins
from webapp.access.credentials import Caller
from webapp.access.page_origin import is_cross_site
from webapp.access.scopes import ALLOWED_SCOPES, AccessScope, scope_of
from webapp.errors import Forbidden, Refused, UnknownService
from webapp.queues.contracts.entries import INPUT, REAR, SINK, ConsumerName, EntryQueue, name_group
from webapp.requests.queue_calls import DEFAULT_GROUP, read_name
from webapp.routes.context import caller
from webapp.services import Services

USER_HEADER = "X-EAS-QueueService-Redis-Uid"
GROUP_HEADER = "X-EAS-QueueService-Redis-Gid"
PRIORITY_HEADER = "X-EAS-QueueService-Redis-Priority"
REQUEST_ID_HEADER = "X-Eas-Queueservice-Request-Id"
REAR_HEADER = "X-EAS-QueueService-Access-Rear"
ENDPOINTS_OF_QUEUES = "predict."


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """A queue, and the path of the service that entries put there are for."""

    name: str
    path: str

    @property
    def is_input(self) -> bool:
        """Whether the service works off what is put here."""
        return self.name == INPUT


def read_address(services: Services, service: str, path: str = "") -> QueueAddress:
    """The queue of an address. Raises ``UnknownService`` with the names that there are."""
    config = services.config
    if service != config.service_name:
        raise UnknownService(
            f"There is no service {service[:128]!r} here. Known: {config.service_name}."
        )
    if not config.asynchronous:  # a gateway in a gateway
        raise UnknownService("There is no such path here.")
    refuse_pages(config.origins)
    parts = [part for part in path.split("/") if part]
    is_sink = parts[-1:] == [SINK]
    rear = REAR if request.headers.get(REAR_HEADER, "").lower() == "true" else ""
    name = SINK if is_sink else INPUT
    return QueueAddress(name + rear, "/".join(parts[:-1] if is_sink else parts))


def refuse_pages(origins: AllowedOrigins) -> None:
    """Refuse requests of web pages: a GET takes entries away here. Raises ``Forbidden``."""
    if caller().by_cookie or is_cross_site(origins):
        raise Forbidden("The queues take a token, and no request of another site or by a login.")


def open_queue(services: Services, address: QueueAddress) -> EntryQueue:
    """The queue that an address names."""
    return services.entries.queue(address.name)


def owner_of(who: Caller) -> str | None:
    """Whose entries a caller sees: the owner everybody's, others their own."""
    return None if who.is_owner else who.name


def consumer_of(who: Caller, unnamed: str) -> ConsumerName:
    """The consumer that the headers name; groups of different callers are different groups."""
    group = read_name(GROUP_HEADER, request.headers.get(GROUP_HEADER, "")) or DEFAULT_GROUP
    name = read_name(USER_HEADER, request.headers.get(USER_HEADER, "")) or unnamed
    return ConsumerName(name_group(owner_of(who), group), name)


def check_path(path: str, who: Caller) -> None:
    """See that an entry for this path can be worked off.

    Raises ``UnknownService`` (404), ``Refused`` (405), ``Forbidden`` where the caller could not
    post to it either.
    """
    try:
        rule, _ = current_app.url_map.bind("localhost").match(f"/{path}", "POST", return_rule=True)
    except MethodNotAllowed:
        raise NotPosted(f"/{path} takes no POST: nothing can be queued for it.") from None
    except HTTPException:
        raise UnknownService(f"There is no path /{path[:200]} here to queue for.") from None
    scope = scope_of(current_app.view_functions[rule.endpoint])
    if scope is AccessScope.PUBLIC or rule.endpoint.startswith(ENDPOINTS_OF_QUEUES):
        raise UnknownService(f"Nothing can be queued for /{path[:200]}.")
    if scope not in ALLOWED_SCOPES[who.scope]:
        raise Forbidden(
            f"This credential is for {who.scope}; POST /{path} takes one for {scope}. "
            "See docs/access.md."
        )


class NotPosted(Refused):
    """The path of an entry is not one that is posted to."""

    status = 405
