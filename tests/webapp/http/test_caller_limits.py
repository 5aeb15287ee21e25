"""Every byte and every job of a caller counts, at each door of a real web process."""

import base64
import io
import json
import os
import socket
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.plugins.plugin_files import make_plugin
from tests.wait import TIMEOUT
from tests.webapp.conftest import write_checkpoint
from tests.webapp.http.raw_requests import ask
from tests.webapp.web_process import WebProcess, web_process

MIB = 2**20
QUOTA = 8 * MIB
WEB = """
from plugins.api import Route, Task

class Plugin:
    def __init__(self, home):
        self.home = home

    @hook
    def routes(self):
        return [Route("/work", lambda ask: Task("work", None), methods=("POST",))]
"""


def data_dir_of(folder: Path) -> Path:
    """A data directory with a model, a plugin, a zip of twelve MiB and a file of five."""
    (folder / "work").mkdir(parents=True)
    write_checkpoint(folder / "models/Stable-diffusion/painter.safetensors")
    make_plugin(folder, "workers", web=WEB, hooks="routes")
    (folder / "work" / "five.txt").write_bytes(b"5" * 5 * MIB)
    with zipfile.ZipFile(folder / "work" / "twelve.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros.txt", b"0" * 12 * MIB)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    data_dir = data_dir_of(tmp_path_factory.mktemp("quota") / "data")
    flags = ("--upload-quota=8M", "--upload-spare=0", "--max-listings=2", "--trash-days=0")
    jobs = ("--max-queued-jobs=3", "--max-queued-jobs-of=owner=5")
    with web_process(data_dir, *flags, *jobs) as running:
        yield running


@pytest.fixture(scope="module")
def spared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """One that may leave the disk no fuller than it is."""
    data_dir = data_dir_of(tmp_path_factory.mktemp("spare") / "data")
    with web_process(data_dir, "--upload-spare=900T") as running:
        yield running


def pieces(size: int) -> Iterator[bytes]:
    """So many bytes, in chunks of 256 KiB."""
    return (b"x" * (256 * 1024) for _ in range(size // (256 * 1024)))


def send_deferred(server: WebProcess) -> int:
    """What a PATCH of twelve MiB in chunks gets, or the upload without a length before it."""
    told = ",".join(
        f"{key} {base64.b64encode(text.encode()).decode()}"
        for key, text in (("filename", "deferred.txt"), ("folder", "/data/work"))
    )
    headers = {"Tus-Resumable": "1.0.0", "Upload-Defer-Length": "1", "Upload-Metadata": told}
    status, _, given = ask(server, "POST", "/api/files/uploads", b"", headers)
    if status != 201:
        return status
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
    headers["Content-Type"] = "application/offset+octet-stream"
    return ask(server, "PATCH", given["Location"], pieces(12 * MIB), headers)[0]


def archive() -> bytes:
    """A plugin that unpacks to ten MiB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("p/easel-plugin.toml", 'name = "large"\nversion = "1.0"\nlicence = "MIT"\n')
        packed.writestr("p/data.txt", b"0" * 10 * MIB)
    return file.getvalue()


def text_of(size: int) -> dict[str, str]:
    return {"text": "t" * size}


NEW = {"If-None-Match": "*"}
HUGE = {"prompt": "x", "save_images": True, "width": 2048, "height": 2048, "batch_size": 8}
FIVE = {"paths": ["/data/work/five.txt"], "to": "/data/work/more.txt"}
DOORS = {
    "chunked put": lambda s: ask(s, "PUT", "/dav/data/work/a.txt", pieces(12 * MIB))[0],
    "put": lambda s: ask(s, "PUT", "/dav/data/work/a.txt", b"x" * 12 * MIB)[0],
    "deferred upload": send_deferred,
    "copy": lambda s: ask(s, "POST", "/api/files/copy", FIVE)[0],
    "dav copy": lambda s: ask(
        s, "COPY", "/dav/data/work/five.txt", None, {"Destination": "/dav/data/work/b.txt"}
    )[0],
    "plugin": lambda s: ask(s, "POST", "/api/plugins/install", archive())[0],
    "draw": lambda s: ask(s, "POST", "/sdapi/v1/txt2img", HUGE)[0],
    "extract": lambda s: extract_archive(s),
}


def extract_archive(server: WebProcess) -> int:
    """507 where nothing came of an archive, by whichever way it was told."""
    status, told, _ = ask(server, "POST", "/api/files/extract", {"path": "/data/work/twelve.zip"})
    assert status in (200, 507), told
    failed = status == 507 or [each["status"] for each in json.loads(told)["results"]] == ["failed"]
    assert not (server.data_dir / "work" / "twelve").exists()
    return 507 if failed else status


def count_used_bytes(server: WebProcess) -> int:
    """Bytes of all files, those of unfinished uploads and of the trash too."""
    found = 0
    for folder, names, files in os.walk(server.data_dir):
        names[:] = [name for name in names if name != ".easel"]
        kept = [name for name in files if name != "ballast"]
        found += sum(os.path.getsize(os.path.join(folder, name)) for name in kept)
    return found


def forget_uploads(server: WebProcess) -> None:
    headers = {"Tus-Resumable": "1.0.0"}
    for one in json.loads(ask(server, "GET", "/api/files/uploads")[1])["uploads"]:
        assert ask(server, "DELETE", one["url"], None, headers)[0] == 204


@pytest.mark.parametrize("door", DOORS)
def test_the_quota_holds_at_every_door(server: WebProcess, door: str) -> None:
    assert DOORS[door](server) == 507
    assert count_used_bytes(server) <= QUOTA + 4096  # and the record of an upload
    forget_uploads(server)
    assert sorted(os.listdir(server.data_dir / "work")) == ["five.txt", "twelve.zip"]


def test_what_the_quota_leaves_may_come(server: WebProcess) -> None:
    path = "/dav/data/work/two.txt"
    assert ask(server, "PUT", path, pieces(2 * MIB))[0] == 201
    address = "/api/files/text?path=/data/work/t.txt"
    assert ask(server, "PUT", address, text_of(2 * MIB - 9), NEW)[0] == 507
    assert ask(server, "PUT", address, text_of(100), NEW)[0] == 200
    (server.data_dir / "work" / "two.txt").unlink()
    (server.data_dir / "work" / "t.txt").unlink()


@pytest.mark.parametrize("door", DOORS)
def test_what_is_kept_free_holds_at_every_door(spared_server: WebProcess, door: str) -> None:
    assert DOORS[door](spared_server) == 507


def test_room_can_be_made_though_nothing_may_come(spared_server: WebProcess) -> None:
    body = {"paths": ["/data/work/five.txt"]}
    status, told, _ = ask(spared_server, "POST", "/api/files/delete", body)
    assert status == 200, told
    assert ask(spared_server, "DELETE", "/api/files/trash")[0] == 200
    assert ask(spared_server, "DELETE", "/dav/data/work/twelve.zip")[0] == 204


def begin_work(server: WebProcess) -> tuple[int, bytes, Mapping[str, str]]:
    return ask(server, "POST", "/plugins/workers/work?async=1", {})


def test_jobs_of_a_caller_are_bounded_and_heard(server: WebProcess) -> None:
    assert [begin_work(server)[0] for _ in range(5)] == [202] * 5
    status, told, headers = begin_work(server)
    assert (status, bool(headers["Retry-After"])) == (429, True), told
    assert json.loads(ask(server, "GET", "/internal/pending-tasks")[1])["size"] == 5
    assert ask(server, "POST", "/sdapi/v1/interrupt", {})[0] == 200
    assert json.loads(ask(server, "GET", "/internal/pending-tasks")[1])["size"] == 0
    task = json.loads(begin_work(server)[1])["id_task"]
    begin_work(server)
    assert ask(server, "POST", f"/sdapi/v1/interrupt?id_task={task}", {})[0] == 200
    assert json.loads(ask(server, "GET", "/internal/pending-tasks")[1])["size"] == 1
    assert ask(server, "POST", "/sdapi/v1/interrupt", {})[0] == 200


def test_listings_sums_searches_and_archives_share_a_cap(server: WebProcess) -> None:
    held = []
    for _ in range(2):  # two archives whose readers do not read
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(
            b"GET /api/files/archive?path=/data/work HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        assert connection.recv(12) == b"HTTP/1.1 200"
        held.append(connection)
    try:
        for method, path in (
            ("PROPFIND", "/dav/data"), ("GET", "/api/resources/data"), ("GET", "/api/resources"),
            ("GET", "/api/resources/recursive/data"), ("GET", "/api/files?path=/data"),
            ("GET", "/api/files/search?q=five"), ("GET", "/api/files/size?path=/data"),
            ("GET", "/api/files/archive?path=/data"), ("GET", "/api/raw/data"),
        ):  # fmt: skip
            status, told, headers = ask(server, method, path, None, {"Depth": "1"})
            assert (status, bool(headers["Retry-After"])) == (429, True), (path, told)
        assert ask(server, "GET", "/api/files/content?path=/data/work/five.txt")[0] == 200
    finally:
        for connection in held:
            connection.close()
