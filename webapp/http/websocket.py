"""The server's side of a WebSocket, over a connection of the web server. No Flask.

One thread sends, and answers pings between two sends: no second thread reads from a connection that
speaks TLS. Frames go out whole, however slowly the client takes them.
"""

import select
import socket
import ssl
import time
from collections.abc import Sequence

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from webapp.errors import BadValue

SEND_SECONDS = 30.0  # seconds in which a client must take some bytes of what is sent
READ_BYTES = 16 * 1024
NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class WebSocket:
    """An open WebSocket; what clients send besides pings is read and dropped."""

    def __init__(self, connection: socket.socket, headers: Sequence[tuple[str, str]]) -> None:
        """Answer the handshake. Raises ``BadValue`` where it is none, ``OSError``."""
        self.connection = connection
        self.protocol = WSConnection(ConnectionType.SERVER)
        encoded = [
            (name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in headers
        ]
        try:
            self.protocol.initiate_upgrade_connection(encoded, "/")
            if not any(isinstance(event, Request) for event in self.protocol.events()):
                raise BadValue("This is no handshake of a WebSocket.")
            answer = self.protocol.send(AcceptConnection())
        except (RemoteProtocolError, LocalProtocolError) as error:
            raise BadValue(f"This is no handshake of a WebSocket: {error}") from None
        connection.settimeout(0)
        self._send_all(answer)

    def send(self, data: bytes) -> None:
        """Send a binary message. Raises ``OSError`` where the client is gone."""
        self._send_all(self.protocol.send(BytesMessage(data=data)))

    def ping(self) -> None:
        """Ask for a sign of life. Raises ``OSError``."""
        self._send_all(self.protocol.send(Ping()))

    def is_open(self) -> bool:
        """Read what has come, answer pings; False once the client has left or broken the rules."""
        try:
            while piece := self._receive():
                self.protocol.receive_data(piece)
                for event in self.protocol.events():
                    if isinstance(event, Ping | CloseConnection):
                        self._send_all(self.protocol.send(event.response()))
                    if isinstance(event, CloseConnection):
                        return False
        except (OSError, RemoteProtocolError, LocalProtocolError):
            return False
        return piece is None

    def _receive(self) -> bytes | None:
        """What has come; None where that is nothing, b"" at the end."""
        try:
            return self.connection.recv(READ_BYTES)
        except NOT_NOW:
            return None

    def _send_all(self, data: bytes) -> None:
        rest, until = memoryview(data), time.monotonic() + SEND_SECONDS
        while rest:
            try:
                sent = self.connection.send(rest)
            except NOT_NOW:
                self._wait(until - time.monotonic())
            else:
                rest, until = rest[sent:], time.monotonic() + SEND_SECONDS

    def _wait(self, seconds: float) -> None:
        """Wait until something can be sent. Raises ``TimeoutError``."""
        poller = select.poll()
        poller.register(self.connection, select.POLLOUT)
        if seconds <= 0 or not poller.poll(seconds * 1000):
            raise TimeoutError("The client takes nothing.")
