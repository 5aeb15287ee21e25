"""What the page of settings is told of the options, and how they are taken back."""

import json
from typing import Any

import pytest

from webapp.settings.options_table import OPTIONS


def ask_list(house: Any) -> Any:
    return house.client().get("/api/options").get_json()


def facts(house: Any, name: str) -> Any:
    return next(each for each in ask_list(house)["options"] if each["name"] == name)


def reset(house: Any, *names: str) -> Any:
    return house.client().post("/api/options/reset", json={"names": names})


def test_each_option_that_acts_is_told_and_the_idle_ones_by_name(house: Any) -> None:
    told = ask_list(house)
    assert [each["name"] for each in told["options"]] == [o.name for o in OPTIONS if not o.idle]
    assert told["idle"] == [option.name for option in OPTIONS if option.idle]
    assert told["quick"] == ["sd_model_checkpoint"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("samples_save", "switch"),
        ("jpeg_quality", "whole"),
        ("eta_ddim", "number"),
        ("randn_source", "choice"),
        ("samples_format", "choice"),
        ("quicksettings_list", "words"),
        ("samples_filename_pattern", "text"),
        ("grid_background_color", "colour"),
    ],
)
def test_the_kind_says_how_an_option_is_shown(house: Any, name: str, kind: str) -> None:
    assert facts(house, name)["kind"] == kind


def test_each_choice_that_is_offered_is_taken(house: Any) -> None:
    for option in ask_list(house)["options"]:
        assert (option["kind"] == "choice") is bool(option["choices"]) or not option["choices"]
        for choice in option["choices"]:
            answer = house.client().post("/sdapi/v1/options", json={option["name"]: choice})
            assert answer.status_code == 200, (option["name"], choice)
    house.client().post("/sdapi/v1/options", json={"sd_vae": "Automatic"})


def test_what_is_set_is_told_and_taken_back(house: Any) -> None:
    path = house.data_dir / "config.json"
    sent = {"jpeg_quality": 61, "n_rows": 3, "quicksettings_list": ["tiling", "tiling", "font"]}
    assert house.client().post("/sdapi/v1/options", json=sent).status_code == 200
    told = facts(house, "jpeg_quality")
    assert (told["value"], told["default"], told["own"]) == (61, 80, True)
    assert (told["least"], told["most"]) == (1, 100)
    assert ask_list(house)["quick"] == ["tiling"]  # once; an idle one does nothing in sight
    again = reset(house, "jpeg_quality", "tiling").get_json()
    assert next(o for o in again["options"] if o["name"] == "jpeg_quality")["own"] is False
    assert facts(house, "n_rows")["value"] == 3
    assert "jpeg_quality" not in json.loads(path.read_text())


@pytest.mark.parametrize("names", [["no_such_option"], "n_rows", ["n_rows"] * 5000, None])
def test_what_is_no_option_takes_nothing_back(house: Any, names: object) -> None:
    house.client().post("/sdapi/v1/options", json={"n_rows": 3})
    answer = house.client().post("/api/options/reset", json={"names": names})
    assert answer.status_code == 422
    assert facts(house, "n_rows")["value"] == 3
