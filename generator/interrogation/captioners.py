"""Networks that write sentences: BLIP, GIT, a vision encoder with a decoder of text; Florence-2."""

import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from generator.interrogation.describe import Describer
from generator.interrogation.requests import CONFIG_FILE, CaptionRules, InterrogationRequest
from generator.interrogation.transformers_networks import LOCAL_ONLY, load_network

from transformers import (  # isort: skip  # after torchvision is made ready
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)

FLORENCE = "florence2"  # its model_type
FLORENCE_TASK = "<DETAILED_CAPTION>"


def load_captioner(folder: Path, device: torch.device) -> Describer:
    """A network that writes sentences."""
    if json.loads((folder / CONFIG_FILE).read_text("utf-8")).get("model_type") == FLORENCE:
        return load_florence(folder, device)
    model = load_network(AutoModelForImageTextToText, folder, device)
    image_processor = AutoImageProcessor.from_pretrained(folder, **LOCAL_ONLY)
    tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL_ONLY)

    def describe(picture: Image.Image, question: InterrogationRequest) -> str:
        pixels = image_processor(images=picture, return_tensors="pt")[
            "pixel_values"
        ]  # 1 3 height width
        tokens = model.generate(
            pixel_values=pixels.to(device), **generation_arguments(question.caption)
        )
        return to_words(tokenizer, tokens)

    return Describer(describe, model)


def load_florence(folder: Path, device: torch.device) -> Describer:
    """Florence-2, which is asked for its caption in words.

    Raises ValueError for a folder in Microsoft's own layout, which brings code to run.
    """
    try:
        model = load_network(AutoModelForImageTextToText, folder, device)
        processor = AutoProcessor.from_pretrained(folder, **LOCAL_ONLY)
    except Exception as error:  # of a layout that transformers does not know: of any kind
        raise ValueError(
            "it is no Florence-2 in transformers' own layout. Take florence-community/"
            "Florence-2-base (or -large): Microsoft's folder needs code of its own"
        ) from error

    def describe(picture: Image.Image, question: InterrogationRequest) -> str:
        asked = processor(images=picture, text=FLORENCE_TASK, return_tensors="pt").to(device)
        tokens = model.generate(**asked, **generation_arguments(question.caption))
        return to_words(processor.tokenizer, tokens)

    return Describer(describe, model)


def to_words(tokenizer: Any, tokens: Any) -> str:
    """The first of the sentences ``tokens``."""
    words: str = tokenizer.decode(tokens[0], skip_special_tokens=True)
    return " ".join(words.split())


def generation_arguments(rules: CaptionRules) -> dict[str, Any]:
    """The rules by transformers' names."""
    return {
        "num_beams": rules.beams,
        "min_length": min(rules.shortest, rules.longest),
        "max_length": rules.longest,
        "do_sample": False,
    }
