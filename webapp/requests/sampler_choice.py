"""Samplers, schedules and seeds of a body (contract sections 1.5, 3.1 and 4.1)."""

import random

from generator.request import Sampling, Seeds
from generator.sampling.sampler_names import (
    DEFAULT_SCHEDULE,
    SAMPLER_NAMES,
    SCHEDULE_NAMES,
    find_sampler,
    find_schedule,
    guess_sampler,
    guess_schedule,
    resolve_names,
    split_schedule,
)
from webapp.errors import Refused
from webapp.requests.context import RequestContext
from webapp.requests.fields import GenerationBody, JobFields

RANDOM_SEEDS = 4294967294
SAME_SAMPLER, SAME_SCHEDULE = "Use same sampler", "Use same scheduler"


def read_sampling(body: GenerationBody, context: RequestContext) -> Sampling:
    """How the first pass is sampled; NULL leaves a number to the options."""
    sampler, schedule = choose_sampler(body, context)
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


def choose_sampler(body: GenerationBody, context: RequestContext) -> tuple[str, str]:
    """The sampler and schedule meant. Unknown names fall back, and are told, or are refused."""
    field = "sampler_name" if body.sampler_name else "sampler_index"
    wanted = body.sampler_name or body.sampler_index
    sampler, schedule = resolve_names(wanted, body.scheduler)
    if wanted in context.choices("samplers"):
        sampler = wanted
    elif find_sampler(split_schedule(wanted)[0]) is None:
        guess, ending = guess_sampler(wanted)
        if guess is not None:
            sampler, schedule = resolve_names(guess.name, ending.name if ending else None)
        else:
            note_fallback(field, wanted, sampler, context)
    if body.scheduler:
        schedule = resolve_schedule("scheduler", body.scheduler, context)
    return sampler, schedule


def note_fallback(field: str, wanted: str, instead: str, context: RequestContext) -> None:
    """Tell that an unknown sampler is replaced, or refuse it."""
    check_plugin_present(field, "samplers", wanted, context)
    if not context.lenient:
        raise unknown_sampler_error(field, wanted)
    context.add_remark(f"{field}: {wanted[:80]!r} is unknown; drawn with {instead}.")


def resolve_schedule(field: str, wanted: str, context: RequestContext) -> str:
    """The label of a schedule; an unknown one is ``Automatic``, and told, or is refused."""
    schedule = find_schedule(wanted)
    if schedule is not None:
        return schedule.label
    if wanted in context.choices("schedules"):
        return wanted
    schedule = guess_schedule(wanted)
    if schedule is not None:
        return schedule.label
    check_plugin_present(field, "schedules", wanted, context)
    if not context.lenient:
        labels = [each.label for each in SCHEDULE_NAMES]
        raise Refused(
            f"{field}: {wanted!r} is no schedule. Known: {', '.join(labels)}.",
            "unknown_name",
            value=wanted,
            known=labels,
        )
    context.add_remark(f"{field}: {wanted[:80]!r} is unknown; drawn with {DEFAULT_SCHEDULE}.")
    return DEFAULT_SCHEDULE


def resolve_hires_sampler(
    wanted: str | None, context: RequestContext
) -> tuple[str | None, str | None]:
    """The second pass's sampler and the schedule at the end of its name; None is the first's.

    An unknown one is refused, as AUTOMATIC1111 does (golden ``infotext_paste_only``).
    """
    if not wanted or wanted == SAME_SAMPLER:
        return None, None
    if wanted in context.choices("samplers"):
        return wanted, None
    bare, ending = split_schedule(wanted)
    if find_sampler(bare) is None:
        check_plugin_present("hr_sampler_name", "samplers", wanted, context)
        guess, ending = guess_sampler(wanted)
        if guess is None:
            raise unknown_sampler_error("hr_sampler_name", wanted)
        bare = guess.name
    return bare, ending.label if ending else None


def resolve_hires_schedule(wanted: str | None, context: RequestContext) -> str | None:
    """The second pass's schedule; None is the first's."""
    if not wanted or wanted == SAME_SCHEDULE:
        return None
    return resolve_schedule("hr_scheduler", wanted, context)


def check_plugin_present(field: str, kind: str, wanted: str, context: RequestContext) -> None:
    """Refuse what a plugin brought that is not on now, instead of drawing with something else."""
    why = context.absent_plugin(kind, wanted)
    if why:
        raise Refused(f"{field}: {why}", "plugin_off", value=wanted)


def unknown_sampler_error(field: str, wanted: str) -> Refused:
    """The refusal of a sampler that is not here."""
    names = [each.name for each in SAMPLER_NAMES]
    return Refused(
        f"{field}: {wanted!r} is no sampler. Known: {', '.join(names)}.",
        "unknown_name",
        value=wanted,
        known=names,
    )


def read_seeds(body: JobFields) -> Seeds:
    """The seeds with -1 and NULL resolved to random ones (contract section 3.1)."""
    return Seeds(
        seed=resolve_seed(body.seed),
        variation_seed=resolve_seed(body.subseed),
        variation_strength=float(body.subseed_strength or 0.0),
        resize_from_width=max(body.seed_resize_from_w or 0, 0),
        resize_from_height=max(body.seed_resize_from_h or 0, 0),
        random=body.seed in (None, -1),
    )


def check_seeds(seeds: Seeds, pictures: int, delta: int) -> None:
    """Refuse seeds whose last picture's would leave 64 bits; ``delta`` is the option ENSD."""
    for name, seed in (("seed", seeds.seed), ("subseed", seeds.variation_seed)):
        least, most = seed + min(delta, 0), seed + pictures - 1 + max(delta, 0)
        if least < -(2**63) or most >= 2**63:
            raise Refused(
                f"{name}: {seed} is too far from 0: the seeds of {pictures} pictures, with "
                f"eta_noise_seed_delta {delta}, must have 64 bits.",
                "out_of_range",
                value=seed,
                least=-(2**63),
                most=2**63 - 1,
            )


def resolve_seed(seed: int | None) -> int:
    """A seed that is one: -1 and NULL stand for a random one."""
    return random.SystemRandom().randrange(RANDOM_SEEDS) if seed in (None, -1) else seed
