"""The networks that describe pictures: any of transformers' image-to-text and tagging models.

Nothing is downloaded and no code of a model's folder is run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError

from generator.describing.questions import CaptionRules, Question
from generator.describing.wording import worded
from generator.errors import ModelUnreadable
from generator.models import torchvision_ops
from generator.models.weights import read_tensors
from generator.pictures.reading import read_base64
from generator.reasons import reason_of

torchvision_ops.prepare()  # before transformers, which imports torchvision

from transformers import (  # noqa: E402
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageClassification,
    AutoModelForImageTextToText,
    AutoTokenizer,
)
from transformers.utils import logging  # noqa: E402

PICKLED = "pytorch_model.bin"
LOCAL = {"local_files_only": True, "trust_remote_code": False}
BROKEN = (
    SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError,
    ImportError,
)  # fmt: skip
"""What transformers raises of a folder that it cannot make a network of."""

Describe = Callable[[Image.Image, Question], str]


class Describers:
    """Captions and tags pictures; keeps the network of the last request where that was asked for."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: tuple[tuple[str, str], Describe] | None = None

    def drop(self) -> None:
        """Free what is held."""
        self._kept = None

    @torch.no_grad()
    def answer(self, question: Question) -> str:
        """The words. Raises :class:`ModelUnreadable` naming the folder, :class:`BadRequest`."""
        key = (question.folder, question.form)
        picture = read_base64(question.picture, "image").convert("RGB")
        if self._kept is None or self._kept[0] != key:
            self._kept = None  # its memory may be needed for the other
            self._kept = (key, self._load(Path(question.folder), question.form))
        words = self._kept[1](picture, question)
        if not question.keep:
            self._kept = None
        return words

    def _load(self, folder: Path, form: str) -> Describe:
        loaders = {"caption": load_captioner, "tags": load_tagger}
        try:
            return loaders[form](folder, self._device)
        except BROKEN as error:
            reason = reason_of(error, "its files are none of one, or damaged", (ValueError,))
            reason = reason.replace(str(folder), folder.name)
            raise ModelUnreadable(
                f"{folder.name} is no network that transformers can describe a picture with "
                f"({form}): {reason}"
            ) from error


def load_captioner(folder: Path, device: torch.device) -> Describe:
    """A network that writes sentences: BLIP, GIT, a vision encoder with a decoder of text."""
    model = load(AutoModelForImageTextToText, folder, device)
    look = AutoImageProcessor.from_pretrained(folder, **LOCAL)
    tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)

    def describe(picture: Image.Image, question: Question) -> str:
        pixels = look(images=picture, return_tensors="pt")["pixel_values"]  # 1 3 height width
        tokens = model.generate(pixel_values=pixels.to(device), **limits(question.caption))
        words: str = tokenizer.decode(tokens[0], skip_special_tokens=True)
        return " ".join(words.split())

    return describe


def limits(rules: CaptionRules) -> dict[str, Any]:
    """The rules by transformers' names."""
    return {
        "num_beams": rules.beams,
        "min_length": min(rules.shortest, rules.longest),
        "max_length": rules.longest,
        "do_sample": False,
    }


def load_tagger(folder: Path, device: torch.device) -> Describe:
    """A network that scores labels, each by itself."""
    model = load(AutoModelForImageClassification, folder, device)
    look = AutoImageProcessor.from_pretrained(folder, **LOCAL)
    labels = model.config.id2label

    def describe(picture: Image.Image, question: Question) -> str:
        pixels = look(images=picture, return_tensors="pt")["pixel_values"]  # 1 3 height width
        scores = model(pixel_values=pixels.to(device)).logits[0].sigmoid().tolist()  # labels
        return worded({labels[i]: score for i, score in enumerate(scores)}, question.tags)

    return describe


def load(kind: Any, folder: Path, device: torch.device) -> Any:
    """A network of ``folder``; weights in a pickle are read with an allow-list, never run.

    Raises ValueError where weights are missing: made up at random, they would describe nothing.
    """
    logging.disable_progress_bar()
    how = {"dtype": torch.float32, "output_loading_info": True}
    if any(folder.glob("*.safetensors")):
        model, told = kind.from_pretrained(folder, use_safetensors=True, **how, **LOCAL)
    else:
        config = AutoConfig.from_pretrained(folder, **LOCAL)
        with torch.device("meta"):  # to learn its class; no numbers are made
            made = type(kind.from_config(config))
        weights = read_tensors(folder / PICKLED)
        model, told = made.from_pretrained(None, config=config, state_dict=weights, **how)
    if told["missing_keys"]:
        raise ValueError(f"its weights lack {min(told['missing_keys'])}")
    return model.to(device).eval()
