"""Prompts from file or textbox: a drawing a line, each line with settings of its own."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from generator.errors import BadRequest
from generator.prompt.limits import LONGEST, check_request
from generator.request import Generation, GenerationRequest
from generator.sampling.names import find_sampler_loosely, resolve
from generator.scripts.changes import Change, part, same, whole
from generator.scripts.drawing import Draw, another_seed, joined
from generator.scripts.told import BY_SCRIPT


@dataclass(frozen=True, slots=True)
class Line:
    """A line taken apart: its prompt, and its settings by name."""

    prompt: str = ""
    negative_prompt: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: Draw) -> Generation:
    """Draw the lines in order. Raises :class:`BadRequest` for a text without lines."""
    iterate, same, position, text = arguments
    own = tuple(draw.tools.samplers)
    lines = [read_line(line.strip(), own) for line in text.splitlines() if line.strip()]
    if not lines:
        raise BadRequest("List of prompt inputs: there is no line in it.", "script_args")
    requests = []
    for place, line in enumerate(lines):
        requests.append(draw.settled(_request(request, line, position)))
        if line.settings.get("seed", -1) == -1:
            requests[-1] = _seeded(requests[-1], request, place, iterate=iterate, same=same)
    draw.expect(requests)
    for wanted in requests:  # the first pictures are not thrown away with a refusal of the last
        check_request(wanted)
    drawn = []
    for wanted in requests:
        drawn.append(draw(wanted))
        if drawn[-1].stopped:
            break
    whole = joined(drawn)
    return replace(whole, facts=_facts(request, requests, whole))


def _seeded(
    wanted: GenerationRequest, request: GenerationRequest, place: int, *, iterate: bool, same: bool
) -> GenerationRequest:
    """The seed of a line: the request's, the next in turn, or one of its own."""
    seed = request.seeds.seed
    if iterate:
        seed += place * request.picture_count
    elif request.seeds.random and not same and place:
        seed = another_seed(seed, place)
    return replace(wanted, seeds=replace(wanted.seeds, seed=seed))


def request_of(
    request: GenerationRequest, text: str, position: str, samplers: Sequence[str] = ()
) -> GenerationRequest:
    """What a line draws, its seed not settled. Raises :class:`BadRequest`."""
    return _request(request, read_line(text, samplers), position)


def _request(request: GenerationRequest, line: Line, position: str) -> GenerationRequest:
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


def _facts(
    request: GenerationRequest, requests: list[GenerationRequest], whole: Generation
) -> dict[str, object]:
    """As AUTOMATIC1111 tells of them: the lines' prompts, and of seeds the request's alone."""
    texts = [picture.infotext for picture in whole.pictures]
    return {
        **BY_SCRIPT,
        "prompt": requests[0].prompt,
        "all_prompts": [picture.prompt for picture in whole.pictures],
        "all_negative_prompts": [request.negative_prompt],
        "all_seeds": [request.seeds.seed],
        "all_subseeds": [-1],
        "index_of_first_image": 0,
        "infotexts": texts,
    }


# --- the grammar of a line ----------------------------------------------------------------------


def read_line(text: str, samplers: Sequence[str] = ()) -> Line:
    """A line: a prompt, or ``--name value`` pairs; one that cannot be read is a prompt.

    ``samplers`` are those that plugins bring.
    """
    if len(text) > LONGEST:
        raise BadRequest(
            f"List of prompt inputs: a line of {len(text):,} characters; at most {LONGEST:,}.",
            "script_args",
        )
    if "--" not in text:
        return Line(text)
    try:
        return _settings(shlex.split(text), samplers)
    except ValueError:
        return Line(text)


def _settings(words: list[str], samplers: Sequence[str]) -> Line:
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
            settings[name] = _value(name, words.pop(0) if words else "")
    return Line(prompt, negative, settings)


def _value(name: str, word: str) -> Any:
    if name not in SETTINGS:
        raise ValueError(f"there is no setting {name!r}")
    setting = SETTINGS[name]
    value = setting.read(word)
    if setting.within and not setting.within[0] <= value <= setting.within[1]:
        raise BadRequest(
            f"--{name} {word}: out of range; it must be from {setting.within[0]:g} to "
            f"{setting.within[1]:g}.",
            "script_args",
        )
    return value


def _boolean(word: str) -> bool:
    return word.lower() == "true"


def _sampler(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    if find_sampler_loosely(value) is None:  # a plugin's
        return part("sampling", "sampler")(request, value, among)
    name, schedule = resolve(value, request.sampling.schedule)
    return replace(request, sampling=replace(request.sampling, sampler=name, schedule=schedule))


def _sampler_name(word: str) -> str:
    """Raises ``ValueError`` for a name that is none, in any case, nor an alias."""
    found = find_sampler_loosely(word)
    if found is None:
        raise ValueError(f"there is no sampler {word!r}")
    return found.name


@dataclass(frozen=True, slots=True)
class Setting:
    """One ``--name``."""

    change: Change
    read: Callable[[str], Any] = str
    within: tuple[float, float] | None = None


SIDE, COUNT = (8, 4096), (1, 64)
SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "seed": Setting(part("seeds", "seed"), int, (-(2.0**63), 2.0**63)),
        "subseed": Setting(part("seeds", "variation_seed"), int, (-(2.0**63), 2.0**63)),
        "subseed_strength": Setting(part("seeds", "variation_strength"), float, (0, 1)),
        "seed_resize_from_h": Setting(part("seeds", "resize_from_height"), int, (-1, 4096)),
        "seed_resize_from_w": Setting(part("seeds", "resize_from_width"), int, (-1, 4096)),
        "sampler_name": Setting(_sampler, _sampler_name),
        "sampler_index": Setting(same, int),
        "batch_size": Setting(whole("batch_size"), int, COUNT),
        "n_iter": Setting(whole("batches"), int, (1, 1000)),
        "steps": Setting(part("sampling", "steps"), int, (1, 1000)),
        "cfg_scale": Setting(part("sampling", "guidance"), float, (-1000, 1000)),
        "width": Setting(whole("width"), int, SIDE),
        "height": Setting(whole("height"), int, SIDE),
        "restore_faces": Setting(same, _boolean),
        "tiling": Setting(whole("tiling"), _boolean),
        "styles": Setting(whole("styles"), lambda word: tuple(word.split(","))),
        "sd_model": Setting(whole("checkpoint")),
        "outpath_samples": Setting(same),
        "outpath_grids": Setting(same),
        "prompt_for_display": Setting(same),
        "do_not_save_samples": Setting(same, _boolean),
        "do_not_save_grid": Setting(same, _boolean),
    }
)
"""Where pictures go is the service's to say: the paths are read and change nothing."""
