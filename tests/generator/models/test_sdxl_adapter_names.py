"""SDXL's adapters by every trainer's names, and the architecture that a file is made for."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generator.errors import WrongArchitecture
from generator.models.adapter_files import Adapter, check_family, read_adapter
from generator.models.adapter_names import architecture_of_keys, parse_key
from generator.models.families.architecture import Architecture
from generator.models.families.catalog import BUILT_IN
from generator.models.families.sd1 import SD1
from generator.models.families.sd2 import SD2
from generator.models.families.sdxl import SDXL, SDXL_REFINER
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind

WORDS = "encoder.layers.3.self_attn.q_proj"
FLAT = WORDS.replace(".", "_")
FIRST, SECOND = f"lora_te_text_model_{FLAT}", f"lora_te2_text_model_{FLAT}"
SDXL_NAMES = (Architecture.SDXL, None)
SECOND_FLAT = (
    *("lora_te2_text_model_", "lora_te2_", "lora_text_encoder_2_text_model_", "lora_clip_g_"),
    *("lora_te_clip_g_transformer_text_model_", "lora_te2_clip_g_", "oft_te2_text_model_"),
    *("lycoris_te2_text_model_", "lora_text_encoder_2_"),
)
SECOND_DOTTED = (
    *("text_encoder_2.text_model.", "text_encoder_2.", "clip_g.transformer.text_model."),
    *("text_encoders.clip_g.transformer.text_model.", "te2.text_model.", "lora_te2.text_model."),
    *("base_model.model.text_encoder_2.text_model.", "text_encoder_2.base_model.model.text_model."),
    "clip_g.",
)


def model_file(path: Path, **metadata: str) -> ModelFile:
    return ModelFile(ModelKind.LORA, path.name, path, path.stat().st_size, 0, 0, metadata=metadata)


def read(path: Path, shapes: dict[str, tuple[int, ...]], **metadata: str) -> Adapter:
    save_file({name: torch.ones(shape) for name, shape in shapes.items()}, path / "l.safetensors")
    return read_adapter(model_file(path / "l.safetensors", **metadata))


def told(path: Path, name: str, width: int, **metadata: str) -> Architecture | None:
    return read(path, {name: (2, width)}, **metadata).architecture


@pytest.mark.parametrize("prefix", SECOND_FLAT)
def test_flat_names_of_the_second_text_encoder(prefix: str) -> None:
    for key in (f"{prefix}{FLAT}.lora_down.weight", f"{prefix}{FLAT}.lora_A.weight"):
        found = parse_key(key)
        assert found is not None
        assert (found.layer, found.factor) == (SECOND, "lora_down.weight")


@pytest.mark.parametrize("prefix", SECOND_DOTTED)
@pytest.mark.parametrize("factor", ["lora_B.weight", "lora_B.default.weight", "lora_up.weight"])
def test_dotted_names_of_the_second_text_encoder(prefix: str, factor: str) -> None:
    found = parse_key(f"{prefix}{WORDS}.{factor}")
    assert found is not None
    assert (found.layer, found.factor) == (SECOND, "lora_up.weight")


def test_diffusers_first_lora_of_the_second_text_encoder() -> None:
    stem = "text_encoder_2.text_model.encoder.layers.3.self_attn"
    for letter, layer in (("q", "q_proj"), ("out", "out_proj")):
        found = parse_key(f"{stem}.to_{letter}_lora.down.weight")
        assert found is not None
        assert found.layer == SECOND.replace("q_proj", layer)


@pytest.mark.parametrize(
    "key",
    [
        f"lora_te1_text_model_{FLAT}.alpha", f"lora_te1_{FLAT}.alpha", f"lora_clip_l_{FLAT}.alpha",
        f"text_encoder.text_model.{WORDS}.alpha", f"clip_l.transformer.text_model.{WORDS}.alpha",
        f"conditioner.embedders.0.transformer.text_model.{WORDS}.alpha",
    ],
)  # fmt: skip
def test_the_first_text_encoder_is_not_the_second(key: str) -> None:
    found = parse_key(key)
    assert found is not None
    assert found.layer == FIRST
    assert architecture_of_keys({key}) is None


@pytest.mark.parametrize(
    ("key", "layer"),
    [
        ("lora_te2_text_projection.lora_down.weight", "lora_te2_text_model_text_projection"),
        ("text_encoder_2.text_projection.lora_A.weight", "lora_te2_text_model_text_projection"),
    ],
)
def test_the_projection_of_the_pooled_text(key: str, layer: str) -> None:
    found = parse_key(key)
    assert found is not None
    assert found.layer == layer


@pytest.mark.parametrize(
    ("key", "layer"),
    [
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight",
         "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"),
        ("diffusion_model.output_blocks.0.1.transformer_blocks.9.ff.net.0.proj.lora_A.weight",
         "lora_unet_output_blocks_0_1_transformer_blocks_9_ff_net_0_proj"),
        ("model.diffusion_model.label_emb.0.0.lora_A.weight", "lora_unet_label_emb_0_0"),
        ("unet.down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k.lora_A.weight",
         "lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_attn2_to_k"),
        ("unet.base_model.model.mid_block.attentions.0.proj_in.lora_A.default.weight",
         "lora_unet_mid_block_attentions_0_proj_in"),
        ("unet.add_embedding.linear_1.lora.down.weight", "lora_unet_add_embedding_linear_1"),
        ("up_blocks.0.attentions.2.transformer_blocks.9.attn1.processor.to_out_lora.down.weight",
         "lora_unet_up_blocks_0_attentions_2_transformer_blocks_9_attn1_to_out_0"),
    ],
)  # fmt: skip
def test_layers_of_sdxls_unet(key: str, layer: str) -> None:
    found = parse_key(key)
    assert found is not None
    assert (found.layer, found.factor) == (layer, "lora_down.weight")


UNET_KEY = "lora_unet_x_attn2_to_k.lora_down.weight"


@pytest.mark.parametrize(
    ("width", "architecture"),
    [(768, Architecture.SD1), (1024, Architecture.SD2), (2048, Architecture.SDXL), (1280, None)],
)
def test_the_text_that_it_reads_tells_what_it_is_for(
    tmp_path: Path, width: int, architecture: Architecture | None
) -> None:
    for factor in ("lora_down.weight", "hada_w1_b", "diff"):
        assert told(tmp_path, f"lora_unet_x_attn2_to_v.{factor}", width) is architecture
    assert told(tmp_path, "lora_unet_x_attn1_to_k.lora_down.weight", width) is None


@pytest.mark.parametrize(
    ("note", "architecture"),
    [
        ("sdxl_base_v1-0", Architecture.SDXL), ("stable-diffusion-xl-v1-base/lora", SDXL_NAMES[0]),
        ("sd_v1", Architecture.SD1), ("stable-diffusion-v1/lora", Architecture.SD1),
        ("sd_v2_768_v", Architecture.SD2), ("stable-diffusion-v2-768-v/lora", Architecture.SD2),
        ("SDXL_base", Architecture.SDXL), ("another", None), ("", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["ss_base_model_version", "modelspec.architecture"])
def test_what_trainers_note(
    tmp_path: Path, key: str, note: str, architecture: Architecture | None
) -> None:
    name = "lora_unet_x_attn1_to_k.lora_down.weight"
    assert told(tmp_path, name, 8, **{key: note}) is architecture


def test_the_note_goes_before_the_width_and_names_before_both(tmp_path: Path) -> None:
    note = {"ss_base_model_version": "sd_v2"}
    assert told(tmp_path, UNET_KEY, 768, **note) is Architecture.SD2
    assert told(tmp_path, f"{SECOND}.lora_down.weight", 768, **note) is Architecture.SDXL
    both = note | {"modelspec.architecture": "stable-diffusion-xl-v1-base"}
    assert told(tmp_path, UNET_KEY, 768, **both) is Architecture.SD2  # the trainer's own


@pytest.mark.parametrize(
    ("note", "architecture"), [("sd3_medium", Architecture.SD3), ("flux1", Architecture.FLUX)]
)
def test_one_noted_for_what_is_not_drawn_with_is_refused_by_its_name(
    tmp_path: Path, note: str, architecture: Architecture
) -> None:
    with pytest.raises(WrongArchitecture, match=f"made for {architecture.label}, and Easel"):
        told(tmp_path, UNET_KEY, 8, ss_base_model_version=note)


def test_each_family_takes_its_own_and_the_refiner_those_of_sdxl(tmp_path: Path) -> None:
    adapters = {
        SD1: read(tmp_path, {UNET_KEY: (2, 768)}),
        SD2: read(tmp_path, {UNET_KEY: (2, 1024)}),
        SDXL: read(tmp_path, {UNET_KEY: (2, 2048)}),
    }
    checkpoint = model_file(tmp_path / "l.safetensors")
    taken = {SD1: {SD1}, SD2: {SD2}, SDXL: {SDXL, SDXL_REFINER}}
    for made_for, adapter in adapters.items():
        for family in taken[made_for]:
            check_family(adapter, checkpoint, family)
        for family in set(BUILT_IN) - taken[made_for]:
            words = f"made for {made_for.label}; .* is {family.label}"
            with pytest.raises(WrongArchitecture, match=words):
                check_family(adapter, checkpoint, family)


def test_one_that_tells_nothing_is_taken_by_all(tmp_path: Path) -> None:
    adapter = read(tmp_path, {f"lora_te_text_model_{FLAT}.lora_down.weight": (2, 768)})
    assert adapter.architecture is None
    for family in BUILT_IN:
        check_family(adapter, adapter.file, family)


def test_one_for_an_architecture_that_is_not_drawn_with_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongArchitecture, match=r"l\.safetensors is made for Flux"):
        read(tmp_path, {"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": (2, 8)})
    with pytest.raises(WrongArchitecture, match="none of its 1 tensors"):
        read(tmp_path, {"decoder.conv_in.weight": (2, 8)})


def test_alphas_in_metadata_are_for_each_network(tmp_path: Path) -> None:
    names = [f"{stem}.lora_down.weight" for stem in ("lora_unet_x", FIRST, SECOND)]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(names, (2, 8)) | {f"{FIRST}.alpha": ()}
    note = '{"unet.lora_alpha": 4, "text_encoder.lora_alpha": 5, "text_encoder_2.lora_alpha": 6}'
    layers = read(tmp_path, shapes, lora_adapter_metadata=note).layers
    assert [float(layers[n.removesuffix(".lora_down.weight")]["alpha"]) for n in names] == [4, 1, 6]
