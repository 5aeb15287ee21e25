"""A plugin that hangs and hears nothing: the real supervisor starts its process anew without it."""

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.discovery import SHIPPED_FOLDER
from plugins.manifest import FILE, read_manifest
from tests.plugins.plugin_files import make_plugin
from tests.wait import result_of, wait_until
from tests.webapp.conftest import write_checkpoint
from tests.webapp.processes.drained_service import DrainedService

PROGRAM = Path(__file__).with_name("hung_easel.py")
DEAF = """
@hook
def after_save(paths):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a plugin that never ends; those that come along are off."""
    data_dir = tmp_path / "data"
    write_checkpoint(data_dir / "models/Stable-diffusion/painter.safetensors")
    make_plugin(data_dir, "deaf", worker=DEAF, hooks="after_save")
    make_plugin(data_dir, "good", worker="@hook\ndef after_save(): pass", hooks="after_save")
    off = [read_manifest(path.parent).name for path in SHIPPED_FOLDER.glob(f"*/{FILE}")]
    (data_dir / "config.json").write_text(json.dumps({"disabled_extensions": off}))
    return data_dir


def draw_saved_picture(easel: DrainedService) -> tuple[int, dict[str, str], Any]:
    """The answer to a picture that is saved."""
    body = {"prompt": "x", "steps": 2, "width": 8, "height": 8, "save_images": True}
    return result_of(easel.pool.submit(easel.ask, "/sdapi/v1/txt2img", body))


def worker_side(easel: DrainedService, name: str) -> dict[str, Any]:
    """How a plugin stands in the worker, {} before it has told."""
    _, _, told = easel.ask("/api/plugins")
    entry = next(each for each in told["plugins"] if each["name"] == name)
    found: dict[str, Any] = entry["workers"][0] if entry["workers"] else {}
    return found


def test_the_worker_is_started_anew_without_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.webapp.processes.drained_service.PROGRAM", PROGRAM)
    easel = DrainedService(data)
    try:
        wait_until(lambda: worker_side(easel, "deaf").get("state") == "on")
        before = easel.store.workers()[-1].id.pid
        status, _, body = draw_saved_picture(easel)  # drawn twice: its first worker was left
        assert (status, len(body["images"])) == (200, 1)
        assert easel.store.workers()[-1].id.pid != before
        wait_until(lambda: worker_side(easel, "deaf").get("state") == "struck")
        told = worker_side(easel, "deaf")["fault"]
        assert told.startswith("After_save did not end and could not be broken off")
        assert worker_side(easel, "good")["state"] == "on"
        assert draw_saved_picture(easel)[0] == 200
        assert "deaf: after_save hangs and hears nothing" in easel.output.read_text()
        assert len(list((data / "outputs").rglob("*.png"))) == 2  # none was saved twice
        reloaded = easel.pool.submit(easel.ask, "/api/plugins/reload", {})
        assert result_of(reloaded)[0] == 200
        assert worker_side(easel, "deaf")["state"] == "on"  # another chance
    finally:
        easel.end()
