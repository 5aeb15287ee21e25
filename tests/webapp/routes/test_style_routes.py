"""Styles are made, changed and thrown away; what else lies in their file stays."""

from pathlib import Path
from typing import Any

import pytest

FIRST = 'name,prompt,negative_prompt\n#note,kept,\nink,"ink of {prompt}",colour\n'
INK = {"name": "ink", "prompt": "ink of {prompt}", "negative_prompt": "colour"}
OIL = {"name": "oil", "prompt": 'oil, "thick"\nlines', "negative_prompt": "flat"}


@pytest.fixture
def styled_house(build: Any) -> Any:
    house = build()
    (house.data_dir / "styles.csv").write_text(FIRST)
    return house


def put(house: Any, **body: object) -> Any:
    return house.client().put("/api/styles", json=body)


def list_styles(house: Any) -> Any:
    return house.client().get("/sdapi/v1/prompt-styles").get_json()


def test_a_style_is_made_changed_and_thrown_away(styled_house: Any) -> None:
    assert put(styled_house, **OIL).get_json() == list_styles(styled_house) == [INK, OIL]
    assert put(styled_house, **OIL | {"prompt": "thin"}).get_json()[1]["prompt"] == "thin"
    renamed = put(styled_house, name="water", prompt="w", previous="ink").get_json()
    assert [style["name"] for style in renamed] == ["water", "oil"]
    gone = styled_house.client().delete("/api/styles", query_string={"name": "water"})
    assert [style["name"] for style in gone.get_json()] == ["oil"]
    text = (styled_house.data_dir / "styles.csv").read_text(encoding="utf-8-sig")
    assert "#note,kept," in text  # comments stay
    assert (styled_house.data_dir / "styles.csv").stat().st_mode & 0o777 == 0o644


def test_the_first_style_makes_the_file(house: Any) -> None:
    assert put(house, **OIL).get_json() == list_styles(house) == [OIL]
    drawn = house.txt2img({"prompt": "a cat", "styles": ["oil"], "width": 64, "height": 64})
    assert drawn.status_code == 200
    assert house.jobs[-1].request.styles == ("oil",)


def test_a_style_stays_in_the_file_that_it_comes_from(build: Any, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine.csv", tmp_path / "theirs.csv"
    theirs.write_text(FIRST)
    house = build(styles_files=(mine, theirs))
    put(house, **OIL)
    put(house, **INK | {"prompt": "pencil"})
    assert "oil" in mine.read_text()
    assert "ink" not in mine.read_text()
    assert "pencil" in theirs.read_text()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": "x"}, "name"),
        ({"name": " "}, "name"),
        ({"name": "#hidden"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "oil", "prompt": "x" * 20_001}, "prompt"),
        ({"name": "oil", "negative_prompt": "\0"}, "negative_prompt"),
        ({"name": "new", "previous": "ink", "prompt": []}, "prompt"),
        ({"name": "ink", "previous": "other"}, "name"),
    ],
)
def test_what_is_no_style_names_its_field(styled_house: Any, body: Any, field: str) -> None:
    put(styled_house, name="other", prompt="o")
    before = list_styles(styled_house)
    answer = put(styled_house, **body)
    assert answer.status_code == 422
    assert answer.get_json()["detail"][0]["loc"][-1] == field
    assert list_styles(styled_house) == before


def test_an_unknown_style_is_404(styled_house: Any) -> None:
    gone = styled_house.client().delete("/api/styles?name=nobody")
    assert gone.status_code == put(styled_house, name="x", previous="nobody").status_code == 404
    assert "nobody" in gone.get_json()["detail"]
    assert list_styles(styled_house) == [INK]


def test_a_file_that_cannot_be_written_is_said(build: Any, tmp_path: Path) -> None:
    house = build(styles_files=(tmp_path / "missing" / "styles.csv",))
    answer = put(house, **OIL)
    assert answer.status_code == 507
    assert "cannot be written" in answer.get_json()["detail"]


def test_nonsense_is_told_by_the_list_of_styles_alone(house: Any) -> None:
    (house.data_dir / "styles.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0junk")
    told = house.client().get("/sdapi/v1/prompt-styles")
    assert told.status_code == 422
    assert "styles.csv: its first line names no column `name`" in told.get_json()["detail"]
    body = {"prompt": "a", "styles": ["ink"], "steps": 1}
    assert house.client().post("/sdapi/v1/txt2img", json=body).status_code == 200
    pasted = house.client().post("/internal/infotext", json={"infotext": "a\nSteps: 1"})
    assert pasted.status_code == 200
