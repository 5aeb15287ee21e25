"""The lists of scripts against those that AUTOMATIC1111 told."""

import json
from pathlib import Path

from webapp.requests.scripts_info import (
    InstalledChoices,
    PluginScripts,
    script_info,
    scripts_by_route,
)

M2M = "controlnet m2m"  # of the extension, for films: told by name, for who looks for it


def read_recording(goldens: Path, name: str) -> object:
    found = json.loads((goldens / "get" / f"{name}.json").read_text("utf-8"))
    return found.get("body", found) if isinstance(found, dict) else found


def test_scripts_are_those_recorded(goldens: Path) -> None:
    wanted = read_recording(goldens, "scripts")
    assert isinstance(wanted, dict)
    assert scripts_by_route() == wanted


def test_adetailer_is_listed_where_the_detailer_takes_its_arguments() -> None:
    told = scripts_by_route(PluginScripts(panels={"detailer": ()}))
    assert all(names[-2:] == ["detailer", "adetailer"] for names in told.values())
    assert "adetailer" not in scripts_by_route(PluginScripts(panels={"pace": ()}))["txt2img"]


def test_arguments_are_those_recorded(goldens: Path) -> None:
    wanted = read_recording(goldens, "script-info")
    assert isinstance(wanted, list)
    by_name = {(entry["name"], entry["is_img2img"]): entry for entry in wanted}
    upscale = by_name["sd upscale", True]["args"][2]["choices"]
    refiner = by_name["refiner", False]["args"][1]["choices"]
    told = script_info(InstalledChoices(tuple(refiner), tuple(upscale), units=3))
    assert json.loads(json.dumps(told)) == [entry for entry in wanted if entry["name"] != M2M]
