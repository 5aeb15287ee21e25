"""Keeps networks in RAM and brings to the device what computes now: ``--medvram``, ``--lowvram``.

A network is cut into parts. Whenever a module of a part is called, the part comes to the device,
and the one that was there before leaves, by dropping its copy: weights are not changed there.
"""

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from generator.models.placement import Placement
from generator.models.weight_sizes import networks_of

if TYPE_CHECKING:  # their import needs generator.models.torchvision_ops first
    from diffusers import ModelMixin
    from transformers import PreTrainedModel

COMPUTE_DEVICE = "compute_device"
"""The attribute of a network that tells where it computes, though its weights rest in RAM."""


class Mover(Protocol):
    """Moves tensors between RAM and a device; what is there already is returned as it is."""

    @property
    def device(self) -> torch.device:
        """Where it moves tensors to."""
        ...

    def to_device(self, tensor: Tensor) -> Tensor:
        """The tensor on the device."""
        ...

    def to_ram(self, tensor: Tensor) -> Tensor:
        """The tensor in RAM."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceMover:
    """Moves tensors with torch."""

    device: torch.device

    def to_device(self, tensor: Tensor) -> Tensor:
        """A copy on the device."""
        return tensor.to(self.device, non_blocking=True)

    def to_ram(self, tensor: Tensor) -> Tensor:
        """A copy in RAM."""
        return tensor.cpu()


@dataclass(frozen=True, slots=True, eq=False)
class _Copy:
    """A tensor of a network on the device, and what it is in RAM."""

    tensor: Tensor  # the parameter or buffer
    in_ram: Tensor
    address: int  # of its data on the device


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Part:
    """Modules that are on the device together. ``ends`` may stay beside each other part."""

    modules: tuple[nn.Module, ...]
    owner: int  # the network's id
    ends: bool = False
    copies: list[_Copy] = field(default_factory=list)

    def bring(self, mover: Mover) -> None:
        for module in self.modules:
            for tensor in (*module.parameters(), *module.buffers()):
                in_ram = tensor.data
                tensor.data = mover.to_device(in_ram)
                self.copies.append(_Copy(tensor, in_ram, tensor.data_ptr()))

    def send_away(self, mover: Mover) -> None:
        for copy in self.copies:
            # Another address: somebody has put other weights there meanwhile.
            kept = copy.in_ram if copy.tensor.data_ptr() == copy.address else copy.tensor.data
            copy.tensor.data = mover.to_ram(kept)
        self.copies.clear()


class Offloader:
    """The parts of all networks that share a device. Not for several threads."""

    def __init__(self, mover: Mover, placement: Placement) -> None:
        self._mover = mover
        self._placement = placement
        self._present: list[weakref.ref[_Part]] = []

    def manage(self, value: object) -> None:
        """Let the networks of ``value``, which are in RAM, come to the device when called."""
        for network in networks_of(value):
            setattr(network, COMPUTE_DEVICE, self._mover.device)
            for part in _parts_of(network, self._placement):
                for module in part.modules:
                    for inner in module.modules():
                        inner.register_forward_pre_hook(self._door_of(part))

    def rest(self) -> None:
        """Send everything away, so that weights can be changed in RAM."""
        self._send_away(keep=())

    def _door_of(self, part: _Part) -> "_Door":
        return _Door(self, part)

    def enter(self, part: _Part) -> None:
        """Bring a part to the device, and send away those that may not be beside it."""
        if part.copies:
            return
        present = (each() for each in self._present)
        ends = () if part.ends else (p for p in present if p and p.ends and p.owner == part.owner)
        self._send_away(keep=tuple(ends))
        part.bring(self._mover)
        self._present.append(weakref.ref(part))

    def _send_away(self, keep: tuple[_Part, ...]) -> None:
        for reference in self._present:
            part = reference()
            if part is not None and part not in keep:
                part.send_away(self._mover)
        self._present = [weakref.ref(part) for part in keep]


@dataclass(frozen=True, slots=True, eq=False)
class _Door:
    """A hook before a module's forward."""

    offloader: Offloader
    part: _Part

    def __call__(self, _: nn.Module, __: object) -> None:
        self.offloader.enter(self.part)


def device_of(network: "ModelMixin | PreTrainedModel") -> torch.device:
    """Where a network computes: not where its weights are while they rest in RAM."""
    named = getattr(network, COMPUTE_DEVICE, None)
    return torch.device(named) if named else next(network.parameters()).device


def dtype_of(network: "ModelMixin | PreTrainedModel") -> torch.dtype:
    """Of a network's weights. Its own ``dtype`` looks through all modules, for milliseconds."""
    return next(network.parameters()).dtype


def offloader_of(device: torch.device, placement: Placement) -> Offloader | None:
    """What moves networks for a device; None where they stay on it whole, or it is the CPU."""
    if device.type == "cpu" or placement is Placement.WHOLE:
        return None
    return Offloader(DeviceMover(device), placement)


def _parts_of(network: nn.Module, placement: Placement) -> Iterator[_Part]:
    """The parts of a network; together all of its modules that hold weights."""
    blocks = list(_blocks_of(network)) if placement is Placement.BLOCKS else []
    if not blocks:
        yield _Part((network,), id(network))
        return
    yield from (_Part((block,), id(network)) for block in blocks)
    inside = {id(block) for block in blocks}
    ends = tuple(
        child
        for child in network.children()
        if id(child) not in inside and not isinstance(child, nn.ModuleList)
    )
    yield _Part(ends, id(network), ends=True)


def _blocks_of(network: nn.Module) -> Iterator[nn.Module]:
    """What of a network is large and called one after another, as diffusers names it."""
    for name in ("down_blocks", "mid_block", "up_blocks", "encoder", "decoder"):
        found = getattr(network, name, None)
        if isinstance(found, nn.ModuleList):
            yield from found
        elif isinstance(found, nn.Module):
            yield found
