"""Checks that the models a request names are there; reads names, never weights."""

from collections.abc import Callable

from generator.control.catalogue import model_of
from generator.models.registry import Registry
from generator.pictures.upscaler_names import LATENT_UPSCALERS
from generator.request import GenerationRequest

VAE_KEYWORDS = ("Automatic", "None")  # words for a VAE that is no file


def check_models(
    request: GenerationRequest, registry: Registry, upscaler: Callable[[str], object]
) -> None:
    """Look up every checkpoint, VAE, upscaler and ControlNet of a request.

    ``upscaler`` raises for a name it does not know. Raises
    :class:`generator.errors.BadRequest` for the first name that is not here.
    """
    fix = request.hires
    checkpoints = (
        request.checkpoint,
        request.refiner.checkpoint if request.refiner else "",
        (fix.checkpoint or "") if fix else "",
    )
    for name in filter(None, checkpoints):
        registry.find_checkpoint(name, exact=False)
    if request.vae not in VAE_KEYWORDS:
        registry.find_vae(request.vae)
    if fix and fix.upscaler and fix.upscaler not in LATENT_UPSCALERS:
        upscaler(fix.upscaler)
    for unit in request.controls:
        model_of(unit, registry)
