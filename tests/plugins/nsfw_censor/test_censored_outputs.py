"""A whole Easel with the censor, and every way on which a picture may leave it.

Under :data:`ALL` the censor withholds every picture that it is shown, so a picture that is not
black has found a way around it.
"""

import base64
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from generator.models.registry import Folders, Registry
from generator.pictures.base64_images import write_base64
from generator.scripts.catalogue import SCRIPTS
from plugins.host import Host
from plugins.nsfw_censor.names import CLASSES
from tests.parity.service import Service, run_service
from tests.plugins.plugin_files import make_plugin
from tests.webapp.easel_server import CHECKPOINT
from webapp.queues.sqlite.store import SqliteStore
from webapp.settings.config import Config

CENSOR = "nsfw-censor"
ALL = {"classes": list(CLASSES)}
OPTIONS = {
    "show_progress_every_n_steps": 1,
    "return_grid": True,
    "return_mask": True,
    "return_mask_composite": True,
    "save_mask": True,
    "save_mask_composite": True,
    "save_init_img": True,
    "save_images_before_highres_fix": True,
    "save_images_before_color_correction": True,
    "img2img_color_correction": True,
    "export_for_4chan": True,
    "img_downscale_threshold": 0.001,
    "grid_only_if_multiple": False,
}
SMALL = {"width": 64, "height": 64, "steps": 2, "sampler_name": "Euler", "seed": 3, "cfg_scale": 2}
KEPT = {**SMALL, "save_images": True}
PAINT = """
    from PIL import Image

    from generator.hooks import Release

    @hook
    def after_decode(image, request):
        if "painted" not in request.prompt:
            return None
        return Image.open({path!r}).convert("RGB").resize(image.size)

    @hook(trylast=True)
    def release(image, request):
        if request is None or "painted" not in request.prompt:
            return None
        return Release(Image.open({path!r}).convert("RGB").resize(image.size))
"""


@pytest.fixture(scope="module")
def easel(
    tmp_path_factory: pytest.TempPathFactory, flagged_picture: Image.Image
) -> Iterator[Service]:
    """Easel with the censor required, and a plugin that wants to have the last word."""
    torch.set_num_threads(1)
    data_dir = tmp_path_factory.mktemp("easel")
    folder = data_dir / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / CHECKPOINT.name).symlink_to(CHECKPOINT)
    (data_dir / "styles.csv").write_text("name,prompt,negative_prompt\n")
    (data_dir / "config.json").write_text(json.dumps(OPTIONS))
    flagged_picture.save(data_dir / "painted.png")
    code = PAINT.format(path=str(data_dir / "painted.png"))
    make_plugin(data_dir, "painter", worker=code, hooks="after_decode release")
    config = Config(data_dir, nsfw_censor=True, hashing=False)
    with run_service(data_dir, Registry(Folders.under(data_dir)), config) as running:
        yield running


@pytest.fixture
def rules(easel: Service) -> Iterator[Callable[..., None]]:
    """Sets the censor's rules for one test."""

    def put(**settings: object) -> None:
        easel.options.update_plugins(frozenset(), {CENSOR: settings})

    yield put
    put()


@pytest.fixture
def published_previews(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every preview that a worker tells; all routes and streams show these alone."""
    told: list[bytes] = []
    publish = SqliteStore.publish_progress

    def listen(self: SqliteStore, job: str, progress: Any, preview: bytes | None = None) -> None:
        if preview:
            told.append(preview)
        publish(self, job, progress, preview)

    monkeypatch.setattr(SqliteStore, "publish_progress", listen)
    return told


def open_image(data: str | bytes) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data) if isinstance(data, str) else data))


def black(picture: Image.Image) -> bool:
    return set(picture.convert("RGB").getextrema()) == {(0, 0)}


def files(easel: Service) -> dict[str, Image.Image]:
    outputs = easel.data_dir / "outputs"
    paths = [path for path in outputs.rglob("*.*") if path.suffix in (".png", ".jpg", ".webp")]
    return {str(path.relative_to(outputs)): Image.open(path) for path in paths}


def to_base64(picture: Image.Image) -> str:
    return write_base64(picture.convert("RGB"))


def script(title: str, route: str, **given: object) -> dict[str, object]:
    """A script with its defaults but for the arguments named by their labels, and no lists."""
    entry = next(each for each in SCRIPTS[route] if each.title == title)
    values = [
        each.default if each.words == () else given.get(each.label, each.default)
        for each in entry.arguments
    ]
    return {"script_name": title, "script_args": values}


LANDSCAPE = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
HALF = Image.new("RGB", (64, 64))
HALF.paste((255, 255, 255), (0, 0, 32, 64))
FROM = {"init_images": [to_base64(LANDSCAPE)], "denoising_strength": 0.5}
PLOT = {"X values": "1,2", "Include Sub Images": True, "Include Sub Grids": True}

WAYS = {
    "txt2img": ("txt2img", {}),
    "several": ("txt2img", {"batch_size": 2, "n_iter": 2}),
    "hires": ("txt2img", {"enable_hr": True, "hr_scale": 2, "denoising_strength": 0.7}),
    "matrix": ("txt2img", {"prompt": "a|b", **script("prompt matrix", "txt2img")}),
    "lines": (
        "txt2img",
        script("prompts from file or textbox", "txt2img", **{"List of prompt inputs": "a\nb"}),
    ),
    "plot": ("txt2img", script("x/y/z plot", "txt2img", **PLOT)),
    "plot alone": ("txt2img", script("x/y/z plot", "txt2img", **{"X values": "1,2"})),
    "img2img": ("img2img", FROM),
    "repainted": ("img2img", {**FROM, "mask": to_base64(HALF), "inpaint_full_res": False}),
    "repainted close": ("img2img", {**FROM, "mask": to_base64(HALF)}),
    "soft": (
        "img2img",
        {
            **FROM,
            "mask": to_base64(HALF),
            "alwayson_scripts": {"soft inpainting": {"args": [{"Soft inpainting": True}]}},
        },
    ),
    "loopback": ("img2img", FROM | script("loopback", "img2img", Loops=2)),
    "outpainting": (
        "img2img",
        FROM | script("outpainting mk2", "img2img", **{"Pixels to expand": 64}),
    ),
    "poor outpainting": (
        "img2img",
        FROM | script("poor man's outpainting", "img2img", **{"Pixels to expand": 32}),
    ),
    "upscaled": ("img2img", FROM | script("sd upscale", "img2img", **{"Tile overlap": 16})),
    "alternative": (
        "img2img",
        FROM | script("img2img alternative test", "img2img", **{"Decode steps": 2}),
    ),
    "plot of pictures": ("img2img", FROM | script("x/y/z plot", "img2img", **PLOT)),
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_nothing_drawn_leaves_unjudged(
    easel: Service, rules: Callable[..., None], published_previews: list[bytes], way: str
) -> None:
    rules(**ALL)
    route, body = WAYS[way]
    before = set(files(easel))
    answer = easel.post(f"/sdapi/v1/{route}", {**KEPT, "prompt": "a painted cat", **body})
    assert answer.status == 200, answer.body
    pictures = [open_image(text) for text in answer.body["images"]]
    assert pictures
    assert all(black(picture) for picture in pictures)
    told = json.loads(answer.body["info"])["nsfw_censor"]
    assert len(told) >= len(pictures)
    written = {name: image for name, image in files(easel).items() if name not in before}
    assert written
    assert [name for name, image in written.items() if not black(image)] == []
    assert published_previews
    assert all(black(open_image(preview)) for preview in published_previews)


def test_what_stands_beside_pictures_was_among_them(
    easel: Service, rules: Callable[..., None]
) -> None:
    rules(**ALL)
    body = {**KEPT, "enable_hr": True, "hr_scale": 2, "denoising_strength": 0.7}
    easel.post("/sdapi/v1/txt2img", body)
    easel.post("/sdapi/v1/img2img", {**KEPT, **FROM, "mask": to_base64(HALF)})
    names = " ".join(files(easel))
    for part in ("before-highres-fix", "before-color-correction", "-mask", "init-images/", "grid-"):
        assert part in names


def test_extras_and_maps_are_judged(easel: Service, rules: Callable[..., None]) -> None:
    rules(**ALL)
    one = easel.post("/sdapi/v1/extra-single-image", {"image": to_base64(LANDSCAPE)})
    assert black(open_image(one.body["image"]))
    assert one.body["nsfw_censor"][0]["stage"] == "extras"
    listed = [{"data": to_base64(LANDSCAPE), "name": f"{number}.png"} for number in range(2)]
    several = easel.post("/sdapi/v1/extra-batch-images", {"imageList": listed})
    assert [black(open_image(text)) for text in several.body["images"]] == [True, True]
    ask = {"controlnet_module": "canny", "controlnet_input_images": [to_base64(LANDSCAPE)]}
    maps = easel.post("/controlnet/detect", ask)
    assert [black(open_image(text)) for text in maps.body["images"]] == [True]
    assert maps.body["nsfw_censor"][0]["stage"] == "map"


def test_saved_files_and_their_links_show_what_was_let_out(
    easel: Service, rules: Callable[..., None]
) -> None:
    rules(**ALL)
    body = {**SMALL, "alwayson_scripts": {"save_dir": "outputs/told", "id_task": "told"}}
    answer = easel.post("/sdapi/v1/txt2img", body)
    (url,) = answer.body["parameters"]["image_url"].split(",")
    path = f"/data{url[url.index('/outputs/') :]}"
    signed = easel.client.get("/api/sign", query_string={"path": url}).get_json()["url"]
    for link in (f"/file={url}", signed, f"/api/files/thumbnail?path={path}"):
        got = easel.client.get(link)
        assert got.status_code == 200, link
        assert black(open_image(got.data)), link


def test_an_interrupted_picture_and_what_is_shown_of_it_are_judged(
    easel: Service, rules: Callable[..., None]
) -> None:
    rules(**ALL)
    task = "task(txt2img-BROKEN1)"
    body = {**KEPT, "steps": 150, "force_task_id": task}
    answers: list[Any] = []
    client = easel.client.application.test_client()
    asking = threading.Thread(
        target=lambda: answers.append(client.post("/sdapi/v1/txt2img", json=body))
    )
    asking.start()
    preview = None
    while asking.is_alive():
        told = easel.post("/internal/progress", {"id_task": task}).body
        shown = easel.client.get("/sdapi/v1/progress").get_json()["current_image"]
        preview = preview or (shown and told["live_preview"] and shown)
        if preview:
            assert black(open_image(preview))
            assert black(open_image(told["live_preview"].partition(",")[2]))
            easel.post("/sdapi/v1/interrupt", {})
            break
    asking.join()
    (answer,) = answers
    assert preview
    assert all(black(open_image(text)) for text in answer.get_json()["images"])
    assert json.loads(answer.get_json()["info"])["nsfw_censor"]


@pytest.mark.parametrize("action", ["black", "blur"])
def test_the_fixture_is_withheld_whoever_paints_it(
    easel: Service, rules: Callable[..., None], flagged_picture: Image.Image, action: str
) -> None:
    rules(action=action)
    before = set(files(easel))
    for route, body in entrances(flagged_picture).items():
        answer = easel.post(f"/sdapi/v1/{route}", body)
        facts = json.loads(answer.body.get("info", "{}")) or answer.body
        told = facts["nsfw_censor"][0]
        assert told["action"] == action
        assert told["score"] > 0.9
        picture = (answer.body.get("images") or [answer.body.get("image")])[0]
        assert is_withheld(open_image(picture), flagged_picture, action)
    written = {name: image for name, image in files(easel).items() if name not in before}
    assert len(written) >= 3  # the drawn ones, and what one began from
    assert all(is_withheld(image, flagged_picture, action) for image in written.values())


def entrances(flagged: Image.Image) -> dict[str, dict[str, object]]:
    """How the fixture gets in: a plugin paints it, a caller sends it; by route."""
    corner = Image.new("RGB", (128, 128))
    corner.paste((255, 255, 255), (0, 0, 16, 16))
    repaint = {
        "init_images": [to_base64(flagged.resize((128, 128)))],
        "mask": to_base64(corner),
        "width": 128,
        "height": 128,
    }
    plain = {"override_settings": {"return_mask": False, "save_mask": False}}
    plain["override_settings"] |= {"return_mask_composite": False, "save_mask_composite": False}
    plain["override_settings"] |= {"return_grid": False, "grid_save": False}
    return {
        "txt2img": {**KEPT, **plain, "prompt": "painted"},
        "img2img": {**KEPT, **plain, **repaint},
        "extra-single-image": {"image": to_base64(flagged)},
    }


def is_withheld(shown: Image.Image, flagged: Image.Image, action: str) -> bool:
    if action == "black":
        return black(shown)
    size = (64, 64)
    rough, fine = (
        np.abs(np.diff(np.asarray(each.convert("L").resize(size), dtype=float), axis=0)).mean()
        for each in (shown, flagged)
    )
    return not black(shown) and rough < 0.3 * fine


def test_rejecting_gives_nothing_out_and_keeps_nothing(
    easel: Service, rules: Callable[..., None], flagged_picture: Image.Image
) -> None:
    rules(action="reject")
    before = set(files(easel))
    for route, body in entrances(flagged_picture).items():
        answer = easel.post(f"/sdapi/v1/{route}", body)
        assert answer.status == 422
        assert "withholds" in json.dumps(answer.body)
    assert set(files(easel)) == before


def test_what_is_withheld_is_counted(easel: Service, rules: Callable[..., None]) -> None:
    def count() -> float:
        text = easel.client.get("/metrics").get_data(as_text=True)
        line = r'easel_nsfw_censor_withheld_total\{action="black",stage="picture",user=""\} (\S+)'
        found = re.search(line, text)
        return float(found[1]) if found else 0.0

    rules(**ALL)
    before = count()
    easel.post("/sdapi/v1/txt2img", {**SMALL, "n_iter": 2})
    assert count() == before + 2


@pytest.mark.parametrize(
    "broken", [{"detectors": ["CompVis"]}, {"classes": []}, {"callers": {"owner": "off"}}]
)
def test_nothing_leaves_while_the_censor_cannot_judge(
    easel: Service, rules: Callable[..., None], broken: dict[str, object]
) -> None:
    rules(**broken)
    before = set(files(easel))
    for route, body in {
        "sdapi/v1/txt2img": KEPT,
        "sdapi/v1/extra-single-image": {"image": to_base64(LANDSCAPE)},
        "controlnet/detect": {
            "controlnet_module": "canny",
            "controlnet_input_images": [to_base64(LANDSCAPE)],
        },
    }.items():
        answer = easel.post(f"/{route}", body)
        assert answer.status >= 400
        assert "image" not in answer.body
        assert not answer.body.get("images")
    assert set(files(easel)) == before


def test_being_slow_does_not_take_the_censor_out(
    easel: Service, rules: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over its time at every picture, which disables other plugins at the third."""
    rules(**ALL)
    judge = Host._count_strike
    monkeypatch.setattr(
        Host,
        "_count_strike",
        lambda self, name, hook, terms, seconds: judge(
            self, name, hook, terms, 1000.0 if name == CENSOR else 0.0
        ),
    )
    for _ in range(3):
        answer = easel.post("/sdapi/v1/txt2img", {**SMALL, "n_iter": 2})
        assert all(black(open_image(text)) for text in answer.body["images"])
