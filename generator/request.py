"""Types of a generation: request, options, progress, result; all frozen. No torch.

A request is written once, by whoever accepts it, and never changed: the engine derives what it
needs into types of its own. Field names are the field's standard terms; the translation from
AUTOMATIC1111's JSON names lives in ``webapp/requests/``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Seeds:
    """Where noise comes from (contract section 3). Seeds are resolved: never -1.

    Picture ``i`` of a job uses ``seed + i`` (``seed`` itself when ``variation_strength`` is not 0)
    and variation seed ``variation_seed + i``.
    """

    seed: int
    variation_seed: int = 0
    variation_strength: float = 0.0  # 0..1
    resize_from_width: int = 0  # pixels; <= 0 is off
    resize_from_height: int = 0
    random: bool = False  # nobody chose the seed


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the latent is integrated. ``None`` means "as the options say"."""

    sampler: str = "Euler"  # exact name from SAMPLERS
    schedule: str = "Automatic"  # label from SCHEDULES
    steps: int = 20
    guidance: float = 7.0  # classifier-free guidance scale
    eta: float | None = None
    s_churn: float | None = None
    s_tmin: float | None = None
    s_tmax: float | None = None
    s_noise: float | None = None
    s_min_uncond: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The options that the engine reads, frozen when the request was accepted.

    Names and defaults are AUTOMATIC1111's (contract section 7.3), so that ``webapp`` fills it by
    name from its table of options.
    """

    sd_checkpoints_limit: int = 1  # on the device at once
    sd_checkpoints_keep_in_cpu: bool = True  # the others stay in RAM
    CLIP_stop_at_last_layers: int = 1
    sdxl_clip_l_skip: bool = False  # clip skip acts on SDXL's first text encoder
    sdxl_crop_top: float = 0  # pixels, as SDXL is told of the picture
    sdxl_crop_left: float = 0
    sdxl_refiner_low_aesthetic_score: float = 2.5  # of negative prompts
    sdxl_refiner_high_aesthetic_score: float = 6.0
    emphasis: str = "Original"  # Original | No norm | Ignore | None
    comma_padding_backtrack: int = 20
    enable_prompt_comments: bool = True
    randn_source: str = "GPU"  # GPU | CPU | NV
    eta_noise_seed_delta: int = 0
    eta_ancestral: float = 1.0
    eta_ddim: float = 0.0
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = 0.0
    s_noise: float = 1.0
    s_min_uncond: float = 0.0
    s_min_uncond_all: bool = False
    skip_early_cond: float = 0.0
    sigma_min: float = 0.0
    sigma_max: float = 0.0
    rho: float = 0.0
    always_discard_next_to_last_sigma: bool = False
    sgm_noise_multiplier: bool = False
    beta_dist_alpha: float = 0.6
    beta_dist_beta: float = 0.6
    uni_pc_variant: str = "bh1"  # bh1 | bh2 | vary_coeff
    uni_pc_skip_type: str = "time_uniform"  # time_uniform | time_quadratic | logSNR
    uni_pc_order: int = 3
    uni_pc_lower_order_final: bool = True
    ddim_discretize: str = "uniform"  # uniform | quad; without effect, as in AUTOMATIC1111
    sd_noise_schedule: str = "Default"  # Default | Zero Terminal SNR
    enable_quantization: bool = False
    batch_cond_uncond: bool = True
    pad_cond_uncond: bool = False
    pad_cond_uncond_v0: bool = False
    use_old_karras_scheduler_sigmas: bool = False
    use_downcasted_alpha_bar: bool = False
    use_old_scheduling: bool = False
    use_old_emphasis_implementation: bool = False
    no_dpmpp_sde_batch_determinism: bool = False
    img2img_fix_steps: bool = False
    initial_noise_multiplier: float = 1.0
    img2img_extra_noise: float = 0.0
    img2img_background_color: str = "#ffffff"
    img2img_color_correction: bool = False
    inpainting_mask_weight: float = 1.0  # of checkpoints for inpainting, 0..1
    overlay_inpaint: bool = True
    return_grid: bool = True  # of scripts that show their pictures on a sheet, too
    return_mask: bool = False
    return_mask_composite: bool = False
    save_mask: bool = False
    save_mask_composite: bool = False
    save_images_before_highres_fix: bool = False
    save_images_before_color_correction: bool = False
    save_init_img: bool = False
    upscaler_for_img2img: str | None = None
    face_restoration_model: str = "CodeFormer"  # of a request that asks for no other
    code_former_weight: float = 0.5  # 0 mends most, 1 keeps most
    face_restoration_unload: bool = False  # after each job
    save_images_before_face_restoration: bool = False
    ESRGAN_tile: int = 192  # pixels a side that an upscaler's network sees at once; 0 is all
    ESRGAN_tile_overlap: int = 8
    hires_fix_refiner_pass: str = "second pass"  # first pass | second pass | both passes
    refiner_switch_by_sample_steps: bool = False
    use_old_hires_fix_width_height: bool = False
    token_merging_ratio: float = 0.0  # 0..0.9
    token_merging_ratio_img2img: float = 0.0
    token_merging_ratio_hr: float = 0.0
    hires_fix_use_firstpass_conds: bool = False
    sd_hypernetwork: str = "None"  # added to every prompt that does not name it
    sd_lora: str = "None"
    extra_networks_default_multiplier: float = 1.0
    sd_vae_overrides_per_model_preferences: bool = True
    lora_add_hashes_to_infotext: bool = True
    lora_bundled_ti_to_infotext: bool = True
    textual_inversion_add_hashes_to_infotext: bool = True
    enable_pnginfo: bool = True
    samples_format: str = "png"  # png | jpg | jpeg | webp
    jpeg_quality: int = 80
    live_previews_enable: bool = True
    show_progress_every_n_steps: int = 10
    control_net_model_cache_size: int = 2  # ControlNets that stay in memory
    control_net_inpaint_blur_sigma: int = 7  # pixels that inpaint_only's seam is soft over
    control_net_no_detectmap: bool = False
    controlnet_ignore_noninpaint_mask: bool = False
    add_model_hash_to_info: bool = True
    add_model_name_to_info: bool = True
    add_version_to_infotext: bool = True
    add_user_name_to_info: bool = False


@dataclass(frozen=True, slots=True)
class HiresFix:
    """A second, larger pass over each picture (contract section 5.1)."""

    strength: float  # denoising strength 0..1
    scale: float = 2.0  # used when both sides of ``resize`` are 0
    resize_width: int = 0  # pixels; one side 0 follows from the other
    resize_height: int = 0
    upscaler: str | None = None  # None is "Latent", unmentioned in the infotext
    steps: int = 0  # 0 is as many as the first pass
    sampler: str | None = None  # None is the first pass's
    schedule: str | None = None
    prompt: str = ""  # "" is the first pass's
    negative_prompt: str = ""
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Refiner:
    """A second checkpoint that takes over within a sampling pass (contract section 4.10)."""

    checkpoint: str  # a name the registry resolves
    switch_at: float  # share of the noise schedule that is done by then, 0..1


@dataclass(frozen=True, slots=True)
class SoftInpainting:
    """How an inpainted part passes over into what stays (contract section 5.5).

    Numbers are kept as they were written, 1 or 1.0, for the infotext shows them so.
    """

    schedule_bias: int | float = 1  # 0..8
    preservation: int | float = 0.5  # 0..8
    contrast_boost: int | float = 4  # 1..32
    mask_influence: int | float = 0  # 0..1
    difference_threshold: int | float = 0.5  # 0..8
    difference_contrast: int | float = 2  # 0..8


@dataclass(frozen=True, slots=True)
class ControlUnit:
    """One enabled ControlNet unit (contract section 10.2); names and words are the extension's.

    Numbers of the preprocessor are those in force, 64 or 64.0 as they were written.
    """

    module: str = "none"  # a preprocessor's name or label
    model: str = "None"  # as listed, or part of it
    weight: float = 1.0  # 0..2
    image: str | None = None  # base64 of a picture file; None: the picture img2img starts from
    mask: str | None = None  # base64 of a picture file
    resize_mode: str = "Crop and Resize"  # Just Resize | Crop and Resize | Resize and Fill
    processor_res: int | float = 512  # pixels of the short side
    threshold_a: int | float = 0.5  # 0.5 where the preprocessor has no such number
    threshold_b: int | float = 0.5
    guidance_start: float = 0.0  # share of the steps, 0..1
    guidance_end: float = 1.0
    pixel_perfect: bool = False
    control_mode: str = "Balanced"
    hr_option: str = "Both"  # Both | Low res only | High res only
    save_detected_map: bool = True  # show the map among the answer's pictures
    inpaint_crop_input_image: bool = True
    advanced_weighting: tuple[float, ...] | None = None  # one a residual
    effective_region_mask: str | None = None  # base64 of a picture file
    union_control_type: str = "Unknown"  # kind of map for a ControlNet Union; else the module's


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A script that draws the request more than once (contract section 9.6)."""

    title: str  # lower case
    arguments: tuple[Any, ...] = ()  # by position, as JSON has them


KEEP_ORIGINAL = 1
"""A mask's ``fill`` that leaves what is under it as it is."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Where to repaint, and what lies there at the start (contract section 5.3)."""

    image: str  # base64 of a picture file; white (or opaque) is repainted
    blur_x: int = 4  # sigma in pixels
    blur_y: int = 4
    invert: bool = False
    fill: int = 0  # 0 fill, 1 original, 2 latent noise, 3 latent nothing
    only_masked: bool = True  # work on the masked part alone, enlarged to the picture's size
    padding: int = 0  # pixels around the masked part
    round: bool = True
    latent: str | None = None  # base64 of the mask that sampling uses; None: ``image``, blurred


@dataclass(frozen=True, slots=True)
class Inversion:
    """Sampling starts from the noise that leads to the picture, not from a seed's."""

    prompt: str  # that describes the picture
    negative_prompt: str
    steps: int  # on the way back
    guidance: float = 1.0
    randomness: float = 0.0  # share of the seed's noise, 0..1
    adjusted: bool = False  # whether each step is taken from the noise level before it


@dataclass(frozen=True, slots=True)
class Origin:
    """The pictures that img2img starts from (contract section 5.2)."""

    images: tuple[str, ...]  # base64 of picture files; one serves the whole batch
    strength: float = 0.75  # denoising strength 0..1
    resize_mode: int = 0  # 0 just resize, 1 crop and resize, 2 resize and fill, 3 latent
    mask: Mask | None = None
    noise_multiplier: float | None = None  # None is as the options say
    fingerprint: str | None = None  # of the last picture, for the infotext
    image_guidance: float | None = None  # image_cfg_scale, InstructPix2Pix only; 0..
    colours: str | None = None  # base64 of the picture whose colours to keep; None: the own one
    inversion: Inversion | None = None


BY_OPTIONS = "by options"
"""As a ``face_restorer``: the one of ``face_restoration_model``, or another in its place."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One job: ``batches * batch_size`` pictures of one prompt (contract section 1.5)."""

    prompt: str
    seeds: Seeds
    negative_prompt: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    width: int = 512  # pixels, 64..4096; the latent is floor(x / 8)
    height: int = 512
    batch_size: int = 1  # pictures a batch
    batches: int = 1  # AUTOMATIC1111's n_iter
    checkpoint: str = ""  # a name the registry resolves; "" is the registry's first
    vae: str = "Automatic"  # Automatic | None | a name under models/VAE
    tiling: bool = False
    deterministic: bool = False  # shares no call of the network with other jobs: bit for bit
    face_restorer: str = ""  # a name that the engine knows, or BY_OPTIONS; "": faces as drawn
    styles: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()  # that the prompts name; each was here when it was queued
    disable_extra_networks: bool = False
    hires: HiresFix | None = None
    origin: Origin | None = None  # None is txt2img
    refiner: Refiner | None = None
    soft_inpainting: SoftInpainting | None = None
    controls: tuple[ControlUnit, ...] = ()  # the enabled ones, in order
    script: ScriptCall | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)  # a script's, for the infotext
    panels: Mapping[str, Any] = field(default_factory=dict)
    """What plugins' panels ask of this job: fields by name, by the plugin's name."""

    options: Snapshot = field(default_factory=Snapshot)
    user_name: str = ""
    version: str = ""  # written after "Version:" in the infotext
    remarks: tuple[str, ...] = ()  # what of the body is not done, in sentences for the caller

    @property
    def picture_count(self) -> int:
        """How many pictures the job draws when nobody stops it."""
        return self.batch_size * self.batches


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished picture with what made it."""

    image: "Image"  # RGB, 8 bits
    seed: int
    variation_seed: int
    prompt: str
    negative_prompt: str
    infotext: str


@dataclass(frozen=True, slots=True)
class Aside:
    """A picture that is saved beside a finished one and not answered (contract section 6.5)."""

    image: "Image"
    picture: int  # number of the finished picture in the job, from 0
    suffix: str  # "before-" highres-fix, face-restoration, color-correction; mask; mask-composite


@dataclass(frozen=True, slots=True)
class Generation:
    """What a job drew, in order. ``stopped`` tells whether an interrupt cut it short."""

    pictures: tuple[Picture, ...]
    checkpoint_name: str  # file stem
    checkpoint_hash: str | None  # 10 hex of the file's sha256, None under --no-hashing
    vae_name: str | None
    vae_hash: str | None
    clip_skip: int
    extra_parameters: Mapping[str, object]  # AUTOMATIC1111's extra_generation_params
    job_timestamp: str  # YYYYMMDDhhmmss
    seconds: float  # wall time in the engine
    network_seconds: float  # inside text encoder, U-Net and VAE; of shared calls its rows' share
    comments: tuple[str, ...] = ()  # what the caller should know: missing LoRA, ...
    stopped: bool = False
    grids: tuple["Image", ...] = ()  # of a script: shown before the pictures, without a text
    unshown_grids: tuple["Image", ...] = ()  # the same, saved and not answered
    maps: tuple["Image", ...] = ()  # masks, ControlNet's maps: shown after them, without a text
    asides: tuple[Aside, ...] = ()
    unshown: tuple[Picture, ...] = ()  # of a script's sheet: saved with the others, not answered
    facts: Mapping[str, object] = field(default_factory=dict)
    """What a script tells otherwise than the request does: keys of the answer's ``info``."""


@dataclass(frozen=True, slots=True)
class ExtrasRequest:
    """Pictures to enlarge without drawing anything new (contract section 5.9)."""

    images: tuple[str, ...]  # base64 of picture files
    factor: float = 2.0  # used when ``size`` is None
    size: tuple[int, int] | None = None  # width, height that the picture is enlarged to cover
    crop: bool = True  # cut what stands over ``size``
    upscaler: str = "None"  # "None" leaves the picture as it is
    second_upscaler: str = "None"
    second_visibility: float = 0.0  # share of the second upscaler's picture, 0..1
    gfpgan_visibility: float = 0.0  # share of the faces that GFPGAN mends, 0..1
    codeformer_visibility: float = 0.0  # likewise, after GFPGAN's
    codeformer_weight: float = 0.0  # 0 mends most, 1 keeps most
    tile: int = 192  # pixels a side that an upscaler's network sees at once; 0 is all
    tile_overlap: int = 8  # pixels
    user_name: str = ""  # who asked, "" for the owner
    remarks: tuple[str, ...] = ()  # what is not done as asked, in sentences for the caller


@dataclass(frozen=True, slots=True)
class Extras:
    """What became of the pictures of an :class:`ExtrasRequest`, in order."""

    images: tuple["Image", ...]
    notes: Mapping[str, object]  # what was done to the last one, for the infotext
    remarks: tuple[str, ...] = ()  # what was not done as asked, in sentences
    facts: Mapping[str, object] = field(default_factory=dict)  # what a listener told of them


class Stop(StrEnum):
    """What a watcher asks of a running job."""

    NO = "no"
    SKIP = "skip"  # finish this batch as it is, go on with the next
    INTERRUPT = "interrupt"  # finish this batch as it is and end the job


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come; published at each step (contract section 1.10)."""

    job: str  # "scripts_txt2img", "scripts_img2img", "Batch 1 out of 3", ...
    batch: int  # 0-based (job_no)
    batches: int  # job_count
    step: int  # sampling_step
    steps: int  # sampling_steps
    textinfo: str | None = None  # "Loading weights ...", None while sampling
