"""From a decoded picture of img2img to the one that is answered, and the masks beside it.

Colour correction first, then the veil of what stays (contract sections 5.3 to 5.5).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image, ImageFilter
from torch import Tensor

from generator.origins import Prepared
from generator.pictures.colours import Palette, palette, recoloured
from generator.pictures.masks import veil
from generator.pictures.reading import flat, read_base64
from generator.pictures.resizing import CROP, FILL, resize_image
from generator.pictures.soft_masks import opacity
from generator.request import Aside, GenerationRequest, Snapshot, SoftInpainting

SMOOTH = ImageFilter.GaussianBlur(4)  # pixels; a mask of cells has steps


@dataclass(slots=True, eq=False)
class Finisher:
    """Applies colour correction and the inpainting overlay to the pictures of one img2img job.

    ``maps`` collects the masks for the answer, ``extra_images`` the pictures to be saved beside.
    """

    prepared: Prepared
    options: Snapshot
    soft: SoftInpainting | None = None
    palettes: tuple[Palette, ...] = ()  # colours to keep, one a picture of a batch
    maps: list[Image.Image] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)

    def batch(self, latents: Tensor, first: int) -> Callable[[Image.Image, int], Image.Image]:
        """How to finish the pictures of ``latents`` (B,4,h,w): a function of picture and row.

        ``first`` is the number of the batch's first picture in the job.
        """
        masks, veils = self._masks(latents), self.prepared.veils
        if self.soft and masks:
            pairs = zip(self.prepared.originals, masks, strict=True)
            veils = tuple(veil(original, mask) for original, mask in pairs)

        def finish(image: Image.Image, row: int) -> Image.Image:
            if self.palettes:
                if self.options.save_images_before_color_correction:
                    plain = self._veiled(image, veils[row]) if veils else image
                    self.asides.append(Aside(plain, first + row, "before-color-correction"))
                image = recoloured(image, self.palettes[row])
            if not veils:
                return image
            drawn = image
            if self.options.overlay_inpaint:
                drawn = self._laid_in(image, veils[row])
                image = self._veiled(image, veils[row])
            self._keep_masks(drawn, image.size, masks[row], first + row)
            return image

        return finish

    def _masks(self, latents: Tensor) -> list[Image.Image]:
        """What was repainted, white, in the size of each original."""
        sten, start = self.prepared.stencil, self.prepared.start
        if sten is None:
            return []
        if self.soft is None or start.mask is None:
            return [sten.outer] * len(latents)
        opacities = opacity(start.latent, latents, start.mask, self.soft)
        pairs = zip(opacities, self.prepared.originals, strict=True)
        return [self._over(cells, original.size) for cells, original in pairs]

    def _over(self, cells: Image.Image, size: tuple[int, int]) -> Image.Image:
        """A mask of latent cells, smooth and in place over an original of ``size``."""
        assert self.prepared.stencil is not None
        mask = resize_image(cells, self.prepared.stencil.inner.size, FILL).convert("L")
        mask = mask.filter(SMOOTH)
        return mask if self.prepared.box is None else self._placed(mask, size).convert("L")

    def _placed(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        """``image`` in its box, transparent around, RGBA of ``size``."""
        assert self.prepared.box is not None
        left, top, right, bottom = self.prepared.box
        under = Image.new("RGBA", size)
        inner = (right - left, bottom - top)
        under.paste(resize_image(image, inner, CROP, self.prepared.resample), (left, top))
        return under

    def _laid_in(self, image: Image.Image, over: Image.Image) -> Image.Image:
        return image if self.prepared.box is None else self._placed(image, over.size)

    def _veiled(self, image: Image.Image, over: Image.Image) -> Image.Image:
        """``image`` in its place under what stays of the original, RGB."""
        under = self._laid_in(image, over).convert("RGBA")
        under.alpha_composite(over)  # a veil of another size is laid at the corner
        return under.convert("RGB")

    def _keep_masks(
        self, drawn: Image.Image, size: tuple[int, int], mask: Image.Image, number: int
    ) -> None:
        """Answer and save the mask, and what was drawn under it, as the options ask."""
        options = self.options
        if options.return_mask:
            self.maps.append(mask.convert("RGB"))
        if options.save_mask:
            self.asides.append(Aside(mask.convert("RGB"), number, "mask"))
        if options.return_mask_composite or options.save_mask_composite:
            part = _composite(drawn, size, mask)
            self.maps += [part] if options.return_mask_composite else []
            if options.save_mask_composite:
                self.asides.append(Aside(part, number, "mask-composite"))


def _composite(drawn: Image.Image, size: tuple[int, int], mask: Image.Image) -> Image.Image:
    """What was drawn where ``mask`` is white, RGBA of ``size``."""
    nothing = Image.new("RGBa", size)
    shown = resize_image(mask, size, FILL).convert("L")
    return Image.composite(drawn.convert("RGBA").convert("RGBa"), nothing, shown).convert("RGBA")


def finisher(request: GenerationRequest, prepared: Prepared) -> Finisher:
    """The finisher of an img2img job. Raises :class:`generator.errors.BadRequest`."""
    origin = request.origin
    palettes: tuple[Palette, ...] = ()
    if request.options.img2img_color_correction:
        pictures = list(prepared.drawn_from)
        if origin and origin.colours:
            model = flat(read_base64(origin.colours), request.options.img2img_background_color)
            pictures = [model] * len(pictures)
        palettes = tuple(palette(picture) for picture in pictures)
    return Finisher(prepared, request.options, request.soft_inpainting, palettes)
