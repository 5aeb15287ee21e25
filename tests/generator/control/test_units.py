"""Reading ControlNet units from a request (contract sections 10.1 and 10.2)."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from generator.control.modules import MODULES
from generator.control.units import read_units
from generator.errors import BadRequest
from generator.request import ControlUnit


def read(**fields: object) -> ControlUnit:
    (unit,) = read_units([{"enabled": True, **fields}])
    return unit


def test_a_unit_must_be_enabled_explicitly() -> None:
    assert read_units([{"module": "canny"}, {"enabled": False, "module": "nonsense"}]) == ()
    assert read_units([]) == ()


def test_what_is_no_object_is_ignored_and_takes_a_slot() -> None:
    on = {"enabled": True}
    assert len(read_units([True, "x", on])) == 1
    assert len(read_units([on, on, on, on])) == 3
    assert len(read_units([on, on, on, on], limit=4)) == 4


def test_defaults_are_those_of_the_preprocessor() -> None:
    unit = read(module="canny")
    assert (unit.processor_res, unit.threshold_a, unit.threshold_b) == (512, 100, 200)
    assert (unit.weight, unit.control_mode, unit.hr_option) == (1.0, "Balanced", "Both")
    assert read(module="threshold").threshold_a == 127


def test_numbers_the_preprocessor_lacks_stand_at_the_hidden_slider() -> None:
    unit = read(module="invert", processor_res=64, threshold_a=100)
    assert (unit.processor_res, unit.threshold_a, unit.threshold_b) == (0.5, 0.5, 0.5)


def test_numbers_out_of_range_become_the_default() -> None:
    unit = read(module="canny", processor_res=63, threshold_a=0, threshold_b=256)
    assert (unit.processor_res, unit.threshold_a, unit.threshold_b) == (512, 100, 200)
    assert read(module="canny", processor_res="2048").processor_res == 2048


def test_numbers_survive_the_queue_as_they_are_written() -> None:
    adapter = TypeAdapter(ControlUnit)
    for unit in (
        read(module="canny"),
        read(module="canny", threshold_a=7.0),
        read(module="invert"),
    ):
        again = adapter.validate_json(adapter.dump_json(unit))
        assert repr(again) == repr(unit)


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        (0, "Just Resize"),
        (2, "Resize and Fill"),
        ("Scale to Fit (Inner Fit)", "Crop and Resize"),
        ("Envelope (Outer Fit)", "Resize and Fill"),
        (None, "Crop and Resize"),
    ],
)
def test_resize_modes_go_by_several_names(given: object, mode: str) -> None:
    assert read(resize_mode=given).resize_mode == mode


def test_a_union_is_told_its_kind_of_map_by_the_extensions_words() -> None:
    assert read().union_control_type == "Unknown"
    assert read(union_control_type="Hard Edge").union_control_type == "Hard Edge"
    with pytest.raises(BadRequest, match="union_control_type: 'edges' is none of OpenPose"):
        read(union_control_type="edges")


def test_old_names_of_fields() -> None:
    unit = read(input_image="AAAA", guidance=0.5, control_mode=2)
    assert (unit.image, unit.guidance_end) == ("AAAA", 0.5)
    assert unit.control_mode == "ControlNet is more important"


@pytest.mark.parametrize(
    "image", [{"image": "AA", "mask": "BB"}, ["AA", "BB"], [{"image": "AA", "mask": "BB"}]]
)
def test_a_picture_may_bring_its_mask(image: object) -> None:
    unit = read(image=image)
    assert (unit.image, unit.mask) == ("AA", "BB")


def test_every_picture_is_checked_under_its_name() -> None:
    seen = {}

    def picture(field: str, text: str) -> str:
        seen[field.rpartition("args[0].")[2]] = text
        return text.lower()

    arg = {"enabled": True, "image": "A", "mask_image": "B", "effective_region_mask": "C"}
    (unit,) = read_units([arg], picture=picture)
    assert seen == {"image": "A", "mask_image": "B", "effective_region_mask": "C"}
    assert (unit.image, unit.mask, unit.effective_region_mask) == ("a", "b", "c")


def test_an_address_is_for_who_checks_pictures() -> None:
    arg = {"enabled": True, "image_link": "https://example.org/x.png"}
    (unit,) = read_units([arg], picture=lambda field, text: f"{field.rpartition('.')[2]} {text}")
    assert unit.image == "image_link https://example.org/x.png"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"module": "nonsense"}, "nonsense"),
        ({"module": "dw_openpose_full"}, "network of its own"),
        ({"module": "seg_ofcoco"}, "network of its own"),
        ({"weight": 3}, "weight"),
        ({"weight": "heavy"}, "weight"),
        ({"resize_mode": "nope"}, "resize_mode"),
        ({"control_mode": 3}, "control_mode"),
        ({"guidance_start": 0.6, "guidance_end": 0.5}, "guidance_start"),
        ({"mask": "A", "mask_image": "B"}, "mask and mask_image"),
        ({"image": {"image": "A", "mask": "B"}, "mask": "C"}, "image.mask"),
        ({"image": ["A", "B", "C"]}, "one picture a unit"),
        ({"image": 7}, "base64"),
        ({"advanced_weighting": [1.0] * 99}, "advanced_weighting"),
    ],
)
def test_refuses_naming_the_unit_and_the_field(fields: dict[str, object], named: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_units([{}, {"enabled": True, **fields}])
    assert "alwayson_scripts.controlnet.args[1]" in str(refused.value)
    assert named in str(refused.value)


@pytest.mark.parametrize("alias", [False, True])
def test_the_table_is_the_recorded_one(goldens: Path, alias: bool) -> None:
    name = "controlnet_module_list" + ("_alias_names_true" if alias else "")
    recorded = json.loads((goldens / f"get/{name}.json").read_text())
    assert [module.label if alias else module.name for module in MODULES] == recorded["module_list"]
    for module in MODULES:
        detail = recorded["module_detail"][module.label if alias else module.name]
        sliders = [
            (s["name"], s["value"], s["min"], s["max"], s["step"]) for s in detail["sliders"]
        ]
        assert sliders == [(s.name, s.value, s.least, s.most, s.step) for s in module.sliders]
        assert detail["model_free"] == module.model_free
