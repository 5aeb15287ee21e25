"""The listening socket, and a readiness probe."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable

BACKLOG = 2048
PORTS_TRIED = 100  # ports tried where none was asked for
PING = "/internal/ping"
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class PortTaken(Exception):
    """The address cannot be listened to; the text says why and what to do."""


def open_listener(host: str, port: int | None, first: int) -> socket.socket:
    """A listening socket on ``port``, or on the first free port from ``first`` where it is None.

    Raises :class:`PortTaken`.
    """
    if port is not None:
        return bind_socket(host, port)
    for candidate in range(first, first + PORTS_TRIED):
        try:
            return bind_socket(host, candidate)
        except PortTaken as taken:
            reason = taken
    raise reason


def bind_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on exactly this address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener_socket = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener_socket.bind((host, port))
        listener_socket.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener_socket.close()
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise PortTaken(
            f"Cannot listen on {host} port {port}: {why}. Choose another with --port, "
            "or end the program that uses this one."
        ) from error
    return listener_socket


class ReadinessProbe(threading.Thread):
    """Asks for a ping until one is answered, then calls ``announce`` once."""

    def __init__(self, host: str, port: int, tls: bool, announce: Callable[[], None]) -> None:
        super().__init__(name="probe", daemon=True)
        self.host, self.port, self.tls = LOOPBACK.get(host, host), port, tls
        self.announce = announce
        self.answered = threading.Event()

    def run(self) -> None:
        """Ask, patiently: the socket listens before its server does, so the first try waits."""
        while not ping(self.host, self.port, self.tls):
            time.sleep(0.05)
        self.answered.set()
        self.announce()


def ping(host: str, port: int, tls: bool = False, timeout: float = 60.0) -> bool:
    """True if the web process there answers."""
    connection: http.client.HTTPConnection
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is ourselves
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", PING, headers={"Host": "localhost", "Connection": "close"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
