"""What a user has is there for nobody else: files, models, pictures, jobs, settings."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.wait import wait_until
from tests.webapp.accounts.isolation_world import (
    World,
    add_member,
    held_job,
    isolated_world,
    settle_in,
)
from tests.webapp.conftest import write_model
from tests.webapp.routes.job_service import JOBS, Reply, WindowEvents
from webapp.accounts_command import run_users

PAIRS = [("ann", "bob"), ("bob", "ann")]
CODE_DATA = "/code/stable-diffusion-webui/data"
TRACES = ("annsecret", "bobsecret", "rootsecret")
DRAW = {"prompt": "x", "steps": 1, "width": 64, "height": 64}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Ann and Bob, each with something of everything."""
    with isolated_world(tmp_path_factory.mktemp("isolated")) as world:
        for who in ("ann", "bob"):
            world.own[who] = settle_in(world, who, tmp_path_factory.mktemp(who))
        yield world


Attempt = tuple[str, str, Any]
"""Method, address and body; names in braces are the other's, see ``settle_in``."""

FILES: list[Attempt] = [
    *(("GET", f"/api/files/{verb}?path=/data/users/{{user}}/{{picture}}", None)
      for verb in ("content", "preview", "text", "thumbnail", "size", "archive")),
    *(("GET", f"/api/files/{verb}?path=/data/outputs/{{mark}}.txt", None)
      for verb in ("content", "preview", "text", "size", "archive")),
    ("GET", "/api/files?path=/data/users/{user}", None),
    ("GET", "/api/files?path=/data/{mark}", None),
    ("GET", "/api/files?path=/users/{user}", None),
    ("GET", "/api/files?path=/{user}", None),
    ("GET", "/api/files?path=/public/Lora/{mark}", None),
    ("GET", "/api/files/events?path=/data/users/{user}", None),
    ("GET", "/api/files/search?q=x&path=/data/users/{user}", None),
    ("GET", "/api/raw/data/users/{user}/outputs/{mark}.txt", None),
    ("GET", "/api/resources/data/outputs/{mark}.txt", None),
    ("GET", "/api/resources/data/outputs/{mark}.txt?checksum=sha256", None),
    ("GET", "/api/usage/data/users/{user}", None),
    ("POST", "/api/files/move", {"paths": ["/data/outputs/{mark}.txt"], "to": "/data/mine.txt"}),
    ("POST", "/api/files/copy", {"paths": ["/data/users/{user}/{picture}"], "to": "/data/a.png"}),
    ("POST", "/api/files/copy", {"paths": ["/public/Lora/{mark}.safetensors"],
                                 "to": "/data/models/Lora"}),
    ("POST", "/api/files/rename", {"path": "/data/outputs/{mark}.txt", "name": "mine.txt"}),
    ("POST", "/api/files/delete", {"paths": ["/data/outputs/{mark}.txt"]}),
    ("POST", "/api/files/extract", {"path": "/data/outputs/{mark}.zip"}),
    ("POST", "/api/files/restore", {"trash_id": "{trash}"}),
    ("DELETE", "/api/files/trash?trash_id={trash}", None),
    ("GET", "/api/files/uploads/{upload}", None),
    ("PATCH", "/api/files/uploads/{upload}", None),
    ("DELETE", "/api/files/uploads/{upload}", None),
    ("DELETE", "/api/files/shares/{share}", None),
    ("POST", "/api/files/shares", {"path": "/data/outputs/{mark}.txt"}),
    ("PUT", "/api/v1/pictures/rating", {"paths": ["/data/outputs/{mark}.txt"], "stars": 1}),
    ("PUT", "/api/v1/pictures/rating", {"paths": ["/data/users/{user}/{picture}"], "stars": 1}),
    ("GET", "/api/v1/boards/{board}", None),
    ("PATCH", "/api/v1/boards/{board}", {"shared": True}),
    ("PATCH", "/api/v1/boards/{board}", {"add": ["/data/outputs/{mark}.png"]}),
    ("DELETE", "/api/v1/boards/{board}", None),
    ("GET", "/b/{board}", None),
    ("GET", "/dav/data/outputs/{mark}.txt", None),
    ("PROPFIND", "/dav/data/users/{user}/", None),
    ("MOVE", "/dav/data/outputs/{mark}.txt", None),
    ("DELETE", "/dav/data/outputs/{mark}.txt", None),
]  # fmt: skip
PICTURES: list[Attempt] = [
    ("GET", "/file={url}", None),
    ("GET", "/file={picture}", None),
    ("GET", "/file=users/{user}/{picture}", None),
    ("GET", "/file={tree}/{picture}", None),
    ("GET", f"/file={CODE_DATA}/users/{{user}}/{{picture}}", None),
    ("GET", "/api/sign?path={picture}", None),
    ("GET", "/api/sign?path=users/{user}/{picture}", None),
    ("GET", "/file=users/{user}/{picture}?expires=9999999999&signature=0", None),
    ("GET", f"{JOBS}/{{job}}", None),
    ("GET", f"{JOBS}/{{job}}/result", None),
    ("GET", f"{JOBS}/{{job}}/events", None),
    ("GET", f"{JOBS}/{{job}}/pictures/0", None),
    ("DELETE", f"{JOBS}/{{job}}", None),
    ("POST", "/internal/answer", {"id_task": "{task}"}),
]
MODELS: list[Attempt] = [
    ("GET", "/sd_extra_networks/thumb?filename={tree}/models/Lora/{mark}.png", None),
    ("GET", "/sd_extra_networks/cover-images?page=lora&item={mark}", None),
    ("GET", "/v1/models/{mark}.safetensors", None),
]
ACCOUNTS: list[Attempt] = [
    ("GET", "/api/v1/users", None),
    ("GET", "/api/v1/users/{user}", None),
    ("PATCH", "/api/v1/users/{user}", {"disabled": True}),
    ("DELETE", "/api/v1/users/{user}", None),
    ("DELETE", "/api/v1/users/{user}/logins", None),
    ("GET", "/api/v1/usage?user={user}", None),
    ("GET", "/api/v1/usage?user={user}&by=model&format=csv", None),
    ("GET", "/api/v1/usage?by=user&group={user}", None),
    ("GET", "/api/v1/groups", None),
    ("GET", "/api/v1/limits", None),
    ("PUT", "/api/v1/limits/user/{user}", {"weight": 0.1}),
    ("GET", "/api/v1/audit?user={user}", None),
    ("GET", "/api/v1/audit.csv?user={user}", None),
    ("POST", "/sdapi/v1/unload-checkpoint", None),
    ("POST", "/sdapi/v1/reload-checkpoint", None),
    ("POST", "/sdapi/v1/server-stop", None),
    ("POST", "/api/v1/workers/cpu@test:1/drain", None),
    ("GET", "/metrics", None),
]
ATTEMPTS = [*FILES, *PICTURES, *MODELS, *ACCOUNTS]

NAMING: list[Attempt] = [
    ("POST", "/sdapi/v1/txt2img", {**DRAW, "prompt": "<lora:{mark}:1>"}),
    ("POST", "/sdapi/v1/txt2img", {**DRAW, "alwayson_scripts": {"sd_model_checkpoint": "{mark}"}}),
    ("POST", "/sdapi/v1/txt2img", {**DRAW, "alwayson_scripts": {"save_dir": "{tree}/outputs"}}),
    ("POST", "/sdapi/v1/txt2img", {**DRAW, "alwayson_scripts": {"save_dir": "../{user}/outputs"}}),
    ("POST", "/sdapi/v1/options", {"sd_model_checkpoint": "{mark}"}),
    ("POST", "/sdapi/v1/train/embedding", {"embedding_name": "{mark}", "data_root": "outputs"}),
    ("DELETE", "/api/styles?name={mark}", None),
    ("GET", "/api/models/preview?kind=lora&name={mark}", None),
    ("PUT", "/api/models/cards", {"kind": "lora", "name": "{mark}", "notes": "mine"}),
]  # fmt: skip
"""Requests that name what is not the caller's: refused in the words for what is not there."""


FALLING_BACK = [{"sd_model_checkpoint": "{mark}"}, {"sd_vae": "{mark}.safetensors"}]
"""What AUTOMATIC1111 passes over where it is not there; the caller's own is drawn with."""


def try_it(world: World, who: str, attempt: Attempt, names: dict[str, str]) -> Reply:
    """The answer to an attempt on whatever has these names."""
    method, path, body = attempt
    filled = json.loads(fill(json.dumps(body), names))
    head = {"Tus-Resumable": "1.0.0"} if "/uploads" in path else {}
    if method == "MOVE":
        head["Destination"] = f"{world.service.process.url}/dav/data/mine.txt"
    if method == "PATCH" and "/uploads" in path:
        head |= {"Upload-Offset": "2", "Content-Type": "application/offset+octet-stream"}
    quoted = {key: quote(value, "/=:") for key, value in names.items()}
    return world.ask(who, method, fill(path, quoted), filled, **head)


def fill(text: str, names: dict[str, str]) -> str:
    """The text with the names in it."""
    return re.sub(r"\{(\w+)\}", lambda match: names[match[1]], text)


def unlike(names: dict[str, str]) -> dict[str, str]:
    """Names of the same form that nobody has."""
    other = "cat" if names["user"] == "ann" else "dog"
    turned = {key: value.replace(names["user"], other) for key, value in names.items()}
    for key in ("job", "trash", "upload", "share", "board"):
        turned[key] = names[key][::-1]
    return turned


def words(reply: Reply, names: dict[str, str]) -> str:
    """What an answer says, without the names that were asked for and the service's ids."""
    text = reply.body.decode(errors="replace")
    for value in sorted({*names.values()}, key=len, reverse=True):
        text = text.replace(value, "*").replace(quote(value, "/=:"), "*")
    return re.sub(r"[0-9a-f]{32}|\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d[.]\d+", "", text)


@pytest.mark.parametrize(("who", "other"), PAIRS)
def test_what_is_anothers_is_as_absent_as_what_is_not_there(
    world: World, who: str, other: str
) -> None:
    names = world.own[other]
    assert len(ATTEMPTS) > 60
    for attempt in ATTEMPTS:
        there, absent = (try_it(world, who, attempt, each) for each in (names, unlike(names)))
        assert there.status in (403, 404), (attempt, there.status, there.body[:300])
        assert there.status == absent.status, attempt
        assert words(there, names) == words(absent, unlike(names)), attempt
        asked = fill(json.dumps(attempt), names)
        assert not [each for each in TRACES if each in there.body.decode(errors="replace")
                    and each not in asked and each != f"{who}secret"], attempt  # fmt: skip
    for attempt in NAMING:
        there, absent = (try_it(world, who, attempt, each) for each in (names, unlike(names)))
        assert 400 <= there.status < 500, (attempt, there.status, there.body[:300])
        assert there.status == absent.status, attempt
        assert words(there, names) == words(absent, unlike(names)), attempt
    for settings in FALLING_BACK:
        attempt = ("POST", "/sdapi/v1/txt2img", {**DRAW, "override_settings": settings})
        for each in (names, unlike(names)):
            drawn = try_it(world, who, attempt, each)
            assert drawn.status == 200, attempt
            assert world.own[who]["tree"] in json.loads(drawn.json["info"])["infotexts"][0]
    # Nothing of it has harmed the other, for whom everything is there.
    assert world.get(other, f"{JOBS}/{names['job']}")["state"] == "succeeded"
    text = f"/api/files/content?path=/data/outputs/{names['mark']}.txt"
    for path in (f"/file={names['url']}", text,
                 f"/api/files/uploads/{names['upload']}"):  # fmt: skip
        assert world.ask(other, "GET", path).status == 200, path
    shares = world.get(other, "/api/files/shares")["shares"]
    assert names["share"] in [share["id"] for share in shares]
    assert world.get(other, "/api/files/trash")["thrown"]


LISTS = [
    "/api/files?path=/data", "/api/files/roots", "/api/files/search?q=secret",
    "/api/files/search?q=kind:image", "/api/files/shares", "/api/files/uploads",
    "/api/files/trash", "/api/files/jobs", "/api/resources/recursive/data", "/sdapi/v1/loras",
    "/sdapi/v1/sd-models", "/sdapi/v1/sd-vae", "/sdapi/v1/embeddings", "/sdapi/v1/hypernetworks",
    "/sdapi/v1/sd-modules", "/sdapi/v1/extra-networks", "/sdapi/v1/prompt-styles",
    "/sdapi/v1/options", "/sdapi/v1/progress", "/sdapi/v1/cmd-flags", "/api/models/cards",
    "/api/options",
    "/api/models/report", "/api/v1/workers", "/internal/broken-models", "/internal/sysinfo",
    "/internal/checkpoint-kinds", "/internal/pending-tasks", "/api/session", "/config",
    "/queue/status", "/v1/models", "/api/plugins", "/controlnet/model_list", "/openapi.json",
    "/api/v1/logins", "/api/v1/tokens", "/api/v1/usage", "/api/v1/usage?by=user,group,model,day",
    "/api/v1/usage?by=model&format=csv", "/api/v1/queue", "/api/v1/pictures", "/api/v1/boards",
]  # fmt: skip


@pytest.mark.parametrize(("who", "other"), PAIRS)
def test_no_list_names_what_is_anothers(world: World, who: str, other: str) -> None:
    for path in LISTS:
        reply = world.ask(who, "GET", path)
        assert reply.status == 200, (path, reply.body[:200])
        text = reply.body.decode()
        assert not re.search(rf"{other}secret|rootsecret|\b{other}\b", text), path
    mine = world.get(who, "/sdapi/v1/loras")
    assert [lora["name"] for lora in mine] == [f"{who}secret"]
    titles = [model["model_name"] for model in world.get(who, "/sdapi/v1/sd-models")]
    assert titles == [f"{who}secret", "sd"]
    found = wait_until(
        lambda: world.get(who, f"/api/files/search?q={who}secret")["entries"] or None
    )
    assert all(other not in entry["path"] for entry in found)


@pytest.mark.parametrize(("who", "other"), PAIRS)
def test_the_worker_draws_with_the_owners_models_and_saves_in_the_owners_tree(
    world: World, who: str, other: str
) -> None:
    names = world.own[who]
    lora = f"{names['tree']}/models/Lora/{names['mark']}.safetensors"
    own = world.draw(who, f"<lora:{names['mark']}:1>", override_settings={
        "sd_model_checkpoint": names["mark"]})  # fmt: skip
    assert own.status == 200
    told = json.loads(own.json["info"])["infotexts"][0]
    assert told == f"{names['tree']}/models/Stable-diffusion/{names['mark']}.safetensors {lora}"
    theirs = world.draw(who, f"<lora:{other}secret:1>")
    assert theirs.status == 422
    assert other not in theirs.json["detail"].replace(f"{other}secret'", "")
    assert Path(names["tree"], names["picture"]).is_file()
    assert not (world.service.process.data_dir / names["mark"]).exists()


@pytest.mark.parametrize(("who", "other"), PAIRS)
def test_usage_tells_ones_own_jobs_and_models_alone(world: World, who: str, other: str) -> None:
    for each in (who, other):
        chosen = {"sd_model_checkpoint": f"{each}secret"}
        assert world.draw(each, override_settings=chosen).status == 200

    def rows(asker: str, word: str) -> Any:
        told = world.get(asker, "/api/v1/usage?by=user,model")["rows"]
        return told if any(word in row["model"] for row in told) else None

    wait_until(lambda: rows("root", f"{other}secret"))
    own = wait_until(lambda: rows(who, f"{who}secret"))
    assert {row["user"] for row in own} == {who}
    assert other not in json.dumps(own)


@pytest.mark.parametrize(("who", "other"), PAIRS)
def test_nobody_sees_stops_or_follows_anothers_running_and_waiting_job(
    world: World, who: str, other: str
) -> None:
    task = f"{other}secret-held"
    with held_job(world, other, task) as job:
        look_at_anothers_jobs(world, who, other, job)
    assert world.service.settle(job)["state"] == "succeeded"


def look_at_anothers_jobs(world: World, who: str, other: str, job: str) -> None:
    """Try to see, stop and follow the other's job, which runs, and another one, which waits."""
    task = f"{other}secret-held"
    waiting = world.service.post("x", world.tokens[other], body={"force_task_id": "waits"})
    for attempt in (
        ("GET", f"{JOBS}/{job}", None), ("DELETE", f"{JOBS}/{job}", None),
        ("DELETE", f"{JOBS}/{waiting.json['id']}", None),
        ("GET", f"{JOBS}/{job}/events", None), ("GET", f"{JOBS}/{job}/pictures/0", None),
    ):  # fmt: skip
        assert try_it(world, who, attempt, {}).status == 404, attempt
    progress = {"id_task": task, "live_preview": True}
    unknown = world.ask(who, "POST", "/internal/progress", progress).json
    assert unknown == world.ask(who, "POST", "/internal/progress", {"id_task": "none"}).json
    for body in ({}, {"id_task": task}, {"id_task": "waits"}):
        assert world.ask(who, "POST", "/sdapi/v1/interrupt", body).status == 200
        assert world.ask(who, "POST", "/sdapi/v1/skip", body).status == 200
    assert world.get(who, "/sdapi/v1/progress")["state"]["job"] == ""
    assert world.get(who, "/internal/pending-tasks") == {"size": 0, "tasks": []}
    seen = world.get(who, "/api/v1/workers")["workers"]
    assert [worker["job"] for worker in seen] == [None]
    number = {"waiting": 1, "running": 1}
    queue = wait_until(lambda: seen if (seen := world.get(who, "/api/v1/queue"))["others"] == number
                       else None)  # fmt: skip
    assert queue["jobs"] == []
    assert not re.search(rf"\b{other}", json.dumps(queue))
    assert world.get(other, f"{JOBS}/{job}")["state"] == "running"
    assert world.get(other, "/sdapi/v1/progress")["state"]["interrupted"] is False
    # A key that another has used, and a label that says who one is, make nobody another.
    key = {"Idempotency_Key": f"key-of-{who}"}
    uid = {"alwayson_scripts": {"uid": other}}
    mine = world.service.post("x", world.tokens[who], body=uid, headers=key)
    theirs = world.service.post("x", world.tokens[other], headers=key)
    assert mine.json["id"] != theirs.json["id"]
    assert world.ask(other, "GET", f"{JOBS}/{mine.json['id']}").status == 404
    query = f"files=1&job={job}&job={mine.json['id']}"
    events = WindowEvents(world.service, query, world.tokens[who])
    assert events.until("state")["job"] == mine.json["id"]  # the other's would come before
    events.close()


def test_settings_and_locks_of_one_are_not_the_others(world: World) -> None:
    for who in ("ann", "bob"):
        assert world.get(who, "/sdapi/v1/options")["samples_filename_pattern"] == f"{who}secret"
        styles = world.get(who, "/sdapi/v1/prompt-styles")
        assert [style["name"] for style in styles] == [f"{who}secret"]
    assert world.get("root", "/sdapi/v1/options")["samples_filename_pattern"] == ""
    assert world.ask("root", "POST", "/sdapi/v1/options", {"jpeg_quality": 61}).status == 200
    assert world.get("ann", "/sdapi/v1/options")["jpeg_quality"] == 61
    shared = world.ask("ann", "POST", "/sdapi/v1/options", {"sd_checkpoints_limit": 7})
    assert shared.status == 403
    over = world.draw("ann", override_settings={"sd_checkpoints_limit": 7})
    assert over.status == 403
    lock = (
        '<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
        "<D:locktype><D:write/></D:locktype></D:lockinfo>"
    )
    port = world.service.process.port
    for who in ("ann", "bob"):
        head = {"Authorization": f"Bearer {world.tokens[who]}", "Content-Type": "text/xml"}
        assert raw("LOCK", port, "/dav/data/outputs/same.txt", lock.encode(), head).status == 201
    refused = raw("PUT", port, "/dav/data/outputs/same.txt", b"x", head)
    assert refused.status == 423


def raw(method: str, port: int, path: str, data: bytes, head: dict[str, str]) -> Reply:
    """A request whose body is no JSON."""
    import http.client

    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        line.request(method, path, data, head)
        answer = line.getresponse()
        return Reply(answer.status, dict(answer.headers.items()), answer.read())
    finally:
        line.close()


def test_what_is_of_all_is_read_by_users_and_changed_by_admins(world: World) -> None:
    for who in ("ann", "vic"):
        roots = {
            root["name"]: root["writable"] for root in world.get(who, "/api/files/roots")["roots"]
        }
        assert roots == {"data": True, "public": False}
        listed = world.get(who, "/api/files?path=/public/Stable-diffusion")
        assert [entry["name"] for entry in listed["entries"]] == ["sd.safetensors"]
        assert world.get(who, "/api/files?path=/public/Lora")["entries"] == []
    note = {"kind": "checkpoint", "name": "sd", "notes": "mine"}
    assert world.ask("ann", "PUT", "/api/models/cards", note).status == 403
    gone = world.ask("ann", "POST", "/api/files/delete",
                     {"paths": ["/public/Stable-diffusion/sd.safetensors"]})  # fmt: skip
    assert gone.status == 403
    everything = world.get("root", "/api/files?path=/data/users")["entries"]
    assert {"ann", "bob"} <= {entry["name"] for entry in everything}
    assert world.ask("root", "GET", f"{JOBS}/{world.own['ann']['job']}").status == 200
    metrics = world.ask("root", "GET", "/metrics").body.decode()
    assert 'user="ann"' in metrics


def test_a_new_public_checkpoint_is_everybodys_and_a_new_lora_its_bringers(world: World) -> None:
    data_dir = world.service.process.data_dir
    source = data_dir / "models/Stable-diffusion/sd.safetensors"
    (data_dir / "models/Stable-diffusion/new.safetensors").write_bytes(source.read_bytes())
    assert world.ask("root", "POST", "/sdapi/v1/refresh-checkpoints").status == 200
    for who in ("ann", "bob"):
        wait_until(lambda who=who: "new" in [  # type: ignore[misc]
            model["model_name"] for model in world.get(who, "/sdapi/v1/sd-models")])  # fmt: skip
        assert world.draw(who, override_settings={"sd_model_checkpoint": "new"}).status == 200


def test_links_of_a_user_go_on_as_long_as_the_user(world: World) -> None:
    names = world.own["bob"]
    open_page = world.service.ask("GET", f"/s/{names['share']}/content", token="")
    assert (open_page.status, open_page.body) == (200, b"mine")
    assert world.service.ask("GET", names["signed"], token="").status == 200
    forged = names["signed"].replace("bobsecret", "annsecret").replace("users/bob", "users/ann")
    assert world.service.ask("GET", forged, token="").status == 403


def test_a_disabled_user_loses_logins_and_waiting_jobs_at_once(world: World) -> None:
    add_member(world, "eve")
    assert world.upload("eve", "outputs", "eve.txt", b"eve").status == 201
    link = world.get("eve", "/api/sign?path=outputs/eve.txt")["url"]
    assert world.service.ask("GET", link, token="").status == 200
    with held_job(world, "bob", "keeps-the-worker") as running:
        job = world.service.post("x", world.tokens["eve"]).json["id"]
        assert world.get("eve", f"{JOBS}/{job}")["state"] == "queued"
        changed = world.ask("root", "PATCH", "/api/v1/users/eve", {"disabled": True})
        assert changed.status == 200
        assert world.ask("eve", "GET", "/sdapi/v1/loras").status == 401
        assert world.service.ask("GET", link, token="").status == 403
        ended = world.service.settle(job)
        assert (ended["status"], ended["state"]) == (409, "failed")
        assert "disabled" in ended["error"]
    assert world.service.settle(running)["state"] == "succeeded"
    # The account that is removed leaves its tree, and its name to nobody.
    assert world.ask("root", "DELETE", "/api/v1/users/eve").status == 200
    again = world.ask("root", "POST", "/api/v1/users", {"name": "eve", "role": "member"})
    assert again.status == 409


def test_the_command_line_ends_a_users_jobs_too(world: World) -> None:
    add_member(world, "fay")
    with held_job(world, "bob", "keeps-the-worker-again"):
        job = world.service.post("x", world.tokens["fay"]).json["id"]
        assert run_users(["disable", "fay", "--data-dir", str(world.service.process.data_dir)]) == 0
        ended = world.service.settle(job)
    assert (ended["status"], ended["state"]) == (409, "failed")
    assert world.ask("fay", "GET", "/sdapi/v1/loras").status == 401


def test_a_users_loras_are_loaded_as_soon_as_they_are_whole(world: World, tmp_path: Path) -> None:
    data = write_model(tmp_path / "fresh.safetensors", {"ss_output_name": "fresh"}).read_bytes()
    assert world.draw("ann", "<lora:fresh:1>").status == 422
    assert world.upload("ann", "models/Lora", "fresh.safetensors", data).status == 201
    assert world.draw("ann", "<lora:fresh:1>").status == 200
    assert world.draw("bob", "<lora:fresh:1>").status == 422
