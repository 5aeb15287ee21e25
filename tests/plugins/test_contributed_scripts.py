"""Scripts and preprocessors of a plugin, its samplers everywhere, and all of it gone again."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

from generator.pictures.base64_images import write_base64
from tests.image_compare import is_same_drawing
from tests.parity.service import copy_models
from tests.plugins.plugin_files import make_plugin
from tests.plugins.plugin_service import WEB as LEAP
from tests.plugins.plugin_service import WORKER as LEAPING
from tests.plugins.plugin_service import draw_small, first, start_service
from tests.webapp.requests.request_pictures import encode_grey_picture

WEB = """
from plugins.api import Input, Part, Preprocessor, Script, Slider, Slot

@hook
def scripts():
    inputs = [Input("from", "Count from", "number", 2, least=1, most=9),
              Input("word", "Word", "choice", "minus", choices=["minus", "less"]),
              Input("note", "Note")]
    return [Script("Count Down", inputs), Script("Prompt matrix", []), Script("Bad", []),
            Script("Only Larger", [], routes=["img2img"])]

@hook
def preprocessors():
    return [Preprocessor("posterise", "Posterise it", tags=["Tile"], a=Slider("Colours", 4, 2, 16)),
            Preprocessor("canny"), Preprocessor("odd")]

@hook
def parts():
    return [Part(Slot.PANEL, "Count", form=[Input("much", "Much", "number", 0.5, least=0, most=1)])]
"""
WORKER = """
from dataclasses import replace

def count_down(request, arguments, draw):
    start, word, note = arguments
    prompt = f"{request.prompt} {word}"
    wanted = [replace(request, prompt=f"{prompt} {number}", notes={"Counted": number})
              for number in range(start, 0, -1)]
    draw.expect(wanted)
    return [draw(each) for each in wanted]

def posterise(image, dials):
    assert min(image.size) == dials.resolution
    return image.quantize(int(dials.a)).convert("RGB")

@hook
def tools():
    return {"scripts": {"Count Down": count_down, "bad": lambda *_: 3, "only larger": count_down,
                        "prompt matrix": count_down},
            "preprocessors": {"posterise": posterise, "odd": lambda *_: 1 / 0}}
"""
UNIT = {"enabled": True, "module": "posterise", "model": "anything"}
SHADES = write_base64(Image.linear_gradient("L").convert("RGB"))
COUNT = {"script_name": "count down", "script_args": [2, "less", ""]}


@pytest.fixture(scope="module")
def counting(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    data_dir = tmp_path_factory.mktemp("easel")
    registry = copy_models(goldens, data_dir)
    make_plugin(
        data_dir, "count", web=WEB, worker=WORKER, hooks="scripts preprocessors parts tools"
    )
    make_plugin(
        data_dir, "leap", web=LEAP, worker=LEAPING, hooks="choices routes parts metrics tools"
    )
    with start_service(data_dir, registry) as client:
        yield client


def refusal(answer: Any) -> str:
    """The words of a 422."""
    assert answer.status_code == 422, answer.text
    told: str = answer.get_json()["detail"]
    return told


def texts(answer: Any) -> list[str]:
    """The infotexts of an answer."""
    assert answer.status_code == 200, answer.text
    found: list[str] = json.loads(answer.get_json()["info"])["infotexts"]
    return found


def test_a_script_draws_more_than_once(counting: FlaskClient) -> None:
    told = texts(draw_small(counting, **COUNT))
    assert [text.partition("\n")[0] for text in told] == ["a less 2", "a less 1"]
    assert "Counted: 2" in told[0]
    assert "Counted: 1" in told[1]
    alone = draw_small(counting, prompt="a less 2")
    assert is_same_drawing(first(draw_small(counting, **COUNT)), first(alone))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([2], "the first that is missing is 1, 'Word'"),
        ([0, "less", ""], r"script_args\[0\], 'Count from'"),
        ([1.5, "less", ""], "whole number"),
        ([2, "times", ""], "minus, less"),
        ([2, "less", 7], "'Note'"),
    ],
)
def test_its_arguments_are_checked(counting: FlaskClient, arguments: list[Any], told: str) -> None:
    answer = draw_small(counting, script_name="Count Down", script_args=arguments)
    assert re.search(told, refusal(answer))


def test_a_script_that_gives_nothing_fails_by_name(counting: FlaskClient) -> None:
    answer = draw_small(counting, script_name="bad", script_args=[])
    assert answer.status_code == 500
    assert "'count'" in answer.get_json()["detail"]
    assert "a script gives what draw gave" in answer.get_json()["detail"]


def test_scripts_are_listed_where_they_run(counting: FlaskClient) -> None:
    listed = counting.get("/sdapi/v1/scripts").get_json()
    assert "count down" in listed["txt2img"]
    assert "only larger" not in listed["txt2img"]
    assert "only larger" in listed["img2img"]
    assert listed["txt2img"].count("prompt matrix") == 1  # ours is not taken over
    assert listed["txt2img"].index("count down") < listed["txt2img"].index("controlnet")
    assert "count" in listed["txt2img"]  # its panel
    info = counting.get("/sdapi/v1/script-info").get_json()
    mine = next(each for each in info if each["name"] == "count down")
    assert (mine["is_alwayson"], mine["is_img2img"]) == (False, False)
    assert [arg["label"] for arg in mine["args"]] == ["Count from", "Word", "Note"]
    assert mine["args"][0]["value"] == 2
    assert (mine["args"][0]["minimum"], mine["args"][0]["maximum"]) == (1, 9)
    assert mine["args"][1]["choices"] == ["minus", "less"]
    panel = next(each for each in info if each["name"] == "count")
    assert panel["is_alwayson"] is True
    assert panel["args"][0]["maximum"] == 1
    answer = draw_small(counting, script_name="only larger", script_args=[])
    assert "not found" in refusal(answer)


def test_fields_of_a_panel_are_named(counting: FlaskClient) -> None:
    for entry in ({"args": [2]}, {"much": 2}):
        answer = draw_small(counting, alwayson_scripts={"count": entry})
        assert "alwayson_scripts.count.much" in refusal(answer)
    assert draw_small(counting, alwayson_scripts={"count": {"args": [1]}}).status_code == 200


def maps(client: FlaskClient, **changes: Any) -> Any:
    """The answer to a preprocessor by itself."""
    body = {"controlnet_module": "posterise", "controlnet_input_images": [SHADES]}
    return client.post("/controlnet/detect", json={**body, **changes})


def test_a_preprocessor_is_listed_with_its_numbers(counting: FlaskClient) -> None:
    listed = counting.get("/controlnet/module_list").get_json()
    assert listed["module_list"][-2:] == ["posterise", "odd"]
    assert listed["module_list"].count("canny") == 1
    sliders = listed["module_detail"]["posterise"]["sliders"]
    assert [slider["name"] for slider in sliders] == ["Resolution", "Colours"]
    assert (sliders[1]["value"], sliders[1]["min"], sliders[1]["max"]) == (4, 2, 16)
    named = counting.get("/controlnet/module_list?alias_names=true").get_json()["module_list"]
    assert "Posterise it" in named
    types = counting.get("/controlnet/control_types").get_json()["control_types"]
    assert "Posterise it" in types["Tile"]["module_list"]
    assert "Posterise it" not in types["Canny"]["module_list"]


def test_a_preprocessor_draws_maps(counting: FlaskClient) -> None:
    few, many = (maps(counting, controlnet_threshold_a=n).get_json() for n in (2, 16))
    assert few["images"][0] != many["images"][0]
    usual = maps(counting, controlnet_processor_res=128).get_json()
    named = maps(counting, controlnet_module="Posterise it", controlnet_processor_res=128)
    assert named.get_json()["images"] == usual["images"]
    assert "controlnet_threshold_a" in refusal(maps(counting, controlnet_threshold_a=99))
    assert "controlnet_processor_res" in refusal(maps(counting, controlnet_processor_res=9))
    broken = maps(counting, controlnet_module="odd")
    assert broken.status_code == 500
    assert "'count'" in broken.get_json()["detail"]


def draw_with_unit(client: FlaskClient, **changes: Any) -> Any:
    """The answer to a picture that is steered by the map of a small one."""
    models = client.get("/controlnet/model_list").get_json()["model_list"]
    unit = {
        **UNIT,
        "model": models[0],
        "image": encode_grey_picture(64, 64),
        "processor_res": 64,
        **changes,
    }
    return draw_small(client, alwayson_scripts={"controlnet": {"args": [unit]}})


def test_a_unit_draws_with_a_preprocessor(counting: FlaskClient) -> None:
    steered = draw_with_unit(counting)
    assert "Module: posterise" in texts(steered)[0]
    assert "Threshold A: 4" in texts(steered)[0]
    assert len(steered.get_json()["images"]) == 2  # the map too
    wrong = refusal(draw_with_unit(counting, threshold_a=17))
    assert "alwayson_scripts.controlnet.args[0].threshold_a: 17 is out of range" in wrong
    assert "processor_res" in refusal(draw_with_unit(counting, processor_res=3000))


def draw_plot(client: FlaskClient, kind: str, values: str, second: bool = False) -> Any:
    """The answer to a plot along one axis."""
    listed = client.get("/sdapi/v1/script-info").get_json()
    plot = next(each for each in listed if each["name"] == "x/y/z plot")
    axes = plot["args"][0]["choices"]
    arguments = [axes.index(kind), values, [], 0, "", [], 0, "", []]
    arguments += [False, True, False, False, False, False, False, 0, True]
    larger = {"enable_hr": True, "denoising_strength": 0.5, "hr_scale": 1.5} if second else {}
    return draw_small(client, script_name="x/y/z plot", script_args=arguments, **larger)


def test_samplers_and_schedules_are_plotted(counting: FlaskClient) -> None:
    sampled = texts(draw_plot(counting, "Sampler", "Euler, leap"))
    assert "Sampler: Leap" in sampled[-1]
    scheduled = texts(draw_plot(counting, "Schedule type", "Karras, Straight"))
    assert "Schedule type: Straight" in scheduled[-1]
    larger = texts(draw_plot(counting, "Hires sampler", "Euler, Leap", second=True))
    assert "Hires sampler: Leap" in larger[-1]
    wrong = refusal(draw_plot(counting, "Sampler", "Euler, Lope"))
    assert "Unknown sampler: Lope" in wrong
    assert "Leap" in wrong


def test_lines_of_prompts_name_samplers(counting: FlaskClient) -> None:
    line = "--prompt b --sampler_name Leap"
    answer = draw_small(
        counting,
        script_name="prompts from file or textbox",
        script_args=[False, False, "start", line],
    )
    assert "Sampler: Leap" in texts(answer)[0]


def test_an_infotext_names_samplers(counting: FlaskClient) -> None:
    wanted = {"sampler_name": "Leap", "scheduler": "Straight"}
    told = draw_small(counting, **wanted)
    body = {"infotext": texts(told)[0], "width": 64, "height": 64}
    again = counting.post("/sdapi/v1/txt2img", json=body)
    assert texts(again) == texts(told)


def test_img2img_draws_with_a_sampler(counting: FlaskClient) -> None:
    body = {
        "init_images": [encode_grey_picture(64, 64)], "width": 64, "height": 64, "steps": 4,
        "sampler_name": "Leap", "scheduler": "Straight",
    }  # fmt: skip
    assert "Sampler: Leap" in texts(counting.post("/sdapi/v1/img2img", json=body))[0]


def test_what_is_off_is_refused_with_its_plugin(counting: FlaskClient) -> None:
    """The last test of this file: it turns the plugins off."""
    for name in ("leap", "count"):
        assert counting.post(f"/api/plugins/{name}", json={"enabled": False}).status_code == 200
    assert counting.post("/api/plugins/reload").status_code == 200
    larger = {"enable_hr": True, "denoising_strength": 0.5}
    for changes, field, plugin in (
        ({"sampler_name": "Leap"}, "sampler_name", "leap"),
        ({"scheduler": "Straight"}, "scheduler", "leap"),
        ({**larger, "hr_sampler_name": "Leap"}, "hr_sampler_name", "leap"),
        ({**larger, "hr_scheduler": "Straight"}, "hr_scheduler", "leap"),
        ({**larger, "hr_upscaler": "Mirror"}, "hr_upscaler", "leap"),
        (COUNT, "Script", "count"),
    ):
        told = refusal(draw_small(counting, **changes))
        assert told.startswith(field)
        assert f"the plugin {plugin!r}, which is not on" in told
    body = {"image": encode_grey_picture(16, 16), "upscaler_1": "Mirror"}
    told = refusal(counting.post("/sdapi/v1/extra-single-image", json=body))
    assert told.startswith("upscaler_1: The upscaler 'Mirror' belongs to the plugin 'leap'")
    assert "the plugin 'count'" in refusal(maps(counting))
    assert "args[0].module: The preprocessor" in refusal(draw_with_unit(counting))
    assert "count down" not in counting.get("/sdapi/v1/scripts").get_json()["txt2img"]
    assert "Leap" not in [each["name"] for each in counting.get("/sdapi/v1/samplers").get_json()]
