"""Preprocessors that are networks: what each needs, and the maps that weights draw."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from generator.control.annotators import Dials, annotate
from generator.control.modules import MODULES, find_module
from generator.control.network_files import find_network_files
from generator.control.network_weights import WEIGHTS_BY_MODULE
from generator.control.preprocessor_networks import MAPS, NETWORKS, PreprocessorNetworks
from generator.engine import Engine
from generator.errors import BadRequest, ModelUnreadable
from generator.models.registry import Folders, Registry
from generator.request import ControlUnit, GenerationRequest, Progress, Sampling, Seeds, Stop
from tests.generator.control import fake_preprocessors as fake
from tests.generator.control import sdxl_controls
from tests.generator.control.conftest import encode_pixels

PICTURE = np.random.RandomState(0).randint(0, 256, (64, 128, 3), np.uint8)
DIALS = Dials(resolution=64, a=0.1, b=0.1)
CPU = torch.device("cpu")


class Networks:
    """Networks over a data directory that a test puts weights into."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "models/ControlNet-annotators"
        self.folder.mkdir(parents=True)
        self.registry = Registry(Folders.under(data_dir))
        self.networks = PreprocessorNetworks(self.registry, CPU)

    def draw(self, name: str, picture: np.ndarray = PICTURE) -> np.ndarray:
        module = find_module(name)
        assert module is not None
        return annotate(module, picture, DIALS, draw_network_map=self.networks.draw)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Networks]:
    with fake.installed(tmp_path / "packages"):
        yield Networks(tmp_path / "data")


def test_every_network_is_a_module_and_has_weights_and_a_way_to_draw() -> None:
    by_name = {module.name: module for module in MODULES}
    assert set(MAPS) == set(WEIGHTS_BY_MODULE) <= set(by_name)
    assert {each for files in WEIGHTS_BY_MODULE.values() for each in files} == set(NETWORKS)
    assert not any(by_name[name].runs for name in WEIGHTS_BY_MODULE)


def test_a_pickle_of_hed_draws_in_each_of_its_ways(here: Networks) -> None:
    torch.save(fake.hed_weights(), here.folder / "ControlNetHED.pth")
    red = PICTURE[..., :1].repeat(3, 2)
    assert np.array_equal(here.draw("hed"), red)
    assert np.array_equal(here.draw("softedge_hedsafe"), red // 2)
    assert np.array_equal(here.draw("scribble_hed"), np.where(red > 127, 255, 0))
    higher = PICTURE.repeat(2, 0).repeat(2, 1)[:100, :150]
    assert here.draw("hed", higher).shape == (64, 96, 3)  # padded while it is drawn


def test_safetensors_in_a_folder_under_a_trainers_names_draw_too(here: Networks) -> None:
    (here.folder / "lineart").mkdir()
    wrapped = {f"state_dict.module.{name}": t for name, t in fake.lineart_weights().items()}
    save_file(wrapped, here.folder / "lineart/SK_Model.safetensors")
    (here.folder / "sk_model.onnx").write_bytes(b"another runtime's")
    assert np.array_equal(here.draw("lineart"), 255 - PICTURE[..., 1:2].repeat(3, 2))
    with pytest.raises(BadRequest, match=r"sk_model2\.pth"):
        here.draw("lineart_coarse")


def test_weights_are_read_once_and_again_when_the_file_is_another(
    here: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = here.folder / "ControlNetHED.safetensors"
    save_file(fake.hed_weights(), path)
    here.draw("hed")
    with monkeypatch.context() as patch:
        patch.setattr("generator.control.preprocessor_networks.read_tensors", None)
        here.draw("hed_safe")
    save_file(fake.hed_weights(0.0), path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)
    here.registry.refresh()
    assert here.draw("hed").max() == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mix.weight": torch.ones(2, 3, 1, 1)}, r"mix\.weight is \[1, 3, 1, 1\].*\[2, 3, 1, 1\]"),
        ({"mix.bias": torch.tensor([float("nan")])}, "NaN or infinite"),
    ],
)
def test_weights_of_something_else_are_refused_by_name(
    here: Networks, change: dict[str, torch.Tensor], said: str
) -> None:
    torch.save(fake.hed_weights() | change, here.folder / "ControlNetHED.pth")
    with pytest.raises(ModelUnreadable, match=rf"ControlNetHED\.pth.*{said}"):
        here.draw("hed")


def test_a_file_without_a_tensor_and_one_that_would_run_code_are_refused(
    here: Networks, tmp_path: Path
) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    path = here.folder / "ControlNetHED.pth"
    for content in ({"mix.bias": torch.zeros(1)}, {"norm": Attack()}, Attack()):
        torch.save(content, path)
        os.utime(path, (0, 0))  # as one that was copied there long ago
        here.registry.refresh()
        with pytest.raises(ModelUnreadable, match=r"ControlNetHED\.pth"):
            here.draw("hed")
    path.write_bytes(b"")
    here.registry.refresh()
    with pytest.raises(BadRequest, match=r"cannot be used: ControlNetHED\.pth.*it is empty"):
        here.draw("hed")
    assert not (tmp_path / "ran").exists()


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    registry = Registry(Folders.under(tmp_path))
    with fake.missing(), pytest.raises(BadRequest) as refused:
        find_network_files(find_module("openpose_full"), registry)
    told = str(refused.value)
    for name in ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth"):
        assert f"{name}, are not in models/ControlNet-annotators" in told
    for words in ("lllyasviel/Annotators", "controlnet_aux, timm, skimage", "pip install"):
        assert words in told


def test_a_package_that_cannot_be_imported_is_told(here: Networks, tmp_path: Path) -> None:
    torch.save(fake.hed_weights(), here.folder / "ControlNetHED.pth")
    (tmp_path / "packages/controlnet_aux/hed.py").write_text("import a_package_that_is_not_here")
    with pytest.raises(
        BadRequest, match=r"controlnet_aux\.hed cannot be .*want of a_package.*pip install"
    ):
        here.draw("hed")


def test_a_unit_steers_by_a_networks_map(tmp_path: Path) -> None:
    checkpoint = sdxl_controls.make_checkpoints(tmp_path, sdxl_controls.CHECKPOINT)
    assert checkpoint.exists()
    state = dict(sdxl_controls.controlnet_of(tmp_path).state_dict())
    sdxl_controls.save_control(tmp_path, "edges", sdxl_controls.randomise(state))
    with fake.installed(tmp_path / "packages"):
        here = Networks(tmp_path)
        torch.save(fake.hed_weights(), here.folder / "ControlNetHED.pth")
        engine: Engine = sdxl_controls.engine_over(tmp_path)
        unit = ControlUnit("hed", "edges", image=encode_pixels(PICTURE), processor_res=64)
        request = GenerationRequest(
            "a cat",
            Seeds(7),
            sampling=Sampling("Euler", steps=2),
            width=128,
            height=64,
            checkpoint=sdxl_controls.CHECKPOINT,
            controls=(unit,),
        )
        told: list[str | None] = []

        def watch(progress: Progress, preview: object) -> Stop:
            told.append(progress.textinfo)
            return Stop.NO

        generation = engine.run(request, watch)
        assert "Loading weights from ControlNetHED.pth" in told
        red = PICTURE[..., :1].repeat(3, 2)
        assert np.array_equal(np.asarray(generation.maps[0]), red)
        module = find_module("hed")
        assert module is not None
        assert np.array_equal(engine.draw_network_map(module, PICTURE, DIALS), red)


SMALL = ("softedge_teed", "pidinet_safe", "pidinet_scribble", "mlsd", "lineart", "lineart_coarse")


@pytest.mark.parametrize("name", SMALL)
def test_the_real_package_takes_what_is_read(name: str, tmp_path: Path) -> None:
    pytest.importorskip("controlnet_aux", reason="controlnet-aux is not installed: an extra")
    from generator.control.preprocessor_networks import _import_part

    here = Networks(tmp_path)
    (known,) = WEIGHTS_BY_MODULE[name]
    torch.manual_seed(0)
    network: nn.Module = NETWORKS[known](_import_part)
    torch.save({"state_dict": network.state_dict()}, here.folder / known.name)
    drawn = here.draw(name)
    assert drawn.shape == PICTURE.shape
    assert drawn.dtype == np.uint8
