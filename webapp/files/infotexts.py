"""Reads facts of pictures for the file browser with the generator's parser. No torch."""

import re

from PIL import Image

from filebrowser.pictures.picture_facts import PictureFacts
from generator.pictures.embedded_text import read_infotext
from generator.pictures.infotext_parser import MAX_INFOTEXT_LENGTH, parse_infotext

MAX_LORAS = 100
NETWORK = re.compile(r"<(?:lora|lyco):([^<>:]{1,200})[:>]")
SEED = re.compile(r"-?\d{1,20}", re.ASCII)
AUTOMATIC = ("", "Automatic")


def read_picture_facts(image: Image.Image) -> PictureFacts:
    """How an opened picture was made, by the infotext in its header; nothing is decoded."""
    return parse_picture_facts(read_infotext(image, header_only=True))


def parse_picture_facts(text: str) -> PictureFacts:
    """How a picture was made, by its infotext."""
    if not text:
        return PictureFacts()
    text = text[:MAX_INFOTEXT_LENGTH]
    parsed = parse_infotext(text)
    parameters = parsed.parameters
    schedule = parameters.get("Schedule type", "")
    seed = parameters.get("Seed", "").strip()
    return PictureFacts(
        infotext=text,
        prompt=parsed.prompt,
        negative=parsed.negative_prompt,
        model=parameters.get("Model", ""),
        model_hash=parameters.get("Model hash", ""),
        loras=tuple(dict.fromkeys(NETWORK.findall(parsed.prompt)))[:MAX_LORAS],
        sampler=" ".join(
            [parameters.get("Sampler", ""), *[schedule] * (schedule not in AUTOMATIC)]
        ),
        seed=int(seed) if SEED.fullmatch(seed) else None,
    )
