"""The axes of the X/Y/Z plot: what each is called, and how it changes a request. No torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from generator.errors import BadRequest
from generator.prompt.limits import LONGEST
from generator.request import (
    ControlUnit,
    GenerationRequest,
    Refiner,
)
from generator.sampling.names import find_sampler_loosely, find_schedule, resolve, split_schedule
from generator.scripts import values
from generator.scripts.changes import Change, part, same

TXT2IMG, IMG2IMG = "txt2img", "img2img"
NOTHING = "Nothing"
SEEDS = ("Seed", "Var. seed")
NUMBERS: Mapping[str, Callable[[str], float]] = MappingProxyType({"whole": int, "number": float})
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Axis:
    """One way to vary a request.

    ``cost`` tells how dear a change is: dear axes are walked outermost. ``from_list`` axes take
    their values from a list instead of a text, unless texts are asked for.
    """

    label: str
    kind: str  # nothing | whole | number | text | order | switch
    change: Change
    show: str = "labelled"  # labelled | plain | joined | stem
    cost: float = 0.0
    only: str = ""  # txt2img | img2img
    chosen: bool = False
    within: tuple[float, float] | None = None  # least and greatest value

    def read(self, text: str, chosen: Sequence[str], *, by_text: bool) -> list[Any]:
        """The values of this axis. Raises :class:`BadRequest` naming it."""
        if self.kind == "nothing":
            return [0]
        texts = list(chosen) if self.chosen and not by_text else values.split(text)
        found = self._read(texts)
        if not found:
            raise BadRequest(f"{self.label}: no values are given.", "script_args")
        for value in found if self.within else ():
            self._check(value)
        return found

    def count(self, text: str, chosen: Sequence[str], *, by_text: bool) -> int:
        """How many values those are that :meth:`read` makes. Raises as it does for too many."""
        if self.kind == "nothing":
            return 1
        texts = list(chosen) if self.chosen and not by_text else values.split(text)
        if self.kind == "order":
            return values.count_orders(texts)
        return values.count(texts, self.label, NUMBERS.get(self.kind))

    def _check(self, value: float) -> None:
        assert self.within is not None
        least, most = self.within
        if not least <= value <= most:
            raise BadRequest(
                f"{self.label}: {value} is out of range; it must be from {least:g} to {most:g}.",
                "script_args",
            )

    def _read(self, texts: list[str]) -> list[Any]:
        if self.kind == "whole":
            return values.whole_numbers(texts, self.label)
        if self.kind == "number":
            return values.numbers(texts, self.label)
        if self.kind == "order":
            return values.orders(texts)
        if self.kind == "switch":
            return [_switch(self.label, text) for text in texts]
        return texts

    def word(self, value: Any) -> str:
        """How a value stands in the legend."""
        if self.kind == "nothing":
            return ""
        if self.show == "joined":
            return ", ".join(value)
        if self.show == "stem":
            return str(value).rpartition("/")[2]
        shown = round(value, 8) if isinstance(value, float) else value
        return str(shown) if self.show == "plain" else f"{self.label}: {shown}"


def _switch(label: str, text: str) -> bool:
    if text.lower() not in YES + NO:
        raise BadRequest(f"{label}: {text!r} is neither true nor false.", "script_args")
    return text.lower() in YES


# --- the changes --------------------------------------------------------------------------------


def _control(name: str) -> Change:
    """Of the first ControlNet unit."""
    assert name in {field.name for field in fields(ControlUnit)}

    def change(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
        if not request.controls:
            raise BadRequest("A ControlNet axis needs an enabled ControlNet unit.", "script_args")
        first, *others = request.controls
        return replace(request, controls=(replace(first, **{name: value}), *others))

    return change


def _without_control(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    return request if value else replace(request, controls=request.controls[1:])


def _strength(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    if request.origin is not None:
        return replace(request, origin=replace(request.origin, strength=value))
    if request.hires is not None:
        return replace(request, hires=replace(request.hires, strength=value))
    return request


def _search(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    """The first value stands for the others in both prompts."""
    first = among[0]
    if first not in request.prompt and first not in request.negative_prompt:
        raise BadRequest(
            f"Prompt S/R did not find {first} in prompt or negative prompt.", "script_args"
        )
    for text in (request.prompt, request.negative_prompt):
        length = len(text) + text.count(first) * (len(value) - len(first))
        if length > LONGEST:
            raise BadRequest(
                f"Prompt S/R makes a prompt of {length:,} characters; at most {LONGEST:,}.",
                "script_args",
            )
    return replace(
        request,
        prompt=request.prompt.replace(first, value),
        negative_prompt=request.negative_prompt.replace(first, value),
    )


def _reorder(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    """The parts of ``value`` take one another's places in the prompt, in that order."""
    prompt = request.prompt
    there = [word for word in value if word in prompt]
    places = sorted((prompt.find(word), word) for word in there)
    pieces, end = [], 0
    for (start, word), new in zip(places, there, strict=True):
        pieces += [prompt[end:start], new]
        end = start + len(word)
    return replace(request, prompt="".join(pieces) + prompt[end:])


def _sampler(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    name, schedule = _known_sampler(value, request.sampling.schedule)
    return replace(request, sampling=replace(request.sampling, sampler=name, schedule=schedule))


def _hires_sampler(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    name, _ = _known_sampler(value, request.sampling.schedule)
    return part("hires", "sampler")(request, name, among)


def _known_sampler(value: str, schedule: str) -> tuple[str, str]:
    """Names count in any case here, and aliases too (contract section 4.1)."""
    bare, _ = split_schedule(value)
    found = find_sampler_loosely(bare) or find_sampler_loosely(value)
    if found is None:  # a plugin's, or nobody's: what draws the cells knows
        return value, schedule
    return resolve(found.name + value[len(bare) :], schedule)


def _schedule(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    found = find_schedule(value)
    label = found.label if found else value  # a plugin's, or nobody's: see _known_sampler
    return replace(request, sampling=replace(request.sampling, schedule=label))


def _checkpoint(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    return replace(request, checkpoint=value)


def _vae(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    words = {"auto": "Automatic", "automatic": "Automatic", "none": "None"}
    return replace(request, vae=words.get(value.lower(), value))


def _styles(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    return replace(request, styles=(*request.styles, *value.split(",")))


def _refiner(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    if value in ("", "None"):
        return replace(request, refiner=None)
    switch_at = request.refiner.switch_at if request.refiner else 0.8
    return replace(request, refiner=Refiner(value, switch_at))


def _refine_at(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    if request.refiner is None:
        return request
    return replace(request, refiner=replace(request.refiner, switch_at=value))


def _size(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    width, mark, height = value.lower().partition("x")
    if not mark or not width.strip().isdigit() or not height.strip().isdigit():
        raise BadRequest(f"Size: {value!r} is not WIDTHxHEIGHT.", "script_args")
    sides = int(width), int(height)
    if not all(8 <= side <= 4096 for side in sides):
        raise BadRequest(f"Size: {value}: sides are from 8 to 4096 pixels.", "script_args")
    return replace(request, width=sides[0], height=sides[1])


def _absent(what: str) -> Change:
    def change(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
        if value in (False, "", "None", "none", "Disable"):
            return request
        raise BadRequest(f"{what} is not there yet.", "script_args")

    return change


# --- the table ----------------------------------------------------------------------------------

SEED, SHARE, STEPS, GUIDANCE = (-(2.0**63), 2.0**63), (0, 1), (1, 1000), (-1000, 1000)
POSITIVE, HUNDRED, BETA, SKIP, ORDER = (0, 1e9), (0, 100), (0.01, 100), (1, 12), (1, 10)
MERGED, WEIGHT, SIDE, THRESHOLD = (0, 0.9), (0, 2), (64, 2048), (-1, 2048)

ALL: tuple[Axis, ...] = (
    Axis(NOTHING, "nothing", same),
    Axis("Seed", "whole", part("seeds", "seed"), within=SEED),
    Axis("Var. seed", "whole", part("seeds", "variation_seed"), within=SEED),
    Axis("Var. strength", "number", part("seeds", "variation_strength"), within=SHARE),
    Axis("Steps", "whole", part("sampling", "steps"), within=STEPS),
    Axis("Hires steps", "whole", part("hires", "steps"), only=TXT2IMG, within=STEPS),
    Axis("CFG Scale", "number", part("sampling", "guidance"), within=GUIDANCE),
    Axis(
        "Image CFG Scale", "number", part("origin", "image_guidance"), only=IMG2IMG, within=GUIDANCE
    ),
    Axis("Prompt S/R", "text", _search, "plain"),
    Axis("Prompt order", "order", _reorder, "joined"),
    Axis("Sampler", "text", _sampler, "plain", chosen=True),
    Axis("Hires sampler", "text", _hires_sampler, "plain", only=TXT2IMG, chosen=True),
    Axis("Checkpoint name", "text", _checkpoint, "stem", cost=1.0, chosen=True),
    Axis(
        "Negative Guidance minimum sigma",
        "number",
        part("sampling", "s_min_uncond"),
        within=POSITIVE,
    ),
    Axis("Sigma Churn", "number", part("sampling", "s_churn"), within=POSITIVE),
    Axis("Sigma min", "number", part("sampling", "s_tmin"), within=POSITIVE),
    Axis("Sigma max", "number", part("sampling", "s_tmax"), within=POSITIVE),
    Axis("Sigma noise", "number", part("sampling", "s_noise"), within=HUNDRED),
    Axis("Schedule type", "text", _schedule, chosen=True),
    Axis("Schedule min sigma", "number", part("options", "sigma_min"), within=POSITIVE),
    Axis("Schedule max sigma", "number", part("options", "sigma_max"), within=POSITIVE),
    Axis("Schedule rho", "number", part("options", "rho"), within=HUNDRED),
    Axis("Beta schedule alpha", "number", part("options", "beta_dist_alpha"), within=BETA),
    Axis("Beta schedule beta", "number", part("options", "beta_dist_beta"), within=BETA),
    Axis("Eta", "number", part("sampling", "eta"), within=HUNDRED),
    Axis("Clip skip", "whole", part("options", "CLIP_stop_at_last_layers"), within=SKIP),
    Axis("Denoising", "number", _strength, within=SHARE),
    Axis("Initial noise multiplier", "number", part("origin", "noise_multiplier"), within=HUNDRED),
    Axis("Extra noise", "number", part("options", "img2img_extra_noise"), within=SHARE),
    Axis("Hires upscaler", "text", part("hires", "upscaler"), only=TXT2IMG, chosen=True),
    Axis(
        "Cond. Image Mask Weight",
        "number",
        part("options", "inpainting_mask_weight"),
        only=IMG2IMG,
        within=SHARE,
    ),
    Axis("VAE", "text", _vae, cost=0.7, chosen=True),
    Axis("Styles", "text", _styles, chosen=True),
    Axis("UniPC Order", "whole", part("options", "uni_pc_order"), cost=0.5, within=ORDER),
    Axis("Face restore", "text", _absent("Face restoration"), "plain", chosen=True),
    Axis("Token merging ratio", "number", part("options", "token_merging_ratio"), within=MERGED),
    Axis(
        "Token merging ratio high-res",
        "number",
        part("options", "token_merging_ratio_hr"),
        within=MERGED,
    ),
    Axis(
        "Always discard next-to-last sigma",
        "switch",
        part("options", "always_discard_next_to_last_sigma"),
        chosen=True,
    ),
    Axis("SGM noise multiplier", "switch", part("options", "sgm_noise_multiplier"), chosen=True),
    Axis("Refiner checkpoint", "text", _refiner, "stem", cost=1.0, chosen=True),
    Axis("Refiner switch at", "number", _refine_at, within=SHARE),
    Axis("RNG source", "text", part("options", "randn_source"), chosen=True),
    Axis("FP8 mode", "text", _absent("FP8"), cost=0.9, chosen=True),
    Axis("Size", "text", _size),
    Axis("[ControlNet] Enabled", "switch", _without_control, chosen=True),
    Axis("[ControlNet] Model", "text", _control("model"), cost=0.9, chosen=True),
    Axis("[ControlNet] Weight", "number", _control("weight"), within=WEIGHT),
    Axis("[ControlNet] Guidance Start", "number", _control("guidance_start"), within=SHARE),
    Axis("[ControlNet] Guidance End", "number", _control("guidance_end"), within=SHARE),
    Axis("[ControlNet] Control Mode", "text", _control("control_mode"), chosen=True),
    Axis("[ControlNet] Resize Mode", "text", _control("resize_mode"), chosen=True),
    Axis("[ControlNet] Preprocessor", "text", _control("module"), chosen=True),
    Axis("[ControlNet] Pre Resolution", "whole", _control("processor_res"), within=SIDE),
    Axis("[ControlNet] Pre Threshold A", "number", _control("threshold_a"), within=THRESHOLD),
    Axis("[ControlNet] Pre Threshold B", "number", _control("threshold_b"), within=THRESHOLD),
)
AXES: Mapping[str, tuple[Axis, ...]] = MappingProxyType(
    {route: tuple(axis for axis in ALL if axis.only in ("", route)) for route in (TXT2IMG, IMG2IMG)}
)
"""By route, in the order in which arguments count them."""
