"""Florence-2, WD taggers and DeepDanbooru: what each needs, and what it says."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from generator.errors import ModelUnreadable
from generator.interrogation import onnx_tagger
from generator.interrogation.deepdanbooru import score_tags
from generator.interrogation.models import Interrogator
from generator.interrogation.requests import CaptionRules, InterrogationRequest, network_name
from generator.pictures.base64_images import write_base64
from tests.generator.interrogation.tiny_interrogators import (
    danbooru_weights,
    make_florence,
    make_wd_tagger,
)

RED, BLUE = (write_base64(Image.new("RGB", (48, 32), name)) for name in ("red", "blue"))


def ask(network: Path, picture: str = RED, **changes: object) -> str:
    request = InterrogationRequest(picture, str(network), **changes)
    return Interrogator(torch.device("cpu")).interrogate(request)


def test_florence_writes_a_sentence(tmp_path: Path) -> None:
    torch.manual_seed(3)
    folder = make_florence(tmp_path / "Florence-2-tiny")
    told = ask(folder, caption=CaptionRules(shortest=8, longest=12))
    assert told
    assert told == ask(folder, caption=CaptionRules(shortest=8, longest=12))
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelUnreadable, match="florence-community/Florence-2-base"):
        ask(folder)


def test_a_wd_tagger_reads_colours_as_it_was_taught(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    folder = make_wd_tagger(tmp_path / "wd-tiny")
    assert ask(folder, RED, form="tags") == "red \\(colour\\)"  # no rating
    assert ask(folder, BLUE, form="tags") == "blue sky"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "model.onnx").unlink(), "no .onnx lies beside"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"x"), "model.onnx is no network"),
        (lambda folder: (folder / "selected_tags.csv").write_text("a,b\n1,2"), "no columns name"),
        (
            lambda folder: (folder / "selected_tags.csv").write_text("name,category\na,0"),
            "scores 3 tags, selected_tags.csv names 1",
        ),
    ],
)
def test_what_a_wd_tagger_lacks_is_told(tmp_path: Path, spoil: object, words: str) -> None:
    folder = make_wd_tagger(tmp_path / "wd-tiny")
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(ModelUnreadable, match=words):
        ask(folder, form="tags")


def test_without_onnxruntime_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_tagger, "find_spec", lambda name: None)
    with pytest.raises(ModelUnreadable, match="pip install onnxruntime"):
        ask(make_wd_tagger(tmp_path / "wd-tiny"), form="tags")


def test_deepdanbooru_is_the_residual_network_that_its_layers_spell() -> None:
    weights, picture = danbooru_weights(), torch.rand(1, 3, 512, 512)

    def layer(number: int, seen: torch.Tensor, stride: int = 1) -> torch.Tensor:
        kernel, bias = weights[f"n_Conv_{number}.weight"], weights.get(f"n_Conv_{number}.bias")
        return F.conv2d(seen, kernel, bias, stride)

    def block(first: int, seen: torch.Tensor, kept: torch.Tensor, stride: int = 1) -> torch.Tensor:
        padding = (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1)
        inner = F.relu(layer(first, seen))
        inner = F.relu(layer(first + 1, F.pad(inner, padding), stride))
        return F.relu(layer(first + 2, inner) + kept)

    seen = F.relu(layer(0, F.pad(picture, (2, 3, 2, 3)), 2))
    seen = F.max_pool2d(F.pad(seen, (0, 1, 0, 1), value=float("-inf")), 3, 2)
    seen = block(2, seen, layer(1, seen))
    seen = block(5, seen, seen)
    seen = block(8, seen, layer(11, seen, 2), 2)
    seen = block(12, seen, seen)
    wanted = layer(15, seen)[0].mean((1, 2)).sigmoid()
    assert torch.allclose(score_tags(weights, picture), wanted, atol=1e-6)


def test_deepdanbooru_of_a_pickle_with_its_tags(tmp_path: Path) -> None:
    weights = danbooru_weights()
    weights["n_Conv_15.weight"] *= 0
    file = tmp_path / "model-resnet_custom_v3.pt"
    torch.save({**weights, "tags": ["b_c", "rating:safe", "a", "d"]}, file)
    assert network_name(file) == "model-resnet_custom_v3"
    assert ask(file, form="tags") == "a, b c, d"  # each as sure as not
    torch.save(weights, file)
    with pytest.raises(ModelUnreadable, match="no list 'tags'"):
        ask(file, form="tags")
    weights["n_Conv_9.weight"] = torch.zeros(2, 5, 3, 3)
    torch.save({**weights, "tags": ["x"] * 4}, file)
    with pytest.raises(ModelUnreadable, match="its weights are those of another network"):
        ask(file, form="tags")
