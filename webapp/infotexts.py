"""What the file browser wants to know of a picture, read by the generator's parser. No torch."""

import re

from PIL import Image

from filebrowser.pictures.told import Told
from generator.pictures.embedded_text import read_infotext
from generator.pictures.infotext_reading import take_apart

LONGEST = 100_000  # characters; the longest prompts have a hundredth of it
MOST_LORAS = 100
NETWORK = re.compile(r"<(?:lora|lyco):([^<>:]{1,200})[:>]")
SEED = re.compile(r"-?\d{1,20}", re.ASCII)
AUTOMATIC = ("", "Automatic")


def told_by(image: Image.Image) -> Told:
    """How an opened picture was made, by the infotext in its header; nothing is decoded."""
    return told_in(read_infotext(image, header_only=True))


def told_in(text: str) -> Told:
    """How a picture was made, by its infotext."""
    if not text:
        return Told()
    text = text[:LONGEST]
    written = take_apart(text)
    given = written.parameters
    schedule = given.get("Schedule type", "")
    seed = given.get("Seed", "").strip()
    return Told(
        infotext=text,
        prompt=written.prompt,
        negative=written.negative_prompt,
        model=given.get("Model", ""),
        model_hash=given.get("Model hash", ""),
        loras=tuple(dict.fromkeys(NETWORK.findall(written.prompt)))[:MOST_LORAS],
        sampler=" ".join([given.get("Sampler", ""), *[schedule] * (schedule not in AUTOMATIC)]),
        seed=int(seed) if SEED.fullmatch(seed) else None,
    )
