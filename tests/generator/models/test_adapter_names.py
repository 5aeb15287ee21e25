"""Every naming of a layer comes to the same words."""

import pytest

from generator.models.adapter_names import LayerFactor, architecture_of_keys, parse_key
from generator.models.families.architecture import Architecture

QUERY = "lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_q"
OUT = QUERY.replace("to_q", "to_out_0")
TEXT = "lora_te_text_model_encoder_layers_3_self_attn_q_proj"
DOTTED = "down_blocks.0.attentions.1.transformer_blocks.0.attn1"
WORDS = "text_model.encoder.layers.3.self_attn"


@pytest.mark.parametrize(
    ("key", "layer", "factor"),
    [
        (f"{QUERY}.lora_down.weight", QUERY, "lora_down.weight"),
        (f"{QUERY}.hada_w1_a", QUERY, "hada_w1_a"),
        (f"{QUERY}.weight", QUERY, "weight"),
        (f"oft_unet_{QUERY[10:]}.oft_blocks", QUERY, "oft_blocks"),
        (f"lycoris_{QUERY[10:]}.lokr_w1", QUERY, "lokr_w1"),
        (f"lycoris_{TEXT[8:]}.lokr_w1", TEXT, "lokr_w1"),
        (f"{TEXT}.alpha", TEXT, "alpha"),
        (f"lora_te1_{TEXT[8:]}.alpha", TEXT, "alpha"),
        (f"unet.{DOTTED}.to_q.lora_A.weight", QUERY, "lora_down.weight"),
        (f"unet.{DOTTED}.to_out.0.lora_B.weight", OUT, "lora_up.weight"),
        (f"unet.{DOTTED}.to_q.lora_B.default.weight", QUERY, "lora_up.weight"),
        (f"unet.{DOTTED}.to_q.lora.down.weight", QUERY, "lora_down.weight"),
        (f"unet.{DOTTED}.processor.to_q_lora.up.weight", QUERY, "lora_up.weight"),
        (f"unet.{DOTTED}.processor.to_out_lora.down.weight", OUT, "lora_down.weight"),
        (f"{DOTTED}.processor.to_q_lora.up.weight", QUERY, "lora_up.weight"),
        (f"base_model.model.{DOTTED}.to_q.lora_A.weight", QUERY, "lora_down.weight"),
        (f"unet.{DOTTED}.to_q.lora_magnitude_vector", QUERY, "lora_magnitude_vector"),
        (
            f"unet.{DOTTED}.to_q.lora_magnitude_vector.default.weight",
            QUERY,
            "lora_magnitude_vector",
        ),
        (f"unet.{DOTTED}.to_q.alpha", QUERY, "alpha"),
        (f"text_encoder.{WORDS}.q_proj.lora_A.weight", TEXT, "lora_down.weight"),
        (f"text_encoder.{WORDS}.q_proj.lora_linear_layer.up.weight", TEXT, "lora_up.weight"),
        (f"text_encoder.{WORDS}.to_q_lora.up.weight", TEXT, "lora_up.weight"),
        (f"base_model.model.{WORDS}.q_proj.lora_B.weight", TEXT, "lora_up.weight"),
        (
            "diffusion_model.input_blocks.2.1.transformer_blocks.0.attn1.to_q.lora_A.weight",
            "lora_unet_input_blocks_2_1_transformer_blocks_0_attn1_to_q",
            "lora_down.weight",
        ),
    ],
)
def test_a_name_is_understood(key: str, layer: str, factor: str) -> None:
    assert parse_key(key) == LayerFactor(layer, factor)


TEXTS = (
    *("lora_te_text_model_", "lora_te1_text_model_", "lora_te_", "lora_te1_", "lora_clip_l_"),
    *("lora_te_clip_l_transformer_text_model_", "lora_text_encoder_text_model_", "oft_te1_"),
    *("lycoris_te_text_model_", "lycoris_text_model_", "lycoris_"),
)
DOTTED_TEXTS = (
    *("", "text_model.", "text_encoder.", "text_encoder.text_model.", "clip_l.text_model."),
    *("text_encoders.clip_l.transformer.text_model.", "clip_l.transformer.text_model."),
    *("text_encoders.clip_l.", "clip_l.", "cond_stage_model.transformer.text_model."),
    *("cond_stage_model.transformer.", "cond_stage_model.clip_l.transformer.text_model."),
    *("base_model.model.text_model.", "base_model.model.", "te1.text_model.", "lora_te."),
    *("text_encoder.base_model.model.text_model.", "transformer.text_model."),
    "conditioner.embedders.0.transformer.text_model.",
)
FACTORS = {
    "lora_down.weight": (
        *("lora_down.weight", "lora_A.weight", "lora_A.default.weight", "lora_A", "lora_down"),
        *("lora.down.weight", "lora_down.default.weight", "lora_A.my-adapter.weight"),
    ),
    "lora_up.weight": (
        "lora_up.weight",
        "lora_B.weight",
        "lora_B.default",
        "lora_linear_layer.up.weight",
    ),
    "hada_w1_a": ("hada_w1_a", "hada_w1_a.default"),
    "alpha": ("alpha",),
}


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("flat", [True, False])
def test_every_spelling_of_the_text_encoder_and_of_factors(flat: bool, factor: str) -> None:
    layer = "encoder.layers.3.self_attn.q_proj"
    for prefix in TEXTS if flat else DOTTED_TEXTS:
        for ending in FACTORS[factor]:
            key = f"{prefix}{layer.replace('.', '_') if flat else layer}.{ending}"
            assert parse_key(key) == LayerFactor(TEXT, factor), key
            assert architecture_of_keys({key}) is None, key


@pytest.mark.parametrize(
    "prefix", ["unet.", "unet.base_model.model.", "base_model.model.unet.", "lora_unet."]
)
def test_other_spellings_of_the_unet(prefix: str) -> None:
    assert parse_key(f"{prefix}{DOTTED}.to_q.lora_A.default.weight") == LayerFactor(
        QUERY, "lora_down.weight"
    )


@pytest.mark.parametrize(
    "key",
    [
        "",
        "alpha",
        "lora_unet_mid_block",
        "vae.decoder.lora_A.weight",
        f"unet.{DOTTED}.to_q.mystery",
    ],
)
def test_other_names_are_not(key: str) -> None:
    assert parse_key(key) is None


@pytest.mark.parametrize(
    ("key", "architecture"),
    [
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha", Architecture.SDXL),
        ("text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight", Architecture.SDXL),
        (
            "text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1.lora_A.weight",
            Architecture.SDXL,
        ),
        ("lora_unet_double_blocks_0_img_attn_proj.alpha", Architecture.FLUX),
        ("transformer.transformer_blocks.0.attn.to_q.lora_A.weight", Architecture.SD3),
        ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", Architecture.FLUX),
        (f"{QUERY}.alpha", None),
        (f"{TEXT}.alpha", None),
    ],
)
def test_some_names_tell_another_architecture(key: str, architecture: Architecture | None) -> None:
    assert architecture_of_keys({key}) is architecture
