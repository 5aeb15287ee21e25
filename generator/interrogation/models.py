"""The networks that describe pictures: any of transformers' image-to-text and tagging models.

Nothing is downloaded and no code of a model's folder is run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError

from generator.errors import ModelUnreadable
from generator.interrogation.requests import CaptionRules, InterrogationRequest
from generator.interrogation.tags import tags_to_prompt
from generator.models import torchvision_ops
from generator.models.weights import read_tensors
from generator.pictures.base64_images import read_base64
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

PICKLE_FILE = "pytorch_model.bin"
LOCAL_ONLY = {"local_files_only": True, "trust_remote_code": False}
LOAD_ERRORS = (
    SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError,
    ImportError,
)  # fmt: skip
"""What transformers raises of a folder that it cannot make a network of."""

Interrogate = Callable[[Image.Image, InterrogationRequest], str]


class Interrogator:
    """Captions and tags pictures; keeps the network of the last request where that was asked
    for.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._loaded: tuple[tuple[str, str], Interrogate] | None = None

    def drop(self) -> None:
        """Free what is held."""
        self._loaded = None

    @torch.no_grad()
    def interrogate(self, request: InterrogationRequest) -> str:
        """The words. Raises :class:`ModelUnreadable` naming the folder, :class:`BadRequest`."""
        key = (request.folder, request.form)
        picture = read_base64(request.picture, "image").convert("RGB")
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # its memory may be needed for the other
            self._loaded = (key, self._load(Path(request.folder), request.form))
        words = self._loaded[1](picture, request)
        if not request.keep:
            self._loaded = None
        return words

    def _load(self, folder: Path, form: str) -> Interrogate:
        loaders = {"caption": load_captioner, "tags": load_tagger}
        try:
            return loaders[form](folder, self._device)
        except LOAD_ERRORS as error:
            reason = reason_of(error, "its files are none of one, or damaged", (ValueError,))
            reason = reason.replace(str(folder), folder.name)
            raise ModelUnreadable(
                f"{folder.name} is no network that transformers can describe a picture with "
                f"({form}): {reason}"
            ) from error


def load_captioner(folder: Path, device: torch.device) -> Interrogate:
    """A network that writes sentences: BLIP, GIT, a vision encoder with a decoder of text."""
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
        words: str = tokenizer.decode(tokens[0], skip_special_tokens=True)
        return " ".join(words.split())

    return describe


def generation_arguments(rules: CaptionRules) -> dict[str, Any]:
    """The rules by transformers' names."""
    return {
        "num_beams": rules.beams,
        "min_length": min(rules.shortest, rules.longest),
        "max_length": rules.longest,
        "do_sample": False,
    }


def load_tagger(folder: Path, device: torch.device) -> Interrogate:
    """A network that scores labels, each by itself."""
    model = load_network(AutoModelForImageClassification, folder, device)
    image_processor = AutoImageProcessor.from_pretrained(folder, **LOCAL_ONLY)
    labels = model.config.id2label

    def describe(picture: Image.Image, question: InterrogationRequest) -> str:
        pixels = image_processor(images=picture, return_tensors="pt")[
            "pixel_values"
        ]  # 1 3 height width
        scores = model(pixel_values=pixels.to(device)).logits[0].sigmoid().tolist()  # labels
        return tags_to_prompt({labels[i]: score for i, score in enumerate(scores)}, question.tags)

    return describe


def load_network(kind: Any, folder: Path, device: torch.device) -> Any:
    """A network of ``folder``; weights in a pickle are read with an allow-list, never run.

    Raises ValueError where weights are missing: made up at random, they would describe nothing.
    """
    logging.disable_progress_bar()
    how = {"dtype": torch.float32, "output_loading_info": True}
    if any(folder.glob("*.safetensors")):
        model, loading_info = kind.from_pretrained(
            folder, use_safetensors=True, **how, **LOCAL_ONLY
        )
    else:
        config = AutoConfig.from_pretrained(folder, **LOCAL_ONLY)
        with torch.device("meta"):  # to learn its class; no numbers are made
            network_class = type(kind.from_config(config))
        weights = read_tensors(folder / PICKLE_FILE)
        model, loading_info = network_class.from_pretrained(
            None, config=config, state_dict=weights, **how
        )
    if loading_info["missing_keys"]:
        raise ValueError(f"its weights lack {min(loading_info['missing_keys'])}")
    return model.to(device).eval()
