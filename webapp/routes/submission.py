"""Submits a request to the queue and waits for its answer while the caller is connected."""

import select
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from flask import request

from generator.request import Stop
from webapp.errors import Draining, Unavailable
from webapp.http.thread_admission import mark_waiting
from webapp.logs import bind, bound_value
from webapp.queues.contracts.entries import REQUEST_ID_TAG, TASK_ID_TAG, Entry
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.queue import Queue
from webapp.queues.contracts.sink import Sink
from webapp.queues.drain import is_draining
from webapp.queues.errors import StoreUnavailable
from webapp.queues.job_codec import MODELS_TAG, REQUEST_TAG, TREE_TAG
from webapp.routes.context import caller, release_body
from webapp.routes.tasks import ASYNC_TAG, task_of

if TYPE_CHECKING:
    from webapp.services import Services

CHECK_SECONDS = 2.0
"""Seconds between two looks at whether the caller still listens."""

CLOSED_BY_PEER = getattr(select, "POLLRDHUP", 0)  # an event of Linux alone

ENTRY, ENTRY_QUEUED = "easel.entry", "easel.entry_queued"
"""Keys of a request's environment: the entry that it is made for; whether a frame waits now."""

ACCEPTED = 202
PATIENCE_SECONDS = 60.0  # seconds for which those who wait bear a store that is not there
RECHECK_SECONDS = 0.5  # seconds after which a lost queue must be found lost again

KEPT_MESSAGE = (
    "The service is being stopped before this request's turn. It is kept and worked on after the "
    "next start; what it saves will be in its place. Send it again only if you need the answer."
)


class CallerLeft(Exception):
    """The caller closed the connection; nobody reads the answer."""


def submit_and_wait(services: "Services", frame: Frame) -> Answer:
    """Put a frame into the queue and wait for its answer, without a time limit.

    A caller who disconnects takes a waiting frame along, unless its progress was asked for: a page
    that is loaded again finds its task still queued. A running job goes on, as it may save files,
    but not under ``--stop-when-client-leaves``.
    Raises ``Draining`` while the service ends (a frame that waits by then is kept for the next
    start) and ``Unavailable`` where too many wait. Callers hand the frame over and keep nothing of
    the request's body.
    """
    frame = replace(
        frame, tags={**frame.tags, REQUEST_TAG: bound_value("request"), **models_tag(services)}
    )
    entry = request.environ.get(ENTRY)
    if isinstance(entry, Entry):  # stored in any case, and waits for the next start as its frame
        return submit_for_entry(services, frame, entry)
    if is_draining(services.worker_commands):
        raise Draining("The service is being stopped; send the request again in a moment.")
    bind(job=frame.id)
    with services.waiting_limit.hold(caller()):
        services.job_limit.put(services.queue, frame, caller().scope)
        frame = replace(frame, body=b"")  # its pictures need not be here while they are waited for
        release_body()
        mark_waiting()
        return _await_answer(services, frame)


def submit_for_entry(services: "Services", frame: Frame, entry: Entry) -> Answer:
    """Queue the frame that an entry of the input asks for, under the entry's request id.

    Its answer goes into the sink, with a tag for the task; what is returned here is for nobody.
    """
    tags = {**frame.tags, REQUEST_ID_TAG: entry.request_id, ASYNC_TAG: "1"}
    frame = replace(frame, id=entry.request_id, priority=entry.priority, tags=tags)
    bind(job=frame.id)
    entry_tags = {TASK_ID_TAG: task_of(frame)}
    services.job_limit.put(services.queue, frame, caller().scope, entry_tags)
    request.environ[ENTRY_QUEUED] = True
    return Answer(ACCEPTED, b"")


def models_tag(services: "Services") -> Mapping[str, str]:
    """The tag by which a worker notices models that are not known to it yet, and whose they are."""
    tree = services.trees.current()
    return {MODELS_TAG: tree.registry.version, **({TREE_TAG: tree.name} if tree.name else {})}


def _await_answer(services: "Services", frame: Frame) -> Answer:
    environ, registry = request.environ, services.tasks
    try:
        answer = wait_for_answer(
            services.queue,
            services.sink,
            frame.id,
            lambda: has_caller_left(environ),
            lambda: registry.is_followed(frame.id),
            lambda: is_draining(services.worker_commands),
            partial(stop_abandoned_job, services, frame.id),
        )
    finally:
        registry.record_finished(frame.owner, task_of(frame))
    if not has_caller_left(environ):  # a page that was loaded again asks for the answer by its task
        services.sink.delete_answer(frame.id)  # else its pictures fill the queue's file for an hour
    return answer


def wait_for_answer(
    queue: Queue,
    sink: Sink,
    frame_id: str,
    caller_left: Callable[[], bool],
    is_followed: Callable[[], bool] = lambda: False,
    is_draining: Callable[[], bool] = lambda: False,
    on_left: Callable[[], None] = lambda: None,
) -> Answer:
    """Wait for a frame's answer.

    Raises ``CallerLeft``, ``Draining`` if it has not begun and the service ends, or
    ``Unavailable`` if the frame is lost, or the queue is. When the caller has left, a frame that
    still waits is removed unless it ``is_followed``; for a running one ``on_left`` is called.
    A store that cannot be reached is waited for, ``PATIENCE_SECONDS`` at most.
    """
    deadline = None
    while True:
        try:
            answer = await_in_sink(queue, sink, frame_id)
            if answer is None and caller_left():
                if not is_followed() and not queue.cancel(frame_id):
                    on_left()
                raise CallerLeft
            if answer is None:
                answer = look_in_queue(queue, sink, frame_id, is_draining)
            if answer is not None:
                return answer
            deadline = None
        except StoreUnavailable as error:
            deadline = deadline or time.monotonic() + PATIENCE_SECONDS
            if caller_left():
                raise CallerLeft from error
            if time.monotonic() > deadline:
                why = f"{error} Whether this request was worked on is not known."
                raise Unavailable(why, error.retry_after) from error
            time.sleep(RECHECK_SECONDS)


def await_in_sink(queue: Queue, sink: Sink, frame_id: str) -> Answer | None:
    """A frame's answer, None after a while. Raises ``Unavailable`` where the queue is lost."""
    answer = sink.wait(frame_id, CHECK_SECONDS)
    if answer is None and queue.loss_reason():
        answer = sink.wait(frame_id, RECHECK_SECONDS)
        if answer is None and (why := queue.loss_reason()):
            raise Unavailable(f"{why} Whether this request was worked on is not known.")
    return answer


def look_in_queue(
    queue: Queue, sink: Sink, frame_id: str, is_draining: Callable[[], bool]
) -> Answer | None:
    """The answer of a frame that is gone from the queue, None of one that is there.

    Raises ``Draining`` if it has not begun and the service ends, ``Unavailable`` if it is lost.
    """
    if is_draining() and not queue.is_running(frame_id) and queue.is_queued(frame_id):
        raise Draining(KEPT_MESSAGE)
    if queue.is_queued(frame_id):
        return None
    answer = sink.wait(frame_id, 0)  # it may have been answered in between
    if answer is None:
        raise Unavailable("The request was removed from the queue without an answer.")
    return answer


def stop_abandoned_job(services: "Services", frame_id: str) -> None:
    """End a running job that nobody waits for, where the flag says so."""
    if services.config.stop_when_client_leaves and services.queue.is_running(frame_id):
        services.stop_requests.request_stop(frame_id, Stop.INTERRUPT)


def has_caller_left(environ: Mapping[str, object]) -> bool:
    """True if the client has closed its connection, where the server lets us see the socket."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if not isinstance(connection, socket.socket):
        return False
    try:
        poller = select.poll()  # select() knows no descriptor above 1023
        if CLOSED_BY_PEER:  # TLS sockets cannot be peeked into
            poller.register(connection, CLOSED_BY_PEER)
            return bool(poller.poll(0))
        poller.register(connection, select.POLLIN)
        return bool(poller.poll(0)) and connection.recv(1, socket.MSG_PEEK) == b""
    except ValueError:
        return False
    except OSError:
        return True
