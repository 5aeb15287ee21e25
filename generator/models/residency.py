"""Which weights stay in memory: all kinds of one device counted by bytes, the oldest leave first.

Weights are on the device, in RAM, or on disk alone. Those of a graphics card that are not in use
move to RAM when others need their place, and are dropped when RAM gets scarce. On the CPU the
device is RAM. No torch: what moves weights is handed in.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from generator.models.index import ModelFile
from generator.models.machine_memory import available_memory, return_freed_memory, total_memory
from generator.models.placement import Placement

GIGABYTE = 1 << 30
DEFAULT_SHARE, DYNAMIC_SHARE = 0.25, 0.1  # of all RAM that stays free; under --sd-dynamic-cache
LEAST_RESERVED = GIGABYTE


class ResidentKind(StrEnum):
    """What is kept. A member's weights are all of one file, or of one changed by it."""

    CHECKPOINT = "checkpoint"
    VAE = "VAE"
    LORA = "LoRA"
    CONTROLNET = "ControlNet"
    IP_ADAPTER = "IP-Adapter"
    IMAGE_ENCODER = "image encoder"
    PREPROCESSOR = "preprocessor"  # of ControlNet's pictures
    UPSCALER = "upscaler"
    FACE_RESTORER = "face restorer"
    FACE_DETECTOR = "face detector"
    FACE_PARSER = "face parser"
    CAPTIONER = "captioner"
    TAGGER = "tagger"
    ONNX_TAGGER = "tagger of onnxruntime"


COMPUTES_ON_DEVICE = frozenset(ResidentKind) - {ResidentKind.LORA, ResidentKind.ONNX_TAGGER}
"""LoRAs stay in RAM: they are added to other weights, layer by layer. So do onnxruntime's."""


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """What the flags allow, in bytes. None: decided by what the machine has."""

    vram_budget: int | None = None  # of one graphics card's, for all weights on it
    ram_reserved: int | None = None  # of RAM, that stays free for all else
    dynamic: bool = False  # --sd-dynamic-cache: keep weights until less than a tenth is free
    placement: Placement = Placement.WHOLE  # --medvram, --lowvram

    def reserve_of(self, total: int) -> int:
        """Bytes of RAM that stay free on a machine of ``total``."""
        if self.ram_reserved is not None:
            return self.ram_reserved
        share = DYNAMIC_SHARE if self.dynamic else DEFAULT_SHARE
        return max(int(total * share), LEAST_RESERVED)


BY_MACHINE = MemoryLimits()


class Device(Protocol):
    """A device with memory of its own, such as a graphics card."""

    def headroom(self, held: int) -> int:
        """Bytes that more weights may take, ``held`` being there now."""
        ...

    def bring(self, value: object) -> None:
        """Move weights from RAM onto the device."""
        ...

    def send_away(self, value: object) -> None:
        """Move weights from the device into RAM."""
        ...

    def trim(self) -> None:
        """Give the memory of dropped weights back."""
        ...


@dataclass(slots=True, eq=False)
class Resident:
    """Weights in memory. Those in use neither move nor leave."""

    kind: ResidentKind
    file: ModelFile
    value: object
    size: int  # bytes
    on_device: bool
    in_use: bool = True
    base: ModelFile | None = None  # the other file whose weights are part of these

    def is_made_of(self, file: ModelFile, base: ModelFile | None) -> bool:
        """Whether it is what these files, as they are on the disk, would be loaded as."""
        return self.file.state == file.state and _state(self.base) == _state(base)

    def is_superseded_by(self, file: ModelFile, base: ModelFile | None) -> bool:
        """Whether it came of an earlier file of that path, or stands where that one will."""
        if self.file.path != file.path:
            return False
        same_base = (self.base and self.base.path) == (base and base.path)
        return same_base or self.file.state != file.state


def _state(file: ModelFile | None) -> object:
    return file and file.state


def ram_headroom_of(limits: MemoryLimits = BY_MACHINE) -> Callable[[], int]:
    """A function that measures how many bytes of RAM weights may still take."""
    reserve = limits.reserve_of(total_memory())
    return lambda: available_memory() - reserve


class Residency:
    """The book of all weights that one engine holds. Not for several threads.

    ``device`` is None where the device's memory is RAM. :meth:`begin_job` tells how many
    checkpoints may be on the device; others move to RAM, or leave where the job's options say so.
    """

    def __init__(
        self,
        ram_headroom: Callable[[], int],
        device: Device | None = None,
        trim: Callable[[], None] = return_freed_memory,
        is_shared: Callable[[], bool] = lambda: False,
    ) -> None:
        """``is_shared``: whether other jobs are under way, whose weights stay in use."""
        self._is_shared = is_shared
        self._ram_headroom = ram_headroom
        self._device = device
        self._trim = trim
        self._residents: list[Resident] = []  # last used last
        self._max_checkpoints = 1
        self._keep_in_ram = True

    def begin_job(self, max_checkpoints: int = 1, keep_in_ram: bool = True) -> None:
        """Nothing is in use yet; how many checkpoints may be on the device is the job's option."""
        self.release()
        self._max_checkpoints, self._keep_in_ram = max(max_checkpoints, 1), keep_in_ram

    def find(
        self, kind: ResidentKind, file: ModelFile, base: ModelFile | None = None
    ) -> object | None:
        """What was loaded of ``file``, on its device and now in use; None where it is not here.

        ``base`` is the other file whose weights are part of it, here and below.
        """
        resident = self._get(kind, file, base)
        if resident is None:
            return None
        self._residents.remove(resident)
        self._residents.append(resident)
        resident.in_use = True
        if not resident.on_device and self._device and kind in COMPUTES_ON_DEVICE:
            self._make_device_room(kind, resident.size)
            self._device.bring(resident.value)
            resident.on_device = True
        return resident.value

    def peek(
        self, kind: ResidentKind, file: ModelFile, base: ModelFile | None = None
    ) -> object | None:
        """What :meth:`find` would find, wherever it is; changes nothing."""
        resident = self._get(kind, file, base)
        return resident and resident.value

    def files(self, kind: ResidentKind) -> tuple[ModelFile, ...]:
        """The files of a kind whose weights are in memory, last used first."""
        return tuple(each.file for each in reversed(self._residents) if each.kind is kind)

    def bytes_of(self, kind: ResidentKind | None = None) -> int:
        """Bytes held of a kind, or of all."""
        return sum(each.size for each in self._residents if kind in (None, each.kind))

    def make_room(
        self, kind: ResidentKind, file: ModelFile, size: int, base: ModelFile | None = None
    ) -> None:
        """Let others move or leave until weights of ``size`` bytes fit, as far as they may.

        What was loaded of an earlier ``file`` of that path leaves first.
        """
        self._drop(r for r in self._residents if r.kind is kind and r.is_superseded_by(file, base))
        if self._device and kind in COMPUTES_ON_DEVICE:
            self._make_device_room(kind, size)
            return
        if kind is ResidentKind.CHECKPOINT and not self._keep_in_ram:
            self._drop(self._surplus_checkpoints())
        self._make_ram_room(size)

    def add(
        self,
        kind: ResidentKind,
        file: ModelFile,
        value: object,
        size: int,
        base: ModelFile | None = None,
    ) -> None:
        """Take weights into the book, in use; :meth:`make_room` was called before."""
        on_device = self._device is not None and kind in COMPUTES_ON_DEVICE
        self._residents.append(Resident(kind, file, value, size, on_device, base=base))

    def release(self, *kinds: ResidentKind) -> None:
        """Nothing of these ``kinds`` (none given: of all) is in use by the one job any more."""
        if self._is_shared():
            return
        for resident in self._residents:
            if not kinds or resident.kind in kinds:
                resident.in_use = False

    def keep_newest(self, kind: ResidentKind, count: int) -> None:
        """Drop all but the last used ``count`` of a kind, also when in use."""
        own = [each for each in self._residents if each.kind is kind]
        self._drop(own[: max(0, len(own) - count)])

    def put_aside_unused(self) -> int:
        """Move all that is not in use off the device, or drop it; bytes freed. For when memory
        has run out.
        """
        on_device = self._list_unused(on_device=True)
        for resident in on_device:
            self._move_to_ram(resident)
        if not on_device:
            return self._drop(self._list_unused(on_device=False))
        assert self._device is not None
        self._device.trim()
        return sum(each.size for each in on_device)

    def clear(self) -> None:
        """Drop everything."""
        self._drop(self._residents)

    def _get(self, kind: ResidentKind, file: ModelFile, base: ModelFile | None) -> Resident | None:
        own = (each for each in self._residents if each.kind is kind)
        return next((each for each in own if each.is_made_of(file, base)), None)

    def _list_unused(self, *, on_device: bool) -> list[Resident]:
        return [r for r in self._residents if not r.in_use and r.on_device is on_device]

    def _surplus_checkpoints(self) -> Iterator[Resident]:
        """Unused checkpoints, so many that one more is within the limit."""
        on_device = self._device is not None
        kept = [
            each
            for each in self._residents
            if each.kind is ResidentKind.CHECKPOINT and each.on_device is on_device
        ]
        surplus = kept[: max(0, len(kept) - self._max_checkpoints + 1)]
        return (each for each in surplus if not each.in_use)

    def _make_device_room(self, kind: ResidentKind, size: int) -> None:
        assert self._device is not None
        leaving = list(self._surplus_checkpoints()) if kind is ResidentKind.CHECKPOINT else []
        held = sum(each.size for each in self._residents if each.on_device)
        lacking = size - self._device.headroom(held) - sum(each.size for each in leaving)
        for resident in self._list_unused(on_device=True):
            if lacking <= 0:
                break
            if resident not in leaving:
                leaving.append(resident)
                lacking -= resident.size
        for resident in leaving:
            self._move_to_ram(resident)
        if leaving:
            self._device.trim()

    def _move_to_ram(self, resident: Resident) -> None:
        """Move weights off the device, or drop them where RAM does not hold them."""
        assert self._device is not None
        if not self._keep_in_ram or not self._make_ram_room(resident.size):
            self._drop([resident])
            return
        self._device.send_away(resident.value)
        resident.on_device = False

    def _make_ram_room(self, size: int) -> bool:
        """Drop unused weights from RAM until ``size`` more fit; whether they do."""
        lacking = size - self._ram_headroom()
        leaving = []
        for resident in self._list_unused(on_device=False):
            if lacking <= 0:
                break
            leaving.append(resident)
            lacking -= resident.size
        self._drop(leaving)
        return lacking <= 0

    def _drop(self, leaving: Iterable[Resident]) -> int:
        gone = list(leaving)
        if not gone:
            return 0
        for resident in gone:
            resident.value = None  # whoever still names the resident holds no weights
        ids = set(map(id, gone))
        self._residents = [each for each in self._residents if id(each) not in ids]
        self._trim()
        if self._device:
            self._device.trim()
        return sum(each.size for each in gone)
