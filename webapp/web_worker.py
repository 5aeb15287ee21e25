"""Gunicorn's thread worker, changed so that a thread is given only to a request that has come.

The one loop that accepts connections also reads heads and short bodies, without waiting for any of
them; a silent or half-sent connection costs a file descriptor and no thread. Signs of life and
controls (``CONTROL_PATHS``) have threads of their own. Measured in ``benchmarks/connections.py``.
"""

import errno
import selectors
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from gunicorn import http
from gunicorn import sock as gunicorn_sock
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from webapp.body_pace import SILENCE, BodyPace, PacedUnreader, mark_body
from webapp.content_policy import NOTHING
from webapp.errors import SlowBody, Unavailable, envelope
from webapp.request_heads import ChunkScan, RequestHead, find_head, is_one_of, without_expectation
from webapp.thread_admission import Applicant, ThreadAdmission, ThreadLimits

HEAD_SECONDS = 20.0
"""Seconds from a request's first byte in which its head, and a short body, must have come."""

LONGEST_HEAD = 128 * 1024  # bytes
SHORT_BODY = 64 * 1024  # bytes; longer bodies are read by the thread that wants them
PIECE = 16 * 1024  # bytes read at once before a thread has the connection
DRAIN_SECONDS = 0.5  # seconds in which a thread reads a body to its end that nobody wanted
LINGER_SECONDS = 2.0  # seconds in which a client may still send when all has been answered
LINGER_BYTES = 4 * 1024 * 1024
CONTROL_THREADS = 16
ACCEPTED_AT_ONCE = 64
SWEEP_SECONDS = 0.5  # between two looks at whose time is over
CONTROLS = frozenset(
    {
        "/healthz",
        "/readyz",
        "/internal/ping",
        "/internal/pending-tasks",
        "/internal/progress",
        "/queue/status",
        "/metrics",
        "/sdapi/v1/interrupt",
        "/sdapi/v1/progress",
        "/sdapi/v1/skip",
    }
)
"""Short requests that are answered while all other threads are busy."""

GONE = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Open connections in all and of one address; threads; the service's ``--subpath``."""

    all: int
    per_address: int
    threads: ThreadLimits
    root: str = ""


@dataclass(slots=True, eq=False)
class Arrival:
    """A connection between two requests, or whose request is still incomplete."""

    conn: TConn
    address: str
    until: float  # time.monotonic()
    data: bytearray = field(default_factory=bytearray)
    head: RequestHead | None = None
    searched: int = 0
    chunks: ChunkScan | None = None
    shakes_hands: bool = False  # TLS is not agreed upon yet


@dataclass(slots=True, eq=False)
class Leaving:
    """A connection whose answer was sent; further input is read and discarded."""

    conn: TConn
    address: str
    until: float
    drained: int = 0


class HeadFirstWorker(ThreadWorker):
    """Gunicorn's thread worker that reads heads and short bodies in its loop; see the module.

    A subclass sets the ``limits`` (``webapp/processes/web_server.py``).
    """

    limits: ConnectionLimits

    def init_process(self) -> None:
        """Set up what the loop keeps, in the process that serves."""
        self.arrivals: dict[Arrival, None] = {}  # the oldest first
        self.leaving: dict[Leaving, None] = {}
        self.by_address: Counter[str] = Counter()
        self.admission: ThreadAdmission[TConn] = ThreadAdmission(self.limits.threads)
        self.swept_at = 0.0
        self.controls = ThreadPoolExecutor(CONTROL_THREADS, "control")
        super().init_process()

    # -- arriving ---------------------------------------------------------------------------

    def accept(self, listener: socket.socket) -> None:
        """Take the connections that wait, and begin to read what they ask."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                client, address = listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._evict(lambda _: True)
                elif error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED):
                    raise
                return
            self._open(client, address, listener)

    def _open(self, client: socket.socket, address: Any, listener: socket.socket) -> None:
        host = address[0] if isinstance(address, tuple) and address else ""
        set_patience(client)
        conn = TConn(self.cfg, client, address, listener.getsockname())  # makes it non-blocking
        self.nr_conns += 1
        self.by_address[host] += 1
        if not self._make_room(host):
            self._say(conn, refusal(503, "Too many connections; try again in a moment."))
            self._close(conn, host)
            return
        if self.cfg.is_ssl:
            try:
                conn.sock = gunicorn_sock.ssl_wrap_socket(conn.sock, self.cfg)
            except OSError:
                self._close(conn, host)
                return
        self._gather(conn, host, shakes_hands=self.cfg.is_ssl)

    def _make_room(self, address: str) -> bool:
        """Close older connections that ask nothing, where a limit is passed; False if it stays."""
        if self.by_address[address] > self.limits.per_address and not self._evict(
            lambda host: host == address
        ):
            return False
        if self.nr_conns <= self.limits.all:
            return True
        idle = Counter(arrival.address for arrival in self.arrivals)
        greatest = max(idle, key=lambda host: idle[host], default="")
        return self._evict(lambda host: host == greatest)

    def _evict(self, fits: Any) -> bool:
        """Close the oldest connection without a whole request whose address fits."""
        for leaving in self.leaving:
            if fits(leaving.address):
                self._leave(leaving)
                return True
        for arrival in self.arrivals:
            if fits(arrival.address):
                self._drop(arrival)
                return True
        return False

    def _gather(self, conn: TConn, address: str, data: bytes = b"", *, shakes_hands: bool) -> None:
        """Read the connection's next request as it comes."""
        patience = HEAD_SECONDS if conn.parser is None else float(self.cfg.keepalive)
        if not self.alive:
            patience = min(patience, STOP_KEEPALIVE_LINGER)
        arrival = Arrival(conn, address, time.monotonic() + patience, shakes_hands=shakes_hands)
        self.arrivals[arrival] = None
        try:
            conn.sock.setblocking(False)
            self._register(arrival, selectors.EVENT_READ)
        except (OSError, ValueError):
            self._drop(arrival)
            return
        if data:
            self._add(arrival, data)
            self._advance(arrival)
        elif self.cfg.is_ssl and not shakes_hands:
            self._receive(arrival)  # TLS may hold bytes that the poller does not see

    def _register(self, arrival: Arrival, events: int) -> None:
        self.poller.register(arrival.conn.sock, events, lambda _: self._receive(arrival))

    def _await(self, arrival: Arrival, events: int) -> None:
        self.poller.modify(arrival.conn.sock, events, lambda _: self._receive(arrival))

    def _receive(self, arrival: Arrival) -> None:
        """Take what has come, without waiting."""
        sock = arrival.conn.sock
        try:
            if arrival.shakes_hands:
                sock.do_handshake()
                arrival.shakes_hands = False
                self._await(arrival, selectors.EVENT_READ)
            piece = sock.recv(PIECE)
        except ssl.SSLWantWriteError:
            self._await(arrival, selectors.EVENT_WRITE)
            return
        except ssl.SSLWantReadError:
            self._await(arrival, selectors.EVENT_READ)
            return
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self._drop(arrival)
            return
        if not piece:
            if arrival.head is None:
                self._drop(arrival)
            else:  # the parser says what is missing, to a client that may still listen
                self._hand_over(arrival, arrival.head, whole=True)
            return
        self._add(arrival, piece)
        self._advance(arrival)
        if self.cfg.is_ssl and arrival in self.arrivals and sock.pending():
            self._receive(arrival)

    def _add(self, arrival: Arrival, piece: bytes) -> None:
        if not arrival.data:
            arrival.until = time.monotonic() + HEAD_SECONDS
        arrival.data += piece

    def _advance(self, arrival: Arrival) -> None:
        """Hand the request to a thread, once it has come as far as it must."""
        data = arrival.data
        head = arrival.head = arrival.head or find_head(data, arrival.searched)
        if head is None:
            arrival.searched = len(data)
            if len(data) > LONGEST_HEAD:
                self._refuse(arrival, refusal(431, f"A head has {LONGEST_HEAD} bytes at most."))
            return
        if head.expects_continue and head.body is not None and head.body <= SHORT_BODY:
            self._say(arrival.conn, b"HTTP/1.1 100 Continue\r\n\r\n")
            arrival.data, head = without_expectation(data, head)
            arrival.head = head
        whole = self._is_whole(arrival, head)
        if whole or not self._is_awaited(arrival, head):
            self._hand_over(arrival, head, whole=whole)

    def _is_whole(self, arrival: Arrival, head: RequestHead) -> bool:
        if head.chunked:
            arrival.chunks = arrival.chunks or ChunkScan(head.size)
            return arrival.chunks.is_complete(arrival.data)
        return head.body is not None and head.size + head.body <= len(arrival.data)

    def _is_awaited(self, arrival: Arrival, head: RequestHead) -> bool:
        """Whether the rest of the body is short enough to be waited for without a thread."""
        if head.chunked:
            return len(arrival.data) - head.size <= SHORT_BODY and not head.expects_continue
        return head.body is not None and head.body <= SHORT_BODY

    def _hand_over(self, arrival: Arrival, head: RequestHead, *, whole: bool) -> None:
        conn = arrival.conn
        self._forget(arrival)
        if conn.parser is None:
            conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
            conn.parser.unreader = PacedUnreader(conn.sock, BodyPace())
            conn.initialized = True
        conn.parser.unreader.pace.restart()
        conn.parser.unreader.body_is_coming = not whole
        conn.parser.unreader.unread(bytes(arrival.data))
        applicant = Applicant(conn, arrival.address, not whole)
        if whole and is_one_of(head.path, self.limits.root, CONTROLS):
            self._run(self.controls, applicant, lambda: iter(()))
        else:
            self._start(self.admission.apply(applicant))

    def _start(self, admitted: Iterator[Applicant[TConn]]) -> None:
        for applicant in admitted:
            self._run(self.tpool, applicant, partial(self.admission.leave, applicant))

    def _run(self, pool: ThreadPoolExecutor, applicant: Applicant[TConn], leave: Any) -> None:
        future = pool.submit(self.handle, applicant.request)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self._finish, applicant, leave, done)
        )

    # -- in a thread ------------------------------------------------------------------------

    def handle(self, conn: TConn) -> bool:
        """Answer one request; whether its connection can take another."""
        req = None
        try:
            mark_body(conn.parser.unreader.body_is_coming)
            conn.sock.settimeout(SILENCE)
            req = next(conn.parser)
            if not self.handle_request(req, conn):
                return False
            return self._keepalive_after(conn, keepalive=True)
        except (StopIteration, http.errors.NoMoreData, SlowBody, ssl.SSLError):
            pass  # the client has left, or was answered and sends on for too long
        except OSError as error:
            if error.errno not in GONE and not isinstance(error, TimeoutError | BlockingIOError):
                self.log.exception("Socket error processing request.")
        except Exception as error:
            self.handle_error(req, conn.sock, conn.client, error)
        return False

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Read the rest of a body that nobody wanted; whether another request can follow it."""
        try:
            until = time.monotonic() + DRAIN_SECONDS
            return keepalive and bool(conn.parser.finish_body(deadline=until))
        except http.errors.ParseException as error:  # the request has its answer already
            self.log.warning("An unread body from %s is malformed: %s", conn.client, error)
            return False

    # -- afterwards -------------------------------------------------------------------------

    def _finish(self, applicant: Applicant[TConn], leave: Any, done: "Future[bool]") -> None:
        conn, address = applicant.request, applicant.address
        self._start(leave())
        if not done.cancelled() and done.exception() is None and done.result():
            data = conn.parser.unreader.take_buffered()
            self._gather(conn, address, data, shakes_hands=False)
        else:
            self._linger(conn, address)

    def _linger(self, conn: TConn, address: str) -> None:
        """Close for writing, and read on for a while: a reset would cost the client its answer."""
        leaving = Leaving(conn, address, time.monotonic() + LINGER_SECONDS)
        self.leaving[leaving] = None
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: self._drain(leaving))
        except (OSError, ValueError):
            self._leave(leaving)

    def _drain(self, leaving: Leaving) -> None:
        try:
            count = len(socket.socket.recv(leaving.conn.sock, 4 * PIECE))
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except (OSError, ValueError):
            count = 0
        leaving.drained += count
        if not count or leaving.drained > LINGER_BYTES:
            self._leave(leaving)

    def _leave(self, leaving: Leaving) -> None:
        self.leaving.pop(leaving, None)
        self._unregister(leaving.conn)
        self._close(leaving.conn, leaving.address)

    def _refuse(self, arrival: Arrival, answer: bytes) -> None:
        """Answer a request that gets no thread."""
        self._forget(arrival)
        self._say(arrival.conn, answer)
        self._linger(arrival.conn, arrival.address)

    def _drop(self, arrival: Arrival) -> None:
        self._forget(arrival)
        self._close(arrival.conn, arrival.address)

    def _forget(self, arrival: Arrival) -> None:
        self.arrivals.pop(arrival, None)
        self._unregister(arrival.conn)

    def _unregister(self, conn: TConn) -> None:
        with suppress(OSError, KeyError, ValueError):  # closed, or never registered
            self.poller.unregister(conn.sock)

    def _say(self, conn: TConn, answer: bytes) -> None:
        with suppress(OSError, ValueError):  # the client has left, or TLS is not agreed upon
            conn.sock.send(answer)  # without waiting: a few hundred bytes fit or do not

    def _close(self, conn: TConn, address: str) -> None:
        self.nr_conns -= 1
        self.by_address[address] -= 1
        if not self.by_address[address]:
            del self.by_address[address]
        conn.close()

    def murder_keepalived(self, force: bool = False) -> None:
        """Close connections whose time is over (all that ask nothing, if ``force``)."""
        now = time.monotonic()
        if not force and now < self.swept_at + SWEEP_SECONDS:
            return
        self.swept_at = now
        for arrival in list(self.arrivals):
            if force or arrival.until < now:
                if arrival.data:
                    self._refuse(arrival, refusal(408, "The request did not come whole in time."))
                else:
                    self._drop(arrival)
        for leaving in list(self.leaving):
            if force or leaving.until < now:
                self._leave(leaving)

    def _cap_keepalive(self, deadline: float) -> None:
        for arrival in self.arrivals:
            arrival.until = min(arrival.until, deadline)


def set_patience(client: socket.socket) -> None:
    """Let no read and no write of a thread wait longer than ``SILENCE`` for a byte to pass."""
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        client.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(SILENCE), 0))


REASONS = {408: "Request Timeout", 431: "Request Header Fields Too Large", 503: "Unavailable"}


def refusal(status: int, detail: str) -> bytes:
    """A whole answer, in the form of ours, to what gets no thread."""
    body = envelope(Unavailable(detail)).body
    lines = [
        f"HTTP/1.1 {status} {REASONS[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        f"X-Request-Id: {uuid4().hex}",
        f"Content-Security-Policy: {NOTHING}",
        *(["Retry-After: 2"] if status == 503 else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
