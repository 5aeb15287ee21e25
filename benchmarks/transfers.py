"""Uploads and downloads beside ``dd`` and copyparty: the same disk, machine and run.

``EASEL_BENCH_GB`` is the size of the uploaded file (4), ``EASEL_BENCH_ROUNDS`` how often everything
is done (3); of each the best round counts, as whatever else runs here only ever slows one down.
"""

import base64
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.service import free_port
from generator.data_folders import STATE_FOLDER

MEGABYTE, GIB = 1_000_000, 1 << 30
TRANSFER_BYTES = int(float(os.environ.get("EASEL_BENCH_GB", "4")) * GIB)
ROUNDS = int(os.environ.get("EASEL_BENCH_ROUNDS", "3"))
TAIL_FILE_BYTES = 8 * GIB
TAILS = 30
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = "application/offset+octet-stream"


@dataclass(slots=True)
class TransferRates:
    """MB/s of every round, by what was done."""

    all: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, size: int, seconds: float) -> None:
        """One round's."""
        self.all.setdefault(name, []).append(size / MEGABYTE / seconds)

    def best(self, name: str) -> float:
        """The best round's."""
        return max(self.all[name])

    def format_best(self, name: str) -> str:
        """The best, and what the others were."""
        rounds = ", ".join(f"{rate:.0f}" for rate in self.all[name])
        return f"{self.best(name):.0f} ({rounds})"


@contextmanager
def run_server(command: Sequence[str], url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A server, from its first answer on, ended by its own id."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(3000):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def start_client(
    method: str, url: str, size: int, headers: dict[str, str]
) -> "subprocess.Popen[str]":
    """Start the client."""
    words = [f"{name}:{value}" for name, value in headers.items()]
    command = [sys.executable, "-m", "benchmarks.upload_client", method, url, str(size), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def seconds_of(client: "subprocess.Popen[str]") -> float:
    """What the client measured. Raises ``RuntimeError`` where it failed."""
    out, _ = client.communicate()
    if client.returncode:
        raise RuntimeError("a transfer failed; its message is above")
    return float(out)


def upload_metadata(**meanings: str) -> str:
    """``Upload-Metadata``."""
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in meanings.items())


class MemoryWatch(threading.Thread):
    """Watches how much memory a process holds."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.before = self.most = self.now()
        self.over = threading.Event()

    def now(self) -> int:
        """Bytes in memory."""
        line = next(x for x in self.status.read_text().splitlines() if x.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def run(self) -> None:
        """Look 50 times a second."""
        while not self.over.wait(0.02):
            self.most = max(self.most, self.now())

    def bytes_grown(self) -> int:
        """Bytes by which it grew at most; the watching ends."""
        self.over.set()
        self.join()
        return self.most - self.before


def child_of(pid: int) -> int:
    """The process that serves, below gunicorn's arbiter."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def create(url: str, size: int, name: str) -> str:
    """The address of a new upload."""
    response = upload_metadata(folder="/data/outputs", filename=name, conflict="overwrite")
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": response}
    request = urllib.request.Request(f"{url}/api/files/uploads", headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return url + str(answer.headers["Location"])


def upload(url: str, size: int, files: int, folder: Path) -> float:
    """Seconds until ``files`` uploads of ``size`` bytes in all have been answered."""
    share = size // files
    addresses = [create(url, share, f"bench-{number}.png") for number in range(files)]
    headers = {**TUS, "Content-Type": BYTES, "Upload-Offset": "0"}
    took = max(
        [seconds_of(c) for c in [start_client("PATCH", a, share, headers) for a in addresses]]
    )
    for path in folder.iterdir():
        assert path.stat().st_size == share, path
        path.unlink()
    return took


def dd(folder: Path, size: int) -> float:
    """Seconds of ``dd ... conv=fsync``."""
    target = folder / "dd.bin"
    blocks = ["bs=4M", f"count={size >> 22}", "conv=fsync"]
    begun = time.perf_counter()
    subprocess.run(
        ["dd", "if=/dev/zero", f"of={target}", *blocks], check=True, stderr=subprocess.DEVNULL
    )
    took = time.perf_counter() - begun
    target.unlink()
    return took


def fill(target: Path, size: int) -> None:
    """Write a file to be fetched: a fresh one, of which as much is in memory as fits."""
    block = bytes(4 << 20)
    with target.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)


def copyparty_upload(url: str, size: int, folder: Path) -> tuple[float, float]:
    """Seconds of a PUT, and of having on the disk what it left in memory.

    Without the checksum that copyparty would take of it (``ck=no``): so it is fastest.
    """
    target = folder / "party.bin"
    took = seconds_of(start_client("PUT", f"{url}/party.bin?ck=no", size, {}))
    begun = time.perf_counter()
    with target.open("rb") as file:
        os.fsync(file.fileno())
    later = time.perf_counter() - begun
    assert target.stat().st_size == size
    target.unlink()
    return took, later


def time_tails(url: str) -> list[float]:
    """Seconds of the last 100 bytes of a large file, several times."""
    seconds = []
    for _ in range(TAILS):
        request = urllib.request.Request(url, headers={"Range": "bytes=-100"})
        begun = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert len(answer.read()) == 100
        seconds.append(time.perf_counter() - begun)
    return seconds


@dataclass(frozen=True, slots=True)
class ServerPair:
    """Both servers, and where they keep their files."""

    easel: str
    easel_files: Path
    memory: Callable[[], MemoryWatch]
    party: str
    party_files: Path


@contextmanager
def run_servers(folder: Path) -> Iterator[ServerPair]:
    """Easel's web process and copyparty, side by side on one disk."""
    data, party = folder / "data", folder / "party"
    for path in (data / STATE_FOLDER, data / "outputs", party):
        path.mkdir(parents=True)
    ours, theirs = free_port(), free_port()
    easel = [sys.executable, "-m", "webapp", "web", "--data-dir", str(data), "--port", str(ours)]
    copyparty = [sys.executable, "-m", "copyparty", "-q", "-i", "127.0.0.1", "-p", str(theirs)]
    with (
        run_server([*easel, "--watch=off", "--no-hashing"], f"http://127.0.0.1:{ours}/internal/ping")
        as process,
        run_server([*copyparty, "-v", f"{party}::A"], f"http://127.0.0.1:{theirs}/"),
    ):  # fmt: skip
        serves = child_of(process.pid)
        yield ServerPair(
            f"http://127.0.0.1:{ours}",
            data / "outputs",
            lambda: MemoryWatch(serves),
            f"http://127.0.0.1:{theirs}",
            party,
        )


def measure_round(at: ServerPair, size: int, rates: TransferRates) -> int:
    """Everything once; how many bytes the web process grew by during one upload."""
    rates.add("dd", size, dd(at.party_files, size))
    memory = at.memory()
    memory.start()
    rates.add("one", size, upload(at.easel, size, 1, at.easel_files))
    grown = memory.bytes_grown()
    rates.add("four", size, upload(at.easel, size, 4, at.easel_files))
    took, later = copyparty_upload(at.party, size, at.party_files)
    rates.add("party", size, took)
    rates.add("party on disk", size, took + later)
    for name, url, folder in (
        ("down", f"{at.easel}/api/files/content?path=/data/outputs/down.bin", at.easel_files),
        ("party down", f"{at.party}/down.bin", at.party_files),
    ):
        fill(folder / "down.bin", size)
        rates.add(name, size, seconds_of(start_client("GET", url, size, {})))
        (folder / "down.bin").unlink()
    return grown


def fitting_size(folder: Path, size: int) -> int:
    """``size``, or as much of it as the disk holds beside twice as much."""
    room = shutil.disk_usage(folder).free // 3
    return min(size, room >> 26 << 26)


def transfer_figures() -> Iterator[Figure]:
    """Every figure of uploads and downloads."""
    if not shutil.which("dd") or not shutil.which(sys.executable):
        return
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        folder, rates = Path(name), TransferRates()
        size = fitting_size(folder, TRANSFER_BYTES)
        with run_servers(folder) as at:
            grown = max(measure_round(at, size, rates) for _ in range(ROUNDS))
            large = at.easel_files / "large.bin"
            with large.open("wb") as file:
                file.truncate(TAIL_FILE_BYTES)
            seconds = time_tails(f"{at.easel}/api/files/content?path=/data/outputs/large.bin")
    yield from figures_of(rates, size, grown, seconds)


def figures_of(
    rates: TransferRates, size: int, grown: int, seconds: list[float]
) -> Iterator[Figure]:
    """The lines of the table."""
    what = f"{size / GIB:g} GiB"
    yield Figure(f"dd conv=fsync, {what}, MB/s, best (rounds)", rates.format_best("dd"))
    yield Figure(f"upload of {what}, MB/s", rates.format_best("one"))
    yield _ratio("upload against dd", rates, "one", "dd", 0.8)
    yield Figure("copyparty: PUT, MB/s", rates.format_best("party"))
    yield Figure("copyparty: PUT and until on disk, MB/s", rates.format_best("party on disk"))
    yield _ratio("upload against copyparty, both on disk", rates, "one", "party on disk", 1.0)
    yield Figure("upload against copyparty's answer", f"{_quotient(rates, 'one', 'party'):.2f} ×")
    yield Figure(f"four uploads at once, {what} in all, MB/s", rates.format_best("four"))
    yield _ratio("four at once against one", rates, "four", "one", 1.0)
    mib = grown / (1 << 20)
    yield Figure("web process grows in an upload by, MiB", f"{mib:.1f}", "≤ 64", mib <= 64)
    yield Figure(f"download of {what}, MB/s", rates.format_best("down"))
    yield Figure("copyparty: download, MB/s", rates.format_best("party down"))
    yield _ratio("download against copyparty", rates, "down", "party down", 0.8)
    median = statistics.median(seconds) * 1000
    name = f"last 100 bytes of {TAIL_FILE_BYTES >> 30} GiB, median ms"
    yield Figure(name, f"{median:.1f}", "≤ 20", median <= 20)


def _quotient(rates: TransferRates, ours: str, theirs: str) -> float:
    return rates.best(ours) / rates.best(theirs)


def _ratio(name: str, rates: TransferRates, ours: str, theirs: str, bar: float) -> Figure:
    ratio = _quotient(rates, ours, theirs)
    return Figure(name, f"{ratio:.2f} ×", f"≥ {bar:g} ×", ratio >= bar)


if __name__ == "__main__":
    for figure in transfer_figures():
        print(f"{figure.name}: {figure.value} {figure.bar} {figure.met}")
