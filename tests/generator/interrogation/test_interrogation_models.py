"""Pictures in words: captions and tags, by whatever transformers can load of a user's folder."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from generator.errors import ModelNotFound, ModelUnreadable
from generator.interrogation.models import Interrogator
from generator.interrogation.requests import (
    CaptionRules,
    InterrogationRequest,
    TagRules,
    find_interrogation_network,
    find_interrogation_networks,
)
from generator.interrogation.tags import tags_to_prompt
from generator.pictures.base64_images import write_base64
from tests.generator.interrogation.tiny_interrogators import make_captioner, make_tagger

PICTURE = write_base64(Image.new("RGBA", (48, 32), "red"))


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    return make_captioner(tmp_path_factory.mktemp("models") / "BLIP/tiny")


@pytest.fixture
def answers() -> Interrogator:
    return Interrogator(torch.device("cpu"))


def test_a_caption(blip: Path, answers: Interrogator) -> None:
    rules = CaptionRules(shortest=8, longest=12)
    told = answers.interrogate(InterrogationRequest(PICTURE, str(blip), caption=rules))
    assert told
    assert told == answers.interrogate(InterrogationRequest(PICTURE, str(blip), caption=rules))
    assert len(told.split()) <= 12
    short = answers.interrogate(
        InterrogationRequest(PICTURE, str(blip), caption=CaptionRules(2, 1, 3))
    )
    assert len(short.split()) < len(told.split())


def test_tags(tmp_path: Path, answers: Interrogator) -> None:
    folder = make_tagger(tmp_path / "tagger")
    assert (
        answers.interrogate(InterrogationRequest(PICTURE, str(folder), "tags"))
        == "1house, grass \\(plant\\)"
    )
    raw = TagRules(alphabetic=False, spaces=False, escaped=False, left_out=("1house",))
    assert (
        answers.interrogate(InterrogationRequest(PICTURE, str(folder), "tags", tags=raw))
        == "grass_(plant)"
    )


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (TagRules(), "a b, c"),
        (TagRules(alphabetic=False), "c, a b"),
        (TagRules(threshold=0.8), "c"),
        (TagRules(threshold=0.0, left_out=("C",)), "a b, d"),
        (TagRules(with_scores=True, threshold=0.8), "(c:0.900)"),
        (TagRules(threshold=1.0), ""),
    ],
)
def test_wording(rules: TagRules, text: str) -> None:
    assert tags_to_prompt({"c": 0.9, "a_b": 0.6, "d": 0.1, "rating:safe": 1.0}, rules) == text


def test_a_network_that_is_gone_is_told(blip: Path, answers: Interrogator, tmp_path: Path) -> None:
    answers.interrogate(InterrogationRequest(PICTURE, str(blip), keep=True))
    moved = blip.rename(tmp_path / "moved")
    try:
        with pytest.raises(ModelUnreadable, match="tiny"):
            answers.interrogate(InterrogationRequest(PICTURE, str(blip), keep=True))
    finally:
        moved.rename(blip)


class Evil:
    """Runs a command when it is unpickled the usual way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_pickled_weights_describe_alike_and_run_nothing(
    blip: Path, answers: Interrogator, tmp_path: Path
) -> None:
    question = InterrogationRequest(
        PICTURE, str(blip), caption=CaptionRules(shortest=8, longest=12)
    )
    wanted = answers.interrogate(question)
    weights: dict[str, Any] = load_file(blip / "model.safetensors")
    torch.save({**weights, "evil": Evil(tmp_path / "ran")}, blip / "pytorch_model.bin")
    aside = (blip / "model.safetensors").rename(tmp_path / "aside")
    try:
        assert answers.interrogate(question) == wanted
        assert not (tmp_path / "ran").exists()
    finally:
        aside.rename(blip / "model.safetensors")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"config.json": "{}"},
        {"config.json": '{"model_type": 5}'},
        {"config.json": '{"model_type": "blip"}', "model.safetensors": "x"},
    ],
)
def test_a_folder_that_is_no_network(
    tmp_path: Path, answers: Interrogator, files: dict[str, str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelUnreadable, match=tmp_path.name):
        answers.interrogate(InterrogationRequest(PICTURE, str(tmp_path)))


def test_where_networks_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"models/BLIP"):
        find_interrogation_network([tmp_path / "models/BLIP"])
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").touch()
    (tmp_path / "stray.safetensors").touch()
    assert list(find_interrogation_networks([tmp_path, tmp_path / "b"])) == [
        tmp_path / "a", tmp_path / "b", tmp_path / "b",
    ]  # fmt: skip


def test_weights_that_are_missing_are_not_made_up(
    blip: Path, answers: Interrogator, tmp_path: Path
) -> None:
    for file in blip.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(blip / "model.safetensors")
    weights.pop("vision_model.post_layernorm.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelUnreadable, match="post_layernorm"):
        answers.interrogate(InterrogationRequest(PICTURE, str(tmp_path)))
