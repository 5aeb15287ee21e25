"""The routes of the queues: put, get, watch, commit, delete, and what can be asked of them."""

from collections.abc import Callable
from urllib.parse import parse_qs
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from filebrowser.errors import TooBusy
from webapp.access.scopes import AccessScope, requires
from webapp.errors import BadValue, StreamClosed, TooLarge, UnknownService
from webapp.http.openapi import PLAIN_ERRORS, RouteNote, with_note
from webapp.queues.contracts.entries import (
    Entry,
    EntryFilter,
    EntryQueue,
    EntryQueueClosed,
    EntryQueueFull,
    EntryShareFull,
)
from webapp.requests.queue_calls import MAX_INDEX, QueueCall, read_call, read_code, read_priority
from webapp.routes.context import caller, read_body_bytes, require_owner
from webapp.routes.predict import addresses
from webapp.routes.predict.addresses import QueueAddress, open_queue, owner_of, read_address
from webapp.routes.predict.reading import (
    answer_attributes,
    answer_entries,
    answer_position,
    answer_watch,
    cancel_jobs,
    remove_entries,
)
from webapp.services import Services

TEXT = "text/plain; charset=utf-8"
MAX_FORM_BYTES = 64 * 1024
PREFIXES = ("/api/predict/", "/api/v1/servicediscovery/")
RULES = ("/api/predict/<service>", "/api/predict/<service>/<path:path>")
PARAMETERS = {
    name: {"type": kind}
    for names, kind in (
        ("_index_ _length_ _window_ _priority_", "integer"),
        ("_timeout_ _indexes_", "string"),
        ("_raw_ _auto_delete_ _auto_commit_ _index_only_", "boolean"),
        ("_watch_ _attrs_ _search_ _count_", "boolean"),
    )
    for name in names.split()
}


class Upstream(TypedDict):
    """An address under which the service answers."""

    ip: str
    port: int
    weight: int


class Upstreams(TypedDict):
    """The addresses of a service."""

    items: list[Upstream]


class DiscoveryAnswer(TypedDict):
    """What the vendor's clients ask before they speak to a service directly."""

    endpoints: Upstreams


def blueprint(services: Services) -> Blueprint:
    """The routes; without ``--async`` they only say which service there is."""
    routes = Blueprint("predict", __name__)
    routes.after_app_request(tell_plainly)
    add_discovery(routes, services)
    add_put(routes, services)
    add_reading(routes, services)
    add_commits(routes, services)
    add_deletions(routes, services)
    return routes


def add_rules(
    routes: Blueprint, name: str, method: str, view: Callable[..., Response], **options: bool
) -> None:
    """The view for the service itself, and for its paths."""
    for rule, endpoint in zip(RULES, (name, f"{name}_path"), strict=True):
        routes.add_url_rule(rule, endpoint, view, methods=[method], **options)


def tell_plainly(answer: Response) -> Response:
    """Every refusal as the bare sentence: the vendor's clients show an error's body as it is."""
    if answer.status_code < 400 or not answer.is_json or not request.path.startswith(PREFIXES):
        return answer
    body = answer.get_json(silent=True)
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, str):
        answer.set_data(detail)
        answer.content_type = TEXT
    return answer


def add_discovery(routes: Blueprint, services: Services) -> None:
    """The addresses of a service."""

    @routes.get("/api/v1/servicediscovery/upstreams/<service>")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "The addresses of a service", answer=DiscoveryAnswer, public=True, errors=PLAIN_ERRORS
        )
    )
    def upstreams(service: str) -> Response:
        """The one address: that by which was asked."""
        if service != services.config.service_name:
            known = services.config.service_name
            raise UnknownService(f"There is no service {service[:128]!r} here. Known: {known}.")
        name, _, port = request.host.rpartition(":")
        has_port = bool(name) and port.isdigit()
        usual = 443 if request.scheme == "https" else 80
        host = name if has_port else request.host
        upstream = {"ip": host, "port": int(port) if has_port else usual, "weight": 100}
        return jsonify({"endpoints": {"items": [upstream]}})


def add_put(routes: Blueprint, services: Services) -> None:
    """Entries in."""

    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "Queue a request for a path of the service, or put a result into its sink",
            body={},
            body_type="*/*",
            answer={"type": "string"},
            query={name: PARAMETERS[name] for name in ("_priority_",)},
            content_type="text/plain",
            errors=PLAIN_ERRORS,
        )
    )
    def put(service: str, path: str = "") -> Response:
        """The index of the new entry; its request id is in a header."""
        address = read_address(services, service, path)
        call = read_call(list(request.args.items(multi=True)))
        queue = open_queue(services, address)
        if call.end is not None:
            require_owner()
            queue.set_closed(call.end)
            if call.force:
                cancel_jobs(services, address, queue.truncate(MAX_INDEX))
            return Response("OK", content_type=TEXT)
        if address.is_input and address.path:
            addresses.check_path(address.path, caller())
        entry = Entry(
            request_id=uuid4().hex,
            data=read_entry(services, address),
            tags=call.tags,
            priority=priority_of(call),
            owner=caller().name,
            scope=caller().scope,
            path=address.path,
        )
        answer = Response(str(put_entry(services, queue, entry)), content_type=TEXT)
        answer.headers[addresses.REQUEST_ID_HEADER] = entry.request_id
        return answer

    add_rules(routes, "put", "POST", put)


def read_entry(services: Services, address: QueueAddress) -> bytes:
    """The body of a put. Raises ``TooLarge`` with what to do instead."""
    try:
        return bytes(read_body_bytes(services.config.max_entry_bytes))
    except TooLarge as error:
        advice = (
            " Name pictures by their addresses (image_link), let results be saved (save_dir), or "
            "start the service with a greater --max-entry-size."
        )
        raise TooLarge(error.detail + advice) from None


def priority_of(call: QueueCall) -> int:
    """The priority that the query or the header asks for; 0 for none."""
    header = request.headers.get(addresses.PRIORITY_HEADER, "")
    if call.priority is None and header:
        return read_priority(header)
    return call.priority or 0


def put_entry(services: Services, queue: EntryQueue, entry: Entry) -> int:
    """Store an entry. Raises ``TooBusy`` (429), ``StreamClosed`` (409)."""
    try:
        most = services.config.max_user_entries
        return queue.put(entry, None if caller().is_owner else most)
    except EntryQueueFull as full:
        raise TooBusy(
            f"The {full} holds {services.config.max_queue_entries} entries, which is all that it "
            "may (--max-queue-entries). Read and commit results, or come back when some are done."
        ) from None
    except EntryShareFull as share:
        raise TooBusy(
            f"The {share.queue} holds {share.count} entries of yours, which is all that one caller "
            "may have there (--max-user-entries). Read and commit results, or come back when some "
            "are done."
        ) from None
    except EntryQueueClosed:
        raise StreamClosed(
            "The queue takes no entries: its stream was ended. POST ?_eos_=false opens it again."
        ) from None


def add_reading(routes: Blueprint, services: Services) -> None:
    """Entries out, and what the queue is like."""

    def read(service: str, path: str = "") -> Response:
        """Entries, a watch, or facts, as the parameters say."""
        address = read_address(services, service, path)
        call = read_call(list(request.args.items(multi=True)))
        queue = open_queue(services, address)
        if call.attributes:
            return answer_attributes(services, address, queue)
        if call.search:
            return answer_position(services, address, queue, call)
        if call.count:
            wanted = EntryFilter(owner_of(caller()), call.tags)
            return Response(str(queue.count(wanted, call.priority)), content_type=TEXT)
        if call.watch:
            return answer_watch(services, queue, call)
        return answer_entries(services, address, queue, call)

    note = RouteNote(
        "Read entries, watch a queue, or ask about it",
        answer={},
        query=PARAMETERS,
        content_type="*/*",
        errors=PLAIN_ERRORS,
    )
    add_rules(routes, "read", "GET", with_note(note)(requires(AccessScope.GENERATE)(read)))

    @requires(AccessScope.GENERATE)
    def read_socket(service: str, path: str = "") -> Response:
        return read(service, path)

    add_rules(routes, "read_socket", "GET", read_socket, websocket=True)


def add_commits(routes: Blueprint, services: Services) -> None:
    """Entries that are done with, or given back."""

    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "Commit entries, or give them back",
            answer={"type": "string"},
            query={"_indexes_": {"type": "string"}, "_negative_": {"type": "boolean"}},
            content_type="text/plain",
            errors=PLAIN_ERRORS,
        )
    )
    def commit(service: str, path: str = "") -> Response:
        """``OK``, also for entries that are gone."""
        address = read_address(services, service, path)
        call = read_call(list(request.args.items(multi=True)))
        queue, consumer = open_queue(services, address), addresses.consumer_of(caller(), "")
        if not call.indexes:
            raise BadValue("_indexes_: name the entries to commit, with commas between them.")
        if call.negative:
            queue.reject(consumer, call.indexes, *read_rejection())
        else:
            removed = queue.commit(consumer.group, call.indexes, owner_of(caller()))
            cancel_jobs(services, address, removed)
        return Response("OK", content_type=TEXT)

    add_rules(routes, "commit", "PUT", commit)


def add_deletions(routes: Blueprint, services: Services) -> None:
    """Entries that are dropped."""

    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "Delete entries, or all below an index",
            answer={"type": "string"},
            query={
                "_indexes_": {"type": "string"},
                "_index_": {"type": "integer"},
                "_trunc_": {"type": "boolean"},
            },
            content_type="text/plain",
            errors=PLAIN_ERRORS,
        )
    )
    def delete(service: str, path: str = "") -> Response:
        """``OK``, also for entries that are gone."""
        address = read_address(services, service, path)
        call = read_call(list(request.args.items(multi=True)))
        queue, owner = open_queue(services, address), owner_of(caller())
        if call.truncate:
            cancel_jobs(services, address, queue.truncate(call.index, owner))
        elif call.indexes:
            remove_entries(services, address, queue, call.indexes, owner)
        else:
            raise BadValue("_indexes_: name the entries to delete, or _trunc_=true with _index_.")
        return Response("OK", content_type=TEXT)

    add_rules(routes, "delete", "DELETE", delete)


def read_rejection() -> tuple[str, str]:
    """Code and reason of a negative commit, from its form."""
    form = parse_qs(bytes(read_body_bytes(MAX_FORM_BYTES)).decode("utf-8", "replace"))
    code, reason = (form.get(name, [""])[0] for name in ("_code_", "_reason_"))
    return read_code(code or request.args.get("_code_", "")), reason[:1000]
