"""Table of samplers: name, function, traits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from generator.hooks import Tools
from generator.sampling import (
    dpm_solver,
    dpmpp,
    lcm,
    multistep,
    restart,
    singlestep,
    timestep,
    unipc,
)
from generator.sampling.sampler_names import (
    SAMPLER_NAMES,
    SamplerName,
    find_schedule,
    resolve_names,
)

CHURN = frozenset({"s_churn", "s_tmin", "s_tmax", "s_noise"})


@dataclass(frozen=True, slots=True)
class Sampler:
    """A sampler with its traits (contract section 4.1)."""

    entry: SamplerName
    function: Callable[..., Tensor]
    kind: str = "sigma"  # sigma | timestep | range (only sigma_min and sigma_max) | lcm
    takes: frozenset[str] = frozenset()  # of eta, s_churn, s_tmin, s_tmax, s_noise
    fixed: Mapping[str, object] = field(default_factory=dict)  # arguments that its name fixes

    @property
    def name(self) -> str:
        """Its exact name."""
        return self.entry.name

    @property
    def default_schedule(self) -> str | None:
        """Name of the schedule that "Automatic" means, None for the model's own table."""
        return self.entry.options.get("scheduler")

    @property
    def order(self) -> int:
        """Denoiser calls a step: 2 for second-order samplers."""
        return 2 if self._has_flag("second_order") else 1

    @property
    def discards_penultimate(self) -> bool:
        """Whether the smallest noise level above 0 is left out of its schedule."""
        return self._has_flag("discard_next_to_last_sigma")

    @property
    def uses_brownian_noise(self) -> bool:
        """Whether its noise comes from Brownian trees."""
        return self._has_flag("brownian_noise")

    def _has_flag(self, flag: str) -> bool:
        return self.entry.options.get(flag) == "True"


@dataclass(frozen=True, slots=True)
class _SamplerTraits:
    function: Callable[..., Tensor]
    kind: str = "sigma"
    takes: frozenset[str] = frozenset()
    fixed: Mapping[str, object] = field(default_factory=dict)


_ANCESTRAL = frozenset({"eta", "s_noise"})
_ETA = frozenset({"eta"})

_TRAITS: Mapping[str, _SamplerTraits] = {
    "DPM++ 2M": _SamplerTraits(dpmpp.dpmpp_2m),
    "DPM++ SDE": _SamplerTraits(dpmpp.dpmpp_sde, takes=_ANCESTRAL),
    "DPM++ 2M SDE": _SamplerTraits(dpmpp.dpmpp_2m_sde, takes=_ANCESTRAL),
    "DPM++ 2M SDE Heun": _SamplerTraits(
        dpmpp.dpmpp_2m_sde, takes=_ANCESTRAL, fixed={"solver_type": "heun"}
    ),
    "DPM++ 2S a": _SamplerTraits(dpmpp.dpmpp_2s_ancestral, takes=_ANCESTRAL),
    "DPM++ 3M SDE": _SamplerTraits(dpmpp.dpmpp_3m_sde, takes=_ANCESTRAL),
    "Euler a": _SamplerTraits(singlestep.euler_ancestral, takes=_ETA),
    "Euler": _SamplerTraits(singlestep.euler, takes=CHURN),
    "LMS": _SamplerTraits(multistep.lms),
    "Heun": _SamplerTraits(singlestep.heun, takes=CHURN),
    "DPM2": _SamplerTraits(singlestep.dpm2, takes=CHURN),
    "DPM2 a": _SamplerTraits(singlestep.dpm2_ancestral, takes=_ANCESTRAL),
    "DPM fast": _SamplerTraits(dpm_solver.dpm_fast, kind="range", takes=_ANCESTRAL),
    "DPM adaptive": _SamplerTraits(dpm_solver.dpm_adaptive, "range", _ETA),
    "Restart": _SamplerTraits(restart.restart),
    "DDIM": _SamplerTraits(timestep.ddim, kind="timestep", takes=_ETA),
    "DDIM CFG++": _SamplerTraits(timestep.ddim_cfgpp, kind="timestep", takes=_ETA),
    "PLMS": _SamplerTraits(timestep.plms, kind="timestep"),
    "UniPC": _SamplerTraits(unipc.unipc, kind="timestep"),
    "LCM": _SamplerTraits(lcm.lcm, kind="lcm"),
}


def _make_sampler(name_entry: SamplerName) -> Sampler:
    entry = _TRAITS[name_entry.name]
    return Sampler(name_entry, entry.function, entry.kind, entry.takes, entry.fixed)


SAMPLERS: Mapping[str, Sampler] = {named.name: _make_sampler(named) for named in SAMPLER_NAMES}


def resolve_sampler(
    sampler: str | None, schedule: str | None, tools: Tools | None = None
) -> tuple[Sampler, str]:
    """The sampler and the schedule's label that a request means; see :func:`names.resolve`.

    ``tools`` may hold others than ours; without them such a name means the default, as every
    unknown one does.
    """
    name, label = resolve_names(sampler, schedule)
    if tools is None:
        return SAMPLERS[name], label
    if schedule in tools.schedules and find_schedule(str(schedule)) is None:
        label = str(schedule)
    plugin_sampler = tools.samplers.get(sampler or "")
    if plugin_sampler is None or sampler in SAMPLERS:
        return SAMPLERS[name], label
    return Sampler(SamplerName(str(sampler), ()), plugin_sampler), label
