"""Prompts from file or textbox: a drawing a line, each line with settings of its own."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from generator.errors import BadRequest
from generator.prompt.limits import MAX_CHARACTERS, check_request
from generator.request import Generation, GenerationRequest
from generator.sampling.sampler_names import find_sampler_loosely, resolve_names
from generator.scripts.changes import (
    Change,
    change_field,
    change_nothing,
    change_part,
    restore_faces,
)
from generator.scripts.request_facts import SCRIPT_FACTS
from generator.scripts.script_draw import ScriptDraw, derive_seed, join_generations


@dataclass(frozen=True, slots=True)
class PromptLine:
    """A line taken apart: its prompt, and its settings by name."""

    prompt: str = ""
    negative_prompt: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: ScriptDraw) -> Generation:
    """Draw the lines in order. Raises :class:`BadRequest` for a text without lines."""
    iterate, same, position, text = arguments
    own = tuple(draw.tools.samplers)
    lines = [read_line(line.strip(), own) for line in text.splitlines() if line.strip()]
    if not lines:
        raise BadRequest("List of prompt inputs: there is no line in it.", "script_args")
    requests = []
    for place, line in enumerate(lines):
        requests.append(draw.resolve_request_names(_apply_line(request, line, position)))
        if line.settings.get("seed", -1) == -1:
            requests[-1] = _with_seed(requests[-1], request, place, iterate=iterate, same=same)
    draw.expect(requests)
    for (
        line_request
    ) in requests:  # the first pictures are not thrown away with a refusal of the last
        check_request(line_request)
    generations = []
    for line_request in requests:
        generations.append(draw(line_request))
        if generations[-1].stopped:
            break
    generation = join_generations(generations)
    return replace(generation, facts=_info_facts(request, requests, generation))


def _with_seed(
    line_request: GenerationRequest,
    request: GenerationRequest,
    place: int,
    *,
    iterate: bool,
    same: bool,
) -> GenerationRequest:
    """The seed of a line: the request's, the next in turn, or one of its own."""
    seed = request.seeds.seed
    if iterate:
        seed += place * request.picture_count
    elif request.seeds.random and not same and place:
        seed = derive_seed(seed, place)
    return replace(line_request, seeds=replace(line_request.seeds, seed=seed))


def request_of(
    request: GenerationRequest, text: str, position: str, samplers: Sequence[str] = ()
) -> GenerationRequest:
    """What a line draws, its seed not settled. Raises :class:`BadRequest`."""
    return _apply_line(request, read_line(text, samplers), position)


def _apply_line(request: GenerationRequest, line: PromptLine, position: str) -> GenerationRequest:
    prompts = [line.prompt, request.prompt]
    negatives = [line.negative_prompt or "", request.negative_prompt]
    if position == "end":
        prompts.reverse()
        negatives.reverse()
    request = replace(
        request,
        prompt=" ".join(part for part in prompts if part),
        negative_prompt=" ".join(part for part in negatives if part),
    )
    for name, value in line.settings.items():
        request = SETTINGS[name].change(request, value, ())
    return request


def _info_facts(
    request: GenerationRequest, requests: list[GenerationRequest], generation: Generation
) -> dict[str, object]:
    """As AUTOMATIC1111 tells of them: the lines' prompts, and of seeds the request's alone."""
    texts = [picture.infotext for picture in generation.pictures]
    return {
        **SCRIPT_FACTS,
        "prompt": requests[0].prompt,
        "all_prompts": [picture.prompt for picture in generation.pictures],
        "all_negative_prompts": [request.negative_prompt],
        "all_seeds": [request.seeds.seed],
        "all_subseeds": [-1],
        "index_of_first_image": 0,
        "infotexts": texts,
    }


# --- the grammar of a line ----------------------------------------------------------------------


def read_line(text: str, samplers: Sequence[str] = ()) -> PromptLine:
    """A line: a prompt, or ``--name value`` pairs; one that cannot be read is a prompt.

    ``samplers`` are those that plugins bring.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadRequest(
            f"List of prompt inputs: a line of {len(text):,} characters; at most "
            f"{MAX_CHARACTERS:,}.",
            "script_args",
        )
    if "--" not in text:
        return PromptLine(text)
    try:
        return _read_settings(shlex.split(text), samplers)
    except ValueError:
        return PromptLine(text)


def _read_settings(words: list[str], samplers: Sequence[str]) -> PromptLine:
    """Raises ``ValueError`` for what is no list of known settings."""
    prompt, negative, settings = "", None, {}
    while words:
        name = words.pop(0)
        if not name.startswith("--"):
            raise ValueError(f"{name!r} stands where a setting's name should")
        name = name.removeprefix("--")
        if name in ("prompt", "negative_prompt"):
            taken = []
            while words and not words[0].startswith("--"):
                taken.append(words.pop(0))
            if name == "prompt":
                prompt = " ".join(taken)
            else:
                negative = " ".join(taken)
        elif name == "sampler_name" and words and words[0] in samplers:
            settings[name] = words.pop(0)
        else:
            settings[name] = _read_value(name, words.pop(0) if words else "")
    return PromptLine(prompt, negative, settings)


def _read_value(name: str, word: str) -> Any:
    if name not in SETTINGS:
        raise ValueError(f"there is no setting {name!r}")
    setting = SETTINGS[name]
    value = setting.read(word)
    if setting.bounds and not setting.bounds[0] <= value <= setting.bounds[1]:
        raise BadRequest(
            f"--{name} {word}: out of range; it must be from {setting.bounds[0]:g} to "
            f"{setting.bounds[1]:g}.",
            "script_args",
        )
    return value


def _parse_boolean(word: str) -> bool:
    return word.lower() == "true"


def _set_sampler(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    if find_sampler_loosely(value) is None:  # a plugin's
        return change_part("sampling", "sampler")(request, value, among)
    name, schedule = resolve_names(value, request.sampling.schedule)
    return replace(request, sampling=replace(request.sampling, sampler=name, schedule=schedule))


def _sampler_name(word: str) -> str:
    """Raises ``ValueError`` for a name that is none, in any case, nor an alias."""
    entry = find_sampler_loosely(word)
    if entry is None:
        raise ValueError(f"there is no sampler {word!r}")
    return entry.name


@dataclass(frozen=True, slots=True)
class LineSetting:
    """One ``--name``."""

    change: Change
    read: Callable[[str], Any] = str
    bounds: tuple[float, float] | None = None


SIDE, COUNT = (8, 4096), (1, 64)
SETTINGS: Mapping[str, LineSetting] = MappingProxyType(
    {
        "seed": LineSetting(change_part("seeds", "seed"), int, (-(2.0**63), 2.0**63)),
        "subseed": LineSetting(change_part("seeds", "variation_seed"), int, (-(2.0**63), 2.0**63)),
        "subseed_strength": LineSetting(change_part("seeds", "variation_strength"), float, (0, 1)),
        "seed_resize_from_h": LineSetting(
            change_part("seeds", "resize_from_height"), int, (-1, 4096)
        ),
        "seed_resize_from_w": LineSetting(
            change_part("seeds", "resize_from_width"), int, (-1, 4096)
        ),
        "sampler_name": LineSetting(_set_sampler, _sampler_name),
        "sampler_index": LineSetting(change_nothing, int),
        "batch_size": LineSetting(change_field("batch_size"), int, COUNT),
        "n_iter": LineSetting(change_field("batches"), int, (1, 1000)),
        "steps": LineSetting(change_part("sampling", "steps"), int, (1, 1000)),
        "cfg_scale": LineSetting(change_part("sampling", "guidance"), float, (-1000, 1000)),
        "width": LineSetting(change_field("width"), int, SIDE),
        "height": LineSetting(change_field("height"), int, SIDE),
        "restore_faces": LineSetting(restore_faces, _parse_boolean),
        "tiling": LineSetting(change_field("tiling"), _parse_boolean),
        "styles": LineSetting(change_field("styles"), lambda word: tuple(word.split(","))),
        "sd_model": LineSetting(change_field("checkpoint")),
        "outpath_samples": LineSetting(change_nothing),
        "outpath_grids": LineSetting(change_nothing),
        "prompt_for_display": LineSetting(change_nothing),
        "do_not_save_samples": LineSetting(change_nothing, _parse_boolean),
        "do_not_save_grid": LineSetting(change_nothing, _parse_boolean),
    }
)
"""Where pictures go is the service's to say: the paths are read and change nothing."""
