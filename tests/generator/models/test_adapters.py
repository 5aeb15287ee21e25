"""Adapters go onto a checkpoint by any name, and leave it as it was."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models import adapters
from generator.models.adapter_files import AdapterCache, read_adapter
from generator.models.adapters import AppliedAdapter, apply_adapters
from generator.models.checkpoint import Checkpoint, load_checkpoint
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.plain_files import stamp_of
from generator.models.registry import Folders, Registry
from generator.models.residency import Residency
from generator.models.tiling import apply_tiling

DOTTED = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
QUERY = f"lora_unet_{DOTTED.replace('.', '_')}"
LDM_QUERY = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q"
WORDS = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
NORM = "lora_unet_down_blocks_0_resnets_0_norm1"
CONV = "lora_unet_down_blocks_0_resnets_0_conv1"

Make = Callable[..., ModelFile]


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * 0.1


def pair(width: int, layer: str = QUERY, rank: int = 2) -> dict[str, Tensor]:
    return {
        f"{layer}.lora_up.weight": draw(width, rank),
        f"{layer}.lora_down.weight": draw(rank, width),
    }


FAMILIES: Mapping[str, dict[str, Tensor]] = {
    "lora": pair(32) | pair(128, WORDS),
    "dora": pair(32) | {f"{QUERY}.dora_scale": draw(1, 32)},
    "loha": {
        f"{QUERY}.hada_{name}": draw(*shape)
        for name, shape in (
            ("w1_a", (32, 2)),
            ("w1_b", (2, 32)),
            ("w2_a", (32, 2)),
            ("w2_b", (2, 32)),
        )
    },
    "lokr": {f"{QUERY}.lokr_w1": draw(4, 4), f"{QUERY}.lokr_w2": draw(8, 8)},
    "full": {f"{QUERY}.diff": draw(32, 32), f"{CONV}.diff_b": draw(32)},
    "norm": {f"{NORM}.w_norm": draw(32), f"{NORM}.b_norm": draw(32)},
    "ia3": {f"{QUERY}.weight": draw(32), f"{QUERY}.on_input": torch.tensor(True)},
    "glora": {
        f"{QUERY}.{name}.weight": draw(*shape)
        for name, shape in (("a1", (2, 32)), ("a2", (32, 2)), ("b1", (2, 32)), ("b2", (32, 2)))
    },
    "oft": {f"{QUERY}.oft_blocks": draw(4, 8, 8), f"{CONV}.oft_blocks": draw(4, 8, 8)},
    "old oft": {f"{QUERY}.oft_diag": draw(4, 8, 8)},
    "boft": {f"{QUERY}.oft_blocks": draw(3, 4, 8, 8), f"{QUERY}.rescale": draw(32, 1)},
    "conv": {
        f"{CONV}.lora_up.weight": draw(32, 2, 1, 1),
        f"{CONV}.lora_mid.weight": draw(2, 2, 3, 3),
        f"{CONV}.lora_down.weight": draw(2, 32, 1, 1),
    },
}


@pytest.fixture(scope="module")
def checkpoint(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data") / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    for name in ("tinysd15.safetensors", "tinysd15.yaml"):
        (folder / name).symlink_to(goldens / "checkpoint" / name)
    registry = Registry(Folders.under(folder.parents[1]), None)
    return load_checkpoint(registry.find_checkpoint(), torch.device("cpu"), torch.float32)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make_file(tensors: Mapping[str, Tensor], name: str = "mine", **metadata: str) -> ModelFile:
        path = tmp_path / f"{name}.safetensors"
        save_file(dict(tensors), path, metadata)
        stat = path.stat()
        return ModelFile(
            ModelKind.LORA, path.name, path, *stamp_of(stat),
            metadata=metadata,
        )  # fmt: skip

    return make_file


def fingerprint(checkpoint: Checkpoint) -> str:
    """A hash of every parameter and buffer, and of what decides how layers compute."""
    digest = hashlib.sha256()
    for network in (checkpoint.unet, checkpoint.vae, checkpoint.text_encoders[0].model):
        for name, tensor in network.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
        for name, layer in network.named_modules():
            hooks = len(layer._forward_pre_hooks), len(layer._forward_hooks)
            digest.update(repr((name, hooks, getattr(layer, "padding_mode", ""))).encode())
    return digest.hexdigest()


def query(checkpoint: Checkpoint) -> Tensor:
    return checkpoint.unet.get_submodule(DOTTED).weight.detach().clone()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_changes_weights_and_leaves_them_bit_equal(
    checkpoint: Checkpoint, make: Make, family: str
) -> None:
    before = fingerprint(checkpoint)
    adapter = read_adapter(make(FAMILIES[family]))
    with apply_adapters(checkpoint, [AppliedAdapter(adapter, 0.7, 0.9)]) as told:
        assert told == ()
        assert fingerprint(checkpoint) != before
    assert fingerprint(checkpoint) == before


def test_two_on_one_layer_under_tiling_leave_it_bit_equal_after_an_exception(
    checkpoint: Checkpoint, make: Make
) -> None:
    before, weight = fingerprint(checkpoint), query(checkpoint)
    one, two = (read_adapter(make(FAMILIES[name], name)) for name in ("lora", "oft"))

    class Interrupted(BaseException):
        pass

    with pytest.raises(Interrupted), ExitStack() as stack:
        stack.enter_context(
            apply_adapters(
                checkpoint, [AppliedAdapter(one), AppliedAdapter(two), AppliedAdapter(one)]
            )
        )
        stack.enter_context(apply_tiling((checkpoint.unet, checkpoint.vae), True))
        assert not torch.equal(query(checkpoint), weight)
        raise Interrupted
    assert fingerprint(checkpoint) == before


def test_memory_that_runs_out_is_no_layer_that_does_not_fit(
    checkpoint: Checkpoint, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(adapters, "weight_delta", run_out)
    before = fingerprint(checkpoint)
    with (
        pytest.raises(RuntimeError, match="allocate memory"),
        apply_adapters(checkpoint, [AppliedAdapter(read_adapter(make(pair(32))))]),
    ):
        pass
    assert fingerprint(checkpoint) == before


def test_one_that_does_not_fit_leaves_nothing_of_those_before_it(
    checkpoint: Checkpoint, make: Make
) -> None:
    before = fingerprint(checkpoint)
    good, bad = read_adapter(make(pair(32), "good")), read_adapter(make(pair(48), "bad"))
    with (
        pytest.raises(WrongArchitecture, match=r"bad.safetensors.*Stable Diffusion 1.x"),
        apply_adapters(checkpoint, [AppliedAdapter(good), AppliedAdapter(bad)]),
    ):
        pass
    assert fingerprint(checkpoint) == before


def test_strengths_are_of_the_text_and_of_the_unet(checkpoint: Checkpoint, make: Make) -> None:
    adapter = read_adapter(make(FAMILIES["lora"]))
    weight, words = (
        query(checkpoint),
        checkpoint.text_encoders[0].model.encoder.layers[0].self_attn.q_proj,
    )
    old = words.weight.detach().clone()
    with apply_adapters(
        checkpoint, [AppliedAdapter(adapter, text_strength=0.5, unet_strength=2.0)]
    ):
        change = 2 * draw(32, 2) @ draw(2, 32)
        assert torch.allclose(query(checkpoint), weight + change, atol=1e-6)
        assert torch.allclose(words.weight, old + draw(128, 2) @ draw(2, 128) / 2, atol=1e-6)


def test_two_loras_add_up(checkpoint: Checkpoint, make: Make) -> None:
    adapter, weight = read_adapter(make(pair(32))), query(checkpoint)
    with apply_adapters(
        checkpoint, [AppliedAdapter(adapter, 1, 0.3), AppliedAdapter(adapter, 1, 0.4)]
    ):
        wanted = weight + 0.7 * draw(32, 2) @ draw(2, 32)
        assert torch.allclose(query(checkpoint), wanted, atol=1e-6)


def namings() -> Mapping[str, dict[str, Tensor]]:
    up, down = draw(32, 2), draw(2, 32)
    place, _, projection = DOTTED.rpartition(".")
    forms = {
        "kohya": (f"{QUERY}.lora_up.weight", f"{QUERY}.lora_down.weight"),
        "ldm": (f"{LDM_QUERY}.lora_up.weight", f"{LDM_QUERY}.lora_down.weight"),
        "diffusers": (f"unet.{DOTTED}.lora.up.weight", f"unet.{DOTTED}.lora.down.weight"),
        "peft": (f"unet.{DOTTED}.lora_B.weight", f"unet.{DOTTED}.lora_A.weight"),
        "processor": tuple(
            f"unet.{place}.processor.{projection}_lora.{side}.weight" for side in ("up", "down")
        ),
    }
    return {name: {up_key: up, down_key: down} for name, (up_key, down_key) in forms.items()}


@pytest.mark.parametrize("naming", namings())
def test_every_naming_means_the_same_layer(checkpoint: Checkpoint, make: Make, naming: str) -> None:
    adapter, weight = read_adapter(make(namings()[naming])), query(checkpoint)
    with apply_adapters(checkpoint, [AppliedAdapter(adapter)]):
        wanted = weight + draw(32, 2) @ draw(2, 32)
        assert torch.allclose(query(checkpoint), wanted, atol=1e-6)


def test_ldm_names_reach_every_layer_of_the_unet(checkpoint: Checkpoint, make: Make) -> None:
    layers = {
        "time_embed_0": 128,
        "input_blocks_0_0": 32,
        "input_blocks_1_0_in_layers_2": 32,
        "input_blocks_1_0_emb_layers_1": 32,
        "input_blocks_3_0_op": 32,
        "middle_block_1_proj_in": 96,
        "output_blocks_5_2_conv": 96,
        "output_blocks_11_0_skip_connection": 32,
        "out_2": 4,
    }
    zero = {f"lora_unet_{layer}.diff_b": torch.zeros(out) for layer, out in layers.items()}
    with apply_adapters(checkpoint, [AppliedAdapter(read_adapter(make(zero)))]) as told:
        assert told == ()


@pytest.mark.parametrize("name", ["lora-text-encoders-clip_l", "lora-clip_l"])
def test_reported_files_are_applied_whole(
    checkpoint: Checkpoint, make: Make, shared: Path, name: str
) -> None:
    path = shared / f"cases/{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"the reported file is not here: {path.name}")
    tensors = load_file(path)
    up, down = (
        next(t for n, t in tensors.items() if n.endswith(f"q_proj.lora_{part}.weight"))
        for part in ("up", "down")
    )
    layer = checkpoint.text_encoders[0].model.get_submodule("encoder.layers.0.self_attn.q_proj")
    weight = layer.weight.clone()
    with apply_adapters(checkpoint, [AppliedAdapter(read_adapter(make(tensors)))]) as told:
        assert told == ()
        assert torch.allclose(layer.weight, weight + up @ down, atol=1e-5)
    assert torch.equal(layer.weight, weight)


def test_a_layer_that_lacks_a_factor_is_named(checkpoint: Checkpoint, make: Make) -> None:
    adapter = read_adapter(make({f"{QUERY}.lora_up.weight": draw(32, 2)}))
    with (
        pytest.raises(ModelUnreadable, match=r"attn1_to_q lacks lora_down.weight"),
        apply_adapters(checkpoint, [AppliedAdapter(adapter)]),
    ):
        pass


def test_what_fits_nothing_is_told(checkpoint: Checkpoint, make: Make) -> None:
    strange = {
        "lora_unet_down_blocks_7.diff": draw(2),
        f"{WORDS}.from_the_future": draw(2),
        "vae.decoder.weight": draw(2),
    }
    adapter = read_adapter(make(pair(32) | strange))
    with apply_adapters(checkpoint, [AppliedAdapter(adapter), AppliedAdapter(adapter)]) as told:
        (sentence,) = told
    assert sentence.startswith("Lora mine: 3 of its 5 keys are without effect")
    for name in ("lora_unet_down_blocks_7", WORDS, "vae.decoder.weight"):
        assert name in sentence


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        (pair(64, "lora_unet_double_blocks_0_img_attn_proj"), "Flux"),
        ({"decoder.weight": draw(2)}, "none of its 1 tensors"),
    ],
)
def test_a_file_for_another_architecture_is_refused(
    make: Make, tensors: Mapping[str, Tensor], named: str
) -> None:
    with pytest.raises(WrongArchitecture, match=rf"mine.*{named}") as caught:
        read_adapter(make(tensors))
    assert str(caught.value).endswith(("checkpoint's architecture", "Choose another file"))


def test_one_for_another_family_by_its_names_or_its_trainers_note_is_refused_naming_both(
    checkpoint: Checkpoint, make: Make
) -> None:
    second = read_adapter(make(pair(32, "lora_te2_text_model_encoder_layers_0_mlp_fc1"), "second"))
    noted = replace(make(pair(32), "noted"), metadata={"ss_base_model_version": "sdxl_base_v1-0"})
    for adapter in (second, read_adapter(noted)):
        with (
            pytest.raises(
                WrongArchitecture, match=r"Stable Diffusion XL.*tinysd15.*Stable Diffusion 1.x"
            ),
            apply_adapters(checkpoint, [AppliedAdapter(adapter)]),
        ):
            pass


@pytest.mark.parametrize(
    ("width", "named"), [(2048, "Stable Diffusion XL"), (1024, "Stable Diffusion 2")]
)
def test_the_width_of_the_text_tells_architectures_apart(
    checkpoint: Checkpoint, make: Make, width: int, named: str
) -> None:
    key = QUERY.replace("attn1_to_q", "attn2_to_k")
    tensors = {f"{key}.lora_up.weight": draw(32, 2), f"{key}.lora_down.weight": draw(2, width)}
    adapter = read_adapter(make(tensors))
    with (
        pytest.raises(WrongArchitecture, match=rf"{named}.*tinysd15.*Stable Diffusion 1.x"),
        apply_adapters(checkpoint, [AppliedAdapter(adapter)]),
    ):
        pass


def test_alpha_in_the_metadata_counts(checkpoint: Checkpoint, make: Make) -> None:
    told = json.dumps({"unet.r": 2, "unet.lora_alpha": 1})
    adapter = read_adapter(make(namings()["peft"], lora_adapter_metadata=told))
    weight = query(checkpoint)
    with apply_adapters(checkpoint, [AppliedAdapter(adapter)]):
        wanted = weight + draw(32, 2) @ draw(2, 32) / 2
        assert torch.allclose(query(checkpoint), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("told", "scale"),
    [
        ({"unet.use_rslora": True}, 3 / 2**0.5),
        ({"unet.alpha_pattern": {"attn1.to_q": 5.0}}, 5 / 2),
        ({"unet.alpha_pattern": {f"^{DOTTED}$": 5.0, "to_k": 7.0}, "unet.use_rslora": True},
         5 / 2**0.5),
        ({"unet.alpha_pattern": {"to_k": 7.0}, "text_encoder.lora_alpha": 9}, 3 / 2),
    ],
)  # fmt: skip
def test_pefts_settings_scale_a_layer(
    checkpoint: Checkpoint, make: Make, told: Mapping[str, object], scale: float
) -> None:
    metadata = json.dumps({"unet.lora_alpha": 3} | told)
    adapter = read_adapter(make(namings()["peft"], lora_adapter_metadata=metadata))
    weight = query(checkpoint)
    with apply_adapters(checkpoint, [AppliedAdapter(adapter)]):
        wanted = weight + draw(32, 2) @ draw(2, 32) * scale
        assert torch.allclose(query(checkpoint), wanted, atol=1e-6)


@pytest.mark.parametrize("told", ["[1]", "{", '{"unet.lora_alpha": []}', "0",
                                  '{"unet.lora_alpha": 1, "unet.alpha_pattern": 3}'])  # fmt: skip
def test_settings_that_cannot_be_read_are_refused(make: Make, told: str) -> None:
    with pytest.raises(ModelUnreadable, match=r"mine.safetensors: its lora_adapter_metadata"):
        read_adapter(make(namings()["peft"], lora_adapter_metadata=told))


def test_words_come_along(make: Make) -> None:
    bundled = {
        "bundle_emb.zzyzx.string_to_param.*": draw(2, 128),
        "bundle_emb.other.clip_l": draw(3, 128),
    }
    adapter = read_adapter(make(bundled))
    assert {name: len(v) for name, v in adapter.embeddings.items()} == {"zzyzx": 2, "other": 3}


def test_small_files_are_read_once_and_replaced_ones_again(make: Make, tmp_path: Path) -> None:
    adapters, file = AdapterCache(), make(pair(32))
    first = adapters.read(file)
    assert adapters.read(replace(file, sha256="00")) is first
    again = make(pair(32) | pair(128, WORDS))
    assert adapters.read(again) is not first
    file.path.unlink()
    with pytest.raises(ModelUnreadable, match=r"gone"):
        adapters.read(file)


def test_what_is_kept_is_bounded(make: Make) -> None:
    files = [make(pair(32), f"number{i}") for i in range(3)]
    size = files[0].size
    residency = Residency(lambda: 2 * size - residency.bytes_of())
    adapters = AdapterCache(residency)
    kept = []
    for file in files:
        residency.begin_job()
        kept.append(adapters.read(file))
    residency.begin_job()
    assert adapters.read(files[2]) is kept[2]
    assert adapters.read(files[1]) is kept[1]
    assert adapters.read(files[0]) is not kept[0]


def test_a_bias_for_a_layer_without_one_is_told(checkpoint: Checkpoint, make: Make) -> None:
    adapter = read_adapter(make(pair(32) | {f"{QUERY}.diff_b": draw(32)}))
    with apply_adapters(checkpoint, [AppliedAdapter(adapter)]) as told:
        assert f"{QUERY}.bias" in told[0]
