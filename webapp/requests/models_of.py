"""The models that a body names: each is looked up here, before anything waits in the queue."""

import logging
from collections.abc import Mapping

from generator.errors import ModelNotFound
from generator.models.registry import ModelFile, Registry
from generator.pictures.upscaler_names import (
    LATENT_UPSCALERS,
    PLAIN_UPSCALERS,
    find_upscaler,
    known_upscalers,
)
from generator.request import Refiner
from webapp.errors import Refused
from webapp.queues.frames import EasExtras
from webapp.requests.fields import JobFields
from webapp.requests.given import Given

log = logging.getLogger("easel.web")

AUTOMATIC = "Automatic"


def checkpoint(overrides: Mapping[str, object], extras: EasExtras | None, given: Given) -> str:
    """The name of the checkpoint to draw with; "" leaves the choice to the registry.

    One in the vendor's extras must exist. One in ``override_settings`` that is no exact alias is
    dropped, as AUTOMATIC1111 does (contract section 1.7), and logged.
    """
    if extras is not None and extras.sd_model_checkpoint:
        return given.models.find_checkpoint(extras.sd_model_checkpoint).name
    for place, name in (
        ("override_settings", overrides.get("sd_model_checkpoint")),
        ("the options", given.options.get("sd_model_checkpoint")),
    ):
        found = exact(given.models, str(name)) if name else None
        if found is not None:
            return found.name
        if name:
            log.warning("checkpoint %r of %s is not here; drawing without it", name, place)
    return ""


def exact(models: Registry, name: str) -> ModelFile | None:
    """The checkpoint of an exact alias, or nothing."""
    try:
        return models.find_checkpoint(name, exact=True)
    except ModelNotFound:
        return None


def named_checkpoint(field: str, name: str, models: Registry) -> str:
    """A second checkpoint of a body. Raises ``Refused`` where there is none of that name."""
    try:
        return models.find_checkpoint(name, exact=False).name
    except ModelNotFound as error:
        raise Refused(f"{field}: Could not find checkpoint with name {name}. {error}") from None


def refiner(body: JobFields, models: Registry) -> Refiner | None:
    """The checkpoint that takes over, or None; without a place it takes over at once."""
    name = body.refiner_checkpoint
    if not name or name == "None":
        return None
    found = named_checkpoint("refiner_checkpoint", name, models)
    return Refiner(found, body.refiner_switch_at or 0.0)


def vae(overrides: Mapping[str, object], extras: EasExtras | None, given: Given) -> str:
    """The VAE to decode with. The vendor's must exist; another unknown one means none."""
    if extras is not None and extras.sd_vae:
        return known_vae(extras.sd_vae, given.models)
    name = str(overrides.get("sd_vae") or given.options.get("sd_vae") or AUTOMATIC)
    try:
        return known_vae(name, given.models)
    except ModelNotFound:
        log.warning("VAE %r is not here; decoding with the checkpoint's own", name)
        return "None"


def known_vae(name: str, models: Registry) -> str:
    """``name`` itself when it is a word for "no file" or a file that is here."""
    if name not in (AUTOMATIC, "None"):
        models.find_vae(name)
    return name


def upscaler(name: str | None, given: Given) -> str | None:
    """The way to enlarge before the second pass; None is AUTOMATIC1111's default.

    Raises ``Refused`` in its words for one that is neither built in nor a file here.
    """
    models, brought = given.models, given.choices("upscalers")
    if name is None or name in (*LATENT_UPSCALERS, *PLAIN_UPSCALERS, *brought):
        return name
    try:
        find_upscaler(models, name)
    except ModelNotFound:
        why = given.away("upscalers", name)
        if why:
            raise Refused(f"hr_upscaler: {why}") from None
        known = ", ".join([*LATENT_UPSCALERS, *known_upscalers(models), *brought])
        raise Refused(
            f"hr_upscaler: could not find upscaler named {name}. Known: {known}."
        ) from None
    return name
