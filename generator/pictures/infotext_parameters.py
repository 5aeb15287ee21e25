"""Infotext parameters of a job as plain values (contract section 6.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.merging_ratios import merging_ratio, merging_ratio_hr
from generator.request import GenerationRequest, Snapshot
from generator.sampling.sampler_names import DEFAULT_SCHEDULE, find_sampler, find_schedule

if TYPE_CHECKING:
    from generator.sampling.samplers import Sampler

Parameters = dict[str, object]
CHURN_KEYS = {
    "s_churn": "Sigma churn",
    "s_tmin": "Sigma tmin",
    "s_tmax": "Sigma tmax",
    "s_noise": "Sigma noise",
}


@dataclass(frozen=True, slots=True)
class ModelNames:
    """How the models of a job are called in its infotext, and what kind they are.

    None leaves a key out.
    """

    checkpoint: str  # file stem
    checkpoint_hash: str | None  # 10 hex
    vae: str | None = None  # file name of a VAE of its own
    vae_hash: str | None = None
    is_inpainting: bool = False  # a checkpoint for inpainting
    is_instruct_pix2pix: bool = False  # InstructPix2Pix

    @property
    def title(self) -> str:
        """The checkpoint as ``stem [hash]``."""
        short = self.checkpoint_hash
        return f"{self.checkpoint} [{short}]" if short else self.checkpoint


def collect_parameters(
    request: GenerationRequest,
    models: ModelNames,
    seed: int,
    variation_seed: int,
    extra: Mapping[str, object],
) -> Parameters:
    """The infotext's keys for one picture.

    ``extra`` holds what the job added (AUTOMATIC1111's ``extra_generation_params``); an extra
    key that is among the usual ones replaces its value in place.
    """
    options = request.options
    usual: Parameters = {
        "Steps": request.sampling.steps,
        "Sampler": request.sampling.sampler,
        "Schedule type": request.sampling.schedule,
        "CFG scale": request.sampling.guidance,
        "Image CFG scale": (
            request.origin.image_guidance if request.origin and models.is_instruct_pix2pix else None
        ),
        "Seed": seed,
        "Size": f"{request.width}x{request.height}",
        "Model hash": models.checkpoint_hash if options.add_model_hash_to_info else None,
        "Model": _model_name(models.checkpoint) if options.add_model_name_to_info else None,
        "VAE hash": models.vae_hash,
        "VAE": models.vae,
        **_variation_notes(request, variation_seed),
        "Conditional mask weight": options.inpainting_mask_weight if models.is_inpainting else None,
        "Clip skip": _none_if_default(1, options.CLIP_stop_at_last_layers),
        "ENSD": _ensd(request),
        "Token merging ratio": merging_ratio(request) or None,
        "Token merging ratio hr": (merging_ratio_hr(request) or None) if request.hires else None,
        "Init image hash": request.origin.fingerprint if request.origin else None,
        "RNG": _none_if_default("GPU", options.randn_source),
        "Tiling": True if request.tiling else None,
    }
    return usual | dict(extra) | _version_and_user(request)


def sampling_notes(request: GenerationRequest, sampler: "Sampler", schedule: str) -> Parameters:
    """What the sampler and the options that bend it add, in AUTOMATIC1111's order.

    ``schedule`` is the label that is really used.
    """
    options, own = request.options, request.sampling
    notes: Parameters = {}
    notes |= _model_notes(options)
    if sampler.kind != "timestep":
        notes |= _schedule_notes(options, sampler, schedule)
    notes |= _eta_notes(request, sampler)
    default = Snapshot()
    for name, key in CHURN_KEYS.items():
        value = getattr(options, name)
        if name in sampler.takes and value != getattr(default, name):
            notes[key] = value
    uncond = options.s_min_uncond if own.s_min_uncond is None else own.s_min_uncond
    if uncond > 0:
        notes["NGMS"] = uncond
        if options.s_min_uncond_all:
            notes["NGMS all steps"] = True
    if options.skip_early_cond > 0:
        notes["Skip Early CFG"] = options.skip_early_cond
    return notes


def _model_notes(options: Snapshot) -> Parameters:
    notes: Parameters = {}
    if options.use_downcasted_alpha_bar:
        notes["Downcast alphas_cumprod"] = True
    if options.sd_noise_schedule != "Default":
        notes["Noise Schedule"] = options.sd_noise_schedule
    return notes


def _schedule_notes(options: Snapshot, sampler: "Sampler", label: str) -> Parameters:
    notes: Parameters = {} if label == DEFAULT_SCHEDULE else {"Schedule type": label}
    entry = find_schedule(label)
    if options.always_discard_next_to_last_sigma and not sampler.discards_penultimate:
        notes["Discard penultimate sigma"] = True
    if entry is not None and label != DEFAULT_SCHEDULE:
        if options.sigma_min:
            notes["Schedule min sigma"] = options.sigma_min
        if options.sigma_max:
            notes["Schedule max sigma"] = options.sigma_max
        if options.rho and entry.default_rho not in (-1, options.rho):
            notes["Schedule rho"] = options.rho
    if label == "Beta":
        notes["Beta schedule alpha"] = options.beta_dist_alpha
        notes["Beta schedule beta"] = options.beta_dist_beta
    if options.sgm_noise_multiplier:
        notes["SGM noise multiplier"] = True
    return notes


def _eta_notes(request: GenerationRequest, sampler: "Sampler") -> Parameters:
    options, own = request.options, request.sampling.eta
    if "eta" not in sampler.takes:
        return {}
    timestep = sampler.kind == "timestep"
    usual = options.eta_ddim if timestep else options.eta_ancestral
    eta = usual if own is None else own
    notes: Parameters = {}
    if eta != (0.0 if timestep else 1.0):
        notes["Eta DDIM" if timestep else "Eta"] = eta
    return notes


def _ensd(request: GenerationRequest) -> int | None:
    """The option's number, where the sampler draws noise that it moves."""
    own, options = request.sampling, request.options
    sampler = find_sampler(own.sampler)
    eta = options.eta_ancestral if own.eta is None else own.eta
    moves = sampler is not None and "uses_ensd" in sampler.options and eta
    return (options.eta_noise_seed_delta or None) if moves else None


def _variation_notes(request: GenerationRequest, variation_seed: int) -> Parameters:
    seeds = request.seeds
    varied = seeds.variation_strength != 0
    resized = seeds.resize_from_width > 0 and seeds.resize_from_height > 0
    return {
        "Variation seed": variation_seed if varied else None,
        "Variation seed strength": seeds.variation_strength if varied else None,
        "Seed resize from": (
            f"{seeds.resize_from_width}x{seeds.resize_from_height}" if resized else None
        ),
    }


def _version_and_user(request: GenerationRequest) -> Parameters:
    options = request.options
    version = request.version if options.add_version_to_infotext else ""
    user = request.user_name if options.add_user_name_to_info else ""
    return {"Version": version or None, "User": user or None}


def _none_if_default(default: object, value: object) -> object | None:
    return None if value == default else value


def _model_name(stem: str) -> str:
    return stem.replace(",", "").replace(":", "")  # the infotext's own separators
