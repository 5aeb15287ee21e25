"""What a job's infotexts say beside the request's own numbers, in AUTOMATIC1111's order."""

from dataclasses import replace

from generator.bench import LORA_HASHES, Bench
from generator.hires import HiresTexts, hires_notes
from generator.hooks import Tools
from generator.legs import Leg
from generator.origins import Prepared, origin_notes
from generator.pictures.description import Parameters, sampling_notes
from generator.prompt.grammar import Timing, schedule
from generator.request import GenerationRequest
from generator.sampling.samplers import resolve
from generator.sampling.schedules import schedule_for


def describe(
    request: GenerationRequest,
    legs: tuple[Leg, Leg | None],
    bench: Bench,
    prepared: Prepared | None,
    titles: tuple[str | None, str | None],
    tools: Tools,
) -> Parameters:
    """AUTOMATIC1111's ``extra_generation_params``.

    ``titles`` are those of the second pass's checkpoint and of the refiner that took over, "stem
    [hash]", None where there was none.
    """
    first, second = legs
    notes: Parameters = origin_notes(request, prepared) if prepared else {}
    if request.hires and second:
        notes |= hires_notes(request, request.hires, _hires_texts(first, second, titles[0]))
    found = bench.found.notes
    notes |= {key: found.pop(key) for key in (LORA_HASHES,) if key in found}
    notes |= _timeline_notes(first)
    notes |= found
    prompts = first.texts.encoded + first.texts.negative_prompt
    if request.options.emphasis != "Original" and ("(" in prompts or "[" in prompts):
        notes["Emphasis"] = request.options.emphasis
    notes |= _sampling_notes(request, first, tools)
    if second:
        own = _sampling_notes(request, second, tools)
        notes |= _timeline_notes(second) | _of_second_pass(own, notes)
    return notes | _refiner_notes(request, titles[1]) | _padding_notes(request, bench)


def _of_second_pass(own: Parameters, before: Parameters) -> Parameters:
    """The second pass's notes: they replace those ``before``, but each pass has its schedule."""
    label = own.pop("Schedule type", None)
    differs = label not in (None, before.get("Schedule type"))
    return own | {"Hires schedule type": label} if differs else own


def _timeline_notes(leg: Leg) -> Parameters:
    """Told only where the prompts change at other steps than they would by the new rules.

    Those of AUTOMATIC1111 before 1.6 count the first pass's calls in both passes.
    """
    timing = leg.timing
    if not timing.old:
        return {}
    old = Timing(timing.first_pass or timing.steps, old=True)
    new = replace(timing, old=False)
    texts = (leg.texts.encoded, leg.texts.negative_prompt)
    differ = any(schedule(text, old) != schedule(text, new) for text in texts)
    return {"Old prompt editing timelines": True} if differ else {}


def _sampling_notes(request: GenerationRequest, leg: Leg, tools: Tools) -> Parameters:
    request = replace(request, sampling=leg.sampling)
    sampler, label = resolve(request.sampling.sampler, request.sampling.schedule, tools)
    timestep = sampler.kind == "timestep"
    own = timestep or label in tools.schedules
    used = label if own else schedule_for(sampler.default_schedule, label)
    return sampling_notes(request, sampler, used)


def _hires_texts(first: Leg, own: Leg, title: str | None) -> HiresTexts:
    """What the second pass draws with, where that is something else."""
    before, after = first.texts, own.texts
    negative = after.negative_prompt
    return HiresTexts(
        checkpoint=title if own.checkpoint != first.checkpoint else None,
        prompt=after.prompt if after.prompt != before.prompt else None,
        negative_prompt=negative if negative != before.negative_prompt else None,
    )


def _refiner_notes(request: GenerationRequest, title: str | None) -> Parameters:
    notes: Parameters = {}
    if request.options.refiner_switch_by_sample_steps:
        notes["Refiner switch by sampling steps"] = True
    if request.refiner is None or title is None:
        return notes
    acts = request.options.hires_fix_refiner_pass
    if request.hires and acts != "second pass":
        notes["Hires refiner"] = acts
    return notes | {"Refiner": title, "Refiner switch at": request.refiner.switch_at}


def _padding_notes(request: GenerationRequest, bench: Bench) -> Parameters:
    """Whether prompts of different lengths were padded to one."""
    options = request.options
    if not bench.uneven:
        return {}
    if options.pad_cond_uncond_v0:
        return {"Pad conds v0": True}
    return {"Pad conds": True} if options.pad_cond_uncond else {}
