"""Watches of a queue: over a WebSocket, or as one endless answer of plain HTTP."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flask import Response, request

from webapp.errors import Unavailable
from webapp.http.closing_response import ClosingResponse
from webapp.http.entry_wire import JSON, PROTOBUF, encode_streamed, with_length
from webapp.http.request_body import connection_of
from webapp.http.thread_admission import mark_waiting
from webapp.http.websocket import WebSocket
from webapp.queues.contracts.entries import (
    ConsumerName,
    Entry,
    EntryFilter,
    EntryQueue,
    Watch,
    WatchEnded,
    WatchTerms,
)
from webapp.queues.errors import QueueError
from webapp.requests.queue_calls import QueueCall
from webapp.routes.submission import has_caller_left

TURN_SECONDS = 0.25  # between two looks at the connection: pings wait as long for their answer
PING_SECONDS = 20.0  # of silence after which a client is asked whether it lives
STORE_ERRORS = (QueueError, sqlite3.Error)

log = logging.getLogger("easel.entries")


class SpokenFor(ClosingResponse):
    """What is left to answer on a connection that a WebSocket had: nothing."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Gunicorn ends a connection without a word for ``StopIteration``."""
        if "gunicorn.socket" in environ:
            self.close()
            raise StopIteration
        return super().__call__(environ, start_response)


def watch_terms(call: QueueCall, owner: str | None) -> WatchTerms:
    """The terms that a request asks for."""
    return WatchTerms(
        EntryFilter(owner, call.tags), call.index, call.window, call.index_only, call.auto_commit
    )


def streamed_type() -> str:
    """The client's encoding of entries: JSON where it asks for that and not for protobuf."""
    accepted = request.headers.get("Accept", "")
    return JSON if JSON in accepted and PROTOBUF not in accepted else PROTOBUF


def serve_socket(
    queue: EntryQueue,
    consumer: ConsumerName,
    terms: WatchTerms,
    goes_on: Callable[[], bool],
) -> Response:
    """Watch over a WebSocket until the client leaves, or the watch ends.

    No closing frame is sent: the vendor's Python client takes it for an entry.
    """
    connection = connection_of(request.environ)
    if connection is None:
        raise Unavailable("This server gives no connection to a WebSocket; watch over plain HTTP.")
    content_type = streamed_type()
    watch = queue.watch(consumer, terms)  # first: where that is refused, HTTP tells it
    try:
        socket = WebSocket(connection, list(request.headers.items()))
    except BaseException:
        end_watch(watch, [])
        raise
    mark_waiting()
    sent: list[int] = []
    silent_since = time.monotonic()
    try:
        while goes_on() and socket.is_open():
            entries = watch.take(TURN_SECONDS)
            if entries and not socket.is_open():  # it has left meanwhile: others shall have them
                break
            for entry in entries:
                socket.send(encode_streamed(entry, content_type))
                sent.append(entry.index)
            if sent:
                confirm(watch, sent)
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since >= PING_SECONDS:
                socket.ping()
                silent_since = time.monotonic()
    except (WatchEnded, OSError):  # over, or the client is gone
        pass
    except STORE_ERRORS as error:
        log.warning("A watch ends, as the queue cannot be read now: %s", error)
    finally:
        end_watch(watch, sent)
    return SpokenFor()


def end_watch(watch: Watch, sent: list[int]) -> None:
    """Note what was sent, and that the client is gone; where that fails, time tells the queue."""
    try:
        confirm(watch, sent)
        watch.leave()
    except STORE_ERRORS as error:
        log.warning("The end of a watch could not be noted: %s", error)


def confirm(watch: Watch, sent: list[int]) -> None:
    """Note what was sent, once."""
    if sent:
        watch.confirm(sent)
        sent.clear()


def serve_stream(
    queue: EntryQueue,
    consumer: ConsumerName,
    terms: WatchTerms,
    goes_on: Callable[[], bool],
) -> Response:
    """Watch as an endless answer: each message after four bytes of its length."""
    content_type, environ = streamed_type(), request.environ
    watch = queue.watch(consumer, terms)
    mark_waiting()

    def messages() -> Iterator[bytes]:
        sent: list[int] = []
        try:
            yield b""  # the head goes out before the first entry comes
            while goes_on() and not has_caller_left(environ):
                entries: Sequence[Entry] = watch.take(TURN_SECONDS)
                if entries and has_caller_left(environ):  # others shall have them
                    break
                for entry in entries:
                    yield with_length(encode_streamed(entry, content_type))
                    sent.append(entry.index)
                confirm(watch, sent)
        except WatchEnded:
            return
        except STORE_ERRORS as error:
            log.warning("A watch ends, as the queue cannot be read now: %s", error)
        finally:
            end_watch(watch, sent)

    answer = Response(messages(), content_type="application/octet-stream")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"  # nginx would hold entries back
    return answer
