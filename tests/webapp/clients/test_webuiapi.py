"""``webuiapi`` 0.9.17, the Python client of AUTOMATIC1111's users, drives a whole Easel."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
from PIL import Image, ImageDraw

from tests.generator.interrogation.tiny_interrogators import make_captioner
from tests.image_compare import is_same_drawing
from tests.wait import join_thread, run_coroutine, wait_until
from tests.webapp.easel_server import serve_app, serve_easel
from webapp.requests.img2img import Img2Img
from webapp.requests.txt2img import Txt2Img

webuiapi = pytest.importorskip("webuiapi", reason="webuiapi is not installed; make test does it")
SIZE = {"width": 64, "height": 64}
SMALL: dict[str, Any] = {**SIZE, "steps": 2, "seed": 7, "prompt": "a red house"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service keeps its models."""
    return tmp_path_factory.mktemp("easel") / "data"


@pytest.fixture(scope="module")
def api(data_dir: Path) -> Iterator[Any]:
    """The client, speaking to a real port."""
    torch.set_num_threads(1)
    with serve_easel(data_dir) as (_, url):
        yield webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1", sampler="Euler a", steps=2)


@pytest.fixture(scope="module")
def picture(api: Any) -> Image.Image:
    """A drawn picture, with its infotext."""
    drawn: Image.Image = api.txt2img(**SMALL).image
    return drawn


def disc() -> Image.Image:
    """A mask: a white disc on black."""
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).ellipse((16, 16, 48, 48), 255)
    return mask


# -- drawing -----------------------------------------------------------------------------------


def test_txt2img(api: Any) -> None:
    result = api.txt2img(**SMALL, styles=["ink"], negative_prompt="grey", cfg_scale=6.5)
    assert [image.size for image in result.images] == [(64, 64)]
    assert result.info["all_prompts"] == ["ink of a red house"]
    assert result.info["sampler_name"] == "Euler a"
    assert result.parameters["cfg_scale"] == 6.5
    assert "Seed: 7" in result.image.info["parameters"]
    again = api.txt2img(**SMALL, styles=["ink"], negative_prompt="grey", cfg_scale=6.5)
    assert is_same_drawing(again.image, result.image)


def test_txt2img_knows_every_field_that_the_client_sends(api: Any, monkeypatch: Any) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(api, "post_and_get_api_result", lambda url, body, later: sent.append(body))
    api.txt2img()
    api.img2img()
    assert set(sent[0]) <= set(Txt2Img.model_fields)
    assert set(sent[1]) <= set(Img2Img.model_fields)


def test_txt2img_with_hires_fix_and_batches(api: Any) -> None:
    upscaler = webuiapi.HiResUpscaler.Latent
    hires = {"enable_hr": True, "hr_scale": 2, "hr_upscaler": upscaler, "denoising_strength": 0.5}
    result = api.txt2img(**SMALL, **hires, batch_size=2, n_iter=2)
    assert [image.size for image in result.images] == [(128, 128)] * 4
    assert result.info["all_seeds"] == [7, 8, 9, 10]
    assert api.txt2img(**SMALL, send_images=False).images == []


def test_txt2img_with_a_script(api: Any) -> None:
    body = {**SMALL, "prompt": "a red house|at night"}
    script = {"script_name": "Prompt matrix", "script_args": [False, False, "positive", "comma", 0]}
    assert len(api.txt2img(**body, **script).images) == 3  # the sheet, then its two pictures
    with pytest.raises(RuntimeError, match="422"):
        api.txt2img(**SMALL, script_name="No such script")


def test_img2img(api: Any, picture: Image.Image) -> None:
    result = api.img2img(images=[picture], denoising_strength=0.5, **SMALL)
    assert result.image.size == (64, 64)
    assert result.image.tobytes() != picture.tobytes()
    assert result.parameters["init_images"] is None
    two = api.img2img(images=[picture, picture], batch_size=2, resize_mode=1, **SMALL)
    assert len(two.images) == 2


def test_img2img_with_a_mask(api: Any, picture: Image.Image) -> None:
    body = {**SMALL, "prompt": "a blue boat", "inpaint_full_res": False, "inpainting_fill": 1}
    result = api.img2img(images=[picture], mask_image=disc(), mask_blur=0, **body)
    corner = (0, 0, 8, 8)
    assert result.image.crop(corner).tobytes() == picture.convert("RGB").crop(corner).tobytes()
    assert result.image.tobytes() != picture.tobytes()


def test_controlnet_units(api: Any, picture: Image.Image) -> None:
    unit = webuiapi.ControlNetUnit(image=picture, module="reference_only", threshold_a=0.5)
    plain = api.txt2img(**SMALL).image
    steered = api.txt2img(**SMALL, alwayson_scripts={}, controlnet_units=[unit])
    assert steered.image.tobytes() != plain.tobytes()
    assert "ControlNet 0" in steered.image.info["parameters"]
    off = webuiapi.ControlNetUnit(image=picture, module="reference_only", enabled=False)
    unsteered = api.img2img(images=[picture], **SMALL, alwayson_scripts={}, controlnet_units=[off])
    assert unsteered.image.size == (64, 64)


def test_a_unit_without_its_model_is_refused(api: Any, picture: Image.Image) -> None:
    unit = webuiapi.ControlNetUnit(image=picture, module="canny", model="nobody [12345678]")
    with pytest.raises(RuntimeError, match="nobody"):
        api.txt2img(**SMALL, alwayson_scripts={}, controlnet_units=[unit])


# -- pictures ----------------------------------------------------------------------------------


def test_extra_single_image(api: Any, picture: Image.Image) -> None:
    result = api.extra_single_image(picture, upscaler_1=webuiapi.Upscaler.Lanczos)
    assert result.image.size == (128, 128)
    assert result.info.startswith("<p>")


def test_extra_batch_images(api: Any, picture: Image.Image) -> None:
    result = api.extra_batch_images(
        [picture, picture.convert("L")], upscaler_1="Nearest", upscaling_resize=3
    )
    assert [image.size for image in result.images] == [(192, 192)] * 2


def test_png_info(api: Any, picture: Image.Image) -> None:
    result = api.png_info(picture)
    assert result.info == picture.info["parameters"]
    assert result.parameters["Seed"] == "7"
    assert api.png_info(Image.new("RGB", (8, 8))).info == ""


def test_interrogate(api: Any, data_dir: Path, picture: Image.Image) -> None:
    with pytest.raises(RuntimeError, match="Model not found"):
        api.interrogate(picture, model="nobody")
    with pytest.raises(RuntimeError, match="models/BLIP"):  # none is here yet
        api.interrogate(picture)
    make_captioner(data_dir / "models/BLIP/tiny")
    assert api.interrogate(picture).info


# -- the running job ---------------------------------------------------------------------------


@pytest.mark.parametrize("ask", ["interrupt", "skip"])
def test_progress_interrupt_and_skip(api: Any, ask: str) -> None:
    drawn: list[Any] = []
    long = {**SMALL, "steps": 900}
    drawing = threading.Thread(target=lambda: drawn.append(api.txt2img(**long)))
    drawing.start()
    wait_until(lambda: api.get_progress()["state"]["sampling_step"] >= 1)
    seen = api.get_progress()
    assert seen["state"]["sampling_steps"] == 900
    assert 0 < seen["progress"] < 1
    assert getattr(api, ask)() == {"interrupt": {}, "skip": None}[ask]
    join_thread(drawing)
    assert len(drawn[0].images) == 1
    api.util_wait_for_ready(check_interval=0.05)
    assert api.get_progress()["state"]["job_count"] == 0
    assert api.interrupt() == {}  # nothing runs; nothing is stopped
    assert api.skip() is None


# -- options -----------------------------------------------------------------------------------


def test_options(api: Any) -> None:
    options = api.get_options()
    assert options["CLIP_stop_at_last_layers"] == 1
    assert api.set_options({"jpeg_quality": 91, "live_previews_enable": False}) is None
    assert api.get_options()["jpeg_quality"] == 91
    assert api.set_options(options) is None
    assert api.get_options() == options


def test_models(api: Any) -> None:
    api.util_set_model("seconds")
    assert api.util_get_current_model().startswith("second.safetensors")
    assert api.txt2img(**SMALL).info["sd_model_name"] == "second"
    api.util_set_model("easel-default.safetensors", find_closest=False)
    assert api.util_get_model_names()[0].startswith("easel-default.safetensors")
    api.util_set_model("easel default")
    assert api.util_get_current_model().startswith("easel-default")


def test_cmd_flags(api: Any) -> None:
    assert api.get_cmd_flags()["nowebui"] is False


# -- what there is -----------------------------------------------------------------------------

LISTS = {
    "get_samplers": "name",
    "get_schedulers": "label",
    "get_upscalers": "name",
    "get_latent_upscale_modes": "name",
    "get_sd_models": "title",
    "get_sd_vae": "model_name",
    "get_hypernetworks": "name",
    "get_face_restorers": "name",
    "get_realesrgan_models": "name",
    "get_prompt_styles": "prompt",
    "get_loras": "alias",
}


@pytest.mark.parametrize(("method", "key"), LISTS.items())
def test_lists(api: Any, method: str, key: str) -> None:
    found = getattr(api, method)()
    assert isinstance(found, list)
    assert all(key in entry for entry in found)


def test_names(api: Any) -> None:
    assert "DPM++ 2M" in api.util_get_sampler_names()
    assert "karras" in api.util_get_scheduler_names()
    assert set(api.get_embeddings()) == {"loaded", "skipped"}
    scripts = api.get_scripts()
    assert {"prompt matrix", "controlnet"} <= set(scripts["txt2img"])
    assert "loopback" in scripts["img2img"]
    assert set(api.get_memory()) == {"ram", "cuda"}


@pytest.mark.parametrize("name", ["checkpoints", "vae", "loras", "embeddings"])
def test_refresh(api: Any, name: str) -> None:
    assert api.refresh_checkpoints() is None
    url = api.get_endpoint(f"refresh-{name}", baseurl=True)
    assert api.session.post(url).json() is None


def test_controlnet(api: Any, picture: Image.Image) -> None:
    assert api.controlnet_version() == 3
    assert api.controlnet_model_list() == []
    assert {"none", "canny", "reference_only"} <= set(api.controlnet_module_list())
    result = api.controlnet_detect([picture, picture], module="canny")
    assert len(result.images) == 2
    assert result.info == "Success"


def test_the_client_knows_what_is_here(api: Any) -> None:
    api.check_extensions()
    assert api.has_controlnet
    assert api.has_adetailer  # and it sends the unit that is off with each request
    assert not api.has_animatediff
    assert api.txt2img(**SMALL, alwayson_scripts={}).image.size == (64, 64)  # its empty unit
    assert webuiapi.ControlNetInterface(api, show_deprecation_warning=False).model_list() == []


def test_asked_without_waiting(api: Any) -> None:
    async def both() -> list[Any]:
        asked = [api.txt2img(**SMALL, use_async=True) for _ in range(2)]  # through async_post
        return [await one for one in asked]

    results = run_coroutine(both())
    assert [result.image.size for result in results] == [(64, 64)] * 2


def test_own_routes(api: Any, picture: Image.Image) -> None:
    assert api.custom_get("controlnet/version") == {"version": 3}
    assert api.custom_get("samplers", baseurl=True) == api.get_samplers()
    body = {"image": webuiapi.b64_img(picture)}
    assert api.custom_post("png-info", payload=body, baseurl=True).parameters["Seed"] == "7"


# -- what Easel has not ------------------------------------------------------------------------


def foreign(api: Any, picture: Image.Image) -> dict[str, Any]:
    """Calls of extensions that are no part of AUTOMATIC1111."""
    sam = webuiapi.SegmentAnythingInterface(api)
    control = webuiapi.ControlNetInterface(api, show_deprecation_warning=False)
    return {
        "sam": lambda: sam.heartbeat(),
        "sam models": lambda: sam.get_sam_models(),
        "sam predict": lambda: sam.sam_predict(picture),
        "sam words": lambda: sam.dino_predict(picture, "house"),
        "sam dilate": lambda: sam.dilate_mask(picture, disc()),
        "sam segments": lambda: sam.generate_semantic_segmentation(picture),
        "sam category": lambda: sam.sam_and_semantic_seg_with_cat_id(picture, "1"),
        "rembg": lambda: webuiapi.RemBGInterface(api).rembg(picture),
        "tagger": lambda: webuiapi.TaggerInterface(api).tagger_interrogate(picture),
        "taggers": lambda: webuiapi.TaggerInterface(api).tagger_interrogators(),
        "model keyword": lambda: webuiapi.ModelKeywordInterface(api).get_keywords(),
        "pix2pix": lambda: webuiapi.InstructPix2PixInterface(api).img2img(images=[picture]),
        "deforum": lambda: api.custom_post("deforum_api/batches"),
        "prompt models": lambda: api.list_prompt_gen_models(),
        "prompts": lambda: api.prompt_gen(),
        "artists": lambda: api.get_artists(),
        "artist categories": lambda: api.get_artist_categories(),
        "old controlnet": lambda: control.txt2img(controlnet_image=[picture]),
        "old controlnet img2img": lambda: control.img2img(init_images=[picture]),
        "older controlnet": lambda: api.txt2img(
            controlnet_units=[webuiapi.ControlNetUnit(image=picture)],
            use_deprecated_controlnet=True,
        ),
    }


def test_extensions_are_not_found(
    api: Any, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[requests.Response] = []
    monkeypatch.setitem(api.session.hooks, "response", [lambda answer, **_: answers.append(answer)])
    calls = foreign(api, picture)
    for call in calls.values():
        with suppress(RuntimeError, KeyError):  # the client reads keys that no 404 has
            call()
    assert [answer.status_code for answer in answers] == [404] * len(calls)
    assert all(answer.json() == {"detail": "Not Found"} for answer in answers)


EXTENSIONS = {
    "animatediff": {"animatediff": webuiapi.AnimateDiff()},
    "reactor": {"reactor": webuiapi.ReActor(Image.new("RGB", (8, 8)))},
    "roop": {"roop": webuiapi.Roop(Image.new("RGB", (8, 8)))},
    "Self Attention Guidance": {"sag": webuiapi.Sag()},
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_scripts_of_extensions_are_refused_by_name(api: Any, name: str) -> None:
    with pytest.raises(RuntimeError) as refused:
        api.txt2img(**SMALL, alwayson_scripts={}, **EXTENSIONS[name])
    status, text = refused.value.args
    assert status == 422
    assert json.loads(text)["detail"] == f"Script '{name}' not found"


def test_basic_credentials(guarded_house: Any) -> None:
    with serve_app(guarded_house.app) as url:
        told = webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1")
        told.set_auth("ann", "pw1")
        assert told.has_controlnet
        known = webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1", username="ann", password="pw1")
        assert known.get_progress()["progress"] == 0
        assert known.txt2img(**SMALL).image.size == (64, 64)
        with pytest.raises(RuntimeError, match="401"):
            webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1").txt2img(**SMALL)


def test_every_method_of_the_client_is_driven() -> None:
    """By name, in this file: a method that a later version brings is noticed."""
    source = Path(__file__).read_text(encoding="utf-8")
    public = [name for name in dir(webuiapi.WebUIApi) if not name.startswith("_")]
    assert len(public) > 50
    assert [name for name in public if not re.search(rf"\b{name}\b", source)] == []
