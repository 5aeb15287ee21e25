"""The models that a body names: each is looked up here, before anything waits in the queue."""

from collections.abc import Mapping
from dataclasses import replace

from generator.errors import ModelNotFound
from generator.models.index import without_hash
from generator.models.kinds import Kind
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
    dropped, as AUTOMATIC1111 does (contract section 1.7), and told. Raises ``Refused`` for one that
    is there and cannot be drawn with.
    """
    chosen_vae = vae_name(overrides, extras, given)
    if extras is not None and extras.sd_model_checkpoint:
        wanted = given.models.find_checkpoint(extras.sd_model_checkpoint)
        return drawable("sd_model_checkpoint", wanted, chosen_vae, given.models).name
    for place, name in (
        ("override_settings", overrides.get("sd_model_checkpoint")),
        ("the options", given.options.get("sd_model_checkpoint")),
    ):
        found = here_or_refused("sd_model_checkpoint", str(name), given.models) if name else None
        if found is not None:
            if found.sha256 and without_hash(str(name)) != name and name not in found.aliases():
                given.tell(f"sd_model_checkpoint: {found.name} has other weights than when chosen.")
            return drawable("sd_model_checkpoint", found, chosen_vae, given.models).name
        if name:
            given.tell(
                f"sd_model_checkpoint: {str(name)[:80]!r} of {place} is not here; another was used."
            )
    return ""


def exact(models: Registry, name: str) -> ModelFile | None:
    """The checkpoint of an exact alias, or nothing; see :meth:`Registry.find_chosen`."""
    try:
        return models.find_chosen(name)
    except ModelNotFound:
        return None


def here_or_refused(field: str, name: str, models: Registry) -> ModelFile | None:
    """The checkpoint of an exact alias, or nothing.

    Raises ``Refused`` where the name is of a file that is there and cannot be used.
    """
    found = exact(models, name)
    reason = "" if found else models.why_rejected(Kind.CHECKPOINT, name)
    if reason:
        raise Refused(f"{field}: {name[:80]!r} is there but cannot be used: {reason}.")
    return found


def drawable(field: str, file: ModelFile, chosen_vae: str, models: Registry) -> ModelFile:
    """``file``, where nothing in its header forbids to draw with it. Raises ``Refused``.

    ``chosen_vae`` is the option ``sd_vae``, for a checkpoint that brings none of its own.
    """
    verdict = models.verdict(file)
    if verdict.fault:
        raise Refused(f"{field}: {verdict.fault.rstrip('.')}.")
    if verdict.lacks_vae and not has_vae(file, chosen_vae, models):
        raise Refused(
            f"{field}: {file.name} holds no VAE, and none was found for it. Put one beside it as "
            f"{file.stem}.vae.safetensors, or one into models/VAE and choose it as sd_vae."
        )
    return file


def has_vae(file: ModelFile, chosen_vae: str, models: Registry) -> bool:
    """Whether a VAE is here for a checkpoint that brings none; looks again before it says no."""

    for look_again in (False, True):
        index = models.refresh_still() if look_again else models.index
        if index.vae_for(file, chosen_vae) or index.vae_for(file):
            return True
    return False


def named_checkpoint(field: str, name: str, models: Registry) -> str:
    """A second checkpoint of a body.

    Raises ``Refused`` where there is none of that name, or one that cannot be drawn with.
    """
    try:
        found = models.find_checkpoint(name, exact=False)
    except ModelNotFound as error:
        raise Refused(f"{field}: Could not find checkpoint with name {name}. {error}") from None
    if fault := models.verdict(found).fault:
        raise Refused(f"{field}: {fault.rstrip('.')}.")
    return found.name


def refiner(body: JobFields, models: Registry) -> Refiner | None:
    """The checkpoint that takes over, or None; without a place it takes over at once."""
    name = body.refiner_checkpoint
    if not name or name == "None":
        return None
    found = named_checkpoint("refiner_checkpoint", name, models)
    return Refiner(found, body.refiner_switch_at or 0.0)


def vae(overrides: Mapping[str, object], extras: EasExtras | None, given: Given) -> str:
    """The VAE to decode with. The vendor's must exist; another unknown one means none."""
    name = vae_name(overrides, extras, given)
    if extras is not None and extras.sd_vae:
        return known_vae(name, given.models)
    try:
        return known_vae(name, given.models)
    except ModelNotFound:
        given.tell(f"sd_vae: {name[:80]!r} is not here; the checkpoint's own was used.")
        return "None"


def vae_name(overrides: Mapping[str, object], extras: EasExtras | None, given: Given) -> str:
    """The name of the VAE that is asked for, whether it is here or not."""
    own = extras.sd_vae if extras is not None else None
    return str(own or overrides.get("sd_vae") or given.options.get("sd_vae") or AUTOMATIC)


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
    and told, where ``context`` is lenient. Raises ``Refused`` in AUTOMATIC1111's words for others.
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
