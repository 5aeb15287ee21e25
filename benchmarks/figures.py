"""The figures of the service, each measured in the same run on the same machine."""

import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from benchmarks.cheap_gets import CLIENTS, measure_burst, measure_gets
from benchmarks.service import Service, run_easel

PROMPT = "a red house on green grass at night"
SIZE = 256  # what the default checkpoint prefers
STEPS = 20
MAX_PLUGINS_MS = 150  # ms
MAX_GET_MS = 50  # ms at the 95th percentile
SQUARE = 512  # pixels a side, where the share outside the networks is promised
GOLDENS = Path(__file__).resolve().parents[2] / "shared" / "goldens"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. ``bar`` is the promise, ``met`` whether it held (None: no bar)."""

    name: str
    value: str
    bar: str = ""
    met: bool | None = None


def machine() -> str:
    """Processor, cores and memory of the machine at hand, in a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, load {load:.1f} at the start"
    )


def txt2img(service: Service, **changes: Any) -> Any:
    """One synchronous request of the standard picture."""
    body = {
        "prompt": PROMPT,
        "steps": STEPS,
        "width": SIZE,
        "height": SIZE,
        "seed": 1,
        "sampler_name": "Euler a",
    }
    return service.post("/sdapi/v1/txt2img", {**body, **changes})


def measure_starts(data_dir: Path, rounds: int = 3) -> Iterator[Figure]:
    """Warm start to the first ping and to the first finished picture."""
    pings, pictures = [], []
    for _ in range(rounds):
        with run_easel(data_dir) as service:
            pings.append(service.wait_for_ping())
            txt2img(service)
            pictures.append(time.perf_counter() - service.started)
    ping, picture = statistics.median(pings), statistics.median(pictures)
    yield Figure("warm start to ping, s", f"{ping:.2f}", "≤ 2", ping <= 2)
    yield Figure("warm start to first picture, s", f"{picture:.2f}")


def throughput(service: Service, seconds: float = 30) -> Iterator[Figure]:
    """Pictures a minute, one client and then eight, for ``seconds`` each."""
    alone = _pictures_a_minute(service, 1, seconds)
    crowd = _pictures_a_minute(service, 8, seconds)
    yield Figure("pictures a minute, one client", f"{alone:.1f}")
    yield Figure("pictures a minute, 8 clients at once", f"{crowd:.1f}")
    yield Figure("8 clients against one", f"{crowd / alone:.2f} ×")


def _pictures_a_minute(service: Service, clients: int, seconds: float) -> float:
    end = time.perf_counter() + seconds

    def client(number: int) -> int:
        drawn = 0
        while time.perf_counter() < end:
            txt2img(service, seed=number * 1000 + drawn)
            drawn += 1
        return drawn

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        picture_count = sum(pool.map(client, range(clients)))
    return picture_count / (time.perf_counter() - begun) * 60


def hot_reload(service: Service, rounds: int = 5) -> Iterator[Figure]:
    """From the last byte of a copied checkpoint to its name in the API."""
    folder = service.data_dir / "models" / "Stable-diffusion"
    source = next(folder.glob("*.safetensors"))
    waits = []
    for round_number in range(rounds):
        copy = folder / f"bench-{round_number}.safetensors"
        shutil.copyfile(source, copy)
        begun = time.perf_counter()
        while not any(copy.stem in model["title"] for model in service.get("/sdapi/v1/sd-models")):
            time.sleep(0.01)
        waits.append(time.perf_counter() - begun)
        copy.unlink()
    worst = max(waits)
    yield Figure("hot reload, median s", f"{statistics.median(waits):.2f}")
    yield Figure(f"hot reload, worst of {rounds}, s", f"{worst:.2f}", "≤ 2", worst <= 2)


def cheap_gets(service: Service) -> Iterator[Figure]:
    """GETs of many clients while a picture is drawn: as pollers send them, and all at once."""
    stop_drawing = Event()

    def draw() -> None:
        while not stop_drawing.is_set():
            txt2img(service, steps=60)

    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(draw)
        time.sleep(1)  # the sampler is at work
        polled = percentiles(measure_gets(service.address))
        crowded = percentiles([s for _ in range(5) for s in measure_burst(service.address)])
        stop_drawing.set()
        drawing.result()
    name = f"GETs of {CLIENTS} clients while drawing"
    yield Figure(f"{name}, median ms", f"{polled[0]:.1f}")
    yield Figure(f"{name}, p95 ms", f"{polled[1]:.1f}", f"≤ {MAX_GET_MS}", polled[1] <= MAX_GET_MS)
    yield Figure(f"{CLIENTS} GETs sent in one moment while drawing, p95 ms", f"{crowded[1]:.1f}")


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    return statistics.median(seconds) * 1000, statistics.quantiles(seconds, n=20)[-1] * 1000


def network_share(data_dir: Path) -> Iterator[Figure]:
    """Share of the wall time of jobs that is spent inside the networks, in the engine alone."""
    from generator.engine import Engine  # torch stays out of the harness until here
    from generator.models.registry import Folders, Registry
    from generator.request import GenerationRequest, Sampling, Seeds

    engine = Engine(Registry(Folders.under(data_dir), None), "cpu")
    for size in (SIZE, 512):
        request = GenerationRequest(
            PROMPT, Seeds(1), sampling=Sampling("Euler a", steps=STEPS), width=size, height=size
        )
        engine.run(request)
        runs = [engine.run(request) for _ in range(3)]
        share = statistics.median(run.network_seconds / run.seconds for run in runs)
        seconds = statistics.median(run.seconds for run in runs)
        yield Figure(f"share of wall time in the networks, {size}x{size}", f"{share:.1%}")
        yield Figure(
            f"one picture {size}x{size}, {STEPS} steps, in the engine, s", f"{seconds:.2f}"
        )


def tiny_speed(goldens: Path) -> Iterator[Figure]:
    """Steps a second and the share outside the networks, with the recorded cases' checkpoint."""
    from benchmarks.engine_speed import MAX_OUTSIDE_SHARE, measure  # torch stays out until here

    if not goldens.is_dir():
        return
    for speeds in measure(goldens):
        where = f"tiny checkpoint, {speeds.size}x{speeds.size}"
        yield Figure(f"{where}: steps a second", f"{speeds.steps_a_second:.2f}")
        met = speeds.outside <= MAX_OUTSIDE_SHARE if speeds.size == SQUARE else None
        bar = f"≤ {MAX_OUTSIDE_SHARE:.0%}" if speeds.size == SQUARE else ""
        yield Figure(f"{where}: time outside the networks", f"{speeds.outside:.1%}", bar, met)


def measure_detour() -> Iterator[Figure]:
    """What the queue adds to one synchronous request, with a worker that does nothing."""
    from benchmarks.queue_detour import measure_rounds

    median, p95 = percentiles(measure_rounds())
    yield Figure("queue detour, median ms", f"{median:.1f}", "≤ 10", median <= 10)
    yield Figure("queue detour, p95 ms", f"{p95:.1f}")


def measure_plugins() -> Iterator[Figure]:
    """What plugins cost the start of the web process."""
    from benchmarks.plugin_start import PLUGINS, measure_start

    took = measure_start() * 1000
    name = f"{PLUGINS} plugins, more of web start, ms"
    yield Figure(name, f"{took:.0f}", f"≤ {MAX_PLUGINS_MS}", took <= MAX_PLUGINS_MS)


def all_figures() -> list[Figure]:
    """Every figure, in one run."""
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        data_dir = Path(name)
        with run_easel(data_dir) as service:  # first start: installs the default checkpoint
            service.wait_for_ping()
            txt2img(service)
        figures = [*measure_starts(data_dir), *measure_plugins(), *measure_detour()]
        with run_easel(data_dir) as service:
            service.wait_for_ping()
            txt2img(service)
            figures += [*throughput(service), *cheap_gets(service), *hot_reload(service)]
        figures += network_share(data_dir)
    figures += tiny_speed(GOLDENS)
    return figures


def as_markdown(figures: list[Figure], where: str) -> str:
    """The table of RESULTS.md; missed bars come first."""
    missed = [f for f in figures if f.met is False]
    lines = ["# Results", ""]
    lines += [f"**Missed:** {f.name}: {f.value} (bar {f.bar})" for f in missed] + [""] * bool(
        missed
    )
    lines += [f"Taken on {where}. `make bench` takes them again.", ""]
    lines += ["| figure | value | bar |", "|---|---|---|"]
    lines += [f"| {f.name} | {f.value} | {f.bar} |" for f in figures]
    return "\n".join(lines) + "\n"


def as_json(figures: list[Figure]) -> str:
    """The same for programs."""
    return json.dumps({f.name: f.value for f in figures}, indent=1)
