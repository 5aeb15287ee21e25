"""Networks that rest in RAM: parts come to the device to compute, and pictures stay the same."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from generator.engine import Engine
from generator.models.checkpoint_cache import CheckpointCache
from generator.models.offload import Offloader
from generator.models.placement import Placement
from generator.models.residency import MemoryLimits, ResidentKind
from generator.models.weight_sizes import bytes_of, networks_of, tensors_of
from generator.request import GenerationRequest, HiresFix, Sampling, Seeds, Snapshot
from tests.parity.compare import psnr
from tests.parity.service import build_engine

CPU = torch.device("cpu")
REQUEST = GenerationRequest(
    prompt="a red cat<lora:tinylora:1><lora:tinyloha:0.8>",
    seeds=Seeds(7),
    sampling=Sampling("Euler a", steps=1),
    width=64,
    height=64,
    hires=HiresFix(0.6, 1.5, upscaler="Lanczos"),
    checkpoint="tinysd15",
    options=Snapshot(randn_source="CPU"),
)


@dataclass(eq=False)
class PretendedDevice:
    """A device in RAM: what is there, by address, and the most that ever was."""

    device: torch.device = CPU
    sizes: dict[int, int] = field(default_factory=dict)
    most: int = 0
    moves: int = 0

    def to_device(self, tensor: Tensor) -> Tensor:
        assert tensor.data_ptr() not in self.sizes, "it is there already"
        copy = tensor.clone()
        if copy.nbytes:
            self.sizes[copy.data_ptr()] = copy.nbytes
        self.most, self.moves = max(self.most, sum(self.sizes.values())), self.moves + 1
        return copy

    def to_ram(self, tensor: Tensor) -> Tensor:
        return tensor.clone() if self.sizes.pop(tensor.data_ptr(), None) else tensor


class CountingOffloader(Offloader):
    """Forgets what left the device, as dropping a tensor does there."""

    def __init__(self, device: PretendedDevice, placement: Placement) -> None:
        super().__init__(device, placement)
        self.device = device

    def _send_away(self, keep: tuple[object, ...]) -> None:
        leaving = [p for each in self._present if (p := each()) and p not in keep]
        addresses = [copy.address for part in leaving for copy in part.copies]
        super()._send_away(keep)
        for address in addresses:
            self.device.sizes.pop(address, None)


@pytest.fixture(scope="module")
def engine(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)
    return build_engine(goldens, tmp_path_factory.mktemp("data"))


@pytest.fixture
def plain_cache(engine: Engine) -> Iterator[CheckpointCache]:
    """The engine's own cache, which is back in its place at the end."""
    own = engine._checkpoints
    yield own
    engine.unload()
    engine._checkpoints = own


@pytest.mark.parametrize("placement", [Placement.COMPONENTS, Placement.BLOCKS])
def test_pictures_stay_and_the_device_holds_less(
    engine: Engine, plain_cache: CheckpointCache, placement: Placement
) -> None:
    engine.unload()
    plain = engine.run(REQUEST)
    (file,) = engine._residency.files(ResidentKind.CHECKPOINT)
    checkpoint = plain_cache.load(file).checkpoint
    largest = max(map(bytes_of, networks_of(checkpoint)))
    before = [tensor.clone() for tensor in tensors_of(checkpoint)]
    engine.unload()
    device = PretendedDevice()
    offloader = CountingOffloader(device, placement)
    engine._checkpoints = CheckpointCache(CPU, torch.float32, engine._residency, offloader)
    moved = engine.run(REQUEST)
    for one, other in zip(plain.pictures, moved.pictures, strict=True):
        assert psnr(one.image, other.image) >= 60
        assert one.infotext == other.infotext
    assert 0 < device.most <= largest
    offloader.rest()
    assert not device.sizes
    checkpoint = engine._checkpoints.load(file).checkpoint
    assert all(map(torch.equal, before, tensors_of(checkpoint)))
    if placement is Placement.BLOCKS:
        device.most = 0
        checkpoint.unet(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 77, 128))
        assert 0 < device.most < bytes_of(checkpoint.unet) * 0.6


def test_a_part_that_is_there_is_not_moved_again() -> None:
    block = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    other = torch.nn.Linear(4, 4)
    device = PretendedDevice()
    offloader = CountingOffloader(device, Placement.COMPONENTS)
    offloader.manage([block, other])
    for _ in range(3):
        block(torch.zeros(1, 4))
    assert device.moves == 4
    other(torch.zeros(1, 4))
    assert len(device.sizes) == 2
    block[1](torch.zeros(1, 4))  # any module of a part brings it
    assert len(device.sizes) == 4


def test_weights_that_are_changed_on_the_device_are_kept() -> None:
    network, device = torch.nn.Linear(2, 2), PretendedDevice()
    offloader = CountingOffloader(device, Placement.COMPONENTS)
    offloader.manage(network)
    network(torch.zeros(1, 2))
    network.weight.data = torch.ones(2, 2)
    offloader.rest()
    assert torch.equal(network.weight, torch.ones(2, 2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("placement", [Placement.COMPONENTS, Placement.BLOCKS])
def test_a_graphics_card_draws_the_same_in_less_memory(
    engine: Engine, placement: Placement
) -> None:
    peaks, pictures = [], []
    for each in (Placement.WHOLE, placement):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        limits = MemoryLimits(placement=each)
        own = Engine(engine._registry, "cuda:0", half=False, memory=limits)
        pictures.append(own.run(replace(REQUEST, hires=None)).pictures[0].image)
        peaks.append(torch.cuda.max_memory_allocated())
        own.unload()
    assert psnr(*pictures) >= 50
    assert peaks[1] < peaks[0]
