"""docs/api.md lists every route with its status against AUTOMATIC1111; nothing of it is missing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from webapp.http.openapi import CONVERTER

PAGE = Path(__file__).parents[3] / "docs/api.md"
ROW = re.compile(r"^\| ([A-Z]+ /\S*(?: /\S*)*) \| (.+) \|$", re.M)
FILES = ("/api/files", "/api/resources", "/api/raw", "/api/usage", "/s/")
"""Routes below these are listed in docs/files.md; test_file_rights compares them."""
WITH_REASON = ("differs", "ours", "theirs", "better")
STATUS = re.compile(rf"same\b|(?:{'|'.join(WITH_REASON)})[:,;] ?\S.+")

CONTRACT = """
POST /sdapi/v1/{txt2img img2img extra-single-image extra-batch-images png-info interrogate}
POST /sdapi/v1/{interrupt skip options refresh-embeddings refresh-checkpoints refresh-vae}
POST /sdapi/v1/{create/embedding create/hypernetwork train/embedding train/hypernetwork}
POST /sdapi/v1/{unload-checkpoint reload-checkpoint server-kill server-restart server-stop}
POST /sdapi/v1/{refresh-loras}
GET /sdapi/v1/{progress options cmd-flags samplers schedulers upscalers latent-upscale-modes}
GET /sdapi/v1/{sd-models sd-vae hypernetworks face-restorers realesrgan-models prompt-styles}
GET /sdapi/v1/{embeddings memory scripts script-info extensions loras}
GET /sdapi/v1/{sd-modules version platform gpu extra-networks detailers unets}
GET /controlnet/{version model_list module_list control_types settings}
POST /controlnet/{detect render_openpose_json}
GET /internal/{pending-tasks ping quicksettings-hint profile-startup sysinfo sysinfo-download}
POST /internal/{progress}
GET /sd_extra_networks/{thumb cover-images metadata get-single-card}
GET /{config user queue/status openapi.json docs redoc}
POST /{login}
"""
"""Sections 1.1, 1.11 to 1.15: what an AUTOMATIC1111 answers, and its neighbours' probes."""

GONE = ["artists", "artist-categories"]  # removed long ago; old clients still ask


def rows() -> dict[str, str]:
    """Route -> status, as the page has them."""
    table = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {route: status for routes, status in table for route in routes.split("<br>")}


def routes_of(house: Any) -> set[str]:
    """Every route but the page's own files and WebDAV, which OpenAPI cannot tell."""
    return {
        f"{method} {rule.rule}"
        for rule in house.app.url_map.iter_rules()
        if not rule.endpoint.startswith(("pages.", "dav."))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def contract() -> list[str]:
    """The routes of the contract, one by one."""
    return [
        f"{start}{name}"
        for line in CONTRACT.split("\n")
        if line
        for start, names in [line.rstrip("}").split("{")]
        for name in names.split()
    ]


@pytest.fixture
def full_house(build: Any) -> Any:
    """A house with every route that a flag brings."""
    return build(api_server_stop=True)


def test_every_route_is_listed_and_nothing_else(full_house: Any) -> None:
    ours = {
        route for route in routes_of(full_house) if not route.partition(" ")[2].startswith(FILES)
    }
    listed = set(rows())
    assert sorted(ours - listed) == []
    assert sorted(listed - ours) == []


def test_every_status_is_one_of_the_five_and_says_why() -> None:
    odd = {route: status for route, status in rows().items() if not STATUS.match(status)}
    assert odd == {}


@pytest.mark.parametrize("route", contract())
def test_every_route_of_the_contract_is_here(full_house: Any, route: str) -> None:
    assert route in routes_of(full_house)
    assert not rows()[route].startswith("ours")


def test_every_recorded_route_is_listed(goldens: Path) -> None:
    recorded = json.loads((goldens / "openapi.json").read_text())["paths"]
    theirs = {
        f"{method.upper()} {path}" for path, methods in recorded.items() for method in methods
    }
    listed = {CONVERTER.sub(r"{\1}", route) for route in rows()}
    assert len(theirs) > 40
    assert sorted(theirs - listed) == []


def test_the_schema_tells_of_every_route(full_house: Any) -> None:
    document = full_house.client().get("/openapi.json").get_json()
    told = {f"{m.upper()} {path}" for path, methods in document["paths"].items() for m in methods}
    ours = {CONVERTER.sub(r"{\1}", route) for route in routes_of(full_house)}
    assert sorted(ours - told) == []


@pytest.mark.parametrize("name", GONE)
def test_routes_of_long_ago_are_not_found(house: Any, name: str) -> None:
    answer = house.client().get(f"/sdapi/v1/{name}")
    assert (answer.status_code, answer.get_json()) == (404, {"detail": "Not Found"})


def test_probes_of_sd_next(house: Any) -> None:
    client = house.client()
    found = client.get("/sdapi/v1/extra-networks?page=lora").get_json()
    assert [(entry["name"], entry["type"]) for entry in found] == [("style", "lora")]
    everything = client.get("/sdapi/v1/extra-networks").get_json()
    assert {entry["type"] for entry in everything} == {"model", "lora", "vae"}
    assert client.get("/sdapi/v1/extra-networks?name=clear").get_json()[0]["type"] == "vae"
    for name in ("gpu", "detailers", "unets"):
        assert client.get(f"/sdapi/v1/{name}").get_json() == []
