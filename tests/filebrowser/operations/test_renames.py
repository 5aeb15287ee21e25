"""Names that are told apart by a number: what belongs together by its stem still does."""

import pytest

from filebrowser.operations.renames import numbered_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a (1).png"),
        ("a", "a (1)"),
        ("a b.v1.png", "a b.v1 (1).png"),
        (".hidden", ".hidden (1)"),
        (".preview.png", ".preview (1).png"),
        ("a.", "a (1)."),
        ("x.vae.safetensors", "x (1).vae.safetensors"),
        ("x.vae.pt", "x (1).vae.pt"),
        ("x.preview.png", "x (1).preview.png"),
        ("X.Preview.PNG", "X (1).Preview.PNG"),
        ("x.civitai.info", "x (1).civitai.info"),
        ("x.metadata.json", "x (1).metadata.json"),
        ("model.fp16.safetensors", "model (1).fp16.safetensors"),
        ("model.safetensors.index.json", "model (1).safetensors.index.json"),
        ("x.vae.preview.webp", "x (1).vae.preview.webp"),
        ("set.tar.gz", "set (1).tar.gz"),
        ("set.tar", "set (1).tar"),
        ("v1.5.safetensors", "v1.5 (1).safetensors"),
        ("a. the preview.png", "a. the preview (1).png"),
    ],
)
def test_the_number_stands_before_all_of_the_suffix(name: str, expected: str) -> None:
    assert numbered_name(name, 1) == expected


def test_a_folders_dots_are_no_suffix() -> None:
    assert numbered_name("x.vae.safetensors", 2, folder=True) == "x.vae.safetensors (2)"


@pytest.mark.parametrize("suffix", [".png", ".vae.safetensors", ".civitai.info"])
def test_long_names_lose_letters_of_their_stem(suffix: str) -> None:
    found = numbered_name("ä" * 120 + suffix, 12)
    assert found.endswith(f"ä (12){suffix}")
    assert len(found.encode()) <= 255


def test_a_model_and_its_picture_stay_together() -> None:
    stems = {numbered_name(f"x{suffix}", 3).split(".")[0] for suffix in (
        ".safetensors", ".preview.png", ".civitai.info", ".vae.safetensors", ".yaml", ".txt"
    )}  # fmt: skip
    assert stems == {"x (3)"}
