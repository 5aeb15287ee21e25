"""Reads an infotext back into its parts (contract section 6.4). No torch here."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from generator.prompt.styles import Style, extract_styles

MAX_INFOTEXT_LENGTH = 100_000  # characters; the longest prompts have a hundredth of it
NEGATIVE = "Negative prompt:"
ENTRY = re.compile(
    r"(?<![\w \-/])[ \-/]*+"  # keys begin where a run of their letters does: linear in time
    r'(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)'
)
SIZE = re.compile(r"^(\d+)x(\d+)$")
VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-(\d+))?")
NETWORK = re.compile(r"(.+)\([0-9a-f]+\)")  # "name(hash)"
IGNORE, APPLY, APPLY_IF_ANY = "Ignore", "Apply", "Apply if any"
PARAMETER_LINE = 3  # a last line with fewer entries belongs to the prompt

# What a picture without the key was made with.
DEFAULTS: Mapping[str, object] = {
    "Clip skip": "1",
    "Hires resize-1": 0,
    "Hires resize-2": 0,
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": 32,
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Schedule max sigma": 0,
    "Schedule min sigma": 0,
    "Schedule rho": 0,
    "VAE Encoder": "Full",
    "VAE Decoder": "Full",
    "FP8 weight": "Disable",
}


@dataclass(frozen=True, slots=True)
class ParsedInfotext:
    """An infotext taken apart, nothing added. ``parameters`` keep their order and text."""

    prompt: str
    negative_prompt: str
    parameters: Mapping[str, str]


def parse_infotext(text: str) -> ParsedInfotext:
    """Prompt, negative prompt and parameters as they stand in ``text``."""
    *lines, last = text.strip().split("\n")
    if len(ENTRY.findall(last)) < PARAMETER_LINE:
        lines, last = [*lines, last], ""
    prompt, negative = _split_prompts(lines)
    return ParsedInfotext(
        prompt, negative, {key: _unquote(value) for key, value in ENTRY.findall(last)}
    )


def read_parameters(
    text: str,
    uses_emphasis: Callable[[str], bool],
    styles: Iterable[Style] = (),
    styles_mode: str = APPLY_IF_ANY,
    backcompat: bool = True,
) -> dict[str, object]:
    """All that AUTOMATIC1111 reads from ``text``: sizes split, what is unsaid filled in.

    ``uses_emphasis`` tells whether a prompt holds brackets that weigh. ``styles`` are taken off
    the prompts that show them, as the option ``infotext_styles`` says. What an old version did
    otherwise is said by the option for it, unless ``backcompat`` is off (``auto_backcompat``).
    """
    parsed = parse_infotext(text)
    parameters: dict[str, object] = {}
    for key, value in parsed.parameters.items():
        size = SIZE.match(value)
        sides = {f"{key}-1": size[1], f"{key}-2": size[2]} if size else {key: value}
        parameters |= sides
    removable_styles = () if styles_mode == IGNORE else styles
    names, prompt, negative = extract_styles(
        parsed.prompt, parsed.negative_prompt, removable_styles
    )
    if styles_mode == APPLY or (styles_mode == APPLY_IF_ANY and names):
        parameters["Styles array"] = list(names)
    parameters |= {"Prompt": prompt, "Negative prompt": negative}
    _add_hypernetwork(parameters)
    _split_first_pass(parameters)
    parameters |= {key: value for key, value in DEFAULTS.items() if key not in parameters}
    if uses_emphasis(prompt) or uses_emphasis(negative):
        parameters.setdefault("Emphasis", "Original")
    parameters.setdefault("Refiner switch by sampling steps", False)
    return parameters | (_compatibility_options(parsed) if backcompat else {})


def _compatibility_options(parsed: ParsedInfotext) -> dict[str, object]:
    """The options that make a picture as the version that wrote its infotext did."""
    match = VERSION.match(parsed.parameters.get("Version", ""))
    if match is None:
        return {}
    version = tuple(int(number or 0) for number in match.groups())
    parameters = parsed.parameters
    options = {
        "Old prompt editing timelines": version < (1, 6, 0, 0) and "[" in parsed.prompt,
        "Pad conds v0": version < (1, 6, 0, 0) and parameters.get("Sampler") in ("DDIM", "PLMS"),
        "Downcast alphas_cumprod": version < (1, 7, 0, 225),
        "Refiner switch by sampling steps": version < (1, 8, 0, 0) and "Refiner" in parameters,
    }
    return {key: True for key, then in options.items() if then}


def _split_prompts(lines: list[str]) -> tuple[str, str]:
    parts: tuple[list[str], list[str]] = ([], [])
    negative = False
    for line in (line.strip() for line in lines):
        if line.startswith(NEGATIVE):
            negative, line = True, line.removeprefix(NEGATIVE).strip()
        parts[negative].append(line)
    prompt, after = ("\n".join(part) for part in parts)
    return prompt, after


def _unquote(value: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _add_hypernetwork(parameters: dict[str, object]) -> None:
    """Pictures from before hypernetworks had tags name theirs as a key."""
    if "Hypernet" in parameters:
        strength = parameters.get("Hypernet strength", "1.0")
        parameters["Prompt"] = (
            f"{parameters['Prompt']}<hypernet:{parameters['Hypernet']}:{strength}>"
        )


def add_network_tags(parameters: Mapping[str, object]) -> dict[str, object]:
    """What was read, with tags for the LoRAs of the extension that had them before tags were."""
    tags = []
    for key, value in parameters.items():
        number = key.removeprefix("AddNet Model ")
        name = NETWORK.fullmatch(str(value))
        if number != key and name and parameters.get(f"AddNet Module {number}") == "LoRA":
            weight = parameters.get(f"AddNet Weight A {number}", "1.0")
            tags.append(f"<lora:{name[1]}:{weight}>")
    prompt = "\n".join(filter(None, (str(parameters["Prompt"]), "".join(tags))))
    return {**parameters, "Prompt": prompt}


def _split_first_pass(parameters: dict[str, object]) -> None:
    """Pictures of the old hires fix name the first pass's size, 0x0 for the usual one."""
    try:
        first = int(str(parameters["First pass size-1"])), int(str(parameters["First pass size-2"]))
        full_size = int(str(parameters["Size-1"])), int(str(parameters["Size-2"]))
    except KeyError:
        return
    if 0 in first and 0 not in full_size:
        first = default_first_pass(*full_size)
    parameters |= dict(zip(("Size-1", "Size-2"), first, strict=True))
    parameters |= dict(zip(("Hires resize-1", "Hires resize-2"), full_size, strict=True))


def default_first_pass(width: int, height: int) -> tuple[int, int]:
    """Of about 512 x 512 pixels, the sides rounded up to 64 (contract section 5.1)."""
    share = math.sqrt(512 * 512 / (width * height))
    return math.ceil(width * share / 64) * 64, math.ceil(height * share / 64) * 64
