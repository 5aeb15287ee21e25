"""The body of ``POST /sdapi/v1/txt2img``, and its way into a ``GenerationRequest``.

Field names, order, defaults and what coerces are AUTOMATIC1111's (contract sections 1.3, 1.5).
The renames into Easel's own words happen here and nowhere else.
"""

import logging
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, ValidationError

from generator.errors import ModelNotFound
from generator.models.registry import ModelFile, Registry
from generator.request import GenerationRequest, Sampling, Seeds
from generator.sampling.names import find_sampler, find_schedule, resolve, split_schedule
from webapp.coercion import Anything, Bool, Float, Int, Object, Str, Strings
from webapp.errors import Fault, InvalidFields, Refused
from webapp.queues.frames import EasExtras
from webapp.settings import snapshot

log = logging.getLogger("easel.web")


class Txt2Img(BaseModel):
    """What a txt2img request may say. Unknown fields are ignored, as AUTOMATIC1111 does."""

    model_config = ConfigDict(title="StableDiffusionProcessingTxt2Img", extra="ignore")

    prompt: Str | None = ""
    negative_prompt: Str | None = ""
    styles: Strings | None = None
    seed: Int | None = -1
    subseed: Int | None = -1
    subseed_strength: Float | None = 0
    seed_resize_from_h: Int | None = -1
    seed_resize_from_w: Int | None = -1
    sampler_name: Str | None = None
    scheduler: Str | None = None
    batch_size: Int | None = 1
    n_iter: Int | None = 1
    steps: Int | None = 50
    cfg_scale: Float | None = 7.0
    width: Int | None = 512
    height: Int | None = 512
    restore_faces: Bool | None = None
    tiling: Bool | None = None
    do_not_save_samples: Bool | None = False
    do_not_save_grid: Bool | None = False
    eta: Float | None = None
    denoising_strength: Float | None = None
    s_min_uncond: Float | None = None
    s_churn: Float | None = None
    s_tmax: Float | None = None
    s_tmin: Float | None = None
    s_noise: Float | None = None
    override_settings: Object | None = None
    override_settings_restore_afterwards: Bool | None = True
    refiner_checkpoint: Str | None = None
    refiner_switch_at: Float | None = None
    disable_extra_networks: Bool | None = False
    firstpass_image: Str | None = None
    comments: Object | None = None
    enable_hr: Bool | None = False
    firstphase_width: Int | None = 0
    firstphase_height: Int | None = 0
    hr_scale: Float | None = 2.0
    hr_upscaler: Str | None = None
    hr_second_pass_steps: Int | None = 0
    hr_resize_x: Int | None = 0
    hr_resize_y: Int | None = 0
    hr_checkpoint_name: Str | None = None
    hr_sampler_name: Str | None = None
    hr_scheduler: Str | None = None
    hr_prompt: Str | None = ""
    hr_negative_prompt: Str | None = ""
    force_task_id: Str | None = None
    sampler_index: Str = "Euler"
    script_name: Str | None = None
    script_args: Anything = []
    send_images: Bool = True
    save_images: Bool = False
    alwayson_scripts: Object = {}
    infotext: Str | None = None


UNIMPLEMENTED: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "restore_faces": (None, False),
        "refiner_checkpoint": (None, "", "None"),
        "firstpass_image": (None, ""),
        "enable_hr": (None, False),
        "script_name": (None, ""),
        "infotext": (None, ""),
    }
)
"""Fields that nothing here honours yet, with the values that ask for nothing.

The ``hr_*`` and ``firstphase_*`` fields say nothing unless ``enable_hr`` is true, nor
``refiner_switch_at`` without a refiner, nor ``script_args`` without a script: clients send them
with every request, so only the field that turns the feature on is refused.
"""

RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "steps": (1, 1000),
        "width": (8, 4096),
        "height": (8, 4096),
        "batch_size": (1, 64),
        "n_iter": (1, 1000),
        "cfg_scale": (-1000, 1000),
        "subseed_strength": (0, 1),
        "seed_resize_from_w": (-math.inf, 4096),
        "seed_resize_from_h": (-math.inf, 4096),
        "seed": (-(2**63), 2**63 - 1),
        "subseed": (-(2**63), 2**63 - 1),
        "denoising_strength": (0, 1),
        "eta": (0, 100),
        "s_min_uncond": (0, math.inf),
        "s_churn": (0, math.inf),
        "s_tmax": (0, math.inf),
        "s_tmin": (0, math.inf),
        "s_noise": (0, 100),
    }
)
"""Least and greatest value of each number; NULL passes where AUTOMATIC1111 lets it."""

NEEDED = (
    "prompt",
    "negative_prompt",
    "batch_size",
    "n_iter",
    "steps",
    "cfg_scale",
    "width",
    "height",
)
MOST_PICTURES = 1000
LONGEST_PROMPT = 20_000
RANDOM_SEEDS = 4294967294
AUTOMATIC = "Automatic"


def read(body: object) -> Txt2Img:
    """The request of a JSON body. Raises ``InvalidFields`` naming each field of a wrong type."""
    if not isinstance(body, dict):
        raise InvalidFields([Fault(("body",), "value is not a valid dict", "type_error.dict")])
    try:
        return Txt2Img.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> InvalidFields:
    """Pydantic's findings as faults of the body."""
    return InvalidFields(
        [Fault(("body", *entry["loc"]), entry["msg"], entry["type"]) for entry in error.errors()]
    )


def check(body: Txt2Img) -> None:
    """Refuse what has the right type and cannot be done: the field is named.

    Raises ``InvalidFields`` for fields without an implementation, ``Refused`` for the rest.
    """
    faults = [unimplemented(name) for name in UNIMPLEMENTED if asks(body, name)]
    if faults:
        raise InvalidFields(faults)
    for name in NEEDED:
        if getattr(body, name) is None:
            raise Refused(f"{name}: null is not a value that can be drawn; leave the field out.")
    for name, (least, greatest) in RANGES.items():
        in_range(name, getattr(body, name), least, greatest)
    pictures = (body.batch_size or 1) * (body.n_iter or 1)
    if pictures > MOST_PICTURES:
        raise Refused(
            f"batch_size x n_iter: {pictures} pictures; at most {MOST_PICTURES} a request."
        )
    for name in ("prompt", "negative_prompt"):
        length = len(getattr(body, name))
        if length > LONGEST_PROMPT:
            raise Refused(f"{name}: {length} characters; at most {LONGEST_PROMPT}.")


def asks(body: Txt2Img, name: str) -> bool:
    """True if a field of the table above wants something that is not there yet."""
    return getattr(body, name) not in UNIMPLEMENTED[name]


def unimplemented(name: str) -> Fault:
    """The fault of a field that Easel knows and cannot honour yet."""
    return Fault(
        ("body", name),
        f"{name} is not implemented yet; leave it at its default",
        "value_error.not_implemented",
    )


def in_range(name: str, value: float | None, least: float, greatest: float) -> None:
    """Refuse a number outside its range."""
    if value is not None and not least <= value <= greatest:
        raise Refused(f"{name}: {value} is out of range; it must be from {least} to {greatest}.")


@dataclass(frozen=True, slots=True)
class Given:
    """What a request is read against: all of it as it was when the request came."""

    options: Mapping[str, object]
    models: Registry
    user_name: str = ""
    version: str = ""


def to_request(body: Txt2Img, extras: EasExtras | None, given: Given) -> GenerationRequest:
    """The frozen request of a checked body.

    Raises ``ModelNotFound`` for a checkpoint or VAE named in the vendor's extras that is not
    there, and ``Refused`` for a setting that does not exist.
    """
    overrides = dict(body.override_settings or {})
    unknown = sorted(set(overrides) - set(given.options))
    if unknown:
        raise Refused(f"override_settings: there is no setting {unknown[0]!r}.")
    sampler, schedule = named(body)
    return GenerationRequest(
        prompt=body.prompt or "",
        negative_prompt=body.negative_prompt or "",
        seeds=seeds(body),
        sampling=sampling(body, sampler, schedule),
        width=body.width or 512,
        height=body.height or 512,
        batch_size=body.batch_size or 1,
        batches=body.n_iter or 1,
        checkpoint=checkpoint(overrides, extras, given),
        vae=vae(overrides, extras, given),
        tiling=tiles(body, overrides, given),
        styles=tuple(body.styles or ()),
        disable_extra_networks=bool(body.disable_extra_networks),
        options=snapshot(given.options, overrides),
        user_name=given.user_name,
        version=given.version,
    )


def tiles(body: Txt2Img, overrides: Mapping[str, object], given: Given) -> bool:
    """Whether the picture shall tile; NULL leaves it to the options."""
    option = overrides.get("tiling", given.options.get("tiling"))
    return bool(option if body.tiling is None else body.tiling)


def named(body: Txt2Img) -> tuple[str, str]:
    """The sampler and schedule meant; unknown names fall back (contract 4.1) and are logged."""
    wanted = body.sampler_name or body.sampler_index
    sampler, schedule = resolve(wanted, body.scheduler)
    if find_sampler(split_schedule(wanted)[0]) is None:
        log.warning("sampler %r is unknown; drawing with %s", wanted, sampler)
    if body.scheduler and find_schedule(body.scheduler) is None:
        log.warning("schedule %r is unknown; drawing with %s", body.scheduler, schedule)
    return sampler, schedule


def seeds(body: Txt2Img) -> Seeds:
    """The seeds with -1 and NULL resolved to random ones (contract section 3.1)."""
    return Seeds(
        seed=resolved(body.seed),
        variation_seed=resolved(body.subseed),
        variation_strength=float(body.subseed_strength or 0.0),
        resize_from_width=max(body.seed_resize_from_w or 0, 0),
        resize_from_height=max(body.seed_resize_from_h or 0, 0),
    )


def resolved(seed: int | None) -> int:
    """A seed that is one: -1 and NULL stand for a random one."""
    return random.SystemRandom().randrange(RANDOM_SEEDS) if seed in (None, -1) else seed


def sampling(body: Txt2Img, sampler: str, schedule: str) -> Sampling:
    """The numbers of the sampler; NULL leaves them to the options."""
    return Sampling(
        sampler=sampler,
        schedule=schedule,
        steps=body.steps or 1,
        guidance=7.0 if body.cfg_scale is None else body.cfg_scale,
        eta=body.eta,
        s_churn=body.s_churn,
        s_tmin=body.s_tmin,
        s_tmax=body.s_tmax,
        s_noise=body.s_noise,
        s_min_uncond=body.s_min_uncond,
    )


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
