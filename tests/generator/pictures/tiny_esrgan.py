"""A small upscaler for tests."""

import torch

from generator.models import torchvision_ops


def network(seed: int = 0) -> dict[str, torch.Tensor]:
    """The smallest ESRGAN: 4 features, one block, four times larger."""
    torchvision_ops.prepare()
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(seed)
    return ESRGAN(num_filters=4, num_blocks=1, scale=4).state_dict()
