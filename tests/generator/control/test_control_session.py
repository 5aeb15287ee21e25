"""The units of a job: what is shown, what is told, what is done to the pictures."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from generator.control.controlnets import ControlNetCache
from generator.control.prepared_unit import prepare_unit
from generator.control.session import Control, prepare_control, unit_notes
from generator.models.kinds import Folders
from generator.models.registry import Registry
from generator.request import ControlUnit, GenerationRequest, HiresFix, Seeds, Snapshot
from tests.generator.control.conftest import encode_pixels

RED = encode_pixels(Image.new("RGB", (48, 40), "red"))


def control(tmp_path: Path, *units: ControlUnit, **fields: Any) -> Control:
    fields = {"width": 70, "height": 64} | fields
    request = GenerationRequest("", Seeds(1), controls=units, **fields)
    networks = ControlNetCache(torch.device("cpu"), torch.float32)
    made = prepare_control(request, Registry(Folders.under(tmp_path)), networks)
    assert made is not None
    return made


def unit(module: str = "reference_only", **fields: Any) -> ControlUnit:
    return ControlUnit(module, image=RED, **fields)


def test_a_job_without_units_has_no_control(tmp_path: Path) -> None:
    networks = ControlNetCache(torch.device("cpu"), torch.float32)
    request = GenerationRequest("", Seeds(1))
    assert prepare_control(request, Registry(Folders.under(tmp_path)), networks) is None


def test_maps_are_shown_unit_by_unit_the_larger_first(tmp_path: Path) -> None:
    fix = HiresFix(0.5, resize_width=128, resize_height=96)
    units = (unit(), unit(save_detected_map=False), unit("reference_adain"))
    assert [m.size for m in control(tmp_path, *units).maps] == [(64, 64)] * 2
    shown = control(tmp_path, *units, hires=fix).maps
    assert [m.size for m in shown] == [(128, 96), (64, 64)] * 2
    assert not control(tmp_path, unit(), options=Snapshot(control_net_no_detectmap=True)).maps


def test_the_infotext_counts_the_units(tmp_path: Path) -> None:
    made = control(tmp_path, unit(), unit("reference_adain", threshold_a=0.7))
    assert list(made.notes) == ["ControlNet 0", "ControlNet 1"]
    assert "Module: reference_adain, Model: None, Weight: 1.0" in str(made.notes["ControlNet 1"])
    assert "Threshold A: 0.7, Threshold B: 0.5," in str(made.notes["ControlNet 1"])


def test_a_name_that_breaks_the_notation_is_not_told() -> None:
    assert unit_notes(ControlUnit(model="a, b [1]")) == ""


def ready_control(made_for: ControlUnit) -> Control:
    """A control whose unit needs a model, made without one."""
    request = GenerationRequest("", Seeds(1), width=64, height=64)
    return Control((prepare_unit(made_for, request, None),), (), {}, seam=7)


def test_inpaint_only_keeps_the_rest_of_the_picture() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 255
    known = Image.fromarray(np.full((64, 64, 3), 10, np.uint8))
    unit = ControlUnit("inpaint_only", image=encode_pixels(known), mask=encode_pixels(mask))
    drawn = Image.new("RGB", (64, 64), (210, 210, 210))
    pixels = np.asarray(ready_control(unit).finish(drawn))
    assert (pixels[:, 40:] == 10).all()
    assert (pixels[:, :28] == 210).all()
    seam = pixels[32, 28:40, 0].astype(int)
    assert (np.diff(seam) <= 0).all()  # soft on the way


def test_recolouring_takes_the_brightness_of_the_map() -> None:
    ramp = np.dstack([np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))] * 3)
    drawn = Image.new("RGB", (64, 64), (200, 120, 40))
    unit = ControlUnit(
        "recolor_intensity", image=encode_pixels(ramp), processor_res=64, threshold_a=1.0
    )
    pixels = np.asarray(ready_control(unit).finish(drawn))
    value = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[32, :, 2].astype(int)
    assert np.abs(value - ramp[32, :, 0]).max() <= 2
