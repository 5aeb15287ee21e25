"""Stripped headers of every kind of file that is told apart: a few names with their sizes each.

Made from what the families' networks are called and how large they are; nothing of a file.
"""

from generator.models.families.architecture import Architecture, Shapes
from generator.models.families.detection_table import Layout

A = Architecture
ORIGINAL, DIFFUSERS = Layout.ORIGINAL, Layout.DIFFUSERS


def unet(channels: int, width: int, **more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """A single-file U-Net of LDM's: first convolution, one transformer, and a VAE."""
    ldm = "model.diffusion_model."
    return {
        f"{ldm}input_blocks.0.0.weight": (320, channels, 3, 3),
        f"{ldm}input_blocks.1.0.in_layers.0.weight": (320,),
        f"{ldm}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, width),
        f"{ldm}out.2.weight": (4, 320, 3, 3),
        "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
        **more,
    }


CLIP_L = {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768)}
OPEN_CLIP = {
    "cond_stage_model.model.ln_final.weight": (1024,),
    "cond_stage_model.model.token_embedding.weight": (49408, 1024),
}
XL_TEXT = {
    "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight": (768,),
    "conditioner.embedders.1.model.ln_final.weight": (1280,),
    "model.diffusion_model.label_emb.0.0.weight": (1280, 2816),
}  # fmt: skip
REFINER_TEXT = {
    "conditioner.embedders.0.model.ln_final.weight": (1280,),
    "model.diffusion_model.label_emb.0.0.weight": (1536, 2560),
}


def mmdit(width: int, blocks: int, **more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The transformer of Stable Diffusion 3."""
    return {
        "model.diffusion_model.x_embedder.proj.weight": (width, 16, 2, 2),
        "model.diffusion_model.context_embedder.weight": (width, 4096),
        "model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight": (3 * width, width),
        f"model.diffusion_model.joint_blocks.{blocks - 1}.x_block.attn.qkv.weight":
            (3 * width, width),
        "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight":
            (49408, 768),
        **more,
    }  # fmt: skip


def mmdit_of_diffusers(width: int, blocks: int) -> dict[str, tuple[int, ...]]:
    """The same, by diffusers' names."""
    return {
        "pos_embed.pos_embed": (1, 36864, width),
        "pos_embed.proj.weight": (width, 16, 2, 2),
        "time_text_embed.text_embedder.linear_1.weight": (width, 2048),
        "context_embedder.weight": (width, 4096),
        "transformer_blocks.0.attn.to_q.weight": (width, width),
        "transformer_blocks.0.norm1_context.linear.weight": (6 * width, width),
        f"transformer_blocks.{blocks - 1}.attn.to_q.weight": (width, width),
    }


def flux(inputs: int, guidance: bool = True) -> dict[str, tuple[int, ...]]:
    """Flux.1's transformer, alone."""
    return {
        "img_in.weight": (3072, inputs),
        "txt_in.weight": (3072, 4096),
        "vector_in.in_layer.weight": (3072, 768),
        "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
        "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
        "single_blocks.0.linear1.weight": (21504, 3072),
    } | ({"guidance_in.in_layer.weight": (3072, 256)} if guidance else {})


def flux_of_diffusers(inputs: int, guidance: bool = True) -> dict[str, tuple[int, ...]]:
    """The same, by diffusers' names."""
    return {
        "x_embedder.weight": (3072, inputs),
        "context_embedder.weight": (3072, 4096),
        "time_text_embed.text_embedder.linear_1.weight": (3072, 768),
        "transformer_blocks.0.attn.to_q.weight": (3072, 3072),
        "transformer_blocks.0.norm1_context.linear.weight": (18432, 3072),
        "single_transformer_blocks.0.attn.to_q.weight": (3072, 3072),
    } | ({"time_text_embed.guidance_embedder.linear_1.weight": (3072, 256)} if guidance else {})


def flux2(width: int, text: int) -> dict[str, tuple[int, ...]]:
    """Flux.2's transformer, alone."""
    return {
        "img_in.weight": (width, 128),
        "txt_in.weight": (width, text),
        "double_stream_modulation_img.lin.weight": (6 * width, width),
        "single_stream_modulation.lin.weight": (3 * width, width),
        "double_blocks.0.img_attn.qkv.weight": (3 * width, width),
        "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    }


def flux2_of_diffusers(width: int, text: int) -> dict[str, tuple[int, ...]]:
    """The same, by diffusers' names."""
    return {
        "x_embedder.weight": (width, 128),
        "context_embedder.weight": (width, text),
        "double_stream_modulation_img.linear.weight": (6 * width, width),
        "single_stream_modulation.linear.weight": (3 * width, width),
        "transformer_blocks.0.attn.to_q.weight": (width, width),
        "single_transformer_blocks.0.attn.to_qkv_mlp_proj.weight": (9 * width, width),
    }


def next_dit(width: int, text: int) -> dict[str, tuple[int, ...]]:
    """The transformer that Lumina 2 and Z-Image share."""
    return {
        "model.diffusion_model.x_embedder.weight": (width, 64),
        "model.diffusion_model.cap_embedder.0.weight": (text,),
        "model.diffusion_model.cap_embedder.1.weight": (width, text),
        "model.diffusion_model.noise_refiner.0.attention.k_norm.weight": (128,),
        "model.diffusion_model.layers.0.attention.qkv.weight": (3 * width, width),
        "model.diffusion_model.layers.0.adaLN_modulation.0.weight": (4 * width, 256),
    }


QWEN = {
    "img_in.weight": (3072, 64),
    "txt_in.weight": (3072, 3584),
    "txt_norm.weight": (3584,),
    "transformer_blocks.0.attn.add_k_proj.weight": (3072, 3072),
    "transformer_blocks.0.attn.to_q.weight": (3072, 3072),
    "transformer_blocks.0.img_mlp.net.0.proj.weight": (12288, 3072),
}
HUNYUAN = {
    "img_in.proj.weight": (3072, 16, 1, 2, 2),
    "txt_in.individual_token_refiner.blocks.0.norm1.weight": (3072,),
    "txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias": (6144,),
    "double_blocks.0.img_attn_qkv.weight": (9216, 3072),
    "single_blocks.0.linear1.weight": (21504, 3072),
}

FIXTURES: tuple[tuple[Architecture, Layout, Shapes], ...] = (
    (A.LORA, ORIGINAL, {
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (8, 320),
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": (320, 8),
        "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (8, 768),
    }),
    (A.LORA, ORIGINAL, {
        "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (16, 3072),
        "transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight": (3072, 16),
        "transformer.x_embedder.lora_A.weight": (16, 64),
    }),
    (A.LORA, ORIGINAL, {"diffusion_model.double_blocks.0.img_attn.proj.lokr_w1": (4, 4)}),
    (A.CONTROLNET, ORIGINAL, {
        "control_model.zero_convs.0.0.weight": (320, 320, 1, 1),
        "control_model.input_blocks.0.0.weight": (320, 4, 3, 3),
        "control_model.input_blocks.1.0.in_layers.0.weight": (320,),
        "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
    }),
    (A.CONTROLNET, ORIGINAL, {
        "zero_convs.0.0.weight": (320, 320, 1, 1),
        "input_blocks.0.0.weight": (320, 4, 3, 3),
        "input_blocks.1.0.in_layers.0.weight": (320,),
    }),
    (A.CONTROLNET, DIFFUSERS, {
        "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
        "controlnet_down_blocks.0.weight": (320, 320, 1, 1),
        "conv_in.weight": (320, 4, 3, 3),
        "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3),
    }),
    (A.CONTROLNET, ORIGINAL, {
        "control_all_x_embedder.2-1.weight": (3840, 132),
        "control_layers.0.attention.to_q.weight": (3840, 3840),
    }),
    (A.IP_ADAPTER_SD1, ORIGINAL, {
        "image_proj.proj.weight": (3072, 1024),
        "ip_adapter.1.to_k_ip.weight": (320, 768),
    }),
    (A.IP_ADAPTER_SD1, ORIGINAL, {  # FaceID, with its LoRA
        "image_proj.proj.0.weight": (1024, 512),
        "ip_adapter.0.to_q_lora.down.weight": (128, 320),
        "ip_adapter.1.to_k_ip.weight": (320, 768),
    }),
    (A.IP_ADAPTER_SDXL, ORIGINAL, {
        "image_proj.latents": (1, 16, 1280),
        "ip_adapter.1.to_k_ip.weight": (640, 2048),
    }),
    (A.IP_ADAPTER, ORIGINAL, {
        "ip_adapter_proj_model.proj.weight": (16384, 768),
        "double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight": (3072, 4096),
    }),
    (A.MOTION_MODULE, DIFFUSERS, {
        "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": (320,),
        "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0."
        "attention_blocks.0.pos_encoder.pe": (1, 24, 320),
    }),
    (A.STABLE_VIDEO, ORIGINAL, unet(8, 1024) | {
        "model.diffusion_model.input_blocks.1.0.time_mixer.mix_factor": (1,),
        "model.diffusion_model.label_emb.0.0.weight": (1280, 768),
        "conditioner.embedders.0.open_clip.model.visual.proj": (1280, 1024),
    }),
    (A.SDXL, ORIGINAL, unet(4, 2048) | XL_TEXT),
    (A.SDXL, ORIGINAL, unet(4, 2048) | {  # without its text encoders
        "model.diffusion_model.label_emb.0.0.weight": (1280, 2816),
    }),
    (A.PLAYGROUND, ORIGINAL, unet(4, 2048) | XL_TEXT | {"edm_mean": (4,), "edm_std": (4,)}),
    (A.COSXL, ORIGINAL, unet(4, 2048) | XL_TEXT | {"edm_vpred.sigma_max": ()}),
    (A.SDXL_INPAINTING, ORIGINAL, unet(9, 2048) | XL_TEXT),
    (A.SDXL_EDITING, ORIGINAL, unet(8, 2048) | XL_TEXT),
    (A.SDXL_REFINER, ORIGINAL, unet(4, 1280) | REFINER_TEXT),
    (A.SD2, ORIGINAL, unet(4, 1024) | OPEN_CLIP),
    (A.SD2_INPAINTING, ORIGINAL, unet(9, 1024) | OPEN_CLIP),
    (A.SD2_DEPTH, ORIGINAL, unet(5, 1024) | OPEN_CLIP | {
        "depth_model.model.pretrained.model.blocks.0.attn.qkv.weight": (3072, 1024),
    }),
    (A.SD2_DEPTH, ORIGINAL, unet(5, 1024) | OPEN_CLIP),
    (A.SD2_UPSCALER, ORIGINAL, unet(7, 1024) | OPEN_CLIP),
    (A.UNCLIP, ORIGINAL, unet(4, 1024) | OPEN_CLIP | {
        "model.diffusion_model.label_emb.0.0.weight": (1280, 2048),
        "embedder.model.ln_final.weight": (1280,),
    }),
    (A.ALT_DIFFUSION, ORIGINAL, unet(4, 768) | {
        "cond_stage_model.roberta.embeddings.word_embeddings.weight": (250002, 1024),
    }),
    (A.SD1, ORIGINAL, unet(4, 768) | CLIP_L),
    (A.SD1_INPAINTING, ORIGINAL, unet(9, 768) | CLIP_L),
    (A.SD1_EDITING, ORIGINAL, unet(8, 768) | CLIP_L),
    (A.OTHER_UNET, ORIGINAL, unet(5, 768) | CLIP_L),
    (A.BARE_UNET, ORIGINAL, {
        "input_blocks.0.0.weight": (320, 4, 3, 3),
        "input_blocks.1.0.in_layers.0.weight": (320,),
        "out.2.weight": (4, 320, 3, 3),
    }),
    (A.DIFFUSERS_UNET, DIFFUSERS, {
        "conv_in.weight": (320, 4, 3, 3),
        "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3),
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    }),
    (A.STABLE_CASCADE_C, ORIGINAL, {
        "clf.1.weight": (64, 2048, 1, 1),
        "clip_txt_mapper.weight": (2048, 1280),
        "down_blocks.0.0.depthwise.weight": (2048, 1, 3, 3),
    }),
    (A.STABLE_CASCADE_B, ORIGINAL, {
        "clf.1.weight": (16, 320, 1, 1),
        "clip_mapper.weight": (5120, 1280),
        "down_blocks.1.0.channelwise.0.weight": (2560, 640),
    }),
    (A.KANDINSKY2, DIFFUSERS, {
        "conv_in.weight": (384, 4, 3, 3),
        "add_embedding.image_proj.weight": (1536, 1280),
        "encoder_hid_proj.image_embeds.weight": (24576, 1280),
        "down_blocks.0.resnets.0.conv1.weight": (384, 384, 3, 3),
    }),
    (A.KANDINSKY3, DIFFUSERS, {
        "conv_in.weight": (192, 4, 3, 3),
        "add_time_condition.attention.to_q.weight": (1536, 4096),
        "encoder_hid_proj.projection_linear.weight": (4096, 4096),
        "down_blocks.1.attentions.0.attention.to_q.weight": (384, 384),
    }),
    (A.DEEPFLOYD_IF, DIFFUSERS, {
        "conv_in.weight": (320, 3, 3, 3),
        "encoder_hid_proj.weight": (1280, 4096),
        "add_embedding.pool.positional_embedding": (1, 4096),
        "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3),
    }),
    (A.SD3, ORIGINAL, mmdit(1536, 24)),
    (A.SD3, DIFFUSERS, mmdit_of_diffusers(1536, 24)),
    (A.SD35_MEDIUM, ORIGINAL, mmdit(1536, 24) | {
        "model.diffusion_model.joint_blocks.0.x_block.attn2.qkv.weight": (4608, 1536),
        "model.diffusion_model.joint_blocks.0.context_block.attn.ln_q.weight": (64,),
    }),
    (A.SD35_MEDIUM, DIFFUSERS, mmdit_of_diffusers(1536, 24) | {
        "transformer_blocks.0.attn2.to_q.weight": (1536, 1536),
    }),
    (A.SD35_LARGE, ORIGINAL, mmdit(2432, 38) | {
        "model.diffusion_model.joint_blocks.0.context_block.attn.ln_q.weight": (64,),
    }),
    (A.SD35_LARGE, DIFFUSERS, mmdit_of_diffusers(2432, 38)),
    (A.FLUX_DEV, ORIGINAL, flux(64)),
    (A.FLUX_DEV, ORIGINAL, {f"model.diffusion_model.{name}": s for name, s in flux(64).items()}),
    (A.FLUX_DEV, DIFFUSERS, flux_of_diffusers(64)),
    (A.FLUX_SCHNELL, ORIGINAL, flux(64, guidance=False)),
    (A.FLUX_SCHNELL, DIFFUSERS, flux_of_diffusers(64, guidance=False)),
    (A.FLUX_FILL, ORIGINAL, flux(384)),
    (A.FLUX_FILL, DIFFUSERS, flux_of_diffusers(384)),
    (A.FLUX_CONTROL, ORIGINAL, flux(128)),
    (A.FLUX_CONTROL, DIFFUSERS, flux_of_diffusers(128)),
    (A.FLUX, ORIGINAL, flux(999)),
    (A.FLUX2_DEV, ORIGINAL, flux2(6144, 15360) | {"guidance_in.in_layer.weight": (6144, 256)}),
    (A.FLUX2_DEV, DIFFUSERS, flux2_of_diffusers(6144, 15360)),
    (A.FLUX2_KLEIN, ORIGINAL, flux2(3072, 7680)),
    (A.FLUX2_KLEIN, ORIGINAL, flux2(4096, 12288)),
    (A.FLUX2_KLEIN, DIFFUSERS, flux2_of_diffusers(3072, 7680)),
    (A.FLUX2, ORIGINAL, flux2(128, 192)),
    (A.FLUX2, DIFFUSERS, flux2_of_diffusers(128, 192)),
    (A.FLUX3_KLEIN, ORIGINAL, {
        "early_stream_modulations.image.lin.weight": (9216, 3072),
        "emb_in.image.weight": (3072, 128),
        "single_blocks.0.q_proj.weight": (3072, 3072),
        "ref_time_in.in_layer.weight": (3072, 256),
    }),
    (A.FLUX3_KLEIN, DIFFUSERS, {
        "early_stream_modulations.image.linear.weight": (9216, 3072),
        "x_embedders.image.weight": (3072, 128),
        "context_embedder.weight": (3072, 20480),
        "single_transformer_blocks.0.attn.to_q.weight": (3072, 3072),
    }),
    (A.CHROMA, ORIGINAL, flux(64, guidance=False) | {
        "distilled_guidance_layer.in_proj.weight": (5120, 64),
        "distilled_guidance_layer.norms.0.scale": (5120,),
    }),
    (A.CHROMA, DIFFUSERS, {
        "distilled_guidance_layer.in_proj.weight": (5120, 64),
        "x_embedder.weight": (3072, 64),
        "context_embedder.weight": (3072, 4096),
        "transformer_blocks.0.attn.to_q.weight": (3072, 3072),
        "single_transformer_blocks.0.attn.to_q.weight": (3072, 3072),
    }),
    (A.Z_IMAGE, ORIGINAL, next_dit(3840, 2560)),
    (A.Z_IMAGE, DIFFUSERS, {
        "all_x_embedder.2-1.weight": (3840, 64),
        "cap_embedder.1.weight": (3840, 2560),
        "noise_refiner.0.attention.norm_k.weight": (128,),
        "layers.0.attention.to_q.weight": (3840, 3840),
    }),
    (A.LUMINA2, ORIGINAL, next_dit(2304, 2304)),
    (A.LUMINA2, DIFFUSERS, {
        "x_embedder.weight": (2304, 64),
        "time_caption_embed.caption_embedder.1.weight": (2304, 2304),
        "noise_refiner.0.attn.norm_k.weight": (96,),
        "layers.0.attn.to_q.weight": (2304, 2304),
    }),
    (A.QWEN_IMAGE, ORIGINAL, QWEN),
    (A.QWEN_IMAGE_EDIT_2511, ORIGINAL, QWEN | {"__index_timestep_zero__": (0,)}),
    (A.QWEN_IMAGE_21, ORIGINAL, {
        "txt_in.text_norm.weight": (4096,),
        "img_in.weight": (4096, 64),
        "modulation.1.weight": (16384, 4096),
        "transformer_blocks.0.img_mlp.gate_layer.weight": (12288, 4096),
    }),
    (A.KREA2, ORIGINAL, {
        "txtfusion.projector.weight": (1, 12),
        "first.weight": (6144, 64),
        "last.linear.weight": (64, 6144),
        "blocks.0.prenorm.scale": (6144,),
    }),
    (A.KREA2, DIFFUSERS, {
        "text_fusion.projector.weight": (1, 12),
        "img_in.weight": (6144, 64),
        "time_mod_proj.weight": (36864, 6144),
        "transformer_blocks.0.attn.to_q.weight": (6144, 6144),
    }),
    (A.ANIMA, ORIGINAL, {
        "net.x_embedder.proj.1.weight": (2048, 68),
        "net.blocks.0.self_attn.q_proj.weight": (2048, 2048),
        "net.llm_adapter.blocks.0.cross_attn.q_proj.weight": (1024, 1024),
    }),
    (A.HIDREAM, ORIGINAL, {
        "x_embedder.proj.weight": (2560, 64),
        "caption_projection.0.linear.weight": (2560, 4096),
        "double_stream_blocks.0.block.adaLN_modulation.1.weight": (30720, 2560),
    }),
    (A.ERNIE_IMAGE, ORIGINAL, {
        "x_embedder.proj.weight": (3072, 128, 1, 1),
        "text_proj.weight": (3072, 2560),
        "layers.0.adaLN_sa_ln.weight": (3072,),
        "layers.0.self_attention.to_q.weight": (3072, 3072),
    }),
    (A.IDEOGRAM4, ORIGINAL, {
        "input_proj.weight": (4608, 128),
        "llm_cond_proj.weight": (4608, 53248),
        "embed_image_indicator.weight": (2, 4608),
        "layers.0.feed_forward.w1.weight": (12288, 4608),
    }),
    (A.AURA_FLOW, ORIGINAL, {
        "double_layers.0.attn.w1q.weight": (3072, 3072),
        "double_layers.0.attn.w2q.weight": (3072, 3072),
        "cond_seq_linear.weight": (3072, 2048),
        "t_embedder.mlp.0.weight": (3072, 256),
    }),
    (A.AURA_FLOW, DIFFUSERS, {
        "register_tokens": (1, 8, 3072),
        "pos_embed.pos_embed": (1, 1024, 3072),
        "context_embedder.weight": (3072, 2048),
        "joint_transformer_blocks.0.attn.to_q.weight": (3072, 3072),
        "single_transformer_blocks.0.attn.to_q.weight": (3072, 3072),
    }),
    (A.PIXART, ORIGINAL, {
        "t_block.1.weight": (6912, 1152),
        "x_embedder.proj.weight": (1152, 4, 2, 2),
        "blocks.0.cross_attn.q_linear.weight": (1152, 1152),
        "blocks.0.cross_attn.kv_linear.weight": (2304, 1152),
    }),
    (A.PIXART, DIFFUSERS, {
        "adaln_single.emb.timestep_embedder.linear_1.weight": (1152, 256),
        "pos_embed.proj.weight": (1152, 4, 2, 2),
        "transformer_blocks.0.scale_shift_table": (6, 1152),
        "transformer_blocks.0.attn2.to_q.weight": (1152, 1152),
        "caption_projection.linear_1.weight": (1152, 4096),
    }),
    (A.SANA, ORIGINAL, {
        "blocks.0.cross_attn.q_linear.weight": (2240, 2240),
        "blocks.0.cross_attn.kv_linear.weight": (4480, 2240),
        "y_embedder.y_proj.fc1.weight": (2240, 2304),
    }),
    (A.SANA, DIFFUSERS, {
        "patch_embed.proj.weight": (2240, 32, 1, 1),
        "caption_norm.weight": (2240,),
        "caption_projection.linear_1.weight": (2240, 2304),
        "transformer_blocks.0.scale_shift_table": (6, 2240),
        "transformer_blocks.0.ff.conv_inverted.weight": (11200, 2240, 1, 1),
    }),
    (A.COGVIEW4, DIFFUSERS, {
        "patch_embed.proj.weight": (2560, 64),
        "patch_embed.text_proj.weight": (2560, 4096),
        "time_condition_embed.condition_embedder.linear_1.weight": (512, 1536),
        "transformer_blocks.0.attn1.to_q.weight": (2560, 2560),
    }),
    (A.HUNYUAN_DIT, ORIGINAL, {
        "mlp_t5.0.weight": (8192, 2048),
        "x_embedder.proj.weight": (1408, 4, 2, 2),
        "extra_embedder.0.weight": (5632, 1024),
    }),
    (A.WAN, ORIGINAL, {
        "patch_embedding.weight": (5120, 16, 1, 2, 2),
        "head.modulation": (1, 2, 5120),
        "blocks.0.cross_attn.q.weight": (5120, 5120),
    }),
    (A.WAN, DIFFUSERS, {
        "patch_embedding.weight": (5120, 16, 1, 2, 2),
        "condition_embedder.time_proj.weight": (30720, 5120),
        "blocks.0.attn2.to_q.weight": (5120, 5120),
    }),
    (A.LTX_VIDEO, ORIGINAL, {
        "model.diffusion_model.patchify_proj.weight": (2048, 128),
        "model.diffusion_model.adaln_single.emb.timestep_embedder.linear_1.weight": (2048, 256),
        "model.diffusion_model.transformer_blocks.0.scale_shift_table": (6, 2048),
        "vae.decoder.conv_in.conv.weight": (1024, 128, 3, 3, 3),
    }),
    (A.LTX_VIDEO, DIFFUSERS, {
        "proj_in.weight": (2048, 128),
        "time_embed.emb.timestep_embedder.linear_1.weight": (2048, 256),
        "caption_projection.linear_1.weight": (2048, 4096),
        "transformer_blocks.0.scale_shift_table": (6, 2048),
        "transformer_blocks.0.attn1.to_q.weight": (2048, 2048),
    }),
    (A.HUNYUAN_VIDEO, ORIGINAL, HUNYUAN),
    (A.HUNYUAN_VIDEO, DIFFUSERS, {
        "x_embedder.proj.weight": (3072, 16, 1, 2, 2),
        "context_embedder.proj_in.weight": (3072, 4096),
        "context_embedder.token_refiner.refiner_blocks.0.attn.to_q.weight": (3072, 3072),
        "single_transformer_blocks.0.attn.to_q.weight": (3072, 3072),
    }),
    (A.MINIMAX_H3, ORIGINAL, {
        "video_patch_proj.weight": (5376, 96),
        "audio_patch_proj.weight": (5376, 32),
        "token_refiner.blocks.0.attn.qkv_proj.weight": (21504, 5376),
    }),
    (A.MINIMAX_H3, DIFFUSERS, {
        "proj_in.weight": (5376, 96),
        "audio_proj_in.weight": (5376, 32),
        "context_embedder.weight": (5376, 5120),
        "token_refiner.refiner_blocks.0.attn.to_q.weight": (7168, 5376),
        "transformer_blocks.0.attn.to_q.weight": (7168, 5376),
    }),
    (A.KANDINSKY5, ORIGINAL, {
        "visual_embeddings.in_layer.weight": (1792, 132),
        "text_embeddings.in_layer.weight": (1792, 3584),
        "visual_embeddings.in_layer.bias": (1792,),
    }),
    (A.MOCHI, ORIGINAL, {
        "t5_yproj.weight": (1536, 4096),
        "blocks.0.attn.qkv_x.weight": (9216, 3072),
    }),
    (A.COSMOS, ORIGINAL, {
        "net.x_embedder.proj.1.weight": (2048, 68),
        "net.blocks.0.self_attn.q_proj.weight": (2048, 2048),
    }),
    (A.VAE, ORIGINAL, {
        "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
        "first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3),
    }),
    (A.VAE, ORIGINAL, {
        "decoder.conv_in.weight": (512, 16, 3, 3),
        "encoder.conv_in.weight": (128, 3, 3, 3),
    }),
    (A.EMBEDDING, ORIGINAL, {"emb_params": (8, 768)}),
    (A.TEXT_ENCODER, ORIGINAL, {
        "text_model.embeddings.token_embedding.weight": (49408, 768),
        "text_model.encoder.layers.0.mlp.fc1.weight": (3072, 768),
    }),
    (A.TEXT_ENCODER, ORIGINAL, {
        "shared.weight": (32128, 4096),
        "encoder.block.0.layer.0.SelfAttention.k.weight": (4096, 4096),
    }),
    (A.TEXT_ENCODER, ORIGINAL, {
        "model.embed_tokens.weight": (151936, 2560),
        "model.layers.0.self_attn.q_proj.weight": (4096, 2560),
    }),
)  # fmt: skip
