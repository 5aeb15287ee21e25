"""The attack checklist on paths, 1 to 20: whatever is asked of every door, nothing gets out."""

import json
import os
import socket
import threading
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests.webapp.attacks.attack_world import (
    SECRET,
    AttackWorld,
    assert_refused,
    body_fields,
    build_world,
    path_routes,
    query_routes,
    try_all_routes,
    upload_file,
)

OUT = "../" * 6


@pytest.fixture
def world(house: Any, tmp_path: Path) -> AttackWorld:
    return build_world(house, tmp_path)


def test_the_doors_are_all_there(world: AttackWorld) -> None:
    assert len(query_routes(world)) >= 3
    assert len(path_routes(world)) >= 4
    assert {field for *_, field, _ in body_fields(world)} >= {"path", "paths", "to"}


def all_refuse(world: AttackWorld, path: str) -> None:
    for answer in try_all_routes(world, path):
        assert_refused(answer)
    world.assert_unharmed()


DOTS = ["..", ".", "..\\outside", "data\\..\\..", "\uff0e\uff0e", "\u2025"]


def test_01_dots_as_names(world: AttackWorld) -> None:
    for up in DOTS:
        for path in (f"data/{up}/outside/secret.txt", f"data/work/{up}/{up}/outside/secret.txt"):
            all_refuse(world, path)


def test_01_encoded_dots_in_queries_and_addresses(world: AttackWorld) -> None:
    for raw in [
        *("%2e%2e%2f", "%2e%2e/", "..%2f", ".%2e/", "%2E%2E%5C", "..%5c", "%252e%252e%252f"),
        *("..%252f", "%c0%ae%c0%ae/", "..;/", "..%00/"),
    ]:
        tail = f"data/work/{raw * 6}outside/secret.txt"
        for method, url in query_routes(world):
            assert_refused(world.ask(method, f"{url}?path=/{tail}"))
        for begin in (*(begin for _, begin in path_routes(world)), "/dav/", "/file=", "/file=/"):
            assert_refused(world.ask("GET", begin + tail))
        for method in ("COPY", "MOVE"):
            to = {"Destination": f"http://localhost/dav/{tail}"}
            assert_refused(world.ask(method, "/dav/data/work/a.txt", headers=to))
        world.assert_unharmed()


def test_02_absolute_paths(world: AttackWorld) -> None:
    for path in [
        *("etc/passwd", "/etc/passwd", "file:///etc/passwd", "C:\\Windows\\win.ini", "C:/x"),
        *("\\\\host\\share\\x", "//host/share/x", "proc/self/environ"),
    ]:
        all_refuse(world, path)
        all_refuse(world, f"data/work/a.txt/{path}")


def test_02_the_true_path_of_a_file_outside(world: AttackWorld) -> None:
    path = str(world.outside / "secret.txt")
    all_refuse(world, path)
    for begin in ("/file=", "/file=/"):
        assert_refused(world.ask("GET", begin + path))


def test_03_slashes_are_put_straight_once(world: AttackWorld) -> None:
    for path in ("//data//work//a.txt", "/data/work/a.txt/", "data/work/a.txt"):
        told = world.ask("GET", "/api/files/content", query_string={"path": path})
        assert told.data == b"letters", path
    assert_refused(
        world.ask("GET", "/api/files/content", query_string={"path": "/data/./work/a.txt"})
    )
    for path in ("//data//.easel//hidden.txt", "/data///.easel/", "data//.easel/hidden.txt/"):
        all_refuse(world, path.strip("/"))


def test_04_control_characters(world: AttackWorld) -> None:
    for sign in ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85"]:
        for path in (f"data/work/a{sign}.txt", f"data/{sign}/a.txt", f"data/work/a.txt{sign}.png"):
            all_refuse(world, path)
        assert sorted(os.listdir(world.inside)) == ["a.txt", "p.png", "sub"]


def test_05_invalid_utf_8_and_percents(world: AttackWorld) -> None:
    for raw in ["%c0%af", "%e0%80%af", "%ed%a0%80", "%ff", "%", "%zz", "%f8%80"]:
        for method, url in query_routes(world):
            assert_refused(world.ask(method, f"{url}?path=/data/work/{raw}"))
        for begin in (*(begin for _, begin in path_routes(world)), "/dav/"):
            assert_refused(world.ask("GET", f"{begin}data/work/{raw}"))


def test_05_lone_surrogates_in_bodies(world: AttackWorld) -> None:
    for method, url, field, good in body_fields(world):
        value: Any = "/data/work/\ud800.txt"
        body = json.dumps(good | {field: [value] if field == "paths" else value})
        assert_refused(world.ask(method, url, data=body, content_type="application/json"))
    assert sorted(os.listdir(world.inside)) == ["a.txt", "p.png", "sub"]


def test_06_no_door_makes_unicode_twins_and_those_on_the_disk_are_told_apart(
    world: AttackWorld,
) -> None:
    composed = unicodedata.normalize("NFC", "é.txt")
    forms = (composed, unicodedata.normalize("NFD", composed))

    def read(name: str) -> str:
        query = {"path": f"/data/work/{name}"}
        return str(world.ask("GET", "/api/files/content", query_string=query).text)

    for name, text, status in ((forms[0], "one", 201), (forms[1], "two", 204)):
        assert world.ask("PUT", f"/dav/data/work/{name}", data=text).status_code == status
        assert [read(each) for each in forms] == [text, text]
    (world.inside / forms[1]).write_text("three")
    assert [read(each) for each in forms] == ["two", "three"]


def test_06_wide_dots_and_slashes_lead_nowhere(world: AttackWorld) -> None:
    for wide in ["．．／．．／outside／secret.txt", "\uff0e\uff0e", "%uff0e"]:
        for answer in try_all_routes(world, f"data/work/{wide}"):
            assert SECRET not in answer.data
            assert answer.status_code < 500
        world.assert_unharmed()


def test_06_names_that_turn_around_are_shown_escaped(world: AttackWorld) -> None:
    (world.inside / "gnp.\u202eexe").write_bytes(b"x")
    link = world.ask("POST", "/api/files/shares", json={"path": "/data/work"}).get_json()
    page = world.client.get(link["url"]).text
    assert "&lt;U+202E&gt;" in page


def test_07_a_prefix_of_a_name_is_no_scope(build: Any, tmp_path: Path) -> None:
    for name in ("models2", "models-private"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret.txt").write_bytes(SECRET)
    (tmp_path / "models").mkdir()
    house = build(browse_roots=(("models", tmp_path / "models", True),))
    world = build_world(house, tmp_path)
    for path in ("models2/secret.txt", "models-private/secret.txt", "model", "data2/work/a.txt"):
        all_refuse(world, path)
    link = world.ask("POST", "/api/files/shares", json={"path": "/data/work/sub"}).get_json()
    (world.inside / "sub2").mkdir()
    (world.inside / "sub2" / "x.txt").write_bytes(SECRET)
    assert_refused(world.client.get(f"{link['url']}/content?path=../sub2/x.txt"))
    assert_refused(world.client.get(f"{link['url']}/content?path=2/x.txt"))


def test_08_hidden_names_in_any_case(world: AttackWorld) -> None:
    for name in [".easel", ".EASEL", ".Easel", ".Trash", ".UPLOADS", ".trash"]:
        all_refuse(world, f"data/{name}/hidden.txt")
        for answer in try_all_routes(world, f"data/{name}"):
            assert_refused(answer)


def test_09_names_that_windows_keeps_and_long_ones(world: AttackWorld) -> None:
    for name in [
        *("a.", "a ", "CON", "con.txt", "NUL", "lpt1.log", "a.txt:stream", "a.txt::$DATA"),
        *("x" * 256, "é" * 128, "a/" * 65 + "a", "y" * 200 + "/" + "z/" * 2100),
    ]:
        all_refuse(world, f"data/work/{name}")
        assert sorted(os.listdir(world.inside)) == ["a.txt", "p.png", "sub"]


def test_10_a_link_is_never_followed(world: AttackWorld) -> None:
    (world.inside / "link.txt").symlink_to(world.outside / "secret.txt")
    (world.inside / "link.png").symlink_to(world.outside / "secret.txt")
    for name in ("link.txt", "link.png"):
        for method, url in query_routes(world):
            assert_refused(world.ask(method, url, query_string={"path": f"/data/work/{name}"}))
        for method, begin in path_routes(world):
            assert_refused(world.ask(method, f"{begin}data/work/{name}"))
            assert_refused(world.ask(method, f"{begin}data/work/{name}?checksum=sha256"))
        assert_refused(world.ask("GET", f"/file=work/{name}"))
        assert_refused(world.ask("GET", f"/dav/data/work/{name}"))
        assert_refused(world.ask("PUT", f"/dav/data/work/{name}", data=b"evil"))
        assert_refused(world.ask("POST", "/api/files/shares", json={"path": f"/data/work/{name}"}))
        body = {"paths": [f"/data/work/{name}"], "to": "/data/work/sub"}
        copied = world.ask("POST", "/api/files/copy", json=body)
        assert SECRET not in copied.data
    assert os.listdir(world.inside / "sub") == []
    world.assert_unharmed()


def test_10_an_upload_over_a_link_leaves_what_it_leads_to(world: AttackWorld) -> None:
    (world.inside / "link.txt").symlink_to(world.outside / "secret.txt")
    fields = {"folder": "/data/work", "filename": "link.txt", "conflict": "overwrite"}
    assert upload_file(world, **fields).status_code == 201
    assert (world.inside / "link.txt").read_bytes() == b"evil"
    assert not (world.inside / "link.txt").is_symlink()
    world.assert_unharmed()


def test_10_deleting_a_link_removes_the_link_alone(world: AttackWorld) -> None:
    (world.inside / "link").symlink_to(world.outside / "folder")
    answer = world.ask("POST", "/api/files/delete", json={"paths": ["/data/work/link"]})
    assert answer.status_code == 200
    assert not (world.inside / "link").is_symlink()
    trash_id = answer.get_json()["trash_id"]
    world.ask("DELETE", "/api/files/trash", query_string={"trash_id": trash_id})
    world.assert_unharmed()


def test_10_deleting_a_folder_of_links_for_good_leaves_what_they_lead_to(
    world: AttackWorld,
) -> None:
    (world.inside / "sub" / "deep").mkdir()
    for place in (world.inside / "sub", world.inside / "sub" / "deep"):
        (place / "folder").symlink_to(world.outside / "folder")
        (place / "file").symlink_to(world.outside / "secret.txt")
    assert world.ask("DELETE", "/dav/data/work/sub").status_code == 204
    assert world.ask("DELETE", "/api/files/trash").status_code == 200
    assert not (world.inside / "sub").exists()
    world.assert_unharmed()


def test_11_a_link_on_the_way_is_refused(world: AttackWorld) -> None:
    (world.inside / "way").symlink_to(world.outside)
    for path in ("secret.txt", "folder", "folder/deep.txt", "new.txt", "folder/new/newer.txt"):
        for answer in try_all_routes(world, f"data/work/way/{path}"):
            assert_refused(answer)
    world.assert_unharmed()


def test_12_a_dangling_link_is_no_target(world: AttackWorld) -> None:
    (world.inside / "later.txt").symlink_to(world.outside / "later.txt")
    for answer in try_all_routes(world, "data/work/later.txt"):
        assert SECRET not in answer.data
        assert not (world.outside / "later.txt").exists(), answer.request.url
    world.assert_unharmed()


def test_13_a_link_swapped_in_meanwhile(world: AttackWorld) -> None:
    """Over HTTP; test_gate.py beside filebrowser does ten thousand rounds."""
    inside, stopped = world.inside, threading.Event()
    (inside / "real").mkdir()
    (inside / "real" / "secret.txt").write_bytes(b"inside")
    (inside / "evil").symlink_to(world.outside)

    def swap() -> None:
        while not stopped.is_set():
            os.rename(inside / "real", inside / "aside")
            os.rename(inside / "evil", inside / "real")
            os.rename(inside / "real", inside / "evil")
            os.rename(inside / "aside", inside / "real")
            time.sleep(0.0003)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for turn in range(300):
            doors = ("/api/raw/", "/dav/", "/api/resources/")
            answer = world.ask("GET", doors[turn % 3] + "data/work/real/secret.txt")
            assert SECRET not in answer.data
            seen.add(answer.status_code)
    finally:
        stopped.set()
        swapper.join()
    assert seen <= {200, 400, 403, 404, 409}
    assert world.ask("GET", "/api/raw/data/work/real/secret.txt").data == b"inside"
    world.assert_unharmed()


def test_14_overwriting_a_hard_link_leaves_the_other_name(world: AttackWorld) -> None:
    for name in ("dav.txt", "tus.txt", "copy.txt"):
        os.link(world.outside / "secret.txt", world.inside / name)
    assert world.ask("PUT", "/dav/data/work/dav.txt", data=b"new").status_code == 204
    fields = {"folder": "/data/work", "filename": "tus.txt", "conflict": "overwrite"}
    assert upload_file(world, **fields).status_code == 201
    body = {"paths": ["/data/work/a.txt"], "to": "/data/work/sub", "conflict": "overwrite"}
    os.link(world.outside / "secret.txt", world.inside / "sub" / "a.txt")
    assert world.ask("POST", "/api/files/copy", json=body).status_code == 200
    assert (world.inside / "dav.txt").read_bytes() == b"new"
    assert (world.inside / "tus.txt").read_bytes() == b"evil"
    assert (world.inside / "sub" / "a.txt").read_bytes() == b"letters"
    world.assert_unharmed()


def test_15_pipes_and_sockets_are_listed_and_not_opened(world: AttackWorld) -> None:
    os.mkfifo(world.inside / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(world.inside)  # a socket's path has at most 108 bytes
        try:
            server.bind("socket.png")
        finally:
            os.chdir(here)
        listing = world.ask("GET", "/api/files", query_string={"path": "/data/work"}).get_json()
        kinds = {entry["name"]: entry["kind"] for entry in listing["entries"]}
        for name in ("pipe.png", "socket.png"):
            assert kinds[name] == "special"
            for method, url in query_routes(world):
                assert_refused(world.ask(method, url, query_string={"path": f"/data/work/{name}"}))
            for method, begin in path_routes(world):
                assert_refused(world.ask(method, f"{begin}data/work/{name}?checksum=md5"))
            assert_refused(world.ask("GET", f"/dav/data/work/{name}"))
            assert_refused(world.ask("GET", f"/file=work/{name}"))


def test_16_destinations_that_lead_out(world: AttackWorld) -> None:
    for to in ["../outside", "/data/../outside", "..", "/data/work/../../x"]:
        for verb in ("move", "copy"):
            body = {"paths": ["/data/work/a.txt"], "to": to}
            assert_refused(world.ask("POST", f"/api/files/{verb}", json=body))
        assert_refused(world.ask("POST", "/api/files/folder", json={"path": f"/data/work/{to}"}))
        world.assert_unharmed()


def test_16_a_new_name_is_one_name(world: AttackWorld) -> None:
    for name in ("../b.txt", "sub/b.txt", "..", ".", "", "a\\b", "a\0b", "a/../../b"):
        body = {"path": "/data/work/p.png", "name": name}
        assert_refused(world.ask("POST", "/api/files/rename", json=body))
    assert (world.inside / "p.png").exists()
    world.assert_unharmed()


def test_17_a_folder_cannot_go_into_itself(world: AttackWorld) -> None:
    (world.inside / "sub" / "child").mkdir()
    for verb in ("move", "copy"):
        for to in ("/data/work/sub", "/data/work/sub/child", "/data/work/sub/child/new"):
            body = {"paths": ["/data/work/sub"], "to": to}
            assert_refused(world.ask("POST", f"/api/files/{verb}", json=body))
    for method in ("MOVE", "COPY"):
        for to in ("sub", "sub/child", "sub/child/new"):
            headers = {"Destination": f"http://localhost/dav/data/work/{to}"}
            assert_refused(world.ask(method, "/dav/data/work/sub", headers=headers))
    assert os.listdir(world.inside / "sub") == ["child"]
    assert os.listdir(world.inside / "sub" / "child") == []


def test_18_trees_and_reserved_folders_stay(world: AttackWorld) -> None:
    for path in ["/data", "/data/.easel", "/data/.uploads", "/data/.trash"]:
        for verb, body in (
            ("delete", {"paths": [path]}),
            ("move", {"paths": [path], "to": "/data/work/sub"}),
            ("rename", {"path": path, "name": "other"}),
            ("move", {"paths": ["/data/work/a.txt"], "to": path, "conflict": "overwrite"}),
        ):
            if verb == "move" and path == "/data" and body["paths"] != [path]:
                continue  # into the tree is what everybody may
            assert_refused(world.ask("POST", f"/api/files/{verb}", json=body))
        to = {"Destination": f"http://localhost/dav{path}"}
        assert_refused(world.ask("MOVE", "/dav/data/work/sub", headers=to))
        assert_refused(world.ask("DELETE", f"/dav{path}"))
        assert (world.house.data_dir / ".easel" / "hidden.txt").read_bytes() == SECRET


def test_19_one_bad_path_among_many(world: AttackWorld) -> None:
    good, bad = "/data/work/a.txt", "/data/../outside/secret.txt"
    for body in (
        {"paths": [good, bad], "to": "/data/work/sub"},
        {"paths": [bad, good], "to": "/data/work/sub"},
    ):
        for verb in ("move", "copy"):
            assert_refused(world.ask("POST", f"/api/files/{verb}", json=body))
        assert_refused(world.ask("POST", "/api/files/delete", json={"paths": body["paths"]}))
    assert (world.inside / "a.txt").exists()
    assert os.listdir(world.inside / "sub") == []
    world.assert_unharmed()


def test_19_each_of_many_has_its_own_result(world: AttackWorld) -> None:
    (world.inside / "sub" / "a.txt").write_text("there")
    body = {
        "paths": ["/data/work/a.txt", "/data/work/p.png"],
        "to": "/data/work/sub",
        "conflict": "skip",
    }
    results = world.ask("POST", "/api/files/copy", json=body).get_json()["results"]
    assert [(one["path"], one["status"]) for one in results] == [
        ("/data/work/a.txt", "skipped"),
        ("/data/work/p.png", "done"),
    ]


def test_20_staging_and_trash_are_not_to_be_read(world: AttackWorld) -> None:
    begun = world.ask(
        "POST",
        "/api/files/uploads",
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "100",
            "Upload-Metadata": "folder L2RhdGEvd29yaw==,filename Yi50eHQ=",
            "Content-Type": "application/offset+octet-stream",
        },
        data=SECRET,
    )
    upload_id = begun.headers["Location"].rpartition("/")[2]
    (world.inside / "trashed.txt").write_bytes(SECRET)
    gone = world.ask("POST", "/api/files/delete", json={"paths": ["/data/work/trashed.txt"]})
    trash_id = gone.get_json()["trash_id"]
    for path in (
        *(".uploads", f".uploads/{upload_id}", f".uploads/{upload_id}/data"),
        *(".trash", f".trash/{trash_id}", f".trash/{trash_id}/0", f".trash/{trash_id}/info.json"),
    ):
        for answer in try_all_routes(world, f"data/{path}"):
            assert_refused(answer)
    flat = world.ask("GET", "/api/resources/recursive/data").get_data()
    top = world.ask("PROPFIND", "/dav/data", headers={"Depth": "1"}).get_data()
    listed = world.ask("GET", "/api/files?path=/data&hidden=1").get_data()
    for told in (flat, top, listed):
        assert b".uploads" not in told
        assert b".trash" not in told
        assert trash_id.encode() not in told
