"""A tus client that says exactly what it is told to say, over connections that can be cut."""

import base64
import http.client
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from tests.wait import TIMEOUT

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = "application/offset+octet-stream"


def encode_metadata(**meanings: str) -> str:
    """``Upload-Metadata`` of these."""
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in meanings.items()
    )


class TusClient:
    """Requests to one server, each over a connection of its own."""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self.host = urlsplit(url).netloc
        self.timeout = timeout

    def ask(
        self, method: str, path: str, body: bytes | Iterable[bytes] = b"", **headers: str
    ) -> "tuple[int, http.client.HTTPMessage, bytes]":
        """Status, headers and body of the answer."""
        connection = http.client.HTTPConnection(self.host, timeout=self.timeout)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body=body or None, headers={**TUS, **named})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def create(self, length: int, **meanings: str) -> str:
        """The path of a new upload."""
        status, headers, body = self.ask(
            "POST",
            "/api/files/uploads",
            Upload_Length=str(length),
            Upload_Metadata=encode_metadata(**meanings),
        )
        assert status == 201, body
        return str(headers["Location"])

    def offset(self, path: str) -> int:
        """What HEAD says."""
        status, headers, _ = self.ask("HEAD", path)
        assert status == 200, status
        return int(headers["Upload-Offset"])

    def patch(self, path: str, offset: int, body: bytes | Iterable[bytes], **more: str) -> int:
        """The status of appending a body."""
        headers = {"Content-Type": BYTES, "Upload-Offset": str(offset), **more}
        return self.ask("PATCH", path, body, **headers)[0]

    def begin_patch(self, path: str, offset: int, length: int, **more: str) -> socket.socket:
        """A connection over which a body of ``length`` bytes is announced and does not come."""
        name, _, port = self.host.partition(":")
        connection = socket.create_connection((name, int(port)), timeout=self.timeout)
        headers = {
            "Host": self.host,
            "Content-Type": BYTES,
            "Content-Length": str(length),
            "Upload-Offset": str(offset),
            **TUS,
            **more,
        }
        lines = [f"PATCH {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection
