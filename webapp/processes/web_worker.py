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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from gunicorn import http, util
from gunicorn import sock as gunicorn_sock
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from webapp.access.forwarded import Network, is_in_networks
from webapp.errors import SlowBody, Unavailable, error_answer
from webapp.http.body_pace import SILENCE_SECONDS, BodyPace, PacedUnreader, mark_body
from webapp.http.content_policy import EMPTY_POLICY
from webapp.http.joined_response import make_exchange, send_answer
from webapp.http.request_heads import (
    ChunkScan,
    RequestHead,
    find_head,
    is_path_in,
    without_expectation,
)
from webapp.http.thread_admission import (
    ThreadAdmission,
    ThreadLimits,
    ThreadRequest,
    mark_start,
)

HEAD_SECONDS = 20.0
"""Seconds from a request's first byte in which its head, and a short body, must have come."""

MAX_HEAD_BYTES = 128 * 1024  # bytes
SHORT_BODY_BYTES = 64 * 1024  # bytes; longer bodies are read by the thread that wants them
CHUNK_BYTES = 16 * 1024  # bytes read at once before a thread has the connection
DRAIN_SECONDS = 0.5  # seconds in which a thread reads a body to its end that nobody wanted
LINGER_SECONDS = 2.0  # seconds in which a client may still send when all has been answered
LINGER_BYTES = 4 * 1024 * 1024
CONTROL_THREADS = 16
ACCEPTS_PER_TURN = 64
SWEEP_SECONDS = 0.5  # between two looks at whose time is over
HELD_BACK_SECONDS = 0.05  # between two looks at who may run, while requests are held back
CONTROL_PATHS = frozenset(
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

CLIENT_GONE_ERRORS = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Open connections in all and of one address that is no proxy's; threads; ``--subpath``."""

    all: int
    per_address: int
    threads: ThreadLimits
    root: str = ""
    proxies: tuple[Network, ...] = ()

    def count_of(self, address: str) -> int:
        """Connections that an address may have."""
        return self.all if is_in_networks(address, self.proxies) else self.per_address


@dataclass(slots=True, eq=False)
class PendingConnection:
    """A connection between two requests, or whose request is still incomplete."""

    conn: TConn
    address: str
    deadline: float  # time.monotonic()
    data: bytearray = field(default_factory=bytearray)
    head: RequestHead | None = None
    searched: int = 0
    chunks: ChunkScan | None = None
    in_tls_handshake: bool = False  # TLS is not agreed upon yet


@dataclass(slots=True, eq=False)
class LingeringConnection:
    """A connection whose answer was sent; further input is read and discarded."""

    conn: TConn
    address: str
    deadline: float
    drained: int = 0


class HeadFirstWorker(ThreadWorker):
    """Gunicorn's thread worker that reads heads and short bodies in its loop; see the module.

    A subclass sets the ``limits`` (``webapp/processes/web_server.py``).
    """

    limits: ConnectionLimits

    def init_process(self) -> None:
        """Set up what the loop keeps, in the process that serves."""
        self.pending: dict[PendingConnection, None] = {}  # the oldest first
        self.lingering: dict[LingeringConnection, None] = {}
        self.by_address: Counter[str] = Counter()
        self.admission: ThreadAdmission[TConn] = ThreadAdmission(self.limits.threads)
        self.swept_at = 0.0
        self.control_pool = ThreadPoolExecutor(CONTROL_THREADS, "control")
        super().init_process()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One turn of the loop."""
        held_back = bool(self.admission.queue)
        super().wait_for_and_dispatch_events(HELD_BACK_SECONDS if held_back else timeout)
        if held_back:
            self._start(self.admission.admit())

    # -- arriving ---------------------------------------------------------------------------

    def accept(self, listener: socket.socket) -> None:
        """Take the connections that wait, and begin to read what they ask."""
        for _ in range(ACCEPTS_PER_TURN):
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
        set_socket_timeouts(client)
        conn = TConn(self.cfg, client, address, listener.getsockname())  # makes it non-blocking
        self.nr_conns += 1
        self.by_address[host] += 1
        if not self._make_room(host):
            self._send(conn, refusal_bytes(503, "Too many connections; try again in a moment."))
            self._close(conn, host)
            return
        if self.cfg.is_ssl:
            try:
                conn.sock = gunicorn_sock.ssl_wrap_socket(conn.sock, self.cfg)
            except OSError:
                self._close(conn, host)
                return
        self._read_next_request(conn, host, shakes_hands=self.cfg.is_ssl)

    def _make_room(self, address: str) -> bool:
        """Close older connections that ask nothing, where a limit is passed; False if it stays."""
        count = self.by_address[address]
        too_many = count > self.limits.per_address and count > self.limits.count_of(address)
        if too_many and not self._evict(lambda host: host == address):
            return False
        if self.nr_conns <= self.limits.all:
            return True
        idle = Counter(arrival.address for arrival in self.pending)
        greatest = max(idle, key=lambda host: idle[host], default="")
        return self._evict(lambda host: host == greatest)

    def _evict(self, fits: Any) -> bool:
        """Close the oldest connection without a whole request whose address fits."""
        for leaving in self.lingering:
            if fits(leaving.address):
                self._close_lingering(leaving)
                return True
        for arrival in self.pending:
            if fits(arrival.address):
                self._close_pending(arrival)
                return True
        return False

    def _read_next_request(
        self, conn: TConn, address: str, data: bytes = b"", *, shakes_hands: bool
    ) -> None:
        """Read the connection's next request as it comes."""
        timeout = HEAD_SECONDS if conn.parser is None else float(self.cfg.keepalive)
        if not self.alive:
            timeout = min(timeout, STOP_KEEPALIVE_LINGER)
        connection = PendingConnection(
            conn, address, time.monotonic() + timeout, in_tls_handshake=shakes_hands
        )
        self.pending[connection] = None
        try:
            conn.sock.setblocking(False)
            self._register(connection, selectors.EVENT_READ)
        except (OSError, ValueError):
            self._close_pending(connection)
            return
        if data:
            self._append(connection, data)
            self._process_data(connection)
        elif self.cfg.is_ssl and not shakes_hands:
            self._receive(connection)  # TLS may hold bytes that the poller does not see

    def _register(self, arrival: PendingConnection, events: int) -> None:
        self.poller.register(arrival.conn.sock, events, lambda _: self._receive(arrival))

    def _wait_for(self, arrival: PendingConnection, events: int) -> None:
        self.poller.modify(arrival.conn.sock, events, lambda _: self._receive(arrival))

    def _receive(self, arrival: PendingConnection) -> None:
        """Take what has come, without waiting."""
        sock = arrival.conn.sock
        try:
            if arrival.in_tls_handshake:
                sock.do_handshake()
                arrival.in_tls_handshake = False
                self._wait_for(arrival, selectors.EVENT_READ)
            piece = sock.recv(CHUNK_BYTES)
        except ssl.SSLWantWriteError:
            self._wait_for(arrival, selectors.EVENT_WRITE)
            return
        except ssl.SSLWantReadError:
            self._wait_for(arrival, selectors.EVENT_READ)
            return
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self._close_pending(arrival)
            return
        if not piece:
            if arrival.head is None:
                self._close_pending(arrival)
            else:  # the parser says what is missing, to a client that may still listen
                self._hand_over(arrival, arrival.head, is_whole=True)
            return
        self._append(arrival, piece)
        self._process_data(arrival)
        if self.cfg.is_ssl and arrival in self.pending and sock.pending():
            self._receive(arrival)

    def _append(self, arrival: PendingConnection, piece: bytes) -> None:
        if not arrival.data:
            arrival.deadline = time.monotonic() + HEAD_SECONDS
        arrival.data += piece

    def _process_data(self, arrival: PendingConnection) -> None:
        """Hand the request to a thread, once it has come as far as it must."""
        data = arrival.data
        head = arrival.head = arrival.head or find_head(data, arrival.searched)
        if head is None:
            arrival.searched = len(data)
            if len(data) > MAX_HEAD_BYTES:
                self._refuse(
                    arrival, refusal_bytes(431, f"A head has {MAX_HEAD_BYTES} bytes at most.")
                )
            return
        if head.expects_continue and head.body is not None and head.body <= SHORT_BODY_BYTES:
            self._send(arrival.conn, b"HTTP/1.1 100 Continue\r\n\r\n")
            arrival.data, head = without_expectation(data, head)
            arrival.head = head
        is_whole = self._is_whole(arrival, head)
        if is_whole or not self._is_body_short(arrival, head):
            self._hand_over(arrival, head, is_whole=is_whole)

    def _is_whole(self, arrival: PendingConnection, head: RequestHead) -> bool:
        if head.chunked:
            arrival.chunks = arrival.chunks or ChunkScan(head.size)
            return arrival.chunks.is_complete(arrival.data)
        return head.body is not None and head.size + head.body <= len(arrival.data)

    def _is_body_short(self, arrival: PendingConnection, head: RequestHead) -> bool:
        """Whether the rest of the body is short enough to be waited for without a thread."""
        if head.chunked:
            return len(arrival.data) - head.size <= SHORT_BODY_BYTES and not head.expects_continue
        return head.body is not None and head.body <= SHORT_BODY_BYTES

    def _hand_over(self, arrival: PendingConnection, head: RequestHead, *, is_whole: bool) -> None:
        conn = arrival.conn
        self._remove_pending(arrival)
        if conn.parser is None:
            conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
            conn.parser.unreader = PacedUnreader(conn.sock, BodyPace())
            conn.initialized = True
        conn.parser.unreader.pace.restart()
        conn.parser.unreader.body_is_coming = not is_whole
        conn.parser.unreader.unread(bytes(arrival.data))
        applicant = ThreadRequest(conn, arrival.address, not is_whole)
        if is_whole and is_path_in(head.path, self.limits.root, CONTROL_PATHS):
            self._run(self.control_pool, applicant, lambda: iter(()), None)
        else:
            self._start(self.admission.enqueue(applicant))

    def _start(self, admitted: Iterator[ThreadRequest[TConn]]) -> None:
        for applicant in admitted:
            on_waiting = partial(self.method_queue.defer, self._wait, applicant)
            release = partial(self.admission.release, applicant)
            self._run(self.tpool, applicant, release, on_waiting)

    def _wait(self, applicant: ThreadRequest[TConn]) -> None:
        self._start(self.admission.wait(applicant))

    def _run(
        self,
        pool: ThreadPoolExecutor,
        applicant: ThreadRequest[TConn],
        leave: Any,
        on_waiting: Callable[[], None] | None,
    ) -> None:
        def handle() -> bool:
            mark_start(on_waiting)
            return self.handle(applicant.request)

        future = pool.submit(handle)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self._finish, applicant, leave, done)
        )

    # -- in a thread ------------------------------------------------------------------------

    def handle(self, conn: TConn) -> bool:
        """Answer one request; whether its connection can take another."""
        req = None
        try:
            mark_body(conn.parser.unreader.body_is_coming)
            conn.sock.settimeout(SILENCE_SECONDS)
            req = next(conn.parser)
            if not self.handle_request(req, conn):
                return False
            return self._keepalive_after(conn, keepalive=True)
        except (StopIteration, http.errors.NoMoreData, SlowBody, ssl.SSLError):
            pass  # the client has left, or was answered and sends on for too long
        except OSError as error:
            if error.errno not in CLIENT_GONE_ERRORS and not isinstance(
                error, TimeoutError | BlockingIOError
            ):
                self.log.exception("Socket error processing request.")
        except Exception as error:
            self.handle_error(req, conn.sock, conn.client, error)
        return False

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Answer it as gunicorn does, with fewer sends; whether the connection can go on."""
        answer = None
        try:
            answer, environ = make_exchange(req, conn, self.cfg)
            if not self.alive:
                answer.force_close()
            send_answer(answer, self.wsgi(environ, answer.start_response))
            return not answer.should_close()
        except OSError:
            raise
        except (Exception, SystemExit):
            if answer is None or not answer.headers_sent:
                raise
            self.log.exception("Error handling request")  # a second answer would spoil the first
            util.close_graceful(conn.sock)
            raise StopIteration from None

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Read the rest of a body that nobody wanted; whether another request can follow it."""
        try:
            until = time.monotonic() + DRAIN_SECONDS
            return keepalive and bool(conn.parser.finish_body(deadline=until))
        except http.errors.ParseException as error:  # the request has its answer already
            self.log.warning("An unread body from %s is malformed: %s", conn.client, error)
            return False

    # -- afterwards -------------------------------------------------------------------------

    def _finish(self, applicant: ThreadRequest[TConn], leave: Any, done: "Future[bool]") -> None:
        conn, address = applicant.request, applicant.address
        self._start(leave())
        if not done.cancelled() and done.exception() is None and done.result():
            data = conn.parser.unreader.take_buffered()
            self._read_next_request(conn, address, data, shakes_hands=False)
        else:
            self._linger(conn, address)

    def _linger(self, conn: TConn, address: str) -> None:
        """Close for writing, and read on for a while: a reset would cost the client its answer."""
        leaving = LingeringConnection(conn, address, time.monotonic() + LINGER_SECONDS)
        self.lingering[leaving] = None
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: self._drain(leaving))
        except (OSError, ValueError):
            self._close_lingering(leaving)

    def _drain(self, leaving: LingeringConnection) -> None:
        try:
            count = len(socket.socket.recv(leaving.conn.sock, 4 * CHUNK_BYTES))
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except (OSError, ValueError):
            count = 0
        leaving.drained += count
        if not count or leaving.drained > LINGER_BYTES:
            self._close_lingering(leaving)

    def _close_lingering(self, leaving: LingeringConnection) -> None:
        self.lingering.pop(leaving, None)
        self._unregister(leaving.conn)
        self._close(leaving.conn, leaving.address)

    def _refuse(self, arrival: PendingConnection, answer: bytes) -> None:
        """Answer a request that gets no thread."""
        self._remove_pending(arrival)
        self._send(arrival.conn, answer)
        self._linger(arrival.conn, arrival.address)

    def _close_pending(self, arrival: PendingConnection) -> None:
        self._remove_pending(arrival)
        self._close(arrival.conn, arrival.address)

    def _remove_pending(self, arrival: PendingConnection) -> None:
        self.pending.pop(arrival, None)
        self._unregister(arrival.conn)

    def _unregister(self, conn: TConn) -> None:
        with suppress(OSError, KeyError, ValueError):  # closed, or never registered
            self.poller.unregister(conn.sock)

    def _send(self, conn: TConn, answer: bytes) -> None:
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
        for arrival in list(self.pending):
            if force or arrival.deadline < now:
                if arrival.data:
                    self._refuse(
                        arrival, refusal_bytes(408, "The request did not come whole in time.")
                    )
                else:
                    self._close_pending(arrival)
        for leaving in list(self.lingering):
            if force or leaving.deadline < now:
                self._close_lingering(leaving)

    def _cap_keepalive(self, deadline: float) -> None:
        for arrival in self.pending:
            arrival.deadline = min(arrival.deadline, deadline)


def set_socket_timeouts(client: socket.socket) -> None:
    """Let no read and no write of a thread wait longer than ``SILENCE_SECONDS`` for a byte to
    pass.
    """
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        client.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(SILENCE_SECONDS), 0))


REASONS = {408: "Request Timeout", 431: "Request Header Fields Too Large", 503: "Unavailable"}


def refusal_bytes(status: int, detail: str) -> bytes:
    """A whole answer, in the form of ours, to what gets no thread."""
    body = error_answer(Unavailable(detail)).body
    lines = [
        f"HTTP/1.1 {status} {REASONS[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        f"X-Request-Id: {uuid4().hex}",
        f"Content-Security-Policy: {EMPTY_POLICY}",
        *(["Retry-After: 2"] if status == 503 else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
