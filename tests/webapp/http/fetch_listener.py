"""A server for what the service fetches."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.wait import TIMEOUT

Handler = Callable[[socket.socket], None]


@dataclass
class Listener:
    """A socket that counts who connects, and answers by ``handler``."""

    port: int
    visits: list[bytes] = field(default_factory=list)


@contextmanager
def listen(handler: Handler, host: str = "127.0.0.1") -> Iterator[Listener]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        found = Listener(server.getsockname()[1])
        server.settimeout(0.05)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    caller, _ = server.accept()
                except TimeoutError:
                    continue
                with caller:
                    caller.settimeout(TIMEOUT)
                    found.visits.append(caller.recv(65536))
                    with suppress(OSError):  # the fetcher hung up, as it may
                        handler(caller)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield found
        finally:
            ended.set()
            thread.join()


def answer(body: bytes, kind: str = "image/png", status: str = "200 OK", more: str = "") -> Handler:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return lambda caller: caller.sendall(head.encode() + body)
