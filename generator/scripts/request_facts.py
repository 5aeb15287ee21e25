"""The ``info`` fields of an answer that follow from a request, and how a script's differ."""

from collections.abc import Mapping
from types import MappingProxyType

from generator.request import GenerationRequest

SCRIPT_FACTS: Mapping[str, object] = MappingProxyType(
    {"subseed": -1, "restore_faces": None, "sd_model_name": None, "sd_model_hash": None}
)
"""What AUTOMATIC1111 tells of drawings that a script put together itself."""


def facts_of(request: GenerationRequest) -> dict[str, object]:
    """The keys of contract section 1.5 that follow from the request alone."""
    fix, origin = request.hires, request.origin
    strength = fix.strength if fix else origin.strength if origin else None
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": request.seeds.seed,
        "subseed": request.seeds.variation_seed,
        "subseed_strength": request.seeds.variation_strength,
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampling.sampler,
        "cfg_scale": request.sampling.guidance,
        "steps": request.sampling.steps,
        "batch_size": request.batch_size,
        "denoising_strength": strength,
        "styles": list(request.styles),
        "clip_skip": request.options.CLIP_stop_at_last_layers,
    }


def differing_facts(outer: GenerationRequest, inner: GenerationRequest) -> dict[str, object]:
    """The facts of ``inner`` that are not those of ``outer``."""
    before = facts_of(outer)
    return {key: value for key, value in facts_of(inner).items() if value != before[key]}
