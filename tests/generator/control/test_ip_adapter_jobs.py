"""Whole jobs with IP-Adapters, for both families, and what refusing one answers."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from generator.engine import Engine
from generator.models.checkpoint import load_checkpoint
from generator.models.kinds import Folders, ModelKind
from generator.models.registry import Registry
from generator.request import (
    ControlUnit,
    Generation,
    GenerationRequest,
    HiresFix,
    Origin,
    Refiner,
    Sampling,
    Seeds,
    Snapshot,
)
from tests.generator.control import ip_adapter_files, sdxl_controls
from tests.generator.control.conftest import SQUARES, encode_pixels
from tests.parity.compare import psnr
from tests.parity.service import Service, run_service
from tests.webapp.app_server import serve_app
from tests.webapp.easel_server import CHECKPOINT as DEFAULT

PICTURE = encode_pixels(SQUARES)
ADAPTERS = {"easel-default": "ip-adapter_sd", "tinyxl": "ip-adapter-plus_sdxl"}
"""The checkpoint that each is for, one of either family."""


def make_models(data_dir: Path) -> None:
    """Both checkpoints with an IP-Adapter for each, a ControlNet's name, and the encoder."""
    sdxl_controls.make_checkpoints(data_dir, "tinyxl", "tinyxl_refiner")
    shutil.copy2(DEFAULT, data_dir / "models/Stable-diffusion")
    ip_adapter_files.save_encoder(data_dir, ip_adapter_files.encoder())
    for file in Registry(Folders.under(data_dir)).index.files_of(ModelKind.CHECKPOINT):
        if file.stem not in ADAPTERS:
            continue
        unet = load_checkpoint(file, torch.device("cpu"), torch.float32).unet
        kind = "plus" if file.stem == "tinyxl" else "linear"
        parts = ip_adapter_files.adapter_for(unet, kind)
        ip_adapter_files.save_adapter(data_dir, f"{ADAPTERS[file.stem]}.safetensors", parts)
        if file.stem == "tinyxl":
            faces = ip_adapter_files.adapter_for(unet, "face")
            ip_adapter_files.save_adapter(data_dir, "faceid.safetensors", faces)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    torch.set_num_threads(1)
    data_dir = tmp_path_factory.mktemp("data")
    make_models(data_dir)
    with run_service(data_dir, Registry(Folders.under(data_dir))) as running:
        yield running


@pytest.fixture(scope="module")
def engine(service: Service) -> Engine:
    return sdxl_controls.engine_over(service.data_dir)


def draw(engine: Engine, checkpoint: str, *units: ControlUnit, **fields: Any) -> Generation:
    request = GenerationRequest(
        "a cat",
        Seeds(7),
        "dog",
        Sampling("Euler", steps=2),
        64,
        64,
        checkpoint=checkpoint,
        controls=units,
        options=Snapshot(randn_source="CPU"),
    )
    return engine.run(replace(request, **fields))


def first(generation: Generation) -> Image.Image:
    return generation.pictures[0].image


@pytest.mark.parametrize("checkpoint", ADAPTERS)
def test_every_kind_of_job_sees_the_picture(engine: Engine, checkpoint: str) -> None:
    unit = ControlUnit("ip-adapter-auto", ADAPTERS[checkpoint], weight=2.0, image=PICTURE)
    for fields in ({}, {"hires": HiresFix(0.7, 1.5)}, {"origin": Origin((PICTURE,), 0.9)}):
        plain = draw(engine, checkpoint, **fields)
        prompted = draw(engine, checkpoint, unit, **fields)
        assert psnr(first(prompted), first(plain)) < 40, fields
        assert psnr(first(draw(engine, checkpoint, **fields)), first(plain)) == 99.0
        assert [shown.size for shown in prompted.maps] == [(64, 64)]
    assert f"Module: ip-adapter-auto, Model: {unit.model}" in prompted.pictures[0].infotext


@pytest.mark.parametrize("checkpoint", ADAPTERS)
def test_a_picture_of_a_batch_is_drawn_as_alone(engine: Engine, checkpoint: str) -> None:
    unit = ControlUnit("ip-adapter-auto", ADAPTERS[checkpoint], weight=2.0, image=PICTURE)
    batch = draw(engine, checkpoint, unit, batch_size=2)
    alone = draw(engine, checkpoint, unit, seeds=Seeds(8))
    assert psnr(batch.pictures[1].image, first(alone)) >= 60


REFERENCE = ControlUnit("reference_only", image=PICTURE)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "a cat AND a dog :0.5"},
        {"prompt": "cat, " * 60},
        {"sampling": Sampling("Heun", steps=2)},
        {"width": 72, "height": 104},
        {"options": Snapshot(randn_source="CPU", token_merging_ratio=0.5)},
        {"options": Snapshot(randn_source="CPU", batch_cond_uncond=False)},
        {"refiner": Refiner("tinyxl_refiner", 0.5)},
    ],
    ids=["and", "long", "heun", "odd", "merging", "apart", "refiner"],
)
def test_it_goes_with_everything(engine: Engine, fields: dict[str, Any]) -> None:
    unit = ControlUnit("ip-adapter-auto", ADAPTERS["tinyxl"], weight=2.0, image=PICTURE)
    beside = draw(engine, "tinyxl", REFERENCE, **fields)
    assert psnr(first(draw(engine, "tinyxl", REFERENCE, unit, **fields)), first(beside)) < 40


def post(url: str, unit: dict[str, Any], checkpoint: str = "easel-default") -> tuple[int, Any]:
    """Status and body of the answer to a drawing with one unit."""
    body = {
        "prompt": "a cat",
        "steps": 1,
        "width": 64,
        "height": 64,
        "alwayson_scripts": {"controlnet": {"args": [{"enabled": True, "image": PICTURE, **unit}]}},
        "override_settings": {"sd_model_checkpoint": checkpoint},
    }
    request = urllib.request.Request(
        f"{url}/sdapi/v1/txt2img", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_refusals_are_422_with_what_to_do(service: Service) -> None:
    auto = {"module": "ip-adapter-auto"}
    small, xl = ({**auto, "model": name} for name in ADAPTERS.values())
    tensors = {**small, "ipadapter_input": ["gASV"]}
    cases = [
        (xl, "easel-default", ["ip-adapter-plus_sdxl.safetensors", "easel-default.safetensors"]),
        ({**auto, "model": "faceid"}, "tinyxl", ["insightface"]),
        ({**xl, "module": "ip-adapter_face_id"}, "tinyxl", ["insightface"]),
        ({**xl, "module": "canny"}, "tinyxl", ["an IP-Adapter", "ip-adapter-auto"]),
        (tensors, "easel-default", ["args[0].ipadapter_input: pickled tensors"]),
    ]
    encoder = service.data_dir / ip_adapter_files.ENCODERS / "tiny.safetensors"
    with serve_app(service.client.application) as url:
        for unit, checkpoint, words in cases:
            status, body = post(url, unit, checkpoint)
            assert status == 422, (unit, body)
            assert all(word in body["detail"] for word in words), body
            assert str(service.data_dir) not in str(body)
        away = encoder.rename(encoder.with_suffix(".away"))
        service.engine.unload()
        status, body = post(url, small)
        assert (status, ip_adapter_files.ENCODERS in body["detail"]) == (422, True), body
        away.rename(encoder)
        status, body = post(url, small)
        assert (status, len(body.get("images", ()))) == (200, 2), body
