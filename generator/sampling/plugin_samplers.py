"""Samplers and schedules that a listener brings, by the names that requests have. No torch."""

from collections.abc import Iterable
from dataclasses import replace

from generator.errors import BadRequest
from generator.hooks import Tools
from generator.request import GenerationRequest, Sampling
from generator.sampling.sampler_names import find_sampler, find_schedule, split_schedule


def resolve_plugin_names(
    request: GenerationRequest, tools: Tools, field: str = ""
) -> GenerationRequest:
    """``request`` with plugins' sampler and schedule names as they are spelled; ours stay.

    Raises :class:`BadRequest` for an unknown name, such as that of a plugin turned off meanwhile.
    It names ``field``, or the request's own.
    """
    first, fix = request.sampling, request.hires
    sampling = _resolve_sampling(first, tools, field or "sampler_name", field or "scheduler")
    if sampling != first:
        request = replace(request, sampling=sampling)
    if fix is None or (fix.sampler is None and fix.schedule is None):
        return request
    other = Sampling(fix.sampler or sampling.sampler, fix.schedule or sampling.schedule)
    hires_sampling = _resolve_sampling(
        other, tools, field or "hr_sampler_name", field or "hr_scheduler"
    )
    return replace(
        request,
        hires=replace(
            fix,
            sampler=hires_sampling.sampler if fix.sampler else None,
            schedule=hires_sampling.schedule if fix.schedule else None,
        ),
    )


def _resolve_sampling(wanted: Sampling, tools: Tools, sampler: str, schedule: str) -> Sampling:
    name, label = wanted.sampler, wanted.schedule
    if find_sampler(split_schedule(name)[0]) is None:
        name = _match_name(tools.samplers, name, f"Unknown sampler: {name}", sampler)
    if find_schedule(label) is None:
        label = _match_name(tools.schedules, label, f"Unknown schedule type: {label}", schedule)
    return replace(wanted, sampler=name, schedule=label)


def _match_name(names: Iterable[str], wanted: str, refusal: str, field: str) -> str:
    """The name as it is written, else in any case."""
    here = tuple(names)
    if wanted in here:
        return wanted
    for name in here:
        if name.lower() == wanted.lower():
            return name
    also = f". Plugins bring: {', '.join(here)}" if here else ""
    raise BadRequest(refusal + also, field, "unknown_name", value=wanted, known=here)
