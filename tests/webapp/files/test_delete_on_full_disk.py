"""Deleting on a disk with no byte free: a real small disk, the real web process.

Needs the right to mount; elsewhere the tests are skipped.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wait import wait_until
from tests.webapp.http.raw_requests import ask
from tests.webapp.web_process import WebProcess, web_process

DISK = 24 * 2**20
PIECE = bytes(64 * 1024)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    place = tmp_path_factory.mktemp("room")
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        (place / "other").mkdir()
        roots = (f"--browse-root=other={place}/other", "--upload-spare=0")
        log = tmp_path_factory.mktemp("log") / "log"
        with web_process(place / "data", *roots, log=log) as running:
            yield running
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def full(server: WebProcess) -> Iterator[Path]:
    """The disk, to the last byte; forty files of one piece in each tree can be deleted."""
    disk = server.data_dir.parent
    reserves = [tree / ".uploads" / "ballast" for tree in (server.data_dir, disk / "other")]
    wait_until(lambda: all(reserve.is_file() for reserve in reserves))
    for tree in (server.data_dir, disk / "other"):
        (tree / "work").mkdir(exist_ok=True)
        for number in range(40):
            (tree / "work" / f"{number}.txt").write_bytes(PIECE)
    fill(disk / "filler")
    yield disk
    (disk / "filler").unlink()
    ask(server, "DELETE", "/api/files/trash")


def fill(path: Path) -> None:
    """Leave the disk of ``path`` not a byte."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while True:
            os.write(file, PIECE)
    except OSError:
        pass
    finally:
        os.close(file)
    assert free(path.parent) == 0


def free(disk: Path) -> int:
    """Bytes."""
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def trash(server: WebProcess) -> list[str]:
    """The paths of what lies in the trash."""
    thrown = json.loads(ask(server, "GET", "/api/files/trash")[1])["thrown"]
    return [item["path"] for each in thrown for item in each["items"]]


@pytest.mark.parametrize("tree", ["data", "other"])
def test_things_go_to_the_trash_and_the_trash_is_emptied(
    server: WebProcess, full: Path, tree: str
) -> None:
    for number in range(20):
        path = f"/{tree}/work/{number}.txt"
        status, told, _ = ask(server, "POST", "/api/files/delete", {"paths": [path]})
        assert status == 200, told
        assert json.loads(told)["results"][0]["status"] == "done", told
    for number in range(20, 40):
        assert ask(server, "DELETE", f"/dav/{tree}/work/{number}.txt")[0] == 204
    assert len(trash(server)) == 40
    assert not os.listdir(full / tree / "work")
    fill(full / "filler")
    assert ask(server, "DELETE", "/api/files/trash")[0] == 200
    assert trash(server) == []
    assert free(full) > 40 * len(PIECE)
    assert "Traceback" not in server.log_text()


def test_the_trash_is_emptied_though_no_reserve_is_left(server: WebProcess, full: Path) -> None:
    assert ask(server, "POST", "/api/files/delete", {"paths": ["/data/work"]})[0] == 200
    for reserve in (*full.glob("*/.uploads/ballast"), *full.glob("data/.easel/ballast")):
        reserve.unlink()
    fill(full / "filler")
    name = json.loads(ask(server, "GET", "/api/files/trash")[1])["thrown"][0]["trash_id"]
    assert ask(server, "DELETE", f"/api/files/trash?trash_id={name}")[0] == 200
    assert free(full) >= 40 * len(PIECE)
    assert "Traceback" not in server.log_text()


def test_the_reserve_is_for_deleting_alone(server: WebProcess, full: Path) -> None:
    body = {"paths": ["/data/work/1.txt"], "to": "/data/work/copy.txt"}
    assert ask(server, "POST", "/api/files/copy", body)[0] == 507
    assert ask(server, "PUT", "/dav/data/work/new.txt", b"x")[0] == 507
    assert (full / "data/.uploads/ballast").is_file()
    assert (full / "other/.uploads/ballast").is_file()
