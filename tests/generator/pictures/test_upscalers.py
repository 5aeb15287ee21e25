"""Interpolating upscalers, and networks from files, tile by tile."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from generator.errors import BadRequest, ModelUnreadable
from generator.extras import enlarge_all
from generator.faces.face_restorers import FaceRestorers
from generator.models import torchvision_ops
from generator.models.registry import Folders, Registry
from generator.pictures.base64_images import write_base64
from generator.pictures.tiles import TileOptions
from generator.pictures.upscaler_names import find_upscaler, known_upscalers, label_of
from generator.pictures.upscalers import Upscalers
from generator.request import ExtrasRequest
from tests.generator.pictures.tiny_esrgan import network


def gradient(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([rows, columns, rows + columns], -1).astype(np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "models" / "ESRGAN"
    found.mkdir(parents=True)
    return found


def upscalers(tmp_path: Path) -> Upscalers:
    return Upscalers(Registry(Folders.under(tmp_path)), torch.device("cpu"))


@pytest.mark.parametrize("name", ["None", "Lanczos", "Nearest"])
@pytest.mark.parametrize(
    ("scale", "size"), [(2.0, (96, 64)), (1.5, (72, 48)), (0.5, (24, 16)), (2.2, (104, 64))]
)
def test_sides_are_multiples_of_eight(
    tmp_path: Path, name: str, scale: float, size: tuple[int, int]
) -> None:
    assert upscalers(tmp_path).enlarge(gradient(48, 32), name, scale).size == size


@pytest.mark.parametrize("names", [("Lanczos", "None"), ("Nearest", "Lanczos")])
@pytest.mark.parametrize(
    "size", [(40, 20), (20, 40), (1, 1), (7, 300), (333, 5), (96, 96), (77, 50)]
)
def test_a_size_with_crop_is_covered(
    tmp_path: Path, names: tuple[str, str], size: tuple[int, int]
) -> None:
    white = write_base64(Image.new("RGB", (77, 50), "white"))
    wanted = ExtrasRequest(
        images=(white,), size=size, crop=True, upscaler=names[0], second_upscaler=names[1],
        second_visibility=0.5,
    )  # fmt: skip
    faces = FaceRestorers(Registry(Folders.under(tmp_path)), torch.device("cpu"))
    (image,) = enlarge_all(wanted, upscalers(tmp_path), faces).images
    assert image.size == size
    assert image.getextrema() == ((255, 255),) * 3


def test_nearest_repeats_pixels(tmp_path: Path) -> None:
    found = np.asarray(upscalers(tmp_path).enlarge(gradient(8, 8), "Nearest", 3))
    assert (found == np.asarray(gradient(8, 8)).repeat(3, 0).repeat(3, 1)).all()


@pytest.mark.parametrize("wrapping", ["", "params_ema.", "params."])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_network_from_a_file(tmp_path: Path, folder: Path, wrapping: str, suffix: str) -> None:
    tensors = {wrapping + name: tensor.contiguous() for name, tensor in network().items()}
    path = folder / f"tiny{suffix}"
    if suffix == ".pth":
        torch.save(tensors, path)
        os.utime(path, (0, 0))  # long still: a file just written might go on growing
    else:
        save_file(tensors, path)
    found = upscalers(tmp_path).enlarge(gradient(16, 16), "tiny", 2)
    assert found.size == (32, 32)  # drawn four times larger, then made smaller
    assert np.asarray(found).std() > 0


def test_tiles_leave_no_seams(tmp_path: Path, folder: Path) -> None:
    save_file({k: v.contiguous() for k, v in network().items()}, folder / "tiny.safetensors")
    own = upscalers(tmp_path)
    whole = np.asarray(own.enlarge(gradient(96, 64), "tiny", 4, TileOptions(0)), np.float64)
    tiled = np.asarray(own.enlarge(gradient(96, 64), "tiny", 4, TileOptions(40, 16)), np.float64)
    assert whole.shape == tiled.shape == (256, 384, 3)
    assert np.abs(whole - tiled).mean() < 1


def family(name: str) -> dict[str, torch.Tensor]:
    """A tiny network of another family than ESRGAN's."""
    torchvision_ops.prepare()
    from spandrel.architectures.DAT import DAT
    from spandrel.architectures.SwinIR import SwinIR

    torch.manual_seed(3)
    small = {"img_size": 16, "embed_dim": 32, "upscale": 2}
    made = {
        "SwinIR": lambda: SwinIR(
            **small, window_size=8, depths=[1], num_heads=[1], mlp_ratio=2,
            upsampler="nearest+conv", resi_connection="1conv",
        ),
        "DAT": lambda: DAT(
            **small, split_size=[2, 4], depth=[1], num_heads=[2], expansion_factor=2,
            upsampler="pixelshuffledirect",
        ),
    }  # fmt: skip
    return {name: tensor.contiguous() for name, tensor in made[name]().state_dict().items()}


@pytest.mark.parametrize(("name", "scale"), [("SwinIR", 2), ("DAT", 2)])
def test_other_families_draw_in_tiles(tmp_path: Path, name: str, scale: int) -> None:
    folder = tmp_path / "models" / name
    folder.mkdir(parents=True)
    save_file(family(name), folder / "tiny.safetensors")
    own = upscalers(tmp_path)
    whole = np.asarray(own.enlarge(gradient(96, 64), "tiny", scale, TileOptions(0)), np.float64)
    tiled = np.asarray(own.enlarge(gradient(96, 64), "tiny", scale, TileOptions(64, 16)), float)
    assert whole.shape == tiled.shape == (64 * scale, 96 * scale, 3)
    assert whole.std() > 1
    assert np.abs(whole - tiled).mean() < 3  # attention sees other neighbours in a tile


def test_small_networks_run_again_until_it_is_large_enough(tmp_path: Path, folder: Path) -> None:
    save_file({k: v.contiguous() for k, v in network().items()}, folder / "tiny.safetensors")
    assert upscalers(tmp_path).enlarge(gradient(8, 8), "tiny", 16).size == (128, 128)


def test_a_replaced_file_is_read_anew(tmp_path: Path, folder: Path) -> None:
    registry = Registry(Folders.under(tmp_path))
    own = Upscalers(registry, torch.device("cpu"))
    drawn = []
    for seed in (1, 2):
        tensors = {k: v.contiguous() for k, v in network(seed).items()}
        save_file(tensors, folder / "new.safetensors")
        (folder / "new.safetensors").replace(folder / "tiny.safetensors")
        registry.refresh()
        drawn.append(np.asarray(own.enlarge(gradient(16, 16), "tiny", 4)))
    assert (drawn[0] != drawn[1]).any()


def test_what_is_no_upscaler_is_said(tmp_path: Path, folder: Path) -> None:
    save_file({"a": torch.zeros(1)}, folder / "odd.safetensors")
    (folder / "broken.pth").write_bytes(b"rubbish")
    own = upscalers(tmp_path)
    with pytest.raises(ModelUnreadable, match="odd"):
        own.enlarge(gradient(8, 8), "odd", 2)
    with pytest.raises(BadRequest, match="Known: None, Lanczos, Nearest"):
        own.enlarge(gradient(8, 8), "absent", 2)
    with pytest.raises(BadRequest, match="leaves no picture"):
        own.enlarge(gradient(8, 8), "Lanczos", 0.5)


@pytest.mark.parametrize("name", [None, "None", "Lanczos"])
def test_resizing_without_a_network_is_lanczos(tmp_path: Path, name: str | None) -> None:
    found = upscalers(tmp_path).resize(gradient(32, 16), (64, 32), name)
    wanted = gradient(32, 16).resize((64, 32), Image.Resampling.LANCZOS)
    assert found.tobytes() == wanted.tobytes()


def test_a_network_only_makes_larger(tmp_path: Path, folder: Path) -> None:
    save_file({k: v.contiguous() for k, v in network().items()}, folder / "tiny.safetensors")
    own = upscalers(tmp_path)
    image = gradient(32, 16)
    lanczos = Image.Resampling.LANCZOS
    assert own.resize(image, (16, 8), "tiny").tobytes() == image.resize((16, 8), lanczos).tobytes()
    drawn = own.resize(image, (60, 36), "tiny")
    assert drawn.size == (60, 36)
    # twice and a quarter as large, cut down to eighths by the upscaler, then stretched
    whole = own.enlarge(image, "tiny", 2.25)
    assert whole.size == (72, 32)
    assert drawn.tobytes() == whole.resize((60, 36), lanczos).tobytes()


def test_a_published_file_answers_to_its_known_name(tmp_path: Path, folder: Path) -> None:
    for stem in ("RealESRGAN_x4plus", "zebra", "Apple"):
        tensors = {k: v.contiguous() for k, v in network().items()}
        save_file(tensors, folder / f"{stem}.safetensors")
    registry = Registry(Folders.under(tmp_path))
    for name in ("R-ESRGAN 4x+", "r-esrgan 4x+", "RealESRGAN_x4plus"):
        file = find_upscaler(registry, name)
        assert (file.stem, label_of(file)) == ("RealESRGAN_x4plus", "R-ESRGAN 4x+")
    names = ("None", "Lanczos", "Nearest", "Apple", "R-ESRGAN 4x+", "zebra")
    assert known_upscalers(registry) == names


def test_what_would_fill_the_memory_is_refused(tmp_path: Path, folder: Path) -> None:
    save_file({k: v.contiguous() for k, v in network().items()}, folder / "tiny.safetensors")
    own = upscalers(tmp_path)
    strip = Image.new("L", (8, 16384)).convert("RGB")
    with pytest.raises(BadRequest, match="begin with a smaller picture"):
        own.resize(strip, (4096, 4096), "Nearest")
    with pytest.raises(BadRequest, match="begin with a smaller picture"):
        own.enlarge(Image.new("RGB", (8192, 2056)), "tiny", 1)
