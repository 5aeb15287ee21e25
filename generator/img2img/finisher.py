"""From a decoded picture of img2img to the one that is answered, and the masks beside it.

Colour correction first, then the veil of what stays (contract sections 5.3 to 5.5).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image, ImageFilter
from torch import Tensor

from generator.img2img.init_images import PreparedImages
from generator.pictures.base64_images import flatten_onto, read_base64
from generator.pictures.colour_correction import LabHistogram, histogram_of, match_colours
from generator.pictures.masks import make_overlay
from generator.pictures.resize import CROP, FILL, resize_image
from generator.pictures.soft_masks import opacity_masks
from generator.request import Aside, GenerationRequest, Snapshot, SoftInpainting

MASK_SMOOTHING = ImageFilter.GaussianBlur(4)  # pixels; a mask of cells has steps


@dataclass(slots=True, eq=False)
class Finisher:
    """Applies colour correction and the inpainting overlay to the pictures of one img2img job.

    ``maps`` collects the masks for the answer, ``extra_images`` the pictures to be saved beside.
    """

    prepared: PreparedImages
    options: Snapshot
    soft: SoftInpainting | None = None
    histograms: tuple[LabHistogram, ...] = ()  # colours to keep, one a picture of a batch
    maps: list[Image.Image] = field(default_factory=list)
    extra_images: list[Aside] = field(default_factory=list)

    def for_batch(self, latents: Tensor, first: int) -> Callable[[Image.Image, int], Image.Image]:
        """How to finish the pictures of ``latents`` (B,4,h,w): a function of picture and row.

        ``first`` is the number of the batch's first picture in the job.
        """
        masks, overlays = self._repainted_masks(latents), self.prepared.overlays
        if self.soft and masks:
            pairs = zip(self.prepared.originals, masks, strict=True)
            overlays = tuple(make_overlay(original, mask) for original, mask in pairs)

        def finish(image: Image.Image, row: int) -> Image.Image:
            if self.histograms:
                if self.options.save_images_before_color_correction:
                    plain = self._apply_overlay(image, overlays[row]) if overlays else image
                    self.extra_images.append(Aside(plain, first + row, "before-color-correction"))
                image = match_colours(image, self.histograms[row])
            if not overlays:
                return image
            drawn = image
            if self.options.overlay_inpaint:
                drawn = self._place_if_cropped(image, overlays[row])
                image = self._apply_overlay(image, overlays[row])
            self._collect_masks(drawn, image.size, masks[row], first + row)
            return image

        return finish

    def _repainted_masks(self, latents: Tensor) -> list[Image.Image]:
        """What was repainted, white, in the size of each original."""
        inpaint_mask, start = self.prepared.inpaint_mask, self.prepared.start
        if inpaint_mask is None:
            return []
        if self.soft is None or start.mask is None:
            return [inpaint_mask.outer] * len(latents)
        opacities = opacity_masks(start.latent, latents, start.mask, self.soft)
        pairs = zip(opacities, self.prepared.originals, strict=True)
        return [self._place_mask(cells, original.size) for cells, original in pairs]

    def _place_mask(self, cells: Image.Image, size: tuple[int, int]) -> Image.Image:
        """A mask of latent cells, smooth and in place over an original of ``size``."""
        assert self.prepared.inpaint_mask is not None
        mask = resize_image(cells, self.prepared.inpaint_mask.inner.size, FILL).convert("L")
        mask = mask.filter(MASK_SMOOTHING)
        return mask if self.prepared.box is None else self._place_in_box(mask, size).convert("L")

    def _place_in_box(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        """``image`` in its box, transparent around, RGBA of ``size``."""
        assert self.prepared.box is not None
        left, top, right, bottom = self.prepared.box
        under = Image.new("RGBA", size)
        inner = (right - left, bottom - top)
        under.paste(resize_image(image, inner, CROP, self.prepared.resample), (left, top))
        return under

    def _place_if_cropped(self, image: Image.Image, overlay: Image.Image) -> Image.Image:
        return image if self.prepared.box is None else self._place_in_box(image, overlay.size)

    def _apply_overlay(self, image: Image.Image, overlay: Image.Image) -> Image.Image:
        """``image`` in its place under what stays of the original, RGB."""
        under = self._place_if_cropped(image, overlay).convert("RGBA")
        under.alpha_composite(overlay)  # a veil of another size is laid at the corner
        return under.convert("RGB")

    def _collect_masks(
        self, drawn: Image.Image, size: tuple[int, int], mask: Image.Image, number: int
    ) -> None:
        """Answer and save the mask, and what was drawn under it, as the options ask."""
        options = self.options
        if options.return_mask:
            self.maps.append(mask.convert("RGB"))
        if options.save_mask:
            self.extra_images.append(Aside(mask.convert("RGB"), number, "mask"))
        if options.return_mask_composite or options.save_mask_composite:
            part = _mask_composite(drawn, size, mask)
            self.maps += [part] if options.return_mask_composite else []
            if options.save_mask_composite:
                self.extra_images.append(Aside(part, number, "mask-composite"))


def _mask_composite(drawn: Image.Image, size: tuple[int, int], mask: Image.Image) -> Image.Image:
    """What was drawn where ``mask`` is white, RGBA of ``size``."""
    transparent = Image.new("RGBa", size)
    resized_mask = resize_image(mask, size, FILL).convert("L")
    return Image.composite(
        drawn.convert("RGBA").convert("RGBa"), transparent, resized_mask
    ).convert("RGBA")


def make_finisher(request: GenerationRequest, prepared: PreparedImages) -> Finisher:
    """The finisher of an img2img job. Raises :class:`generator.errors.BadRequest`."""
    origin = request.origin
    histograms: tuple[LabHistogram, ...] = ()
    if request.options.img2img_color_correction:
        pictures = list(prepared.encoded_images)
        if origin and origin.colours:
            model = flatten_onto(
                read_base64(origin.colours), request.options.img2img_background_color
            )
            pictures = [model] * len(pictures)
        histograms = tuple(histogram_of(picture) for picture in pictures)
    return Finisher(prepared, request.options, request.soft_inpainting, histograms)
