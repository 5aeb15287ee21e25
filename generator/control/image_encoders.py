"""CLIP's image encoders, which tell IP-Adapters what is in a picture."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor

from generator.control.map_resize import Pixels
from generator.models.checkpoint import NetworkLoader
from generator.models.drawable import explain_missing_tensors
from generator.models.families.ldm import clip_vision
from generator.models.index import ModelFile
from generator.models.weights import open_tensors, shapes_of

# After checkpoint.py, which readies torchvision for it.
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # isort: skip

MEANS = (0.48145466, 0.4578275, 0.40821073)  # of the pictures that CLIP was trained on, RGB
DEVIATIONS = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True, eq=False)
class ImageEncoder:
    """An image encoder on its device, in evaluation mode."""

    file: ModelFile
    network: CLIPVisionModelWithProjection

    def read_patches(self, pixels: Pixels) -> Tensor:
        """The last but one layer's numbers of a picture and of none, (2,patches + 1,width).

        ``pixels`` (H,W,3|4); where the fourth channel is 255 nothing is seen.
        """
        seen = self._normalise(pixels)
        both = torch.cat([seen, torch.zeros_like(seen)])
        layers = self.network(both, output_hidden_states=True).hidden_states
        assert layers is not None
        return layers[-2]

    def read_picture(self, pixels: Pixels) -> Tensor:
        """The vector of a picture and that of none, zeros: (2,width)."""
        vector = self.network(self._normalise(pixels)).image_embeds
        return torch.cat([vector, torch.zeros_like(vector)])

    def _normalise(self, pixels: Pixels) -> Tensor:
        side = self.network.config.image_size
        # Squeezed to a square, as the extension does, and not cut.
        small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
        values = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255  # (1,3|4,side,side)
        means, deviations = (torch.tensor(each)[:, None, None] for each in (MEANS, DEVIATIONS))
        colours = (values[:, :3] - means) / deviations
        if values.shape[1] == 4:
            colours = colours * (1 - values[:, 3:])
        return colours.to(self.network.device, self.network.dtype)


def open_encoder(file: ModelFile) -> "EncoderSource":
    """What an encoder's file holds. Raises :class:`generator.errors.ModelUnreadable` naming it."""
    return EncoderSource(file, open_tensors(file.path, file.kept_in))


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """What an image encoder is loaded from; tensors are read when they are asked for."""

    file: ModelFile
    tensors: Mapping[str, Tensor]

    def load(self, device: torch.device, dtype: torch.dtype) -> ImageEncoder:
        """The network. Raises :class:`generator.errors.ModelUnreadable` naming the file."""
        shapes = shapes_of(self.tensors)
        with explain_missing_tensors(self.file, "all tensors of an image encoder"):
            config = CLIPVisionConfig(**clip_vision.vision_config(shapes))
            network = NetworkLoader(self.file.name, self.tensors, device, dtype).load(
                lambda: CLIPVisionModelWithProjection(config), clip_vision.network_names(shapes)
            )
        return ImageEncoder(self.file, network)
