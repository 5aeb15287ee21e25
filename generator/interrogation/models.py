"""The networks that describe pictures: captioners and taggers of several makers.

Nothing is downloaded and no code of a model's folder is run.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError

from generator.errors import ModelUnreadable
from generator.interrogation.captioners import load_captioner
from generator.interrogation.deepdanbooru import load_deepdanbooru
from generator.interrogation.describe import Describe
from generator.interrogation.onnx_tagger import load_onnx_tagger
from generator.interrogation.requests import TAGS_FILE, Form, InterrogationRequest
from generator.interrogation.transformers_networks import load_tagger
from generator.pictures.base64_images import read_base64
from generator.reasons import reason_of

LOAD_ERRORS = (
    SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError,
    ImportError,
)  # fmt: skip
"""What transformers raises of a folder that it cannot make a network of."""


class Interrogator:
    """Captions and tags pictures; keeps the network of the last request where that was asked
    for.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._loaded: tuple[tuple[str, str], Describe] | None = None

    def drop(self) -> None:
        """Free what is held."""
        self._loaded = None

    @torch.no_grad()
    def interrogate(self, request: InterrogationRequest) -> str:
        """The words. Raises :class:`ModelUnreadable` naming the network, :class:`BadRequest`."""
        key = (request.network, request.form)
        picture = read_base64(request.picture, "image").convert("RGB")
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # its memory may be needed for the other
            self._loaded = (key, self._load(Path(request.network), request.form))
        words = self._loaded[1](picture, request)
        if not request.keep:
            self._loaded = None
        return words

    def _load(self, network: Path, form: Form) -> Describe:
        try:
            if network.is_file():
                return load_deepdanbooru(network, self._device)
            if form == "caption":
                return load_captioner(network, self._device)
            if (network / TAGS_FILE).is_file():
                return load_onnx_tagger(network)
            return load_tagger(network, self._device)
        except LOAD_ERRORS as error:
            reason = reason_of(error, "its files are none of one, or damaged", (ValueError,))
            reason = reason.replace(str(network), network.name)
            raise ModelUnreadable(
                f"{network.name} is no network that a picture can be described with ({form}): "
                f"{reason}"
            ) from error
