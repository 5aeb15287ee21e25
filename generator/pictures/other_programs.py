"""Converts other programs' JSON metadata to an infotext. No torch.

SwarmUI and Fooocus write one object, InvokeAI too under other names; ComfyUI writes its graph, in
which a sampler and the texts that lead to it are looked for.
"""

import json
from collections.abc import Iterator, Mapping

from generator.pictures.infotext import write_infotext

SWARM = "sui_image_params"
PROMPTS = ("prompt", "positive_prompt")
NEGATIVES = ("negative_prompt", "negativeprompt", "uc")
KEYS: Mapping[str, tuple[str, ...]] = {
    "Steps": ("steps",),
    "Sampler": ("sampler", "sampler_name", "scheduler"),
    "CFG scale": ("cfg_scale", "cfgscale", "guidance_scale", "cfg", "scale"),
    "Seed": ("seed", "noise_seed"),
    "Model": ("model", "base_model", "ckpt_name"),
}
"""An infotext's keys, and what others call them."""

MAX_DEPTH = 20  # nodes between a sampler and its text

Object = Mapping[str, object]


def infotext_of_json(text: str) -> str:
    """The infotext of another program's JSON; "" for what is none, or tells no prompt."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    inner = document.get(SWARM)
    fields = inner if isinstance(inner, dict) else document
    nodes = {key: node for key, node in fields.items() if _is_node(node)}
    if nodes:
        fields = dict(_graph_fields(nodes))
    prompt = _first_field(fields, PROMPTS)
    if not prompt:
        return ""
    parameters = {key: _first_field(fields, names) or None for key, names in KEYS.items()}
    return write_infotext(prompt, _first_field(fields, NEGATIVES), parameters)


def _first_field(fields: Object, names: tuple[str, ...]) -> str:
    """The first of these fields that says something."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, dict):  # InvokeAI's model
            value = value.get("name") or value.get("model_name")
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value).strip()
    return ""


def _is_node(value: object) -> bool:
    return (
        isinstance(value, dict) and "class_type" in value and isinstance(value.get("inputs"), dict)
    )


def _graph_fields(nodes: Mapping[str, dict[str, object]]) -> Iterator[tuple[str, object]]:
    """The fields of the first sampler, its texts, and the checkpoint."""
    sampler = next((n for n in nodes.values() if "KSampler" in str(n["class_type"])), None)
    for node in nodes.values():
        inputs = node["inputs"]
        assert isinstance(inputs, dict)
        if isinstance(inputs.get("ckpt_name"), str):
            yield "ckpt_name", inputs["ckpt_name"]
    if sampler is None:
        return
    inputs = sampler["inputs"]
    assert isinstance(inputs, dict)
    yield from inputs.items()
    yield "prompt", _text_behind(nodes, inputs.get("positive"))
    yield "negative_prompt", _text_behind(nodes, inputs.get("negative"))


def _text_behind(nodes: Mapping[str, dict[str, object]], link: object) -> str:
    """The text that a sampler's input comes from, through the nodes between."""
    for _ in range(MAX_DEPTH):
        node = nodes.get(str(link[0])) if isinstance(link, list) and link else None
        if node is None:
            return ""
        inputs = node["inputs"]
        assert isinstance(inputs, dict)
        text = inputs.get("text", inputs.get("conditioning", inputs.get("positive")))
        if isinstance(text, str):
            return text
        link = text
    return ""
