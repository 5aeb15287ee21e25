"""Options of Forge and SD.Next that Easel does not have.

Clients written for Forge or SD.Next send them along. They mean nothing here: they are left out,
and told, while a name that none of these programs has is refused as a slip.
"""

from collections.abc import Mapping, Sequence

FORGE = (
    "forge_",
    *(f"{preset}_{tab}_" for preset in ("sd", "xl", "flux", "qwen", "lumina", "wan", "klein")
      for tab in ("t2i", "i2i")),
)  # fmt: skip
SDNEXT = (
    *("accelerate_", "attention_", "autocomplete_", "bnb_", "browser_", "cache_dit_", "caption_"),
    *("cfgzero_", "civitai_", "clip_skip_", "control_", "cuda_", "cudnn_", "deep_cache_"),
    *("detailer_", "device_", "diffuser_", "diffusers_", "directml_", "dynamic_attention_"),
    *("extra_network", "faster_cache_", "fc_", "freeu_", "google_", "gpu_", "group_offload_"),
    *("hf_", "hfcache_", "hidiffusion_", "huggingface_", "hypertile_", "image_", "inference_"),
    *("interrogate_", "ipex_", "latent_", "layerwise_", "linfusion_", "live_preview", "logmonitor"),
    *("lora_", "math_", "model_", "models_", "motd", "nncf_", "notification_", "nunchaku_"),
    *("offload_", "olive_", "onnx_", "openvino_", "optimum_", "pab_", "pag_", "para_", "prompt_"),
    *("quant", "ras_", "remote_", "resize_", "runai_", "sampler_", "samplers_", "scheduler_"),
    *(
        "schedulers_",
        "sd_parallel_",
        "sd_backend",
        "sd_checkpoint_auto",
        "sd_model_dict",
        "sd_model_refiner",
        "sd_te_",
    ),
    *("sd_text", "sd_unet", "sdnq_", "sdp_", "seedvr_", "server_", "stream_", "taesd_", "tagger_"),
    *("te_", "teacache_", "theme_", "token_merging_", "torch_", "torchao_", "trt_", "ui_"),
    *("upscaler_", "viewer_", "waifudiffusion_", "wildcards_", "xformers_"),
)
ENDINGS = ("_dir", "_models_path", "_sep", "_sep_options", "_sep_ui")
NAMES = frozenset(
    {
        *("aspect_ratios", "batch_frame_mode", "color_correction_method", "compact_view"),
        *("clean_temp_dir_at_start", "custom_diffusers_pipeline", "disable_accelerate"),
        *("disable_apply_metadata", "disable_apply_params", "enable_linfusion", "font_size"),
        *("gradio_skip_video", "image_metadata", "img2img_background_color", "include_mask"),
        *("keep_incomplete", "no_half", "no_half_vae", "offline_mode", "opt_channelslast"),
        *("precision", "sequential_seed", "subpath", "todo_ratio", "tome_ratio", "tooltips"),
        *("transformers_version", "upcast_sampling", "autolaunch", "show_samplers"),
        *("cross_attention_options", "multi_decoder", "rollback_vae", "sub_quad_q_chunk_size"),
        *("distilled_cfg_scale", "hr_cfg", "hr_distilled_cfg", "save_images_before_detailer"),
        *("save_images_before_refiner", "outdir_control_samples", "outdir_control_grids"),
        *("outdir_video", "save_log_fn", "samples_save_zip", "use_original_name_batch"),
    }
)


def is_foreign(name: str) -> bool:
    """Whether an option that Easel has not is one of Forge's or SD.Next's."""
    return name in NAMES or name.startswith((*FORGE, *SDNEXT)) or name.endswith(ENDINGS)


def split_foreign(
    changes: Mapping[str, object], known: Mapping[str, object]
) -> tuple[dict[str, object], Sequence[str]]:
    """``changes`` without what is foreign, and the names of that, in order."""
    foreign = [name for name in changes if name not in known and is_foreign(name)]
    return {name: value for name, value in changes.items() if name not in foreign}, foreign


def ignored_message(names: Sequence[str]) -> str:
    """The sentence about names left out."""
    listed = ", ".join(name[:80] for name in names[:20])
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"Options of Forge or SD.Next that mean nothing here, ignored: {listed}{more}."
