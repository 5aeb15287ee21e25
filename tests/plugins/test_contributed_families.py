"""A family of checkpoints that a plugin brings: told by its file, chosen and drawn with."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from safetensors.torch import load_file, save_file

from generator.models.registry import Folders, Registry
from generator.models.weights import read_metadata
from tests.image_compare import is_same_drawing
from tests.plugins.plugin_files import make_plugin
from tests.plugins.plugin_service import draw_small, first, start_service
from tests.webapp.easel_server import CHECKPOINT

FAMILY = """
from dataclasses import replace
from generator.models.families.sd1 import SD1

def fail(shapes):
    raise RuntimeError("no look")

BROKEN = replace(SD1, name="broken", label="Broken", architectures=frozenset(), recognises=fail)
PAINTED = replace(
    SD1, name="painted", label="Painted Diffusion", architectures=frozenset(),
    recognises=lambda shapes: any(name.startswith("painted.") for name in shapes),
    rename=lambda name: name.removeprefix("painted."),
)
"""
WEB = (
    FAMILY
    + """
@hook
def families():
    return [BROKEN, PAINTED]
"""
)
WORKER = (
    FAMILY
    + """
@hook
def tools():
    return {"families": {"broken": BROKEN, "painted": PAINTED}}
"""
)


def write_painted(source: Path, target: Path) -> None:
    """A checkpoint of the made-up family: another's tensors by names of its own."""
    tensors = {f"painted.{name}": tensor for name, tensor in load_file(source).items()}
    save_file(tensors, target, read_metadata(source))


@pytest.fixture(scope="module", params=["on", "off"])
def painted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, FlaskClient]]:
    data_dir = tmp_path_factory.mktemp("easel")
    models = data_dir / "models/Stable-diffusion"
    models.mkdir(parents=True)
    shutil.copy2(CHECKPOINT, models)
    write_painted(CHECKPOINT, models / "painted.safetensors")
    if request.param == "on":
        make_plugin(data_dir, "painted", web=WEB, worker=WORKER, hooks="families tools")
    with start_service(data_dir, Registry(Folders.under(data_dir))) as client:
        yield request.param, client


def test_a_plugins_family_draws_what_its_weights_draw(painted: tuple[str, FlaskClient]) -> None:
    plugin, client = painted
    chosen = {"sd_model_checkpoint": "painted"}
    answer = draw_small(client, override_settings=chosen)
    if plugin == "off":
        assert answer.status_code == 422
        assert "painted.safetensors" in answer.get_json()["detail"]
        return
    assert answer.status_code == 200, answer.text
    plain = draw_small(client, override_settings={"sd_model_checkpoint": "easel-default"})
    assert is_same_drawing(first(answer), first(plain))
    assert "Model: painted" in answer.get_json()["info"]


def test_the_lists_tell_whether_it_is_drawn_with(painted: tuple[str, FlaskClient]) -> None:
    plugin, client = painted
    kinds = {Path(e["filename"]).stem: e for e in client.get("/internal/checkpoint-kinds").json}
    listed = {each["id"].partition(".")[0] for each in client.get("/v1/models").json["data"]}
    assert kinds["easel-default"]["can_draw"]
    assert kinds["painted"]["can_draw"] is (plugin == "on")
    assert (kinds["painted"]["architecture"] == "Painted Diffusion") is (plugin == "on")
    assert ("painted" in listed) is (plugin == "on")
