"""Samplers, schedules and seeds as a body names them (contract sections 1.5, 3.1 and 4.1)."""

import random

from generator.request import Sampling, Seeds
from generator.sampling.names import (
    DEFAULT_SCHEDULE,
    SAMPLER_NAMES,
    SCHEDULE_NAMES,
    find_sampler,
    find_schedule,
    guess_sampler,
    guess_schedule,
    resolve,
    split_schedule,
)
from webapp.errors import Refused
from webapp.requests.fields import DrawingBody, JobFields
from webapp.requests.given import Given

RANDOM_SEEDS = 4294967294
SAME_SAMPLER, SAME_SCHEDULE = "Use same sampler", "Use same scheduler"


def sampling(body: DrawingBody, given: Given) -> Sampling:
    """How the first pass is sampled; NULL leaves a number to the options."""
    sampler, schedule = named(body, given)
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


def named(body: DrawingBody, given: Given) -> tuple[str, str]:
    """The sampler and schedule meant. Unknown names fall back, and are told, or are refused."""
    field = "sampler_name" if body.sampler_name else "sampler_index"
    wanted = body.sampler_name or body.sampler_index
    sampler, schedule = resolve(wanted, body.scheduler)
    if wanted in given.choices("samplers"):
        sampler = wanted
    elif find_sampler(split_schedule(wanted)[0]) is None:
        meant, ending = guess_sampler(wanted)
        if meant is not None:
            sampler, schedule = resolve(meant.name, ending.name if ending else None)
        else:
            fall_back(field, wanted, sampler, given)
    if body.scheduler:
        schedule = known_schedule("scheduler", body.scheduler, given)
    return sampler, schedule


def fall_back(field: str, wanted: str, instead: str, given: Given) -> None:
    """Tell that an unknown sampler is replaced, or refuse it."""
    check_brought(field, "samplers", wanted, given)
    if not given.lenient:
        raise unknown_sampler(field, wanted)
    given.tell(f"{field}: {wanted[:80]!r} is unknown; drawn with {instead}.")


def known_schedule(field: str, wanted: str, given: Given) -> str:
    """The label of a schedule; an unknown one is ``Automatic``, and told, or is refused."""
    found = find_schedule(wanted)
    if found is not None:
        return found.label
    if wanted in given.choices("schedules"):
        return wanted
    found = guess_schedule(wanted)
    if found is not None:
        return found.label
    check_brought(field, "schedules", wanted, given)
    if not given.lenient:
        known = ", ".join(each.label for each in SCHEDULE_NAMES)
        raise Refused(f"{field}: {wanted!r} is no schedule. Known: {known}.")
    given.tell(f"{field}: {wanted[:80]!r} is unknown; drawn with {DEFAULT_SCHEDULE}.")
    return DEFAULT_SCHEDULE


def hires_sampler(wanted: str | None, given: Given) -> tuple[str | None, str | None]:
    """The second pass's sampler and the schedule at the end of its name; None is the first's.

    An unknown one is refused, as AUTOMATIC1111 does (golden ``infotext_paste_only``).
    """
    if not wanted or wanted == SAME_SAMPLER:
        return None, None
    if wanted in given.choices("samplers"):
        return wanted, None
    bare, ending = split_schedule(wanted)
    if find_sampler(bare) is None:
        check_brought("hr_sampler_name", "samplers", wanted, given)
        meant, ending = guess_sampler(wanted)
        if meant is None:
            raise unknown_sampler("hr_sampler_name", wanted)
        bare = meant.name
    return bare, ending.label if ending else None


def hires_schedule(wanted: str | None, given: Given) -> str | None:
    """The second pass's schedule; None is the first's."""
    if not wanted or wanted == SAME_SCHEDULE:
        return None
    return known_schedule("hr_scheduler", wanted, given)


def check_brought(field: str, kind: str, wanted: str, given: Given) -> None:
    """Refuse what a plugin brought that is not on now, instead of drawing with something else."""
    why = given.away(kind, wanted)
    if why:
        raise Refused(f"{field}: {why}")


def unknown_sampler(field: str, wanted: str) -> Refused:
    """The refusal of a sampler that is not here."""
    known = ", ".join(each.name for each in SAMPLER_NAMES)
    return Refused(f"{field}: {wanted!r} is no sampler. Known: {known}.")


def seeds(body: JobFields) -> Seeds:
    """The seeds with -1 and NULL resolved to random ones (contract section 3.1)."""
    return Seeds(
        seed=resolved(body.seed),
        variation_seed=resolved(body.subseed),
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
                f"eta_noise_seed_delta {delta}, must have 64 bits."
            )


def resolved(seed: int | None) -> int:
    """A seed that is one: -1 and NULL stand for a random one."""
    return random.SystemRandom().randrange(RANDOM_SEEDS) if seed in (None, -1) else seed
