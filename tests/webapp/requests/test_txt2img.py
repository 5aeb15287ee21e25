"""POST /sdapi/v1/txt2img: what comes back, what is refused, what reaches the worker."""

import base64
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from generator.errors import CannotSave, ModelUnreadable, NotANumber
from generator.request import Generation
from webapp.files.output_files import PictureFiles
from webapp.queues.job_codec import QueuedGeneration

SMALL = {"prompt": "a red house", "width": 64, "height": 64, "steps": 2, "seed": 7}
INFO_KEYS = [
    "prompt",
    "all_prompts",
    "negative_prompt",
    "all_negative_prompts",
    "seed",
    "all_seeds",
    "subseed",
    "all_subseeds",
    "subseed_strength",
    "width",
    "height",
    "sampler_name",
    "cfg_scale",
    "steps",
    "batch_size",
    "restore_faces",
    "face_restoration_model",
    "sd_model_name",
    "sd_model_hash",
    "sd_vae_name",
    "sd_vae_hash",
    "seed_resize_from_w",
    "seed_resize_from_h",
    "denoising_strength",
    "extra_generation_params",
    "index_of_first_image",
    "infotexts",
    "styles",
    "job_timestamp",
    "clip_skip",
    "is_using_inpainting_conditioning",
    "version",
]


def open_image(text: str) -> Image.Image:
    """A picture of the answer."""
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_answer_has_pictures_parameters_and_info(house: Any) -> None:
    answer = house.txt2img({**SMALL, "batch_size": 2, "n_iter": 2})
    assert answer.status_code == 200
    body = answer.get_json()
    assert list(body) == ["images", "parameters", "info"]
    assert [open_image(image).size for image in body["images"]] == [(64, 64)] * 4
    info = json.loads(body["info"])
    assert list(info) == INFO_KEYS
    assert info["all_seeds"] == [7, 8, 9, 10]
    assert info["index_of_first_image"] == 0
    assert open_image(body["images"][1]).info["parameters"] == info["infotexts"][1]


def test_parameters_echo_every_field(house: Any, goldens: Any) -> None:
    golden = json.loads((goldens / "cases/force_task_id.response.json").read_text())
    request = json.loads((goldens / "cases/force_task_id.request.json").read_text())
    echoed = house.txt2img(request["body"]).get_json()["parameters"]
    assert json.dumps(echoed) == json.dumps(golden["body"]["parameters"])


def test_defaults_reach_the_worker(house: Any) -> None:
    house.txt2img({})
    wanted = house.jobs[0].request
    assert (wanted.sampling.sampler, wanted.sampling.schedule) == ("Euler", "Automatic")
    assert (wanted.sampling.steps, wanted.sampling.guidance) == (50, 7.0)
    assert 0 <= wanted.seeds.seed < 4294967294


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ({"steps": "3"}, ("sampling.steps", 3)),
        ({"width": 64.7}, ("width", 64)),
        ({"seed": None}, ("batches", 1)),
        ({"seed": -5}, ("seeds.seed", -5)),
        ({"sampler_name": "DPM++ 2M Karras"}, ("sampling.schedule", "Karras")),
        ({"sampler_name": "Nope"}, ("sampling.sampler", "DPM++ 2M")),
        ({"cfg_scale": "4.5"}, ("sampling.guidance", 4.5)),
        ({"disable_extra_networks": "true"}, ("disable_extra_networks", True)),
        (
            {"override_settings": {"CLIP_stop_at_last_layers": 2}},
            ("options.CLIP_stop_at_last_layers", 2),
        ),
        (
            {"override_settings": {"sd_model_checkpoint": "painter"}},
            ("checkpoint", "painter.safetensors"),
        ),
        ({"override_settings": {"sd_model_checkpoint": "nope"}}, ("checkpoint", "")),
        ({"unknown_field": 1}, ("width", 64)),
        ({"denoising_strength": 0.7, "hr_scale": 2, "hr_upscaler": "Latent"}, ("width", 64)),
    ],
)
def test_coercion(house: Any, body: dict[str, object], seen: tuple[str, object]) -> None:
    answer = house.txt2img({**SMALL, **body})
    assert answer.status_code == 200, answer.text
    found: object = house.jobs[0].request
    for name in seen[0].split("."):
        found = getattr(found, name)
    assert found == seen[1]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("steps", "abc", "type_error.integer"),
        ("prompt", ["a"], "type_error.str"),
        ("cfg_scale", "nan", "type_error.float"),
        ("save_images", None, "type_error.none.not_allowed"),
        ("alwayson_scripts", [], "type_error.dict"),
        ("styles", "x", "type_error.list"),
        ("send_images", "perhaps", "type_error.bool"),
        ("firstpass_image", "x", "value_error.not_implemented"),
    ],
)
def test_faults_name_the_field(house: Any, field: str, value: object, kind: str) -> None:
    answer = house.txt2img({**SMALL, field: value})
    assert answer.status_code == 422
    fault = answer.get_json()["detail"][0]
    assert fault["loc"] == ["body", field]
    assert fault["type"] == kind
    assert not house.jobs


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 10**9}, "steps"),
        ({"width": 0}, "width"),
        ({"height": 99999}, "height"),
        ({"batch_size": 0}, "batch_size"),
        ({"n_iter": -1}, "n_iter"),
        ({"batch_size": 64, "n_iter": 1000}, "n_iter"),
        ({"cfg_scale": 1e9}, "cfg_scale"),
        ({"seed": 10**30}, "seed"),
        ({"seed": 2**63 - 1, "batch_size": 2}, "seed"),
        ({"subseed": 2**63 - 1, "n_iter": 2}, "subseed"),
        ({"seed": 2**63 - 1, "override_settings": {"eta_noise_seed_delta": 5}}, "seed"),
        ({"override_settings": {"rho": 1e-9}}, "rho"),
        ({"override_settings": {"img2img_background_color": "zzz"}}, "#ffffff"),
        ({"subseed_strength": 2}, "subseed_strength"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "a" * 100_001}, "prompt"),
        ({"script_name": "nope"}, "Script 'nope' not found"),
        ({"alwayson_scripts": {"nope": {"args": []}}}, "Script 'nope' not found"),
        ({"alwayson_scripts": {"prompt matrix": {"args": []}}}, "selectable script"),
        ({"alwayson_scripts": {"sd_model_checkpoint": "nope"}}, "nope"),
        ({"alwayson_scripts": {"sd_vae": "nope"}}, "nope"),
        ({"alwayson_scripts": {"sd_model_checkpoint": {"args": []}}}, "sd_model_checkpoint"),
        ({"override_settings": {"no_such_setting": 1}}, "no_such_setting"),
    ],
)
def test_refusals_say_why(house: Any, body: dict[str, object], word: str) -> None:
    answer = house.txt2img({**SMALL, **body})
    assert answer.status_code == 422
    told = answer.get_json()
    assert set(told) == {"error", "detail", "body", "errors", "code", "field", "values"}
    assert word in told["detail"]
    assert not house.jobs


@pytest.mark.parametrize(
    ("data", "loc"),
    [
        (b'{"prompt": ', ["body", 11]),
        (b"", ["body"]),
        (b"[1]", ["body"]),
        (b'{"a": "\xff"}', ["body"]),
        (b"[" * 100_000, ["body"]),
    ],
)
def test_bad_json(house: Any, data: bytes, loc: list[object]) -> None:
    answer = house.client().post("/sdapi/v1/txt2img", data=data, content_type="application/json")
    assert answer.status_code == 422
    assert answer.get_json()["detail"][0]["loc"] == loc


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (ModelUnreadable("x.safetensors is truncated"), 422, "ModelUnreadable"),
        (NotANumber("A tensor with NaNs was produced in Unet."), 500, "NansException"),
        (CannotSave("disk full"), 507, "CannotSave"),
        (MemoryError(), 500, "OutOfMemoryError"),
        (ZeroDivisionError("secret detail"), 500, "ZeroDivisionError"),
        (OSError(28, "No space left on device"), 507, "OSError"),
    ],
)
def test_failures_in_the_worker(house: Any, error: Exception, status: int, name: str) -> None:
    def fail(job: QueuedGeneration) -> Generation:
        raise error

    house.draw = fail
    answer = house.txt2img(SMALL)
    assert answer.status_code == status
    assert answer.get_json()["error"] == name
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_saved_pictures_are_numbered_and_the_grid_comes_first(house: Any) -> None:
    for _ in range(2):
        body = house.txt2img({**SMALL, "batch_size": 2, "save_images": True}).get_json()
    day = house.data_dir / "outputs/txt2img-images/2026-01-02"
    assert sorted(p.name for p in day.iterdir()) == [
        "00000-7.png", "00001-8.png", "00002-7.png", "00003-8.png",
    ]  # fmt: skip
    grids = house.data_dir / "outputs/txt2img-grids/2026-01-02"
    assert sorted(p.name for p in grids.iterdir()) == ["grid-0000.png", "grid-0001.png"]
    info = json.loads(body["info"])
    assert len(body["images"]) == len(info["infotexts"]) == 3
    assert info["index_of_first_image"] == 1


def test_images_can_be_left_out(house: Any) -> None:
    assert house.txt2img({**SMALL, "send_images": False}).get_json()["images"] == []


def test_the_answers_format_is_the_option_not_the_override(house: Any) -> None:
    override = {"override_settings": {"samples_format": "jpg"}, "save_images": True}
    body = house.txt2img({**SMALL, **override}).get_json()
    assert open_image(body["images"][0]).format == "PNG"
    assert next((house.data_dir / "outputs/txt2img-images/2026-01-02").iterdir()).suffix == ".jpg"
    house.options.update({"samples_format": "webp"})
    assert open_image(house.txt2img(SMALL).get_json()["images"][0]).format == "WEBP"


def test_a_full_disk_leaves_nothing(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = PictureFiles.write_new
    calls: list[object] = []

    def third_fails(files: PictureFiles, path: Any, data: bytes) -> bool:
        calls.append(path)
        if len(calls) == 3:
            raise CannotSave("The disk is full")
        return kept(files, path, data)

    monkeypatch.setattr(PictureFiles, "write_new", third_fails)
    answer = house.txt2img({**SMALL, "batch_size": 3, "save_images": True})
    assert answer.status_code == 507
    assert [p for p in (house.data_dir / "outputs").rglob("*") if p.is_file()] == []


def test_an_interrupted_job_keeps_its_last_batch_unsaved(house: Any) -> None:
    whole = house.draw

    def cut(job: QueuedGeneration) -> Generation:
        drawn = whole(job)
        return replace(drawn, pictures=drawn.pictures[:4], stopped=True)

    house.draw = cut
    body = house.txt2img({**SMALL, "batch_size": 2, "n_iter": 3, "save_images": True}).get_json()
    day = house.data_dir / "outputs/txt2img-images/2026-01-02"
    assert len(list(day.iterdir())) == 2
    info = json.loads(body["info"])
    assert len(info["all_seeds"]) == 6
    assert len(info["infotexts"]) == 5


def test_comments_of_the_engine_reach_info(house: Any) -> None:
    whole = house.draw
    house.draw = lambda job: replace(whole(job), comments=("LoRA 'x' is missing",))
    info = json.loads(house.txt2img(SMALL).get_json()["info"])
    assert info["comments"] == ["LoRA 'x' is missing"]


def test_overrides_may_be_kept(house: Any) -> None:
    override = {"override_settings": {"eta_noise_seed_delta": 31337}}
    house.txt2img({**SMALL, **override})
    assert house.options.get()["eta_noise_seed_delta"] == 0
    house.txt2img({**SMALL, **override, "override_settings_restore_afterwards": False})
    assert house.options.get()["eta_noise_seed_delta"] == 31337
