"""Folders of models that plugins keep: made, watched, listed, suggested; flags say where."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from plugins.api import Home, Side
from plugins.host import Host
from tests.plugins.plugin_files import make_plugin
from tests.webapp.conftest import write_model
from webapp.plugins.plugin_factory import create_host
from webapp.settings.config import Config
from webapp.settings.option_store import OptionStore

WEB = """
from plugins.api import ModelFolder

@hook
def model_folders():
    return [ModelFolder("voice", "Voices", marks=["voice.weight", "voice.bias"]),
            ModelFolder("story", "Stories", folders=True), ModelFolder("bad", "../up")]
"""


def list_models(house: Any, query: str = "") -> Any:
    """What the route tells of the plugin's models."""
    answer = house.client().get(f"/api/plugins/singer/models{query}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()["models"]


def names(house: Any, kind: str, query: str = "?update=true") -> list[str]:
    """Names of the models of one kind."""
    return [each["name"] for each in list_models(house, query)[kind]]


@pytest.fixture
def singing(build: Any) -> Any:
    """A house with a plugin that keeps two kinds of models."""
    house = build(working=False)
    make_plugin(house.data_dir, "singer", web=WEB, hooks="model_folders")
    assert house.client().post("/api/plugins/reload").status_code == 200
    return house


def test_its_folders_are_made_and_listed(singing: Any) -> None:
    voices, stories = (singing.data_dir / "models" / each for each in ("Voices", "Stories"))
    assert voices.is_dir()
    assert not (singing.data_dir / "up").exists()
    assert list_models(singing) == {"voice": [], "story": []}
    write_model(voices / "alto10.safetensors")
    write_model(voices / "deep/alto9.safetensors")
    (voices / "half.safetensors").write_bytes(b"\x40\0\0\0\0\0\0\0{")
    (voices / "notes.txt").write_text("no model")
    write_model(voices / "coming.safetensors")
    (voices / "coming.safetensors.aria2").write_text("")
    (stories / "empty").mkdir()
    (stories / "long").mkdir()
    (stories / "long/config.json").write_text("{}")
    assert names(singing, "voice") == ["alto10.safetensors", "deep/alto9.safetensors"]
    assert list_models(singing)["story"] == [{"name": "long", "size": 2}]
    (voices / "alto10.safetensors").unlink()
    assert names(singing, "voice") == ["deep/alto9.safetensors"]
    assert singing.client().get("/api/plugins/nobody/models").status_code == 404


def test_a_new_model_is_news_to_who_watches(singing: Any) -> None:
    heard: list[int] = []
    singing.registry.subscribe(heard.append)
    write_model(singing.data_dir / "models/Voices/alto.safetensors")
    assert any(singing.data_dir / "models" == each for each in singing.registry.folders.all())
    assert singing.client().post("/sdapi/v1/refresh-checkpoints").status_code == 200
    assert len(heard) == 1
    assert names(singing, "voice", "") == ["alto.safetensors"]


def test_its_folder_is_suggested_for_what_bears_its_marks(singing: Any) -> None:
    def suggest_folder(*tensors: str) -> Any:
        rows = {
            name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * place, 4 * place + 4]}
            for place, name in enumerate(tensors)
        }
        header = json.dumps(rows).encode()
        body = len(header).to_bytes(8, "little") + header
        return singing.client().post("/api/files/uploads/suggest", data=body).get_json()["folder"]

    assert suggest_folder("voice.weight", "voice.bias", "more") == "/data/models/Voices"
    assert suggest_folder("voice.weight") is None


def test_a_plugin_that_is_off_lists_nothing(singing: Any) -> None:
    client = singing.client()
    client.post("/api/plugins/singer", json={"enabled": False})
    client.post("/api/plugins/reload")
    assert client.get("/api/plugins/singer/models").status_code == 404
    assert "singer/voice" not in singing.registry.index.plugin_models


def test_homes_know_the_folders_of_flags(tmp_path: Path) -> None:
    make_plugin(tmp_path, "singer", worker="class Plugin:\n    def __init__(self, home): pass\n")
    config = Config(tmp_path, models_dir=tmp_path / "shared", lora_dirs=(tmp_path / "mine",))
    options = OptionStore(tmp_path / "config.json")
    for side in Side:
        host: Host = create_host(side, config, options, logging.getLogger("easel"))
        home = host.home("singer")
        assert home.models == tmp_path / "shared"
        assert home.folders("lora")[0] == tmp_path / "shared/Lora"
        assert home.folders("lora")[-1] == tmp_path / "mine"
        assert home.folders("checkpoint")[0] == tmp_path / "shared/Stable-diffusion"
        assert home.folders("embedding")[0] == tmp_path / "embeddings"
    alone = Home("singer", tmp_path, tmp_path, dict)
    assert alone.models == tmp_path / "models"
    with pytest.raises(ValueError, match="colour"):
        alone.folders("colour")
