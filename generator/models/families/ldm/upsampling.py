"""U-Net upsampling for latents whose sides are no multiples of 8, as in the original SD1.

On the way up, LDM doubles, convolves and then shrinks to the size of the way down where that was
odd; diffusers interpolates to that size first and convolves then. The pictures differ by up to
35 dB of PSNR (golden ``i2i_resize0``).
"""

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel


class DoubleThenFit(nn.Module):
    """Nearest doubling, a convolution, and a nearest fit to ``output_size`` (h, w) if given."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, hidden: Tensor, output_size: tuple[int, int] | None = None) -> Tensor:
        """(B,C,h,w) -> (B,C,2h,2w), or of ``output_size``."""
        doubled: Tensor = self.conv(functional.interpolate(hidden, scale_factor=2.0))
        if output_size is None or doubled.shape[-2:] == tuple(output_size):
            return doubled
        return functional.interpolate(doubled, size=tuple(output_size))


def use_original_upsampling(unet: "UNet2DConditionModel") -> None:
    """Give ``unet`` LDM's upsampling; weights and their names stay as they are."""
    for block in unet.up_blocks:
        if block.upsamplers is not None:
            block.upsamplers[0] = DoubleThenFit(block.upsamplers[0].conv)
