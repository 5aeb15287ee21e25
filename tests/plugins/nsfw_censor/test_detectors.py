"""Detectors that owners bring: where they are looked for, what they say, what is told without."""

import types
from pathlib import Path

import pytest
from PIL import Image

from plugins.nsfw_censor import nudenet
from plugins.nsfw_censor.censor import CensorRules
from plugins.nsfw_censor.detectors import DetectorSet, judge_picture
from plugins.nsfw_censor.names import BUILT_IN, COMPVIS, NUDENET
from plugins.nsfw_censor.safety_checker import square_windows
from tests.plugins.nsfw_censor.censor_pictures import landscape
from tests.plugins.nsfw_censor.fake_detectors import NAMES, SIDE, make_checker, make_onnx

RED, BLUE = (Image.new("RGB", (90, 60), colour) for colour in ("red", "blue"))
FACELESS = ("HAND", "FOOT", "HAIR")


@pytest.mark.parametrize(("threshold", "withheld"), [(-1.1, True), (1.1, False)])
def test_the_safety_checker_has_thresholds_of_its_own(
    tmp_path: Path, threshold: float, withheld: bool
) -> None:
    make_checker(tmp_path / "safety_checker", threshold=threshold)
    for picture in (RED, RED.convert("L"), RED.convert("RGBA"), Image.new("RGB", (8, 900))):
        verdict = judge_picture(DetectorSet(tmp_path), picture, CensorRules(detectors=(COMPVIS,)))
        assert (verdict.detector, verdict.withheld) == (COMPVIS, withheld)


def test_the_safety_checker_sees_all_of_a_long_picture() -> None:
    wide = Image.new("RGB", (250, 100))
    for size in ((250, 100), (100, 250)):
        parts = square_windows(wide.resize(size))
        assert [part.size for part in parts] == [(100, 100)] * 3
    assert [part.size for part in square_windows(wide.resize((64, 64)))] == [(64, 64)]
    marked = Image.new("RGB", (3200, 1))
    marked.putpixel((3199, 0), (255, 255, 255))
    parts = square_windows(marked)
    assert len(parts) == 16
    assert parts[-1].getextrema()[0][1] == 255


def test_nudenet_counts_what_is_exposed_alone(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    make_onnx(tmp_path / "nudenet" / "tiny.onnx")
    bench, rules = DetectorSet(tmp_path), CensorRules(detectors=(NUDENET,))
    found = judge_picture(bench, RED, rules)
    assert found.withheld
    assert found.score == pytest.approx(60 / 90, abs=0.02)  # a third of its square is black
    assert judge_picture(bench, BLUE, rules).score == pytest.approx(0, abs=1e-6)
    strict = CensorRules(detectors=(NUDENET,), nudenet_threshold=0.9)
    assert not judge_picture(bench, RED, strict).withheld


@pytest.mark.parametrize(
    ("made", "told"), [({"names": FACELESS}, "none of NudeNet's"), ({"rows": 9}, "9 rows")]
)
def test_another_network_is_refused(tmp_path: Path, made: dict, told: str) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    make_onnx(tmp_path / "nudenet" / "tiny.onnx", **made)
    with pytest.raises(ValueError, match=told):
        judge_picture(DetectorSet(tmp_path), RED, CensorRules(detectors=(NUDENET,)))


def test_the_weights_of_an_installed_package_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_onnx(tmp_path / "site" / "320n.onnx")
    spec = types.SimpleNamespace(submodule_search_locations=[str(tmp_path / "site")])
    monkeypatch.setattr(nudenet, "find_spec", lambda name: spec if name == "nudenet" else None)
    assert nudenet.package_weights() == [tmp_path / "site" / "320n.onnx"]
    monkeypatch.setattr(nudenet, "find_spec", lambda name: None)
    assert nudenet.package_weights() == []


@pytest.mark.parametrize(
    ("name", "told"), [(COMPVIS, "models/safety_checker/"), (NUDENET, "pip install nudenet")]
)
def test_what_is_chosen_and_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    monkeypatch.setattr(nudenet, "package_weights", list)
    with pytest.raises(ValueError, match=told):
        judge_picture(DetectorSet(tmp_path), RED, CensorRules(detectors=(BUILT_IN, name)))


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    for name, file in ((COMPVIS, "safety_checker/config.json"), (NUDENET, "nudenet/torn.onnx")):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("{")
        with pytest.raises(ValueError, match="cannot be read"):
            judge_picture(DetectorSet(tmp_path), RED, CensorRules(detectors=(name,)))


def test_one_detector_is_enough(tmp_path: Path, flagged_picture: Image.Image) -> None:
    make_checker(tmp_path / "safety_checker", threshold=-1.1)
    bench, both = DetectorSet(tmp_path), CensorRules(detectors=(BUILT_IN, COMPVIS))
    assert judge_picture(bench, flagged_picture, both).detector == BUILT_IN
    plain = judge_picture(bench, landscape(), both)
    assert (plain.detector, plain.withheld) == (COMPVIS, True)
    assert not judge_picture(bench, landscape(), CensorRules()).withheld


def test_classes_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    make_onnx(tmp_path / "tiny.onnx")
    session = nudenet.load_session(tmp_path)
    assert (tuple(session.classes), session.side) == (NAMES, SIDE)
