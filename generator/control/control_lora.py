"""Control-LoRA: a ControlNet told as changes of low rank to the U-Net that it steers.

The file holds whole what a U-Net lacks (hint layers, zero convolutions) and two factors, ``.up``
and ``.down``, for layers that both have; the product of the factors is added to the checkpoint's
own weight. What the file leaves out is the checkpoint's.
"""

from collections.abc import Iterator, Mapping
from math import prod

from torch import Tensor

from generator.errors import WrongArchitecture
from generator.models.families.architecture import Shapes
from generator.models.families.ldm.sizes import UNET
from generator.models.index import ModelFile
from generator.models.weights import shapes_of

MARK = "lora_controlnet"
UP, DOWN, WEIGHT = ".up", ".down", ".weight"
CONV_IN = "input_blocks.0.0.weight"
LATENT_CHANNELS = 4  # that it reads: an inpainting U-Net's further channels are left out
SHARED = ("input_blocks.", "middle_block.", "time_embed.", "label_emb.")
"""Parts that a ControlNet shares with its U-Net."""


class MergedTensors(Mapping[str, Tensor]):
    """The tensors of a whole ControlNet in the original layout, each made at its access."""

    def __init__(self, own: Mapping[str, Tensor], unet: Mapping[str, Tensor]) -> None:
        """``own`` are the file's, ``unet`` the checkpoint's below :data:`UNET`."""
        self._own = own
        self._unet = unet
        self.shapes: Shapes = _merged_shapes(shapes_of(own), shapes_of(unet))

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def __contains__(self, name: object) -> bool:
        return name in self.shapes  # Mapping would make the tensor

    def __getitem__(self, name: str) -> Tensor:
        if name in self._own:
            return self._own[name]
        weight = self._unet[f"{UNET}{name}"]
        if name == CONV_IN:
            weight = weight[:, :LATENT_CHANNELS]
        stem = name.removesuffix(WEIGHT)
        if f"{stem}{UP}" not in self._own:
            return weight
        up, down = (self._own[f"{stem}{end}"].float().flatten(1) for end in (UP, DOWN))
        return weight.float() + (up @ down).reshape(weight.shape)


def merge(
    file: ModelFile, own: Mapping[str, Tensor], base: ModelFile, unet: Mapping[str, Tensor]
) -> MergedTensors:
    """The ControlNet that ``file`` makes of the checkpoint ``base``.

    Raises :class:`WrongArchitecture` where its factors are for another U-Net.
    """
    merged = MergedTensors(own, unet)
    shapes = shapes_of(own)
    for name in shapes:
        if name.endswith(UP) and not _fits(shapes, name.removesuffix(UP), merged.shapes):
            raise WrongArchitecture(
                f"The Control-LoRA {file.name} does not fit the checkpoint {base.name}: its "
                f"{name.removesuffix(UP)} is for a U-Net of other sizes. Choose one that was made "
                "for the checkpoint's family"
            )
    return merged


def _fits(own: Shapes, stem: str, merged: Shapes) -> bool:
    weight = merged.get(f"{stem}{WEIGHT}")
    up, down = own[f"{stem}{UP}"], own.get(f"{stem}{DOWN}")
    if weight is None or down is None or not up:
        return False
    return (up[0], prod(up[1:])) == (weight[0], down[0]) and prod(down[1:]) == prod(weight[1:])


def _merged_shapes(own: Shapes, unet: Shapes) -> dict[str, tuple[int, ...]]:
    bare = {name.removeprefix(UNET): shape for name, shape in unet.items()}
    shared = {name: shape for name, shape in bare.items() if name.startswith(SHARED)}
    if CONV_IN in shared:
        out, channels, *kernel = shared[CONV_IN]
        shared[CONV_IN] = (out, min(channels, LATENT_CHANNELS), *kernel)
    whole = {name: shape for name, shape in own.items() if not name.endswith((UP, DOWN))}
    whole.pop(MARK, None)
    return shared | whole
