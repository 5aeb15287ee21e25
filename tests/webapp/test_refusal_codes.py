"""Codes, fields and values of refusals: one table, each used, each refusal names its field."""

import ast
import json
import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import webapp
from generator.control.units import CONTROLNET_FIELD
from generator.errors import BadRequest, GeneratorError, WrongArchitecture
from tests.webapp.conftest import House
from tests.webapp.requests.request_pictures import encode_grey_picture
from webapp.errors import STATUSES, Refused, error_answer
from webapp.refusal_codes import CODES, FAULT_CODES, code_of_class
from webapp.requests import extras, img2img, ranges, txt2img

ROOT = Path(webapp.__file__).parents[1]
PICTURE = encode_grey_picture()
SMALL: Mapping[str, Any] = {"width": 64, "height": 64, "steps": 1}
ROUTES: Mapping[str, tuple[dict[str, Any], Mapping[str, tuple[float, float]]]] = {
    "txt2img": ({**SMALL}, {**ranges.RANGES, **txt2img.RANGES}),
    "img2img": ({**SMALL, "init_images": [PICTURE]}, {**ranges.RANGES, **img2img.RANGES}),
    "extra-single-image": ({"image": PICTURE}, extras.RANGES),
}
BEYOND = 10.0**19  # more than any field takes
UNBOUNDED = {"s_churn", "s_tmin", "s_tmax", "s_min_uncond"}


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


def written_codes() -> set[str]:
    """The codes that the source names where it refuses."""
    names = {each.__name__ for root in (Refused, GeneratorError) for each in subclasses(root)}
    places = {"_refuse": 3, "Refusal": 0, **dict.fromkeys(names, 1)}
    places |= {each.__name__: 2 for each in subclasses(BadRequest)}
    found = set()
    for top in ("webapp", "generator", "plugins"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    found |= codes_of(node, places)
                elif isinstance(node, ast.ClassDef):
                    found |= own_code(node)
    return found


def own_code(node: ast.ClassDef) -> set[str]:
    lines = [line for line in node.body if isinstance(line, ast.Assign)]
    values = {getattr(line.targets[0], "id", ""): line.value for line in lines}
    code = values.get("code")
    return {str(code.value)} - {""} if isinstance(code, ast.Constant) else set()


def codes_of(call: ast.Call, places: Mapping[str, int]) -> set[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name not in places:
        return set()
    given = [*call.args[places[name] : places[name] + 1]]
    given += [word.value for word in call.keywords if word.arg == "code"]
    return {
        node.value
        for value in given
        for node in ([value.body, value.orelse] if isinstance(value, ast.IfExp) else [value])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value
    }


@pytest.fixture(scope="module")
def class_codes() -> set[str]:
    for module in pkgutil.walk_packages(webapp.__path__, "webapp."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            import_module(module.name)
    refusals = {each.code or code_of_class(each) for each in subclasses(Refused)}
    return refusals | {each.code for each in subclasses(BadRequest) if each.code}


def test_each_code_that_is_raised_is_in_the_table(class_codes: set[str]) -> None:
    assert written_codes() - set(CODES) == set()
    assert class_codes - set(CODES) - {"named_refusal"} == set()
    assert {code for _, _, code in STATUSES} - set(CODES) == set()
    assert set(FAULT_CODES.values()) - set(CODES) == set()


def test_codes_are_words_and_stand_once(class_codes: set[str]) -> None:
    assert all(name.replace("_", "").isalpha() and name.islower() for name in CODES)
    used = written_codes() | class_codes | {code for _, _, code in STATUSES}
    used |= {*FAULT_CODES.values(), "wrong_type", "invalid_value", "failed", "out_of_memory"}
    in_helpers = {"unknown_name", "out_of_range"}  # chosen by generator.scripts.catalogue
    assert set(CODES) - used - in_helpers == set()


def post(house: House, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = house.client().post(f"/sdapi/v1/{route}", json=body)
    assert answer.status_code == 422, answer.text[:300]
    told: dict[str, Any] = json.loads(answer.text, parse_constant=pytest.fail)
    return told


@pytest.mark.parametrize("route", ROUTES)
def test_each_bounded_number_is_refused_with_its_field_and_limits(house: House, route: str) -> None:
    body, limits = ROUTES[route]
    for name, (least, most) in limits.items():
        if name in UNBOUNDED:
            continue
        told = post(house, route, {**body, name: BEYOND})
        assert (told["code"], told["field"]) == ("out_of_range", name)
        assert told["values"]["most"] == most
        assert told["values"]["least"] == (None if least == -float("inf") else least)
        assert name in told["detail"]
        assert told["values"]["value"] == BEYOND


UNIT = {"enabled": True, "module": "canny", "model": "None", "image": PICTURE}
CASES: Mapping[str, tuple[str, dict[str, Any], str, str, dict[str, Any]]] = {
    "type": ("txt2img", {"steps": "many"}, "wrong_type", "steps", {"expected": "integer"}),
    "null": ("txt2img", {"send_images": None}, "null_value", "send_images", {}),
    "pictures": (
        "txt2img", {"batch_size": 60, "n_iter": 60}, "too_many", "n_iter",
        {"count": 3600, "most": 1000, "what": "pictures"},
    ),
    "prompt": (
        "txt2img", {"prompt": "a" * 20_001}, "too_long", "prompt",
        {"length": 20_001, "most": 20_000},
    ),
    "weight": ("txt2img", {"prompt": "(cat:5000)"}, "out_of_range", "prompt", {"most": 1000}),
    "sampler": (
        "txt2img",
        {"enable_hr": True, "denoising_strength": 0.5, "hr_sampler_name": "Oiler"},
        "unknown_name", "hr_sampler_name", {"value": "Oiler"},
    ),
    "hires": ("txt2img", {"enable_hr": True}, "missing", "denoising_strength", {}),
    "hires size": (
        "txt2img", {"enable_hr": True, "denoising_strength": 0.5, "hr_scale": 60, "width": 640},
        "out_of_range", "hr_scale", {"value": 38400, "most": 8192},
    ),
    "refiner": (
        "txt2img", {"refiner_checkpoint": "nobody"}, "model_not_found", "refiner_checkpoint",
        {"value": "nobody"},
    ),
    "checkpoint": (
        "txt2img", {"alwayson_scripts": {"sd_model_checkpoint": "nobody"}},
        "model_not_found", "", {"value": "nobody"},
    ),
    "setting": (
        "txt2img", {"override_settings": {"nothing": 1}}, "unknown_setting", "override_settings",
        {"value": "nothing"},
    ),
    "clip skip": (
        "txt2img", {"override_settings": {"CLIP_stop_at_last_layers": 99}}, "out_of_range",
        "CLIP_stop_at_last_layers", {"value": 99, "most": 12},
    ),
    "script": ("txt2img", {"script_name": "x"}, "unknown_script", "script_name", {"value": "x"}),
    "argument": (
        "txt2img",
        {"script_name": "prompt matrix", "script_args": [False, False, "up", "comma", 0]},
        "unknown_name", "script_args.2", {"value": "up", "label": "Select prompt"},
    ),
    "axis": (
        "txt2img", {"script_name": "x/y/z plot", "script_args": [4, "many", []]},
        "wrong_type", "script_args", {"value": "many", "label": "Steps"},
    ),
    "always on": (
        "txt2img", {"alwayson_scripts": {"who": {}}}, "unknown_script", "alwayson_scripts",
        {"value": "who"},
    ),
    "unit weight": (
        "txt2img", {"alwayson_scripts": {"ControlNet": {"args": [{**UNIT, "weight": 3}]}}},
        "out_of_range", f"{CONTROLNET_FIELD}.args.0.weight", {"value": 3, "least": 0, "most": 2},
    ),
    "unit model": (
        "txt2img", {"alwayson_scripts": {"ControlNet": {"args": [{**UNIT, "model": "x"}]}}},
        "model_not_found", CONTROLNET_FIELD, {"value": "x", "unit": 0},
    ),
    "unit order": (
        "txt2img",
        {"alwayson_scripts": {"ControlNet": {"args": [
            {}, {**UNIT, "guidance_start": 0.9, "guidance_end": 0.1}]}}},
        "wrong_order", f"{CONTROLNET_FIELD}.args.1.guidance_start", {"value": 0.9, "other": 0.1},
    ),
    "soft inpainting": (
        "img2img",
        {"init_images": [PICTURE], "alwayson_scripts": {"soft inpainting": {"args": [True, 99]}}},
        "out_of_range", "alwayson_scripts.soft inpainting.args.1", {"value": 99, "most": 8},
    ),
    "picture": ("img2img", {"init_images": ["no"]}, "bad_picture", "init_images", {}),
    "mask": ("img2img", {"init_images": [PICTURE], "mask": "no"}, "bad_picture", "mask", {}),
    "upscaler": (
        "extra-single-image", {"image": PICTURE, "upscaler_1": "x"}, "unknown_name", "upscaler_1",
        {"value": "x"},
    ),
    "mode": (
        "extra-single-image", {"image": PICTURE, "resize_mode": 3}, "unknown_name", "resize_mode",
        {"value": 3, "known": [0, 1]},
    ),
}  # fmt: skip
"""Route, what is sent, and the code, field and values (some of them) of the refusal."""


def test_refusals_name_code_field_and_values(house: House) -> None:
    found, wanted = {}, {}
    for case, (route, body, code, field, values) in CASES.items():
        answer = house.client().post(f"/sdapi/v1/{route}", json={**SMALL, **body})
        told = {"code": "", "field": "", "values": {}} | answer.get_json()
        found[case] = (
            told["code"],
            told["field"],
            {key: told["values"].get(key) for key in values},
        )
        wanted[case] = (code, field, values)
    assert found == wanted


def test_further_faults_are_told_too(house: House) -> None:
    told = post(house, "txt2img", {"steps": "a", "width": "b"})
    assert [each["loc"][-1] for each in told["detail"]] == ["steps", "width"]
    assert told["field"] == "steps"
    assert [each["field"] for each in told["others"]] == ["width"]


def test_a_missing_picture_is_404_with_its_field(house: House) -> None:
    told = house.client().post("/sdapi/v1/img2img", json=SMALL).get_json()
    assert (told["code"], told["field"], told["errors"]) == ("no_picture", "init_images", "")


def test_what_a_worker_refuses_is_told_alike() -> None:
    told = json.loads(error_answer(WrongArchitecture("The LoRA is made for another.")).body)
    assert (told["code"], told["field"], told["values"]) == ("wrong_architecture", "", {})
    assert [*told] == ["error", "detail", "body", "errors", "code", "field", "values"]
    assert json.loads(error_answer(OSError(28, "full")).body)["code"] == "disk_full"
    assert json.loads(error_answer(MemoryError()).body)["code"] == "out_of_memory"
    assert json.loads(error_answer(KeyError("x")).body)["code"] == "failed"


def test_values_are_bounded() -> None:
    error = Refused("a: no.", "unknown_name", value="x" * 9999, known=["y"] * 9999)
    values = json.loads(error_answer(error).body)["values"]
    assert (len(values["value"]), len(values["known"])) == (200, 200)


def test_the_api_document_lists_the_codes(house: House) -> None:
    schemas = house.client().get("/openapi.json").get_json()["components"]["schemas"]
    assert schemas["RefusalCode"]["enum"] == [*CODES]
    assert {"code", "field", "values"} <= {*schemas["Envelope"]["required"]}
