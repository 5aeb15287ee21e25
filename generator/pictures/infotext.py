"""Writes infotexts (contract sections 6.1 and 6.2). No torch."""

import json
from collections.abc import Mapping

# The order of the keys that every picture may carry; others follow in the order given.
KEYS = (
    "Steps",
    "Sampler",
    "Schedule type",
    "CFG scale",
    "Image CFG scale",
    "Seed",
    "Face restoration",
    "Size",
    "Model hash",
    "Model",
    "FP8 weight",
    "Cache FP16 weight for LoRA",
    "VAE hash",
    "VAE",
    "Variation seed",
    "Variation seed strength",
    "Seed resize from",
    "Denoising strength",
    "Conditional mask weight",
    "Clip skip",
    "ENSD",
    "Token merging ratio",
    "Token merging ratio hr",
    "Init image hash",
    "RNG",
    "Tiling",
)
LAST_KEYS = ("Version", "User")


def write_infotext(prompt: str, negative_prompt: str, parameters: Mapping[str, object]) -> str:
    """Prompt, negative prompt and parameters in the layout of contract section 6.1.

    ``parameters`` may come in any order and with any further key; None leaves an entry out.
    """
    first = [key for key in KEYS if key in parameters]
    last = [key for key in LAST_KEYS if key in parameters]
    between = [key for key in parameters if key not in KEYS and key not in LAST_KEYS]
    entries = [
        _format_entry(key, parameters[key])
        for key in (*first, *between, *last)
        if parameters[key] is not None
    ]
    negative = f"\nNegative prompt: {negative_prompt}" if negative_prompt else ""
    return f"{prompt}{negative}\n{', '.join(entries)}".strip()


def quote_value(value: object) -> str:
    """``str(value)``, as JSON where it holds a comma, a colon or a line break, or begins quoted.

    AUTOMATIC1111 writes the latter as it is, and loses the quotes when it reads it back.
    """
    text = str(value)
    if text.startswith('"') or any(mark in text for mark in ",:\n"):
        return json.dumps(text, ensure_ascii=False)
    return text


def _format_entry(key: str, value: object) -> str:
    return key if key == str(value) else f"{key}: {quote_value(value)}"
