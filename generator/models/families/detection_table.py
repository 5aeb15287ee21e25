"""How each family's files are told: one ordered table, the most special rows first.

Names are those of the network, behind one of :data:`NETWORK_PREFIXES` or bare; a pattern is read
as :meth:`~generator.models.families.detection.TensorNames.has` says. Two rows that hold for one
file are a mistake, unless the general one says in ``yields_to`` that it stands back.
"""

from dataclasses import dataclass
from enum import Enum

from generator.models.families.architecture import Architecture

NETWORK_PREFIXES = ("model.diffusion_model.", "model.model.", "net.", "transformer.")
"""What stands before a network's names: LDM, AuraFlow, Cosmos, and some of diffusers' users."""

EDM_LATENTS = ("edm_mean", "edm_std")  # of Playground v2.5: its latents by channel
EDM_V_MIN, EDM_V_MAX = "edm_vpred.sigma_min", "edm_vpred.sigma_max"  # of CosXL
CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"
BARE_CONV_IN = "input_blocks.0.0.weight"


class Layout(Enum):
    """By whose names a file's tensors go."""

    ORIGINAL = "the authors'"
    DIFFUSERS = "diffusers'"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row: the tensors that a file must and must not hold to be of an architecture."""

    architecture: Architecture
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()  # at least one of these too
    forbidden: tuple[str, ...] = ()
    sizes: tuple[tuple[str, int, tuple[int, ...]], ...] = ()  # name, axis, one of these sizes
    yields_to: tuple[Architecture, ...] = ()
    """More special rows above which may hold for the same file; they go first."""
    layout: Layout = Layout.ORIGINAL


A = Architecture
XL_TEXT, XL_REFINER_TEXT, SD2_TEXT = (
    "conditioner.embedders.1.model.ln_final.weight",
    "conditioner.embedders.0.model.ln_final.weight",
    "cond_stage_model.model.",
)
OTHER_TEXT = (
    "conditioner.", SD2_TEXT, "cond_stage_model.roberta.", "embedder.model.ln_final.weight",
    "depth_model.", "input_blocks.1.0.time_mixer.mix_factor",
)  # fmt: skip
"""What in a checkpoint with a U-Net tells that it is not of Stable Diffusion 1."""

IP_KEY = "ip_adapter.1.to_k_ip.weight"
_ADAPTERS = (
    Rule(
        A.LORA,
        one_of=(
            "lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_", "lora_transformer_",
            "lycoris_", "*.lora_A.weight", "*.lora_down.weight", "*.lora.down.weight",
            "*_lora.down.weight", "*.hada_w1_a", "*.lokr_w1", "*.lokr_w1_a", "*.oft_blocks",
        ),
        forbidden=("*.qweight", "lora_controlnet", "ip_adapter."),
    ),
    Rule(A.IP_ADAPTER_SD1, required=(IP_KEY,), sizes=((IP_KEY, 1, (768,)),)),
    Rule(A.IP_ADAPTER_SDXL, required=(IP_KEY,), sizes=((IP_KEY, 1, (2048,)),)),
    Rule(
        A.IP_ADAPTER,
        one_of=("ip_adapter.", "ip_adapter_proj_model."),
        yields_to=(A.IP_ADAPTER_SD1, A.IP_ADAPTER_SDXL),
    ),
    Rule(
        A.CONTROLNET,
        one_of=(
            "control_model.", "lora_controlnet", "controlnet_cond_embedding.",
            "control_add_embedding.", "controlnet_down_blocks.", "controlnet_mode_embedder.",
            "controlnet_blocks.", "control_all_x_embedder.", "control_layers.", "zero_convs.",
        ),
    ),
    Rule(A.MOTION_MODULE, one_of=("*.pos_encoder.pe",)),
)  # fmt: skip

_UNETS = (
    Rule(A.STABLE_VIDEO, required=("input_blocks.1.0.time_mixer.mix_factor",)),
    Rule(A.SDXL_INPAINTING, required=(XL_TEXT,), sizes=((CONV_IN, 1, (9,)),)),
    Rule(A.SDXL_EDITING, required=(XL_TEXT,), sizes=((CONV_IN, 1, (8,)),)),
    Rule(A.PLAYGROUND, required=(XL_TEXT, *EDM_LATENTS), sizes=((CONV_IN, 1, (4,)),)),
    Rule(
        A.COSXL,
        required=(XL_TEXT, EDM_V_MAX),
        forbidden=EDM_LATENTS,
        sizes=((CONV_IN, 1, (4,)),),
    ),
    Rule(
        A.SDXL,
        required=(XL_TEXT,),
        yields_to=(A.SDXL_INPAINTING, A.SDXL_EDITING, A.PLAYGROUND, A.COSXL),
    ),
    Rule(A.SDXL_REFINER, required=(XL_REFINER_TEXT,)),
    Rule(A.SD2_DEPTH, required=("depth_model.",)),
    Rule(
        A.SD2_DEPTH,
        required=(SD2_TEXT,),
        forbidden=("depth_model.",),
        sizes=((CONV_IN, 1, (5,)),),
    ),
    Rule(A.SD2_UPSCALER, required=(SD2_TEXT,), sizes=((CONV_IN, 1, (7,)),)),
    Rule(A.UNCLIP, required=("embedder.model.ln_final.weight",)),
    Rule(A.SD2_INPAINTING, required=(SD2_TEXT,), sizes=((CONV_IN, 1, (9,)),)),
    Rule(
        A.SD2,
        required=(SD2_TEXT,),
        yields_to=(A.SD2_DEPTH, A.SD2_UPSCALER, A.SD2_INPAINTING, A.UNCLIP),
    ),
    Rule(A.ALT_DIFFUSION, required=("cond_stage_model.roberta.",)),
    Rule(A.SDXL, forbidden=OTHER_TEXT, required=(CONV_IN, "label_emb.0.0.weight")),
    Rule(
        A.SD1,
        forbidden=(*OTHER_TEXT, "label_emb.0.0.weight"),
        sizes=((CONV_IN, 1, (4,)),),
    ),
    Rule(
        A.SD1_EDITING,
        forbidden=(*OTHER_TEXT, "label_emb.0.0.weight"),
        sizes=((CONV_IN, 1, (8,)),),
    ),
    Rule(
        A.SD1_INPAINTING,
        forbidden=(*OTHER_TEXT, "label_emb.0.0.weight"),
        sizes=((CONV_IN, 1, (9,)),),
    ),
    Rule(
        A.OTHER_UNET,
        forbidden=(*OTHER_TEXT, "label_emb.0.0.weight"),
        sizes=((CONV_IN, 1, (3, 5, 6, 7, *range(10, 65))),),
    ),
    Rule(
        A.BARE_UNET,
        required=(BARE_CONV_IN, "input_blocks.1.0.in_layers.0.weight"),
        forbidden=(CONV_IN, "zero_convs.", "input_blocks.1.0.time_mixer.mix_factor"),
    ),
    Rule(A.STABLE_CASCADE_C, required=("clf.1.weight", "clip_txt_mapper.weight")),
    Rule(
        A.STABLE_CASCADE_B,
        required=("clf.1.weight", "clip_mapper.weight"),
        forbidden=("clip_txt_mapper.weight",),
    ),
    Rule(
        A.KANDINSKY2,
        required=("add_embedding.image_proj.weight", "encoder_hid_proj.image_embeds.weight"),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.KANDINSKY3,
        required=(
            "add_time_condition.attention.to_q.weight", "encoder_hid_proj.projection_linear.weight",
        ),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.DEEPFLOYD_IF,
        required=("encoder_hid_proj.weight", "add_embedding.pool.positional_embedding"),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.DIFFUSERS_UNET,
        required=("down_blocks.",),
        forbidden=(
            "controlnet_cond_embedding.", "controlnet_down_blocks.", "clf.1.weight", "decoder.",
            "*.pos_encoder.pe",
        ),
        yields_to=(A.KANDINSKY2, A.KANDINSKY3, A.DEEPFLOYD_IF),
        layout=Layout.DIFFUSERS,
    ),
)  # fmt: skip

MMDIT = "joint_blocks.0.context_block.attn.qkv.weight"
FLUX_BLOCK = "double_blocks.0.img_attn.qkv.weight"
FLUX_HF = (
    "x_embedder.weight", "context_embedder.weight", "time_text_embed.text_embedder.linear_1.weight",
    "single_transformer_blocks.0.attn.to_q.weight",
)  # fmt: skip
GUIDANCE, GUIDANCE_HF = (
    "guidance_in.in_layer.weight",
    "time_text_embed.guidance_embedder.linear_1.weight",
)
CHROMA = "distilled_guidance_layer."
FLUX2_BLOCK = "double_stream_modulation_img.lin.weight"

_SD3 = (
    Rule(A.SD35_LARGE, required=(MMDIT, "joint_blocks.37.x_block.attn.qkv.weight")),
    Rule(
        A.SD35_MEDIUM,
        required=(MMDIT, "joint_blocks.0.x_block.attn2.qkv.weight"),
        forbidden=("joint_blocks.37.x_block.attn.qkv.weight",),
    ),
    Rule(A.SD3, required=(MMDIT,), yields_to=(A.SD35_LARGE, A.SD35_MEDIUM)),
    Rule(
        A.SD35_LARGE,
        required=(
            "pos_embed.pos_embed", "context_embedder.weight",
            "transformer_blocks.37.attn.to_q.weight",
        ),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.SD35_MEDIUM,
        required=(
            "pos_embed.pos_embed", "context_embedder.weight",
            "transformer_blocks.0.attn2.to_q.weight",
        ),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.SD3,
        required=(
            "pos_embed.pos_embed", "context_embedder.weight",
            "transformer_blocks.0.attn.to_q.weight",
        ),
        yields_to=(A.SD35_LARGE, A.SD35_MEDIUM),
        layout=Layout.DIFFUSERS,
    ),
)  # fmt: skip

_FLUX = (
    Rule(A.CHROMA, required=(FLUX_BLOCK, CHROMA)),
    Rule(
        A.FLUX2_DEV,
        required=(FLUX2_BLOCK,),
        sizes=(("txt_in.weight", 1, (15360,)),),
    ),
    Rule(
        A.FLUX2_KLEIN,
        required=(FLUX2_BLOCK,),
        sizes=(("txt_in.weight", 1, (7680, 12288)),),
    ),
    Rule(
        A.FLUX2,
        required=(FLUX2_BLOCK,),
        yields_to=(A.FLUX2_DEV, A.FLUX2_KLEIN),
    ),
    Rule(A.FLUX3_KLEIN, required=("early_stream_modulations.image.lin.weight",)),
    Rule(A.FLUX_FILL, required=(FLUX_BLOCK, GUIDANCE), sizes=(("img_in.weight", 1, (384,)),)),
    Rule(
        A.FLUX_CONTROL,
        required=(FLUX_BLOCK, GUIDANCE),
        forbidden=(FLUX2_BLOCK,),  # whose pictures have 128 channels too
        sizes=(("img_in.weight", 1, (128,)),),
    ),
    Rule(A.FLUX_DEV, required=(FLUX_BLOCK, GUIDANCE), sizes=(("img_in.weight", 1, (64,)),)),
    Rule(
        A.FLUX_SCHNELL,
        required=(FLUX_BLOCK,),
        forbidden=(GUIDANCE, CHROMA, FLUX2_BLOCK),
        sizes=(("img_in.weight", 1, (64,)),),
    ),
    Rule(
        A.FLUX,
        required=("double_blocks.",),
        forbidden=("txt_in.individual_token_refiner.", "ip_adapter_proj_model."),
        yields_to=(
            A.CHROMA, A.FLUX2_DEV, A.FLUX2_KLEIN, A.FLUX2, A.FLUX_FILL, A.FLUX_CONTROL,
            A.FLUX_DEV, A.FLUX_SCHNELL,
        ),
    ),
    Rule(
        A.CHROMA,
        required=("context_embedder.weight", "distilled_guidance_layer.in_proj.weight"),
        forbidden=(FLUX_BLOCK,),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.FLUX2_DEV,
        required=("double_stream_modulation_img.linear.weight",),
        sizes=(("context_embedder.weight", 1, (15360,)),),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.FLUX2_KLEIN,
        required=("double_stream_modulation_img.linear.weight",),
        sizes=(("context_embedder.weight", 1, (7680, 12288)),),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.FLUX2,
        required=("double_stream_modulation_img.linear.weight",),
        yields_to=(A.FLUX2_DEV, A.FLUX2_KLEIN),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.FLUX3_KLEIN,
        required=("early_stream_modulations.image.linear.weight",),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.FLUX_FILL,
        required=(*FLUX_HF, GUIDANCE_HF),
        sizes=(("x_embedder.weight", 1, (384,)),),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.FLUX_CONTROL,
        required=(*FLUX_HF, GUIDANCE_HF),
        sizes=(("x_embedder.weight", 1, (128,)),),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.FLUX_DEV,
        required=(*FLUX_HF, GUIDANCE_HF),
        sizes=(("x_embedder.weight", 1, (64,)),),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.FLUX_SCHNELL,
        required=FLUX_HF,
        forbidden=(GUIDANCE_HF,),
        sizes=(("x_embedder.weight", 1, (64,)),),
        layout=Layout.DIFFUSERS,
    ),
)  # fmt: skip

NEXT_DIT = ("cap_embedder.1.weight", "noise_refiner.0.attention.k_norm.weight")
QWEN = ("txt_norm.weight", "img_in.weight", "transformer_blocks.0.attn.add_k_proj.weight")
QWEN_WIDTH = (("txt_norm.weight", 0, (3584,)),)

_TRANSFORMERS = (
    Rule(A.Z_IMAGE, required=NEXT_DIT, sizes=(("cap_embedder.1.weight", 0, (3840,)),)),
    Rule(A.LUMINA2, required=NEXT_DIT, sizes=(("cap_embedder.1.weight", 0, (2304,)),)),
    Rule(
        A.Z_IMAGE,
        required=("cap_embedder.1.weight", "noise_refiner.0.attention.norm_k.weight"),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.LUMINA2,
        required=(
            "time_caption_embed.caption_embedder.1.weight", "noise_refiner.0.attn.norm_k.weight",
        ),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.QWEN_IMAGE_EDIT_2511, required=(*QWEN, "__index_timestep_zero__"), sizes=QWEN_WIDTH
    ),
    Rule(A.QWEN_IMAGE, required=QWEN, forbidden=("__index_timestep_zero__",), sizes=QWEN_WIDTH),
    Rule(A.QWEN_IMAGE_21, required=("txt_in.text_norm.weight",)),
    Rule(A.KREA2, required=("txtfusion.projector.weight",)),
    Rule(A.KREA2, required=("text_fusion.projector.weight",), layout=Layout.DIFFUSERS),
    Rule(A.ANIMA, required=("llm_adapter.blocks.0.cross_attn.q_proj.weight",)),
    Rule(
        A.HIDREAM,
        required=(
            "caption_projection.0.linear.weight",
            "double_stream_blocks.0.block.adaLN_modulation.1.weight",
        ),
    ),
    Rule(
        A.ERNIE_IMAGE,
        required=(
            "x_embedder.proj.weight", "text_proj.weight", "layers.0.adaLN_sa_ln.weight",
        ),
    ),
    Rule(A.IDEOGRAM4, required=("llm_cond_proj.weight", "embed_image_indicator.weight")),
    Rule(A.AURA_FLOW, required=("double_layers.0.attn.w1q.weight", "cond_seq_linear.weight")),
    Rule(
        A.AURA_FLOW,
        required=("register_tokens", "joint_transformer_blocks.0.attn.to_q.weight"),
        layout=Layout.DIFFUSERS,
    ),
    Rule(A.PIXART, required=("t_block.1.weight", "x_embedder.proj.weight")),
    Rule(
        A.PIXART,
        required=("adaln_single.emb.timestep_embedder.linear_1.weight", "pos_embed.proj.weight"),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.SANA,
        required=("blocks.0.cross_attn.q_linear.weight", "blocks.0.cross_attn.kv_linear.weight"),
        forbidden=("t_block.1.weight",),
    ),
    Rule(
        A.SANA,
        required=("caption_norm.weight", "transformer_blocks.0.ff.conv_inverted.weight"),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.COGVIEW4,
        required=(
            "patch_embed.text_proj.weight",
            "time_condition_embed.condition_embedder.linear_1.weight",
        ),
        layout=Layout.DIFFUSERS,
    ),
    Rule(A.HUNYUAN_DIT, required=("mlp_t5.0.weight", "x_embedder.proj.weight")),
)  # fmt: skip

_VIDEO = (
    Rule(A.WAN, required=("head.modulation", "patch_embedding.weight")),
    Rule(
        A.WAN,
        required=("condition_embedder.time_proj.weight", "patch_embedding.weight"),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.LTX_VIDEO,
        required=("patchify_proj.weight", "transformer_blocks.0.scale_shift_table"),
    ),
    Rule(
        A.LTX_VIDEO,
        required=(
            "proj_in.weight",
            "caption_projection.linear_1.weight",
            "transformer_blocks.0.scale_shift_table",
        ),
        forbidden=("caption_norm.weight",),
        layout=Layout.DIFFUSERS,
    ),
    Rule(A.HUNYUAN_VIDEO, required=("txt_in.individual_token_refiner.",)),
    Rule(
        A.HUNYUAN_VIDEO,
        required=("context_embedder.token_refiner.refiner_blocks.0.attn.to_q.weight",),
        layout=Layout.DIFFUSERS,
    ),
    Rule(A.MINIMAX_H3, required=("token_refiner.blocks.0.attn.qkv_proj.weight",)),
    Rule(
        A.MINIMAX_H3,
        required=("audio_proj_in.weight", "token_refiner.refiner_blocks.0.attn.to_q.weight"),
        layout=Layout.DIFFUSERS,
    ),
    Rule(
        A.KANDINSKY5,
        required=("visual_embeddings.in_layer.weight", "text_embeddings.in_layer.weight"),
    ),
    Rule(A.MOCHI, required=("blocks.0.attn.qkv_x.weight", "t5_yproj.weight")),
    Rule(
        A.COSMOS,
        required=("x_embedder.proj.1.weight",),
        forbidden=("llm_adapter.blocks.0.cross_attn.q_proj.weight",),
    ),
)

_PARTS = (
    Rule(
        A.VAE,
        one_of=("decoder.", "first_stage_model.decoder."),
        forbidden=(
            "model.diffusion_model.", "down_blocks.", "cond_stage_model.", "conditioner.",
            "double_blocks.", "stylegan_decoder.",
        ),
    ),
    Rule(A.EMBEDDING, one_of=("emb_params", "string_to_param")),
    Rule(
        A.TEXT_ENCODER,
        one_of=(
            "text_model.embeddings.token_embedding.weight", "model.embed_tokens.weight",
            "encoder.block.0.layer.0.SelfAttention.k.weight",
        ),
        forbidden=("decoder.", "model.diffusion_model."),
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    *_ADAPTERS, *_UNETS, *_SD3, *_FLUX, *_TRANSFORMERS, *_VIDEO, *_PARTS,
)  # fmt: skip
