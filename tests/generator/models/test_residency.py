"""What is kept in memory: counted by bytes, the oldest leaves, what is in use stays."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.machine_memory import available_memory, total_memory
from generator.models.residency import GIGABYTE, MemoryLimits, Residency, ResidentKind

CHECKPOINT, VAE, LORA, CONTROLNET, *_ = ResidentKind


def file(name: str) -> ModelFile:
    return ModelFile(ModelKind.CHECKPOINT, name, Path("/models") / name, 1, 1, 1)


A, B, C, D = (file(name) for name in "abcd")


@dataclass(eq=False)
class Card:
    """A device with memory of its own that writes down what is moved."""

    size: int
    log: list[str] = field(default_factory=list)

    def headroom(self, held: int) -> int:
        return self.size - held

    def bring(self, value: object) -> None:
        self.log.append(f"bring {value}")

    def send_away(self, value: object) -> None:
        self.log.append(f"send {value}")

    def trim(self) -> None:
        pass


@dataclass(eq=False)
class Memory:
    """RAM of ``size`` bytes, of which a residency has filled some."""

    size: int
    card: Card | None = None
    trims: int = 0

    def __post_init__(self) -> None:
        self.book = Residency(self.headroom, self.card, self.trim)

    def headroom(self) -> int:
        on_card = [r for r in self.book._residents if r.on_device]
        return self.size - self.book.bytes_of() + sum(r.size for r in on_card)

    def trim(self) -> None:
        self.trims += 1

    def load(self, file: ModelFile, size: int, kind: ResidentKind = CHECKPOINT) -> bool:
        """Use a file in a job of its own; whether it had to be read."""
        self.book.begin_job(10)
        return self.use(file, size, kind)

    def use(self, file: ModelFile, size: int, kind: ResidentKind = CHECKPOINT) -> bool:
        if self.book.find(kind, file) is not None:
            return False
        self.book.make_room(kind, file, size)
        self.book.add(kind, file, file.name, size)
        return True


def test_what_was_used_longest_ago_leaves_when_bytes_lack() -> None:
    memory = Memory(100)
    assert [memory.load(each, 40) for each in (A, B, A, B)] == [True, True, False, False]
    memory.load(C, 15)
    assert memory.book.files(CHECKPOINT) == (C, B, A)
    memory.load(A, 40)
    memory.load(D, 20)  # B is the oldest now
    assert memory.book.files(CHECKPOINT) == (D, A, C)
    assert memory.book.bytes_of() == 75
    assert memory.trims == 1


def test_all_kinds_share_the_bytes_and_what_is_in_use_stays() -> None:
    memory = Memory(100)
    memory.load(A, 50)
    memory.use(B, 20, VAE)
    memory.use(C, 20, LORA)
    memory.use(D, 30, CONTROLNET)  # more than there is: nothing leaves under a running job
    assert memory.book.bytes_of() == 120
    memory.load(file("e"), 60)
    assert memory.book.files(CHECKPOINT) == (file("e"),)
    assert memory.book.files(CONTROLNET) == (D,)
    assert memory.book.bytes_of() == 90
    assert memory.book.put_aside_unused() == 30
    assert memory.book.bytes_of() == 60
    memory.book.clear()
    assert memory.book.bytes_of() == 0


def test_a_replaced_file_takes_the_place_of_the_old_one() -> None:
    memory = Memory(100)
    memory.load(A, 40)
    changed = replace(A, mtime_ns=2)
    assert memory.load(changed, 40)
    assert memory.book.files(CHECKPOINT) == (changed,)


def test_the_option_not_to_keep_in_ram_bounds_their_number() -> None:
    memory = Memory(1000)
    for each in (A, B, C):
        memory.book.begin_job(2, keep_in_ram=False)
        memory.use(each, 1)
    assert memory.book.files(CHECKPOINT) == (C, B)


def test_a_card_sends_what_is_unused_to_ram_and_takes_it_back() -> None:
    memory = Memory(1000, card := Card(100))
    memory.load(A, 60)
    memory.load(B, 60)
    assert card.log == ["send a"]
    assert not memory.load(A, 60)
    assert card.log == ["send a", "send b", "bring a"]
    memory.use(C, 500, LORA)  # in RAM, not on the card
    assert memory.book.files(CHECKPOINT) == (A, B)
    memory.use(D, 900, LORA)
    assert memory.book.files(CHECKPOINT) == (A,)  # B was in RAM, and alone not in use


def test_a_card_drops_what_ram_does_not_hold() -> None:
    memory = Memory(50, card := Card(100))
    memory.load(A, 60)
    memory.load(B, 60)
    assert card.log == []
    assert memory.book.files(CHECKPOINT) == (B,)


def test_a_card_holds_one_checkpoint_unless_the_option_says_more() -> None:
    memory = Memory(1000, card := Card(1000))
    for each, most in ((A, 1), (B, 1), (C, 2)):
        memory.book.begin_job(most)
        memory.use(each, 1)
    assert card.log == ["send a"]


def test_the_reserve_is_the_flag_or_a_share() -> None:
    total = 64 * GIGABYTE
    assert MemoryLimits().reserve_of(total) == 16 * GIGABYTE
    assert MemoryLimits(dynamic=True).reserve_of(total) == int(6.4 * GIGABYTE)
    assert MemoryLimits(ram_reserved=40 * GIGABYTE).reserve_of(total) == 40 * GIGABYTE
    assert MemoryLimits(dynamic=True).reserve_of(2 * GIGABYTE) == GIGABYTE


CGROUP_1 = {
    "proc/self/cgroup": "4:cpu,memory:/docker/x\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "5000",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "3000",
    "sys/fs/cgroup/memory/memory.stat": "cache 1\ntotal_inactive_file 500\n",
}
CGROUP_2 = {
    "proc/self/cgroup": "0::/user.slice\n",
    "sys/fs/cgroup/user.slice/memory.max": "4000",
    "sys/fs/cgroup/user.slice/memory.current": "3000",
    "sys/fs/cgroup/user.slice/memory.stat": "inactive_file 800\n",
    "sys/fs/cgroup/memory.max": "max",
}


@pytest.mark.parametrize(
    ("files", "free", "total"),
    [({}, 7 * 1024, 9 * 1024), (CGROUP_1, 2500, 5000), (CGROUP_2, 1800, 4000)],
)
def test_memory_is_the_machines_or_the_cgroups(
    tmp_path: Path, files: dict[str, str], free: int, total: int
) -> None:
    meminfo = {"proc/meminfo": "MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable: 7 kB\n"}
    for name, text in (meminfo | files).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_memory(tmp_path) == free
    assert total_memory(tmp_path) == total
