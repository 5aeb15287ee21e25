"""Large weights stay as narrow as their file has them, and all is computed as if they did not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from generator.models import half_layers
from generator.models.adapter_files import read_adapter
from generator.models.adapter_rows import apply_adapter_rows
from generator.models.adapters import AppliedAdapter, apply_adapters
from generator.models.checkpoint import Checkpoint, load_checkpoint
from generator.models.half_layers import HalfConv2d, HalfLinear
from generator.models.weight_sizes import bytes_of, expected_bytes
from tests.generator.models.tiny_checkpoints import load_tiny, named_layers, save_adapter, values

CPU = torch.device("cpu")
Load = Callable[[int], Checkpoint]  # by the least numbers of a weight that stays narrow


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    folder = tmp_path_factory.mktemp("half")
    file = load_tiny("sdxl", folder).file
    save_file({name: each.half() for name, each in load_file(file.path).items()}, file.path)
    file = replace(file, size=file.path.stat().st_size)

    def load_it(least: int) -> Checkpoint:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(half_layers, "LEAST_NUMBERS", least)
            return load_checkpoint(file, CPU, torch.float32)

    return load_it


def predict(checkpoint: Checkpoint) -> Tensor:
    unet = checkpoint.unet
    added = {"text_embeds": values(3, 1, 128), "time_ids": torch.ones(1, 6)}
    arguments = values(1, 1, 4, 16, 16), torch.tensor([500]), values(2, 1, 77, 192)
    return unet(*arguments, added_cond_kwargs=added).sample


def narrow_layers(network: nn.Module) -> list[nn.Module]:
    return [each for each in network.modules() if isinstance(each, HalfLinear | HalfConv2d)]


def test_networks_answer_as_with_widened_weights(load: Load) -> None:
    narrow, wide = load(64), load(1 << 60)
    assert not narrow_layers(wide.unet)
    assert {type(each) for each in narrow_layers(narrow.unet)} == {HalfLinear, HalfConv2d}
    assert all(each.weight.dtype == torch.float16 for each in narrow_layers(narrow.unet))
    assert narrow.unet.dtype == torch.float32  # what it computes in
    with torch.no_grad():
        torch.testing.assert_close(predict(narrow), predict(wide), rtol=1e-6, atol=1e-6)
        for own, other in zip(narrow.text_encoders, wide.text_encoders, strict=True):
            assert narrow_layers(own.model)
            words = torch.arange(77)[None]
            torch.testing.assert_close(own.model(words)[0], other.model(words)[0])
    assert bytes_of(narrow) < 0.7 * bytes_of(wide)


def test_expected_bytes_are_those_held(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = load(64)
    monkeypatch.setattr(half_layers, "LEAST_NUMBERS", 64)
    expected = expected_bytes(checkpoint.file, torch.float32, CPU)
    assert expected == pytest.approx(bytes_of(checkpoint), rel=0.02)
    assert expected < 0.7 * expected_bytes(checkpoint.file, torch.float32)


@pytest.mark.parametrize("role", ["linear", "conv", "text 2"])
def test_an_adapter_is_merged_in_full_precision_and_leaves(
    load: Load, tmp_path: Path, role: str
) -> None:
    checkpoint = load(64)
    layer = named_layers(checkpoint)[role]
    before = layer.module.weight.detach().clone()
    change = values(7, *before.shape, size=1e-5)  # less than fp16 can hold beside the weight
    file = save_adapter(tmp_path / "small.safetensors", {f"{layer.kohya}.diff": change})
    with apply_adapters(checkpoint, [AppliedAdapter(read_adapter(file))]):
        torch.testing.assert_close(layer.module.weight.data, before.float() + change)
    assert layer.module.weight.dtype == torch.float16
    assert torch.equal(layer.module.weight, before)


def test_rows_carry_adapters_as_if_they_were_merged(load: Load, tmp_path: Path) -> None:
    checkpoint = load(64)
    layer = named_layers(checkpoint)["linear"]
    out, inputs = layer.module.weight.shape
    factors = {
        f"{layer.kohya}.lora_up.weight": values(1, out, 2),
        f"{layer.kohya}.lora_down.weight": values(2, 2, inputs),
    }
    applied = AppliedAdapter(read_adapter(save_adapter(tmp_path / "rows.safetensors", factors)))
    with torch.no_grad():
        with apply_adapters(checkpoint, [applied]):
            merged = predict(checkpoint)
        with apply_adapter_rows(checkpoint, [[applied]]) as (rows, _), rows.carry([0]):
            torch.testing.assert_close(predict(checkpoint), merged, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(predict(checkpoint), merged, rtol=1e-4, atol=1e-5)


def test_a_copied_network_widens_into_memory_of_its_own(load: Load) -> None:
    checkpoint = load(64)
    copied = deepcopy(checkpoint.unet)
    assert narrow_layers(copied)[0].widener is not narrow_layers(checkpoint.unet)[0].widener
    with torch.no_grad():
        torch.testing.assert_close(predict(replace(checkpoint, unet=copied)), predict(checkpoint))


def test_training_reaches_through_narrow_layers(load: Load) -> None:
    narrow, wide = load(64), load(1 << 60)
    slopes = []
    for checkpoint in (narrow, wide):
        context = values(2, 1, 77, 192).requires_grad_()
        added = {"text_embeds": values(3, 1, 128), "time_ids": torch.ones(1, 6)}
        answer = checkpoint.unet(
            values(1, 1, 4, 16, 16), torch.tensor([500]), context, added_cond_kwargs=added
        ).sample
        answer.square().sum().backward()
        slopes.append(context.grad)
    torch.testing.assert_close(*slopes)


def test_threads_do_not_share_what_they_widen_into(load: Load) -> None:
    checkpoint = load(64)
    with torch.no_grad():
        alone = predict(checkpoint)

        def predict_again(_: int) -> Tensor:
            with torch.no_grad():
                return predict(checkpoint)

        with ThreadPoolExecutor(4) as threads:
            for answer in threads.map(predict_again, range(12)):
                torch.testing.assert_close(answer, alone, rtol=1e-6, atol=1e-6)
