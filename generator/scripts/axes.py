"""The axes of the X/Y/Z plot: what each is called, and how it changes a request. No torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from generator.errors import BadRequest
from generator.prompt.limits import MAX_CHARACTERS
from generator.request import (
    ControlUnit,
    GenerationRequest,
    Refiner,
)
from generator.sampling.sampler_names import (
    find_sampler_loosely,
    find_schedule,
    resolve_names,
    split_schedule,
)
from generator.scripts import values
from generator.scripts.changes import NO, YES, Change, change_nothing, change_part, restore_faces

TXT2IMG, IMG2IMG = "txt2img", "img2img"
NOTHING = "Nothing"
SEEDS = ("Seed", "Var. seed")
NUMBERS: Mapping[str, Callable[[str], float]] = MappingProxyType({"whole": int, "number": float})


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
    from_list: bool = False
    bounds: tuple[float, float] | None = None  # least and greatest value

    def read(self, text: str, choices: Sequence[str], *, by_text: bool) -> list[Any]:
        """The values of this axis. Raises :class:`BadRequest` naming it."""
        if self.kind == "nothing":
            return [0]
        texts = list(choices) if self.from_list and not by_text else values.split_values(text)
        axis_values = self._read(texts)
        if not axis_values:
            raise BadRequest(
                f"{self.label}: no values are given.", "script_args", "missing", label=self.label
            )
        for value in axis_values if self.bounds else ():
            self._check(value)
        return axis_values

    def count(self, text: str, choices: Sequence[str], *, by_text: bool) -> int:
        """How many values those are that :meth:`read` makes. Raises as it does for too many."""
        if self.kind == "nothing":
            return 1
        texts = list(choices) if self.from_list and not by_text else values.split_values(text)
        if self.kind == "order":
            return values.count_orders(texts)
        return values.count_values(texts, self.label, NUMBERS.get(self.kind))

    def _check(self, value: float) -> None:
        assert self.bounds is not None
        least, most = self.bounds
        if not least <= value <= most:
            raise BadRequest(
                f"{self.label}: {value} is out of range; it must be from {least:g} to {most:g}.",
                "script_args",
                "out_of_range",
                value=value,
                least=least,
                most=most,
                label=self.label,
            )

    def _read(self, texts: list[str]) -> list[Any]:
        if self.kind == "whole":
            return values.parse_whole_numbers(texts, self.label)
        if self.kind == "number":
            return values.parse_numbers(texts, self.label)
        if self.kind == "order":
            return values.parse_orders(texts)
        if self.kind == "switch":
            return [_parse_switch(self.label, text) for text in texts]
        return texts

    def legend_text(self, value: Any) -> str:
        """How a value stands in the legend."""
        if self.kind == "nothing":
            return ""
        if self.show == "joined":
            return ", ".join(value)
        if self.show == "stem":
            return str(value).rpartition("/")[2]
        rounded = round(value, 8) if isinstance(value, float) else value
        return str(rounded) if self.show == "plain" else f"{self.label}: {rounded}"


def _parse_switch(label: str, text: str) -> bool:
    if text.lower() not in YES + NO:
        raise BadRequest(
            f"{label}: {text!r} is neither true nor false.",
            "script_args",
            "wrong_type",
            value=text,
            expected="bool",
            label=label,
        )
    return text.lower() in YES


# --- the changes --------------------------------------------------------------------------------


def _change_control(name: str) -> Change:
    """Of the first ControlNet unit."""
    assert name in {field.name for field in fields(ControlUnit)}

    def change(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
        if not request.controls:
            raise BadRequest(
                "A ControlNet axis needs an enabled ControlNet unit.",
                "script_args",
                "needs_other",
                other="alwayson_scripts.controlnet",
            )
        first, *others = request.controls
        return replace(request, controls=(replace(first, **{name: value}), *others))

    return change


def _toggle_control(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    return request if value else replace(request, controls=request.controls[1:])


def _set_strength(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    if request.origin is not None:
        return replace(request, origin=replace(request.origin, strength=value))
    if request.hires is not None:
        return replace(request, hires=replace(request.hires, strength=value))
    return request


def _search_replace(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    """The first value stands for the others in both prompts."""
    first = among[0]
    if first not in request.prompt and first not in request.negative_prompt:
        raise BadRequest(
            f"Prompt S/R did not find {first} in prompt or negative prompt.",
            "script_args",
            "unknown_name",
            value=first,
        )
    for text in (request.prompt, request.negative_prompt):
        length = len(text) + text.count(first) * (len(value) - len(first))
        if length > MAX_CHARACTERS:
            raise BadRequest(
                f"Prompt S/R makes a prompt of {length:,} characters; at most {MAX_CHARACTERS:,}.",
                "script_args",
                "too_long",
                length=length,
                most=MAX_CHARACTERS,
            )
    return replace(
        request,
        prompt=request.prompt.replace(first, value),
        negative_prompt=request.negative_prompt.replace(first, value),
    )


def _reorder(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    """The parts of ``value`` take one another's places in the prompt, in that order."""
    prompt = request.prompt
    present = [word for word in value if word in prompt]
    places = sorted((prompt.find(word), word) for word in present)
    pieces, end = [], 0
    for (start, word), new in zip(places, present, strict=True):
        pieces += [prompt[end:start], new]
        end = start + len(word)
    return replace(request, prompt="".join(pieces) + prompt[end:])


def _set_sampler(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    name, schedule = _known_sampler(value, request.sampling.schedule)
    return replace(request, sampling=replace(request.sampling, sampler=name, schedule=schedule))


def _set_hires_sampler(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    name, _ = _known_sampler(value, request.sampling.schedule)
    return change_part("hires", "sampler")(request, name, among)


def _known_sampler(value: str, schedule: str) -> tuple[str, str]:
    """Names count in any case here, and aliases too (contract section 4.1)."""
    bare, _ = split_schedule(value)
    sampler_entry = find_sampler_loosely(bare) or find_sampler_loosely(value)
    if sampler_entry is None:  # a plugin's, or nobody's: what draws the cells knows
        return value, schedule
    return resolve_names(sampler_entry.name + value[len(bare) :], schedule)


def _set_schedule(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    entry = find_schedule(value)
    label = entry.label if entry else value  # a plugin's, or nobody's: see _known_sampler
    return replace(request, sampling=replace(request.sampling, schedule=label))


def _set_checkpoint(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    return replace(request, checkpoint=value)


def _set_vae(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    words = {"auto": "Automatic", "automatic": "Automatic", "none": "None"}
    return replace(request, vae=words.get(value.lower(), value))


def _add_styles(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    return replace(request, styles=(*request.styles, *value.split(",")))


def _set_refiner(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    if value in ("", "None"):
        return replace(request, refiner=None)
    switch_at = request.refiner.switch_at if request.refiner else 0.8
    return replace(request, refiner=Refiner(value, switch_at))


def _set_refiner_switch(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    if request.refiner is None:
        return request
    return replace(request, refiner=replace(request.refiner, switch_at=value))


def _set_size(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    width, mark, height = value.lower().partition("x")
    if not mark or not width.strip().isdecimal() or not height.strip().isdecimal():
        raise BadRequest(f"Size: {value!r} is not WIDTHxHEIGHT.", "script_args")
    sides = int(width), int(height)
    if not all(8 <= side <= 4096 for side in sides):
        raise BadRequest(f"Size: {value}: sides are from 8 to 4096 pixels.", "script_args")
    return replace(request, width=sides[0], height=sides[1])


def _not_implemented(what: str) -> Change:
    def change(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
        if value in (False, "", "None", "none", "Disable"):
            return request
        raise BadRequest(f"{what} is not there yet.", "script_args")

    return change


# --- the table ----------------------------------------------------------------------------------

SEED, SHARE, STEPS, GUIDANCE = (-(2.0**63), 2.0**63), (0, 1), (1, 1000), (-1000, 1000)
POSITIVE, HUNDRED, BETA, SKIP, ORDER = (0, 1e9), (0, 100), (0.01, 100), (1, 12), (1, 10)
MERGED, WEIGHT, SIDE, THRESHOLD = (0, 0.9), (0, 2), (64, 2048), (-1, 2048)

ALL_AXES: tuple[Axis, ...] = (
    Axis(NOTHING, "nothing", change_nothing),
    Axis("Seed", "whole", change_part("seeds", "seed"), bounds=SEED),
    Axis("Var. seed", "whole", change_part("seeds", "variation_seed"), bounds=SEED),
    Axis("Var. strength", "number", change_part("seeds", "variation_strength"), bounds=SHARE),
    Axis("Steps", "whole", change_part("sampling", "steps"), bounds=STEPS),
    Axis("Hires steps", "whole", change_part("hires", "steps"), only=TXT2IMG, bounds=STEPS),
    Axis("CFG Scale", "number", change_part("sampling", "guidance"), bounds=GUIDANCE),
    Axis(
        "Image CFG Scale",
        "number",
        change_part("origin", "image_guidance"),
        only=IMG2IMG,
        bounds=GUIDANCE,
    ),
    Axis("Prompt S/R", "text", _search_replace, "plain"),
    Axis("Prompt order", "order", _reorder, "joined"),
    Axis("Sampler", "text", _set_sampler, "plain", from_list=True),
    Axis("Hires sampler", "text", _set_hires_sampler, "plain", only=TXT2IMG, from_list=True),
    Axis("Checkpoint name", "text", _set_checkpoint, "stem", cost=1.0, from_list=True),
    Axis(
        "Negative Guidance minimum sigma",
        "number",
        change_part("sampling", "s_min_uncond"),
        bounds=POSITIVE,
    ),
    Axis("Sigma Churn", "number", change_part("sampling", "s_churn"), bounds=POSITIVE),
    Axis("Sigma min", "number", change_part("sampling", "s_tmin"), bounds=POSITIVE),
    Axis("Sigma max", "number", change_part("sampling", "s_tmax"), bounds=POSITIVE),
    Axis("Sigma noise", "number", change_part("sampling", "s_noise"), bounds=HUNDRED),
    Axis("Schedule type", "text", _set_schedule, from_list=True),
    Axis("Schedule min sigma", "number", change_part("options", "sigma_min"), bounds=POSITIVE),
    Axis("Schedule max sigma", "number", change_part("options", "sigma_max"), bounds=POSITIVE),
    Axis("Schedule rho", "number", change_part("options", "rho"), bounds=HUNDRED),
    Axis("Beta schedule alpha", "number", change_part("options", "beta_dist_alpha"), bounds=BETA),
    Axis("Beta schedule beta", "number", change_part("options", "beta_dist_beta"), bounds=BETA),
    Axis("Eta", "number", change_part("sampling", "eta"), bounds=HUNDRED),
    Axis("Clip skip", "whole", change_part("options", "CLIP_stop_at_last_layers"), bounds=SKIP),
    Axis("Denoising", "number", _set_strength, bounds=SHARE),
    Axis(
        "Initial noise multiplier",
        "number",
        change_part("origin", "noise_multiplier"),
        bounds=HUNDRED,
    ),
    Axis("Extra noise", "number", change_part("options", "img2img_extra_noise"), bounds=SHARE),
    Axis("Hires upscaler", "text", change_part("hires", "upscaler"), only=TXT2IMG, from_list=True),
    Axis(
        "Cond. Image Mask Weight",
        "number",
        change_part("options", "inpainting_mask_weight"),
        only=IMG2IMG,
        bounds=SHARE,
    ),
    Axis("VAE", "text", _set_vae, cost=0.7, from_list=True),
    Axis("Styles", "text", _add_styles, from_list=True),
    Axis("UniPC Order", "whole", change_part("options", "uni_pc_order"), cost=0.5, bounds=ORDER),
    Axis("Face restore", "text", restore_faces, "plain", from_list=True),
    Axis(
        "Token merging ratio",
        "number",
        change_part("options", "token_merging_ratio"),
        bounds=MERGED,
    ),
    Axis(
        "Token merging ratio high-res",
        "number",
        change_part("options", "token_merging_ratio_hr"),
        bounds=MERGED,
    ),
    Axis(
        "Always discard next-to-last sigma",
        "switch",
        change_part("options", "always_discard_next_to_last_sigma"),
        from_list=True,
    ),
    Axis(
        "SGM noise multiplier",
        "switch",
        change_part("options", "sgm_noise_multiplier"),
        from_list=True,
    ),
    Axis("Refiner checkpoint", "text", _set_refiner, "stem", cost=1.0, from_list=True),
    Axis("Refiner switch at", "number", _set_refiner_switch, bounds=SHARE),
    Axis("RNG source", "text", change_part("options", "randn_source"), from_list=True),
    Axis("FP8 mode", "text", _not_implemented("FP8"), cost=0.9, from_list=True),
    Axis("Size", "text", _set_size),
    Axis("[ControlNet] Enabled", "switch", _toggle_control, from_list=True),
    Axis("[ControlNet] Model", "text", _change_control("model"), cost=0.9, from_list=True),
    Axis("[ControlNet] Weight", "number", _change_control("weight"), bounds=WEIGHT),
    Axis("[ControlNet] Guidance Start", "number", _change_control("guidance_start"), bounds=SHARE),
    Axis("[ControlNet] Guidance End", "number", _change_control("guidance_end"), bounds=SHARE),
    Axis("[ControlNet] Control Mode", "text", _change_control("control_mode"), from_list=True),
    Axis("[ControlNet] Resize Mode", "text", _change_control("resize_mode"), from_list=True),
    Axis("[ControlNet] Preprocessor", "text", _change_control("module"), from_list=True),
    Axis("[ControlNet] Pre Resolution", "whole", _change_control("processor_res"), bounds=SIDE),
    Axis(
        "[ControlNet] Pre Threshold A", "number", _change_control("threshold_a"), bounds=THRESHOLD
    ),
    Axis(
        "[ControlNet] Pre Threshold B", "number", _change_control("threshold_b"), bounds=THRESHOLD
    ),
)
AXES: Mapping[str, tuple[Axis, ...]] = MappingProxyType(
    {
        route: tuple(axis for axis in ALL_AXES if axis.only in ("", route))
        for route in (TXT2IMG, IMG2IMG)
    }
)
"""By route, in the order in which arguments count them."""
