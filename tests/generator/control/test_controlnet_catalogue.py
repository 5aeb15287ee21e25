"""Names of ControlNets (contract section 10.6)."""

from pathlib import Path

import pytest

from generator.control.catalogue import check_units, find_model, model_of, models_by_title
from generator.errors import BadRequest, ModelNotFound
from generator.models.index import ModelFile, ModelIndex
from generator.models.kinds import Folders, ModelKind
from generator.models.registry import Registry
from generator.request import ControlUnit


def model(name: str, hash: str) -> ModelFile:
    return ModelFile(ModelKind.CONTROLNET, name, Path("/m") / name, 1, 1, 1, legacy_hash=hash)


HERE = ModelIndex(
    {
        ModelKind.CONTROLNET: (
            model("control_v11p_sd15_canny_fp16.safetensors", "11111111"),
            model("sub/control_v11p_sd15_canny.pth", "d14c016b"),
            model("Depth.safetensors", "22222222"),
        )
    }
)


def test_lists_stem_and_hash() -> None:
    assert list(models_by_title(HERE))[1] == "control_v11p_sd15_canny [d14c016b]"


@pytest.mark.parametrize(
    ("asked", "stem"),
    [
        ("control_v11p_sd15_canny [d14c016b]", "control_v11p_sd15_canny"),
        ("depth", "Depth"),
        ("Canny", "control_v11p_sd15_canny"),
        ("canny_fp16", "control_v11p_sd15_canny_fp16"),
        ("22222222", "Depth"),
    ],
)
def test_finds_by_name_stem_and_part(asked: str, stem: str) -> None:
    assert find_model(HERE, asked).stem == stem


def test_says_what_is_there_when_it_finds_nothing() -> None:
    with pytest.raises(ModelNotFound, match=r"model not found: nope.*Depth \[22222222\]"):
        find_model(HERE, "nope")


def test_a_unit_without_model_or_picture_is_refused(tmp_path: Path) -> None:
    registry = Registry(Folders.under(tmp_path))
    with pytest.raises(BadRequest, match="have not selected"):
        model_of(ControlUnit(module="canny"), registry)
    reference = ControlUnit(module="reference_only")
    assert model_of(reference, registry) is None
    check_units([reference], registry, has_picture=True)
    with pytest.raises(BadRequest, match="no input image"):
        check_units([reference], registry, has_picture=False)
