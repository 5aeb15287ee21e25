"""Folders that the service needs can be emptied, and stay where they are: at every door."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from tests.wait import wait_until
from tests.webapp.web_process import WebProcess, web_process

OWN = ("models", "models/Lora", "models/Stable-diffusion", "embeddings", "outputs", "extensions")
OWN = (*OWN, "users", "Models")
FLAGS = ("--filebrowser", "--allow-code-upload")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A service whose data directory is reached through a second tree as well."""
    above = tmp_path_factory.mktemp("above")
    data_dir = above / "data"
    for name in OWN:
        (data_dir / name).mkdir(parents=True, exist_ok=True)
    for folder in ("other", "other/models", "outputs/mine"):
        (data_dir / folder).mkdir(parents=True, exist_ok=True)
    (data_dir / "other/outputs").write_text("a file in place of a folder")
    with web_process(data_dir, *FLAGS, "--browse-root", f"all={above}") as process:
        yield process


def send(
    web: WebProcess, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json", **headers} if data else headers
    request = urllib.request.Request(f"{web.url}{path}", data, given, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def dav(web: WebProcess, verb: str, source: str, target: str = "") -> tuple[int, str]:
    headers = {"Destination": f"{web.url}/dav{quote(target)}", "Overwrite": "T"} if target else {}
    return send(web, verb, f"/dav{quote(source)}", None, **headers)


DOORS: dict[str, Callable[[WebProcess, str, str], tuple[int, str]]] = {
    "delete": lambda web, top, name: send(
        web, "POST", "/api/files/delete", {"paths": [f"{top}/{name}"]}
    ),
    "move": lambda web, top, name: send(
        web, "POST", "/api/files/move", {"paths": [f"{top}/{name}"], "to": f"{top}/other"}
    ),
    "rename": lambda web, top, name: send(
        web, "POST", "/api/files/rename", {"path": f"{top}/{name}", "name": "away"}
    ),
    "move over": lambda web, top, name: send(
        web,
        "POST",
        "/api/files/move",
        {"paths": [f"{top}/other/{name}"], "to": top, "conflict": "overwrite"},
    ),
    "copy over": lambda web, top, name: send(
        web,
        "POST",
        "/api/files/copy",
        {"paths": [f"{top}/other/{name}"], "to": top, "conflict": "overwrite"},
    ),
    "filebrowser delete": lambda web, top, name: send(web, "DELETE", f"/api/resources{top}/{name}"),
    "filebrowser rename": lambda web, top, name: send(
        web,
        "PATCH",
        f"/api/resources{top}/{name}?action=rename&destination={quote(top + '/away')}",
    ),
    "dav delete": lambda web, top, name: dav(web, "DELETE", f"{top}/{name}"),
    "dav move": lambda web, top, name: dav(web, "MOVE", f"{top}/{name}", f"{top}/away"),
    "dav move over": lambda web, top, name: dav(web, "MOVE", f"{top}/other", f"{top}/{name}"),
    "dav copy over": lambda web, top, name: dav(web, "COPY", f"{top}/other", f"{top}/{name}"),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("door", DOORS)
def test_they_stay(web: WebProcess, door: str, name: str) -> None:
    inodes = {each: (web.data_dir / each).stat().st_ino for each in OWN}
    for top in ("/data", "/all/data"):
        status, text = DOORS[door](web, top, name)
        if status == 202:  # a job: what forbids it is told before it begins, or by its end
            wait_until(lambda: '"running"' not in send(web, "GET", "/api/files/jobs")[1])
        else:
            assert 400 <= status < 500, (status, text)
        assert {each: (web.data_dir / each).stat().st_ino for each in OWN} == inodes
    assert (web.data_dir / "other/outputs").is_file()


def test_the_reason_is_told(web: WebProcess) -> None:
    status, text = DOORS["delete"](web, "/data", "outputs")
    assert status == 403
    assert "it can be emptied" in text


def test_they_are_emptied_and_filled(web: WebProcess) -> None:
    assert (web.data_dir / "outputs/mine").is_dir()  # none of the doors above has emptied it
    assert DOORS["delete"](web, "/data", "outputs/mine")[0] == 200
    assert not (web.data_dir / "outputs/mine").exists()
    assert send(web, "POST", "/api/files/folder", {"path": "/data/outputs/new"})[0] == 200
    moved = {"paths": ["/data/outputs/new"], "to": "/data/models/Lora"}
    assert send(web, "POST", "/api/files/move", moved)[0] == 200
    assert (web.data_dir / "models/Lora/new").is_dir()
    assert dav(web, "MKCOL", "/data/models/Lora/x")[0] == 201
    assert dav(web, "DELETE", "/data/models/Lora/x")[0] == 204


def test_one_that_is_missing_is_made_again(web: WebProcess) -> None:
    (web.data_dir / "users").rmdir()
    assert send(web, "POST", "/api/files/folder", {"path": "/data/users"})[0] == 200
    assert (web.data_dir / "users").is_dir()
