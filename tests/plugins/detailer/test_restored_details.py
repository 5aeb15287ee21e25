"""Faces restored where the detailer painted again, asked for by ADetailer's arguments."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from flask.testing import FlaskClient

from generator.models.registry import Registry
from tests.generator.faces.tiny_networks import COLOUR, write_networks
from tests.parity.recorded_xl import place_models
from tests.plugins.plugin_files import make_plugin
from tests.plugins.plugin_service import draw_small, first, start_service

SEER = """
from plugins.api import Box

@hook
def find_boxes(image, label):
    return [Box(16, 16, 32, 32, label)] if label == "hand" else None
"""


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FlaskClient, Registry, Path]]:
    """An Easel with a tiny checkpoint and a plugin that finds a hand in any picture."""
    torch.set_num_threads(1)
    data_dir = tmp_path_factory.mktemp("easel")
    registry = place_models(("tinysd2",), data_dir)
    make_plugin(data_dir, "seer", worker=SEER, hooks="find_boxes")
    with start_service(data_dir, registry) as client:
        yield client, registry, data_dir / "models"


def draw(client: FlaskClient, **unit: Any) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The middle pixel of a picture whose details were painted again, and its ``info``."""
    args = [True, False, {"ad_model": "hand_yolov8n.pt", "ad_mask_blur": 0, **unit}]
    answer = draw_small(
        client, steps=1, cfg_scale=1, alwayson_scripts={"ADetailer": {"args": args}}
    )
    assert answer.status_code == 200, answer.text
    image = first(answer).convert("RGB")
    middle = tuple(image.crop((32, 32, 33, 33)).tobytes())
    return middle, json.loads(answer.get_json()["info"])


def test_faces_of_details_are_restored_where_weights_are_here(
    easel: tuple[FlaskClient, Registry, Path],
) -> None:
    client, registry, models = easel
    plain, told = draw(client, ad_restore_face=False)
    assert "comments" not in told
    unrestored, told = draw(client, ad_restore_face=True)
    assert unrestored == plain
    (remark,) = told["comments"]
    assert remark.startswith("restore_faces: faces are as drawn, for no weights of CodeFormer")
    write_networks(models, always=True)
    registry.refresh()
    restored, told = draw(client, ad_restore_face=True)
    assert all(abs(own - painted) <= 2 for own, painted in zip(restored, COLOUR, strict=True))
    (remark,) = told["comments"]
    assert remark.startswith("restore_faces: RestoreFormer restored them, for no weights of CodeF")
    assert "Detailer face restoration: True" in told["infotexts"][0]
    assert draw(client, ad_restore_face=False)[0] == plain
    odd, told = draw(client, ad_restore_face="maybe")
    assert odd == plain
    assert told["comments"] == ["ADetailer: not done: ad_restore_face."]
