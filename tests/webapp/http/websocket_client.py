"""A WebSocket client for tests: one connection, binary messages."""

import socket
from collections.abc import Iterator
from types import TracebackType

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
)

from tests.wait import TIMEOUT


class Refused(Exception):
    """The handshake was refused; status and body."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


class WebSocketClient:
    """An open connection; leaving the block ends it without a word, as the vendor's client does."""

    def __init__(self, port: int, target: str, headers: dict[str, str]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.protocol = WSConnection(ConnectionType.CLIENT)
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.events = self._events()
        request = Request(host=f"127.0.0.1:{port}", target=target, extra_headers=extra)
        self.socket.sendall(self.protocol.send(request))
        status, body = 0, b""
        for event in self.events:
            if isinstance(event, AcceptConnection):
                return
            if isinstance(event, RejectConnection):
                status = event.status_code
            elif isinstance(event, RejectData):
                body += event.data
                if event.body_finished:
                    raise Refused(status, body.decode())
        raise Refused(status, body.decode())

    def __enter__(self) -> "WebSocketClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.socket.close()

    def _events(self) -> Iterator[Event]:
        """What comes, until the server ends the connection."""
        while True:
            yield from self.protocol.events()
            data = self.socket.recv(65536)
            if not data:
                return
            self.protocol.receive_data(data)

    def messages(self, count: int) -> list[bytes]:
        """The next messages."""
        found, part = [], b""
        while len(found) < count:
            event = next(self.events)
            if isinstance(event, BytesMessage):
                part += event.data
                if event.message_finished:
                    found.append(part)
                    part = b""
            elif isinstance(event, Ping):
                self.socket.sendall(self.protocol.send(event.response()))
        return found

    def ping(self, payload: bytes) -> bytes:
        """The payload that comes back."""
        self.socket.sendall(self.protocol.send(Ping(payload)))
        return next(bytes(event.payload) for event in self.events if isinstance(event, Pong))

    def ends(self) -> bool:
        """Wait until the server ends the connection."""
        return not any(isinstance(event, BytesMessage) for event in self.events)
