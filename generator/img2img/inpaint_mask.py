"""The inpainting mask of one job: what is repainted, and the box that is worked on (contract
5.3).
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from generator.errors import BadRequest
from generator.pictures.base64_images import read_base64
from generator.pictures.masks import Box, blur_mask, crop_box, fill_masked, read_mask
from generator.pictures.resize import FILL, Resample, resize_image, resize_lanczos
from generator.request import KEEP_ORIGINAL, Mask, Origin


@dataclass(frozen=True, slots=True)
class InpaintMask:
    """An inpainting mask scaled to the drawn size and to the original's size."""

    inner: Image.Image  # L, of the size that is drawn
    outer: Image.Image  # L, of the originals' size: what is veiled
    box: Box | None  # of the originals, where only the masked part is worked on
    round: bool = True
    latent: Image.Image | None = None  # L, what sampling repaints, where that is something else

    @property
    def sampling_mask(self) -> Image.Image:
        """What sampling repaints, L."""
        return self.latent or self.inner

    def crop_and_fill(
        self,
        image: Image.Image,
        size: tuple[int, int],
        fill: int,
        resample: Resample = resize_lanczos,
    ) -> Image.Image:
        """The part of ``image`` to work on, enlarged to ``size``, its masked content filled.

        AUTOMATIC1111 fills first for the latent contents too. Raises
        :class:`generator.errors.BadRequest` for a picture that is not of the mask's size.
        """
        if self.box:
            image = resize_image(image.crop(self.box), size, FILL, resample)
        if fill == KEEP_ORIGINAL:
            return image
        if image.size != self.inner.size:
            raise BadRequest(
                f"resize_mode 3 keeps the first picture at {image.width}x{image.height}, where it "
                f"cannot be filled under a mask of {size[0]}x{size[1]}. Send it at that size, or "
                "choose another resize_mode, or inpainting_fill 1",
                field="resize_mode",
            )
        return fill_masked(image, self.sampling_mask)

    def to_latent_mask(self, size: tuple[int, int]) -> Tensor:
        """1 where to repaint, (1,1,h,w) for a latent of ``size`` (w, h)."""
        values = (
            np.asarray(self.sampling_mask.convert("RGB").resize(size), np.float32)[..., 0] / 255
        )
        return torch.from_numpy(np.around(values) if self.round else np.array(values))[None, None]

    def to_pixel_mask(self) -> Tensor:
        """1 where to repaint, (1,1,H,W), for checkpoints that look at the masked picture."""
        values = np.asarray(self.inner, np.float32) / 255
        return torch.from_numpy(np.around(values) if self.round else np.array(values))[None, None]


def make_inpaint_mask(mask: Mask, origin: Origin, size: tuple[int, int]) -> InpaintMask | None:
    """The mask for drawing at ``size``; None where nothing is masked (plain img2img then).

    Raises :class:`generator.errors.BadRequest` for a mask that cannot be read.
    """
    grey = read_mask(read_base64(mask.image, "mask"), mask.round)
    latent = read_mask(read_base64(mask.latent, "mask"), mask.round) if mask.latent else None
    full_mask = blur_mask(ImageOps.invert(grey) if mask.invert else grey, mask.blur_x, mask.blur_y)
    if mask.only_masked:
        box = crop_box(full_mask, mask.padding, size)
        if box is None:
            return None
        inner = resize_image(full_mask.crop(box), size, FILL).convert("L")
        return InpaintMask(inner, full_mask, box, mask.round, latent)
    inner = resize_image(full_mask, size, min(origin.resize_mode, FILL)).convert("L")
    outer = inner.point(lambda value: min(255, 2 * value))
    return InpaintMask(inner, outer, None, mask.round, latent)
