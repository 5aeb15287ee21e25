"""Reads an infotext back into its parts (contract section 6.4). No torch here."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from generator.prompt.styles import Style, unstyled

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
class Written:
    """An infotext taken apart, nothing added. ``parameters`` keep their order and text."""

    prompt: str
    negative_prompt: str
    parameters: Mapping[str, str]


def take_apart(text: str) -> Written:
    """Prompt, negative prompt and parameters as they stand in ``text``."""
    *lines, last = text.strip().split("\n")
    if len(ENTRY.findall(last)) < PARAMETER_LINE:
        lines, last = [*lines, last], ""
    prompt, negative = _prompts(lines)
    return Written(prompt, negative, {key: _unquote(value) for key, value in ENTRY.findall(last)})


def read(
    text: str,
    uses_emphasis: Callable[[str], bool],
    styles: Iterable[Style] = (),
    styles_way: str = APPLY_IF_ANY,
    old_ways: bool = True,
) -> dict[str, object]:
    """All that AUTOMATIC1111 reads from ``text``: sizes split, what is unsaid filled in.

    ``uses_emphasis`` tells whether a prompt holds brackets that weigh. ``styles`` are taken off
    the prompts that show them, as the option ``infotext_styles`` says. What an old version did
    otherwise is said by the option for it, unless ``backcompat`` is off (``auto_backcompat``).
    """
    written = take_apart(text)
    found: dict[str, object] = {}
    for key, value in written.parameters.items():
        size = SIZE.match(value)
        sides = {f"{key}-1": size[1], f"{key}-2": size[2]} if size else {key: value}
        found |= sides
    taken_off = () if styles_way == IGNORE else styles
    names, prompt, negative = unstyled(written.prompt, written.negative_prompt, taken_off)
    if styles_way == APPLY or (styles_way == APPLY_IF_ANY and names):
        found["Styles array"] = list(names)
    found |= {"Prompt": prompt, "Negative prompt": negative}
    _add_hypernetwork(found)
    _split_first_pass(found)
    found |= {key: value for key, value in DEFAULTS.items() if key not in found}
    if uses_emphasis(prompt) or uses_emphasis(negative):
        found.setdefault("Emphasis", "Original")
    found.setdefault("Refiner switch by sampling steps", False)
    return found | (_ways_of_then(written) if old_ways else {})


def _ways_of_then(written: Written) -> dict[str, object]:
    """The options that make a picture as the version that wrote its infotext did."""
    match = VERSION.match(written.parameters.get("Version", ""))
    if match is None:
        return {}
    version = tuple(int(number or 0) for number in match.groups())
    told = written.parameters
    ways = {
        "Old prompt editing timelines": version < (1, 6, 0, 0) and "[" in written.prompt,
        "Pad conds v0": version < (1, 6, 0, 0) and told.get("Sampler") in ("DDIM", "PLMS"),
        "Downcast alphas_cumprod": version < (1, 7, 0, 225),
        "Refiner switch by sampling steps": version < (1, 8, 0, 0) and "Refiner" in told,
    }
    return {key: True for key, then in ways.items() if then}


def _prompts(lines: list[str]) -> tuple[str, str]:
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


def _add_hypernetwork(found: dict[str, object]) -> None:
    """Pictures from before hypernetworks had tags name theirs as a key."""
    if "Hypernet" in found:
        strength = found.get("Hypernet strength", "1.0")
        found["Prompt"] = f"{found['Prompt']}<hypernet:{found['Hypernet']}:{strength}>"


def with_network_tags(found: Mapping[str, object]) -> dict[str, object]:
    """What was read, with tags for the LoRAs of the extension that had them before tags were."""
    tags = []
    for key, told in found.items():
        number = key.removeprefix("AddNet Model ")
        name = NETWORK.fullmatch(str(told))
        if number != key and name and found.get(f"AddNet Module {number}") == "LoRA":
            weight = found.get(f"AddNet Weight A {number}", "1.0")
            tags.append(f"<lora:{name[1]}:{weight}>")
    prompt = "\n".join(filter(None, (str(found["Prompt"]), "".join(tags))))
    return {**found, "Prompt": prompt}


def _split_first_pass(found: dict[str, object]) -> None:
    """Pictures of the old hires fix name the first pass's size, 0x0 for the usual one."""
    try:
        first = int(str(found["First pass size-1"])), int(str(found["First pass size-2"]))
        whole = int(str(found["Size-1"])), int(str(found["Size-2"]))
    except KeyError:
        return
    if 0 in first and 0 not in whole:
        first = usual_first_pass(*whole)
    found |= dict(zip(("Size-1", "Size-2"), first, strict=True))
    found |= dict(zip(("Hires resize-1", "Hires resize-2"), whole, strict=True))


def usual_first_pass(width: int, height: int) -> tuple[int, int]:
    """Of about 512 x 512 pixels, the sides rounded up to 64 (contract section 5.1)."""
    share = math.sqrt(512 * 512 / (width * height))
    return math.ceil(width * share / 64) * 64, math.ceil(height * share / 64) * 64
