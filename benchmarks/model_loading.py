"""Loading of checkpoints: cold against reading their files, warm, memory, and 200 switches.

``python -m benchmarks.model_loading``. The files are made here, with weights drawn at random. Cold
is what the kernel was told to forget; each load is a process of its own, which has loaded a small
file before.
"""

import json
import math
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure, as_markdown, machine
from generator.models.machine_memory import available_memory, trim_heap

if TYPE_CHECKING:
    from generator.engine import Engine
    from generator.models.index import ModelFile

GIGABYTE = 1 << 30
BLOCK = 8 << 20  # bytes read or written at a time
ROUNDS = 3
MAX_COLD, MAX_WARM_MS, MAX_PEAK, MAX_GROWTH = 1.5, 50, 1.25, 0.03
SWITCHES, EARLY = 200, 20
TURNS = 3  # of all checkpoints; then LoRA and VAE begin anew: both looks see the same models held
ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / "generator/default_checkpoint/easel-default.safetensors"
MAKER = ROOT / "tests/parity/recorded-xl/checkpoint/make_tiny.py"
Layout = Mapping[str, tuple[int, ...]]  # shapes by names in the file


def loading_figures() -> Iterator[Figure]:
    """Every figure of loading."""
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        path = Path(name) / "model.safetensors"
        for title, layout in layouts().items():
            write_random(path, layout)
            yield from measure_file(title, path)
    yield from measure_switches()


def layouts() -> dict[str, Layout]:
    """The files to load, by what they are called in the table; those that memory holds in fp32."""
    from benchmarks.model_layouts import sd1_layout, sdxl_layout

    found = {"SD1": sd1_layout(), "SDXL": sdxl_layout()}
    left = available_memory()
    return {name: each for name, each in found.items() if 3 * file_bytes(each) < left}


def file_bytes(layout: Layout) -> int:
    """Bytes of the tensors as fp16."""
    return 2 * sum(math.prod(shape) for shape in layout.values())


def write_random(path: Path, layout: Layout) -> None:
    """A safetensors file of fp16 weights in that layout, flushed to the disk."""
    header, end = {}, 0
    for name, shape in layout.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    block = os.urandom(BLOCK).translate(bytes(byte & 0xBF for byte in range(256)))  # no NaN
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for start in range(0, end, BLOCK):
            file.write(block[: end - start])
        file.flush()
        os.fsync(file.fileno())


def forget(path: Path) -> None:
    """Let the kernel drop what it holds of a file."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_seconds(path: Path) -> float:
    """Seconds to read a cold file once, from its first byte to its last."""
    forget(path)
    buffer = bytearray(BLOCK)
    started = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - started


def measure_file(title: str, path: Path) -> Iterator[Figure]:
    """Cold loads of one file, by turns with reading it."""
    reads, loads = [], []
    for _ in range(ROUNDS):
        reads.append(read_seconds(path))
        forget(path)
        loads.append(load_in_child(path))
    read = statistics.median(reads)
    cold = statistics.median(load["seconds"] for load in loads)
    held = loads[0]["held"] / GIGABYTE
    peak = max(load["peak"] / load["held"] for load in loads)
    yield Figure(
        f"{title} ({path.stat().st_size / GIGABYTE:.2f} GiB): reading it, cold, s", f"{read:.2f}"
    )
    cpu = statistics.median(load["cpu"] for load in loads)
    yield Figure(f"{title}: processor time of loading it, all cores, s", f"{cpu:.2f}")
    yield Figure(
        f"{title}: loading it, cold, s; × reading", f"{cold:.2f}; {cold / read:.2f} ×",
        f"≤ {MAX_COLD} ×", cold / read <= MAX_COLD,
    )  # fmt: skip
    yield Figure(
        f"{title}: peak memory while loading × the {held:.2f} GiB held",
        f"{peak:.2f} ×", f"≤ {MAX_PEAK} ×", peak <= MAX_PEAK,
    )  # fmt: skip


def load_in_child(path: Path) -> dict[str, float]:
    """Seconds, bytes held and bytes at the peak of one load, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.model_loading", str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def load_once(path: Path) -> dict[str, float]:
    """What a child measures: all that is imported and built once is so before."""
    from generator.models.residency import ResidentKind

    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        engine = engine_with({"small": DEFAULT, "model": path}, Path(name))
        load(engine, "small")
        engine.unload()
        forget(path)
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        started, computed = time.perf_counter(), time.process_time()
        load(engine, "model")
        seconds, cpu = time.perf_counter() - started, time.process_time() - computed
        held = engine._residency.bytes_of(ResidentKind.CHECKPOINT)
        return {"seconds": seconds, "cpu": cpu, "held": held, "peak": memory("VmHWM") - before}


def memory(key: str) -> int:
    """Bytes of this process's memory, by its name in ``/proc/self/status``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) * 1024


def engine_with(checkpoints: Mapping[str, Path], data_dir: Path, **others: Any) -> "Engine":
    """An engine whose models are links to these files, by their names."""
    from generator.engine import Engine
    from generator.models.registry import Folders, Registry

    link(checkpoints, data_dir / "models/Stable-diffusion")
    return Engine(Registry(Folders.under(data_dir), None), "cpu", **others)


def load(engine: "Engine", name: str) -> float:
    """Seconds until a checkpoint can be drawn with."""
    file: ModelFile = engine._registry.find_checkpoint(name)
    started = time.perf_counter()
    engine._checkpoints.load(file)
    return time.perf_counter() - started


def measure_switches() -> Iterator[Figure]:
    """Going back to a checkpoint in memory, and 200 switches where memory holds one or all."""
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        models = Path(name) / "files"
        checkpoints = {**write_tiny_xl(models), "one": DEFAULT, "two": DEFAULT}
        engine = engine_with(checkpoints, Path(name) / "warm")
        for each in checkpoints:
            load(engine, each)
        warm = max(load(engine, each) for _ in range(5) for each in checkpoints) * 1000
        title = f"going back to one of {len(checkpoints)} checkpoints in memory, slowest, ms"
        yield Figure(title, f"{warm:.2f}", f"≤ {MAX_WARM_MS}", warm <= MAX_WARM_MS)
    for title, kept in (("all kept", 0), ("one kept", 1)):
        early, late = switch_in_child(kept)
        growth = late / early - 1
        yield Figure(
            f"{SWITCHES} switches, {title}: memory after {EARLY}, after all, MiB",
            f"{early / 2**20:.0f}, {late / 2**20:.0f} ({growth:+.1%})",
            f"within {MAX_GROWTH:.0%}",
            abs(growth) <= MAX_GROWTH,
        )


def write_tiny_xl(folder: Path) -> dict[str, Path]:
    """Two tiny checkpoints of SDXL with their LoRA and VAE; none where their maker is not here."""
    folder.mkdir(parents=True)
    if not MAKER.is_file():
        return {}
    subprocess.run([sys.executable, str(MAKER), str(folder)], check=True, capture_output=True)
    return {name: folder / f"{name}.safetensors" for name in ("tinyxl", "tinyxl_b")}


def switch_in_child(keep_one: int) -> tuple[float, float]:
    """Bytes of a fresh process after the first and after the last switches."""
    command = [sys.executable, "-m", "benchmarks.model_loading", "switch", str(keep_one)]
    early, late = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return early, late


def switch_often(keep_one: bool) -> tuple[int, int]:
    """Draw with another checkpoint, LoRA and VAE each time; bytes early and at the end.

    After each drawing what it freed is given back, as a worker does that has no next job. Without
    it, up to 38 MiB of free pages were counted, more or fewer by chance.
    """
    from generator.models.residency import MemoryLimits
    from generator.request import GenerationRequest, Sampling, Seeds

    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        models, data_dir = Path(name) / "files", Path(name) / "data"
        xl = write_tiny_xl(models)
        limits = MemoryLimits(ram_reserved=1 << 50) if keep_one else MemoryLimits()
        companions = DEFAULT.parent / "companions"
        loras = {"snail": companions / "easel-snail.safetensors",
                 "blueprint": companions / "easel-blueprint.safetensors",
                 "tinyxllora": models / "tinyxllora.safetensors"}  # fmt: skip
        vaes = {"other": models / "othervae.safetensors", "default": DEFAULT}
        for folder, files in (("Lora", loras), ("VAE", vaes)):
            link(files, data_dir / "models" / folder)
        engine = engine_with({**xl, "one": DEFAULT, "two": DEFAULT}, data_dir, memory=limits)
        names = [*xl, "one", "two"]
        seen = []
        for number in range(SWITCHES):
            checkpoint = names[number % len(names)]
            own = ["tinyxllora"] if checkpoint in xl else ["snail", "blueprint"]
            own_vae = "other" if checkpoint in xl else "default"
            turn = number // len(names) % TURNS
            engine.run(
                GenerationRequest(
                    f"a house<lora:{own[turn % len(own)]}:0.5>",
                    Seeds(number),
                    sampling=Sampling("Euler", steps=1),
                    width=64,
                    height=64,
                    checkpoint=checkpoint,
                    vae=(own_vae, "Automatic", own_vae)[turn],
                )
            )
            trim_heap()
            seen.append(memory("VmRSS"))
        return seen[EARLY - 1], seen[-1]


def link(files: Mapping[str, Path], folder: Path) -> None:
    """A folder of links to those of ``files`` that are there."""
    folder.mkdir(parents=True)
    for name, path in files.items():
        if path.is_file():
            (folder / f"{name}.safetensors").symlink_to(path)


def main(words: list[str]) -> None:
    """Take the figures, or one of them in a child."""
    if words[:1] == ["switch"]:
        print(json.dumps(switch_often(words[1] == "1")))
    elif words:
        print(json.dumps(load_once(Path(words[0]))))
    else:
        where = machine()
        print(as_markdown(list(loading_figures()), where))


if __name__ == "__main__":
    main(sys.argv[1:])
