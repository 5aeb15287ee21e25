"""Plugins in the web process: what they bring, who may ask it, and how they are changed."""

import base64
import io
import json
import logging
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.api import Side
from plugins.host import Choice, Host
from tests.conftest import ROOT
from tests.plugins.plugin_files import VERSION, make_plugin
from tests.wait import wait_until
from webapp.access.credentials import build_credentials
from webapp.access.scopes import AccessScope
from webapp.access.tokens import narrow_tokens
from webapp.queues.worker_id import WorkerId
from webapp.worker.loop import Worker, WorkerPlugins, WorkerSettings

WEB = """
from plugins.api import (
    Input, ModelFolder, Metric, Part, Reply, Route, Scope, Setting, Slot, Task,
)

class Plugin:
    def __init__(self, home):
        self.home = home

    @hook
    def routes(self):
        return [
            Route("/hello", self.hello, scope=Scope.READERS),
            Route("/draw", lambda ask: Task("double", ask.body), methods=("POST",)),
            Route("/own/place", lambda ask: Reply(b"<b>", content_type="text/html"),
                  scope=Scope.OWNER),
            Route("/fails", lambda ask: 1 / 0),
            Route("/nothing", lambda ask: None),
            Route("/teapot", lambda ask: Reply({"a": "ü"}, 418)),
        ]

    def hello(self, ask):
        return Reply({"caller": ask.caller, "owner": ask.owner, "query": dict(ask.query),
                      "loud": self.home.options().get("loud", False), "path": ask.path})

    @hook
    def parts(self):
        form = [Input("amount", "Amount", "number", 0.5, least=0, most=1),
                Input("on", "On", "switch", False),
                Input("how", "How", "choice", "a", choices=["a", "b"]),
                Input("words", "Words")]
        return [Part(Slot.TAB, "Greeter", module="tab.js"), Part(Slot.PANEL, "Greet", form=form)]

    @hook
    def settings(self):
        return [Setting("loud", False, "Shout."), Setting("level", 3, least=1, most=9),
                Setting("mode", "x", choices=("x", "y"))]

    @hook
    def model_folders(self):
        return [ModelFolder("greetings", "Greetings")]

    @hook
    def metrics(self):
        return [Metric("greetings", "How many", lambda: {("warm",): 2.0}, labels=("kind",))]
"""
WORKER = """
@hook
def task(verb, body, tell):
    if verb != "double":
        raise ValueError("no such verb")
    if body == "bad":
        raise ValueError("bad is not to be doubled")
    if body == "broken":
        raise RuntimeError("it broke")
    if body == "long":
        while tell(0.25, "doubling"):
            pass
        return {"stopped": True}
    return {"doubled": body * 2}
"""
HOOKS = "routes parts settings model_folders metrics task"
TOKENS = {
    AccessScope.OWNER: "owner-token",
    AccessScope.READ: "reading-token",
    AccessScope.GENERATE: "drawing-token",
}


def greeter(data_dir: Path, web: str = WEB) -> Path:
    """A plugin that uses every hook of the page's side."""
    folder = make_plugin(data_dir, "greeter", web=web, worker=WORKER, hooks=HOOKS)
    (folder / "static").mkdir()
    (folder / "static/tab.js").write_text("export default () => {}")
    (folder / "secret.txt").write_text("no")
    return folder


def entry(answer: Any, name: str = "greeter") -> dict[str, Any]:
    """One plugin of a listing."""
    assert answer.status_code == 200, answer.text
    return next(each for each in answer.get_json()["plugins"] if each["name"] == name)


@pytest.fixture
def greeting(build: Any) -> Iterator[Any]:
    """A house whose greeter is loaded, in its worker too."""
    house = build(working=False)
    greeter(house.data_dir)
    host = Host(
        Side.WORKER, house.data_dir, VERSION, house.options.plugin_settings, logging.getLogger()
    )
    host.load(Choice())
    worker = Worker(
        WorkerId.parse("cpu@test:1"), house.store, SimpleNamespace(loaded_checkpoints=()),
        WorkerSettings(house.data_dir), WorkerPlugins(host),
    )  # fmt: skip
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_until(lambda: house.store.workers())
    assert house.client().post("/api/plugins/reload").status_code == 200
    yield house
    worker.shutdown.draining.set()
    thread.join()
    host.stop()


def test_a_listing_tells_everything(greeting: Any) -> None:
    whole = greeting.client().get("/api/plugins").get_json()
    assert (whole["may_install"], whole["running"]) == (True, 0)
    assert [each["name"] for each in whole["plugins"]][-1] == "greeter"
    told = entry(greeting.client().get("/api/plugins"))
    assert (told["state"], told["origin"], told["version"]) == ("on", "folder", "1.0")
    assert set(told["hooks"]) == set(HOOKS.split()) - {"task"}
    assert [(part["slot"], part["module"]) for part in told["parts"]] == [
        ("tab", "tab.js"), ("panel", ""),
    ]  # fmt: skip
    assert [field["name"] for field in told["parts"][1]["form"]] == ["amount", "on", "how", "words"]
    assert told["settings"][1] == {
        "name": "level", "value": 3, "default": 3, "help": "", "choices": [], "least": 1, "most": 9,
    }  # fmt: skip
    (worker,) = told["workers"]
    seconds = worker.pop("seconds")
    assert 0 < seconds < 60
    assert worker == {
        "worker": "cpu", "state": "on", "fault": "", "last_error": "", "hooks": ["task"],
        "strikes": 0,
    }  # fmt: skip


def test_folders_of_models_are_made(greeting: Any) -> None:
    assert (greeting.data_dir / "models/Greetings").is_dir()


def test_routes_reply(greeting: Any) -> None:
    client = greeting.client()
    told = client.get("/plugins/greeter/hello?a=1").get_json()
    assert told == {
        "caller": "", "owner": True, "query": {"a": "1"}, "loud": False, "path": "/hello",
    }  # fmt: skip
    assert client.get("/plugins/greeter/hello/").status_code == 200
    page = client.get("/plugins/greeter/own/place")
    assert (page.data, page.content_type) == (b"<b>", "text/html")
    assert client.get("/plugins/greeter/teapot").status_code == 418


MISSES = [
    ("GET", "nobody/hello", 404),
    ("GET", "greeter/nowhere", 404),
    ("POST", "greeter/hello", 405),
    ("GET", "greeter/draw", 405),
    ("GET", "dynamicprompts/x", 404),
    ("GET", "greeter/nothing", 500),
    ("GET", "greeter/fails", 500),
]


def test_what_is_not_there(greeting: Any) -> None:
    client = greeting.client()
    for method, path, status in MISSES:
        answer = client.open(f"/plugins/{path}", method=method)
        assert answer.status_code == status, path
        if status == 500:
            assert "greeter" in answer.get_json()["detail"]
    told = entry(client.get("/api/plugins"))
    assert (told["state"], "fails" in told["last_error"]) == ("on", True)


def test_tasks_go_through_the_queue(greeting: Any) -> None:
    client = greeting.client()
    assert client.post("/plugins/greeter/draw", json=21).get_json() == {"doubled": 42}
    for body, status, word in (("bad", 422, "not to be doubled"), ("broken", 500, "it broke")):
        answer = client.post("/plugins/greeter/draw", json=body)
        assert answer.status_code == status
        assert word in answer.get_json()["detail"]


def test_a_task_may_be_asked_for_later_and_stopped(greeting: Any) -> None:
    client = greeting.client()
    asked = client.post("/plugins/greeter/draw?async=1", json="long")
    assert asked.status_code == 202
    task = asked.get_json()
    wait_until(lambda: client.post("/internal/progress", json=task).get_json()["active"])
    wait_until(lambda: client.post("/internal/progress", json=task).get_json()["progress"])
    told = client.post("/internal/progress", json=task).get_json()
    assert (told["progress"], told["textinfo"]) == (0.25, "doubling")
    assert client.get("/api/plugins").get_json()["running"] == 1
    client.post("/sdapi/v1/interrupt")
    wait_until(lambda: client.post("/internal/answer", json=task).status_code == 200)


def test_files_for_the_page(greeting: Any) -> None:
    client = greeting.client()
    script = client.get("/plugins/greeter/static/tab.js")
    assert script.status_code == 200
    assert script.content_type.startswith("text/javascript")
    for path in ("../secret.txt", "..%2fsecret.txt", "none.js", "../../../config.json"):
        assert client.get(f"/plugins/greeter/static/{path}").status_code == 404


def test_settings_hold_at_once_and_are_checked(greeting: Any) -> None:
    client = greeting.client()
    changed = client.post("/api/plugins/greeter", json={"settings": {"loud": True, "level": 9}})
    assert [s["value"] for s in changed.get_json()["settings"]] == [True, 9, "x"]
    assert client.get("/plugins/greeter/hello").get_json()["loud"] is True
    for settings, word in (
        ({"loud": 1}, "true or false"),
        ({"level": 10}, "between"),
        ({"level": "x"}, "number"),
        ({"level": True}, "number"),
        ({"mode": "z"}, "none of"),
        ({"nothing": 1}, "no such setting"),
    ):
        answer = client.post("/api/plugins/greeter", json={"settings": settings})
        assert answer.status_code == 422
        assert word in answer.get_json()["detail"]
    assert client.post("/api/plugins/nobody", json={}).status_code == 404
    assert client.post("/api/plugins/greeter", json={"other": 1}).status_code == 422


def test_off_and_on_again_after_a_reload(greeting: Any) -> None:
    client = greeting.client()
    client.post("/api/plugins/greeter", json={"enabled": False})
    assert client.get("/plugins/greeter/hello").status_code == 200  # until it is applied
    told = entry(client.post("/api/plugins/reload"))
    assert (told["state"], told["parts"]) == ("off", [])
    assert client.get("/plugins/greeter/hello").status_code == 404
    assert client.get("/plugins/greeter/static/tab.js").status_code == 404
    client.post("/api/plugins/greeter", json={"enabled": True})
    assert entry(client.post("/api/plugins/reload"))["state"] == "on"
    client.post("/api/plugins/dynamicprompts", json={"enabled": True})
    assert entry(client.post("/api/plugins/reload"), "dynamicprompts")["state"] == "on"
    client.post("/api/plugins/dynamicprompts", json={"enabled": False})
    assert entry(client.post("/api/plugins/reload"), "dynamicprompts")["state"] == "off"


def test_a_reload_reads_changed_files(greeting: Any) -> None:
    path = greeting.data_dir / "extensions/greeter/web.py"
    path.write_text(path.read_text().replace("418", "451"))
    client = greeting.client()
    assert client.get("/plugins/greeter/teapot").status_code == 418
    client.post("/api/plugins/reload")
    assert client.get("/plugins/greeter/teapot").status_code == 451
    path.write_text("raise RuntimeError('typo')")
    told = entry(client.post("/api/plugins/reload"))
    assert told["state"] == "faulty"
    assert "typo" in told["fault"]
    assert client.get("/sdapi/v1/samplers").status_code == 200


def test_a_panel_reaches_the_request(build: Any) -> None:
    house = build()
    greeter(house.data_dir)
    house.client().post("/api/plugins/reload")
    small = {"width": 64, "height": 64}

    def draw_with_panel(told: Any) -> Any:
        return house.txt2img({**small, "alwayson_scripts": {"greeter": told}})

    assert draw_with_panel({"amount": 1, "words": "hi"}).status_code == 200
    whole = {"amount": 1, "on": False, "how": "a", "words": "hi"}
    assert house.jobs[-1].request.panels == {"greeter": whole}
    assert draw_with_panel({"args": [0.25, True, "b", "x", "beyond"]}).status_code == 200
    assert house.jobs[-1].request.panels["greeter"]["how"] == "b"
    for told, word in (
        ({"amount": 2}, "between"),
        ({"amount": "x"}, "number"),
        ({"on": 1}, "true or false"),
        ({"how": "c"}, "none of"),
        ({"words": 1}, "text"),
        ({"other": 1}, "no such field"),
        ({"args": 1}, "list"),
        ([], "object"),
    ):
        answer = draw_with_panel(told)
        assert answer.status_code == 422
        assert "alwayson_scripts.greeter" in answer.get_json()["detail"]
        assert word in answer.get_json()["detail"]
    house.client().post("/api/plugins/greeter", json={"enabled": False})
    house.client().post("/api/plugins/reload")
    assert draw_with_panel({}).status_code == 422


def test_who_may_ask(build: Any) -> None:
    narrow = [
        token for scope in (AccessScope.READ, AccessScope.GENERATE)
        for token in narrow_tokens(scope, [TOKENS[scope]])
    ]  # fmt: skip
    known = build_credentials(TOKENS[AccessScope.OWNER], (("ann", "pw1"),), narrow=tuple(narrow))
    house = build(known)
    greeter(house.data_dir)
    owner = house.client(authorization=TOKENS[AccessScope.OWNER])
    owner.post("/api/plugins/reload")
    user = house.client(authorization="Basic " + base64.b64encode(b"ann:pw1").decode())
    reader = house.client(authorization=TOKENS[AccessScope.READ])
    assert [c.get("/plugins/greeter/hello").status_code for c in (owner, user, reader)] == [200] * 3
    assert [c.get("/plugins/greeter/teapot").status_code for c in (owner, user, reader)] == [
        418, 418, 403,
    ]  # fmt: skip
    assert [c.get("/plugins/greeter/own/place").status_code for c in (owner, user, reader)] == [
        200, 403, 403,
    ]  # fmt: skip
    assert user.get("/plugins/greeter/hello").get_json()["caller"] == "ann"
    told = entry(user.get("/api/plugins"))
    assert (told["settings"], told["folder"]) == ([], "")
    assert user.get("/api/plugins").get_json()["may_install"] is False
    for client in (user, reader):
        assert client.post("/api/plugins/reload").status_code == 403
        assert client.post("/api/plugins/greeter", json={}).status_code == 403


# -- installing ------------------------------------------------------------------------------


def zip_files(files: dict[str, str], *entries: tuple[zipfile.ZipInfo, str]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        for entry_, text in entries:
            archive.writestr(entry_, text)
    return buffer.getvalue()


MANIFEST = 'name = "newcomer"\nversion = "1"\nlicence = "MIT"\nhooks = ["routes"]\n'
CODE = """
from plugins import hook
from plugins.api import Reply, Route
@hook
def routes():
    return [Route("/x", lambda ask: Reply("new"))]
"""


@pytest.mark.parametrize("root", ["", "newcomer-main/"])
def test_a_plugin_is_installed_and_deleted(build: Any, root: str) -> None:
    client = build(working=False).client()
    data = zip_files({f"{root}easel-plugin.toml": MANIFEST, f"{root}web.py": CODE, "LICENSE": ""})
    told = client.post("/api/plugins/install?name=a.zip", data=data)
    assert told.status_code == 200, told.text
    assert (told.get_json()["name"], told.get_json()["state"]) == ("newcomer", "off")
    assert client.get("/plugins/newcomer/x").status_code == 404
    assert entry(client.post("/api/plugins/reload"), "newcomer")["state"] == "on"
    assert client.get("/plugins/newcomer/x").get_json() == "new"
    assert [e["name"] for e in client.get("/sdapi/v1/extensions").get_json()] == ["newcomer"]
    assert client.post("/api/plugins/install", data=data).status_code == 422
    assert client.post("/api/plugins/install?replace=true", data=data).status_code == 200
    assert client.delete("/api/plugins/newcomer").status_code == 200
    again = client.delete("/api/plugins/newcomer")
    assert (again.status_code, "already" in again.get_json()["detail"]) == (404, True)
    client.post("/api/plugins/reload")
    assert client.get("/plugins/newcomer/x").status_code == 404
    assert client.delete("/api/plugins/newcomer").status_code == 404
    assert client.delete("/api/plugins/beautifulprompt").status_code == 422


def symlink_entry(name: str) -> tuple[zipfile.ZipInfo, str]:
    """A symbolic link in a zip."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info, "/etc/passwd"


def damaged_zip() -> bytes:
    """A zip whose second file does not unpack."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("easel-plugin.toml", MANIFEST)
        archive.writestr("web.py", CODE * 20)
        place = archive.getinfo("web.py").header_offset + 30 + len("web.py")
    data = bytearray(buffer.getvalue())
    data[place : place + 20] = b"\xff" * 20
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"no zip", "cannot be read"),
        (zip_files({"readme": "x"}), "has none"),
        (
            zip_files({"a/easel-plugin.toml": MANIFEST, "b/easel-plugin.toml": MANIFEST}),
            "2 of them",
        ),
        (zip_files({"easel-plugin.toml": "x"}), "no TOML"),
        (zip_files({"easel-plugin.toml": MANIFEST, "../evil.py": "x"}), "leads out"),
        (zip_files({"easel-plugin.toml": MANIFEST, "/evil.py": "x"}), "leads out"),
        (zip_files({"easel-plugin.toml": MANIFEST, "a\\..\\evil.py": "x"}), ""),
        (zip_files({"easel-plugin.toml": MANIFEST, "a:b": "x"}), "every system"),
        (zip_files({"easel-plugin.toml": MANIFEST, "web.py": "1", "WEB.py": "2"}), "twice"),
        (zip_files({"easel-plugin.toml": MANIFEST, "web.py": "1", "./web.py": "2"}), "twice"),
        (zip_files({"easel-plugin.toml": MANIFEST, "é": "1", "e\u0301": "2"}), "twice"),
        (zip_files({"easel-plugin.toml": MANIFEST, "a": "1", "a/b.py": "2"}), "as a folder"),
        (zip_files({"easel-plugin.toml": MANIFEST, "a/b.py": "1", "A": "2"}), "as a folder"),
        (zip_files({"easel-plugin.toml": MANIFEST, "a/": "", "a": "2"}), "as a folder"),
        (zip_files({"x": "1", "x/easel-plugin.toml": MANIFEST}), "as a folder"),
        (zip_files({"easel-plugin.toml/": "", "a": "1"}), "has none"),
        (zip_files({"easel-plugin.toml": MANIFEST, ".": "x"}), "no file can be called"),
        (zip_files({"easel-plugin.toml": MANIFEST, "猫" * 90: "x"}), "no file can be called"),
        (zip_files({"easel-plugin.toml": "a = " + "[" * 30_000}), "nested too deep"),
        (zip_files({"easel-plugin.toml": MANIFEST + "#" * 70_000}), "more than 65536 bytes"),
        (zip_files({"easel-plugin.toml": MANIFEST.replace("newcomer", "install")}), "a word of"),
        (zip_files({"easel-plugin.toml": MANIFEST.replace("newcomer", "reload")}), "a word of"),
        (zip_files({f"{n}/{'x' * 190}": "" for n in range(9000)}), "list of files"),
        (damaged_zip(), "cannot be read"),
        (zip_files({"easel-plugin.toml": MANIFEST}, symlink_entry("web.py")), "link"),
        (zip_files({"easel-plugin.toml": MANIFEST.replace("routes", "nohook")}), "nohook"),
    ],
)
def test_bad_archives_leave_nothing(build: Any, data: bytes, word: str) -> None:
    house = build(working=False)
    answer = house.client().post("/api/plugins/install", data=data)
    assert answer.status_code == 422
    assert word in answer.get_json()["detail"]
    assert not re.search(r"Error|Errno|/tmp|recursion", answer.get_json()["detail"])
    assert list((house.data_dir / "extensions").glob("*")) == []
    assert list((house.data_dir / ".easel/installing").glob("*")) == []


def test_a_bomb_is_refused(build: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("easel-plugin.toml", MANIFEST)
        for number in range(5):
            archive.writestr(f"{number}.py", bytes(60 << 20))
    answer = build(working=False).client().post("/api/plugins/install", data=buffer.getvalue())
    assert answer.status_code == 422
    assert "256 MiB" in answer.get_json()["detail"]


def test_a_folder_is_copied(build: Any, tmp_path: Path) -> None:
    house = build(working=False)
    client = house.client()
    source = tmp_path / "mine"
    (source / "__pycache__").mkdir(parents=True)
    (source / "__pycache__" / "web.pyc").write_bytes(b"x")
    (source / "web.py").write_text(CODE)

    def bring(folder: object, **more: str) -> Any:
        query = {"folder": str(folder), **more}
        return client.post("/api/plugins/install", query_string=query)

    for wrong in (source, tmp_path / "gone", "mine", "/", "a\0b", "x" * 5000, "/" + "x" * 300):
        assert bring(wrong).status_code == 422
    (source / "easel-plugin.toml").write_text(MANIFEST)
    assert bring(source).get_json()["name"] == "newcomer"
    copied = house.data_dir / "extensions" / "newcomer"
    assert sorted(path.name for path in copied.rglob("*")) == ["easel-plugin.toml", "web.py"]
    assert entry(client.post("/api/plugins/reload"), "newcomer")["state"] == "on"
    assert "already" in bring(source).get_json()["detail"]
    (source / "web.py").write_text(CODE.replace('"new"', '"newer"'))
    assert bring(source, replace="true").status_code == 200
    client.post("/api/plugins/reload")
    assert client.get("/plugins/newcomer/x").get_json() == "newer"
    (source / "secret").symlink_to("/etc/passwd")
    assert "link" in bring(source, replace="true").get_json()["detail"]
    assert client.get("/plugins/newcomer/x").get_json() == "newer"
    assert list((house.data_dir / ".easel/installing").glob("*")) == []


def test_under_listen_nothing_is_installed(build: Any) -> None:
    data = zip_files({"easel-plugin.toml": MANIFEST, "web.py": CODE})
    known = build_credentials("owner-token")
    closed = build(known, listen=True).client(authorization="owner-token")
    assert closed.post("/api/plugins/install", data=data).status_code == 403
    assert closed.post("/api/plugins/install?folder=/tmp").status_code == 403
    assert closed.get("/api/plugins").get_json()["may_install"] is False
    opened = build(known, listen=True, extension_access=True).client(authorization="owner-token")
    assert opened.post("/api/plugins/install", data=data).status_code == 200


def test_the_worst_plugins_harm_nobody(build: Any) -> None:
    house = build(working=False)
    for name, web in {
        "throws": "raise RuntimeError('at import')",
        "exits": "import os; os._exit(3)",
        "heavy": "import torch",
        "odd": "@hook\ndef no_such_hook(): pass",
    }.items():
        make_plugin(house.data_dir, name, web=web, hooks="routes")
    make_plugin(house.data_dir, "broken", web="x = 1", manifest="name = 3")
    greeter(house.data_dir)
    told = house.client().post("/api/plugins/reload").get_json()["plugins"]
    faults = {each["name"]: each["fault"] for each in told if each["state"] == "faulty"}
    assert set(faults) == {"throws", "exits", "heavy", "odd", "broken"}
    words = ("at import", "ended the interpreter", "torch", "no_such_hook", "name")
    for name, word in zip(("throws", "exits", "heavy", "odd", "broken"), words, strict=True):
        assert word in faults[name]
    assert house.client().get("/plugins/greeter/hello").status_code == 200
    assert json.dumps(told)


def test_the_web_process_has_no_torch_for_plugins() -> None:
    code = (
        "from plugins.part_loader import refuse_imports; refuse_imports()\n"
        "try:\n    import torch\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "worker.py" in done.stdout, done.stderr
