"""The networks that describe pictures: captioners and taggers of several makers.

Nothing is downloaded and no code of a model's folder is run.
"""

from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError

from generator.errors import ModelUnreadable
from generator.interrogation.captioners import load_captioner
from generator.interrogation.deepdanbooru import load_deepdanbooru
from generator.interrogation.describe import Describer
from generator.interrogation.network_files import look_at_network
from generator.interrogation.onnx_tagger import load_onnx_tagger
from generator.interrogation.requests import InterrogationRequest
from generator.interrogation.transformers_networks import load_tagger
from generator.memory_errors import find_memory_error
from generator.models.residency import Residency, ResidentKind, ram_headroom_of
from generator.models.resident_loading import load_resident
from generator.pictures.base64_images import read_base64
from generator.reasons import reason_of

LOAD_ERRORS = (
    SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError,
    ImportError,
)  # fmt: skip
"""What transformers raises of a folder that it cannot make a network of."""


class Interrogator:
    """Captions and tags pictures. Not for several threads."""

    def __init__(self, device: torch.device, residency: Residency | None = None) -> None:
        self._device = device
        self._residency = residency or Residency(ram_headroom_of())

    @torch.no_grad()
    def interrogate(self, request: InterrogationRequest) -> str:
        """The words. Raises :class:`ModelUnreadable` naming the network, :class:`BadRequest`.

        The network stays in memory where the request says so, as long as memory allows.
        """
        picture = read_base64(request.picture, "image").convert("RGB")
        network = Path(request.network)
        kind, file = look_at_network(network, request.form)
        load = partial(self._load, network, kind)
        try:
            describer = load_resident(
                self._residency, kind, file, load, size_of=lambda loaded: loaded.size
            )
            return describer.describe(picture, request)
        finally:
            self._residency.release(kind)  # what draws may take its place
            if not request.keep:
                self._residency.keep_newest(kind, 0)

    def _load(self, network: Path, kind: ResidentKind) -> Describer:
        try:
            if network.is_file():
                return load_deepdanbooru(network, self._device)
            if kind is ResidentKind.CAPTIONER:
                return load_captioner(network, self._device)
            if kind is ResidentKind.ONNX_TAGGER:
                return load_onnx_tagger(network)
            return load_tagger(network, self._device)
        except LOAD_ERRORS as error:
            if find_memory_error(error) is not None:
                raise
            form = "caption" if kind is ResidentKind.CAPTIONER else "tags"
            reason = reason_of(error, "its files are none of one, or damaged", (ValueError,))
            reason = reason.replace(str(network), network.name)
            raise ModelUnreadable(
                f"{network.name} is no network that a picture can be described with ({form}): "
                f"{reason}"
            ) from error
