"""Whatever a client does in whatever order, the server's bytes are the client's."""

import os
import random
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.webapp.routes.files.tus_client import TusClient, encode_metadata
from tests.webapp.web_process import WebProcess

FOLDER = "/data/outputs"
LONGEST = 3_000_000
CONTENT = random.Random(11).randbytes(2 * LONGEST)
EXAMPLES = int(os.environ.get("EASEL_UPLOAD_EXAMPLES", "6"))


class Client:
    """One upload as its client knows it."""

    def __init__(self, url: str, content: bytes, name: str) -> None:
        self.url, self.content, self.name = url, content, name
        self.least = 0  # bytes that the server said it has


class Uploading(RuleBasedStateMachine):
    """Creates, sends at any offset, cuts, kills, asks, ends and joins."""

    server: WebProcess
    uploads = Bundle("uploads")
    parts = Bundle("parts")

    def __init__(self) -> None:
        super().__init__()
        self.tus = TusClient(self.server.url)
        self.alive: list[Client] = []
        self.done: dict[str, bytes] = {}
        self.count = 0

    def content(self, start: int, length: int) -> bytes:
        return CONTENT[start : start + length]

    @rule(target=uploads, start=st.integers(0, LONGEST), length=st.integers(1, LONGEST))
    def create(self, start: int, length: int) -> Client:
        self.count += 1
        name = f"{id(self)}-{self.count}.png"
        url = self.tus.create(length, folder=FOLDER, filename=name)
        self.alive.append(Client(url, self.content(start, length), name))
        return self.alive[-1]

    @rule(target=parts, start=st.integers(0, LONGEST), length=st.integers(1, LONGEST // 4))
    def create_part(self, start: int, length: int) -> Client:
        path = "/api/files/uploads"
        words = {"Upload-Length": str(length), "Upload-Concat": "partial"}
        status, headers, _ = self.tus.ask("POST", path, **words)
        assert status == 201
        part = Client(str(headers["Location"]), self.content(start, length), "")
        assert self.tus.patch(part.url, 0, part.content) == 204
        return part

    @rule(pieces=st.lists(consumes(parts), min_size=1, max_size=3, unique=True))
    def join(self, pieces: list[Client]) -> None:
        self.count += 1
        name = f"{id(self)}-{self.count}.png"
        meanings = encode_metadata(folder=FOLDER, filename=name)
        concat = "final;" + " ".join(part.url for part in pieces)
        words = {"Upload-Concat": concat, "Upload-Metadata": meanings}
        assert self.tus.ask("POST", "/api/files/uploads", **words)[0] == 201
        self.done[name] = b"".join(part.content for part in pieces)

    @rule(upload=uploads, offset=st.integers(0, LONGEST), length=st.integers(0, LONGEST))
    def patch_anywhere(self, upload: Client, offset: int, length: int) -> None:
        """Only where the bytes end, and no further than to the end."""
        known = self.known_offset(upload)
        body = upload.content[offset : offset + length]
        status = self.tus.patch(upload.url, offset, body)
        if known is None:
            assert status == 404
        elif offset != known:
            assert status == 409
        else:
            assert status == 204
            self.came(upload, offset + len(body))

    @rule(upload=uploads, length=st.integers(1, LONGEST), more=st.integers(0, 9))
    def patch(self, upload: Client, length: int, more: int) -> None:
        known = self.known_offset(upload)
        if known is None:
            return
        body = upload.content[known : known + length]
        if known + length > len(upload.content) and more == 0 and upload in self.alive:
            assert self.tus.patch(upload.url, known, body + b"x") == 413
            assert self.known_offset(upload) == known
        assert self.tus.patch(upload.url, known, body) == 204
        self.came(upload, known + len(body))

    @rule(upload=uploads, sent=st.integers(0, LONGEST), killed=st.booleans())
    def cut(self, upload: Client, sent: int, killed: bool) -> None:
        """The connection breaks, or the server dies, in the middle of a piece."""
        known = self.known_offset(upload)
        if known is None or upload not in self.alive:
            return
        rest = upload.content[known:]
        connection = self.tus.begin_patch(upload.url, known, len(rest))
        connection.sendall(rest[: min(sent, len(rest) - 1)])
        if killed:
            self.server.kill_serving()
        connection.close()
        self.server.wait()
        assert known <= (self.known_offset(upload) or 0) <= known + sent

    @precondition(lambda self: self.alive)
    @rule()
    def kill(self) -> None:
        self.server.kill_serving()
        self.server.wait()

    @rule(upload=uploads)
    def end(self, upload: Client) -> None:
        expected = 204 if self.known_offset(upload) is not None else 404
        assert self.tus.ask("DELETE", upload.url)[0] == expected
        if upload in self.alive:
            self.alive.remove(upload)

    def known_offset(self, upload: Client) -> int | None:
        """What the server says of an upload: never less than it said before."""
        status, headers, _ = self.tus.ask("HEAD", upload.url)
        if status == 404:
            assert upload not in self.alive
            return None
        assert status == 200
        offset = int(headers["Upload-Offset"])
        assert upload.least <= offset <= len(upload.content)
        upload.least = offset
        return offset

    def came(self, upload: Client, offset: int) -> None:
        upload.least = offset
        if offset == len(upload.content) and upload in self.alive:
            self.alive.remove(upload)
            self.done[upload.name] = upload.content

    @invariant()
    def bytes_are_the_clients(self) -> None:
        outputs = self.server.data_dir / "outputs"
        for upload in self.alive:
            name = upload.url.rpartition("/")[2]
            here = (self.server.data_dir / ".uploads" / name / "data").read_bytes()
            assert here == upload.content[: len(here)]
            assert not (outputs / upload.name).exists()
        for name, content in self.done.items():
            assert (outputs / name).read_bytes() == content


def test_the_servers_bytes_are_the_clients(tmp_path: Path) -> None:
    server = WebProcess(tmp_path, ("--upload-spare=0",))
    server.start()
    try:
        machine: Any = type("Machine", (Uploading,), {"server": server})
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=25,
                deadline=None,
                derandomize=EXAMPLES <= 6,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        server.stop()
