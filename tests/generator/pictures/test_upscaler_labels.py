"""What upscalers are called: files by their makers' names, AUTOMATIC1111's where no file is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from generator.errors import ModelNotFound
from generator.models.registry import Folders, Registry
from generator.pictures.upscaler_names import (
    AUTOMATIC1111_LABELS,
    FALLBACK,
    LATENT_UPSCALERS,
    PLAIN_UPSCALERS,
    PUBLISHED_LABELS,
    find_upscaler,
    known_upscalers,
    label_of,
    replacement_for,
    upscaler_files,
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Two published files, and two that nobody knows."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "models" / "ESRGAN").mkdir(parents=True)
    for stem in ("RealESRGAN_x4plus", "zebra", "Apple", "RealESRGAN_x2plus"):
        path = folder / "models" / "ESRGAN" / f"{stem}.safetensors"
        save_file({"no": torch.zeros(1)}, path)  # only the names are asked for
    return Registry(Folders.under(folder))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """No upscaler at all."""
    return Registry(Folders.under(tmp_path_factory.mktemp("empty")))


def test_files_are_sorted_by_what_they_are_called_capitals_alike(registry: Registry) -> None:
    labels = [label_of(file) for file in upscaler_files(registry)]
    assert labels == ["Apple", "R-ESRGAN 2x+", "R-ESRGAN 4x+", "zebra"]


def test_names_without_weights_come_first(registry: Registry, empty: Registry) -> None:
    assert known_upscalers(registry)[:3] == PLAIN_UPSCALERS
    assert known_upscalers(registry, ("None",))[:2] == ("None", "Apple")
    assert known_upscalers(empty) == PLAIN_UPSCALERS
    assert not set(LATENT_UPSCALERS) & set(known_upscalers(registry))


@pytest.mark.parametrize("spelled", ["RealESRGAN_x4plus", "R-ESRGAN 4x+", "r-esrgan 4X+"])
def test_a_published_file_is_found_by_each_of_its_names(registry: Registry, spelled: str) -> None:
    assert find_upscaler(registry, spelled).stem == "RealESRGAN_x4plus"


@pytest.mark.parametrize(
    ("spelled", "stem"),
    [
        ("R-ESRGAN x4+", "RealESRGAN_x4plus"),
        ("Real-ESRGAN 2x plus", "RealESRGAN_x2plus"),
        ("R ESRGAN-4x+", "RealESRGAN_x4plus"),
    ],
)
def test_old_and_loose_spellings_of_stock_names_find_the_file(
    registry: Registry, spelled: str, stem: str
) -> None:
    assert find_upscaler(registry, spelled).stem == stem


@pytest.mark.parametrize("name", ["nobody", "", "R-ESRGAN AnimeVideo"])
def test_a_file_that_is_not_here_is_not_found(registry: Registry, name: str) -> None:
    with pytest.raises(ModelNotFound):
        find_upscaler(registry, name)


@given(st.sampled_from(sorted(AUTOMATIC1111_LABELS)), st.booleans())
@settings(max_examples=25)
def test_every_stock_name_has_a_replacement_whatever_is_here(
    empty: Registry, registry: Registry, name: str, upper: bool
) -> None:
    spelled = name.upper() if upper else name
    assert replacement_for(empty, spelled) == FALLBACK
    assert replacement_for(registry, spelled) in known_upscalers(registry)


@pytest.mark.parametrize("name", ["R-ESRGAN 4x+", "R-ESRGAN 2x+"])
def test_a_stock_name_whose_file_is_here_means_that_file(registry: Registry, name: str) -> None:
    assert replacement_for(registry, name.replace("-", " ").lower()) == name


@pytest.mark.parametrize("name", ["zebra", "my own", ""])
def test_names_of_nobody_else_are_replaced_by_nothing(registry: Registry, name: str) -> None:
    assert replacement_for(registry, name) is None


def test_published_labels_are_among_the_stock_names_and_differ() -> None:
    assert set(PUBLISHED_LABELS.values()) <= AUTOMATIC1111_LABELS
    assert len(set(PUBLISHED_LABELS.values())) == len(PUBLISHED_LABELS)
