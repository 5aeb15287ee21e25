"""What a GET of a queue answers: entries, a watch, or facts."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from uuid import uuid4

from flask import Response, jsonify, request

from webapp.errors import UnknownService
from webapp.http.entry_wire import JSON, PROTOBUF, encode_attributes, encode_json, encode_list
from webapp.http.thread_admission import mark_waiting
from webapp.queues.contracts.entries import (
    Entry,
    EntryFilter,
    EntryPosition,
    EntryQuery,
    EntryQueue,
)
from webapp.queues.drain import is_draining
from webapp.requests.queue_calls import QueueCall
from webapp.routes.context import caller
from webapp.routes.predict import addresses, watching
from webapp.routes.predict.addresses import QueueAddress, owner_of
from webapp.routes.predict.attributes import attributes_of
from webapp.routes.submission import CHECK_SECONDS, CallerLeft, has_caller_left
from webapp.services import Services

BYTES = "application/octet-stream"
HOLD_SECONDS = 15.0  # for which an entry that a get takes along is kept from others
MAX_WAIT_SECONDS = 60.0  # of a get
EARLY_SECONDS = 0.3  # by which a get answers before its client gives up


def answer_attributes(services: Services, address: QueueAddress, queue: EntryQueue) -> Response:
    """The queue's attributes, in JSON or in the vendor's protobuf."""
    facts = attributes_of(address.name, queue.status(owner_of(caller())), services.config)
    if PROTOBUF in request.headers.get("Accept", ""):
        return Response(encode_attributes(facts), content_type=PROTOBUF)
    return jsonify(facts)


def answer_position(
    services: Services, address: QueueAddress, queue: EntryQueue, call: QueueCall
) -> Response:
    """Where an entry stands; one of the input is pending while a worker draws it."""
    owner = owner_of(caller())
    position = queue.search(call.index, owner)
    if position is None:
        raise UnknownService(f"_index_: there is no entry {call.index} in this queue.")
    if address.is_input:
        found = queue.get(EntryQuery(EntryFilter(owner), call.index))
        if any(services.queue.is_running(each.request_id) for each in found):
            position = EntryPosition(is_pending=True, ahead=0)
    return jsonify({"IsPending": position.is_pending, "WaitCount": position.ahead})


def answer_watch(services: Services, queue: EntryQueue, call: QueueCall) -> Response:
    """A watch, over what the client speaks. Raises ``Unavailable`` for one too many."""
    who = caller()
    terms = watching.watch_terms(call, owner_of(who))
    consumer = addresses.consumer_of(who, uuid4().hex)
    leave = services.watchers.enter(who)

    def goes_on() -> bool:
        return not is_draining(services.worker_commands)

    is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
    serve = watching.serve_socket if is_socket else watching.serve_stream
    try:
        answer = serve(queue, consumer, terms, goes_on)
    except BaseException:
        leave()
        raise
    answer.call_on_close(leave)
    return answer


def answer_entries(
    services: Services, address: QueueAddress, queue: EntryQueue, call: QueueCall
) -> Response:
    """Entries that fit, or 204 where none came in time; deleted once they are sent, unless not."""
    takes = call.auto_delete and request.method == "GET"
    hold = HOLD_SECONDS if takes else 0.0
    wanted = EntryFilter(owner_of(caller()), call.tags)
    entries = wait_for_entries(
        services, queue, EntryQuery(wanted, call.index, call.length, hold), call.seconds
    )
    if not entries:
        return Response(status=204)
    body, content_type = encode_entries(entries, call)
    if not takes:
        return Response(body, content_type=content_type)
    indexes = [entry.index for entry in entries]
    remove = partial(remove_entries, services, address, queue, indexes, None)
    answer = Response(sent_then(body, remove, partial(queue.let_go, indexes)))
    answer.content_type = content_type
    answer.headers["Content-Length"] = str(len(body))
    return answer


def wait_for_entries(
    services: Services, queue: EntryQueue, query: EntryQuery, seconds: float
) -> Sequence[Entry]:
    """Entries as soon as there are some. Raises ``CallerLeft`` where nobody would read them."""
    left = min(max(seconds - EARLY_SECONDS, 0.0), MAX_WAIT_SECONDS)
    waits = False
    with ExitStack() as place:

        def on_wait() -> None:
            nonlocal waits
            if not waits:
                place.enter_context(services.waiting_limit.hold(caller()))
                mark_waiting()
                waits = True

        while True:
            entries = queue.get(query, min(left, CHECK_SECONDS), on_wait)
            if waits and has_caller_left(request.environ):
                queue.let_go([entry.index for entry in entries])
                raise CallerLeft
            left -= CHECK_SECONDS
            if entries or left <= 0 or is_draining(services.worker_commands):
                return entries


def encode_entries(entries: Sequence[Entry], call: QueueCall) -> tuple[bytes, str]:
    """Entries as the client reads them: protobuf, bytes as they are, or JSON."""
    if PROTOBUF in request.headers.get("Accept", ""):
        return encode_list(entries), PROTOBUF
    if call.raw and call.length == 1:
        return entries[0].data, BYTES
    return encode_json(entries), JSON


def sent_then(body: bytes, done: "partial[None]", undone: "partial[None]") -> Iterator[bytes]:
    """A body; ``done`` once it was sent, ``undone`` where it could not be."""
    sent = False
    try:
        yield body
        sent = True
    finally:
        done() if sent else undone()


def remove_entries(
    services: Services,
    address: QueueAddress,
    queue: EntryQueue,
    indexes: Sequence[int],
    owner: str | None,
) -> None:
    """Delete entries of an owner, and cancel those of the input that still wait."""
    cancel_jobs(services, address, queue.delete(indexes, owner))


def cancel_jobs(services: Services, address: QueueAddress, request_ids: Sequence[str]) -> None:
    """The frames of entries that were taken out of the input are not drawn, unless they are."""
    if address.is_input:
        for request_id in request_ids:
            services.queue.cancel(request_id)
