"""The shipped file, and that what training makes comes back from it."""

import json
from pathlib import Path

import pytest
import torch

from generator.models.weights import read_metadata, read_tensors
from generator.prompt.tokenizer import clip_tokenizer
from training import export, vae, vocabulary
from training.configs import TEXT_WIDTH, UNET, VAE, VOCABULARY
from training.diffusion import build


@pytest.fixture(scope="module")
def vocabulary_tokens() -> tuple[int, ...]:
    return vocabulary.known_tokens(clip_tokenizer(), captions=200)


@pytest.fixture(scope="module")
def trained_networks(vocabulary_tokens: tuple[int, ...]) -> export.TrainedNetworks:
    return export.TrainedNetworks(build(vocabulary_tokens), vae.build())


@pytest.fixture(scope="module")
def exported_file(
    trained_networks: export.TrainedNetworks, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("export") / "new.safetensors"
    export.write(trained_networks, path, {"colour": 0.5})
    return path


def test_written_file_keeps_the_layout(exported_file: Path) -> None:
    tensors = read_tensors(exported_file)
    first, last = UNET["block_out_channels"][0], UNET["block_out_channels"][-1]
    assert tensors["model.diffusion_model.input_blocks.0.0.weight"].shape == (first, 4, 3, 3)
    assert tensors["model.diffusion_model.middle_block.0.in_layers.0.weight"].shape == (last,)
    assert tensors["first_stage_model.quant_conv.weight"].shape == (8, 8, 1, 1)
    table = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    assert tensors[table].shape == (VOCABULARY, TEXT_WIDTH)
    assert all(t.dtype == torch.float16 for t in tensors.values() if t.is_floating_point())


def test_service_loads_what_was_written(
    exported_file: Path, trained_networks: export.TrainedNetworks
) -> None:
    loaded = export.read(exported_file)
    assert loaded.default_size == 256
    assert loaded.unet.config.norm_num_groups == UNET["norm_num_groups"]
    assert loaded.vae.config.norm_num_groups == VAE["norm_num_groups"]
    for name, tensor in trained_networks.painter.unet.state_dict().items():
        written = loaded.unet.state_dict()[name].float()  # large ones stay fp16
        assert torch.allclose(written, tensor, atol=2e-3), name
    for name, tensor in trained_networks.autoencoder.state_dict().items():
        written = loaded.vae.state_dict()[name].float()
        assert torch.allclose(written, tensor, rtol=1e-3, atol=2e-3), name


def test_training_resumes_from_the_file(
    exported_file: Path,
    trained_networks: export.TrainedNetworks,
    vocabulary_tokens: tuple[int, ...],
) -> None:
    resumed = export.resume(exported_file, vocabulary_tokens)
    for name, tensor in trained_networks.painter.state_dict().items():
        assert torch.allclose(resumed.painter.state_dict()[name], tensor, atol=2e-3), name


def test_new_words_start_apart_when_resuming(
    exported_file: Path, vocabulary_tokens: tuple[int, ...]
) -> None:
    stranger = next(token for token in range(VOCABULARY) if token not in vocabulary_tokens)
    wider = tuple(sorted({*vocabulary_tokens, stranger}))
    painter = export.resume(exported_file, wider).painter
    name = next(key for key in painter.text.state_dict() if key.endswith("token_embedding.weight"))
    row = painter.text.state_dict()[name][wider.index(stranger) + 1]
    assert float(row.abs().sum()) > 1


def test_unknown_tokens_are_zero_rows(trained_networks: export.TrainedNetworks) -> None:
    table = next(
        tensor
        for name, tensor in export.spread_out(trained_networks.painter).state_dict().items()
        if name.endswith("token_embedding.weight")
    )
    assert int((table.abs().sum(1) > 0).sum()) == len(trained_networks.painter.known)


def test_whitening_changes_latents_but_not_pictures(
    trained_networks: export.TrainedNetworks,
) -> None:
    pictures = vae.unseen_pictures(6)
    white = export.whiten_copy(trained_networks.autoencoder)
    before, after = vae.psnr(trained_networks.autoencoder, pictures), vae.psnr(white, pictures)
    assert abs(before - after) < 0.05
    deviation = vae.encode(white, vae.unseen_pictures(24)).std((0, 2, 3))
    assert torch.allclose(deviation, torch.ones(4), atol=0.25)


def test_shipped_file_is_small_and_says_what_it_is() -> None:
    assert export.FILE.stat().st_size <= export.LIMIT
    told = read_metadata(export.FILE)
    assert told["modelspec.architecture"] == "stable-diffusion-v1"
    assert told["easel.preferred_size"] == "256x256"
    assert told["modelspec.license"]
    assert json.loads(told["easel.unet_config"])["norm_num_groups"] == UNET["norm_num_groups"]
    assert json.loads(told["easel.text_config"])["num_attention_heads"] == 4
    assert json.loads(told["easel.score"])["colour"] > 0.5


def test_shipped_file_loads() -> None:
    loaded = export.read(export.FILE)
    pictures = vae.unseen_pictures(2)
    assert vae.psnr(loaded.vae, pictures) > 24
