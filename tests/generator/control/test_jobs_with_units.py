"""Whole jobs with units, on the recorded tiny checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from generator.engine import Engine
from generator.errors import BadRequest, ModelNotFound
from generator.request import (
    ControlUnit,
    Generation,
    GenerationRequest,
    HiresFix,
    Progress,
    Refiner,
    Sampling,
    Seeds,
    Snapshot,
    Stop,
)
from tests.generator.control.conftest import SQUARES, encode_pixels
from tests.parity.compare import psnr
from tests.parity.service import build_engine

PICTURE = encode_pixels(SQUARES)
NONE = ControlUnit(model="tiny_control_canny", image=PICTURE)
REFERENCE = ControlUnit("reference_only", image=PICTURE)


def request(*units: ControlUnit, **fields: object) -> GenerationRequest:
    made = GenerationRequest(
        "a cat",
        Seeds(7),
        "dog",
        Sampling("Euler a", steps=3),
        64,
        64,
        checkpoint="tinysd15",
        controls=units,
        options=Snapshot(randn_source="CPU"),
    )
    return replace(made, **fields)


@pytest.fixture(scope="module")
def engine(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)
    return build_engine(goldens, tmp_path_factory.mktemp("data"))


def same(one: Generation, other: Generation, place: int = 0) -> float:
    return psnr(one.pictures[place].image, other.pictures[0].image)


@pytest.mark.parametrize("unit", [NONE, REFERENCE], ids=["control", "reference"])
def test_a_picture_does_not_depend_on_its_batch(engine: Engine, unit: ControlUnit) -> None:
    batch = engine.run(request(unit, batch_size=3))
    alone = engine.run(request(unit, seeds=Seeds(9)))
    assert same(batch, alone, 2) >= 60


def test_nothing_stays_behind(engine: Engine) -> None:
    plain = engine.run(request())
    steered = engine.run(request(NONE, REFERENCE, ControlUnit("reference_adain", image=PICTURE)))
    assert same(steered, plain) < 40
    assert same(engine.run(request()), plain) == 99.0


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "a cat AND a dog :0.5"},
        {"prompt": "cat, " * 60},
        {"prompt": "cat <lora:tinylora:0.7>"},
        {"refiner": Refiner("tinysd15b", 0.5)},
        {"hires": HiresFix(0.6, 1.5)},
        {"sampling": Sampling("Heun", steps=2)},
        {"width": 72, "height": 104},
    ],
    ids=["and", "long", "lora", "refiner", "hires", "heun", "odd"],
)
def test_units_go_with_everything(engine: Engine, fields: dict[str, object]) -> None:
    steered = engine.run(request(NONE, REFERENCE, **fields))
    assert same(steered, engine.run(request(**fields))) < 40
    assert len(steered.maps) == (4 if "hires" in fields else 2)


def test_units_outside_their_range_change_nothing(engine: Engine) -> None:
    never = replace(NONE, guidance_start=0.9)  # the last call follows step 1 of 3
    assert same(engine.run(request(never)), engine.run(request())) == 99.0


def test_loading_is_told(engine: Engine) -> None:
    told: list[str | None] = []

    def watch(progress: Progress, preview: object) -> Stop:
        told.append(progress.textinfo)
        return Stop.NO

    engine.unload()
    engine.run(request(NONE), watch)
    assert "Loading weights from tiny_control_canny.safetensors" in told


def test_an_interrupt_keeps_what_is_drawn(engine: Engine) -> None:
    def watch(progress: Progress, preview: object) -> Stop:
        return Stop.INTERRUPT if progress.step >= 2 else Stop.NO

    stopped = engine.run(request(NONE, REFERENCE), watch)
    assert stopped.stopped
    assert len(stopped.pictures) == 1


def test_refusals_name_what_is_wrong(engine: Engine) -> None:
    with pytest.raises(ModelNotFound, match=r"nope.*tiny_control_canny \[1dff07e5\]"):
        engine.run(request(replace(NONE, model="nope")))
    with pytest.raises(BadRequest, match="no input image"):
        engine.run(request(replace(NONE, image=None)))
    with pytest.raises(BadRequest, match="advanced_weighting has 2 numbers"):
        engine.run(request(replace(NONE, advanced_weighting=(1.0, 1.0))))
