"""What flags say of users: enforced options, limited folders, shared plugins."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from plugins.api import Side
from tests.plugins.plugin_files import make_plugin
from tests.webapp.conftest import configuration
from webapp.access.scopes import AccessScope
from webapp.access.secret import Secret
from webapp.accounts.api_tokens import TokenSpec
from webapp.accounts.audit import Actor
from webapp.accounts.roles import Role
from webapp.plugins.plugin_factory import create_host
from webapp.settings.config import parse
from webapp.settings.flag_checks import UnknownFlag
from webapp.settings.option_store import OptionStore

WEB = """
from plugins.api import Reply, Route, Scope

@hook
def routes():
    return [Route("/hello", lambda ask: Reply("hello"), scope=Scope.READERS)]

@hook
def choices():
    return {"upscalers": ["Greeting"]}
"""
TASK = """
@hook
def task(verb, body, tell):
    return body
"""


@pytest.fixture
def served(build: Any, sqlite_url: Secret) -> Callable[..., dict[str, FlaskClient]]:
    """Makes clients of a member and an admin of a service with some flags."""

    def make(**changes: Any) -> dict[str, FlaskClient]:
        house = build(accounts=True, database_url=sqlite_url, **changes)
        accounts = house.app.extensions["easel.services"].accounts
        clients = {}
        for name, role, scope in (
            ("ann", Role.MEMBER, AccessScope.USER), ("root", Role.ADMIN, AccessScope.OWNER),
        ):  # fmt: skip
            accounts.add_user(Actor("test"), name, role, None)
            token, _ = accounts.add_token(Actor("test"), name, TokenSpec("test", (scope,)))
            clients[name] = house.client(authorization=f"Bearer {token.reveal()}")
        return clients

    return make


def test_an_enforced_option_is_the_admins(served: Any) -> None:
    clients = served(enforced_options=("jpeg_quality",))
    ann, root = clients["ann"], clients["root"]
    assert root.post("/sdapi/v1/options", json={"jpeg_quality": 55}).status_code == 200
    whole = ann.get("/sdapi/v1/options").get_json()
    assert whole["jpeg_quality"] == 55
    assert ann.post("/sdapi/v1/options", json=whole).status_code == 200  # nothing is changed
    refused = ann.post("/sdapi/v1/options", json={"jpeg_quality": 90, "n_rows": 3})
    assert refused.status_code == 403
    assert "jpeg_quality" in refused.get_json()["detail"]
    assert ann.get("/sdapi/v1/options").get_json()["n_rows"] == -1
    drawn = {"prompt": "x", "steps": 1, "override_settings": {"jpeg_quality": 90}}
    assert ann.post("/sdapi/v1/txt2img", json=drawn).status_code == 403
    assert root.post("/sdapi/v1/txt2img", json=drawn).status_code == 200


def test_a_folder_to_look_at_is_shown_and_not_handed_out(served: Any) -> None:
    ann = served(folder_rights=(("public", "view"),))["ann"]
    path = "/public/Stable-diffusion/painter.safetensors"
    assert ann.get(f"/api/files/preview?path={path}").status_code == 200
    addresses = (f"content?path={path}", f"archive?path={path}", f"text?path={path}")
    others = (f"/api/raw{path}", f"/api/resources{path}?checksum=md5", f"/dav{path}")
    for address in (*(f"/api/files/{each}" for each in addresses), *others):
        assert ann.get(address).status_code == 403, address
    for address, body in (
        ("/api/files/shares", {"path": path}),
        ("/api/files/copy", {"paths": [path], "to": "/data/models"}),
    ):
        assert ann.post(address, json=body).status_code == 403, address


def test_an_option_that_is_none_is_no_flags_value(tmp_path: Path) -> None:
    with pytest.raises(UnknownFlag, match="Did you mean jpeg_quality"):
        parse(["--data-dir", str(tmp_path), "--enforce-option", "jpg_quality"], {})


@pytest.mark.parametrize("shared", [False, True])
def test_plugins_of_the_data_directory_are_shared_by_a_flag(
    shared: bool, served: Any, tmp_path: Path
) -> None:
    make_plugin(tmp_path / "data0", "greeter", web=WEB, hooks="routes choices")
    clients = served(root_extensions=shared)
    names = {
        who: {each["name"] for each in client.get("/api/plugins").get_json()["plugins"]}
        for who, client in clients.items()
    }
    assert names["root"] - names["ann"] == (set() if shared else {"greeter"})
    assert "pace" in names["ann"]
    assert clients["root"].get("/plugins/greeter/hello").status_code == 200
    assert clients["ann"].get("/plugins/greeter/hello").status_code == (200 if shared else 404)
    for who, client in clients.items():
        listed = client.get("/sdapi/v1/upscalers").get_json()
        offered = "Greeting" in [each["name"] for each in listed]
        assert offered is (shared or who == "root"), who


def test_a_users_job_passes_shipped_plugins_alone(tmp_path: Path) -> None:
    make_plugin(tmp_path, "greeter", worker=TASK, hooks="task")
    config = configuration(tmp_path)
    options = OptionStore(tmp_path / "config.json")
    host = create_host(Side.WORKER, config, options, logging.getLogger("test"))
    try:
        assert host.has("greeter", "task")
        with host.shipped_only():
            assert not host.has("greeter", "task")
            assert host.implements("before_generate")  # of those that Easel ships
        assert host.has("greeter", "task")
    finally:
        host.stop()
