"""Infotext entries of a job beside its request's, in AUTOMATIC1111's order."""

from dataclasses import replace

from generator.hires.hires import HiresTexts, hires_notes
from generator.hooks import Tools
from generator.img2img.init_images import PreparedImages, img2img_notes
from generator.job.loaded_model import LORA_HASHES, LoadedModel
from generator.job.passes import PassPlan
from generator.pictures.infotext_parameters import Parameters, sampling_notes
from generator.prompt.grammar import Timing, schedule_prompt
from generator.request import GenerationRequest
from generator.sampling.samplers import resolve_sampler
from generator.sampling.schedules import schedule_for


def collect_notes(
    request: GenerationRequest,
    passes: tuple[PassPlan, PassPlan | None],
    model: LoadedModel,
    prepared: PreparedImages | None,
    titles: tuple[str | None, str | None],
    tools: Tools,
) -> Parameters:
    """AUTOMATIC1111's ``extra_generation_params``.

    ``titles`` are those of the second pass's checkpoint and of the refiner that took over, "stem
    [hash]", None where there was none.
    """
    first, second = passes
    notes: Parameters = img2img_notes(request, prepared) if prepared else {}
    if request.hires and second:
        notes |= hires_notes(request, request.hires, _hires_texts(first, second, titles[0]))
    model_notes = model.report.notes
    notes |= {key: model_notes.pop(key) for key in (LORA_HASHES,) if key in model_notes}
    notes |= _timeline_notes(first)
    notes |= model_notes
    prompts = first.texts.encoded + first.texts.negative_prompt
    if request.options.emphasis != "Original" and ("(" in prompts or "[" in prompts):
        notes["Emphasis"] = request.options.emphasis
    notes |= _sampling_notes(request, first, tools)
    if second:
        own = _sampling_notes(request, second, tools)
        notes |= _timeline_notes(second) | _merge_second_pass_notes(own, notes)
    return notes | _refiner_notes(request, titles[1]) | _padding_notes(request, model)


def _merge_second_pass_notes(own: Parameters, before: Parameters) -> Parameters:
    """The second pass's notes: they replace those ``before``, but each pass has its schedule."""
    label = own.pop("Schedule type", None)
    differs = label not in (None, before.get("Schedule type"))
    return own | {"Hires schedule type": label} if differs else own


def _timeline_notes(plan: PassPlan) -> Parameters:
    """Told only where the prompts change at other steps than they would by the new rules.

    Those of AUTOMATIC1111 before 1.6 count the first pass's calls in both passes.
    """
    timing = plan.timing
    if not timing.old:
        return {}
    old = Timing(timing.first_pass or timing.steps, old=True)
    new = replace(timing, old=False)
    texts = (plan.texts.encoded, plan.texts.negative_prompt)
    differ = any(schedule_prompt(text, old) != schedule_prompt(text, new) for text in texts)
    return {"Old prompt editing timelines": True} if differ else {}


def _sampling_notes(request: GenerationRequest, plan: PassPlan, tools: Tools) -> Parameters:
    request = replace(request, sampling=plan.sampling)
    sampler, label = resolve_sampler(request.sampling.sampler, request.sampling.schedule, tools)
    timestep = sampler.kind == "timestep"
    own = timestep or label in tools.schedules
    used = label if own else schedule_for(sampler.default_schedule, label)
    return sampling_notes(request, sampler, used)


def _hires_texts(first: PassPlan, own: PassPlan, title: str | None) -> HiresTexts:
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


def _padding_notes(request: GenerationRequest, model: LoadedModel) -> Parameters:
    """Whether prompts of different lengths were padded to one."""
    options = request.options
    if not model.has_uneven_prompts:
        return {}
    if options.pad_cond_uncond_v0:
        return {"Pad conds v0": True}
    return {"Pad conds": True} if options.pad_cond_uncond else {}
