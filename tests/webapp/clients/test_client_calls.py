"""What AUTOMATIC1111's clients ask, call by call (contract 1.14), of a whole Easel."""

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
import requests
import torch
from PIL import Image

from tests.wait import TIMEOUT
from tests.webapp.easel_server import serve_easel

SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "prompt": "a red house", "seed": 7}


class Client:
    """Plain requests to one service; answers of another status than 200 fail the test."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, status: int = 200) -> Any:
        """The JSON that a path answers."""
        return self.checked_json(requests.get(f"{self.url}/{path}", timeout=TIMEOUT), status)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        """The JSON that a path answers to a body."""
        answer = requests.post(f"{self.url}/{path}", json=body, timeout=TIMEOUT)
        return self.checked_json(answer, status)

    @staticmethod
    def checked_json(answer: requests.Response, status: int) -> Any:
        """An answer's JSON."""
        assert answer.status_code == status, answer.text[:300]
        return answer.json()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a whole Easel."""
    torch.set_num_threads(1)
    with serve_easel(tmp_path_factory.mktemp("easel") / "data") as (_, url):
        yield Client(url)


@pytest.fixture(scope="module")
def picture(client: Client) -> str:
    """A drawn picture in base64."""
    drawn: str = client.post("sdapi/v1/txt2img", SMALL)["images"][0]
    return drawn


def size(picture: str) -> tuple[int, int]:
    """Width and height of a picture in base64."""
    return Image.open(BytesIO(base64.b64decode(picture))).size


def test_sillytavern(client: Client) -> None:
    assert client.get("sdapi/v1/options")["sd_model_checkpoint"]
    assert client.get("sdapi/v1/sd-modules") == client.get("sdapi/v1/sd-vae")  # Forge's, first
    assert all(isinstance(each["name"], str) for each in client.get("sdapi/v1/upscalers"))
    assert client.get("sdapi/v1/latent-upscale-modes")[0] == {"name": "Latent"}
    samplers = [each["name"] for each in client.get("sdapi/v1/samplers")]
    schedules = [each["name"] for each in client.get("sdapi/v1/schedulers")]
    titles = [each["title"] for each in client.get("sdapi/v1/sd-models")]
    assert client.post("sdapi/v1/options", {"sd_model_checkpoint": titles[-1]}) is None
    progress = client.get("sdapi/v1/progress")
    assert (progress["progress"], progress["state"]["job_count"]) == (0, 0)
    assert client.get("sdapi/v1/options")["sd_model_checkpoint"] == titles[-1]
    body = {
        **SMALL,
        "negative_prompt": "grey",
        "sampler_name": samplers[0],
        "scheduler": schedules[1],
        "cfg_scale": 7,
        "restore_faces": False,
        "enable_hr": True,
        "hr_upscaler": "Latent",
        "hr_scale": 1.5,
        "hr_additional_modules": [],
        "denoising_strength": 0.7,
        "hr_second_pass_steps": 1,
        "override_settings": {"CLIP_stop_at_last_layers": 2, "sd_vae": "Automatic"},
        "override_settings_restore_afterwards": True,
        "clip_skip": 2,
        "save_images": True,
        "send_images": True,
        "do_not_save_grid": False,
        "do_not_save_samples": False,
    }
    answer = client.post("sdapi/v1/txt2img", body)
    assert size(answer["images"][0]) == (96, 96)
    assert json.loads(answer["info"])["clip_skip"] == 2
    assert client.get("sdapi/v1/options")["CLIP_stop_at_last_layers"] == 1
    assert client.post("sdapi/v1/interrupt") == {}


def test_open_webui(client: Client) -> None:
    options = client.get("sdapi/v1/options")
    titles = [model["title"] for model in client.get("sdapi/v1/sd-models")]
    assert {"title", "model_name"} <= set(client.get("sdapi/v1/sd-models")[0])
    options["sd_model_checkpoint"] = titles[0]
    assert client.post("sdapi/v1/options", options) is None
    body = {"prompt": "a boat", "batch_size": 2, "width": 64, "height": 64, "steps": 2}
    answer = client.post("sdapi/v1/txt2img", {**body, "negative_prompt": "grey"})
    assert [size(image) for image in answer["images"]] == [(64, 64)] * 2
    more = {"sampler_name": "Euler a", "scheduler": "Karras", "cfg_scale": 5}
    assert "Schedule type: Karras" in client.post("sdapi/v1/txt2img", body | more)["info"]


def test_photoshop_plugin(client: Client, picture: str) -> None:
    assert client.get("user") is None
    assert isinstance(client.get("config"), dict)
    for name in ("sd-models", "samplers", "upscalers", "loras"):
        assert isinstance(client.get(f"sdapi/v1/{name}"), list)
    assert "controlnet" in client.get("sdapi/v1/scripts")["txt2img"]
    assert client.get("sdapi/v1/embeddings") == {"loaded": {}, "skipped": {}}
    assert client.get("controlnet/version") == {"version": 3}
    assert client.get("controlnet/settings") == {"control_net_unit_count": 3}
    assert client.get("controlnet/model_list") == {"model_list": []}
    assert "canny" in client.get("controlnet/module_list")["module_detail"]
    unit = {
        "enabled": True,
        "input_image": picture,
        "mask": "",
        "module": "reference_only",
        "model": "None",
        "weight": 1,
        "resize_mode": "Scale to Fit (Inner Fit)",
        "lowvram": False,
        "processor_res": 64,
        "threshold_a": 0.5,
        "threshold_b": 64,
        "guidance_start": 0,
        "guidance_end": 1,
        "guessmode": False,
    }
    body = {**SMALL, "controlnet_units": [], "script_args": [], "script_name": None}
    plain = client.post("sdapi/v1/txt2img", body)["images"][0]
    steered = {**body, "alwayson_scripts": {"controlnet": {"args": [unit]}}}
    assert client.post("sdapi/v1/txt2img", steered)["images"][0] != plain
    painted = {
        **body,
        "init_images": [f"data:image/png;base64,{picture}"],
        "mask": picture,
        "mask_blur": 0,
        "inpainting_fill": 1,
        "inpaint_full_res": True,
        "inpaint_full_res_padding": 8,
        "inpainting_mask_invert": 0,
        "denoising_strength": 0.6,
    }
    assert size(client.post("sdapi/v1/img2img", painted)["images"][0]) == (64, 64)
    seen = client.get("sdapi/v1/progress?skip_current_image=false")
    assert seen["current_image"] is None
    assert client.post("sdapi/v1/interrupt") == {}
    told = client.post("sdapi/v1/png-info", {"image": picture})
    assert told["info"].startswith("a red house")
    larger = {"image": picture, "upscaling_resize": 2, "upscaler_1": "Lanczos", "resize_mode": 0}
    assert size(client.post("sdapi/v1/extra-single-image", larger)["image"]) == (128, 128)
    detection = {"controlnet_module": "canny", "controlnet_input_images": [picture]}
    assert len(client.post("controlnet/detect", detection)["images"]) == 1


def test_cyanic_krita(client: Client, picture: str) -> None:
    assert client.get("queue/status")["queue_size"] == 0
    client.get("sdapi/v1/system-info/status", status=404)  # an extension's
    lists = "samplers upscalers sd-models face-restorers prompt-styles sd-vae loras hypernetworks"
    for name in lists.split():
        assert isinstance(client.get(f"sdapi/v1/{name}"), list)
    for name in ("progress", "options", "scripts", "embeddings"):
        assert isinstance(client.get(f"sdapi/v1/{name}"), dict)
    assert client.get("controlnet/model_list?update=true") == {"model_list": []}
    assert "none" in client.get("controlnet/module_list?alias_names=true")["module_list"]
    types = client.get("controlnet/control_types")["control_types"]
    assert types["Canny"]["default_option"] == "canny"
    assert set(client.get("controlnet/settings")) == {"control_net_unit_count"}
    body = {**SMALL, "init_images": [picture], "denoising_strength": 0.4, "resize_mode": 1}
    body |= {"alwayson_scripts": {}, "save_images": False, "include_init_images": False}
    assert size(client.post("sdapi/v1/img2img", body)["images"][0]) == (64, 64)


def test_auto_sd_paint(client: Client) -> None:
    client.get("sdapi/interpause/config", status=404)  # its own routes inside the program


def test_bots(client: Client) -> None:
    answer = client.post("sdapi/v1/txt2img", {**SMALL, "sampler_index": "DPM++ 2M", "seed": -1})
    image = answer["images"][0].split(",", 1)[0]
    told = client.post("sdapi/v1/png-info", {"image": f"data:image/png;base64,{image}"})
    assert told["info"] == json.loads(answer["info"])["infotexts"][0]
    assert "Sampler: DPM++ 2M" in told["info"]
    assert told["parameters"]["Seed"] == str(json.loads(answer["info"])["seed"])


@pytest.mark.parametrize("name", ["history", "lock-checkpoint"])
def test_probes_of_forks_are_not_found(client: Client, name: str) -> None:
    assert client.get(f"sdapi/v1/{name}", status=404) == {"detail": "Not Found"}


def test_fields_of_forge_are_let_in(client: Client) -> None:
    forge = {"distilled_cfg_scale": 3.5, "hr_cfg": 1.0, "hr_distilled_cfg": 3.5}
    assert client.post("sdapi/v1/txt2img", SMALL | forge)["images"]


def test_text_generation_webui(client: Client) -> None:
    titles = [each["title"] for each in client.get("sdapi/v1/sd-models")]
    assert "Euler a" in [each["name"] for each in client.get("sdapi/v1/samplers")]
    client.post("sdapi/v1/unload-checkpoint")  # it shares the device's memory
    client.post("sdapi/v1/reload-checkpoint")
    assert client.post("sdapi/v1/options", {"sd_model_checkpoint": titles[0]}) is None
    body = {
        **{key: SMALL[key] for key in ("prompt", "seed", "steps", "width", "height")},
        "sampler_name": "DPM++ 2M Karras",
        "enable_hr": True,
        "hr_scale": "1.0",
        "hr_upscaler": "ESRGAN_4x",
        "denoising_strength": 0.7,
        "cfg_scale": 7,
        "restore_faces": True,
        "override_settings_restore_afterwards": True,
        "negative_prompt": "grey",
    }
    answer = client.post("sdapi/v1/txt2img", body)
    assert [size(image) for image in answer["images"]] == [(64, 64)]
    told = " ".join(json.loads(answer["info"])["comments"])
    assert "restore_faces" in told
    assert "ESRGAN_4x" in told


def test_aiyabot(client: Client, picture: str) -> None:
    assert client.get("sdapi/v1/cmd-flags")["gradio_auth"] is None
    for name in ("samplers", "prompt-styles", "face-restorers", "hypernetworks", "upscalers"):
        assert isinstance(client.get(f"sdapi/v1/{name}"), list)
    assert set(client.get("sdapi/v1/embeddings")) == {"loaded", "skipped"}
    found = {
        each["props"]["elem_id"]: each["props"]["choices"]
        for each in client.get("config")["components"]
    }
    found["setting_sd_lora"].remove("")  # as it does: without one it would end here
    assert "Latent" in found["txt2img_hr_upscaler"]
    body = {
        **SMALL,
        "negative_prompt": "grey",
        "cfg_scale": "7.0",
        "sampler_index": "Euler a",
        "seed_resize_from_h": 0,
        "seed_resize_from_w": 0,
        "denoising_strength": None,
        "n_iter": 1,
        "batch_size": 1,
        "styles": ["None"],
        "override_settings": {
            "CLIP_stop_at_last_layers": 1,
            "face_restoration_model": "CodeFormer",
        },
        "restore_faces": True,
    }
    answer = client.post("sdapi/v1/txt2img", body)
    info = {"image": f"data:image/png;base64,{answer['images'][0]}"}
    assert "Seed: 7" in client.post("sdapi/v1/png-info", info)["info"]
    hires = {"enable_hr": True, "hr_upscaler": "Latent", "hr_scale": 1, "hr_second_pass_steps": 1.0}
    assert client.post("sdapi/v1/txt2img", body | hires | {"denoising_strength": 0.75})["images"]
    start = {"init_images": [info["image"]], "denoising_strength": "0.75"}
    assert client.post("sdapi/v1/img2img", body | start)["images"]
    larger = {
        "resize_mode": 0,
        "show_extras_results": True,
        "gfpgan_visibility": 0,
        "codeformer_visibility": 0,
        "codeformer_weight": 0,
        "upscaling_resize": 2.0,
        "upscaling_crop": True,
        "upscaler_1": "SwinIR_4x",
        "upscaler_2": "None",
        "extras_upscaler_2_visibility": 0,
        "upscale_first": False,
        "image": info["image"],
    }
    assert size(client.post("sdapi/v1/extra-single-image", larger)["image"]) == (128, 128)
    refused = client.post("sdapi/v1/interrogate", {"image": info["image"], "model": "clip"}, 422)
    assert "models/BLIP" in refused["detail"]


def test_ai_render(client: Client, picture: str) -> None:
    assert client.get("sdapi/v1/upscalers")
    assert isinstance(client.get("controlnet/model_list")["model_list"], list)
    assert "canny" in client.get("controlnet/module_list")["module_list"]
    body = {
        **SMALL,
        "negative_prompt": "ugly",
        "image_similarity": 0.4,
        "denoising_strength": 0.6,
        "cfg_scale": 7.0,
        "sampler": "LMS",
        "sampler_index": "LMS",
        "init_images": [f"data:image/png;base64,{picture}"],
    }
    assert size(client.post("sdapi/v1/img2img", body)["images"][0]) == (64, 64)
    unit = {"module": "canny", "model": "nowhere"}  # neither "enabled" nor "image"
    steered = {"alwayson_scripts": {"controlnet": {"args": [unit]}}}
    assert "nowhere" in client.post("sdapi/v1/img2img", body | steered, 422)["detail"]
    larger = {"upscaling_resize": 2, "upscaler_1": "ESRGAN_4x", "image": picture}
    assert size(client.post("sdapi/v1/extra-single-image", larger)["image"]) == (128, 128)


def test_sillytavern_with_its_detailer_and_forge(client: Client) -> None:
    face = {"ADetailer": {"args": [True, True, {"ad_model": "face_yolov8n.pt"}]}}
    body = {
        **SMALL,
        "alwayson_scripts": face,
        "restore_faces": True,
        "hr_upscaler": "R-ESRGAN 4x+",
        "scheduler": "karras",
        "override_settings": {"CLIP_stop_at_last_layers": 1, "forge_additional_modules": []},
    }
    answer = client.post("sdapi/v1/txt2img", body)
    assert size(answer["images"][0]) == (64, 64)
    assert "forge_additional_modules" in " ".join(json.loads(answer["info"])["comments"])
