"""How long the first page of a folder of 100,000 files takes, over HTTP.

Cold: the service has not read the folder as it is now (a file is added before each round); its
names are in the system's cache, since they have just been written. Warm: nothing changed since.
``python -m benchmarks.folder_pages`` prints these figures alone.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.figures import Figure, machine
from benchmarks.service import Service, run_easel

FILES = 100_000
ROUNDS = 7
MAX_MILLISECONDS = 200.0  # ms


def make_folder(folder: Path, count: int = FILES) -> Path:
    """A folder of ``count`` empty files, named as saved pictures are."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:05d}-{number * 2654435761 % 2**32}.png").touch()
    return folder


def measure_page(service: Service, **query: object) -> float:
    """Milliseconds of one page of 200 entries."""
    query_string = urlencode({"path": "/data/outputs/many", "limit": 200, **query})
    began = time.perf_counter()
    answer = service.get(f"/api/files?{query_string}")
    took = (time.perf_counter() - began) * 1000
    if len(answer["entries"]) != 200 or answer["total"] < FILES:
        raise RuntimeError(f"A page of {len(answer['entries'])} of {answer['total']} entries.")
    return took


def wait_until_idle(service: Service, patience: float = 600) -> None:
    """Wait until the service has read all names into its index, as it does after its start."""
    end = time.perf_counter() + patience
    query_string = urlencode({"q": "new", "path": "/data"})
    while time.perf_counter() < end:
        if service.get(f"/api/files/search?{query_string}").get("complete", True):
            return
        time.sleep(0.5)


def listing_figures() -> Iterator[Figure]:
    """The figures."""
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        data_dir = Path(name)
        folder = make_folder(data_dir / "outputs" / "many")
        with run_easel(data_dir, "--no-default-checkpoint") as service:
            service.wait_for_ping()
            wait_until_idle(service)
            cold = [measure_page(service) for _ in _change_folder(folder)]
            warm = [measure_page(service) for _ in range(ROUNDS)]
            far = [measure_page(service, offset=FILES // 2, sort="-name") for _ in range(ROUNDS)]
            by_time = [measure_page(service, sort="-modified") for _ in _change_folder(folder)]
    named = f"first page of {FILES} files"
    yield _figure_with_bar(f"{named}, folder changed, median ms", statistics.median(cold))
    yield _figure_with_bar(f"{named}, folder changed, worst of {ROUNDS}, ms", max(cold))
    yield _figure_with_bar(f"{named}, nothing changed, median ms", statistics.median(warm))
    yield _figure_with_bar("a page from the middle, backwards, median ms", statistics.median(far))
    took = statistics.median(by_time)
    yield Figure(f"{named} by time, folder changed, median ms", f"{took:.0f}")


def _change_folder(folder: Path) -> Iterator[int]:
    for number in range(ROUNDS):
        (folder / f"new-{time.time_ns()}.png").touch()
        time.sleep(1)  # the watcher has looked at it
        yield number


def _figure_with_bar(name: str, took: float) -> Figure:
    return Figure(name, f"{took:.1f}", f"≤ {MAX_MILLISECONDS:.0f}", took <= MAX_MILLISECONDS)


if __name__ == "__main__":
    print(machine())
    for figure in listing_figures():
        print(f"{figure.name}: {figure.value} {figure.bar}")
