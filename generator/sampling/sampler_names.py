"""Names of samplers and noise schedules, without torch, for whoever only needs to talk about them.

The two tables hold AUTOMATIC1111's names in its order (contract sections 4.1 and 4.2); the
functions behind them live in ``samplers.py`` and ``schedules.py`` under the same names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DEFAULT_SAMPLER = "DPM++ 2M"
DEFAULT_SCHEDULE = "Automatic"


@dataclass(frozen=True, slots=True)
class SamplerName:
    """How a sampler is called and what the API tells about it (``GET samplers``)."""

    name: str
    aliases: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)  # as the API prints them


@dataclass(frozen=True, slots=True)
class ScheduleName:
    """How a schedule is called; ``default_rho`` is -1 where it has no exponent."""

    name: str
    label: str
    aliases: tuple[str, ...] | None = None
    default_rho: float = -1.0
    need_inner_model: bool = False  # it reads the model's own sigma table

    def matches(self, text: str) -> bool:
        """Whether ``text`` is this schedule's name, label or alias (exact)."""
        return text in (self.name, self.label, *(self.aliases or ()))


def _option_table(*flags: str, **values: str) -> dict[str, str]:
    return {**values, **dict.fromkeys(flags, "True")}


SAMPLER_NAMES: tuple[SamplerName, ...] = (
    SamplerName("DPM++ 2M", ("k_dpmpp_2m",), _option_table(scheduler="karras")),
    SamplerName(
        "DPM++ SDE",
        ("k_dpmpp_sde",),
        _option_table("second_order", "brownian_noise", scheduler="karras"),
    ),
    SamplerName(
        "DPM++ 2M SDE",
        ("k_dpmpp_2m_sde",),
        _option_table("brownian_noise", scheduler="exponential"),
    ),
    SamplerName(
        "DPM++ 2M SDE Heun",
        ("k_dpmpp_2m_sde_heun",),
        _option_table("brownian_noise", scheduler="exponential", solver_type="heun"),
    ),
    SamplerName(
        "DPM++ 2S a",
        ("k_dpmpp_2s_a",),
        _option_table("uses_ensd", "second_order", scheduler="karras"),
    ),
    SamplerName(
        "DPM++ 3M SDE",
        ("k_dpmpp_3m_sde",),
        _option_table("discard_next_to_last_sigma", "brownian_noise", scheduler="exponential"),
    ),
    SamplerName("Euler a", ("k_euler_a", "k_euler_ancestral"), _option_table("uses_ensd")),
    SamplerName("Euler", ("k_euler",)),
    SamplerName("LMS", ("k_lms",)),
    SamplerName("Heun", ("k_heun",), _option_table("second_order")),
    SamplerName(
        "DPM2",
        ("k_dpm_2",),
        _option_table("discard_next_to_last_sigma", "second_order", scheduler="karras"),
    ),
    SamplerName(
        "DPM2 a",
        ("k_dpm_2_a",),
        _option_table(
            "discard_next_to_last_sigma",
            "uses_ensd",
            "second_order",
            scheduler="karras",
        ),
    ),
    SamplerName("DPM fast", ("k_dpm_fast",), _option_table("uses_ensd")),
    SamplerName("DPM adaptive", ("k_dpm_ad",), _option_table("uses_ensd")),
    SamplerName("Restart", ("restart",), _option_table("second_order", scheduler="karras")),
    SamplerName("DDIM", ("ddim",)),
    SamplerName("DDIM CFG++", ("ddim_cfgpp",)),
    SamplerName("PLMS", ("plms",)),
    SamplerName("UniPC", ("unipc",)),
    SamplerName("LCM", ("k_lcm",)),
)

SHORT_ENDINGS = MappingProxyType({"ka": "karras", "ke": "exponential"})
"""Ends of AUTOMATIC1111's older aliases: ``k_dpmpp_2m_ka``."""

SCHEDULE_NAMES: tuple[ScheduleName, ...] = (
    ScheduleName("automatic", "Automatic"),
    ScheduleName("uniform", "Uniform", need_inner_model=True),
    ScheduleName("karras", "Karras", default_rho=7.0),
    ScheduleName("exponential", "Exponential"),
    ScheduleName("polyexponential", "Polyexponential", default_rho=1.0),
    ScheduleName("sgm_uniform", "SGM Uniform", ("SGMUniform",), need_inner_model=True),
    ScheduleName("kl_optimal", "KL Optimal"),
    ScheduleName("align_your_steps", "Align Your Steps"),
    ScheduleName("simple", "Simple", need_inner_model=True),
    ScheduleName("normal", "Normal", need_inner_model=True),
    ScheduleName("ddim", "DDIM", need_inner_model=True),
    ScheduleName("beta", "Beta", need_inner_model=True),
)


def find_sampler(name: str) -> SamplerName | None:
    """The sampler of exactly this name."""
    return next((s for s in SAMPLER_NAMES if s.name == name), None)


def find_sampler_loosely(text: str) -> SamplerName | None:
    """The sampler of this name or alias, in any case (X/Y/Z plot, prompts from file)."""
    wanted = text.lower()
    return next(
        (s for s in SAMPLER_NAMES if wanted in (x.lower() for x in (s.name, *s.aliases))),
        None,
    )


def guess_sampler(text: str) -> tuple[SamplerName | None, ScheduleName | None]:
    """The sampler that a text means in any case or spelling, and the schedule at its end.

    ``"euler_ancestral"``, ``"dpm++ 2m karras"`` and ``"k_dpmpp_2m_ka"`` are read, too: letters and
    digits count, ``++`` is ``pp``, a leading ``k_`` is none.
    """
    wanted = _normalize(text)
    known = {_normalize(word): s for s in SAMPLER_NAMES for word in (s.name, *s.aliases)}
    if wanted in known:
        return known[wanted], None
    endings = {_normalize(s.name): s.name for s in SCHEDULE_NAMES} | dict(SHORT_ENDINGS)
    for ending, schedule in endings.items():
        start = wanted.removesuffix(ending)
        if start != wanted and start in known:
            return known[start], find_schedule(schedule)
    return None, None


def guess_schedule(text: str) -> ScheduleName | None:
    """The schedule that a text means in any case or spelling."""
    wanted = _normalize(text)
    return next(
        (
            s
            for s in SCHEDULE_NAMES
            if wanted in map(_normalize, (s.name, s.label, *(s.aliases or ())))
        ),
        None,
    )


def _normalize(text: str) -> str:
    plain = text.strip().lower().removeprefix("k_").replace("++", "pp")
    return "".join(letter for letter in plain if letter.isalnum())


def find_schedule(text: str) -> ScheduleName | None:
    """The schedule of this name, label or alias."""
    return next((s for s in SCHEDULE_NAMES if s.matches(text)), None)


def split_schedule(sampler: str) -> tuple[str, ScheduleName | None]:
    """``"DPM++ 2M Karras"`` -> ``("DPM++ 2M", Karras)``; no known ending: unchanged and None.

    The longest ending counts: ``"Euler SGM Uniform"`` names SGM Uniform, not Uniform.
    """
    endings = [
        (ending, schedule)
        for schedule in SCHEDULE_NAMES
        for ending in (schedule.label, schedule.name, *(schedule.aliases or ()))
        if sampler.endswith(" " + ending)
    ]
    if not endings:
        return sampler, None
    ending, schedule = max(endings, key=lambda each: len(each[0]))
    return sampler[: -len(ending) - 1], schedule


def resolve_names(
    sampler: str | None, schedule: str | None, *, lenient: bool = True
) -> tuple[str, str]:
    """The sampler's name and the schedule's label that a request means (contract section 4.1).

    A schedule at the end of the sampler's name counts when no schedule is given. Unknown names
    become ``DPM++ 2M`` and ``Automatic``; with ``lenient=False`` they raise :class:`KeyError`
    with the unknown name.
    """
    bare, ending = split_schedule(sampler or DEFAULT_SAMPLER)
    sampler_entry = find_sampler(bare)
    schedule_entry = find_schedule(schedule) if schedule else ending
    if not lenient and sampler_entry is None:
        raise KeyError(sampler)
    if not lenient and schedule and schedule_entry is None:
        raise KeyError(schedule)
    return (
        sampler_entry.name if sampler_entry else DEFAULT_SAMPLER,
        schedule_entry.label if schedule_entry else DEFAULT_SCHEDULE,
    )
