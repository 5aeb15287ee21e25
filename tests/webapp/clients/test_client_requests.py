"""What clients of AUTOMATIC1111's family send, of a whole Easel on a port: taken, and told."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
import requests
import torch
from PIL import Image

from tests.wait import TIMEOUT
from tests.webapp.easel_server import serve_easel

SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 1, "prompt": "a house", "seed": 7}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where it answers."""
    torch.set_num_threads(1)
    with serve_easel(tmp_path_factory.mktemp("easel") / "data", plugged=True) as (_, address):
        yield address


@pytest.fixture(scope="module")
def picture() -> str:
    """A picture in base64."""
    data = BytesIO()
    Image.new("RGB", (64, 64), (90, 60, 30)).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def post(url: str, path: str, body: object, **headers: str) -> requests.Response:
    """An answer, of whatever status."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{url}/{path}", data=data, headers=headers, timeout=TIMEOUT)


def comments(answer: requests.Response) -> str:
    """What a drawing's answer tells beside the pictures."""
    assert answer.status_code == 200, answer.text[:300]
    assert answer.json()["images"]
    return " ".join(json.loads(answer.json()["info"]).get("comments", []))


def draw(url: str, **changes: Any) -> str:
    """The comments on a small drawing."""
    return comments(post(url, "sdapi/v1/txt2img", {**SMALL, **changes}))


def test_restored_faces_are_drawn_as_they_are(url: str) -> None:
    assert draw(url) == ""
    assert "restore_faces" in draw(url, restore_faces=True)
    assert "restore_faces" in draw(url, override_settings={"face_restoration": True})
    assert draw(url, restore_faces=False, override_settings={"face_restoration": True}) == ""


@pytest.mark.parametrize("name", ["R-ESRGAN 4x+", "SwinIR_4x", "LDSR", "ESRGAN_4x", "r-esrgan 4x+"])
def test_stock_upscalers_are_replaced(url: str, picture: str, name: str) -> None:
    larger = {"upscaler_1": name, "image": picture, "upscaling_resize": 2}
    answer = post(url, "sdapi/v1/extra-single-image", larger)
    assert answer.status_code == 200, answer.text
    assert name in answer.json()["html_info"]
    assert "Lanczos" in answer.json()["html_info"]


def test_hires_with_a_stock_upscaler(url: str, picture: str) -> None:
    hires = {"enable_hr": True, "hr_scale": 2, "denoising_strength": 0.5}
    assert "R-ESRGAN 4x+ are not here" in draw(url, hr_upscaler="R-ESRGAN 4x+", **hires)
    unknown = post(url, "sdapi/v1/txt2img", {**SMALL, **hires, "hr_upscaler": "Nope"})
    assert unknown.status_code == 422
    script = {"script_name": "SD upscale", "script_args": [None, 0, "R-ESRGAN 4x+", 1.5]}
    body = {**SMALL, "init_images": [picture], **script}
    assert "Lanczos" in comments(post(url, "sdapi/v1/img2img", body))


def test_options_of_other_programs_are_ignored(url: str) -> None:
    foreign = {"forge_additional_modules": [], "forge_preset": "sd", "diffusers_offload_mode": "x"}
    told = draw(url, override_settings={**foreign, "CLIP_stop_at_last_layers": 2})
    assert all(name in told for name in foreign)
    answer = post(url, "sdapi/v1/options", {**foreign, "jpeg_quality": 77})
    assert (answer.status_code, answer.json()) == (200, None)
    assert "forge_preset" in answer.headers["X-Easel-Ignored"]
    options = requests.get(f"{url}/sdapi/v1/options", timeout=TIMEOUT).json()
    assert options["jpeg_quality"] == 77
    assert "forge_preset" not in options
    assert post(url, "sdapi/v1/options", {"no_such_option": 1}).status_code == 422


def test_errors_carry_the_sentence(url: str) -> None:
    refused = post(url, "sdapi/v1/txt2img", {**SMALL, "width": 99999}).json()
    assert refused["errors"] == refused["detail"] != ""
    unknown = post(url, "sdapi/v1/txt2img", {**SMALL, "script_name": "nope"}).json()
    assert (unknown["detail"], unknown["errors"]) == ("Script 'nope' not found", "")


def raw_deflate(data: bytes) -> bytes:
    """deflate without zlib's header, as some clients send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
)
def test_compressed_bodies(url: str, encoding: str, pack: Any) -> None:
    body = pack(json.dumps({"image": "x" * 100_000}).encode())
    answer = post(url, "sdapi/v1/png-info", body, **{"Content-Encoding": encoding})
    assert answer.status_code == 422  # it was read: the picture is none
    cut = post(url, "sdapi/v1/png-info", body[:-9], **{"Content-Encoding": encoding})
    assert cut.status_code == 400
    other = post(url, "sdapi/v1/png-info", b"{}", **{"Content-Encoding": encoding})
    assert other.status_code == 400


def test_compressed_bodies_are_bounded(url: str) -> None:
    bomb = gzip.compress(gzip.compress(bytes(10), 0) + bytes(300 * 1024 * 1024), 1)
    answer = post(url, "sdapi/v1/png-info", bomb, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    unknown = post(url, "sdapi/v1/png-info", b"{}", **{"Content-Encoding": "br"})
    assert unknown.status_code == 415
    assert "gzip" in unknown.headers["Accept-Encoding"]


@pytest.mark.parametrize("name", ["steps", "width", "height", "cfg_scale", "batch_size", "n_iter"])
def test_null_is_the_default(url: str, name: str) -> None:
    body = {**SMALL, name: None, "send_images": False, "steps": 1}
    answer = post(url, "sdapi/v1/txt2img", body | {name: None})
    assert answer.status_code == 200, answer.text
    wanted = {"steps": 50, "width": 512, "height": 512, "cfg_scale": 7.0}
    assert answer.json()["parameters"][name] == wanted.get(name, 1)


def test_null_in_override_settings(url: str) -> None:
    nulls = dict.fromkeys(
        ["CLIP_stop_at_last_layers", "eta_noise_seed_delta", "tiling", "samples_format", "sd_vae"]
    )
    assert draw(url, override_settings=nulls) == ""
    before = requests.get(f"{url}/sdapi/v1/options", timeout=TIMEOUT).json()
    kept = {"override_settings": nulls, "override_settings_restore_afterwards": False}
    assert draw(url, **kept) == ""
    after = requests.get(f"{url}/sdapi/v1/options", timeout=TIMEOUT).json()
    assert after == before


def test_without_leniency_all_of_it_is_refused(build: Any) -> None:
    house = build(lenient=False)
    hires = {"enable_hr": True, "denoising_strength": 0.5, "hr_upscaler": "R-ESRGAN 4x+"}
    for changes in ({"steps": None}, {"sampler_name": "Nope"}, {"scheduler": "slow"}, hires):
        assert house.txt2img({**SMALL, **changes}).status_code == 422
    body = json.dumps(SMALL).encode() + b"# a remark"
    assert house.client().post("/sdapi/v1/txt2img", data=body).status_code == 422
    assert house.txt2img({**SMALL, "sampler_name": "k_euler_a"}).status_code == 200


def test_files_are_taken_as_they_are(build: Any) -> None:
    client = build(filebrowser=True).client()
    packed = {"data": gzip.compress(b"x"), "headers": {"Content-Encoding": "gzip"}}
    assert client.put("/dav/data/outputs/a.txt", **packed).status_code == 415
    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    headers = {**tus, "Upload-Offset": "0", "Content-Encoding": "gzip"}
    answer = client.patch("/api/files/uploads/x", data=b"x", headers=headers)
    assert answer.status_code == 415


def test_null_for_numbers_that_take_none(url: str, picture: str) -> None:
    answer = post(
        url, "sdapi/v1/img2img", {**SMALL, "init_images": [picture], "denoising_strength": None}
    )
    assert answer.json()["parameters"]["denoising_strength"] == 0.75
    nulls = dict.fromkeys(["gfpgan_visibility", "codeformer_weight", "upscaling_resize"])
    larger = post(url, "sdapi/v1/extra-single-image", {"image": picture, **nulls})
    assert larger.status_code == 200, larger.text


def test_config_lists_upscalers_and_loras(url: str) -> None:
    found = requests.get(f"{url}/config", timeout=TIMEOUT).json()["components"]
    lists = {each["props"]["elem_id"]: each["props"]["choices"] for each in found}
    assert {"Latent", "Lanczos"} <= set(lists["txt2img_hr_upscaler"])
    lists["setting_sd_lora"].remove("")  # aiyabot does, and fails where it is not there


UNIT = {"ad_model": "face_yolov8n.pt", "ad_confidence": 0.4, "ad_denoising_strength": 0.3}


def test_adetailer_is_the_detailer(url: str) -> None:
    def draw_with_adetailer(*args: Any) -> str:
        return draw(url, alwayson_scripts={"ADetailer": {"args": list(args)}})

    assert "no 'face' was found" in draw_with_adetailer(True, False, UNIT)
    assert "no 'face' was found" in draw_with_adetailer(UNIT)
    assert (
        draw_with_adetailer(False, False, UNIT)
        == draw_with_adetailer({**UNIT, "ad_model": "None"})
        == draw_with_adetailer()
        == ""
    )
    assert "finds 'hand'" in draw_with_adetailer({**UNIT, "ad_model": "hand_yolov8n.pt"})
    odd = draw_with_adetailer(
        True, UNIT | {"ad_use_steps": True, "ad_mask_blur": 999, "ad_confidence": "x"}, UNIT
    )
    assert all(word in odd for word in ("ad_use_steps", "64", "'x' is no number", "2 units"))


def test_plot_with_fewer_arguments(url: str) -> None:
    script = {"script_name": "X/Y/Z plot", "script_args": [4, "1,2", [], 0, ""]}
    answer = post(url, "sdapi/v1/txt2img", {**SMALL, **script})
    assert answer.status_code == 200, answer.text
    assert answer.json()["images"]


@pytest.mark.parametrize(
    ("asked", "schedule", "drawn"),
    [
        ("k_euler_a", None, "Sampler: Euler a, Schedule type: Automatic"),
        ("euler ANCESTRAL", None, "Sampler: Euler a"),
        ("dpm++ 2m karras", None, "Sampler: DPM++ 2M, Schedule type: Karras"),
        ("k_dpmpp_2m_ka", None, "Sampler: DPM++ 2M, Schedule type: Karras"),
        ("ddim", "SGM uniform", "Sampler: DDIM"),
        ("Euler", "KARRAS", "Schedule type: Karras"),
    ],
)
def test_spellings_of_samplers(url: str, asked: str, schedule: str | None, drawn: str) -> None:
    body = {**SMALL, "sampler_name": asked, "scheduler": schedule}
    answer = post(url, "sdapi/v1/txt2img", body)
    assert comments(answer) == ""
    assert drawn in json.loads(answer.json()["info"])["infotexts"][0]


def test_what_falls_back_is_told(url: str) -> None:
    assert "'Nope' is unknown" in draw(url, sampler_name="Nope")
    assert "'slow' is unknown" in draw(url, scheduler="slow")
    models = {"sd_model_checkpoint": "absent", "sd_vae": "absent"}
    told = draw(url, override_settings=models)
    assert "sd_model_checkpoint" in told
    assert "sd_vae" in told


def test_each_pass_of_hires_fix_tells_its_own_schedule(url: str) -> None:
    hires = {"enable_hr": True, "hr_scale": 1.25, "denoising_strength": 0.5}
    asked = {"sampler_name": "Euler", "scheduler": "Automatic", "hr_scheduler": "Karras", **hires}
    answer = post(url, "sdapi/v1/txt2img", {**SMALL, **asked})
    assert answer.status_code == 200, answer.text[:300]
    told = json.loads(answer.json()["info"])
    assert ", Schedule type: Automatic," in told["infotexts"][0]
    assert ", Hires schedule type: Karras," in told["infotexts"][0]
    assert told["extra_generation_params"]["Hires schedule type"] == "Karras"
    assert "Schedule type" not in told["extra_generation_params"]
