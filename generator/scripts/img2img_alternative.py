"""img2img alternative test: sampling starts from the noise that leads to the picture."""

from dataclasses import replace
from typing import Any

from generator.request import Generation, GenerationRequest, Inversion
from generator.scripts.init_pictures import origin_of
from generator.scripts.request_facts import facts_of
from generator.scripts.script_draw import ScriptDraw


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: ScriptDraw) -> Generation:
    """One drawing, with what the script overrides."""
    (
        _,
        euler,
        same_prompt,
        prompt,
        negative,
        same_steps,
        steps,
        whole_strength,
        guidance,
        randomness,
        adjusted,
    ) = arguments
    inversion = Inversion(prompt, negative, steps, guidance, randomness, adjusted)
    notes = {
        "Decode prompt": prompt,
        "Decode negative prompt": negative,
        "Decode CFG scale": guidance,
        "Decode steps": steps,
        "Randomness": randomness,
        "Sigma Adjustment": adjusted,
    }
    sampling = request.sampling
    if euler:
        sampling = replace(sampling, sampler="Euler")
    if same_steps:
        sampling = replace(sampling, steps=steps)
    origin = replace(origin_of(request), inversion=inversion)
    if whole_strength:
        origin = replace(origin, strength=1.0)
    changed = replace(request, sampling=sampling, origin=origin, notes=notes)
    if same_prompt:
        changed = replace(changed, prompt=prompt, negative_prompt=negative)
    draw.expect([changed])
    generation = draw(changed)
    request_facts = facts_of(changed)
    facts = {key: request_facts[key] for key in ("sampler_name", "steps", "denoising_strength")}
    return replace(generation, facts={**generation.facts, **facts})
