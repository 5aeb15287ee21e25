"""Looks up the models that a body names, before it is queued."""

from collections.abc import Mapping
from dataclasses import replace

from generator.errors import ModelNotFound
from generator.models.index import without_hash
from generator.models.kinds import ModelKind
from generator.models.registry import ModelFile, Registry
from generator.pictures.upscaler_names import (
    LATENT_UPSCALERS,
    PLAIN_UPSCALERS,
    find_upscaler,
    known_upscalers,
    replacement_for,
    why_broken,
)
from generator.request import Refiner, Snapshot
from webapp.errors import Refused
from webapp.queues.job_codec import EasExtras
from webapp.requests.context import RequestContext
from webapp.requests.fields import JobFields

AUTOMATIC = "Automatic"


def choose_checkpoint(
    overrides: Mapping[str, object], extras: EasExtras | None, context: RequestContext
) -> str:
    """The name of the checkpoint to draw with; "" leaves the choice to the registry.

    One in the vendor's extras must exist. One in ``override_settings`` that is no exact alias is
    dropped, as AUTOMATIC1111 does (contract section 1.7), and told. Raises ``Refused`` for one that
    is there and cannot be drawn with.
    """
    chosen_vae = vae_name(overrides, extras, context)
    if extras is not None and extras.sd_model_checkpoint:
        wanted = context.models.find_checkpoint(extras.sd_model_checkpoint)
        return drawable("sd_model_checkpoint", wanted, chosen_vae, context.models).name
    for place, name in (
        ("override_settings", overrides.get("sd_model_checkpoint")),
        ("the options", context.options.get("sd_model_checkpoint")),
    ):
        file = here_or_refused("sd_model_checkpoint", str(name), context.models) if name else None
        if file is not None:
            if file.sha256 and without_hash(str(name)) != name and name not in file.aliases():
                context.add_remark(
                    f"sd_model_checkpoint: {file.name} has other weights than when chosen."
                )
            return drawable("sd_model_checkpoint", file, chosen_vae, context.models).name
        if name:
            context.add_remark(
                f"sd_model_checkpoint: {str(name)[:80]!r} of {place} is not here; another was used."
            )
    return ""


def find_exact_checkpoint(models: Registry, name: str) -> ModelFile | None:
    """The checkpoint of an exact alias, or nothing; see :meth:`Registry.find_chosen`."""
    try:
        return models.find_chosen(name)
    except ModelNotFound:
        return None


def here_or_refused(field: str, name: str, models: Registry) -> ModelFile | None:
    """The checkpoint of an exact alias, or nothing.

    Raises ``Refused`` where the name is of a file that is there and cannot be used.
    """
    found = find_exact_checkpoint(models, name)
    reason = "" if found else models.why_rejected(ModelKind.CHECKPOINT, name)
    if reason:
        raise Refused(
            f"{field}: {name[:80]!r} is there but cannot be used: {reason}.",
            "model_unusable",
            value=name,
        )
    return found


def drawable(field: str, file: ModelFile, chosen_vae: str, models: Registry) -> ModelFile:
    """``file``, where nothing in its header forbids to draw with it. Raises ``Refused``.

    ``chosen_vae`` is the option ``sd_vae``, for a checkpoint that brings none of its own.
    """
    verdict = models.verdict(file)
    if verdict.fault:
        raise unusable(field, verdict.fault, file)
    if verdict.lacks_vae and not has_vae(file, chosen_vae, models):
        raise Refused(
            f"{field}: {file.name} holds no VAE, and none was found for it. Put one beside it as "
            f"{file.stem}.vae.safetensors, or one into models/VAE and choose it as sd_vae.",
            "no_vae",
            value=file.name,
        )
    return file


def unusable(field: str, fault: str, file: ModelFile) -> Refused:
    """The refusal of a file that is here and not drawn with."""
    return Refused(f"{field}: {fault.rstrip('.')}.", "model_unusable", value=file.name)


def has_vae(file: ModelFile, chosen_vae: str, models: Registry) -> bool:
    """Whether a VAE is here for a checkpoint that brings none; looks again before it says no."""

    for look_again in (False, True):
        index = models.refresh_still() if look_again else models.index
        if index.vae_for(file, chosen_vae) or index.vae_for(file):
            return True
    return False


def find_second_checkpoint(field: str, name: str, models: Registry) -> str:
    """A second checkpoint of a body.

    Raises ``Refused`` where there is none of that name, or one that cannot be drawn with.
    """
    try:
        found = models.find_checkpoint(name, exact=False)
    except ModelNotFound as error:
        raise Refused(
            f"{field}: Could not find checkpoint with name {name}. {error}",
            "model_not_found",
            value=name,
            known=error.values.get("known"),
        ) from None
    if fault := models.verdict(found).fault:
        raise unusable(field, fault, found)
    return found.name


def read_refiner(body: JobFields, models: Registry) -> Refiner | None:
    """The checkpoint that takes over, or None; without a place it takes over at once."""
    name = body.refiner_checkpoint
    if not name or name == "None":
        return None
    name_found = find_second_checkpoint("refiner_checkpoint", name, models)
    return Refiner(name_found, body.refiner_switch_at or 0.0)


def choose_vae(
    overrides: Mapping[str, object], extras: EasExtras | None, context: RequestContext
) -> str:
    """The VAE to decode with. The vendor's must exist; another unknown one means none."""
    name = vae_name(overrides, extras, context)
    if extras is not None and extras.sd_vae:
        return check_vae(name, context.models)
    try:
        return check_vae(name, context.models)
    except ModelNotFound:
        reason = context.models.why_rejected(ModelKind.VAE, name)
        why = f"is there but cannot be used: {reason.rstrip('.')}" if reason else "is not here"
        context.add_remark(f"sd_vae: {name[:80]!r} {why}; the checkpoint's own was used.")
        return "None"


def vae_name(
    overrides: Mapping[str, object], extras: EasExtras | None, given: RequestContext
) -> str:
    """The name of the VAE that is asked for, whether it is here or not."""
    own = extras.sd_vae if extras is not None else None
    return str(own or overrides.get("sd_vae") or given.options.get("sd_vae") or AUTOMATIC)


def check_vae(name: str, models: Registry) -> str:
    """``name`` itself when it is a word for "no file" or a file that is here."""
    if name not in (AUTOMATIC, "None"):
        models.find_vae(name)
    return name


def choose_upscaler(name: str | None, context: RequestContext) -> str | None:
    """The way to enlarge before the second pass; None is AUTOMATIC1111's default.

    Raises as :func:`resolve_upscaler`.
    """
    if name is None or name in LATENT_UPSCALERS:
        return name
    return resolve_upscaler("hr_upscaler", name, context, LATENT_UPSCALERS)


def resolve_upscaler(
    field: str, name: str, context: RequestContext, more: tuple[str, ...] = ()
) -> str:
    """An upscaler that is here; ``more`` are names that the field takes besides.

    One of AUTOMATIC1111's stock whose weights are not here is replaced by the nearest that is,
    and told, where ``context`` is lenient. Raises ``Refused`` in AUTOMATIC1111's words for others.
    """
    models, plugin_upscalers = context.models, context.choices("upscalers")
    if name in (*PLAIN_UPSCALERS, *plugin_upscalers):
        return name
    try:
        find_upscaler(models, name)
    except ModelNotFound:
        why = context.absent_plugin("upscalers", name)
        if why:
            raise Refused(f"{field}: {why}", "plugin_off", value=name) from None
        broken = why_broken(models, name)
        nearest = replacement_for(models, name) if context.lenient else None
        if nearest is None and broken:
            raise Refused(f"{field}: {broken}.", "model_unusable", value=name) from None
        if nearest is None:
            known = [*more, *known_upscalers(models), *plugin_upscalers]
            raise Refused(
                f"{field}: could not find upscaler named {name}. Known: {', '.join(known)}.",
                "unknown_name",
                value=name,
                known=known,
            ) from None
        why = broken or f"the weights of {name} are not here"
        context.add_remark(f"{field}: {why}; enlarged with {nearest}.")
        return nearest
    return name


def with_upscaler(options: Snapshot, context: RequestContext) -> Snapshot:
    """``options`` whose upscaler for img2img is here. Raises as :func:`resolve_upscaler`."""
    name = options.upscaler_for_img2img
    if not name or replacement_for(context.models, name) is None:
        return options  # what else is not here is refused when it is drawn
    resolved = resolve_upscaler("upscaler_for_img2img", name, context)
    return replace(options, upscaler_for_img2img=resolved)
