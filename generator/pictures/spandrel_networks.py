"""Networks that make a picture of a picture, from files, by spandrel's tables of layouts."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from generator.errors import ModelUnreadable
from generator.models import torchvision_ops
from generator.models.drawable import SHAPE_ERRORS
from generator.models.index import ModelFile
from generator.models.weights import check_finite, read_tensors

if TYPE_CHECKING:
    from spandrel import ArchRegistry, ImageModelDescriptor

STATE_DICT_KEYS = ("params_ema", "params-ema", "params", "state_dict", "model", "net")
"""Under what training programs file a network's tensors."""
MOST_TENSORS = 20_000
LONGEST_NUMBER = 4  # digits in a tensor's name
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, eq=False)
class SpandrelNetwork:
    """A network with what spandrel knows of it, as :class:`Residency` counts it."""

    module: nn.Module  # the descriptor's own, which it does not show as a field
    descriptor: "ImageModelDescriptor"


def load_spandrel_network(
    file: ModelFile, device: torch.device, unknown: str, layouts: "ArchRegistry | None" = None
) -> SpandrelNetwork:
    """The network of ``file`` on ``device``, ready to run.

    ``layouts`` are those to tell it by, spandrel's own without any. Raises
    :class:`ModelUnreadable`: "NAME is ``unknown``" where none of them fits.
    """
    torchvision_ops.prepare()
    # spandrel takes seconds to import and few jobs need it.
    from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError

    try:
        tensors = unwrap_state_dict(read_tensors(file.path, file.kept_in))
        _check_names(file, tensors)
        check_finite(file.path.name, tensors)
        loader = ModelLoader(device, layouts) if layouts else ModelLoader(device)
        descriptor = loader.load_from_state_dict(tensors)
    except (UnsupportedModelError, *SHAPE_ERRORS, LookupError) as error:
        raise ModelUnreadable(f"{file.path.name} is {unknown}.") from error
    if not isinstance(descriptor, ImageModelDescriptor) or descriptor.input_channels != 3:
        name = file.path.name
        raise ModelUnreadable(f"{name} holds a network that makes no picture of a picture.")
    return SpandrelNetwork(descriptor.eval().model, descriptor)


def unwrap_state_dict(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the name that a training program filed them under."""
    for wrapping in STATE_DICT_KEYS:
        inner = {
            name.removeprefix(f"{wrapping}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{wrapping}.")
        }
        # "model.0.weight" is a name of its own in old ESRGAN files.
        if inner and not (wrapping == "model" and any(name[:1].isdigit() for name in inner)):
            return inner
    return tensors


def _check_names(file: ModelFile, tensors: dict[str, Tensor]) -> None:
    """Refuse names that count to a million: a network is built with as many layers."""
    numbers = (number for name in tensors for number in _NUMBER.findall(name))
    if len(tensors) > MOST_TENSORS or any(len(number) > LONGEST_NUMBER for number in numbers):
        raise ModelUnreadable(f"{file.path.name}: its names are those of no such network.")
