"""The models that a body names: each is looked up here, before anything waits in the queue."""

from collections.abc import Mapping
from dataclasses import replace

from generator.errors import ModelNotFound
from generator.models.registry import ModelFile, Registry
from generator.pictures.upscaler_names import (
    LATENT_UPSCALERS,
    PLAIN_UPSCALERS,
    find_upscaler,
    known_upscalers,
    stand_in,
)
from generator.request import Refiner, Snapshot
from webapp.errors import Refused
from webapp.queues.frames import EasExtras
from webapp.requests.fields import JobFields
from webapp.requests.given import Given

AUTOMATIC = "Automatic"


def checkpoint(overrides: Mapping[str, object], extras: EasExtras | None, given: Given) -> str:
    """The name of the checkpoint to draw with; "" leaves the choice to the registry.

    One in the vendor's extras must exist. One in ``override_settings`` that is no exact alias is
    dropped, as AUTOMATIC1111 does (contract section 1.7), and told.
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
            given.tell(
                f"sd_model_checkpoint: {str(name)[:80]!r} of {place} is not here; another was used."
            )
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
        given.tell(f"sd_vae: {name[:80]!r} is not here; the checkpoint's own was used.")
        return "None"


def known_vae(name: str, models: Registry) -> str:
    """``name`` itself when it is a word for "no file" or a file that is here."""
    if name not in (AUTOMATIC, "None"):
        models.find_vae(name)
    return name


def upscaler(name: str | None, given: Given) -> str | None:
    """The way to enlarge before the second pass; None is AUTOMATIC1111's default.

    Raises as :func:`known_upscaler`.
    """
    if name is None or name in LATENT_UPSCALERS:
        return name
    return known_upscaler("hr_upscaler", name, given, LATENT_UPSCALERS)


def known_upscaler(field: str, name: str, given: Given, more: tuple[str, ...] = ()) -> str:
    """An upscaler that is here; ``more`` are names that the field takes besides.

    One of AUTOMATIC1111's stock whose weights are not here is replaced by the nearest that is,
    and told, where ``given`` is lenient. Raises ``Refused`` in AUTOMATIC1111's words for others.
    """
    models, brought = given.models, given.choices("upscalers")
    if name in (*PLAIN_UPSCALERS, *brought):
        return name
    try:
        find_upscaler(models, name)
    except ModelNotFound:
        why = given.away("upscalers", name)
        if why:
            raise Refused(f"{field}: {why}") from None
        nearest = stand_in(models, name) if given.lenient else None
        if nearest is None:
            known = ", ".join([*more, *known_upscalers(models), *brought])
            raise Refused(
                f"{field}: could not find upscaler named {name}. Known: {known}."
            ) from None
        given.tell(f"{field}: the weights of {name} are not here; enlarged with {nearest}.")
        return nearest
    return name


def with_upscaler(options: Snapshot, given: Given) -> Snapshot:
    """``options`` whose upscaler for img2img is here. Raises as :func:`known_upscaler`."""
    name = options.upscaler_for_img2img
    if not name or stand_in(given.models, name) is None:
        return options  # what else is not here is refused when it is drawn
    here = known_upscaler("upscaler_for_img2img", name, given)
    return replace(options, upscaler_for_img2img=here)
