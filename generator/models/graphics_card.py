"""A CUDA device as the residency sees it: how much fits on it, and moving weights."""

import torch
from torch import Tensor

from generator.models.residency import Device
from generator.models.weight_sizes import tensors_of

WORKING_BYTES = 3 << 29  # left to what a picture of 1024x1024 needs while it is drawn


class GraphicsCard:
    """One CUDA device. ``budget``: bytes that weights may take on it; None: what is free."""

    def __init__(self, device: torch.device, budget: int | None = None) -> None:
        self._device = device
        self._budget = budget

    def headroom(self, held: int) -> int:
        """Bytes that more weights may take, ``held`` being there now."""
        free, _ = torch.cuda.mem_get_info(self._device)
        cached = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(
            self._device
        )
        left = free + cached - WORKING_BYTES
        return left if self._budget is None else min(left, self._budget - held)

    def bring(self, value: object) -> None:
        """Move weights from pinned RAM onto the card."""
        for tensor in tensors_of(value):
            tensor.data = tensor.data.to(self._device, non_blocking=True)
        torch.cuda.synchronize(self._device)

    def send_away(self, value: object) -> None:
        """Move weights into pinned RAM, from which they come back fastest."""
        for tensor in tensors_of(value):
            tensor.data = _pin(tensor.data.cpu())

    def trim(self) -> None:
        """Give the memory of dropped weights back to the card's other users."""
        torch.cuda.empty_cache()


def card_of(device: torch.device, budget: int | None) -> Device | None:
    """The device's own memory; None where that is RAM."""
    return GraphicsCard(device, budget) if device.type == "cuda" else None


def _pin(tensor: Tensor) -> Tensor:
    try:
        return tensor.pin_memory()
    except RuntimeError:  # the system lets no more be pinned: it moves slower, but it moves
        return tensor
