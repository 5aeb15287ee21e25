"""Encoded prompts against the recorded ones, and each option's effect on a small encoder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from generator.models.checkpoint import CLIPTextConfig, CLIPTextModel, load_checkpoint
from generator.models.families.sd1 import SD1
from generator.models.registry import Folders, Registry
from generator.prompt.conditioning import (
    EncoderOptions,
    PromptEncoder,
    TextualInversion,
    apply_emphasis,
    encode_prompts,
)
from generator.prompt.grammar import Timing, parse_extra_networks
from generator.prompt.text_encoder import TextEncoder
from generator.prompt.tokenizer import Tokenizer, clip_tokenizer

RECORDED = (
    "sampler_euler",
    "clip_skip_2",
    "emph_mode_original",
    "emph_mode_no_norm",
    "emph_mode_ignore",
    "prompt_emph_nested",
    "prompt_escaped",
    "prompt_emb",
    "prompt_emb2",
    "prompt_emb_case",
    "prompt_sched_multi",
    "prompt_unicode",
    "prompt_unbalanced",
    "o_old_emphasis",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return clip_tokenizer()


@pytest.fixture(scope="module")
def recorded_encoder(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    data_dir = tmp_path_factory.mktemp("data")
    folder = data_dir / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    for name in ("tinysd15.safetensors", "tinysd15.yaml"):
        (folder / name).symlink_to(goldens / "checkpoint" / name)
    registry = Registry(Folders.under(data_dir), None)
    registry.refresh()
    file = registry.index.find_checkpoint("tinysd15")
    return load_checkpoint(file, torch.device("cpu"), torch.float32).text_encoders[0]


@pytest.fixture(scope="module")
def inversions(goldens: Path) -> tuple[TextualInversion, ...]:
    folder = goldens / "checkpoint"
    pickled = torch.load(folder / "tinyembpt.pt", weights_only=False)["string_to_param"]["*"]
    return (
        TextualInversion("tinyemb", load_file(folder / "tinyemb.safetensors")["emb_params"]),
        TextualInversion("tinyembpt", pickled),
    )


@pytest.fixture(scope="module")
def small() -> CLIPTextModel:
    torch.manual_seed(0)
    config = CLIPTextConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2
    )
    model = CLIPTextModel(config).eval()
    torch.nn.init.uniform_(model.final_layer_norm.bias, 0.1, 1.0)  # a mean to restore
    return model


def options_of(goldens: Path, body: Mapping[str, Any]) -> EncoderOptions:
    config = json.loads((goldens / "checkpoint" / "config.json").read_text())
    values = {**config, **body.get("override_settings", {})}
    return EncoderOptions(
        values["CLIP_stop_at_last_layers"],
        values["emphasis"],
        values["comma_padding_backtrack"],
        values["use_old_scheduling"],
        values["use_old_emphasis_implementation"],
    )


@pytest.mark.parametrize("name", RECORDED)
def test_encodings_equal_the_recorded(
    goldens: Path,
    recorded_encoder: TextEncoder,
    tokenizer: Tokenizer,
    inversions: tuple[TextualInversion, ...],
    name: str,
) -> None:
    body = json.loads((goldens / "cases" / f"{name}.request.json").read_text())["body"]
    encoder = PromptEncoder([recorded_encoder], tokenizer, options_of(goldens, body), inversions)
    prompt, _ = parse_extra_networks(body["prompt"])
    found = encode_prompts(encoder, [prompt], [body["negative_prompt"]], Timing(body["steps"]))
    with np.load(goldens / "trace" / f"{name}.npz") as trace:
        wanted = {key: trace[key][0] for key in ("text_cond_0", "text_uncond_0")}
    first = found.positive[0][0].stages[0].context.numpy()
    assert np.allclose(first, wanted["text_cond_0"], atol=2e-5)
    assert np.allclose(found.negative[0][0].context, wanted["text_uncond_0"], atol=2e-5)


def encoders_of(model: CLIPTextModel) -> list[TextEncoder]:
    return [TextEncoder(model, SD1.text_encoders[0])]


def encode_text(model: CLIPTextModel, tokenizer: Tokenizer, text: str, **options: Any) -> Tensor:
    encoder = PromptEncoder(encoders_of(model), tokenizer, EncoderOptions(**options))
    return encoder.encode([text]).contexts[0]


def test_clip_skip_normalises_an_earlier_layer(small: CLIPTextModel, tokenizer: Tokenizer) -> None:
    tokens = torch.tensor([[49406, *tokenizer.encode("cat"), *[49407] * 75]])
    with torch.no_grad():
        states = small(input_ids=tokens, output_hidden_states=True).hidden_states
        wanted = small.final_layer_norm(states[-2])[0]
    assert torch.allclose(encode_text(small, tokenizer, "cat", clip_skip=2), wanted, atol=1e-6)
    assert not torch.allclose(encode_text(small, tokenizer, "cat"), wanted, atol=1e-3)
    assert torch.isfinite(encode_text(small, tokenizer, "cat", clip_skip=12)).all()


def test_emphasis_modes() -> None:
    hidden = torch.rand(1, 77, 8) + 0.5
    weights = torch.ones(1, 77)
    weights[0, 3] = 1.5
    assert torch.equal(apply_emphasis(hidden, weights, "Ignore"), hidden)
    assert torch.equal(apply_emphasis(hidden, weights, "No norm")[0, 3], hidden[0, 3] * 1.5)
    assert float(apply_emphasis(hidden, weights, "Original").mean()) == pytest.approx(
        float(hidden.mean())
    )


def test_chunks_join_and_variants_are_as_long_as_the_longest(
    small: CLIPTextModel, tokenizer: Tokenizer
) -> None:
    encoder = PromptEncoder(encoders_of(small), tokenizer)
    assert encoder.encode(["cat " * 80]).contexts.shape == (1, 154, 16)
    both = encoder.encode(["cat", "cat " * 160]).contexts
    assert both.shape == (2, 231, 16)
    assert torch.allclose(both[0, 77:154], encoder.encode([""]).contexts[0], atol=1e-5)
    assert encoder.seconds > 0


def test_equal_prompts_are_encoded_once(small: CLIPTextModel, tokenizer: Tokenizer) -> None:
    found = encode_prompts(
        PromptEncoder(encoders_of(small), tokenizer), ["a AND b:0.5", "a"], ["a", ""], Timing(4)
    )
    first, second = found.positive[0]
    assert (first.weight, second.weight) == (1.0, 0.5)
    storages = [
        stages[0].context.data_ptr()
        for stages in (first.stages, found.positive[1][0].stages, *found.negative)
    ]
    assert storages[0] == storages[1] == storages[2] != storages[3]


def test_negative_prompts_are_not_split(small: CLIPTextModel, tokenizer: Tokenizer) -> None:
    encoder = PromptEncoder(encoders_of(small), tokenizer)
    found = encode_prompts(encoder, ["x"], ["a AND b"], Timing(4))
    assert torch.allclose(
        found.negative[0][0].context, encoder.encode(["a AND b"]).contexts[0], atol=1e-6
    )


def test_an_inversion_takes_the_place_of_its_name(
    small: CLIPTextModel, tokenizer: Tokenizer
) -> None:
    word = TextualInversion("zzyzx", small.get_input_embeddings().weight[[2368]].detach())
    encoder = PromptEncoder(encoders_of(small), tokenizer, inversions=[word])
    named, plain = encoder.encode(["a zzyzx"]), encoder.encode(["a cat"])
    assert torch.allclose(named.contexts, plain.contexts, atol=1e-6)
    assert set(encoder.used_embeddings) == {"zzyzx"}
