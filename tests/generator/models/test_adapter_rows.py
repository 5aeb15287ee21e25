"""LoRA applied by rows: each row of one pass is what the merged checkpoint gives it alone."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models.adapter_files import Adapter, read_adapter
from generator.models.adapter_layers import layers_by_kohya_name
from generator.models.adapter_rows import apply_adapter_rows, fits_rows
from generator.models.adapters import AppliedAdapter, apply_adapters
from generator.models.added_condition import added_arguments
from generator.models.checkpoint import Checkpoint
from generator.models.tiling import apply_tiling
from generator.prompt.block_weights import BlockWeights
from tests.generator.models.tiny_checkpoints import WORDS, load_tiny, save_adapter, values

RANK = 3
Save = Callable[[dict[str, Tensor], str], Adapter]


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    torch.set_num_threads(1)
    loaded = load_tiny(request.param, tmp_path_factory.mktemp("checkpoint"))
    encode(loaded, slice(4))  # transformers adds hooks of its own when states are first asked for
    return loaded


@pytest.fixture
def save(tmp_path: Path) -> Save:
    return lambda tensors, name: read_adapter(
        save_adapter(tmp_path / f"{name}.safetensors", tensors)
    )


def low_rank(checkpoint: Checkpoint, seed: int, *, core: bool = False) -> dict[str, Tensor]:
    """A LoRA on every linear layer and convolution, these with a core between if wished."""
    tensors: dict[str, Tensor] = {}
    named = {id(layer.module): (name, layer) for name, layer in
             layers_by_kohya_name(checkpoint).items()}  # fmt: skip
    for number, (name, layer) in enumerate(named.values(), seed):
        if not isinstance(layer.module, nn.Linear | nn.Conv2d):
            continue
        out, inputs, *kernel = layer.weight.shape
        ones = [1] * len(kernel)
        has_core = core and bool(kernel)
        down = (RANK, inputs, *(ones if has_core else kernel))
        tensors[f"{name}.lora_down.weight"] = values(number, *down, size=0.1)
        tensors[f"{name}.lora_up.weight"] = values(number + 1, out, RANK, *ones, size=0.1)
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
        if has_core:
            tensors[f"{name}.lora_mid.weight"] = values(number, RANK, RANK, *kernel)
    return tensors


def predict(checkpoint: Checkpoint, rows: slice) -> Tensor:
    """The U-Net's answer for some of four rows, each with its own latent, time and text."""
    unet = checkpoint.unet
    latent = values(1, 4, 4, 16, 16, size=1.0)[rows]
    times, context = torch.tensor([999.0, 1.0, 500.0, 250.0])[rows], values(
        2, 4, 77, unet.config.cross_attention_dim, size=1.0
    )[rows]  # fmt: skip
    vectors = values(3, 4, 128 + 6, size=1.0)[rows]
    with torch.inference_mode():
        return unet(latent, times, context, **added_arguments(unet, vectors)).sample


def encode(checkpoint: Checkpoint, rows: slice) -> list[Tensor]:
    """The text encoders' answers for some of four rows of words."""
    tokens = torch.randint(WORDS, (4, 77), generator=torch.Generator().manual_seed(4))[rows]
    with torch.inference_mode():
        return [
            encoder.model(input_ids=tokens, output_hidden_states=True).hidden_states[-1]
            for encoder in checkpoint.text_encoders
        ]


def state(checkpoint: Checkpoint) -> list[object]:
    """Every weight's place in memory and version, and how many hooks every layer has."""
    networks = (checkpoint.unet, *(encoder.model for encoder in checkpoint.text_encoders))
    return [
        (name, len(layer._forward_hooks), len(layer._forward_pre_hooks),
         *((p.data_ptr(), p._version) for p in layer.parameters(recurse=False)))
        for network in networks for name, layer in network.named_modules()
    ]  # fmt: skip


def check_rows(
    checkpoint: Checkpoint,
    sets: Sequence[Sequence[AppliedAdapter]],
    carried: Sequence[int | None],
    *,
    tiling: bool = False,
) -> None:
    networks = (checkpoint.unet,)
    before, plain = state(checkpoint), predict(checkpoint, slice(4))
    with apply_tiling(networks, tiling):
        alone, texts = [], []
        for row, number in enumerate(carried):
            own = nullcontext() if number is None else apply_adapters(checkpoint, sets[number])
            with own:
                alone.append(predict(checkpoint, slice(row, row + 1)))
                texts.append(encode(checkpoint, slice(row, row + 1)))
        with apply_adapter_rows(checkpoint, sets) as (rows, told):
            assert told == ((),) * len(sets)
            assert torch.equal(predict(checkpoint, slice(4)), plain) or tiling  # none assigned
            with rows.carry(carried):
                together, encoded = predict(checkpoint, slice(4)), encode(checkpoint, slice(4))
    for row in range(4):
        assert torch.allclose(together[row], alone[row][0], atol=1e-4)
        for whole, single in zip(encoded, texts[row], strict=True):
            assert torch.allclose(whole[row], single[0], atol=1e-4)
        assert tiling or carried[row] is None or (together[row] - plain[row]).abs().max() > 0.01
    assert state(checkpoint) == before
    assert torch.equal(predict(checkpoint, slice(4)), plain)


@pytest.mark.parametrize("carried", [(0, 1, None, 0), (1, 1, 1, 1), (None, 2, 1, 0)])
def test_each_row_is_as_if_its_own_were_merged(
    checkpoint: Checkpoint, save: Save, carried: tuple[int | None, ...]
) -> None:
    first = save(low_rank(checkpoint, 10), "first")
    second = save(low_rank(checkpoint, 900, core=True), "second")
    sets = (
        [AppliedAdapter(first, 0.5, 1.0)],
        [AppliedAdapter(second, 1.0, -1.0), AppliedAdapter(first, 1.0, 0.4, rank_limit=2)],
        [AppliedAdapter(second, mentions=2, blocks=BlockWeights(name="OUTALL"))],
    )
    check_rows(checkpoint, sets, carried)


def test_edges_wrap_around_for_tiles(checkpoint: Checkpoint, save: Save) -> None:
    sets = ([AppliedAdapter(save(low_rank(checkpoint, 5, core=True), "wrapped"))],)
    check_rows(checkpoint, sets, (0, None, 0, None), tiling=True)


def test_only_low_ranks_fit(checkpoint: Checkpoint, save: Save) -> None:
    plain = low_rank(checkpoint, 10, core=True)
    (layer,) = [name.removesuffix(".alpha") for name in plain if "conv_in.alpha" in name]
    assert fits_rows([AppliedAdapter(save(plain, "plain"))])
    assert fits_rows([])
    for factor in ("dora_scale", "diff", "diff_b", "bias_indices", "hada_w1_a", "lokr_w1"):
        other = save({f"{layer}.{factor}": torch.ones(4)}, "other")
        assert not fits_rows([AppliedAdapter(save(plain, "plain")), AppliedAdapter(other)])
    words = "lora_te_text_model_embeddings_token_embedding"
    table = save({f"{words}.lora_up.weight": torch.ones(4, 2)}, "table")
    assert not fits_rows([AppliedAdapter(table)])


def test_what_fits_nothing_is_told_for_its_set(checkpoint: Checkpoint, save: Save) -> None:
    good, layer = low_rank(checkpoint, 10), "lora_unet_conv_in"
    wide = {f"{layer}.lora_{part}.weight": torch.ones(7, 7) for part in ("up", "down")}
    odd = save(good | wide | {"lora_unet_down_blocks_9.alpha": torch.tensor(1.0)}, "odd")
    sets = ([AppliedAdapter(save(good, "good"))], [AppliedAdapter(odd)])
    with apply_adapter_rows(checkpoint, sets) as (_, told):
        assert told[0] == ()
        (sentence,) = told[1]
        assert "lora_unet_conv_in" in sentence
        assert "down_blocks_9" in sentence


def test_errors_leave_no_hook(checkpoint: Checkpoint, save: Save) -> None:
    before, good = state(checkpoint), AppliedAdapter(save(low_rank(checkpoint, 10), "good"))
    lacking = save({"lora_unet_conv_in.lora_up.weight": torch.ones(32, 2)}, "lacking")
    stranger = save({"lora_unet_double.lora_up.weight": torch.ones(32, 2)}, "stranger")
    for bad, error in ((lacking, ModelUnreadable), (stranger, WrongArchitecture)):
        sets = ([good], [AppliedAdapter(bad)])
        with pytest.raises(error, match=bad.file.name), apply_adapter_rows(checkpoint, sets):
            pass
    with (
        pytest.raises(ValueError, match="A pass has 4 rows; sets were assigned to 3"),
        apply_adapter_rows(checkpoint, [[good]]) as (rows, _),
        rows.carry((0, 0, None)),
    ):
        predict(checkpoint, slice(4))
    assert state(checkpoint) == before
