"""The vendor's extras: where pictures go, what the answer says, what is refused."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from webapp.errors import Refused
from webapp.requests.eas import EasStatus, SaveFolder, locate, split_extras

SMALL = {"prompt": "girls", "width": 64, "height": 64, "steps": 2, "seed": 1146644551}
MOUNT = "/code/stable-diffusion-webui/data-oss"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


def request(count: int = 1, **extras: object) -> dict[str, object]:
    """A request with the vendor's extras."""
    return {**SMALL, "n_iter": count, "alwayson_scripts": extras}


def test_the_guides_answer(house: Any) -> None:
    asked = request(2, sd_model_checkpoint="deliberate_v2.safetensors", sd_vae="Automatic",
                    save_dir=f"{MOUNT}/outputs", id_task="14837")  # fmt: skip
    answer = house.txt2img(asked)
    assert answer.status_code == 200
    body = answer.get_json()
    assert list(body) == ["images", "parameters", "info"]
    assert (body["images"], body["info"]) == ([], "")
    facts = body["parameters"]
    assert list(facts) == ["id_task", "status", "image_url", "seed", "error_msg", "total_time"]
    assert (facts["id_task"], facts["status"], facts["error_msg"]) == ("14837", 0, "")
    assert facts["seed"] == "1146644551,1146644552"
    assert isinstance(facts["total_time"], float)
    grid, first, second = facts["image_url"].split(",")
    day = "2026-01-02"
    assert re.fullmatch(f"{MOUNT}/outputs/txt2img-grids/{day}/grid-{UUID}.png", grid)
    assert re.fullmatch(f"{MOUNT}/outputs/txt2img-images/{day}/{UUID}-1146644551.png", first)
    assert second.endswith("-1146644552.png")
    for url in (grid, first, second):
        assert (house.data_dir / url.removeprefix(f"{MOUNT}/")).is_file()
    assert house.jobs[0].request.checkpoint == "deliberate_v2.safetensors"


def test_one_picture_has_no_grid(house: Any) -> None:
    facts = house.txt2img(request(save_dir="tmp/outputs")).get_json()["parameters"]
    assert re.fullmatch(
        f"/code/stable-diffusion-webui/data/tmp/outputs/txt2img-images/2026-01-02/{UUID}-\\d+.png",
        facts["image_url"],
    )
    assert facts["id_task"]


def test_other_extras_keep_the_usual_answer(house: Any) -> None:
    body = house.txt2img(request(2, id_task=14837, uid=123)).get_json()
    assert len(body["images"]) == 2
    facts = body["parameters"]
    assert (facts["id_task"], facts["status"], facts["image_url"]) == ("14837", 0, "")
    assert facts["seed"] == "1146644551,1146644552"
    assert facts["prompt"] == "girls"
    assert json.loads(body["info"])["seed"] == 1146644551


def test_a_stopped_request_says_so(house: Any) -> None:
    whole = house.draw
    house.draw = lambda job: replace(whole(job), stopped=True)
    facts = house.txt2img(request(save_dir="outputs")).get_json()["parameters"]
    assert facts["status"] == EasStatus.INTERRUPTED == 1
    assert facts["image_url"]


def test_what_there_is_to_say_stands_in_info(house: Any) -> None:
    whole = house.draw
    house.draw = lambda job: replace(whole(job), comments=("LoRA not found: x",))
    answer = house.txt2img(request(save_dir="outputs")).get_json()
    assert json.loads(answer["info"]) == {"comments": ["LoRA not found: x"]}


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"override_settings": {"nothing": 1}},
        {"alwayson_scripts": {"save_dir": "o", "id_task": "7", "sd_model_checkpoint": "none"}},
        {"alwayson_scripts": {"save_dir": "../o", "id_task": "7"}},
    ],
)
def test_refusals_are_told_in_the_vendors_form_too(house: Any, change: dict[str, Any]) -> None:
    answer = house.txt2img(request(save_dir="outputs", id_task="7") | change)
    assert answer.status_code == 422
    body = answer.get_json()
    assert {"detail", "images", "parameters", "info"} <= set(body)
    facts = body["parameters"]
    assert (facts["id_task"], facts["status"]) == ("7", EasStatus.REFUSED)
    assert facts["error_msg"]
    assert (facts["image_url"], facts["seed"], facts["total_time"]) == ("", "", 0)


def test_refusals_without_save_dir_are_the_envelope_alone(house: Any) -> None:
    assert set(house.txt2img(request(id_task="7") | {"steps": 0}).get_json()) == {
        "error", "detail", "body", "errors", "code", "field", "values",
    }  # fmt: skip


def test_the_address_may_name_the_task(build: Any) -> None:
    house = build()
    url = "/sdapi/v1/txt2img?task_id=job_001"
    body = house.client().post(url, json=request(save_dir="outputs")).get_json()
    assert body["parameters"]["id_task"] == "job_001"
    asked = {"id_task": "job_001"}
    assert house.client().post("/internal/progress", json=asked).get_json()["completed"]
    named = house.client().post(url, json=request(save_dir="outputs", id_task="7")).get_json()
    assert named["parameters"]["id_task"] == "7"
    long = house.client().post("/sdapi/v1/txt2img?task_id=" + "x" * 1001, json=SMALL)
    assert long.status_code == 422


@pytest.mark.parametrize(
    "save_dir",
    [
        "/etc",
        "/tmp/outputs",
        "../outputs",
        "outputs/../../x",
        f"{MOUNT}/../secret",
        "/code/stable-diffusion-webui/data-other",
        "/code/stable-diffusion-webui/dataset",
        "models",
        "models/Stable-diffusion",
        f"{MOUNT}/models/Lora",
        "Models/Lora",
        "./models",
        "extensions/x",
        "embeddings",
        ".easel",
        "outputs/../.easel",
        "trap",
        "trap/deeper",
        "inner",
        "inside",
        "loop",
        ".trash",
        ".uploads/x",
        ".hidden/x",
        "outputs/.hidden",
        "outputs/.trash/x",
        "config.json",
        "Config.json.old",
        "styles.csv",
        "file/x",
        "a\0b",
        "oss://bucket/outputs",
        "x" * 5000,
        "outputs/" + "x" * 300,
    ],
)
def test_save_dirs_outside_are_refused(house: Any, tmp_path: Path, save_dir: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (house.data_dir / "trap").symlink_to(tmp_path / "elsewhere")
    (house.data_dir / "inner").symlink_to(house.data_dir / "models")
    (house.data_dir / "file").touch()
    (house.data_dir / "other").mkdir()
    (house.data_dir / "inside").symlink_to(house.data_dir / "other")
    (house.data_dir / "loop").symlink_to(house.data_dir / "loop")
    answer = house.txt2img(request(save_dir=save_dir))
    assert answer.status_code == 422, answer.text
    assert "save_dir" in answer.get_json()["detail"]
    assert not house.jobs
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_that_appears_later_is_not_followed(house: Any, tmp_path: Path) -> None:
    whole = house.draw

    def turn(job: Any) -> Any:
        (house.data_dir / "outputs").symlink_to(tmp_path)
        return whole(job)

    house.draw = turn
    assert house.txt2img(request(save_dir="outputs")).status_code == 507
    assert list(tmp_path.rglob("*-1146644551.png")) == []


OUTDIRS = ("outdir_txt2img_samples", "outdir_txt2img_grids")


@pytest.mark.parametrize("door", ["override", "options"])
@pytest.mark.parametrize("folder", ["link", "link/x", "/etc", ".trash", ".uploads/x", "models/x"])
def test_folders_of_options_stay_inside(house: Any, tmp_path: Path, folder: str, door: str) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (house.data_dir / "link").symlink_to(outside)
    for name in OUTDIRS:
        body = {"prompt": "a", "steps": 1, "width": 8, "height": 8, "save_images": True}
        if door == "options":
            house.options.update({name: folder})
        else:
            body["override_settings"] = {name: folder}
        answer = house.txt2img(body)
        assert answer.status_code == 422, answer.text
        assert name in answer.get_json()["detail"]
        house.options.update({name: "outputs"})
    assert not house.jobs
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("where", ["outputs", "outputs/txt2img-images"])
def test_a_folder_of_an_option_that_becomes_a_link_later_is_not_followed(
    house: Any, tmp_path: Path, where: str
) -> None:
    whole, outside = house.draw, tmp_path / "elsewhere"
    outside.mkdir()

    def turn(job: Any) -> Any:
        place = house.data_dir / where
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(outside)
        return whole(job)

    house.draw = turn
    body = {"prompt": "a", "steps": 1, "width": 8, "height": 8, "save_images": True}
    answer = house.txt2img(body)
    assert answer.status_code == 507
    assert str(tmp_path) not in answer.text
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("pattern", ["../../x", "/etc/x", ".easel/x", ".hidden", "..", "a/../../b"])
def test_patterns_of_names_stay_inside_and_hide_nothing(house: Any, pattern: str) -> None:
    house.options.update(
        {
            "directories_filename_pattern": pattern,
            "samples_filename_pattern": pattern,
            "save_images_add_number": False,
            "outdir_txt2img_samples": "",
        }
    )
    before = set(house.data_dir.rglob("*")) | set(house.data_dir.parent.iterdir())
    body = {"prompt": "a", "steps": 1, "width": 8, "height": 8, "save_images": True}
    answer = house.txt2img(body)
    after = set(house.data_dir.rglob("*")) | set(house.data_dir.parent.iterdir())
    assert answer.status_code == 200, answer.text
    new = [
        path.relative_to(house.data_dir)
        for path in after - before
        if path.is_file() and not path.is_relative_to(house.data_dir / ".easel")
    ]
    assert any(path.suffix == ".png" for path in new)
    assert not [path for path in new if any(name.startswith(".") for name in path.parts)]


@pytest.mark.parametrize(
    ("save_dir", "place"),
    [
        ("outputs", SaveFolder("outputs", "/mnt/a")),
        ("outputs/", SaveFolder("outputs", "/mnt/a")),
        ("./outputs//x", SaveFolder("outputs/x", "/mnt/a")),
        ("/mnt/a/b", SaveFolder("b", "/mnt/a")),
        ("/mnt/a/", SaveFolder("", "/mnt/a")),
        ("/mnt/a-2/b", SaveFolder("b", "/mnt/a-2")),
        ("//mnt//a//b", SaveFolder("b", "/mnt/a")),
    ],
)
def test_places(tmp_path: Path, save_dir: str, place: SaveFolder) -> None:
    assert locate(save_dir, tmp_path, ("/mnt/a", "/mnt/a-2")) == place


def test_the_data_directorys_own_path_is_a_mount(tmp_path: Path) -> None:
    assert locate(f"{tmp_path}/outputs", tmp_path, ()) == SaveFolder("outputs", str(tmp_path))


@pytest.mark.parametrize("name", ["Seed", "sampler", "refiner", "Hypertile", "extra options"])
def test_harmless_scripts_are_tolerated(name: str) -> None:
    assert split_extras({name: {"args": [True]}}) is None


def test_empty_extras_are_none() -> None:
    assert split_extras({}) is None
    assert split_extras({"save_dir": None}) is None
    with pytest.raises(Refused, match="a string"):
        split_extras({"uid": True})
