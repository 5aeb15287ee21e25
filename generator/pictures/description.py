"""What an infotext says of a job: the parameters of contract section 6.2, as plain values."""

from dataclasses import dataclass

from generator.request import GenerationRequest


@dataclass(frozen=True, slots=True)
class ModelNames:
    """How the models of a job are called in its infotext; None leaves a key out."""

    checkpoint: str  # file stem
    checkpoint_hash: str | None  # 10 hex
    vae: str | None = None  # file name of a VAE of its own
    vae_hash: str | None = None


def parameters(
    request: GenerationRequest,
    models: ModelNames,
    seed: int,
    variation_seed: int,
    size: tuple[int, int],
    extra: dict[str, object],
) -> dict[str, object]:
    """The infotext's keys for one picture of ``size`` (width, height).

    ``extra`` holds what the job added (AUTOMATIC1111's ``extra_generation_params``); an extra
    key that is among the usual ones replaces its value in place.
    """
    options = request.options
    usual: dict[str, object] = {
        "Steps": request.sampling.steps,
        "Sampler": request.sampling.sampler,
        "Schedule type": request.sampling.schedule,
        "CFG scale": request.sampling.guidance,
        "Seed": seed,
        "Size": f"{size[0]}x{size[1]}",
        "Model hash": models.checkpoint_hash if options.add_model_hash_to_info else None,
        "Model": _model_name(models.checkpoint) if options.add_model_name_to_info else None,
        "VAE hash": models.vae_hash,
        "VAE": models.vae,
        **_variation(request, variation_seed),
        "Clip skip": _unless(1, options.CLIP_stop_at_last_layers),
        "RNG": _unless("GPU", options.randn_source),
        "Tiling": True if request.tiling else None,
    }
    return usual | extra | _signature(request)


def _variation(request: GenerationRequest, variation_seed: int) -> dict[str, object]:
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


def _signature(request: GenerationRequest) -> dict[str, object]:
    options = request.options
    version = request.version if options.add_version_to_infotext else ""
    user = request.user_name if options.add_user_name_to_info else ""
    return {"Version": version or None, "User": user or None}


def _unless(default: object, value: object) -> object | None:
    return None if value == default else value


def _model_name(stem: str) -> str:
    # A1111 keeps the line parseable the same way.
    return stem.replace(",", "").replace(":", "")
